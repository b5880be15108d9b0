"""From an answer's citations to up to three questions that can be asked next, and will be answered.

Each candidate is searched for as if it were asked, and what reads beside the model looks at what is
found: a question is kept only where there would be an answer if the model itself had none. No
language model is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from acclimate.answer import Answerer
from acclimate.errors import SettingsError
from acclimate.prompting.citations import Resolved
from acclimate.prompting.conversation import Turn, complete
from acclimate.prompting.full_answer import FullReading
from acclimate.prompting.passages import REFUSAL
from acclimate.questions.candidates import key
from acclimate.questions.follow_ups import FollowUp, candidates
from acclimate.types import Citation, Document, Hit, Question, Span, Style

MOST = 3
_TRIED = 6  # searches at most, whatever they find
_DOCUMENTS = 3  # cited ones that are looked at
_FIRST = 2  # ranks in which the section that a question asks for must be
_NOTHING = Resolved(REFUSAL, REFUSAL, True, ())


@dataclass(frozen=True, slots=True)
class Read:
    """A place of a document that an answer cites."""

    document: str
    span: Span


def follow_ups(
    read: Sequence[Read],
    turns: Sequence[Turn],
    *,
    find: Callable[[str], Document | None],
    questions: Sequence[Question],
    answerer: Callable[[Style | None], Answerer],
    beside: bool,
) -> list[FollowUp]:
    """At most three questions about the documents in `read`, none of which was asked in `turns`
    (oldest first); [] where nothing would surely be answered.

    `find` gives a document, `answerer` what answers in a style (None: in that of the conversation);
    `beside` says whether the extractor completes what a model writes.
    """
    asked = turns[-1].question if turns else ""
    said = {key(turn.question) for turn in turns}
    styles = _Styles(answerer)
    kept: list[FollowUp] = []
    tried = 0
    for one in _in_turn(read, asked, find, questions):
        if len(kept) == MOST or tried == _TRIED:
            break
        # A question that points back would be taken for one about the answer before it.
        if key(one.question) in said or complete(one.question, turns) != one.question:
            continue
        if sum(other.source == one.source for other in kept) == MOST - 1:
            continue
        said.add(key(one.question))
        reader = styles.full if one.full else styles.usual
        tried += 1
        if reader is not None and _is_answered(one, reader, beside=beside):
            kept.append(one)
    return kept


def _in_turn(
    read: Sequence[Read],
    asked: str,
    find: Callable[[str], Document | None],
    questions: Sequence[Question],
) -> Iterator[FollowUp]:
    """The candidates of each document, the documents in turn."""
    several = []
    for path in list(dict.fromkeys(one.document for one in read))[:_DOCUMENTS]:
        if (document := find(path)) is not None:
            spans = [one.span for one in read if one.document == path]
            several.append(candidates(document, spans, asked, questions))
    for one in chain.from_iterable(zip_longest(*several)):
        if one is not None:
            yield one


class _Styles:
    """The answerers of both styles, made when they are needed."""

    def __init__(self, answerer: Callable[[Style | None], Answerer]) -> None:
        self._open = answerer
        self._made: dict[Style | None, Answerer | None] = {}

    @property
    def usual(self) -> Answerer | None:
        """In the style of the conversation."""
        return self._in(None)

    @property
    def full(self) -> Answerer | None:
        """In full; None where the recipe has short answers only."""
        return self._in("full")

    def _in(self, style: Style | None) -> Answerer | None:
        if style not in self._made:
            try:
                self._made[style] = self._open(style)
            except SettingsError:
                self._made[style] = None
        return self._made[style]


def _is_answered(one: FollowUp, reader: Answerer, *, beside: bool) -> bool:
    """Whether the passage that answers is among those found, and something that reads is sure of an
    answer; where nothing reads beside the model, the passage has to do."""
    hits = reader.retriever.retrieve(one.question, reader.k)
    place = next((at for at, hit in enumerate(hits) if _holds(hit, one)), None)
    if place is None or (one.source in ("heading", "section") and place >= _FIRST):
        return False
    if one.source == "heading" and place > 0:
        return False  # the same is asked elsewhere too
    found = _read(reader, one, hits[: place + 1], beside=beside)
    return found is None or (not found.abstained and any(_cites(at, one) for at in found.citations))


def _read(reader: Answerer, one: FollowUp, hits: Sequence[Hit], *, beside: bool) -> Resolved | None:
    """What would be answered if the model had no answer, by the last of `hits`; None where only the
    model reads. Where more is read, that can only make an answer likelier."""
    if reader.tables is not None and (found := reader.tables(one.question, hits)) is not None:
        return found
    part = (_cut(hits[-1], one.span),)
    if reader.extract is not None and (found := reader.extract(one.question, part)) is not None:
        return found
    if reader.second_reader is not None:
        return reader.second_reader(one.question, hits, _NOTHING)  # believes those behind less
    if reader.finish is not None and beside:
        reading = FullReading(one.question, part)
        reading.end(REFUSAL)
        return reader.finish(one.question, part, reading)
    return None


def _cut(hit: Hit, span: Span) -> Hit:
    """The hit with the part of its passage that lies in `span`: reading is what costs."""
    chunk = hit.chunk
    start, end = max(chunk.start, span.start), min(chunk.end, span.end)
    text = chunk.text[start - chunk.start : end - chunk.start]
    return replace(hit, chunk=replace(chunk, start=start, end=end, text=text))


def _cites(place: Citation, one: FollowUp) -> bool:
    return (
        place.document == one.document and place.start < one.span.end and one.span.start < place.end
    )


def _holds(hit: Hit, one: FollowUp) -> bool:
    """Whether a hit shows the place that answers, or the beginning of it."""
    chunk = hit.chunk
    first = min(one.span.end, one.span.start + 200)
    return chunk.document == one.document and chunk.start < first and one.span.start < chunk.end
