"""Every method: what it saves, PEFT loads with the same answers; it merges where the table says so; it trains."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

# The first makes bottleneck adapters and BitFit known to PEFT.
import acclimate.models.peft_tuners  # noqa: F401
from acclimate.errors import ModelError
from acclimate.models.adapters import read_changes, require_base_model, require_keys, served_by
from acclimate.models.merge import Heads
from acclimate.tuning.attached import attach
from acclimate.tuning.lora import merge_adapter
from acclimate.tuning.loss import ChunkedCrossEntropy, answer_loss
from acclimate.tuning.methods import METHODS, make_plan
from acclimate.tuning.network import hidden_states
from acclimate.tuning.packing import Example, pack

EXAMPLES = [
    Example((1, 2, 3, 4), (5, 6)),
    Example((1, 2, 7), (8, 9, 10)),
    Example((1, 2, 7, 5), (8,)),
]
PACKED = pack(EXAMPLES, 99)
SIZES = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2}
FAMILIES = [
    (LlamaConfig, LlamaForCausalLM),
    (Qwen2Config, Qwen2ForCausalLM),
    (Qwen3Config, Qwen3ForCausalLM),
]
NAMES = sorted(METHODS)
GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
}


def tiny(seed=0, family=FAMILIES[0]):
    torch.manual_seed(seed)
    config, network = family
    return network(config(**SIZES)).eval()


def trained(name, spread=0.2):
    """A tiny network with a method whose parameters are not where they start."""
    attached = attach(tiny(), METHODS[name], 4, 8.0)
    for parameter in attached.parameters:
        torch.nn.init.normal_(parameter, std=spread)
    return attached


def last_logits(attached, branch):
    """Logits of an example's answer, from our packed forward pass."""
    with torch.no_grad():
        hidden = hidden_states(attached.network, PACKED, attached.virtual())
        count = len(EXAMPLES[branch].answer) + 1
        return attached.network.lm_head(hidden[PACKED.branches == branch + 1])[-count:]


def reference_logits(network, branch):
    example = EXAMPLES[branch]
    with torch.no_grad():
        logits = network(input_ids=torch.tensor([[*example.prompt, *example.answer]])).logits[0]
    return logits[-len(example.answer) - 1 :]


@pytest.mark.parametrize("name", NAMES)
def test_peft_loads_what_every_method_saves(tmp_path, name):
    attached = trained(name)
    attached.save(tmp_path, "tiny")
    if name == "full":  # that is no adapter but a model
        loaded = LlamaForCausalLM.from_pretrained(tmp_path).eval()
    else:
        loaded = PeftModel.from_pretrained(tiny(), str(tmp_path)).eval()
    for branch in range(len(EXAMPLES)):
        ours = last_logits(attached, branch)
        torch.testing.assert_close(ours, reference_logits(loaded, branch), rtol=1e-4, atol=1e-5)
        assert (ours - reference_logits(tiny(), branch)).abs().max() > 0.01  # it does something
    again = attach(tiny(), METHODS[name], 4, 8.0)
    again.load(tmp_path)
    torch.testing.assert_close(
        last_logits(again, 1), last_logits(attached, 1), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", [name for name in NAMES if METHODS[name].served == "merged"])
def test_merged_weights_are_those_of_peft(tmp_path, name):
    """The NumPy side of serving against `merge_and_unload`, in the row order of a GGUF file of the Llama family."""
    trained(name).save(tmp_path, "tiny")
    assert served_by(tmp_path) == "merged"
    merged = (
        LlamaForCausalLM.from_pretrained(tmp_path)
        if name == "full"
        else PeftModel.from_pretrained(tiny(), str(tmp_path)).merge_and_unload()
    )
    order, base = Heads(4, 2, permuted=True).order, tiny()
    changes = read_changes(tmp_path, order)
    seen = 0
    for module, gguf_name in GGUF_NAMES.items():
        before, after = (one.get_submodule(f"model.layers.1.{module}") for one in (base, merged))
        weight, bias = f"blk.1.{gguf_name}.weight", f"blk.1.{gguf_name}.bias"
        if weight in changes.weights:
            got = changes.weights[weight](order(gguf_name, before.weight.detach().numpy()))
            np.testing.assert_allclose(
                got, order(gguf_name, after.weight.detach().numpy()), rtol=1e-4, atol=1e-5
            )
            seen += 1
        if bias in changes.biases:
            np.testing.assert_allclose(changes.biases[bias], after.bias.detach().numpy(), rtol=1e-5)
            seen += 1
    assert seen


@pytest.mark.parametrize("name", NAMES)
def test_every_method_starts_as_its_base_and_learns(name):
    attached = attach(tiny(), METHODS[name], 4, 8.0)
    if METHODS[name].unit != "virtual tokens":
        torch.testing.assert_close(
            last_logits(attached, 0), reference_logits(tiny(), 0), rtol=1e-3, atol=1e-4
        )
    optimizer = torch.optim.Adam(attached.parameters, lr=0.05)
    losses = []
    for _ in range(8):
        loss = answer_loss(attached.network, PACKED, attached.virtual(), checkpointing=True)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0] - 0.02


