"""The training loop of encoders: by the clock, resumable at any moment, on one process or
several."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from acclimate.files import jsonlines
from acclimate.system import ending
from acclimate.system.hardware import computes_bf16

log = logging.getLogger(__name__)

OnStep = Callable[[float, dict[str, float]], None]
"""Hears of each step: seconds trained so far, and its figures (loss, lr, tokens_per_s)."""


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
                self._log({"step": self.step, "seconds": round(self.seconds, 1), **figures})
                if ending.requested() and self._leads:
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
        tensors = load_file(self.folder / "best.safetensors")
        with torch.no_grad():
            for name, value in self.named.items():
                value.copy_(tensors[name])

    def _pause(self, task: Task) -> None:
        if self._leads:
            self.model.eval()
            with torch.no_grad():
                figures = task.judge()
            self._log({"step": self.step, **figures})
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
        self._put(
            "best",
            {name: value.detach() for name, value in self.named.items()},
            {"score": str(score)},
        )

    def _step(self, task: Task) -> dict[str, float]:
        started, tokens, total = time.monotonic(), 0, 0.0
        rate = self._learning_rate()
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

    def _learning_rate(self) -> float:
        done = min(1.0, self.seconds / (self.settings.minutes * 60))
        shape = (
            done / self.settings.warmup
            if done < self.settings.warmup
            else (1 - done) / (1 - self.settings.warmup)
        )
        return self.settings.learning_rate * max(0.01, shape)

    def _checkpoint(self) -> None:
        """Weights and optimizer state in one safetensors file, put in place in one move."""
        tensors = {}
        for name, value in self.named.items():
            state = self.optimizer.state[value] or {"exp_avg": torch.zeros_like(value)}
            tensors[name] = value.detach()
            tensors[f"{name}/exp_avg"] = state["exp_avg"]
            tensors[f"{name}/exp_avg_sq"] = state.get("exp_avg_sq", torch.zeros_like(value))
        progress = {
            "step": str(self.step),
            "seconds": str(self.seconds),
            "settings": json.dumps(asdict(self.settings)),
        }
        if self.best is not None:
            progress |= {"best": str(self.best), "worse": str(self.worse)}
        self._put("checkpoint", tensors, progress)

    def _put(self, name: str, tensors: dict[str, torch.Tensor], notes: dict[str, str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{name}.part"
        save_file(tensors, part, metadata=notes)
        part.replace(self.folder / f"{name}.safetensors")

    def _restore(self) -> None:
        file = self.folder / "checkpoint.safetensors"
        if not file.exists():
            return
        with safe_open(file, "pt") as opened:
            progress = opened.metadata()
        self.step, self.seconds = int(progress["step"]), float(progress["seconds"])
        if "best" in progress:
            self.best, self.worse = float(progress["best"]), int(progress["worse"])
        tensors = load_file(file)
        with torch.no_grad():
            for name, value in self.named.items():
                value.copy_(tensors[name])
                self.optimizer.state[value] = {
                    "step": torch.tensor(float(self.step)),
                    "exp_avg": tensors[f"{name}/exp_avg"],
                    "exp_avg_sq": tensors[f"{name}/exp_avg_sq"],
                }
        log.info("going on from step %d", self.step)

    def _log(self, figures: dict[str, float]) -> None:
        if self._leads:
            log.info("%s", figures)
            jsonlines.append(self.folder / "log.jsonl", figures)
