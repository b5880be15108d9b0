"""What a user or a machine chooses of a run: knobs, rates, trackers, types, shards, one call of attention."""

import json
import os
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from acclimate.errors import SettingsError
from acclimate.evaluation.halving import Budget, Trace, halve, plan_rounds
from acclimate.tuning.attention import fused
from acclimate.tuning.knobs import Knobs, steps_for
from acclimate.tuning.lora import attach, layers, save_adapter
from acclimate.tuning.methods import METHODS, make_plan, with_knobs
from acclimate.tuning.packing import Example, pack
from acclimate.tuning.scaling import LossScale
from acclimate.tuning.spans import Spans
from acclimate.tuning.sweep import FACTORS, SEGMENTS, RateSweep
from acclimate.tuning.tracking import TRACKERS, open_tracker
from acclimate.tuning.trainer import Trainer, TrainSettings
from acclimate.tuning.varlen import in_one_call, lengths

SCRIPT = Path(__file__).parent / "sharded_run.py"
DEV = [pack([Example((1, 2, 3), (4, 5, 6))], 99)]


def tiny(depth=1):
    torch.manual_seed(1)
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48}
    config = LlamaConfig(**sizes, num_hidden_layers=depth, num_attention_heads=4)
    return LlamaForCausalLM(config).eval()


def test_a_plan_has_what_was_chosen():
    method = METHODS["lora"]
    plan = make_plan(method, 1000, 50_000, size=4)
    chosen = with_knobs(plan, Knobs(rank=4, alpha=8.0, targets=("q_proj",), batch=2, epochs=3))
    assert (chosen.size, chosen.alpha) == (4, 8.0)
    told = "; ".join(chosen.reasons)
    for part in ("rank 4: as asked", "alpha 8", "layers q_proj", "2 sequences", "3 passes"):
        assert part in told
    assert "all linear layers" not in told


@pytest.mark.parametrize(
    ("method", "knobs", "part"),
    [
        ("ia3", {"alpha": 3.0}, "neither an alpha nor layers"),
        ("prefix", {"targets": ("q_proj",)}, "neither an alpha nor layers"),
        ("bitfit", {"rank": 3}, "no size to choose"),
    ],
)
def test_what_a_method_does_not_have_cannot_be_chosen(method, knobs, part):
    plan = make_plan(METHODS[method], 1000, 100)
    with pytest.raises(SettingsError, match=part):
        with_knobs(plan, Knobs(**knobs))


@pytest.mark.parametrize(
    ("knobs", "part"),
    [
        ({"rank": 0}, "rank is 0"),
        ({"epochs": float("inf")}, "epochs is inf"),
        ({"seeds": -1}, "seeds is -1"),
        ({"targets": ("q_proj", "lm_head")}, "no layer 'lm_head'"),
    ],
)
def test_a_value_that_means_nothing_is_refused(knobs, part):
    with pytest.raises(SettingsError, match=part):
        Knobs(**knobs)


def test_epochs_are_steps():
    assert steps_for(2, 90, 1.5, 4) == 30
    assert steps_for(0.01, 5, 2.0, 4) == 1


def test_only_chosen_layers_get_a_lora_and_are_named(tmp_path):
    network = tiny()
    attach(network, 2, 4, chosen=("q_proj", "down_proj"))
    assert {name.rpartition(".")[2] for name, _ in layers(network)} == {"q_proj", "down_proj"}
    save_adapter(network, tmp_path, "tiny")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["target_modules"] == ["q_proj", "down_proj"]


def sample(rng):
    words = rng.choices(range(60), k=6)
    return pack([Example(tuple(words[:4]), tuple(words[4:]))], 99)


def searched(folder):
    def by_halving(candidates, items, scorer):
        with Trace(folder / "trace.jsonl") as trace:
            found = halve(candidates, items, scorer, Budget(), trace)
        return found.winner, found.scores

    return by_halving