def test_only_what_the_method_names_is_trained():
    counts = {
        name: sum(p.numel() for p in attach(tiny(), METHODS[name], 4, 8.0).parameters)
        for name in NAMES
    }
    per_rank = 2 * sum((32 + 32, 32 + 16, 32 + 16, 32 + 32, 32 + 48, 32 + 48, 48 + 32))
    assert counts["lora"] == counts["pissa"] == 4 * per_rank
    assert counts["dora"] == 4 * per_rank + 2 * (32 + 16 + 16 + 32 + 48 + 48 + 32)
    assert counts["adapter-pfeiffer"] == 2 * (2 * 4 * 32 + 4 + 32) == counts["adapter"] / 2
    assert counts["prefix"] == 4 * 2 * 2 * 16
    assert counts["prompt"] == 4 * 32
    assert counts["layernorm"] == 5 * 32
    assert counts["full"] == sum(p.numel() for p in tiny().parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_forward_pass_is_transformers_own(family, dtype):
    network = tiny(family=family).to(dtype)
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 0.05, "atol": 0.05}
    with torch.no_grad():
        hidden = hidden_states(network, PACKED)
        for branch, example in enumerate(EXAMPLES, start=1):
            ids = torch.tensor([[*example.prompt, *example.answer]])
            expected = network.model(input_ids=ids).last_hidden_state[0]
            own = hidden[PACKED.branches == branch]
            torch.testing.assert_close(own, expected[-len(own) :], **close)


@pytest.mark.parametrize("family", FAMILIES)
def test_its_gradients_are_those_of_transformers(family):
    """Of every weight, over the packed sequence and over each example by itself."""
    ours, theirs = tiny(family=family), tiny(family=family)
    answer_loss(ours, PACKED).backward()
    for example in EXAMPLES:
        ids = torch.tensor([[*example.prompt, *example.answer]])
        logits = theirs(input_ids=ids).logits[0, len(example.prompt) - 1 : -1]
        torch.nn.functional.cross_entropy(
            logits, torch.tensor(example.answer), reduction="sum"
        ).backward()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(
            one.grad, other.grad, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: name + text
        )


