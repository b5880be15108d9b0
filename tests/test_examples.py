"""The example domain is what it claims: exact evidence, splits apart, every chunk an exact span."""

from collections import Counter
from pathlib import Path

import pytest

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.evaluation.metrics import normalise
from acclimate.questions.file import read_questions
from acclimate.testing.chunking import check_chunks, no_embedder, word_spans

EXAMPLE = Path(__file__).parents[1] / "examples" / "halden"
FILES = sorted(path for path in (EXAMPLE / "documents").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def documents():
    paths = [file.relative_to(EXAMPLE / "documents").as_posix() for file in FILES]
    return {path: parse(file, path) for path, file in zip(paths, FILES, strict=True)}


@pytest.fixture(scope="module")
def questions():
    return read_questions(EXAMPLE / "questions.jsonl")


def test_formats_and_kinds(questions):
    suffixes = Counter(file.suffix for file in FILES)
    assert len(FILES) >= 39
    assert min(suffixes[suffix] for suffix in (".md", ".html", ".pdf", ".docx")) >= 5
    kinds = Counter(question.kind for question in questions)
    assert kinds["unanswerable"] == 20
    assert min(kinds[kind] for kind in ("single-fact", "table", "two-document")) >= 19
    assert len(questions) >= 120


def test_every_evidence_is_exact_and_holds_its_answer(questions, documents):
    for question in questions:
        if not question.answerable:
            assert not question.answers
            continue
        assert question.evidence in documents[question.document].text, question.id
        if question.kind != "two-document":
            evidence = normalise(question.evidence)
            assert any(normalise(answer) in evidence for answer in question.answers), question.id


def test_splits_are_by_document(questions):
    """What would cross from one split into another belongs to none: an adapter may not have read what it is asked."""
    documents = {side: set() for side in ("train", "dev", "test", "")}
    for question in questions:
        documents[question.split] |= {question.document, *question.documents} - {None, ""}
    assert documents["train"].isdisjoint(documents["test"] | documents["dev"])
    counts = Counter(question.split for question in questions)
    assert min(counts[side] for side in ("train", "dev", "test")) >= 29
    assert counts[""] == 10


def test_every_chunk_is_an_exact_span(documents):
    chunker = make_chunker("structure", word_spans, no_embedder, Cut(150))
    for document in documents.values():
        check_chunks(chunker, document, word_spans, 150)
