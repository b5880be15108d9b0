"""Conditions that a comparison must meet, like `rag.f1>=0.6`, for continuous integration."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass

from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import Comparison, figure

_GATE = re.compile(
    r"\s*(?P<recipe>\S.*)\.(?P<figure>(?:check:)?[\w:-]+)"
    r"\s*(?P<sign>>=|<=|>|<)\s*(?P<bound>-?\d+(?:\.\d+)?)\s*"
)
_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class QualityGate:
    """A figure of a recipe and the bound that it must keep."""

    text: str
    recipe: str
    figure: str
    sign: str
    bound: float

    def failure(self, comparison: Comparison) -> str | None:
        """What is wrong, or None where the gate holds. A figure that could not be measured does not
        hold."""
        measured = figure(comparison, self.recipe, self.figure)
        if measured is not None and _SIGNS[self.sign](measured, self.bound):
            return None
        shown = "not measured" if measured is None else f"{measured:.4g}"
        return f"{self.text}: {self.recipe}.{self.figure} is {shown}"


def parse_gate(text: str) -> QualityGate:
    """Read a gate. Raises SettingsError where it is not `recipe.figure>=number`."""
    match = _GATE.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"'{text}' is not a gate.",
            hint="Write recipe.figure, >=, <=, > or <, number: rag.f1>=0.6",
        )
    return QualityGate(text, match["recipe"], match["figure"], match["sign"], float(match["bound"]))
