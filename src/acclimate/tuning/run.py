"""One training run from cases to an adapter on the disk, with a record of how it came about."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM

from acclimate.errors import SettingsError
from acclimate.files import jsonlines
from acclimate.models.chat import ChatFormat
from acclimate.models.compute import compute_type
from acclimate.models.store import cache_folder, hash_file
from acclimate.models.transformers import read_model
from acclimate.tuning import experts
from acclimate.tuning.attached import Attached, LibraryAttached, attach
from acclimate.tuning.cases import Case, CaseSampler
from acclimate.tuning.curve import loss_curve
from acclimate.tuning.forgetting import Forgetting, General, measure
from acclimate.tuning.knobs import PLANNED, TARGETS, Knobs, steps_for
from acclimate.tuning.lora import merge_adapter, targets
from acclimate.tuning.loss import answer_loss
from acclimate.tuning.methods import METHODS, Method, Plan, make_plan, with_knobs
from acclimate.tuning.nf4 import hold_in_nf4
from acclimate.tuning.packing import Packed
from acclimate.tuning.parallel import join, own_device
from acclimate.tuning.preferences import (
    DPO,
    Judged,
    JudgedSampler,
    PairSampler,
    Preferred,
    balanced,
)
from acclimate.tuning.quantised import is_held, load_in_blocks
from acclimate.tuning.replay import SHARE, WRITING, WithReplay, old_self
from acclimate.tuning.sharding import needs_sharding
from acclimate.tuning.sweep import Halve, RateSweep, Swept
from acclimate.tuning.trainer import DevScore, Objective, OnStep, Trainer, TrainSettings

_DEV = 12  # cases whose loss is watched
_DRAWN = 16  # sequences whose tokens tell what one teaches


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run did. Losses are means over the answers' tokens of the dev cases; `seconds` is time
    spent training; `replayed` sequences of the model's own held it to what it was. Each case was
    learnt `passes` times, on the mean (0 of preferences, which are drawn by balance)."""

    folder: Path
    base: str
    cases: int
    steps: int
    seconds: float
    parameters: int
    loss_before: float
    loss_after: float
    settings: TrainSettings
    plan: Plan
    forgetting: Forgetting
    replayed: int = 0
    swept: Swept | None = None
    passes: float = 0.0


@dataclass(frozen=True, slots=True)
class RateSearch:
    """How a rate is chosen: the search, and how many segments of training it will make."""

    halve: Halve
    calls: int


@dataclass(frozen=True, slots=True)
class TuningJob:
    """What to train: a model by the path of its weights (a GGUF file, or a folder's first safetensors
    file) and its name, cases to learn and to watch, and
    where to work.

    `start` is an adapter to begin with: gone on from by the methods that can (`goes_on`), else
    merged into the weights below and kept as `under/` beside what is trained. `rate` and `size`
    None: by the method. `beta` is that of preferences. With `replay` the network is held to what it
    says of its own accord, in about a fifth of the time.
    """

    model: Path
    base: str
    cases: Sequence[Case]
    dev: Sequence[Case]
    folder: Path
    method: Method = METHODS["lora"]
    start: Path | None = None
    rate: float | None = None
    size: int | None = None
    beta: float = 0.1
    replay: bool = False
    knobs: Knobs = PLANNED

    @property
    def goes_on(self) -> bool:
        """Whether `start` is trained further, rather than merged below: plain LoRA's may be, and
        blocks of 4 bits take nothing in."""
        return self.start is not None and self.method.name in ("lora", "qlora", "internalise")


Drawer = CaseSampler | PairSampler | JudgedSampler


def sampler_of(job: TuningJob, cases: Sequence[Case], chat: ChatFormat, window: int) -> Drawer:
    """What draws sequences of these cases, by the method. Raises SettingsError where there are
    none, and UnlearnableError for one that cannot be learnt."""
    if job.method.data != "preferences":
        return CaseSampler(cases, chat, window, job.method.together)
    if job.method.variant == "kto":
        return JudgedSampler([case for case in cases if isinstance(case, Judged)], chat, window)
    return PairSampler([case for case in cases if isinstance(case, Preferred)], chat, window)


def _objective(job: TuningJob) -> Objective:
    if job.method.data != "preferences":
        return answer_loss
    if job.method.variant == "kto":
        return balanced([case for case in job.cases if isinstance(case, Judged)], job.beta)
    return DPO(job.beta)


