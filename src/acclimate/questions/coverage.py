"""Which documents and sections a question set asks about, and which it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from acclimate.types import Chunk, Question


@dataclass(frozen=True, slots=True)
class DocumentCoverage:
    """A document: questions about it, its sections (runs of chunks under one heading), and those
    with evidence."""

    document: str
    questions: int
    sections: int
    covered: int
    bare: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """All documents, those that nobody asks about first. `lost` are questions whose document or
    evidence is gone."""

    documents: tuple[DocumentCoverage, ...]
    lost: tuple[str, ...]

    @property
    def asked_about(self) -> int:
        """Documents with at least one question."""
        return sum(one.questions > 0 for one in self.documents)


def coverage(chunks: Iterable[Chunk], questions: Sequence[Question]) -> Coverage:
    """Coverage of the library's chunks by the questions' evidence."""
    sections: dict[str, dict[str, list[Chunk]]] = {}
    for chunk in chunks:
        sections.setdefault(chunk.document, {}).setdefault(
            chunk.heading_path or chunk.document, []
        ).append(chunk)
    count: Counter[str] = Counter()
    covered: dict[str, set[str]] = {path: set() for path in sections}
    lost = []
    for question in questions:
        paths = question.documents or ((question.document,) if question.document else ())
        count.update(paths)
        if any(path not in sections for path in paths):
            lost.append(question.id)
        elif question.document and question.evidence:
            found = {
                name
                for name, some in sections[question.document].items()
                if _holds(some, question.evidence)
            }
            covered[question.document] |= found
            if not found:
                lost.append(question.id)
    rows = []
    for path, names in sections.items():
        bare = tuple(name for name in names if name not in covered[path])
        rows.append(DocumentCoverage(path, count[path], len(names), len(covered[path]), bare))
    rows.sort(key=lambda row: (row.questions > 0, row.covered / row.sections, row.document))
    return Coverage(tuple(rows), tuple(lost))


def _holds(chunks: Sequence[Chunk], evidence: str) -> bool:
    """Whether the evidence stands in the chunks; it may begin in one and end in the next."""
    if any(evidence in chunk.text for chunk in chunks):
        return True
    half = evidence[: max(1, len(evidence) // 2)]
    return any(half in chunk.text for chunk in chunks)
