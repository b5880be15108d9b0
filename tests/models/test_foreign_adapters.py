"""Adapters that others made: merged as PEFT computes them, or refused with what they hold and what to do."""

import json
import warnings

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from acclimate.errors import ModelError
from acclimate.models.adapters import read_changes, require_base_model
from acclimate.models.foreign_adapters import plain_name
from acclimate.models.merge import Heads

PLAIN = Heads(2, 2, permuted=False)
SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}


def make(folder, **settings):
    """A saved adapter with random weights, and the network without and with it."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(LlamaConfig(**SMALL))
    before = {name: weights.detach().clone() for name, weights in base.named_parameters()}
    chosen = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj", "up_proj"],
        "task_type": "CAUSAL_LM",
    } | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PEFT, on what cannot be merged
        worn = get_peft_model(base, LoraConfig(**chosen))
    with torch.no_grad():
        for name, weights in worn.named_parameters():
            if "lora_" in name:
                nn.init.normal_(weights, std=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        worn.save_pretrained(str(folder))
    return before, worn


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rank_pattern": {"up_proj": 2}, "alpha_pattern": {"layers.1.self_attn.q_proj": 32}},
        {"rank_pattern": {r"layers\.0\..*_proj": 8}, "use_rslora": True},
        {"use_dora": True, "alpha_pattern": {"up_proj": 2}},
        {"layers_to_transform": [1]},
    ],
)
def test_it_is_merged_as_peft_merges_it(tmp_path, settings):
    before, worn = make(tmp_path, **settings)
    changes = read_changes(tmp_path, PLAIN.order).weights
    merged = dict(worn.merge_and_unload().named_parameters())
    assert changes
    for block in range(2):
        for part, name in (("self_attn.q_proj", "attn_q"), ("mlp.up_proj", "ffn_up")):
            key = f"model.layers.{block}.{part}.weight"
            change = changes.get(f"blk.{block}.{name}.weight", lambda weights: weights)
            found = change(before[key].numpy().astype(np.float32))
            np.testing.assert_allclose(found, merged[key].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"modules_to_save": ["lm_head"]}, "whole layers that were trained beside it (lm_head)"),
        ({"bias": "lora_only"}, "biases of the base that were trained (bias = lora_only)"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "trained embeddings or a trained head"),
        ({"trainable_token_indices": [3]}, "embeddings of single tokens"),
        ({"init_lora_weights": "pissa"}, "a start that changed the base's weights (pissa)"),
        ({"lora_bias": True}, "biases in its matrices"),
    ],
)
def test_what_merging_would_lose_is_named(tmp_path, settings, part):
    make(tmp_path, **settings)
    with pytest.raises(ModelError) as raised:
        read_changes(tmp_path, PLAIN.order)
    assert part in str(raised.value)
    assert "merge_and_unload" in raised.value.hint


def rewritten(folder, **changes):
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in config.items() if value != "gone"}))


@pytest.mark.parametrize(
    ("changes", "part", "hint"),
    [
        (
            {"lora_alpha": "gone"},
            "'lora_alpha' is None in adapter_config.json",
            "Write the 'lora_alpha'",
        ),
        ({"r": "gone"}, "'r' is None", "Write the 'r'"),
        ({"r": 3}, "have the ranks 4 and 4; its configuration says 3", "another adapter"),
        ({"peft_type": "gone"}, "does not say its 'peft_type'", "save_pretrained"),
        ({"peft_type": "LOHA"}, "is a LOHA adapter", "transformers"),
        ({"use_dora": True}, "are ['A', 'B'], not", "save_pretrained"),
    ],
)
def test_a_configuration_that_cannot_be_right_is_refused(tmp_path, changes, part, hint):
    make(tmp_path)
    rewritten(tmp_path, **changes)
    with pytest.raises(ModelError) as raised:
        read_changes(tmp_path, PLAIN.order)
    assert part in str(raised.value)
    assert hint in raised.value.hint


def test_pickles_and_half_folders_are_refused_before_anything_is_opened(tmp_path):
    make(tmp_path)
    torch.save(load_file(tmp_path / "adapter_model.safetensors"), tmp_path / "adapter_model.bin")
    (tmp_path / "adapter_model.safetensors").unlink()
    for read in (
        lambda: read_changes(tmp_path, PLAIN.order),
        lambda: require_base_model(tmp_path, "x"),
    ):
        with pytest.raises(ModelError, match="a pickle, which can run code") as raised:
            read()
        assert "save_file" in raised.value.hint
    (tmp_path / "adapter_model.bin").unlink()
    with pytest.raises(ModelError, match=r"holds no adapter_model\.safetensors"):
        read_changes(tmp_path, PLAIN.order)
    (tmp_path / "adapter_config.json").unlink()
    with pytest.raises(
        ModelError, match=r"no readable adapter_config\.json: there is no such file"
    ):
        read_changes(tmp_path, PLAIN.order)


def test_another_base_is_refused_by_name_or_by_shape_with_both_named(tmp_path):
    make(tmp_path)
    rewritten(tmp_path, base_model_name_or_path="meta-llama/Llama-3.2-1B")
    with pytest.raises(
        ModelError, match=r"trained for 'meta-llama/Llama-3\.2-1B'; the model is 'smollm2"
    ):
        require_base_model(tmp_path, "smollm2-135m-instruct")
    rewritten(tmp_path, base_model_name_or_path="HuggingFaceTB/SmolLM2-135M-Instruct")
    require_base_model(tmp_path, "/models/SmolLM2-135M-Instruct-Q4_K_M.gguf")
    with pytest.raises(ModelError, match="trained for"):
        require_base_model(tmp_path, "smollm2-135m")
    rewritten(
        tmp_path, base_model_name_or_path="/home/me/checkpoint-100"
    )  # says nothing: shapes decide
    require_base_model(tmp_path, "smollm2-135m-instruct")
    change = read_changes(tmp_path, PLAIN.order).weights["blk.0.attn_q.weight"]
    with pytest.raises(ModelError, match=r"\(48, 48\) is \(32, 32\)"):
        change(np.zeros((48, 48), np.float32))


@pytest.mark.parametrize(
    "name",
    [
        "SmolLM2-135M-Instruct-GGUF",
        "unsloth/SmolLM2-135M-Instruct-bnb-4bit",
        "smollm2-135m-instruct.Q8_0.gguf",
    ],
)
def test_quantisation_and_file_type_are_no_part_of_a_name(name):
    assert plain_name(name) == plain_name("smollm2-135m-instruct")
    assert plain_name("Qwen2.5-1.5B") != plain_name("Qwen2.5-1.5B-Instruct")
