"""Training on blocks in memory gives what training on the dequantised network gives."""

import copy

import gguf
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from acclimate.errors import ModelError
from acclimate.tuning.blocks import BLOCK_TYPES
from acclimate.tuning.fitting import Checkpointing, kept_bytes
from acclimate.tuning.held_loss import sliced_cross_entropy
from acclimate.tuning.lora import attach
from acclimate.tuning.loss import answer_loss
from acclimate.tuning.nf4 import hold_in_nf4
from acclimate.tuning.packing import Example, pack
from acclimate.tuning.quantised import BlockEmbedding, BlockLinear, is_held

CPU = torch.device("cpu")


def tiny(**sizes):
    torch.manual_seed(4)
    chosen = {
        "vocab_size": 96,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    return LlamaForCausalLM(LlamaConfig(**(chosen | sizes))).eval()


def in_blocks(weight, name="Q4_1"):
    data = gguf.quants.quantize(weight.detach().numpy(), gguf.GGMLQuantizationType[name])
    return torch.from_numpy(data), BLOCK_TYPES[name]


def held_and_plain():
    """A network in blocks, and one with the same matrices dequantised."""
    held = tiny()
    plain = copy.deepcopy(held)
    for name, module in list(held.named_modules()):
        if not isinstance(module, torch.nn.Linear | torch.nn.Embedding):
            continue
        blocks, kind = in_blocks(module.weight)
        if isinstance(module, torch.nn.Linear):
            made = BlockLinear(blocks, kind, torch.float32, None)
            values = made.weight
        else:
            made = BlockEmbedding(blocks, kind, torch.float32)
            values = made(torch.arange(96))
        plain.get_submodule(name).weight.data = values
        parent, _, child = name.rpartition(".")
        setattr(held.get_submodule(parent), child, made)
    return held, plain


PACKED = pack([Example((1, 2, 3, 4), (5, 6)), Example((1, 2, 3, 7), (8, 9, 10))], 99)


@pytest.mark.parametrize("variant", ["quantised", "dora"])
def test_loss_and_gradients_are_those_of_the_dequantised_network(variant):
    held, plain = held_and_plain()
    assert is_held(held)
    assert not is_held(plain)
    found = []
    for network in (held, plain):
        torch.manual_seed(5)
        trained = attach(network, 4, 8, variant)
        for parameter in trained:
            torch.nn.init.normal_(parameter, std=0.1)
        loss = answer_loss(network, PACKED, checkpointing=network is held)
        loss.backward()
        found.append([loss.detach(), *(parameter.grad for parameter in trained)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert found[0][1].abs().max() > 0


def test_the_loss_by_slices_is_the_whole_one(monkeypatch):
    monkeypatch.setattr("acclimate.tuning.held_loss.SLICE", 40)  # three, the last one short
    torch.manual_seed(6)
    blocks, kind = in_blocks(torch.randn(100, 32))
    head = BlockLinear(blocks, kind, torch.float32, None)
    hidden, labels = torch.randn(7, 32), torch.tensor([0, 39, 40, 79, 80, 99, 3])
    found = []
    for sliced in (True, False):
        x = hidden.clone().requires_grad_()
        if sliced:
            losses = sliced_cross_entropy(x, head, labels)
        else:
            logits = x @ head.weight.T
            losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        (losses * torch.arange(1.0, 8.0)).sum().backward()
        found.append((losses.detach(), x.grad))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-5)


def test_a_sure_answers_gradient_does_not_drown_in_rounding():
    """(p − 1) · W of a label that is nearly certain, in bfloat16: 1 − p is found before p is
    rounded."""
    weight = torch.zeros(64, 32)
    weight[3, 0], weight[5, 1] = 8.0, 8.0
    blocks, kind = in_blocks(weight, "Q8_0")
    head = BlockLinear(blocks, kind, torch.bfloat16, None)
    hidden = torch.zeros(1, 32, dtype=torch.bfloat16)
    hidden[0, 0] = 1.5
    hidden.requires_grad_()
    sliced_cross_entropy(hidden, head, torch.tensor([3])).sum().backward()
    exact = hidden.detach().double().requires_grad_()
    logits = exact @ head.weight.double().T
    torch.nn.functional.cross_entropy(logits, torch.tensor([3])).backward()
    assert exact.grad[0, 0].abs() < 0.01
    torch.testing.assert_close(hidden.grad.double(), exact.grad, rtol=0.02, atol=1e-7)


def test_checkpointing_is_chosen_by_memory(monkeypatch):
    network = tiny()
    item, layers = 4, 2
    # inputs of norms and projections, queries to values twice, attention's result, the gated part
    numbers = 4 * 32 + 2 * (4 + 2 * 4) * 8 + 4 * 8 + 3 * 64
    tokens = 10
    assert kept_bytes(network.config, tokens, item) == layers * item * (
        tokens * numbers + 4 * tokens**2
    )
    monkeypatch.setattr(
        "acclimate.tuning.fitting.free_bytes",
        lambda device: 2 * kept_bytes(network.config, tokens, item),
    )
    chosen = Checkpointing(network, CPU, None)
    assert [chosen(tokens), chosen(tokens + 1)] == [False, True]
    assert not Checkpointing(network, CPU, asked=False)(99)
    assert Checkpointing(held_and_plain()[0], CPU, None)(1)


def test_safetensors_stay_in_4_bits_on_a_gpu_only():
    with pytest.raises(ModelError, match="NVIDIA GPU only"):
        hold_in_nf4(tiny(), CPU)


def test_an_unknown_type_of_block_is_refused(tiny_file, tmp_path):
    from acclimate.tuning import quantised

    kinds = dict(BLOCK_TYPES)
    del kinds["Q8_0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantised, "BLOCK_TYPES", kinds)
        with pytest.raises(ModelError, match="type Q8_0, which cannot be trained on"):
            quantised.load_in_blocks(tiny_file("llama"), torch.float32)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_a_file_in_blocks_is_the_dequantised_network(tiny_file, family):
    from acclimate.tuning.quantised import load_in_blocks
    from acclimate.tuning.run import load_network

    file = tiny_file(family)
    ids = torch.arange(5, 15)[None]
    held, plain = load_in_blocks(file, torch.float32), load_network(file, torch.float32)
    with torch.no_grad():
        assert torch.equal(held(input_ids=ids).logits, plain(input_ids=ids).logits)
    assert {type(module).__name__ for module in held.modules()}.isdisjoint({"Linear", "Embedding"})
