"""Folders of any family answer through Transformers, prompted as Transformers itself would, whole or in shards."""

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from acclimate.models.choice import choose
from acclimate.models.store import LocalModel, locate
from acclimate.settings_sections import ModelSettings
from acclimate.types import Generation, Message
from acclimate.workspace.engine import load_engine

pytestmark = pytest.mark.usefixtures("one_thread")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|turn|>{{ m.role }}: {{ m.content }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}<|turn|>assistant: "
)
ASKED = [
    Message("user", "Where is the pump?"),
    Message("assistant", "In room 3."),
    Message("user", "And the fan?"),
]
SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "vocab_size": 100}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512}
FAMILIES = {"llama": {}, "gemma3_text": {"head_dim": 8, "sliding_window": 16}, "olmo2": {}}


def save(folder, family, shard="1GB"):
    letters = ["<unk>", "<s>", "</s>", "<|turn|>", "\n", *map(chr, range(32, 127))]
    letters = {letter: at for at, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.add_special_tokens([AddedToken(token) for token in ("<s>", "</s>", "<|turn|>")])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(2)
    settings = SIZES | FAMILIES[family] | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **settings))
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.3)
    model.save_pretrained(folder, max_shard_size=shard)
    return model.eval(), fast


def load(folder, monkeypatch, tmp_path) -> object:
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")  # so that both compute in 32 bits
    found = locate(str(folder))
    assert isinstance(found, LocalModel)
    assert choose(found.weights) == "transformers"
    chosen = ModelSettings(name=str(folder))
    assert chosen.engine == "auto"
    return load_engine(chosen, None, lambda *_: found)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_folder_answers_as_transformers_does(tmp_path, monkeypatch, family):
    model, tokenizer = save(tmp_path / family, family)
    engine = load(tmp_path / family, monkeypatch, tmp_path)
    turns = [{"role": one.role, "content": one.content} for one in ASKED]
    inputs = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    ids = inputs["input_ids"]
    assert ids[0].tolist().count(1) == 1
    assert engine.count(ASKED) == ids.shape[1]
    written = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
    wanted = tokenizer.decode(written, skip_special_tokens=True)
    assert engine.generate(ASKED, Generation(max_tokens=12)).text == wanted
    assert engine.name == family
    assert engine.context_tokens == 512
    engine.close()


def test_a_folder_in_shards_is_a_model(tmp_path, monkeypatch):
    save(tmp_path / "m", "llama", shard="20KB")
    assert not (tmp_path / "m/model.safetensors").exists()
    engine = load(tmp_path / "m", monkeypatch, tmp_path)
    assert engine.generate(ASKED, Generation(max_tokens=3)).completion_tokens >= 1
    engine.close()
