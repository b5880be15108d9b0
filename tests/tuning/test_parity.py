"""What is served is what was trained, by every method: logits of the served graph against the network's, in float32.

The networks are random and an adapter changes their logits by 0.2 to 1.3 of their spread, so that a wrong scale, order
of rows, or a part that is left out is far outside of the tolerance. It is what 8-bit weights cost, and for the engine
own settings what bfloat16 and 8-bit activations cost.
"""

import copy

import numpy as np
import openvino as ov
import pytest
import torch

from acclimate.models.openvino import build
from acclimate.tuning.attached import attach
from acclimate.tuning.methods import METHODS
from acclimate.tuning.run import load_network

IDS = [int(token) for token in np.random.default_rng(0).integers(20, 990, 96)]
SERVED = sorted(name for name, method in METHODS.items() if method.served != "transformers")
# The other families differ by biases and norms of query and key, and an output matrix of its own.
CASES = [("llama", name) for name in SERVED]
CASES += [
    (family, name)
    for family in ("qwen2", "qwen3")
    for name in ("lora", "full", "bitfit", "ia3", "adapter")
]
PRECISE = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
OURS = {}  # the properties of the engine, that is OpenVINO's own


@pytest.fixture(scope="module")
def networks(tiny_file):
    return {
        family: load_network(tiny_file(family), torch.float32)
        for family in ("llama", "qwen2", "qwen3")
    }


def trained_logits(network):
    with torch.no_grad():
        return network(input_ids=torch.tensor([IDS])).logits[0].numpy()


def served_logits(folder, properties):
    core = ov.Core()
    compiled = core.compile_model(core.read_model(folder / "openvino_model.xml"), "CPU", properties)
    inputs = {"input_ids": np.array([IDS]), "attention_mask": np.ones((1, len(IDS)), np.int64)}
    inputs |= {"position_ids": np.arange(len(IDS))[None], "beam_idx": np.zeros(1, np.int32)}
    return compiled.create_infer_request().infer(inputs)[0][0]


def difference(logits, expected):
    """As a share of the spread of the expected logits [n, v] around each place's mean."""
    return np.linalg.norm(logits - expected) / np.linalg.norm(
        expected - expected.mean(1, keepdims=True)
    )


@pytest.mark.parametrize(("family", "name"), CASES)
def test_the_served_graph_computes_what_was_trained(tiny_file, networks, tmp_path, family, name):
    torch.manual_seed(0)
    base = trained_logits(networks[family])
    attached = attach(copy.deepcopy(networks[family]), METHODS[name], 4, 8.0)
    with torch.no_grad():
        for parameter in attached.parameters:
            parameter.add_(0.1 * torch.randn_like(parameter))
    expected = trained_logits(attached.network)
    attached.save(tmp_path / name, "tiny")
    folder = build(tiny_file(family), tmp_path / "cache", tmp_path / name)
    effect = difference(base, expected)
    found = difference(served_logits(folder, PRECISE), expected)
    as_served = difference(served_logits(folder, OURS), expected)
    assert effect > 0.2
    assert found < min(0.04, effect / 20)
    assert as_served < min(0.06, effect / 5)


def test_a_quarter_more_of_the_scale_is_seen(tiny_file, networks, tmp_path):
    """The measure tells what it is there to tell."""
    torch.manual_seed(0)
    attached = attach(copy.deepcopy(networks["llama"]), METHODS["lora"], 4, 8.0)
    with torch.no_grad():
        for parameter in attached.parameters:
            parameter.add_(0.1 * torch.randn_like(parameter))
    expected = trained_logits(attached.network)
    attached.save(tmp_path / "lora", "tiny")
    config = tmp_path / "lora" / "adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": 8.0', '"lora_alpha": 10.0'))
    assert "10.0" in config.read_text()
    folder = build(tiny_file("llama"), tmp_path / "cache", tmp_path / "lora")
    assert difference(served_logits(folder, PRECISE), expected) > 3 * 0.04
