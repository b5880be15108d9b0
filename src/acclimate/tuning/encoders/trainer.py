"""The training loop of encoders: by the clock, resumable at any moment, on one process or
several."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from acclimate.system import ending
from acclimate.system.hardware import computes_bf16
from acclimate.tuning.progress import MOMENTS, RunFolder, learning_rate, moments, restore_moments

OnStep = Callable[[float, dict[str, float]], None]
"""Called after each step with the seconds trained so far and its figures (loss, lr,
tokens_per_s)."""


class Task(Protocol):
    """What is trained, and on what."""

    def losses(self, step: int) -> Sequence[Callable[[], tuple[torch.Tensor, int]]]:
        """The step's micro-batches, each giving its loss and its tokens; equal steps give equal
        batches."""

    def judge(self) -> dict[str, float]:
        """Figures on dev data; where "score" is among them, the state with the highest is kept."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How to train.

    `learning_rate` is the peak; it rises over `warmup` (a share of `minutes`) and falls linearly to
    0. Gradients are clipped to the norm `clip`. Dev figures and a checkpoint come every
    `checkpoint_minutes`; the run ends where `patience` of them in a row brought no higher score
    (None: never; for one process only).
    """

    minutes: float = 10.0
    learning_rate: float = 2e-4
    warmup: float = 0.05
    clip: float = 1.0
    weight_decay: float = 0.01
    seed: int = 0
    checkpoint_minutes: float = 5.0
    patience: int | None = None


class EncoderTrainer:
    """Trains what of `model` requires gradients; goes on from the checkpoint in `folder`, if any.

    `average` makes gradients the mean over all processes that train together (None: there is one
    process); `leads` is whether this one writes.
    """

    def __init__(
        self,
        model: nn.Module,
        folder: Path,
        settings: EncoderSettings,
        *,
        average: Callable[[Sequence[torch.Tensor]], None] | None = None,
        leads: bool = True,
    ) -> None:
        self.model, self.folder, self.settings = model, folder, settings
        self._average, self._leads = average, leads
        self._kept = RunFolder(folder, leads=leads)
        self.named = {
            name: value for name, value in model.named_parameters() if value.requires_grad
        }
        decayed = [value for value in self.named.values() if value.ndim > 1]
        plain = [value for value in self.named.values() if value.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        self.step, self.seconds, self.worse = 0, 0.0, 0
        self.best: float | None = None
        self._restore()

    def run(self, task: Task, on_step: OnStep | None = None) -> None:
        """Train until the minutes are spent, or the patience; only time spent training counts."""
        # Transformers hands models over in evaluation mode, in which nothing is dropped
        self.model.train()
        saved, patience = self.seconds, self.settings.patience
        if patience is not None and not self.step:  # the state to be better than
            self._pause(task)
        while self.seconds < self.settings.minutes * 60 and (
            patience is None or self.worse < patience
        ):
            started = time.monotonic()
            with ending.held():  # a step is done whole or not at all
                figures = self._step(task)
                self.seconds = self._agree(self.seconds + min(60.0, time.monotonic() - started))
                self._kept.log({"step": self.step, "seconds": round(self.seconds, 1), **figures})
                if ending.requested():
                    self._checkpoint()
            if on_step is not None:
                on_step(self.seconds, figures)
            if self.seconds - saved > self.settings.checkpoint_minutes * 60:
                saved = self.seconds
                self._pause(task)
        if self.seconds > saved:
            self._pause(task)

    def load_best(self) -> None:
        """The state that was judged best, where a task gives scores."""
        tensors = self._kept.load("best")
        with torch.no_grad():
            for name, value in self.named.items():
                value.copy_(tensors[name])

    def _pause(self, task: Task) -> None:
        if self._leads:
            self.model.eval()
            with torch.no_grad():
                figures = task.judge()
            self._kept.log({"step": self.step, **figures})
            self._rate(figures.get("score"))
            self.model.train()
            self._checkpoint()

    def _rate(self, score: float | None) -> None:
        """Keep the state where its score is the highest so far."""
        if score is None:
            return
        if self.best is not None and score <= self.best:
            self.worse += 1
            return
        self.best, self.worse = score, 0
        tensors = {name: value.detach() for name, value in self.named.items()}
        self._kept.save("best", tensors, {"score": str(score)})

    def _step(self, task: Task) -> dict[str, float]:
        started, tokens, total = time.monotonic(), 0, 0.0
        done = self.seconds / (self.settings.minutes * 60)
        rate = learning_rate(self.settings.learning_rate, self.settings.warmup, done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = task.losses(self.step)
        for compute in losses:
            with torch.autocast("cpu", torch.bfloat16, enabled=computes_bf16()):
                loss, count = compute()
            (loss / len(losses)).backward()  # type: ignore[no-untyped-call]
            tokens, total = tokens + count, total + loss.item() / len(losses)
        if self._average is not None:
            self._average([value.grad for value in self.named.values() if value.grad is not None])
        norm = nn.utils.clip_grad_norm_(self.named.values(), self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        speed = tokens / (time.monotonic() - started)
        return {
            "loss": round(total, 4),
            "lr": rate,
            "norm": round(norm.item(), 3),
            "tokens_per_s": round(speed),
        }

    def _agree(self, seconds: float) -> float:
        """The same clock in all processes."""
        if self._average is None:
            return seconds
        clock = torch.tensor([seconds])
        self._average([clock])
        return clock.item()

    def _checkpoint(self) -> None:
        """Weights and optimizer state."""
        tensors = {}
        for name, value in self.named.items():
            tensors[name] = value.detach()
            for moment, state in moments(self.optimizer, value).items():
                tensors[f"{name}/{moment}"] = state
        notes = {
            "step": str(self.step),
            "seconds": str(self.seconds),
            "settings": json.dumps(asdict(self.settings)),
        }
        if self.best is not None:
            notes |= {"best": str(self.best), "worse": str(self.worse)}
        self._kept.save("checkpoint", tensors, notes)

    def _restore(self) -> None:
        notes = self._kept.notes("checkpoint")
        if notes is None:
            return
        self.step, self.seconds = int(notes["step"]), float(notes["seconds"])
        if "best" in notes:
            self.best, self.worse = float(notes["best"]), int(notes["worse"])
        tensors = self._kept.load("checkpoint")
        with torch.no_grad():
            for name, value in self.named.items():
                value.copy_(tensors[name])
                state = {moment: tensors[f"{name}/{moment}"] for moment in MOMENTS}
                restore_moments(self.optimizer, value, self.step, state)
        self._kept.go_on_from(self.step)
