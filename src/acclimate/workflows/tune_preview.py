"""`acclimate tune --inspect`: everything that a run would do, and nothing done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from acclimate.evaluation.memory import peak_mb, reset_peak
from acclimate.workflows.tune import TuneOptions, prepare
from acclimate.workflows.tune_data import Data
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.preview import Preview

_ADAM_BYTES = 8  # two float32 moments of each trained parameter, which a rehearsal does not make


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a run of `minutes` would learn (`preview` None: nothing can be) and what would be refused (`data.problems`).

    `passes` over the cases fit the minutes; `peak_mb` is the memory that it would take (None: not known here).
    """

    recipe: str
    method: str
    model: str
    data: Data
    minutes: float
    preview: Preview | None
    passes: float = 0.0
    peak_mb: float | None = None


def inspect_tuning(workspace: Workspace, name: str, options: TuneOptions) -> Inspection:
    """Look at a run without training. A teacher is not asked. Raises what a run raises, but for refused rows."""
    prepared = prepare(workspace, name, options)
    from acclimate.tuning.preview import preview
    from acclimate.tuning.trainer import TrainSettings

    recipe, data = prepared.recipe.adapter_name, prepared.lessons.data
    method, model = prepared.method.title, prepared.model.name
    if not prepared.job.cases:
        return Inspection(recipe, method, model, data, options.minutes, None)
    workspace.keep_only(None)
    reset_peak()
    seen = preview(prepared.job, TrainSettings(minutes=options.minutes))
    peak = peak_mb()
    return Inspection(
        recipe,
        method,
        model,
        data,
        options.minutes,
        seen,
        passes=round(options.minutes / max(1e-9, seen.outlook.minutes_a_pass), 2),
        peak_mb=None if peak is None else round(peak + seen.outlook.parameters * _ADAM_BYTES / 1e6),
    )