def train(
    job: TuningJob,
    settings: TrainSettings,
    *,
    on_step: OnStep | None = None,
    score: DevScore | None = None,
    sweep: RateSearch | None = None,
) -> tuple[Trained, Trainer]:
    """Train on `job`; it goes on where it was stopped. `sweep` chooses the rate before.

    Raises ModelError where the model cannot be trained, and SettingsError for cases that cannot be
    learnt.
    """
    ready = get_ready(job, settings)
    trainer, plan, network = ready.trainer, ready.plan, ready.network
    swept = None
    if sweep is not None:
        rates = RateSweep(trainer, ready.drawn, ready.watched, settings.minutes)
        swept = _sweep(sweep, rates, trainer.world.size)
        told = f"learning rate {swept.rate:g}: the best of {len(swept.losses)} on the dev split"
        plan = replace(plan, rate=swept.rate, reasons=(*plan.reasons, told))
    # Writing word by word would dequantise everything for every word, and a network that is spread
    # is computed by all processes together only: the dev loss alone decides then.
    unscored = is_held(network) or trainer.sharded
    trainer.run(ready.drawn, ready.watched, on_step, None if unscored else score)
    best = job.folder / "adapter"
    trainer.world.agree(0.0)  # every process waits until the first has saved
    trainer.attached.load(best)  # the best state, which need not be the last
    losses = [row["dev_loss"] for row in _log(job.folder) if "dev_loss" in row]
    done = Trained(
        folder=best,
        base=job.base,
        cases=len(job.cases),
        steps=trainer.step,
        seconds=trainer.seconds,
        parameters=sum(parameter.numel() for parameter in trainer.parameters),
        loss_before=losses[0],
        loss_after=min(losses),
        settings=trainer.settings,
        plan=plan,
        forgetting=Forgetting(
            ready.before, measure(network, ready.chat, trainer.attached.virtual())
        ),
        replayed=ready.replayed,
        swept=swept,
        passes=trainer.step * trainer.settings.batch * ready.a_sequence / len(job.cases),
    )
    if not trainer.world.rank:
        _write_record(done, job)
        if trainer.sharded:  # what serves it is held to a network that one process can compute
            alone = load_base(job.model, job.method)
            trainer.attached = _alone(alone, job, trainer.settings)
    return done, trainer


@dataclass(frozen=True, slots=True)
class Ready:
    """A run whose network is loaded, at the step where its folder is; `before` is what the network
    knew then, `replayed` sequences are its own. A sequence that is drawn holds `a_sequence` cases,
    on the mean (0 of preferences)."""

    trainer: Trainer
    plan: Plan
    network: nn.Module
    chat: ChatFormat
    drawn: WithReplay
    watched: list[Packed]
    before: General
    replayed: int
    a_sequence: float


