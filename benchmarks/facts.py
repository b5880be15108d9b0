"""Scores of answers by their key facts: regular expressions that the answer must hold, and some that it must not.

A fact is a list of alternatives, of which one must be found; `wrong` are expressions none of which may be. Answers are
lower-cased and lightly normalised first. An answer that abstained has no facts, and none that is wrong.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.evaluation.full import facts_found, wrong_found
from acclimate.files import jsonlines
from acclimate.types import Answer

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FactScore:
    """One answer's: the share of the facts that it holds, whether it says something wrong, whether it abstained, and
    whether it cites a right document (None where it abstained)."""

    kind: str
    answerable: bool
    recall: float
    wrong: bool
    abstained: bool
    cited: bool | None


def read_facts(file: Path) -> dict[str, Row]:
    """The lines of a question set by id, where any question has facts; {} for other sets."""
    rows = [row for _, row in jsonlines.read_rows(file)]
    return {row["id"]: row for row in rows} if any(row.get("facts") for row in rows) else {}


def score_facts(row: Row, answer: Answer) -> FactScore:
    """Score an answer to the question of a line; without facts its answers are the alternatives of one."""
    facts = row.get("facts") or [[re.escape(one) for one in row["answers"]]]
    right = {row.get("document"), *row.get("documents", []), *row.get("also", [])} - {None}
    named = {citation.document for citation in answer.citations}
    answerable = row.get("answerable", True)
    says = answerable and not answer.abstained
    return FactScore(
        row.get("kind", ""),
        answerable,
        facts_found(answer.text, [_alternatives(one) for one in facts]) if says else 0.0,
        not answer.abstained and wrong_found(answer.text, row.get("wrong", ())),
        answer.abstained,
        bool(right & named) if says else None,
    )


def summarise_facts(scores: Sequence[FactScore]) -> dict[str, Any]:
    """Means over the questions that the documents answer, and of each kind; `right_document` is the share of answers
    that cite one, `refused` that of the questions without an answer that were refused."""
    answered = [one for one in scores if one.answerable]
    without = [one for one in scores if not one.answerable]
    kinds = defaultdict(list)
    for one in answered:
        kinds[one.kind].append(one)
    return {
        **_means(answered),
        "refused": _mean([float(one.abstained) for one in without]),
        "by_kind": {kind: {"n": len(some), **_means(some)} for kind, some in sorted(kinds.items())},
    }


def table(lines: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Summaries below each other as Markdown: model and style, the means, fact recall by kind."""
    kinds = sorted({kind for _, one in lines for kind in one["by_kind"]})
    keys = ("fact_recall", "full", "wrong_rate", "right_document", "abstained", "refused")
    head = ["", *keys, *kinds]
    rows = [
        [
            name,
            *(_shown(one[key]) for key in keys),
            *(_shown(one["by_kind"].get(kind, {}).get("fact_recall")) for kind in kinds),
        ]
        for name, one in lines
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _means(scores: Sequence[FactScore]) -> dict[str, float | None]:
    return {
        "fact_recall": _mean([one.recall for one in scores]),
        "full": _mean([float(one.recall == 1 and not one.wrong) for one in scores]),
        "wrong_rate": _mean([float(one.wrong) for one in scores]),
        "abstained": _mean([float(one.abstained) for one in scores]),
        "right_document": _mean([float(one.cited) for one in scores if one.cited is not None]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _alternatives(fact: str | Sequence[str]) -> Sequence[str]:
    return [fact] if isinstance(fact, str) else fact
