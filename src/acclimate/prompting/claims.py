"""A full answer as its claims: sentences, list items and steps, each with the passages that its
marks name."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from acclimate.prompting.citations import is_refusal
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.refusals import spellings
from acclimate.text.blocks import BULLET

_MARKS = re.compile(r"[ \t]*(?:\[\d+(?:\s*[,;]\s*\d+)*\][ \t]*)+")
_NUMBER = re.compile(r"\d+")
# A mark after the full stop belongs to the sentence before it.
_MARK_AFTER_STOP = re.compile(r"([.!?][\"'”’)]*)((?:[ \t]*\[\d+(?:\s*[,;]\s*\d+)*\])+)")
_END = re.compile(
    r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\betc\.)(?<!\bvs\.)(?<!\bNo\.)(?<![ .][A-Z]\.)"
    r"[\"'”’)*_]*[ \t]+(?=[^\s\[])"
)
# "Not in the documents: the date." tells what is missing beside what is there.
_GAP = re.compile(
    rf"\W*(?:{'|'.join(re.escape(one.rstrip('.。')) for one in spellings())})\W", re.IGNORECASE
)
_HEADING = re.compile(r"#{1,6} |(?:[^.!?]+ › )+[^.!?]+$")
# What speaks of the task and not of the matter, before what it leads to.
_PREAMBLE = re.compile(
    r"\b(?:passages?|information)\s+provided\b|\b(?:provided|numbered|given)\s+"
    r"(?:passages?|information|documents?)\b|\b(?:correct|final)\s+answer\b",
    re.IGNORECASE,
)
_SAYS_NOTHING = re.compile(
    r"\b(?:passages?|documents?|texts?|sources?|information)\b[^.]{0,60}?"
    r"\b(?:do(?:es)? not|don't|doesn't|did not|never|no)\b"
    r"[^.]{0,40}\b(?:say|state|tell|mention|specif|provid|give|contain|hold|include|address|cover|answer|information)"
    r"|\bnot (?:mentioned|stated|specified|provided|given|said|covered|addressed)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence, list item or step without its marks, after `lead` (the white space and the
    bullet before it), and the numbers that its marks name.

    A `gap` says what the documents do not tell; an `opening` ends in a colon and leads to what
    follows. Neither needs a source.
    """

    text: str
    lead: str = ""
    numbers: tuple[int, ...] = ()

    @property
    def gap(self) -> bool:
        """Whether it says what the documents do not tell."""
        return bool(_GAP.match(self.text + " ") or _SAYS_NOTHING.search(self.text))

    @property
    def refuses(self) -> bool:
        """Whether it is the refusal and no more."""
        return is_refusal(self.text) and len(self.text.split()) <= len(REFUSAL.split()) + 1

    @property
    def opening(self) -> bool:
        """Whether it only leads to what follows."""
        return self.text.rstrip("*_ ").endswith(":")

    @property
    def preamble(self) -> bool:
        """Whether it is an opening that speaks of the task alone."""
        return self.opening and bool(_PREAMBLE.search(self.text))

    @property
    def heading(self) -> bool:
        """Whether it is a heading, or the path of headings above a passage."""
        return bool(_HEADING.match(self.text))

    @property
    def number(self) -> int | None:
        """The number of a step, where it has one."""
        found = _NUMBER.search(self.lead)
        return int(found[0]) if found else None


def read_claims(raw: str) -> list[Claim]:
    """The claims of a model's text in order."""
    found: list[Claim] = []
    for number, line in enumerate(raw.split("\n")):
        bullet = BULLET.match(line)
        body = line[bullet.end() :] if bullet else line
        lead = ("\n" if number else "") + (bullet[0] if bullet else "")
        body = _MARK_AFTER_STOP.sub(lambda match: f"{match[2]}{match[1]}", body)
        parts = [body] if bullet else _sentences(body)
        for part in parts:
            numbers = tuple(
                dict.fromkeys(
                    int(one) for mark in _MARKS.findall(part) for one in _NUMBER.findall(mark)
                )
            )
            text = _MARKS.sub(_between, part).strip()
            if re.search(r"\w", text):
                found.append(Claim(text, lead if found else lead.lstrip("\n"), numbers))
                lead = " "
            elif found and numbers:
                found[-1] = _also(found[-1], numbers)
    return found


def _also(claim: Claim, numbers: tuple[int, ...]) -> Claim:
    return Claim(claim.text, claim.lead, tuple(dict.fromkeys((*claim.numbers, *numbers))))


def _between(mark: re.Match[str]) -> str:
    """What stays of a mark: a space where it stood between two words."""
    after = mark.string[mark.end() : mark.end() + 1]
    return " " if mark.start() and after and after.isalnum() else ""


def _sentences(line: str) -> list[str]:
    edges = [0, *(match.end() for match in _END.finditer(line)), len(line)]
    return [line[start:end] for start, end in itertools.pairwise(edges) if line[start:end].strip()]
