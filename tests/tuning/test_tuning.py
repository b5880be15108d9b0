"""Packing, loss and LoRA against straightforward references; what is saved, PEFT loads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from transformers import LlamaConfig, LlamaForCausalLM

from acclimate.errors import ModelError, SettingsError
from acclimate.tuning.lora import LoRALinear, attach, layers, load_adapter, save_adapter
from acclimate.tuning.loss import answer_loss
from acclimate.tuning.packing import IGNORED, Example, pack
from acclimate.tuning.trainer import Trainer, TrainSettings

TOKENS = st.lists(st.integers(1, 60), min_size=1, max_size=6).map(tuple)


def tiny(seed=0, depth=2):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=depth,
        num_attention_heads=4,
    )
    return LlamaForCausalLM(config).eval()


def unpacked_loss(model, examples):
    """Mean over all answer tokens of the plain model's cross-entropy, one example at a time."""
    total, count = 0.0, 0
    for example in examples:
        logits = model(input_ids=torch.tensor([[*example.prompt, *example.answer]])).logits[0]
        wanted = torch.tensor(example.answer)
        total += torch.nn.functional.cross_entropy(
            logits[len(example.prompt) - 1 : -1], wanted, reduction="sum"
        ).item()
        count += len(example.answer)
    return total / count


@settings(deadline=None, max_examples=25)
@given(shared=TOKENS, tails=st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=4))
def test_packed_loss_is_the_unpacked_loss(shared, tails):
    model = tiny()
    examples = [Example((*shared, *tail), answer) for tail, answer in tails]
    with torch.no_grad():
        packed = pack(examples, 999)
        loss = answer_loss(model, packed).item() / packed.answers
        assert loss == pytest.approx(unpacked_loss(model, examples), rel=1e-4)


def test_the_shared_beginning_is_put_once_and_only_answers_are_learnt():
    packed = pack([Example((1, 2, 3, 4, 5), (6, 7)), Example((1, 2, 3, 8), (9,))], 99)
    assert packed.tokens.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert packed.positions.tolist() == [0, 1, 2, 3, 4, 5, 6, 3, 4]
    assert packed.labels.tolist() == [IGNORED] * 4 + [6, 7, IGNORED, 9, IGNORED]
    assert not packed.mask()[7, 3]  # the second question does not see the first
    assert packed.mask()[7, 2]


@pytest.mark.parametrize(
    ("examples", "limit", "part"),
    [
        ([], 9, "empty"),
        ([Example((1,), ())], 9, "empty"),
        ([Example((1, 2, 3), (4, 5))], 4, "5 tokens; 4 are allowed"),
    ],
)
def test_bad_examples_are_refused(examples, limit, part):
    with pytest.raises(SettingsError, match=part):
        pack(examples, limit)


def test_lora_is_its_formula():
    base = torch.nn.Linear(6, 5, bias=False)
    lora = LoRALinear(base, r=2, alpha=8)
    torch.nn.init.normal_(lora.lora_B)
    x = torch.randn(3, 6)
    torch.testing.assert_close(lora(x), x @ (base.weight + (8 / 2) * lora.lora_B @ lora.lora_A).T)


def test_an_untrained_lora_changes_nothing():
    model, ids = tiny(), torch.tensor([[1, 2, 3]])
    before = model(ids).logits
    attach(model, 4, 8)
    torch.testing.assert_close(model(ids).logits, before)


def test_peft_loads_what_we_save(tmp_path):
    model, ids = tiny(), torch.tensor([[1, 2, 3, 4]])
    attach(model, 4, 8)
    for _, layer in layers(model):
        torch.nn.init.normal_(layer.lora_B, std=0.1)
        layer.lora_A.data, layer.lora_B.data = (
            layer.lora_A.bfloat16().float(),
            layer.lora_B.bfloat16().float(),
        )
    save_adapter(model, tmp_path, "tiny")
    loaded = PeftModel.from_pretrained(tiny(), str(tmp_path)).eval()
    torch.testing.assert_close(loaded(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4)
    ours = tiny()
    attach(ours, 4, 8)
    load_adapter(ours, tmp_path)
    torch.testing.assert_close(ours(ids).logits, model(ids).logits)


def test_an_adapter_for_another_model_is_refused(tmp_path):
    model, other = tiny(), tiny(depth=1)
    attach(model, 4, 8)
    save_adapter(model, tmp_path, "tiny")
    attach(other, 4, 8)
    with pytest.raises(ModelError, match="tensors differ"):
        load_adapter(other, tmp_path)


class Stopped(Exception):  # noqa: N818 - stands for a kill
    """Raised by the data in the middle of a run."""


def train(folder, monkeypatch, stop_after=99):
    """Train a tiny model for eight steps by a clock of half a second a look; the trained weights."""
    ticks, drawn = iter(range(1000)), []
    monkeypatch.setattr("acclimate.tuning.trainer.time.monotonic", lambda: next(ticks) * 0.5)
    chosen = TrainSettings(minutes=8 / 60, r=2, alpha=4, batch=1, checkpoint_minutes=1.5 / 60)
    trainer = Trainer(tiny(seed=1), "tiny", folder, chosen)

    def sample(rng):
        drawn.append(1)
        if len(drawn) > stop_after:
            raise Stopped
        return pack(
            [Example(tuple(rng.choices(range(60), k=5)), tuple(rng.choices(range(60), k=3)))], 99
        )

    dev = [pack([Example((1, 2), (3,))], 99)]
    try:
        trainer.run(sample, dev)
    except Stopped:
        return None
    assert trainer.step > stop_after % 99
    return [parameter.detach().clone() for parameter in trainer.parameters]


def test_a_killed_run_goes_on_exactly(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", monkeypatch)
    assert train(tmp_path / "killed", monkeypatch, stop_after=3) is None
    assert (tmp_path / "killed" / "checkpoint.safetensors").exists()
    resumed = train(tmp_path / "killed", monkeypatch)
    for one, other in zip(resumed, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_training_learns(tmp_path):
    example = pack([Example((1, 2, 3), (4, 5, 6))], 99)
    chosen = TrainSettings(steps=40, r=4, alpha=8, batch=1, learning_rate=1e-2)
    trainer = Trainer(tiny(), "tiny", tmp_path, chosen)
    before = trainer.dev_loss([example])
    trainer.run(lambda _: example, [example])
    assert trainer.dev_loss([example]) < before - 0.3
