"""Question writers: the interface between a language model (any engine, or an adapter trained for
it) and the filters.

A writer only drafts. Whatever it says is checked afterwards against the text (`filters.py`), so it
may be small and often wrong: a draft whose answer does not stand in its passage costs a little time
and nothing else. A writer of one's own is any object of this shape: give its name a line in
`acclimate.workflows.questions.WRITERS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from acclimate.types import Chunk, Message

QuestionKind = Literal["single-fact", "table", "two-document", "unanswerable"]
KINDS: tuple[QuestionKind, ...] = get_args(QuestionKind)


@dataclass(frozen=True, slots=True)
class Draft:
    """A question with the answer that its writer has in mind, unchecked; `answer` is "" where the
    writer means that the documents do not say."""

    question: str
    answer: str


class Writer(Protocol):
    """Drafts questions about passages. Called from one thread."""

    @property
    def name(self) -> str:
        """Kept with every question that comes of it: the model and its adapter, or the rule."""

    @property
    def kinds(self) -> tuple[QuestionKind, ...]:
        """The kinds that it can write; it is not asked for others."""

    def write(self, passages: Sequence[Chunk], kind: QuestionKind, most: int) -> list[Draft]:
        """Up to `most` drafts, best first; [] where the passages give none.

        `passages` is one chunk, or for "two-document" two chunks of different documents that share
        a name or term. `Chunk.shown` is what to read, `Chunk.heading_path` where it stands. Raises
        EngineError where a model fails.
        """


Write = Callable[[Sequence[Message], int], str]
"""What a language model answers to messages in at most so many tokens."""

# "Q: …", "1. Q: …" and "**Answer 1:** …" alike: models decorate.
_LINE = re.compile(
    r"[\s\d.)*#>-]*(?P<side>Q|A|Question|Answer)\s*\d*\s*[:.][\s*]*(?P<text>.*)", re.IGNORECASE
)
# A pair cut short is none.
_PAIR = re.compile(r"^A: (?P<answer>.+)\nQ: (?P<question>.+\?)\s*$", re.MULTILINE)
_TOKENS = 60  # of one question with its answer
_ASKS = {
    "single-fact": "Each question asks for one fact. Copy its answer, a few words, exactly from "
    "the passage.",
    "table": "Each question asks for one cell of the table. Copy the cell exactly as its answer.",
    "two-document": "Each question can only be answered by someone who has read both passages. "
    "Copy its answer, a few "
    "words, exactly from one of them.",
    "unanswerable": "Each question is about the passage's subject and sounds as if it was "
    "answered there, but it is "
    "not. Write “none” as the answer.",
}
# A question is read without its passage, so it must name what it is about; small models forget that
# first.
_PROMPT = """{passages}

Write {most} questions about the passage{s} above, as a person would ask who has not seen {it}. Name what you ask \
about: no “it”, no “the passage”. {ask}
Write each as two lines:
Q: the question
A: the answer"""


class EngineWriter:
    """Any instruction-following model as a `Writer`; `write` is what asks it."""

    def __init__(self, name: str, write: Write) -> None:
        self._name, self._write = name, write

    @property
    def name(self) -> str:
        """See `Writer`."""
        return self._name

    @property
    def kinds(self) -> tuple[QuestionKind, ...]:
        """See `Writer`."""
        return KINDS

    def write(self, passages: Sequence[Chunk], kind: QuestionKind, most: int) -> list[Draft]:
        """See `Writer`."""
        shown = "\n\n".join(f"{chunk.heading_path}\n{chunk.shown}".strip() for chunk in passages)
        one = len(passages) == 1
        text = _PROMPT.format(
            passages=shown,
            most=most,
            s="" if one else "s",
            it="it" if one else "them",
            ask=_ASKS[kind],
        )
        written = self._write([Message("user", text)], most * _TOKENS)
        return [
            Draft(draft.question, "") if kind == "unanswerable" else draft
            for draft in read_drafts(written)
        ][:most]


class TrainedWriter:
    """A model that was trained to write pairs about one passage, each answer before its question;
    `write` asks it."""

    kinds: tuple[QuestionKind, ...] = ("single-fact",)

    def __init__(self, name: str, write: Write) -> None:
        self._name, self._write = name, write

    @property
    def name(self) -> str:
        """See `Writer`."""
        return self._name

    def write(self, passages: Sequence[Chunk], kind: QuestionKind, most: int) -> list[Draft]:
        """See `Writer`; the passage is one."""
        written = self._write([ask_for_pairs(passages[0])], most * _TOKENS)
        pairs = [
            Draft(match["question"].strip(), match["answer"].strip())
            for match in _PAIR.finditer(written)
        ]
        return list(dict.fromkeys(pairs))[:most]


def ask_for_pairs(passage: Chunk) -> Message:
    """What a `TrainedWriter` is asked. Its adapter was trained on exactly these words."""
    shown = f"{passage.heading_path}\n{passage.shown}".strip()
    return Message(
        "user",
        f"{shown}\n\nWhich questions does this passage answer? Give each answer, then its "
        f"question.",
    )


def told_pairs(pairs: Sequence[tuple[str, str]]) -> str:
    """What a `TrainedWriter` learns to answer: (question, answer) pairs."""
    return "\n".join(f"A: {answer}\nQ: {question}" for question, answer in pairs)


def read_drafts(text: str) -> list[Draft]:
    """The pairs of lines “Q: …” and “A: …” in a model's text, quotation marks around them left
    out."""
    drafts, question = [], ""
    for match in filter(None, map(_LINE.match, text.split("\n"))):
        words = " ".join(match["text"].split()).strip('"“”')
        if match["side"][0] in "qQ":
            question = words
        elif question:
            drafts.append(Draft(question, words))
            question = ""
    return drafts
