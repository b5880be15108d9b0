"""A run's curves in a tracker that the user has installed. Nothing is imported or sent unless one
is asked for, and none sends anything over the network unless its own settings say so.

A tracker is told of figures by step: loss, learning rate, norm, speed, dev loss and score.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from acclimate.errors import SettingsError

TrackerName = Literal["trackio", "mlflow", "tensorboard", "wandb"]
TRACKERS: tuple[TrackerName, ...] = ("trackio", "mlflow", "tensorboard", "wandb")
Settings = Mapping[str, Any]
_PROJECT = "acclimate"
_INSTALL = {"mlflow": "mlflow-skinny"}  # what is enough to write, where it is not the whole


class Tracker(Protocol):
    """Receives a run's figures."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Figures of one step; steps never fall."""

    def close(self) -> None:
        """End the run."""


def open_tracker(name: TrackerName, run: str, settings: Settings, folder: Path) -> Tracker:
    """Begin a run; what is written into files goes below `folder`.

    Raises SettingsError where the package is not installed.
    """
    if find_spec(name) is None:
        raise SettingsError(
            f"{name} is not installed.", hint=f"pip install {_INSTALL.get(name, name)}"
        )
    return _OPEN[name](run, settings, folder)


class _Module:
    """Trackio and W&B, which have the same three functions."""

    def __init__(self, module: Any, options: Settings) -> None:
        self._module = module
        module.init(**options)

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._module.log(dict(figures), step=step)

    def close(self) -> None:
        self._module.finish()


def _trackio(run: str, settings: Settings, folder: Path) -> Tracker:
    options = {"project": _PROJECT, "name": run, "config": dict(settings)}
    return _Module(import_module("trackio"), options)


def _wandb(run: str, settings: Settings, folder: Path) -> Tracker:
    options: dict[str, Any] = {"project": _PROJECT, "name": run, "config": dict(settings)}
    folder.mkdir(parents=True, exist_ok=True)
    # Offline unless the user's environment says otherwise.
    options |= {"dir": str(folder), "mode": os.environ.get("WANDB_MODE", "offline")}
    return _Module(import_module("wandb"), options)


class _MLflow:
    def __init__(self, run: str, settings: Settings, folder: Path) -> None:
        self._mlflow: Any = import_module("mlflow")
        folder.mkdir(parents=True, exist_ok=True)
        if "MLFLOW_TRACKING_URI" not in os.environ:
            self._mlflow.set_tracking_uri((folder / "mlruns").resolve().as_uri())
        self._mlflow.set_experiment(_PROJECT)
        self._mlflow.start_run(run_name=run)
        self._mlflow.log_params(dict(settings))

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._mlflow.log_metrics(dict(figures), step=step)

    def close(self) -> None:
        self._mlflow.end_run()


class _TensorBoard:
    def __init__(self, run: str, settings: Settings, folder: Path) -> None:
        writer: Any = import_module("torch.utils.tensorboard").SummaryWriter
        self._writer = writer(log_dir=str(folder / "tensorboard" / run))
        lines = [f"{name}: {value}" for name, value in settings.items()]
        self._writer.add_text("settings", "  \n".join(lines))

    def log(self, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


_OPEN: dict[TrackerName, Callable[[str, Settings, Path], Tracker]] = {
    "trackio": _trackio,
    "mlflow": _MLflow,
    "tensorboard": _TensorBoard,
    "wandb": _wandb,
}
