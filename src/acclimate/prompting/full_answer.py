"""Full answers: pieces of text, each with the place that supports it, put together into one answer
with a mark after each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from acclimate.prompting.citations import Resolved
from acclimate.prompting.claims import Claim, read_claims
from acclimate.prompting.links import without_links
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.support import ENOUGH, Place, Support
from acclimate.types import Citation, Hit, Span

REFUSED = Resolved(REFUSAL, REFUSAL, True, (), style="full")
_FULL_STOP = re.compile(r"[.!?:…][\"'”’)*_]*$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer after `lead`, and the place that supports it.

    Without a place it is either free of claims (`claims` False), or shown as unsupported.
    """

    text: str
    lead: str = ""
    place: Place | None = None
    claims: bool = True


@dataclass(slots=True)
class FullAnswer:
    """An answer that grows piece by piece; every piece is final once it is added."""

    question: str
    passages: Sequence[Hit]
    text: str = ""
    marked: str = ""
    citations: list[Citation] = field(default_factory=list)
    unsupported: list[Span] = field(default_factory=list)
    links_removed: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, piece: Piece) -> str:
        """Add a piece; what that adds to the marked text."""
        citation = None
        if piece.place is not None:
            citation = cite_place(piece.place, self.passages)
        quotes = [citation.quote] if citation else []
        body, removed = without_links(piece.text, self.question, quotes)
        self.links_removed += removed
        lead = piece.lead if self.text else piece.lead.lstrip()
        claim = Span(len(self.text) + len(lead), len(self.text) + len(lead) + len(body))
        self.text += lead + body
        mark = ""
        if citation:
            self.citations.append(replace(citation, claim=claim))
            mark = f" [{citation.number}]"
        elif piece.claims:
            self.unsupported.append(claim)
        self.marked += lead + body + mark
        return lead + body + mark

    def resolved(self) -> Resolved:
        """The answer; the refusal where no piece was added."""
        why = "; ".join(self.notes)
        if not self.text:
            return replace(REFUSED, decision=why)
        return Resolved(
            self.text,
            self.marked,
            False,
            tuple(self.citations),
            links_removed=self.links_removed,
            decision=why,
            unsupported=tuple(self.unsupported),
            style="full",
        )


def cite_place(place: Place, passages: Sequence[Hit]) -> Citation:
    """The citation of a place, with its exact words."""
    hit = passages[place.number - 1]
    chunk, span = hit.chunk, place.span
    return Citation(
        number=place.number,
        document=chunk.document,
        start=chunk.start + span.start,
        end=chunk.start + span.end,
        quote=chunk.text[span.start : span.end],
        page=chunk.page_at(chunk.start + span.start),
        headings=chunk.headings,
        verbatim=place.share >= ENOUGH,
        also=hit.also,
    )


class FullReading:
    """Reads a model's text as it comes, and keeps of it what the passages support.

    A claim that holds a figure or a name that nobody was shown is left out; one whose words stand
    in no place is kept without a mark where the model named a passage for it, and left out where it
    named none. What only leads to something waits for what follows.
    """

    def __init__(self, question: str, passages: Sequence[Hit]) -> None:
        self.answer = FullAnswer(question, passages)
        self._support = Support(question, passages)
        self._done, self._waiting = 0, list[Claim]()
        self._gaps: list[Claim] = []
        self._heard = ""

    def hear(self, piece: str) -> str:
        """Take the next piece of the model's text; returns the complete claims that it adds to the
        marked answer."""
        self._heard += piece
        return self._read(read_claims(self._heard)[:-1])

    def end(self, raw: str, *, cut: bool = False) -> None:
        """Read the rest of the whole text; what was `cut` within a sentence loses that sentence,
        where there is another."""
        claims = read_claims(raw)
        if cut and len(claims) > 1 and not _FULL_STOP.search(claims[-1].text):
            claims = claims[:-1]
        self._read(claims)
        if self.answer.text:  # gaps that were told before what is known
            for one in self._gaps:
                self.answer.add(Piece(one.text, " ", claims=False))

    def _read(self, claims: Sequence[Claim]) -> str:
        added = "".join([self._judge(claim) for claim in claims[self._done :]])
        self._done = max(self._done, len(claims))
        return added

    def _judge(self, claim: Claim) -> str:
        if claim.refuses:
            return ""
        if claim.opening:
            self._waiting.append(claim)
            return ""
        if claim.gap:
            if not self.answer.text:  # alone it is a refusal
                self._gaps.append(claim)
                return ""
            return self.answer.add(Piece(claim.text, claim.lead, claims=False))
        if foreign := self._support.foreign(claim):
            self._drop(f"no passage holds {', '.join(foreign[:3])}")
            return ""
        place = self._support.place(claim)
        if place is None or place.share < ENOUGH:
            named = [one for one in claim.numbers if 1 <= one <= len(self.answer.passages)]
            if not named:
                self._drop("no passage supports it")
                return ""
            place = None
        opened = [Piece(one.text, one.lead, claims=False) for one in self._waiting]
        self._waiting = []
        return "".join(
            self.answer.add(piece) for piece in (*opened, Piece(claim.text, claim.lead, place))
        )

    def _drop(self, why: str) -> None:
        if len(self.answer.notes) < 3:
            self.answer.notes.append(f"a sentence was left out: {why}")


def stopped(text: str) -> str:
    """A quoted sentence with a full stop where it has no mark of its own."""
    return text if _FULL_STOP.search(text) else f"{text}."


def joined(pieces: Iterable[Piece], question: str, passages: Sequence[Hit]) -> Resolved:
    """Pieces as one answer."""
    answer = FullAnswer(question, passages)
    for piece in pieces:
        answer.add(piece)
    return answer.resolved()
