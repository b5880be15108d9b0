"""From the library's chunks to new questions, in one story: choose passages, draft, filter, keep.

Documents take turns, those with fewest questions first, and so do the sections of each, so that a
small set already covers many. What is kept goes to `keep` at once: stopped, a second run goes on
after it.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from acclimate.questions.candidates import Candidate, content_words
from acclimate.questions.filters import CandidateFilter
from acclimate.questions.tables import Fact, bridge_candidates, hash_order, table_candidates
from acclimate.questions.unanswerable import (
    Retrieve,
    unanswerable_from_questions,
    unanswerable_from_tables,
)
from acclimate.questions.writer import QuestionKind, Writer
from acclimate.types import Chunk, Question

_A_PASSAGE = 3  # drafts asked for from one passage
_LEAST_WORDS = 25  # of a passage: less is a heading or a line of a list
_RARE = 3  # documents at most that a term stands in, which links two of them
_PATIENCE = 60  # drafts in a row that fail, after which a source is given up

Keep = Callable[[Candidate], None]


@dataclass(frozen=True, slots=True)
class Material:
    """What questions are made from: chunks of the library, the cells of their tables, and the
    questions there are."""

    chunks: Sequence[Chunk]
    facts: Sequence[Fact]
    asked: Sequence[Question] = ()


@dataclass(slots=True)
class Made:
    """How many questions of each kind were kept, of how many drafts, and why the others were left
    out."""

    kept: Counter[str] = field(default_factory=Counter)
    drafts: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


def make(
    material: Material,
    wanted: Mapping[QuestionKind, int],
    writer: Writer | None,
    retrieve: Retrieve,
    check: CandidateFilter,
    keep: Keep,
) -> Made:
    """Make up to so many questions of each kind; without a `writer`, those that rules can make.

    Unanswerable ones come last, as they are made from the others too. Raises what writer, reader
    and `keep` raise.
    """
    made, held = Made(reasons=check.reasons), _answered_in(material)
    for kind in sorted(wanted, key=lambda kind: kind == "unanswerable"):
        failed = 0
        for candidate in _sources(kind, material, held, writer, retrieve) if wanted[kind] else ():
            made.drafts += 1
            checked, failed = check.check(candidate), failed + 1
            if checked is not None:
                keep(checked)
                made.kept[kind], failed = made.kept[kind] + 1, 0
                held.append((checked.question, checked.chunks[0]))
            if made.kept[kind] >= wanted[kind] or failed >= _PATIENCE:
                break
    return made


def _sources(
    kind: QuestionKind,
    material: Material,
    held: Sequence[tuple[str, Chunk]],
    writer: Writer | None,
    retrieve: Retrieve,
) -> Iterator[Candidate]:
    """Candidates of a kind: by rule and by the writer in turn where both can."""
    if kind == "table":
        rules = table_candidates(material.facts)
    elif kind == "two-document":
        rules = bridge_candidates(material.facts)
    elif kind == "unanswerable":
        rules = _alternate(
            unanswerable_from_tables(material.facts, retrieve),
            unanswerable_from_questions(list(held), material.chunks, retrieve),
        )
    else:
        rules = iter(())
    if writer is None or kind not in writer.kinds:
        return rules
    passages: Iterator[tuple[Chunk, ...]]
    if kind == "table":
        passages = ((fact.chunk,) for fact in _one_a_chunk(material.facts))
    elif kind == "two-document":
        passages = linked(material.chunks)
    else:
        passages = ((chunk,) for chunk in spread(material.chunks, material.asked))
    return _alternate(rules, written(writer, kind, passages))


def written(
    writer: Writer, kind: QuestionKind, passages: Iterator[tuple[Chunk, ...]]
) -> Iterator[Candidate]:
    """The writer's drafts as candidates."""
    for chunks in passages:
        for draft in writer.write(chunks, kind, _A_PASSAGE):
            yield Candidate(draft.question, draft.answer, kind, writer.name, chunks)


def spread(chunks: Sequence[Chunk], asked: Sequence[Question]) -> Iterator[Chunk]:
    """Chunks worth asking about: documents with fewest questions first, one chunk of each in turn,
    other sections first."""
    count = Counter(
        path for question in asked for path in (question.documents or (question.document,))
    )
    by_document: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in sorted(chunks, key=lambda chunk: hash_order(chunk.id)):
        if len(chunk.text.split()) >= _LEAST_WORDS:
            by_document[chunk.document].append(chunk)
    order = sorted(by_document, key=lambda path: (count[path], hash_order(path)))
    turns = [_sections_in_turn(by_document[path]) for path in order]
    for round_ in itertools.zip_longest(*turns):
        yield from (chunk for chunk in round_ if chunk is not None)


def linked(chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, ...]]:
    """Two chunks of different documents that share a term that few documents have, the rarest terms
    first."""
    holders: dict[str, dict[str, Chunk]] = defaultdict(dict)
    for chunk in chunks:
        for word in content_words(chunk.text):
            if len(word) > 3:
                holders[word].setdefault(chunk.document, chunk)
    terms = [word for word, some in holders.items() if 2 <= len(some) <= _RARE]
    seen = set()
    for word in sorted(terms, key=lambda word: (len(holders[word]), hash_order(word))):
        first, second, *_ = holders[word].values()
        if (pair := (first.id, second.id)) not in seen:
            seen.add(pair)
            yield first, second


def _answered_in(material: Material) -> list[tuple[str, Chunk]]:
    """The answerable questions that there are, each with a chunk that holds its evidence."""
    by_document: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in material.chunks:
        by_document[chunk.document].append(chunk)
    found = []
    for question in material.asked:
        if question.answerable and question.evidence:
            holding = by_document[question.document or ""]
            found += [(question.question, one) for one in holding if question.evidence in one.text]
    return found


def _sections_in_turn(chunks: Sequence[Chunk]) -> list[Chunk]:
    sections: dict[tuple[str, ...], list[Chunk]] = defaultdict(list)
    for chunk in chunks:
        sections[chunk.headings].append(chunk)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*sections.values()))
    return [chunk for chunk in turns if chunk is not None]


def _one_a_chunk(facts: Sequence[Fact]) -> list[Fact]:
    return list({fact.chunk.id: fact for fact in facts}.values())


def _alternate(first: Iterator[Candidate], second: Iterator[Candidate]) -> Iterator[Candidate]:
    for pair in itertools.zip_longest(first, second):
        yield from (candidate for candidate in pair if candidate is not None)
