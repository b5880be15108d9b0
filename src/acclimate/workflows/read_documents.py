"""Which recipes know the documents that a comparison asks about, and how they do: a score says
little without it.

zero-shot and an adapter that learnt other documents' questions answer from what they knew before;
a recipe with passages searches the documents; one that was trained on them has them in its weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from acclimate.evaluation.entry import Documents
from acclimate.files import jsonlines
from acclimate.prompting.recipes import Recipe
from acclimate.questions.splitting import documents_of
from acclimate.types import Question

STUDIED = "studied.jsonl"
"""In an adapter's folder: the documents whose text it learnt, each with its chunks' fingerprints."""

_WORDS: dict[Documents, str] = {
    "unread": "had read none of them",
    "searched": "search them",
    "learnt": "learnt them",
    "learnt in part": "learnt a part of them",
    "learnt and searched": "learnt them and search them",
    "learnt in part, searched": "learnt a part of them and search them",
}


def write_studied(folder: Path, documents: Mapping[str, Sequence[str]]) -> None:
    """Note in an adapter's folder the documents that it learnt, each with its chunks' keys."""
    jsonlines.write(
        folder / STUDIED,
        ({"document": path, "chunks": list(keys)} for path, keys in sorted(documents.items())),
    )


def read_studied(folder: Path) -> dict[str, tuple[str, ...]]:
    """The documents that an adapter learnt with their chunks' keys; {} where it learnt none."""
    file = folder / STUDIED
    if not file.is_file():
        return {}
    return {str(row["document"]): tuple(row["chunks"]) for _, row in jsonlines.read_rows(file)}


def documents_read(recipe: Recipe, adapter: Path | None, asked: Sequence[Question]) -> Documents:
    """How a recipe knows the documents of these questions; "" where they name none."""
    named = {path for question in asked for path in documents_of(question)}
    if not named:
        return ""
    known = named & read_studied(adapter).keys() if adapter is not None else set()
    if not known:
        return "searched" if recipe.reads else "unread"
    if known == named:
        return "learnt and searched" if recipe.reads else "learnt"
    return "learnt in part, searched" if recipe.reads else "learnt in part"


def documents_note(known: Mapping[str, Documents]) -> list[str]:
    """One line for a report: which recipe knows the documents in which way. [] where all do in one
    way, or nobody can say."""
    ways: dict[Documents, list[str]] = {}
    for name, how in known.items():
        if how:
            ways.setdefault(how, []).append(name)
    if len(ways) < 2 and not any(how.startswith("learnt") for how in ways):
        return []
    told = "; ".join(f"{', '.join(names)}: {_WORDS[how]}" for how, names in ways.items())
    return [f"The documents that these questions are about: {told}."]
