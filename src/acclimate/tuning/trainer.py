"""A small training loop for adapters: packed sequences, logits only where labels are, resumable at any moment."""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from acclimate.tuning.lora import attach, save_adapter
from acclimate.tuning.packing import IGNORED, Packed

log = logging.getLogger(__name__)

Sampler = Callable[[random.Random], Packed]
"""Draws one training sequence; equal random states draw equal sequences."""
OnStep = Callable[[float, dict[str, float]], None]
"""Hears of each step: seconds trained so far, and its figures (loss, lr, norm, tokens_per_s)."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How to train.

    `learning_rate` is the peak of a cosine that warms up over `warmup` (a share) of `minutes`; `batch` sequences make a
    step; gradients are clipped to the norm `clip`; a checkpoint is written every `checkpoint_minutes`.
    """

    minutes: float = 60.0
    r: int = 16
    alpha: float = 32.0
    learning_rate: float = 1e-3
    warmup: float = 0.03
    batch: int = 4
    clip: float = 1.0
    weight_decay: float = 0.0
    seed: int = 0
    checkpoint_minutes: float = 8.0


def answer_loss(model: nn.Module, packed: Packed) -> torch.Tensor:
    """Mean cross-entropy over the answers' tokens; the vocabulary is multiplied only where there is a label.

    `model` is a Transformers causal language model with `.model` and `.lm_head`.
    """
    dtype = next(model.parameters()).dtype
    mask = torch.zeros(packed.mask().shape, dtype=dtype).masked_fill(~packed.mask(), torch.finfo(dtype).min)
    hidden = model.model(  # type: ignore[operator]
        input_ids=packed.tokens[None],
        position_ids=packed.positions[None],
        attention_mask=mask[None, None],
        use_cache=False,
    ).last_hidden_state[0]
    labelled = packed.labels != IGNORED
    logits = model.lm_head(hidden[labelled])  # type: ignore[operator]
    return nn.functional.cross_entropy(logits.float(), packed.labels[labelled])


class Trainer:
    """Trains a LoRA on `model` in place; `run` goes on from the newest checkpoint in `folder`."""

    def __init__(self, model: nn.Module, base_model: str, folder: Path, settings: TrainSettings) -> None:
        torch.manual_seed(settings.seed)
        self.model, self.base_model, self.folder, self.settings = model, base_model, folder, settings
        self.parameters = attach(model, settings.r, settings.alpha)
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.step, self.seconds = 0, 0.0
        self.best: float | None = None
        self._restore()

    def run(self, sample: Sampler, dev: Sequence[Packed], on_step: OnStep | None = None) -> None:
        """Train until the minutes are spent, then leave the adapter with the lowest dev loss seen in `folder/adapter`.

        Only time spent training counts, and never more than a minute for one step: the schedule survives a pause.
        """
        saved = self.seconds
        if not self.step:
            self._judge(dev)
        while self.seconds < self.settings.minutes * 60:
            started = time.monotonic()
            figures = self._step(sample)
            self.seconds += min(60.0, time.monotonic() - started)
            self._log({"step": self.step, "seconds": round(self.seconds, 1), **figures})
            if on_step is not None:
                on_step(self.seconds, figures)
            if self.seconds - saved > self.settings.checkpoint_minutes * 60:
                saved = self.seconds
                self._judge(dev)
                self._checkpoint()
        self._judge(dev)
        self._checkpoint()

    def _judge(self, dev: Sequence[Packed]) -> None:
        """Note the dev loss; the adapter is kept where none before was better."""
        loss = round(self.dev_loss(dev), 4)
        self._log({"step": self.step, "dev_loss": loss})
        if self.best is None or loss <= self.best:
            self.best = loss
            save_adapter(self.model, self.folder / "adapter", self.base_model)

    def dev_loss(self, dev: Sequence[Packed]) -> float:
        """Mean loss over `dev`, without training."""
        with torch.no_grad():
            return sum(answer_loss(self.model, packed).item() for packed in dev) / max(1, len(dev))

    def _step(self, sample: Sampler) -> dict[str, float]:
        # Seeded by the step, so that a resumed run draws what an uninterrupted one would.
        rng = random.Random(f"{self.settings.seed}/{self.step}")  # noqa: S311
        started, tokens, total = time.monotonic(), 0, 0.0
        rate = self._learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for _ in range(self.settings.batch):
            packed = sample(rng)
            loss = answer_loss(self.model, packed) / self.settings.batch
            loss.backward()  # type: ignore[no-untyped-call]
            tokens, total = tokens + len(packed.tokens), total + loss.item()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        speed = tokens / (time.monotonic() - started)
        return {"loss": round(total, 4), "lr": rate, "norm": round(norm.item(), 3), "tokens_per_s": round(speed)}

    def _learning_rate(self) -> float:
        done = min(1.0, self.seconds / (self.settings.minutes * 60))
        if done < self.settings.warmup:
            return self.settings.learning_rate * max(0.01, done / self.settings.warmup)
        after = (done - self.settings.warmup) / (1 - self.settings.warmup)
        return self.settings.learning_rate * max(0.01, 0.5 * (1 + math.cos(math.pi * after)))

    def _checkpoint(self) -> None:
        """Weights and optimizer state in one safetensors file, put in place in one move."""
        state = self.optimizer.state
        tensors = {}
        for index, parameter in enumerate(self.parameters):
            tensors[f"{index}.weight"] = parameter.detach()
            tensors[f"{index}.exp_avg"] = state[parameter]["exp_avg"]
            tensors[f"{index}.exp_avg_sq"] = state[parameter]["exp_avg_sq"]
        progress = {
            "step": str(self.step),
            "seconds": str(self.seconds),
            "best": str(self.best),
            "settings": json.dumps(asdict(self.settings)),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / "checkpoint.part"
        save_file(tensors, part, metadata=progress)
        part.replace(self.folder / "checkpoint.safetensors")

    def _restore(self) -> None:
        file = self.folder / "checkpoint.safetensors"
        if not file.exists():
            return
        with safe_open(file, "pt") as opened:
            progress = opened.metadata()
        self.step, self.seconds = int(progress["step"]), float(progress["seconds"])
        self.best = float(progress["best"]) if progress.get("best", "None") != "None" else None
        tensors = load_file(file)
        with torch.no_grad():
            for index, parameter in enumerate(self.parameters):
                parameter.copy_(tensors[f"{index}.weight"])
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(self.step)),
                    "exp_avg": tensors[f"{index}.exp_avg"],
                    "exp_avg_sq": tensors[f"{index}.exp_avg_sq"],
                }
        log.info("going on from step %d", self.step)

    def _log(self, figures: dict[str, float]) -> None:
        log.info("%s", figures)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(figures) + "\n")
