"""Tiny models of each family as GGUF files, with the default model's commonest words."""

import gguf
import numpy as np
import pytest

from acclimate.models.fetch import resolve
from acclimate.models.gguf import GGUFFile
from acclimate.models.merge import _copy_fields

WIDTH, INNER, BLOCKS, HEADS, KEYS = 64, 96, 2, 4, 2
VOCABULARY = 1000  # converting all words takes seconds
SIZES = {
    "block_count": BLOCKS,
    "embedding_length": WIDTH,
    "feed_forward_length": INNER,
}
SIZES |= {"vocab_size": VOCABULARY, "attention.head_count": HEADS, "attention.head_count_kv": KEYS}


def write_tiny(target, source, family, window=512):
    """Random weights of 8 bits; the embeddings are wide, so that answers are not ties."""
    reader, rng = GGUFFile(source), np.random.default_rng(1)
    writer = gguf.GGUFWriter(target, arch="")
    words = {
        name: reader.fields[f"tokenizer.ggml.{name}"].contents()
        for name in ("tokens", "token_type", "merges")
    }
    kept = {
        name: reader.fields[f"llama.{name}"].contents()
        for name in ("attention.layer_norm_rms_epsilon",)
    }
    theta = reader.fields["llama.rope.freq_base"].contents()
    for name in [*reader.fields]:
        if (
            name.startswith("llama.")
            or name.removeprefix("tokenizer.ggml.") in words
            or name == "general.architecture"
        ):
            reader.fields.pop(name)
    _copy_fields(reader, writer)
    writer.add_string("general.architecture", family)
    tokens = words["tokens"][:VOCABULARY]
    writer.add_array("tokenizer.ggml.tokens", tokens)
    writer.add_array("tokenizer.ggml.token_type", words["token_type"][:VOCABULARY])
    known = set(tokens)
    writer.add_array(
        "tokenizer.ggml.merges", [one for one in words["merges"] if one.replace(" ", "") in known]
    )
    head = 128 if family == "qwen3" else WIDTH // HEADS  # Transformers takes no other for Qwen3
    heads = {
        "rope.dimension_count": head,
        "attention.key_length": head,
        "attention.value_length": head,
    }
    for name, value in (SIZES | heads | {"context_length": window}).items():
        writer.add_uint32(f"{family}.{name}", value)
    writer.add_float32(f"{family}.rope.freq_base", theta)
    writer.add_float32(
        f"{family}.attention.layer_norm_rms_epsilon", kept["attention.layer_norm_rms_epsilon"]
    )

    def add(name, *shape, scale=0.15, start=0.0):
        values = (start + rng.normal(0, scale, shape)).astype(np.float32)
        kind = gguf.GGMLQuantizationType.F32 if len(shape) == 1 else gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    add("token_embd.weight", VOCABULARY, WIDTH, scale=0.6)
    add("output_norm.weight", WIDTH, start=1.0)
    if family == "qwen3":  # the others share it with the embeddings
        add("output.weight", VOCABULARY, WIDTH, scale=0.6)
    for block in range(BLOCKS):
        at, wide, narrow = f"blk.{block}", HEADS * head, KEYS * head
        for norm in ("attn_norm", "ffn_norm"):
            add(f"{at}.{norm}.weight", WIDTH, start=1.0)
        for name, out in (("attn_q", wide), ("attn_k", narrow), ("attn_v", narrow)):
            add(f"{at}.{name}.weight", out, WIDTH)
            if family == "qwen2":
                add(f"{at}.{name}.bias", out)
        if family == "qwen3":
            for norm in ("attn_q_norm", "attn_k_norm"):
                add(f"{at}.{norm}.weight", head, start=1.0)
        add(f"{at}.attn_output.weight", WIDTH, wide)
        for name, shape in (
            ("ffn_gate", (INNER, WIDTH)),
            ("ffn_up", (INNER, WIDTH)),
            ("ffn_down", (WIDTH, INNER)),
        ):
            add(f"{at}.{name}.weight", *shape)
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
    ):
        write()
    writer.close()


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    """The tiny model of a family: "llama", "qwen2" or "qwen3"."""
    made = {}

    def make(family="llama", window=512):
        if (family, window) not in made:
            made[family, window] = tmp_path_factory.mktemp("tiny") / f"{family}.gguf"
            source = resolve("smollm2-135m-instruct", "language").weights
            write_tiny(made[family, window], source, family, window)
        return made[family, window]

    return make
