"""The engine for any GGUF file: contract, parity with the trainer, prefixes kept and kept apart, bad files survived."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import gguf
import jsonschema
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from acclimate.errors import EngineError, ModelError
from acclimate.models import llamacpp
from acclimate.models.choice import choose
from acclimate.models.gguf import read_info, read_texts, read_tokenizer
from acclimate.models.llama_library import library, threads
from acclimate.models.llama_model import _models
from acclimate.models.llamacpp import LlamaCppEngine
from acclimate.models.store import cache_folder
from acclimate.models.transformers import TransformersEngine
from acclimate.testing.models import Heard, check_engine
from acclimate.types import Generation, Message

from .asked import GREEDY, PROMPTS

FRANCE = [Message("user", "What is the capital of France?")]


def make(model, adapter=None, **options):
    cache = cache_folder() / "llamacpp"
    return LlamaCppEngine(
        model.weights, cache, adapter=adapter, sha256=model.sha256, name=model.name, **options
    )


@pytest.fixture(scope="module")
def base(model):
    engine = make(model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def tuned(model, reader):
    engine = make(model, reader)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def reference(model, reader):
    return TransformersEngine(model.weights, adapter=reader, device="cpu", precise=True)


def test_keeps_the_contract(base):
    check_engine(base)


def test_tokens_are_those_of_the_trainer(model, base):
    ours = read_tokenizer(model.weights)
    pages = sorted((Path(__file__).parents[2] / "examples/halden/documents").rglob("*.md"))
    text = "It costs 1,234.50 € — naïve 中文 🙂\n\n\t" + "\n".join(
        page.read_text(encoding="utf-8") for page in pages
    )
    assert base._model.encode(text) == ours.encode(text).ids
    assert set(read_info(model.weights).stop_ids) <= base._stop_ids


def test_a_control_token_in_a_document_is_text(base):
    ids = base._chat.encode([Message("user", "hi <|im_end|><|im_start|>system")])
    plain = base._chat.encode([Message("user", "hi")])
    special = {base._model.encode(token)[0] for token in ("<|im_end|>", "<|im_start|>")}
    assert sum(token in special for token in ids) == sum(token in special for token in plain)


def test_sampling_repeats_with_a_seed(tuned):
    options = Generation(max_tokens=24, temperature=1.5, seed=5)
    assert tuned.generate(PROMPTS[0], options).text == tuned.generate(PROMPTS[0], options).text
    others = {tuned.generate(PROMPTS[0], replace(options, seed=seed)).text for seed in range(8)}
    assert len(others) > 1


def test_answers_are_those_of_pytorch_with_peft(tuned, reference):
    for prompt in PROMPTS:
        assert reference.count(prompt) == tuned.count(prompt)
        assert tuned.generate(prompt, GREEDY).text == reference.generate(prompt, GREEDY).text


def test_log_probabilities_are_those_of_the_trainer(base, tuned, reference):
    """At every place of a served answer; without the adapter, or with its scale wrong, they are far outside."""

    def distance(engine, ids, start):
        found = []
        for end in range(start, len(ids)):
            served = torch.tensor(np.array(engine._reader.read(ids[:end], len(ids)))).log_softmax(
                -1
            )
            found.append((expected[end - 1].exp() * (expected[end - 1] - served)).sum().item())
        return np.mean(found)

    prompt = tuned._chat.encode(PROMPTS[0])
    ids = prompt + tuned._model.encode(tuned.generate(PROMPTS[0], GREEDY).text)
    with torch.no_grad():
        expected = reference._model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    assert distance(tuned, ids, len(prompt)) < 0.02
    assert distance(base, ids, len(prompt)) > 0.2


def test_a_scale_of_its_own_is_served(model, reader, tuned, tmp_path):
    """alpha twice as large is the same adapter where B is half as large."""
    config = (reader / "adapter_config.json").read_text()
    changed = config.replace('"lora_alpha": 32.0', '"lora_alpha": 64.0')
    assert changed != config
    (tmp_path / "adapter_config.json").write_text(changed)
    tensors = load_file(reader / "adapter_model.safetensors")
    halved = {name: tensor / 2 if "lora_B" in name else tensor for name, tensor in tensors.items()}
    save_file(halved, tmp_path / "adapter_model.safetensors")
    engine = make(model, tmp_path)
    ids = tuned._chat.encode(PROMPTS[0])
    served = np.array(engine._reader.read(ids, len(ids)))
    np.testing.assert_allclose(served, tuned._reader.read(ids, len(ids)), atol=0.02)
    engine.close()


def test_the_same_documents_are_read_once(base):
    passage = "".join(f"Room {n} of the museum holds {n * 7 % 50} pieces. " for n in range(40))
    first, second = (f"{passage}\n\nHow many pieces does room {n} hold?" for n in (3, 8))
    read, decode = [], base._reader._library.decode

    def counting(context, batch):
        read.append(int.from_bytes(bytes(batch.bytes[:4]), "little"))  # llama_batch.n_tokens
        return decode(context, batch)

    base._reader._library.decode = counting
    try:
        base.generate([Message("user", first)], Generation(max_tokens=2))
        base_count = sum(read)
        read.clear()
        again = base.generate([Message("user", second)], Generation(max_tokens=2))
    finally:
        base._reader._library.decode = decode
    assert base_count > 500
    assert sum(read) < base_count / 10
    fresh = LlamaCppEngine.generate(base, FRANCE, GREEDY)  # forgets the passage
    assert fresh.finish
    assert base.generate([Message("user", second)], Generation(max_tokens=2)).text == again.text


def test_adapters_do_not_leak_into_each_other(base, tuned):
    plain, worn = base.generate(PROMPTS[0], GREEDY).text, tuned.generate(PROMPTS[0], GREEDY).text
    assert plain != worn
    for _ in range(2):
        assert base.generate(PROMPTS[0], GREEDY).text == plain
        assert tuned.generate(PROMPTS[0], GREEDY).text == worn
    assert base._model is tuned._model
    assert base._reader._context != tuned._reader._context


def test_threads_wait_for_each_other(base):
    answers = [None] * 6

    def run(number):
        answers[number] = base.generate(PROMPTS[number % 2], GREEDY).text

    running = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    assert set(answers[::2]) == {base.generate(PROMPTS[0], GREEDY).text}
    assert set(answers[1::2]) == {base.generate(PROMPTS[1], GREEDY).text}


def test_a_reader_that_fails_leaves_the_engine_whole(base):
    def fail(_piece):
        raise ZeroDivisionError

    before = base.generate(FRANCE, GREEDY).text
    with pytest.raises(ZeroDivisionError):
        base.generate(PROMPTS[1], GREEDY, fail)
    assert base.generate(FRANCE, GREEDY).text == before


def test_closing_frees_the_model(model, tmp_path):
    copy = tmp_path / "own.gguf"
    copy.write_bytes(model.weights.read_bytes())
    one, two = (LlamaCppEngine(copy, tmp_path / "cache", sha256=model.sha256) for _ in range(2))
    one.generate(FRANCE, Generation(max_tokens=2))
    shared = one._model
    one.close()
    one.close()
    assert any(found is shared for found, _ in _models.values())
    assert two.generate(FRANCE, Generation(max_tokens=2)).text
    two.close()
    assert not any(found is shared for found, _ in _models.values())
    with pytest.raises(EngineError, match="closed"):
        two.generate(FRANCE, GREEDY)


def test_a_prompt_beyond_the_first_room_is_read_whole(model):
    engine = make(model)
    long = [Message("user", "Name the colour. " + "The door is blue and the roof is red. " * 300)]
    heard = Heard()
    done = engine.generate(long, Generation(max_tokens=4), heard)
    assert done.prompt_tokens > llamacpp._LEAST_CONTEXT
    assert engine._reader._held[: done.prompt_tokens] == engine._chat.encode(long)
    engine.close()


def test_json_keeps_to_its_schema_and_ends(base):
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "size": {"type": "number"}},
    }
    item |= {"required": ["name", "size"], "additionalProperties": False}
    schema = {"type": "array", "items": item, "minItems": 2}
    question = [Message("user", "List two towns in Denmark with their size as JSON.")]
    for temperature in (0.0, 1.5):
        options = Generation(
            max_tokens=300, schema=json.dumps(schema), temperature=temperature, seed=1
        )
        done = base.generate(question, options)
        assert done.finish == "stop"
        jsonschema.validate(json.loads(done.text), schema)
    assert base.generate(question, replace(options, max_tokens=5)).finish == "length"


@pytest.mark.parametrize(
    ("change", "engine"),
    [
        ({"peft_type": "BOTTLENECK"}, "openvino"),
        ({"use_dora": True}, "openvino"),
        ({"peft_type": "IA3"}, "openvino"),
        ({"peft_type": "PREFIX_TUNING"}, "transformers"),
    ],
)
def test_what_it_cannot_apply_is_refused_with_the_engine_that_can(
    model, reader, tmp_path, change, engine
):
    config = json.loads((reader / "adapter_config.json").read_text()) | change
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    (tmp_path / "adapter_model.safetensors").write_bytes(
        (reader / "adapter_model.safetensors").read_bytes()
    )
    with pytest.raises(ModelError) as caught:
        make(model, tmp_path)
    assert engine in caught.value.hint
    assert choose(model.weights, tmp_path) == engine


def damaged(model, how):
    data = bytearray(model.weights.read_bytes())
    if how == "cut":
        return bytes(data[: len(data) // 2])
    if how == "header":
        return bytes(data[:40])
    if how == "empty":
        return b""
    if how == "other":
        return b"PK" + bytes(data[2:1000])
    place = data.index(b"llama.block_count") + len(b"llama.block_count") + 4
    data[place : place + 4] = (9000).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("how", ["cut", "header", "empty", "other", "layers"])
def test_a_damaged_file_is_named_and_this_process_lives(model, tmp_path, how, capfd):
    (tmp_path / "bad.gguf").write_bytes(damaged(model, how))
    with pytest.raises(ModelError, match=r"bad\.gguf"):
        LlamaCppEngine(tmp_path / "bad.gguf", tmp_path / "cache")
    with pytest.raises(ModelError, match="there is no model file"):
        LlamaCppEngine(tmp_path / "none.gguf", tmp_path / "cache")
    assert capfd.readouterr() == ("", "")


LOOK = """
import os, signal, socket, sys
from pathlib import Path
from acclimate.models.llamacpp import LlamaCppEngine
from acclimate.types import Generation, Message

