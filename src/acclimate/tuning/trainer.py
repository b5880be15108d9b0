"""A small training loop: packed sequences, float32 masters of what is trained, exactly resumable at
any moment."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from acclimate.models.virtual import Virtual
from acclimate.system import ending
from acclimate.tuning.attached import Attached, attach
from acclimate.tuning.fitting import Checkpointing
from acclimate.tuning.loss import answer_loss
from acclimate.tuning.methods import METHODS, Method
from acclimate.tuning.packing import Packed
from acclimate.tuning.parallel import World, join
from acclimate.tuning.progress import MOMENTS, RunFolder, learning_rate, moments, restore_moments
from acclimate.tuning.scaling import LossScale
from acclimate.tuning.sharding import needs_sharding, shard

Sampler = Callable[[random.Random], Packed]
"""Draws one training sequence; equal random states draw equal sequences."""
OnStep = Callable[[float, dict[str, float]], None]
"""Called after each step with the seconds trained so far and its figures (step, loss, lr, norm,
tokens_per_s, seconds_left, and the last dev loss once there is one)."""


class Objective(Protocol):
    """What a sequence costs: a sum over `packed.answers` things, the mean of which is learnt."""

    def __call__(
        self,
        network: nn.Module,
        packed: Packed,
        virtual: Virtual | None = None,
        *,
        checkpointing: bool = False,
    ) -> torch.Tensor:
        """A number with its gradient."""


DevScore = Callable[[Attached], float]
"""The share of dev questions that the network answers right, 0 to 1."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How to train.

    `minutes` or, where given, `steps` are the whole run; `learning_rate` is warmed up to over the
    share `warmup` of it, then falls on a line to nothing (as arXiv 2502.15938 finds best); `r` and
    `alpha` are the method's size and LoRA's scale; `batch` sequences make a step; gradients are
    clipped to the norm `clip`; a checkpoint is written every `checkpoint_minutes`, and the run ends
    where `patience` of them brought neither a better dev loss nor a better dev score;
    `checkpointing` computes each layer again on the way back instead of keeping its tensors: less
    memory, a third more time (None: where a sequence needs it, or the base stays in 4 bits).
    `shard` spreads the frozen base over the processes (None: where a GPU cannot hold it).
    `targets` are the linear layers that get a LoRA (none: all of them).
    """

    minutes: float = 60.0
    steps: int | None = None
    r: int = 16
    alpha: float = 32.0
    learning_rate: float = 1e-3
    warmup: float = 0.03
    batch: int = 4
    clip: float = 1.0
    weight_decay: float = 0.0
    seed: int = 0
    checkpoint_minutes: float = 8.0
    patience: int = 3
    checkpointing: bool | None = None
    shard: bool | None = None
    targets: tuple[str, ...] = ()


class Trainer:
    """Trains `method` on `model` in place; `run` goes on from the newest checkpoint in `folder`."""

    def __init__(
        self,
        model: nn.Module,
        base_model: str,
        folder: Path,
        settings: TrainSettings,
        method: Method = METHODS["lora"],
        world: World | None = None,
        objective: Objective = answer_loss,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.world = world or join()
        self.base_model, self._objective = base_model, objective
        asked = settings.shard
        self.sharded = needs_sharding(model, self.world) if asked is None else asked
        if not self.sharded:
            model.to(self.world.device)
        self.attached = attach(model, method, settings.r, settings.alpha, settings.targets)
        self.model, self.parameters = self.attached.network, self.attached.parameters
        if self.sharded:
            shard(self.model, self.world, self.parameters)
        self._checkpointing = Checkpointing(self.model, self.world.device, settings.checkpointing)
        # An update of 1e-5 would vanish in bfloat16's eight bits, so what is trained has a float32
        # master.
        self.masters = [parameter.detach().float().clone() for parameter in self.parameters]
        for master in self.masters:
            master.grad = torch.zeros_like(master)
        self.begin(folder, settings)

    def begin(
        self, folder: Path, settings: TrainSettings, start: Sequence[torch.Tensor] | None = None
    ) -> None:
        """Stand where `folder` is; without a checkpoint there, at `start` (None: as the network
        is). Sizes stay those of the network."""
        self.folder, self.settings = folder, settings
        self._kept = RunFolder(folder, leads=not self.world.rank)
        self._copy(self.parameters if start is None else start, self.masters)
        self._copy(self.masters, self.parameters)
        self.scale = LossScale(self.parameters[0].dtype)
        self.optimizer = torch.optim.AdamW(
            self.masters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.step, self.seconds, self.worse = 0, 0.0, 0
        self._judged = -1  # the step of the last judgement
        self.last_loss = float("nan")
        self.best: float | None = None
        self.best_score: float | None = None
        self._restore()

    def run(
        self,
        sample: Sampler,
        dev: Sequence[Packed],
        on_step: OnStep | None = None,
        score: DevScore | None = None,
        *,
        until: int | None = None,
    ) -> None:
        """Train until time or steps are spent, or the step `until` is done, then leave what had the lowest dev loss in
        `folder/adapter`.

        Only time spent training counts, and never more than a minute for one step: the schedule
        survives a pause.
        """
        saved = self.seconds
        if not self.step:  # whatever the network holds now is where it begins
            self._copy(self.parameters, self.masters)
            self._judge(dev, score)
        while self._done() < 1 and self.worse < self.settings.patience:
            if until is not None and self.step >= until:
                break
            started = time.monotonic()
            with ending.held():  # a step is done whole or not at all
                figures = self._step(sample)
                self.seconds += self.world.agree(min(60.0, time.monotonic() - started))
                self._kept.log({"step": self.step, "seconds": round(self.seconds, 1), **figures})
                if ending.requested():
                    self._checkpoint()
            if on_step is not None:
                left = self.seconds * (1 - self._done()) / max(1e-9, self._done())
                told: dict[str, float] = {"step": self.step, "seconds_left": round(left)}
                if not math.isnan(self.last_loss):
                    told["dev_loss"] = self.last_loss
                on_step(self.seconds, figures | told)
            if self.seconds - saved > self.settings.checkpoint_minutes * 60:
                saved = self.seconds
                self._judge(dev, score)
                self._checkpoint()
        self._judge(dev, score)
        self._checkpoint()

    def dev_loss(self, dev: Sequence[Packed]) -> float:
        """Mean loss over `dev`, by what the objective counts, without training."""
        with torch.no_grad():
            total = sum(self._loss(packed).item() for packed in dev)
        return total / max(1, sum(packed.answers for packed in dev))

    def rehearse(self, packed: Packed) -> None:
        """Compute a sequence forth and back, as a step does, and learn nothing from it."""
        self._loss(packed).backward()  # type: ignore[no-untyped-call]
        self._collect()
        self.optimizer.zero_grad(set_to_none=False)

    def _judge(self, dev: Sequence[Packed], score: DevScore | None) -> None:
        """Note dev loss and score, once a step; the adapter is kept where no loss before was
        better."""
        if self._judged == self.step:
            return
        self._judged = self.step
        loss, better = round(self.dev_loss(dev), 4), False
        self.last_loss = loss
        figures = {"step": self.step, "dev_loss": loss}
        if score is not None:
            figures["dev_score"] = round(score(self.attached), 4)
            better = self.best_score is None or figures["dev_score"] > self.best_score
            self.best_score = max(self.best_score or 0.0, figures["dev_score"])
        self._kept.log(figures)
        self.worse = 0 if better or self.best is None or loss < self.best else self.worse + 1
        if self.best is None or loss <= self.best:
            self.best = loss
            if not self.world.rank:
                self.attached.save(self.folder / "adapter", self.base_model)

    def _loss(self, packed: Packed) -> torch.Tensor:
        on_device = packed.to(self.world.device)
        return self._objective(
            self.model,
            on_device,
            self.attached.virtual(),
            checkpointing=self._checkpointing(len(packed.tokens)),
        )

    def _step(self, sample: Sampler) -> dict[str, float]:
        # Seeded by the step, so that a resumed run draws what an uninterrupted one would.
        rng = random.Random(f"{self.settings.seed}/{self.step}")  # noqa: S311
        started = time.monotonic()
        rate = learning_rate(self.settings.learning_rate, self.settings.warmup, self._done())
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        drawn = [sample(rng) for _ in range(self.settings.batch)]
        own = self.world.share(drawn, [len(packed.tokens) for packed in drawn])
        answers = sum(packed.answers for packed in drawn)
        total = torch.zeros(1, device=self.world.device)
        for packed in own:
            loss = self._loss(packed) / answers
            (loss * self.scale.value).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            self._collect()
        gradients = [master.grad for master in self.masters if master.grad is not None]
        self.world.add_up([*gradients, total])
        counts = self.scale.take_off(gradients)
        norm = nn.utils.clip_grad_norm_(self.masters, self.settings.clip)
        if counts:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)
        self._copy(self.masters, self.parameters)
        self.step += 1
        speed = sum(len(packed.tokens) for packed in drawn) / (time.monotonic() - started)
        return {
            "loss": round(total.item(), 4),
            "lr": rate,
            "norm": round(norm.item(), 3),
            "tokens_per_s": round(speed),
        }

    def _collect(self) -> None:
        """Add the network's gradients, in its own type, to the masters' in float32."""
        for parameter, master in zip(self.parameters, self.masters, strict=True):
            if parameter.grad is not None and master.grad is not None:
                master.grad += parameter.grad
                parameter.grad = None

    @staticmethod
    def _copy(source: Sequence[torch.Tensor], target: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            for one, other in zip(source, target, strict=True):
                other.copy_(one)

    def _done(self) -> float:
        """The share of the run that is over."""
        if self.settings.steps is not None:
            return self.step / self.settings.steps
        return self.seconds / (self.settings.minutes * 60)

    def _checkpoint(self) -> None:
        """Masters and optimizer state."""
        tensors = {}
        for index, master in enumerate(self.masters):
            tensors[f"{index}.weight"] = master.detach()
            for name, value in moments(self.optimizer, master).items():
                tensors[f"{index}.{name}"] = value
        notes = {
            "step": str(self.step),
            "progress": json.dumps([self.seconds, self.best, self.best_score, self.worse]),
            "scale": json.dumps([self.scale.value, self.scale.finite]),
            "settings": json.dumps(asdict(self.settings)),
        }
        self._kept.save("checkpoint", tensors, notes)

    def _restore(self) -> None:
        notes = self._kept.notes("checkpoint")
        if notes is None:
            return
        self.step = int(notes["step"])
        self.seconds, self.best, self.best_score, self.worse = json.loads(notes["progress"])
        if "scale" in notes:  # not in those of older versions
            self.scale.value, self.scale.finite = json.loads(notes["scale"])
        tensors = self._kept.load("checkpoint")
        with torch.no_grad():
            for index, master in enumerate(self.masters):
                master.copy_(tensors[f"{index}.weight"])
                state = {name: tensors[f"{index}.{name}"] for name in MOMENTS}
                restore_moments(self.optimizer, master, self.step, state)
        self._copy(self.masters, self.parameters)
        self._kept.go_on_from(self.step)