@settings(deadline=None, max_examples=20)
@given(rows=st.integers(1, 9), chunk=st.integers(1, 10), seed=st.integers(0, 99))
def test_chunked_cross_entropy_is_the_plain_one(rows, chunk, seed):
    torch.manual_seed(seed)
    hidden, weight, labels = torch.randn(rows, 5), torch.randn(11, 5), torch.randint(0, 11, (rows,))
    results = []
    for chunked in (True, False):
        h, w = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        if chunked:
            loss = ChunkedCrossEntropy.apply(h, w, labels, chunk)
        else:
            loss = torch.nn.functional.cross_entropy(h @ w.T, labels, reduction="sum")
        (3 * loss).backward()
        results.append((loss.detach(), h.grad, w.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_bottleneck_adapters_are_their_formula():
    for name, beside in (("adapter-pfeiffer", False), ("adapter-parallel", True)):
        network = trained(name).network.model.layers[0]
        layer = network.mlp if beside else network.mlp.down_proj
        x = torch.randn(3, 32 if beside else 48)
        y = layer.base_layer(x)
        down, up = layer.bottleneck_down["default"], layer.bottleneck_up["default"]
        inner = torch.clamp((x if beside else y) @ down.weight.T + down.bias, min=0)
        torch.testing.assert_close(
            layer(x), y + (4 if beside else 1) * (inner @ up.weight.T + up.bias)
        )


def test_dora_keeps_the_norm_apart_from_the_direction():
    layer = trained("dora").network.model.layers[0].self_attn.q_proj
    x = torch.randn(3, 32)
    total = layer.base.weight + layer.scale * layer.lora_B @ layer.lora_A
    expected = x @ (layer.magnitude[:, None] * total / total.norm(dim=1, keepdim=True)).T
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_an_adapter_can_stand_on_another(tmp_path):
    lower = trained("lora", 0.05)
    lower.save(tmp_path, "tiny")
    network = tiny()
    merge_adapter(network, tmp_path)
    torch.testing.assert_close(
        reference_logits(network, 0), last_logits(lower, 0), rtol=1e-4, atol=1e-5
    )


def test_what_does_not_fit_is_refused_with_the_reason(tmp_path):
    attached = trained("adapter")
    attached.save(tmp_path, "some-model")
    assert served_by(tmp_path) == "graph"
    with pytest.raises(ModelError, match="'some-model'; the model is 'another'"):
        require_base_model(tmp_path, "another")
    require_base_model(tmp_path, "some-model")
    with pytest.raises(ModelError, match="BOTTLENECK"):
        read_changes(tmp_path, Heads(4, 2, permuted=True).order)
    with pytest.raises(ModelError, match="does not fit the model: 1 tensors"):
        require_keys(
            tmp_path, {*_keys(tmp_path), "base_model.model.model.layers.9.mlp.bottleneck_up.bias"}
        )
    with pytest.raises(ModelError, match="tensors differ"):
        attach(tiny(), METHODS["adapter-pfeiffer"], 4, 8.0).load(tmp_path)
    with pytest.raises(ModelError, match="tensors differ"):
        attach(tiny(), METHODS["adapter"], 8, 8.0).load(tmp_path)


def _keys(folder):
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        return set(file.keys())


@pytest.mark.parametrize(("tokens", "rank"), [(10, 8), (10_000_000, 32), (10**9, 64)])
def test_the_rank_grows_with_the_data(tokens, rank):
    plan = make_plan(METHODS["lora"], 305_280, tokens)
    assert (plan.size, plan.alpha, plan.rate) == (rank, 32.0, 1e-3)
    assert any("rank" in reason for reason in plan.reasons)
    assert any("10 times" in reason for reason in plan.reasons)


def test_a_choice_of_the_user_wins():
    assert make_plan(METHODS["full"], 1, 1, rate=3e-5).rate == 3e-5
    assert make_plan(METHODS["lora"], 1, 1, start=(16, 32.0)).size == 16


@pytest.mark.parametrize("name", ["prefix", "prompt"])
def test_virtual_tokens_begin_as_the_words_that_they_are_given(name):
    example = EXAMPLES[0]
    attached = attach(tiny(), METHODS[name], 4, 8.0)
    attached.start_from([7, 3, 9])  # repeated where there are too few
    with torch.no_grad():
        ours = hidden_states(attached.network, pack([example], 99), attached.virtual())
        theirs = hidden_states(
            tiny(), pack([Example((7, 3, 9, 7, *example.prompt), example.answer)], 99)
        )[4:]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["p-tuning", "adapter", "bitfit"])
def test_other_methods_begin_as_they_are(name):
    attached = attach(tiny(), METHODS[name], 4, 8.0)
    before = [parameter.clone() for parameter in attached.parameters]
    attached.start_from([7, 3])
    assert all(torch.equal(one, two) for one, two in zip(before, attached.parameters, strict=True))