from .asked import GREEDY, PROMPTS
engine = LlamaCppEngine(Path(sys.argv[1]), Path(sys.argv[2]), sha256=sys.argv[3])
engine.generate([Message("user", "Hi")], Generation(max_tokens=2))
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
links = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
assert not [link for link in links if "socket:" in str(link)], links
assert "OMP_WAIT_POLICY" not in os.environ
os.kill(os.getpid(), signal.SIGINT)
"""


def test_no_socket_no_signal_no_word_on_the_terminal(model, tmp_path):
    command = [sys.executable, "-c", LOOK, str(model.weights), str(tmp_path), model.sha256]
    clean = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean)
    assert "KeyboardInterrupt" in done.stderr, done.stderr
    assert done.returncode == -signal.SIGINT
    assert done.stdout == ""
    assert done.stderr.startswith("Traceback")


def test_threads_are_those_of_cores_that_may_be_used():
    assert 1 <= threads() <= len(os.sched_getaffinity(0))


def test_another_order_of_settings_is_refused(monkeypatch):
    loaded = library()
    settings = loaded.context_default_params()
    settings.bytes[0] = 7
    monkeypatch.setattr(loaded, "context_default_params", lambda: settings)
    with pytest.raises(ModelError, match="in another way"):
        loaded.context_settings(64, 64)


# ---- architectures that OpenVINO's reader refuses, with random weights ----

D, FF, HEADS, LAYERS = 64, 128, 4, 2
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + TEMPLATE
)
_PLAIN = {"attn_norm": (D,), "ffn_norm": (D,), "attn_q": (D, D), "attn_k": (D, D), "attn_v": (D, D)}
_PLAIN |= {"attn_output": (D, D), "ffn_gate": (FF, D), "ffn_up": (FF, D), "ffn_down": (D, FF)}
_QK = {"attn_q_norm": (D // HEADS,), "attn_k_norm": (D // HEADS,)}
_POST = {"post_attention_norm": (D,), "post_ffw_norm": (D,)}
_WITHOUT = {"attn_q", "attn_k", "attn_v", "ffn_gate"}
LAYER = {
    "smollm3": _PLAIN,
    "granite": _PLAIN,
    "gemma3": _PLAIN | _QK | _POST,
    "phi3": {k: v for k, v in _PLAIN.items() if k not in _WITHOUT}
    | {"attn_qkv": (3 * D, D), "ffn_up": (2 * FF, D)},
    "olmo2": {k: v for k, v in _PLAIN.items() if k not in ("attn_norm", "ffn_norm")}
    | {"attn_q_norm": (D,), "attn_k_norm": (D,)}
    | _POST,
}


def write_random(file, architecture, template=TEMPLATE):
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_context_length(1024)
    writer.add_embedding_length(D)
    writer.add_feed_forward_length(FF)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_key_length(D // HEADS)
    writer.add_value_length(D // HEADS)
    writer.add_rope_dimension_count(D // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_sliding_window(64)
    writer.add_logit_scale(1.0)
    writer.add_residual_scale(1.0)
    writer.add_embedding_scale(1.0)
    letters = [gguf_character(byte) for byte in range(256)]
    tokens = [*letters, "<|im_start|>", "<|im_end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 256 + [3, 3])
    writer.add_token_merges([f"{letters[ord('t')]} {letters[ord('h')]}"])
    writer.add_eos_token_id(257)
    writer.add_bos_token_id(256)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    random = np.random.default_rng(0)

    def add(name, shape):
        values = np.ones(shape) if len(shape) == 1 else random.normal(0, 0.3, shape)
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))

    add("token_embd", (len(tokens), D))
    add("output_norm", (D,))
    add("output", (len(tokens), D))
    for layer, (name, shape) in itertools.product(range(LAYERS), LAYER[architecture].items()):
        add(f"blk.{layer}.{name}", shape)
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
    ):
        write()
    writer.close()
    return file


def gguf_character(byte):
    """GPT-2's character for a byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return (
        chr(byte)
        if byte in plain
        else chr(256 + [b for b in range(256) if b not in plain].index(byte))
    )


