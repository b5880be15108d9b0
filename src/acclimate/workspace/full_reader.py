"""Full answers with the extractor: quoted from the passages where no model writes, and beside what
a model writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from acclimate.prompting.citations import Resolved, sentence_around, sentences
from acclimate.prompting.full_answer import REFUSED, FullReading, Piece, joined, stopped
from acclimate.prompting.support import Place
from acclimate.text.blocks import BULLET, Block, blocks, items
from acclimate.text.locating import find_words
from acclimate.text.plain_markdown import as_prose
from acclimate.text.questions import asked_for
from acclimate.text.tables import row_as_prose
from acclimate.types import Chunk, Hit, Span
from acclimate.workspace.extractor import ExtractiveReader

# How likely a block must be to hold the answer; a second one is quoted too from this share of the
# first's on, while both together are no longer than this. How they were chosen: docs/decisions.
_LIKELY, _SECOND, _LONGEST = 0.3, 0.6, 700
_PARAGRAPH = 400  # characters of a paragraph that is quoted whole
_LIST = 900  # and of a list
_SENTENCES = 4
# How likely it must be where the question could be left to the reader of short answers.
_INSTEAD = 0.5
# And where that reader refuses.
_REFUSED = 0.85
# Beside a model: how sure the extractor must be of a place that the model left out, for its
# sentence to be added.
_ADDED = 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """A block of passage `number` (from 1), and how likely it is to hold an answer, 0 to 1."""

    number: int
    block: Block
    likely: float


@dataclass(frozen=True, slots=True)
class FullReader:
    """Quotes full answers, and completes a model's."""

    reader: ExtractiveReader

    def quote(self, question: str, hits: Sequence[Hit]) -> Resolved:
        """The block that answers, whole where it is a list and the question asks for one or for
        steps; the refusal where none is likely to."""
        return self._quoted(question, hits, self._find(question, hits))

    def quote_where_asked(self, question: str, hits: Sequence[Hit]) -> Resolved | None:
        """`quote` for questions that a few words do not answer: how to, why, yes or no, several
        things that stand in a list. None for others, for what a cell of a table answers, and where
        no block is very likely to answer."""
        kind = asked_for(question)
        if kind == "other":
            return None
        found = self._find(question, hits)
        if not found or found[0].likely < _INSTEAD:
            return None
        best = found[0].block.kind
        if best == "table" or (kind == "list" and best != "list"):
            return None
        return self._quoted(question, hits, found)

    def second_opinion(
        self, question: str, hits: Sequence[Hit], said: Resolved, *, own_words: bool = False
    ) -> Resolved:
        """The extractor's `second_opinion`, but few words stand only where both readers agree or
        the extractor is sure enough to answer alone. Where the model abstains, or the extractor
        overrules it without being that sure, the block is quoted that answers; where nobody
        answers, a block that very likely does."""
        reader = self.reader
        best, held = reader.places(question, hits, said)
        answer = reader.decide(hits, said, best, held, own_words=own_words)
        sure = best is not None and best.confidence >= reader.limits.alone
        if not said.abstained and (answer is said or sure):
            return answer
        found = self._find(question, hits)
        if not found or found[0].likely < (_REFUSED if answer.abstained else _LIKELY):
            kept = answer.abstained or sure
            return answer if kept else replace(REFUSED, decision=answer.decision)
        why = f"{answer.decision or 'the readers refuse'}, so the passage is quoted"
        return replace(self._quoted(question, hits, found), decision=why)

    def complete(self, question: str, hits: Sequence[Hit], reading: FullReading) -> Resolved:
        """What a model said, with what the extractor is sure of and the model left out; the quoted
        block where it abstains."""
        answer = reading.answer
        if not answer.text:
            quoted = self.quote(question, hits)
            if quoted.abstained:
                return answer.resolved()
            return replace(quoted, decision="the model abstained, so the passage is quoted")
        marked = self.reader.best(question, hits)
        if marked is not None and marked.confidence >= _ADDED:
            chunk = hits[marked.passage].chunk
            words = chunk.text[marked.span.start : marked.span.end]
            if find_words(words, answer.text) is None:
                place = Place(marked.passage + 1, sentence_around(chunk.text, marked.span), 1.0)
                text = stopped(_shown(chunk, place.span))
                if reading.says(text):
                    return answer.resolved()
                answer.add(Piece(text, "\n" if "\n" in answer.text else " ", place))
                answer.notes.append(f"the extractor added its place ({marked.confidence:.2f})")
        return answer.resolved()

    def _quoted(self, question: str, hits: Sequence[Hit], found: Sequence[Found]) -> Resolved:
        if not found or found[0].likely < _LIKELY:
            return REFUSED
        pieces: list[Piece] = []
        length = 0
        for one in found[:2]:
            span = self._cut(question, hits[one.number - 1].chunk, one.block)
            text = _shown(hits[one.number - 1].chunk, span)
            if (bullet := BULLET.match(text)) and len(items(text)) == 1:
                text = text[bullet.end() :]
            if not text or (
                pieces and (one.likely < _SECOND * found[0].likely or length + len(text) > _LONGEST)
            ):
                continue
            length += len(text)
            pieces.append(Piece(text, "\n\n" if pieces else "", Place(one.number, span, 1.0)))
        return replace(joined(pieces, question, hits), by=self.reader.name)

    def _find(self, question: str, hits: Sequence[Hit]) -> list[Found]:
        """All blocks of the passages, the likeliest first; ties by their order."""
        every = [
            (number, block)
            for number, hit in enumerate(hits, start=1)
            for block in blocks(hit.chunk.text)
        ]
        texts = [_read(hits[number - 1].chunk, block) for number, block in every]
        if not texts:
            return []
        logits = self.reader.extractor.relevance(question, texts)
        likely = 1 / (1 + np.exp(-logits.reshape(len(texts), -1)[:, 0].astype(float)))
        found = [
            Found(number, block, float(one))
            for (number, block), one in zip(every, likely, strict=True)
        ]
        return sorted(found, key=lambda one: -one.likely)

    def _cut(self, question: str, chunk: Chunk, block: Block) -> Span:
        """The part of a block to quote."""
        span = block.span
        size = span.end - span.start
        if block.kind == "list" and size <= _LIST and asked_for(question) in ("steps", "list"):
            return span
        if size <= (_PARAGRAPH if block.kind != "table" else 0):
            return span
        text = chunk.text[span.start : span.end]
        part = replace(chunk, text=text, start=chunk.start + span.start, end=chunk.start + span.end)
        marked = self.reader.extractor.best_spans(question, [part])
        place = marked[0].span if marked else Span(0, min(len(text), _PARAGRAPH))
        if block.kind == "list":
            around = next((one for one in items(text) if one.end > place.start), place)
        else:
            around = _sentences_around(text, place)
        return Span(span.start + around.start, span.start + around.end)


