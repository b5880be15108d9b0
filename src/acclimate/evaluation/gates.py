"""Conditions that a comparison must meet, like `rag.f1>=0.6` or `rag.f1>=LAST`, for continuous
integration."""

from __future__ import annotations

import json
import operator
import re
from dataclasses import asdict, dataclass
from math import floor
from pathlib import Path
from typing import Any

from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import Comparison, figure
from acclimate.evaluation.measures import find_measure
from acclimate.evaluation.since import changes

LAST = "LAST"
_GATE = re.compile(
    r"\s*(?P<recipe>\S.*)\.(?P<figure>(?:check:)?[\w:-]+)\s*(?:(?P<sign>>=|<=|>|<)\s*"
    r"(?P<bound>-?\d+(?:\.\d+)?)|>=\s*LAST(?:\s*-\s*(?P<margin>\d+(?:\.\d+)?))?)\s*"
)
_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class QualityGate:
    """A figure of a recipe and the bound that it must keep; `bound` None: the last comparison's,
    less a `margin` that counts for nothing."""

    text: str
    recipe: str
    figure: str
    sign: str
    bound: float | None
    margin: float = 0.0

    def failure(self, comparison: Comparison, earlier: Comparison | None = None) -> str | None:
        """What is wrong, or None where the gate holds. A figure that could not be measured does not
        hold."""
        if self.bound is None:
            return self._worse(comparison, earlier)
        measured = figure(comparison, self.recipe, self.figure)
        if measured is not None and _SIGNS[self.sign](measured, self.bound):
            return None
        shown = "not measured" if measured is None else f"{measured:.4g}"
        return f"{self.text}: {self.recipe}.{self.figure} is {shown}"

    def _worse(self, comparison: Comparison, earlier: Comparison | None) -> str | None:
        """Whether it is measurably worse than before, question by question; with a margin, whether
        it may be worse by more than that."""
        comparison.row(self.recipe)
        change = changes(comparison, earlier, self.figure).get(self.recipe) if earlier else None
        if change is None or change.gap is None:
            return f"{self.text}: {self.recipe} was not compared before on the same questions"
        gap = change.gap
        shown = (
            f"{gap.interval.mean:+.3f} (95 % interval {gap.interval.low:+.3f} to "
            f"{gap.interval.high:+.3f}, p {gap.p:.3f}) on {change.n} questions that both asked"
        )
        measurably = gap.interval.mean < 0 and gap.p < _LEVEL
        worse = gap.interval.low < -self.margin if self.margin else measurably
        return f"{self.text}: {self.recipe}.{self.figure} changed by {shown}" if worse else None


def parse_gate(text: str) -> QualityGate:
    """Read a gate. Raises SettingsError where it is none, or asks of LAST what is no score of
    answers."""
    match = _GATE.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"'{text}' is not a gate.",
            hint="Write recipe.figure, >=, <=, > or <, number: rag.f1>=0.6; or rag.f1>=LAST, "
            "rag.f1>=LAST-0.02",
        )
    if match["sign"] is None:
        if find_measure(match["figure"]).better != "more":
            raise SettingsError(
                f"'{text}': less of {match['figure']} is not worse.", hint="rag.f1>=LAST"
            )
        margin = float(match["margin"] or 0.0)
        return QualityGate(text, match["recipe"], match["figure"], ">=", None, margin)
    return QualityGate(text, match["recipe"], match["figure"], match["sign"], float(match["bound"]))


@dataclass(frozen=True, slots=True)
class GateFile:
    """What `acclimate compare --gate FILE.json` runs: the same recipes and models on the same
    questions, and the gates that must hold."""

    recipes: tuple[str, ...]
    gates: tuple[str, ...]
    split: str = "test"
    metric: str = "f1"

    def save(self, file: Path) -> None:
        """Write it, for people to read and change."""
        part = file.with_suffix(".part")
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        part.write_text(f"{text}\n", encoding="utf-8")
        part.replace(file)


def read_gate_file(file: Path) -> GateFile:
    """Read gates from a file. Raises SettingsError where it holds none."""
    try:
        row: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        held = GateFile(
            tuple(map(str, row["recipes"])),
            tuple(map(str, row["gates"])),
            str(row.get("split", "test")),
            str(row.get("metric", "f1")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{file} holds no gates: {error!r}.",
            hint='{"recipes": ["rag"], "gates": ["rag.f1>=0.6"]}',
        ) from error
    for text in held.gates:
        parse_gate(text)
    return held


def gate_of(comparison: Comparison, recipe: str) -> GateFile:
    """A gate that a recipe passes as long as it is about as good as here: its deciding score stays
    at or above the lower end of its 95 % interval. Raises SettingsError where it was not compared,
    and where that end is 0, as nothing could fail such a gate."""
    low = floor(1000 * comparison.row(recipe).interval.low) / 1000
    if low <= 0:
        raise SettingsError(
            f"{len(comparison.questions)} questions are too few for a gate: the interval of "
            f"{recipe} begins at 0.",
            hint="Ask more questions, or write a bound yourself: --gate "
            f'"{recipe}.{comparison.metric}>=0.6"',
        )
    text = f"{recipe}.{comparison.metric}>={low:g}"
    return GateFile((recipe,), (text,), comparison.split, comparison.metric)
