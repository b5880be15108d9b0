"""Families that the fast path does not walk: Transformers' own forward, with the loss and gradients of PEFT."""

import runpy
from pathlib import Path

import peft
import pytest
import torch

from acclimate.errors import ModelError
from acclimate.tuning.attached import attach
from acclimate.tuning.generic import PACKED, is_packed, is_walked
from acclimate.tuning.loss import answer_loss
from acclimate.tuning.methods import METHODS
from acclimate.tuning.packing import Example, pack

made = runpy.run_path(str(Path(__file__).parent / "families.py"))
tiny, FAMILIES, PADDED = made["tiny"], made["FAMILIES"], made["PADDED"]
pytestmark = pytest.mark.usefixtures("one_thread")

EXAMPLES = [
    Example((5, 6, 7, 8, 9, 10), (11, 12)),
    Example((5, 6, 7, 13), (14, 15, 16, 17, 18)),
    Example((5, 6, 7, 13, 20), (19,)),
]
SEQUENCE = pack(EXAMPLES, 99)


def noise(attached):
    torch.manual_seed(3)
    for parameter in attached.parameters:
        torch.nn.init.normal_(parameter, std=0.2)
    return attached


def reference_loss(network, virtual=0):
    """The sum over answers, each example by itself."""
    total = 0.0
    for example in EXAMPLES:
        ids = torch.tensor([[*example.prompt, *example.answer]])
        logits = network(input_ids=ids).logits[0, virtual + len(example.prompt) - 1 : -1]
        wanted = torch.tensor(example.answer)
        total = total + torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
    return total


CASES = [*FAMILIES.items(), *PADDED.items()]


@pytest.mark.parametrize(
    ("family", "more"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
@pytest.mark.parametrize("name", ["lora", "pissa"])
def test_loss_and_gradients_are_those_of_peft(tmp_path, family, more, name):
    network = tiny(family, more)
    assert not is_walked(network)
    assert is_packed(network) == (family in PACKED)
    attached = noise(attach(network, METHODS[name], 4, 8.0))
    attached.save(tmp_path, "tiny")
    theirs = peft.PeftModel.from_pretrained(tiny(family, more), str(tmp_path), is_trainable=True)
    expected = reference_loss(theirs.eval())
    expected.backward()
    untuned = reference_loss(tiny(family, more))
    for checkpointing in (False, True):
        loss = answer_loss(attached.network, SEQUENCE, checkpointing=checkpointing)
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
        assert abs(loss - untuned) > 0.1
        for parameter in attached.parameters:
            parameter.grad = None
        loss.backward()
    if name == "pissa":  # PEFT trains both halves of what ours is the first of
        return
    ours = {
        key: value.grad for key, value in attached.network.named_parameters() if value.requires_grad
    }
    found = [value.grad for key, value in theirs.named_parameters() if value.requires_grad]
    assert len(found) == len(ours) == len(attached.parameters)
    assert sorted(tuple(one.shape) for one in found) == sorted(
        tuple(one.shape) for one in ours.values()
    )
    norms = sorted(one.norm().item() for one in found)
    assert norms == pytest.approx(
        sorted(one.norm().item() for one in ours.values()), rel=1e-3, abs=1e-4
    )


OTHERS = [
    "adapter",
    "adapter-parallel",
    "bitfit",
    "dora",
    "full",
    "ia3",
    "layernorm",
    "prefix",
    "prompt",
]


@pytest.mark.parametrize("name", OTHERS)
def test_other_methods_are_those_of_peft_where_they_apply(tmp_path, name):
    family = "smollm3" if name == "prefix" else "gemma3_text"
    attached = attach(tiny(family), METHODS[name], 4, 8.0)
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in attached.parameters:
            parameter.add_(0.2 * torch.randn_like(parameter))
    attached.save(tmp_path, "tiny")
    if name == "full":
        loaded = type(attached.network).from_pretrained(tmp_path).eval()
    else:
        loaded = peft.PeftModel.from_pretrained(tiny(family), str(tmp_path)).eval()
    with torch.no_grad():
        expected = reference_loss(loaded, virtual=4 if name == "prompt" else 0)
    loss = answer_loss(attached.network, SEQUENCE, attached.virtual())
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    loss.backward()
    assert all(parameter.grad is not None for parameter in attached.parameters)


def test_a_method_whose_parts_are_not_there_is_refused():
    with pytest.raises(ModelError, match="a 'phi3' model has no k_proj and no v_proj") as caught:
        attach(tiny("phi3"), METHODS["ia3"], 4, 8.0)
    assert caught.value.hint == "acclimate tune lora"
    with pytest.raises(ModelError, match="see the nearest tokens only"):
        attach(tiny("mistral"), METHODS["prefix"], 4, 8.0)


def test_a_network_that_sees_has_its_text_trained_alone(tmp_path):
    """Gemma 3 from 4 billion parameters on: the tower of vision has layers of the same names."""
    text = made["SIZES"] | FAMILIES["gemma3_text"]
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    more = {"text_config": text, "vision_config": vision, "mm_tokens_per_image": 4}
    torch.manual_seed(0)
    attached = noise(attach(tiny("gemma3", more), METHODS["lora"], 4, 8.0))
    assert not [
        name
        for name, one in attached.network.named_parameters()
        if one.requires_grad and "vision" in name
    ]
    attached.save(tmp_path, "tiny")
    loaded = peft.PeftModel.from_pretrained(tiny("gemma3", more), str(tmp_path)).eval()
    with torch.no_grad():
        expected = reference_loss(loaded)
    found = answer_loss(attached.network, SEQUENCE)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
