"""The runs of one adapter that was trained with several seeds: the best is served, the others stay
beside it, so that a comparison can tell how much of its score is luck."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from acclimate.models.adapters import is_tuned

_FOLDER, _NOTE = "seeds", "seeds.json"


@dataclass(frozen=True, slots=True)
class SeedRuns:
    """`kept` is the seed of the adapter that is served, `others` the folders of the rest by
    seed."""

    kept: int
    others: Mapping[int, Path]


def keep_runs(adapter: Path, runs: SeedRuns, losses: Mapping[int, float]) -> None:
    """Put the other runs' adapters into that of the best, and note every run's dev loss."""
    place = adapter / _FOLDER
    shutil.rmtree(place, ignore_errors=True)
    for seed, folder in runs.others.items():
        shutil.copytree(folder, place / str(seed), ignore=shutil.ignore_patterns(_FOLDER, _NOTE))
    note = {"kept": runs.kept, "dev_loss": {str(seed): loss for seed, loss in losses.items()}}
    (adapter / _NOTE).write_text(json.dumps(note) + "\n", encoding="ascii")


def runs_of(adapter: Path) -> SeedRuns | None:
    """The runs that an adapter was chosen among; None where it was trained once."""
    note = adapter / _NOTE
    if not note.is_file():
        return None
    folders = (adapter / _FOLDER).iterdir() if (adapter / _FOLDER).is_dir() else ()
    others = {int(one.name): one for one in folders if one.name.isdigit() and is_tuned(one)}
    kept = int(json.loads(note.read_text(encoding="ascii"))["kept"])
    return SeedRuns(kept, dict(sorted(others.items())))
