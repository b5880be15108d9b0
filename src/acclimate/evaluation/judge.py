"""A language model's opinion on answers, only where it is asked for, and only beside its agreement
with the user.

Judges agree with people less than they seem to: agreement by chance is taken off (Cohen's kappa),
and a judgement that cannot be read is an error that counts against the recipe and is told, never a
gap.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import AcclimateError, SettingsError
from acclimate.evaluation.verdicts import read_verdict
from acclimate.files import jsonlines
from acclimate.types import Answer, Message, Question

AskJudge = Callable[[Sequence[Message]], str]
"""What the judging model writes."""
RESAMPLES = 2000

# One word first, so that a short reply is enough; the reference decides, not what the judge itself
# believes.
_PROMPT = """Question: {question}
Reference answer: {reference}
Given answer: {answer}

Does the given answer say the same as the reference answer? Other words and more detail are fine; a contradiction or \
a missing part is not. Reply with one word: yes or no."""
_NONE = "The documents do not say."
_LINE = """Question: {question}
Given answer: {answer}

Is this true of the given answer: {line}
Reply with one word: yes or no."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether an answer is right; None with the reason in `error` where the judge gave no readable
    word."""

    right: bool | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """The user's own word on an answer's text."""

    question: str
    answer: str
    right: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """Judge and user over the answers that both judged: share of the same word, and Cohen's kappa
    with its 95 % interval. Answers that the judge failed on are not among them; `failed` counts
    those."""

    n: int
    same: float
    kappa: float
    low: float
    high: float
    failed: int


def judge(question: Question, answer: Answer, ask: AskJudge) -> Judgement:
    """Ask a model whether an answer is right. Never raises: what fails is a judgement with an
    error."""
    reference = " / ".join(question.answers) if question.answerable else _NONE
    text = _PROMPT.format(question=question.told, reference=reference, answer=answer.text)
    return _asked(text, ask)


def judge_line(question: Question, answer: Answer, line: str, ask: AskJudge) -> Judgement:
    """Ask a model whether a line of the question's rubric is true of an answer. Never raises."""
    return _asked(_LINE.format(question=question.told, answer=answer.text, line=line), ask)


def _asked(text: str, ask: AskJudge) -> Judgement:
    try:
        said = ask([Message("user", text)])
    except AcclimateError as error:
        return Judgement(None, str(error))
    right = read_verdict(said)
    return Judgement(right, "" if right is not None else f"no word: {said.strip()[:80]!r}")


def kappa(
    first: Sequence[bool] | NDArray[np.bool_], second: Sequence[bool] | NDArray[np.bool_]
) -> float:
    """Cohen's kappa: (p_o - p_e) / (1 - p_e), with p_o the agreement seen and p_e that of chance; 0
    where both always say the same one word, as agreement cannot then be distinguished from chance.

    Source: Cohen, "A Coefficient of Agreement for Nominal Scales", 1960.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    observed = float(np.mean(a == b))
    chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
    return (observed - chance) / (1 - chance) if chance < 1 else 0.0


def agreement(
    judged: Sequence[Judgement], labels: Sequence[bool], clusters: Sequence[Hashable]
) -> Agreement | None:
    """Judge against user; None where nothing was judged by both. The interval resamples whole
    clusters (percentiles of 2,000 resamples)."""
    pairs = [
        (one.right, label, cluster)
        for one, label, cluster in zip(judged, labels, clusters, strict=True)
        if one.right is not None
    ]
    if not pairs:
        return None
    said, meant, names = (np.array([pair[column] for pair in pairs], object) for column in range(3))
    groups = [np.flatnonzero([name == other for other in names]) for name in dict.fromkeys(names)]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        rows = np.concatenate(
            [groups[place] for place in rng.integers(0, len(groups), len(groups))]
        )
        drawn.append(kappa(said[rows].astype(bool), meant[rows].astype(bool)))
    low, high = np.quantile(drawn, [0.025, 0.975])
    same = float(np.mean([a == b for a, b, _ in pairs]))
    value = kappa(said.astype(bool), meant.astype(bool))
    return Agreement(len(pairs), same, value, float(low), float(high), len(judged) - len(pairs))


def read_labels(file: Path) -> list[Label]:
    """The user's labels, one JSON object a line: `question` (its id), `answer` (the text), `right`.
    [] without a file.

    Raises SettingsError naming the line that is none.
    """
    labels = []
    for number, row in jsonlines.read_rows(file):
        try:
            labels.append(Label(str(row["question"]), str(row["answer"]), bool(row["right"])))
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{file}, line {number} is no label: {error}.") from error
    return labels


def add_label(file: Path, label: Label) -> None:
    """Append a label; it is on the disk when this returns."""
    jsonlines.append(
        file, {"question": label.question, "answer": label.answer, "right": label.right}
    )