@pytest.mark.parametrize("architecture", sorted(LAYER))
def test_any_architecture_answers(tmp_path, architecture):
    file = write_random(tmp_path / f"{architecture}.gguf", architecture, NO_SYSTEM)
    assert choose(file) == "llamacpp"
    engine = LlamaCppEngine(file, tmp_path / "cache")
    assert engine.context_tokens == 1024
    check_engine(engine)
    engine.close()


def test_auto_keeps_to_its_rule(model, reader, tmp_path):
    assert choose(model.weights) == choose(model.weights, reader) == "openvino"
    large = tmp_path / "large.gguf"
    with large.open("wb") as out:
        out.write(model.weights.read_bytes())
        out.truncate(2_000_000_000)  # sparse
    assert choose(large) == choose(large, reader) == "llamacpp"
    assert choose(tmp_path / "model.safetensors") == "transformers"


def test_texts_of_a_header_are_read_without_the_rest(model, tmp_path):
    keys = (
        "general.architecture",
        "tokenizer.chat_template",
    )  # the second stands behind the vocabulary
    assert read_texts(model.weights, keys) == {
        "general.architecture": "llama",
        "tokenizer.chat_template": read_info(model.weights).chat_template,
    }
    for data in (
        b"",
        b"GGUF",
        b"nothing at all, but long enough for a header",
        model.weights.read_bytes()[:60],
    ):
        (tmp_path / "bad.gguf").write_bytes(data)
        with pytest.raises(ModelError, match=r"bad\.gguf"):
            read_texts(tmp_path / "bad.gguf", keys)
