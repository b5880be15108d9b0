"""Answer questions over tables, by rule and by a recipe, with the gold passage.

    python -m benchmarks.tables --data DOMAINSET [--half dev|held-out] [--recipe rag] [--kind K] [--limit N] [--show]

Without `--recipe` only the rules answer, and no model is loaded. The passage is the chunk with the question's
evidence; where a question has none, as those that are worked out, the whole document. Documents are halved by their
names in turn: the rules were written with the first half in view, and never with the second. `exact` is 1 where the
answer is a reference's words, or its one number is a reference's to two decimals: references have no currency and
their scale is optional, so units are left out of account. One line a kind, the summary last.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from acclimate.answer import ReadTables
from acclimate.documents.markdown import MarkdownParser
from acclimate.evaluation.metrics import exact_match, f1, normalise
from acclimate.evaluation.quantities import Quantity, read_tokens
from acclimate.project import Project
from acclimate.tables.reader import TableReader
from acclimate.types import Chunk, Document, Hit
from benchmarks.harness import emit, machine

_HALF_CENT = Decimal("0.0051")
Row = dict[str, Any]


def read(data: Path, half: str, kind: str, limit: int | None) -> list[Row]:
    """The questions of a half and a kind ("": of all), as many as the limit, drawn evenly by a fixed seed."""
    lines = (data / "questions.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line.strip()]
    names = sorted({row["document"] for row in rows})
    wanted = set(names[{"dev": 0, "held-out": 1}[half] :: 2] if half else names)
    rows = [row for row in rows if row["document"] in wanted]
    rows = [row for row in rows if not kind or row["kind"] == kind]
    if limit is not None:
        random.Random(0).shuffle(rows)
    return rows[:limit]


def exact(text: str, references: Sequence[str]) -> float:
    """1 where the text is a reference's words or its one number a reference's, else 0."""
    if exact_match(text, references):
        return 1.0
    said = numbers(text)
    wanted = [one[0] for reference in references if len(one := numbers(reference)) == 1]
    return float(len(said) == 1 and any(abs(said[0] - value) <= _HALF_CENT for value in wanted))


def numbers(text: str) -> list[Decimal]:
    """The numbers in a text, whatever their units."""
    return [token.value for token in read_tokens(text, normalise) if isinstance(token, Quantity)]


def shown(row: Row, document: Document) -> list[Hit]:
    """The gold passage: the paragraph or table with the evidence, else the whole document."""
    spans = [(0, len(document.text))]
    if row["evidence"] and (at := document.text.find(row["evidence"])) >= 0:
        spans = [(one.start, one.end) for one in document.elements if one.start <= at < one.end]
    return [
        Hit(
            Chunk(f"gold {n}", document.path, start, end, document.text[start:end], document.title),
            1.0,
            n,
        )
        for n, (start, end) in enumerate(spans, 1)
    ]


class _Fixed:
    """A retriever that gives the passages set last."""

    hits: Sequence[Hit] = ()

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        return list(self.hits)


def with_recipe(
    recipe: str, scratch: Path, rules: ReadTables | None
) -> Callable[[str, Sequence[Hit]], tuple[str, bool]]:
    """What answers by rule, else by a recipe: the text, and whether it was a rule's."""
    (scratch / "documents").mkdir()
    (scratch / "documents" / "note.md").write_text("A note.", encoding="utf-8")
    project = Project.create(scratch, Path("documents"))
    project.ingest()
    retriever = _Fixed()
    answerer = replace(project.answerer(recipe), retriever=retriever, tables=rules, k=8)

    def ask(question: str, hits: Sequence[Hit]) -> tuple[str, bool]:
        retriever.hits = hits
        answer = answerer.answer(question)
        return ("" if answer.abstained else answer.text), "by rule" in answer.decision

    return ask


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--half", choices=["dev", "held-out"], default="")
    parser.add_argument("--recipe", default="", help="answers where no rule is sure")
    parser.add_argument("--kind", default="", help="arithmetic, count, span or multi-span")
    parser.add_argument("--without-rules", action="store_true", help="the recipe alone")
    parser.add_argument("--limit", type=int)
    parser.add_argument(
        "--show", action="store_true", help="print each question and answer to stderr"
    )
    options = parser.parse_args()
    documents: dict[str, Document] = {}
    for file in sorted((options.data / "documents").glob("*.md")):
        documents[file.name] = MarkdownParser().parse(file, file.name)
    rules = TableReader(documents.get)
    used = None if options.without_rules else rules.read
    scores: dict[str, list[tuple[float, float, bool, bool]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        ask = with_recipe(options.recipe, Path(scratch), used) if options.recipe else None
        for row in read(options.data, options.half, options.kind, options.limit):
            hits = shown(row, documents[row["document"]])
            if ask is not None:
                text, ruled = ask(row["question"], hits)
            else:
                found = rules.read(row["question"], hits)
                text, ruled = ("" if found is None else found.text), found is not None
            score = exact(text, row["answers"]), f1(text, row["answers"])
            scores[row["kind"]].append((*score, bool(text), ruled))
            if options.show:
                print(
                    f"{score[0]:.0f} {row['question']} | {text} | {row['answers'][:1]}",
                    file=sys.stderr,
                )
    summary = {"benchmark": "tables", "data": options.data.name, "half": options.half or "both"}
    for kind, rows in sorted(scores.items()):
        emit({"kind": kind, **means(rows)})
    both = [*scores["arithmetic"], *scores["count"]]
    emit(
        {
            **summary,
            "recipe": options.recipe or "rules",
            "worked_out": means(both),
            "machine": machine(),
        }
    )


def means(rows: Sequence[tuple[float, float, bool, bool]]) -> Row:
    """Shares of all questions of a kind, and of those that a rule answered how many are exact."""
    ruled = [row for row in rows if row[3]]
    count = max(1, len(rows))
    return {
        "n": len(rows),
        "exact": round(sum(row[0] for row in rows) / count, 4),
        "f1": round(sum(row[1] for row in rows) / count, 4),
        "answered": round(sum(row[2] for row in rows) / count, 4),
        "by_rule": round(len(ruled) / count, 4),
        "rule_exact": round(sum(row[0] for row in ruled) / max(1, len(ruled)), 4),
    }


if __name__ == "__main__":
    main()