def test_a_sweep_takes_the_rate_that_learns_most(tmp_path):
    """One sequence is learnt by heart, so within these steps a higher rate is a better one."""
    settings = TrainSettings(r=4, alpha=8, batch=1, learning_rate=1e-3, steps=3 * SEGMENTS)
    trainer = Trainer(tiny(), "tiny", tmp_path, settings)
    before = [one.detach().clone() for one in trainer.parameters]
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "segment.json").write_text('{"steps": 2}')
    calls = sum(stage.calls for stage in plan_rounds(len(FACTORS), SEGMENTS, None))
    swept = RateSweep(trainer, lambda _: DEV[0], DEV, 1.0).run(searched(tmp_path), calls)
    assert swept.rate == 4e-3
    assert swept.losses[4e-3] == min(swept.losses.values())
    assert swept.steps[4e-3] == 2 * SEGMENTS > swept.steps[2.5e-4]
    assert (trainer.step, trainer.settings.learning_rate) == (0, 4e-3)
    for one, other in zip(before, trainer.parameters, strict=True):
        assert torch.equal(one, other)  # the run itself begins where every rate began
    again = Trainer(tiny(), "tiny", tmp_path, settings)
    told = RateSweep(again, lambda _: pytest.fail("trained again"), DEV, 1.0)
    assert told.run(searched(tmp_path), calls) == swept


def test_float16_takes_no_step_that_overflows():
    scale = LossScale(torch.float16)
    gradient = torch.tensor([2.0, float("inf")])
    started = scale.value
    assert not scale.take_off([gradient])
    assert scale.value == started / 2
    gradient = torch.tensor([scale.value * 3])
    assert scale.take_off([gradient])
    assert gradient.item() == 3
    for _ in range(499):
        scale.take_off([gradient])
    assert scale.value == started
    assert LossScale(torch.bfloat16).value == 1


def test_float16_is_trained_and_goes_on_with_its_scale(tmp_path):
    settings = TrainSettings(steps=6, r=4, alpha=8, batch=1, learning_rate=1e-2)
    trainer = Trainer(tiny().half(), "tiny", tmp_path, settings)
    before = trainer.dev_loss(DEV)
    trainer.run(lambda _: DEV[0], DEV)
    assert trainer.dev_loss(DEV) < before - 0.05
    resumed = Trainer(tiny().half(), "tiny", tmp_path, settings)
    assert (resumed.scale.value, resumed.scale.finite) == (trainer.scale.value, 6)


@pytest.mark.parametrize("name", [name for name in TRACKERS if find_spec(name) is None])
def test_a_tracker_that_is_not_installed_is_named_with_its_remedy(name, tmp_path):
    with pytest.raises(SettingsError, match=f"{name} is not installed") as error:
        open_tracker(name, "run", {}, tmp_path)
    assert error.value.hint.startswith("pip install ")


def reference_kernel(q, k, v, found):
    """What the contract of a variable-length kernel says: the causal mask is aligned at the end."""
    parts = []
    for at in range(len(found.starts_q) - 1):
        one = q[found.starts_q[at] : found.starts_q[at + 1]].transpose(0, 1)
        keys, values = (
            x[found.starts_k[at] : found.starts_k[at + 1]].transpose(0, 1) for x in (k, v)
        )
        mask = torch.ones(one.shape[1], keys.shape[1], dtype=torch.bool)
        mask = mask.tril(keys.shape[1] - one.shape[1])
        part = torch.nn.functional.scaled_dot_product_attention(
            one[None], keys[None], values[None], attn_mask=mask, enable_gqa=True
        )
        parts.append(part[0].transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("virtual", [0, 3])
@pytest.mark.parametrize("shared", [0, 4])
def test_one_call_is_the_loop_over_spans(virtual, shared):
    torch.manual_seed(2)
    spans = Spans(shared, ((shared, shared + 3), (shared + 3, shared + 8)))
    length = shared + 8
    q = torch.randn(length, 4, 8)
    k, v = torch.randn(2, virtual + length, 2, 8)
    found = in_one_call(q, k, v, spans, reference_kernel)
    torch.testing.assert_close(found, fused(q, k, v, spans))
    told = lengths(spans, virtual, q.device)
    assert (told.most_q, told.most_k) == (5, virtual + shared + 5)


def test_a_base_spread_over_two_processes_trains_what_one_would(tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command = [*launcher, "--master-port=29541", SCRIPT, tmp_path, "shard"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    train = runpy.run_path(str(SCRIPT))["train"]
    for checkpointing in (False, True):
        alone = train(tmp_path / f"alone-{checkpointing}", shard=False, checkpointing=checkpointing)
        assert alone["after"] < alone["before"]
        for rank in (0, 1):
            found = json.loads((tmp_path / f"found-{rank}.json").read_text())[str(checkpointing)]
            assert found["before"] == pytest.approx(alone["before"], rel=1e-6)
            assert found["after"] == pytest.approx(alone["after"], rel=1e-5)
            assert found["held"] == alone["held"] / 2
