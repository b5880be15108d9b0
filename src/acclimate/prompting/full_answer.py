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
from acclimate.prompting.support import ENOUGH, Place, Support, stems
from acclimate.text.questions import asked_for
from acclimate.types import Citation, Hit, Span

REFUSED = Resolved(REFUSAL, REFUSAL, True, (), style="full")
_FULL_STOP = re.compile(r"[.!?:…][\"'”’)*_]*$")
_LABEL = re.compile(r"^A(?:nswer)?:\s+")  # on a page of questions and answers
_ORDINAL = re.compile(r"\d+(?=[.)])")
_MOSTLY = 0.8
_LOOP = 3  # claims in a row that only say again what was said: the model does not stop by itself


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
        body, removed = without_links(_LABEL.sub("", piece.text), self.question, quotes)
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
    named none. What only leads to something waits for what follows. A claim without a word that
    neither the question nor an earlier claim holds says nothing, and is left out too.
    """

    def __init__(self, question: str, passages: Sequence[Hit]) -> None:
        self.answer = FullAnswer(question, passages)
        self._support = Support(question, passages)
        self._done, self._waiting = 0, list[Claim]()
        self._gaps: list[Claim] = []
        self._heard = ""
        self._claims: list[frozenset[str]] = []  # the stems of each that is in the answer
        # An answer of yes or no may say the question's own words.
        self._asked = None if asked_for(question) == "yes-no" else frozenset(stems(question))
        self._repeated = self._left_out = 0

    @property
    def loops(self) -> bool:
        """Whether the model goes on to say the same."""
        return self._repeated >= _LOOP

    def says(self, text: str) -> bool:
        """Whether one claim of the answer holds most words of `text`."""
        words = frozenset(stems(text))
        return any(len(words & said) >= _MOSTLY * len(words) for said in self._claims)

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
        if claim.refuses or claim.preamble or claim.heading:
            return ""
        if claim.gap:
            if self.answer.text:
                return self.answer.add(Piece(claim.text, claim.lead, claims=False))
            self._gaps.append(claim)  # alone it is a refusal
            return ""
        words = frozenset(stems(claim.text))
        if claim.opening or not (words or claim.numbers):  # "Yes." waits for its reason
            self._waiting.append(claim)
            return ""
        if claim.number == 1:
            self._left_out = 0
        known = self._claims if self._asked is None else [self._asked, *self._claims]
        again = bool(words) and any(words <= said for said in known)
        self._repeated = self._repeated + 1 if again else 0
        if again:
            return self._drop(claim, "it says nothing new")
        return self._weigh(claim, words)

    def _weigh(self, claim: Claim, words: frozenset[str]) -> str:
        """Add a claim with the place that supports it, or leave it out."""
        if foreign := self._support.foreign(claim):
            return self._drop(claim, f"no passage holds {', '.join(foreign[:3])}")
        place = self._support.place(claim)
        if place is None or place.share < ENOUGH:
            if not any(1 <= one <= len(self.answer.passages) for one in claim.numbers):
                return self._drop(claim, "no passage supports it")
            place = None
        self._claims.append(words)
        opened = [Piece(one.text, one.lead, claims=False) for one in self._waiting]
        self._waiting = []
        return "".join(
            self.answer.add(piece)
            for piece in (*opened, Piece(claim.text, self._lead(claim), place))
        )

    def _lead(self, claim: Claim) -> str:
        """What stands before a claim, its steps counted without those that were left out."""
        if claim.number is None or not self._left_out:
            return claim.lead
        return _ORDINAL.sub(str(max(1, claim.number - self._left_out)), claim.lead, count=1)

    def _drop(self, claim: Claim, why: str) -> str:
        self._left_out += claim.number is not None
        note = f"a sentence was left out: {why}"
        if len(self.answer.notes) < 3 and note not in self.answer.notes:
            self.answer.notes.append(note)
        return ""


def stopped(text: str) -> str:
    """A quoted sentence with a full stop where it has no mark of its own."""
    return text if _FULL_STOP.search(text) else f"{text}."


def joined(pieces: Iterable[Piece], question: str, passages: Sequence[Hit]) -> Resolved:
    """Pieces as one answer."""
    answer = FullAnswer(question, passages)
    for piece in pieces:
        answer.add(piece)
    return answer.resolved()