def _sentences_around(text: str, place: Span) -> Span:
    """The sentences that hold the place, and what stands after them and before, up to four."""
    every = sentences(text)
    touched = [
        at for at, one in enumerate(every) if one.end > place.start and one.start < place.end
    ]
    if not touched:
        return place
    first, last = touched[0], touched[-1]
    if "|" in text[every[first].start : every[first].end]:  # rows of a table are read on their own
        return Span(every[first].start, every[last].end)
    while last - first + 1 < _SENTENCES:
        after = last + 1 < len(every) and every[last + 1].end - every[first].start <= _PARAGRAPH
        before = first > 0 and every[last].end - every[first - 1].start <= _PARAGRAPH
        if after:
            last += 1
        elif before:
            first -= 1
        else:
            break
    return Span(every[first].start, every[last].end)


def _read(chunk: Chunk, block: Block) -> str:
    """A block as the extractor reads it: below where it stands."""
    body = chunk.text[block.span.start : block.span.end]
    parts = (chunk.heading_path, block.heading, chunk.header, body)
    return "\n".join(part for part in parts if part)


def _shown(chunk: Chunk, span: Span) -> str:
    """The words of a span as an answer shows them: a row of a table with the names of its
    columns."""
    return row_as_prose(chunk.text, span, chunk.header) or as_prose(
        chunk.text[span.start : span.end]
    )
