"""`acclimate tune --inspect`: a preview of a run; nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from acclimate.evaluation.memory import peak_mb, reset_peak
from acclimate.workflows.tune import (
    NoProgress,
    TuneOptions,
    TuneProgress,
    prepare,
    with_own_answers,
)
from acclimate.workflows.tune_data import DataReport
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.preview import Preview

_ADAM_BYTES = 8  # two float32 moments of each trained parameter, which a rehearsal does not make


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a run of `minutes` would learn (`preview` None: nothing can be) and what would be
    refused (`data.problems`).

    `passes` over the cases fit the minutes; `peak_mb` is the memory that it would take (None: not
    known here).
    """

    recipe: str
    method: str
    model: str
    data: DataReport
    minutes: float
    preview: Preview | None
    passes: float = 0.0
    peak_mb: float | None = None


class PreviewProgress(TuneProgress, Protocol):
    """Receives the progress of an inspection."""

    def checked(self, inspection: Inspection) -> None:
        """The data is checked, no network is loaded yet: an inspection without its preview."""


class _NoProgress(NoProgress):
    def checked(self, inspection: Inspection) -> None:
        """See `PreviewProgress`."""


def inspect_tuning(
    workspace: Workspace, name: str, options: TuneOptions, progress: PreviewProgress | None = None
) -> Inspection:
    """Look at a run without training. A teacher is not asked. Raises what a run raises, but for
    refused rows."""
    progress = progress or _NoProgress()
    prepared = prepare(workspace, name, options, progress)
    from acclimate.tuning.preview import preview
    from acclimate.tuning.trainer import TrainSettings

    recipe, data = prepared.recipe.adapter_name, prepared.training_set.data
    method, model = prepared.method.title, prepared.model.name
    checked = Inspection(recipe, method, model, data, options.minutes, None)
    progress.checked(checked)
    if not prepared.job.cases:
        return checked
    if prepared.method.data == "preferences":
        progress.doing("Asking the model what it says by itself")
        prepared = with_own_answers(prepared, None)
    workspace.keep_only(None)
    reset_peak()
    seen = preview(prepared.job, TrainSettings(minutes=options.minutes), progress.doing)
    peak = peak_mb()
    return replace(
        checked,
        preview=seen,
        passes=round(options.minutes / max(1e-9, seen.outlook.minutes_a_pass), 2),
        peak_mb=None if peak is None else round(peak + seen.outlook.parameters * _ADAM_BYTES / 1e6),
    )
