"""What feedback proposes: a question for the set, and pairs to learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from acclimate.questions.candidates import sentence_around
from acclimate.questions.feedback import Feedback
from acclimate.text.locating import find_words

REFUSED = "Not in the documents."
"""What should have been said where the documents do not hold the answer."""
Messages = list[dict[str, str]]


class Shown(Protocol):
    """What was shown for the question of a row of feedback."""

    def prompt(self, row: Feedback) -> Messages | None:
        """The messages that a model is shown; None where that cannot be had any more."""

    def cite(self, row: Feedback, text: str) -> str:
        """A text with the mark of the passage that holds its words, where one does."""


def answers_of(row: Feedback) -> tuple[str, ...]:
    """The answers that feedback proposes as right; () where nobody said any, or the documents hold
    none."""
    if row.unanswerable:
        return ()
    if row.correction.strip():
        lines = (line.strip() for line in row.correction.splitlines())
        return tuple(dict.fromkeys(line for line in lines if line))
    return (row.given.text.strip(),) if row.right and not row.given.abstained else ()


def is_answerable(row: Feedback) -> bool:
    """Whether the documents hold the answer, as far as feedback says: silence that is praised says
    that they do not."""
    return not row.unanswerable and not (row.right and row.given.abstained)


def evidence_of(
    row: Feedback, answers: Sequence[str], text: Callable[[str], str | None]
) -> tuple[str | None, str | None]:
    """Document and exact evidence for the answers, among the places that the answer cited and was
    shown; `text` gives a document's.

    The sentence that holds the words of an answer is the evidence. Without one the document is that
    of the first citation, whose quotation is the evidence of an answer that is right as it stands;
    (None, None) where nothing was shown.
    """
    places = (*row.given.citations, *row.given.passages)
    for answer in answers:
        for place in places:
            shown = place.read(text(place.document))
            found = None if shown is None else find_words(answer, shown)
            if shown is not None and found is not None:
                sentence = sentence_around(shown, found)
                return place.document, shown[sentence.start : sentence.end]
    for place in row.given.citations:
        quote = place.read(text(place.document))
        if quote is not None:
            return place.document, quote if row.right and quote else None
    return None, None


def preference_pairs(rows: Sequence[Feedback], shown: Shown) -> list[dict[str, object]]:
    """Accepted corrections as TRL's preference pairs, in messages: `prompt`, `chosen`, `rejected`.

    Source: https://huggingface.co/docs/trl/dataset_formats
    """
    found: list[dict[str, object]] = []
    for row in rows:
        better = better_answer(row)
        asked = shown.prompt(row) if row.status == "accepted" and better else None
        if asked is not None:
            chosen, rejected = _said(shown.cite(row, better)), _said(row.given.marked)
            found.append({"prompt": asked, "chosen": chosen, "rejected": rejected})
    return found


def labelled_answers(rows: Sequence[Feedback], shown: Shown) -> list[dict[str, object]]:
    """Accepted feedback as TRL's unpaired preferences: `prompt`, `completion`, `label`."""
    found: list[dict[str, object]] = []
    for row in rows:
        asked = shown.prompt(row) if row.status == "accepted" else None
        if asked is None:
            continue
        texts = {row.given.marked: row.right}
        if better := better_answer(row):
            texts[shown.cite(row, better)] = True
        found += [
            {"prompt": asked, "completion": _said(one), "label": label}
            for one, label in texts.items()
        ]
    return found


def better_answer(row: Feedback) -> str:
    """What should have been said in place of an answer; "" where nobody knows, or nothing is
    better."""
    if row.right:
        return ""
    better = REFUSED if row.unanswerable else next(iter(answers_of(row)), "")
    return "" if better == row.given.text.strip() else better


def _said(text: str) -> Messages:
    return [{"role": "assistant", "content": text}]