def get_ready(job: TuningJob, settings: TrainSettings) -> Ready:
    """Load the network and draw what is learnt and watched; see `train` for errors."""
    chat, context = read_chat(job.model)
    sampler = sampler_of(job, job.cases, chat, context)
    watching = job.dev[:: max(1, len(job.dev) // _DEV)][:_DEV]
    watched = sampler_of(job, watching, chat, context).all()
    network = load_base(job.model, job.method)
    world = join()
    if not (settings.shard or needs_sharding(network, world)):
        network.to(world.device)
    before = measure(network, chat)
    kept = _old_self(job, settings, network, chat, sampler)
    trainer, plan = set_up(job, settings, sampler, network)
    drawn = WithReplay(sampler, kept)
    a_sequence = 0.0
    if isinstance(sampler, CaseSampler):
        a_sequence = sampler.cases_a_sequence(settings.seed) * (1 - SHARE if kept else 1)
    return Ready(trainer, plan, network, chat, drawn, watched, before, len(kept), a_sequence)


def _sweep(sweep: RateSearch, rates: RateSweep, processes: int) -> Swept:
    if processes > 1:
        raise SettingsError(
            f"rates are swept by one process, not by {processes}.",
            hint="Sweep with one GPU, then train with --rate and all of them.",
        )
    return rates.run(sweep.halve, sweep.calls)


def _old_self(
    job: TuningJob, settings: TrainSettings, network: nn.Module, chat: ChatFormat, sampler: Drawer
) -> list[Packed]:
    """The old self's sequences. Several processes would each write others, matrices in blocks
    would be dequantised for every word, and preferences hold to the untuned network by themselves:
    there are none then."""
    if not job.replay or job.method.data == "preferences" or is_held(network):
        return []
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return []
    network.to(own_device())
    some = [sampler(random.Random(seed)).answers for seed in range(_DRAWN)]  # noqa: S311
    learnt, seconds = sum(some) / _DRAWN, settings.minutes * 60 * WRITING
    return old_self(
        network,
        chat,
        job.folder / "old-self.json",
        seconds,
        learnt,
        shelf=cache_folder() / "old-self" / f"{hash_file(job.model)}.json",
    )


def _alone(network: nn.Module, job: TuningJob, settings: TrainSettings) -> Attached:
    """What was trained, on a network of this process alone, on the CPU."""
    if job.start is not None and not job.goes_on:
        merge_adapter(network, job.start)
    attached = attach(network, job.method, settings.r, settings.alpha, settings.targets)
    attached.load(job.folder / "adapter")
    return attached


def set_up(
    job: TuningJob, settings: TrainSettings, sampler: Drawer, network: nn.Module
) -> tuple[Trainer, Plan]:
    """A trainer for `network` with the settings that suit what is to be learnt, at the step where
    its folder is."""
    goes_on, knobs = job.goes_on, job.knobs
    plan = _plan(job, network, sampler.answer_tokens)
    if job.start is not None and not goes_on:
        merge_adapter(network, job.start)
    settings = replace(
        settings,
        r=plan.size,
        alpha=plan.alpha,
        learning_rate=plan.rate,
        targets=knobs.targets,
        seed=knobs.seed,
        batch=knobs.batch or job.method.batch or settings.batch,
    )
    if knobs.epochs is not None:
        settings = replace(settings, steps=_steps(sampler, knobs.epochs, settings))
    objective = _objective(job)
    trainer = Trainer(network, job.base, job.folder, settings, job.method, objective=objective)
    if job.start is not None and goes_on and not trainer.step:
        trainer.attached.load(job.start)
    if isinstance(trainer.attached, LibraryAttached) and not trainer.step:
        trainer.attached.start_from(sampler.examples[0].prompt)
    return trainer, plan


def _steps(sampler: Drawer, epochs: float, settings: TrainSettings) -> int:
    """Steps in which each case is learnt so many times."""
    if not isinstance(sampler, CaseSampler):
        raise SettingsError(
            f"{epochs:g} epochs of preferences: they are drawn by balance, not pass after pass.",
            hint="Leave --epochs out; --minutes says how long.",
        )
    share = sampler.cases_a_sequence(settings.seed)
    return steps_for(epochs, len(sampler.examples), share, settings.batch)


def _write_record(done: Trained, job: TuningJob) -> None:
    record = json.dumps(asdict(done), default=str, indent=2)
    (done.folder / "training.json").write_text(record + "\n", encoding="utf-8")
    (done.folder / "loss.svg").write_text(loss_curve(_log(job.folder)), encoding="utf-8")
    if job.start is not None and not job.goes_on and job.method.code != "full":
        shutil.copytree(job.start, done.folder / "under", dirs_exist_ok=True)


def _plan(job: TuningJob, network: nn.Module, tokens: int) -> Plan:
    knobs = job.knobs
    chosen = targets(network, knobs.targets or TARGETS)
    per_rank = sum(layer.in_features + layer.out_features for _, layer in chosen)
    per_rank += sum(len(one) * sum(one.shape[1:]) for _, _, one in experts.stacked(network))
    start = None
    if job.goes_on and job.start is not None:
        config = json.loads((job.start / "adapter_config.json").read_text(encoding="utf-8"))
        start = (int(config["r"]), float(config["lora_alpha"]))
        if knobs.rank or knobs.alpha or knobs.targets:
            raise SettingsError(
                f"{job.method.name} goes on from an adapter of rank {start[0]} and alpha "
                f"{start[1]:g} on its own layers, which cannot change.",
                hint="Leave --rank, --alpha and --target-modules out, or tune without +rag.",
            )
    size = knobs.rank or job.size
    plan = make_plan(job.method, per_rank, tokens, start=start, rate=job.rate, size=size)
    return with_knobs(plan, knobs)


@lru_cache(
    maxsize=2
)  # parsing the file's vocabulary takes seconds, and every answer that is scored needs it
def read_chat(model: Path) -> tuple[ChatFormat, int]:
    """The chat format and the window in tokens of a GGUF file, or of the folder around a
    safetensors file. Raises ModelError where it has no chat template."""
    read = read_model(model)
    return read.chat, read.context_tokens


def load_base(model: Path, method: Method) -> nn.Module:
    """The network that `method` trains on: QLoRA's keeps its matrices in a GGUF file's blocks, or
    on an NVIDIA GPU in NF4."""
    if method.variant != "quantised":
        return load_network(model)
    if model.suffix != ".gguf":
        return hold_in_nf4(load_network(model), own_device())
    return load_in_blocks(model, compute_type(own_device(), training=True))


def load_network(model: Path, dtype: torch.dtype | None = None) -> nn.Module:
    """The network of a GGUF file, its weights dequantised, or of the folder around a safetensors
    file; `dtype` None is what trains fastest here."""
    if dtype is None:
        dtype = compute_type(own_device(), training=True)
    notes: Any = transformers.utils.logging
    notes.set_verbosity_error()  # its notes on loading are not for users
    notes.disable_progress_bar()
    where: dict[str, Any] = {"gguf_file": model.name} if model.suffix == ".gguf" else {}
    with redirect_stderr(io.StringIO()):  # a bar that heeds none of the above
        network: nn.Module = AutoModelForCausalLM.from_pretrained(
            model.parent, dtype=dtype, use_safetensors=True, **where
        )
    return network.eval()


def _log(folder: Path) -> list[dict[str, float]]:
    return [row for _, row in jsonlines.read_rows(folder / "log.jsonl")]
