"""What both training loops keep of a run: its checkpoints and its log, in one folder, and the
learning rate by the share that is over."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from acclimate.files import jsonlines

log = logging.getLogger(__name__)

Tensors = dict[str, torch.Tensor]

_LOWEST = 0.01  # share of the peak learning rate, at the start and at the end
MOMENTS = ("exp_avg", "exp_avg_sq")
"""AdamW's running means of gradients and of their squares, by its own names."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Checkpoints (`NAME.safetensors`) and the log (`log.jsonl`) of one run.

    Of several processes that train together only the one that `leads` writes.
    """

    folder: Path
    leads: bool = True

    def log(self, figures: Mapping[str, float]) -> None:
        """Add a row to the log."""
        if self.leads:
            log.info("%s", figures)
            jsonlines.append(self._log_file, figures)

    def save(self, name: str, tensors: Tensors, notes: dict[str, str]) -> None:
        """Write tensors and notes into one file, put in place in one move."""
        if not self.leads:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{name}.part"
        save_file(tensors, part, metadata=notes)
        part.replace(self._file(name))

    def load(self, name: str) -> Tensors:
        """The tensors saved under a name. Raises FileNotFoundError where there are none."""
        return load_file(self._file(name))

    def notes(self, name: str) -> dict[str, str] | None:
        """The notes saved under a name; None where nothing was saved."""
        file = self._file(name)
        if not file.exists():
            return None
        with safe_open(file, "pt") as opened:
            return dict(opened.metadata())

    def go_on_from(self, step: int) -> None:
        """Drop the log's rows of steps after the checkpoint: those steps are done again."""
        if not self.leads:
            return
        log.info("going on from step %d", step)
        jsonlines.drop_torn(self._log_file)
        rows = [row for _, row in jsonlines.read_rows(self._log_file)]
        jsonlines.write(self._log_file, [row for row in rows if row["step"] <= step])

    @property
    def _log_file(self) -> Path:
        return self.folder / "log.jsonl"

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def learning_rate(peak: float, warmup: float, done: float) -> float:
    """The rate where the share `done` of a run is over: up to `peak` on a line over the share
    `warmup`, then down on a line; never below a hundredth of the peak."""
    done = min(1.0, done)
    shape = done / warmup if done < warmup else (1 - done) / (1 - warmup)
    return peak * max(_LOWEST, shape)


def moments(optimizer: torch.optim.Optimizer, value: torch.Tensor) -> Tensors:
    """AdamW's state of a parameter by name; zeros before its first step."""
    state = optimizer.state.get(value) or {}
    return {name: state.get(name, torch.zeros_like(value)) for name in MOMENTS}


def restore_moments(
    optimizer: torch.optim.Optimizer, value: torch.Tensor, step: int, state: Tensors
) -> None:
    """Give AdamW the state of a parameter back: what `moments` gave after that many steps."""
    kept = {name: state[name].to(value.device) for name in MOMENTS}
    count = torch.tensor(float(step), device=value.device)
    optimizer.state[value] = {"step": count, **kept}
