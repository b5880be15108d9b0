"""Which documents a search may see: conditions on a document's properties, and access labels.

Conditions are evaluated once over the record's documents, so that every index and store answers the
same; the indexes are given the chunk keys that are left, and rank only those.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import SettingsError
from acclimate.text.folding import matched
from acclimate.text.identifiers import code_name

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
_CONDITION = re.compile(r"\s*([^\s=!<>]+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Among:
    """The only chunk keys that a search may find: int64, ascending."""

    keys: NDArray[np.int64]

    def holds(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each of `keys`, whether it is among these."""
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        held: NDArray[np.bool_] = self.keys[places] == keys
        return held


@dataclass(frozen=True, slots=True)
class Condition:
    """A property of a document against a value.

    `=` and `!=` take a glob pattern, of any case and Unicode form, or several with | between them;
    the others compare as numbers where both sides are, else as text (so dates in ISO form compare).
    A document without the property meets only `!=`.
    """

    key: str
    operator: Operator
    value: str

    def holds(self, values: Mapping[str, Collection[str]]) -> bool:
        """Whether a document with these properties meets the condition."""
        found = values.get(self.key, ())
        if self.operator in ("=", "!="):
            patterns = [pattern.strip() for pattern in self.value.split("|")]
            equal = any(self._equal(value, pattern) for value in found for pattern in patterns)
            return equal == (self.operator == "=")
        return any(self._ordered(value) for value in found)

    def _equal(self, value: str, pattern: str) -> bool:
        if fnmatch(matched(value), matched(pattern)):
            return True
        # Two files may differ by a hyphen only; of what documents say of themselves, a code has
        # many spellings.
        return (
            self.key != "path" and (name := code_name(pattern)) != "" and name == code_name(value)
        )

    def _ordered(self, value: str) -> bool:
        left: float | str
        right: float | str
        try:
            left, right = float(value), float(self.value)
        except ValueError:
            left, right = matched(value), matched(self.value)
        lower, higher = left < right, left > right  # type: ignore[operator]
        return {"<": lower, "<=": not higher, ">": higher, ">=": not lower}[self.operator]


@dataclass(frozen=True, slots=True)
class Filter:
    """All `conditions`; and, unless `labels` is None, no document that has a label which is not
    among `labels`."""

    conditions: tuple[Condition, ...] = ()
    labels: frozenset[str] | None = None

    @classmethod
    def parse(cls, where: Sequence[str], labels: Sequence[str] | None = None) -> Self:
        """A filter of conditions like `path=handbook/*`, `type=pdf|docx`, `date>=2025-01-01`.

        Raises SettingsError for text that is no condition.
        """
        conditions = []
        for text in where:
            match = _CONDITION.fullmatch(text)
            if match is None or not match[3]:
                raise SettingsError(
                    f"'{text}' is no condition.",
                    hint="Write KEY=VALUE, also with != < <= > >=, like path=handbook/* or "
                    "date>=2025-01-01.",
                )
            conditions.append(Condition(matched(match[1]), cast("Operator", match[2]), match[3]))
        return cls(tuple(conditions), None if labels is None else frozenset(labels))

    def sees(self, path: str, rules: Sequence[LabelRule]) -> bool:
        """Whether the labels of the document at `path` let it be seen."""
        return self.labels is None or labels_of(path, rules) <= self.labels

    def meets(self, values: Mapping[str, Collection[str]]) -> bool:
        """Whether a document with these properties meets all conditions."""
        return all(condition.holds(values) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class LabelRule:
    """Documents whose path matches `pattern`, a glob of any case, have the access label `label`."""

    pattern: str
    label: str


def labels_of(path: str, rules: Sequence[LabelRule]) -> frozenset[str]:
    """The access labels of a document: those of all rules that match. Without one it is open to
    all."""
    lower = matched(path)

    def holds(pattern: str) -> bool:
        return fnmatch(lower, pattern) or fnmatch(lower, pattern.removeprefix("**/"))

    return frozenset(rule.label for rule in rules if holds(matched(rule.pattern)))


def parse_rules(texts: Sequence[str]) -> tuple[LabelRule, ...]:
    """`[documents] labels`: "GLOB = LABEL" each. Raises SettingsError for another form."""
    rules = []
    for text in texts:
        pattern, equals, label = (part.strip() for part in text.rpartition("="))
        if not (pattern and equals and label):
            raise SettingsError(
                f"'documents.labels' has '{text}'.",
                hint='Write "GLOB = LABEL", like "personnel/** = hr".',
            )
        rules.append(LabelRule(pattern, label))
    return tuple(rules)
