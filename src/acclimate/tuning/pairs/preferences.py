"""A user's own preferences: a better and a worse answer to one prompt, or answers that are right or
wrong.

preference  TRL's pairs    {"prompt": …, "chosen": …, "rejected": …}, texts or lists of messages
prompt      KTO's rows     {"prompt": …, "completion": …, "label": true or false}

Either can be made from the other: two answers to one prompt of which one is right are a pair, and a
pair is two such answers. Source: https://huggingface.co/docs/trl/dataset_formats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from acclimate.errors import DataError
from acclimate.files.rows import Place, Problem, Row, read_rows
from acclimate.tuning.pairs.conversations import Lesson, Unfit
from acclimate.tuning.pairs.formats import label_of, read_completion, read_preferred
from acclimate.tuning.pairs.pairs import Pair, PairSource, find_format
from acclimate.types import Message

_FORMS = ("preference", "prompt")
_LABELLED = "answers of which no other kind is there for the same prompt"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer to a prompt, and whether it is right. `place` is where it stands in the file."""

    place: Place
    messages: tuple[Message, ...]
    answer: str
    right: bool
    split: str = "train"

    @property
    def pair(self) -> Pair:
        """The same as something to learn, for checks that do not ask whether it is right."""
        return Pair(self.place, self.messages, self.answer, split=self.split)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Two answers to a prompt, the better one and the worse one."""

    place: Place
    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    split: str = "train"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a file holds, see `pairs.Pairs`. Of pairs there are two verdicts in turn."""

    file: Path
    layout: str
    format: str
    rows: int
    verdicts: tuple[Verdict, ...]
    problems: tuple[Problem, ...]
    passed: dict[str, int]
    unused: tuple[str, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Each verdict as something to learn, for checks that do not ask whether it is right."""
        return tuple(one.pair for one in self.verdicts)


def read_preferences(source: PairSource) -> Preferences:
    """Read a file of preferences; what is wrong with single rows is in `problems`.

    Raises DataError where the file as a whole cannot be read, or has another form.
    """
    read = read_rows(source.file)
    form = find_format(source, read.rows, read.problems)
    if form.name not in _FORMS:
        raise DataError(
            f"{source.file} has the format '{form.name}', which does not say which answers are "
            f"better or right.",
            hint="Give prompt, chosen and rejected; or prompt, completion and label.",
        )
    verdicts: list[Verdict] = []
    problems, passed = list(read.problems), Counter[str]()
    reader = _READERS[form.name]
    for row in read.rows:
        split = str(row.values.get("split") or "train").strip().casefold()
        if split == "test":
            passed["of its split 'test'"] += 1
            continue
        try:
            if split not in ("train", "dev"):
                raise Unfit(f"has the split '{split}'", "Splits are train, dev and test.")
            verdicts += reader(row, split)
        except Unfit as unfit:
            problems.append(Problem(row.place, unfit.reason, unfit.remedy))
    known = {name for group in form.needed for name in group} | set(form.known)
    unused = sorted({key for row in read.rows for key in row.values} - known)
    return Preferences(
        source.file,
        read.layout,
        form.name,
        len(read.rows) + len(read.problems),
        tuple(verdicts),
        tuple(sorted(problems, key=lambda one: one.place)),
        dict(passed),
        tuple(unused),
    )


def _read_pair(row: Row, split: str) -> list[Verdict]:
    for name in ("chosen", "rejected"):
        if name not in row.values:
            raise Unfit(f"has no key '{name}'", "Give a better and a worse answer.")
    better = _one(read_preferred(row.values, "chosen", "rejected"))
    worse = _one(read_preferred(row.values, "rejected", "chosen"))
    if better.messages != worse.messages:
        raise Unfit(
            "has another prompt in 'chosen' than in 'rejected'",
            "Both lists must be the same but for the last answer.",
        )
    return [
        Verdict(row.place, better.messages, better.answer, right=True, split=split),
        Verdict(row.place, worse.messages, worse.answer, right=False, split=split),
    ]


def _read_labelled(row: Row, split: str) -> list[Verdict]:
    for name in ("prompt", "completion"):
        if name not in row.values:
            raise Unfit(f"has no key '{name}'", "Give prompt, completion and label.")
    label = label_of(row.values)
    if label is None:
        raise Unfit("has no 'label'", 'Write "label": true or false.')
    lesson = _one(read_completion(row.values))
    return [Verdict(row.place, lesson.messages, lesson.answer, label, split)]


def _one(lessons: Sequence[Lesson]) -> Lesson:
    if len(lessons) > 1 or lessons[0].fields:
        raise Unfit(
            "has more than one answer, or a call of a tool, to compare",
            "Give one text as the answer, and earlier turns in the prompt.",
        )
    return lessons[0]


_READERS: dict[str, Callable[[Row, str], list[Verdict]]] = {
    "preference": _read_pair,
    "prompt": _read_labelled,
}


def as_rankings(verdicts: Sequence[Verdict]) -> tuple[list[Ranking], dict[str, int]]:
    """Each wrong answer with a right one to the same prompt, in turn; and what is left out."""
    by_prompt: dict[tuple[Message, ...], list[Verdict]] = {}
    for one in verdicts:
        by_prompt.setdefault(one.messages, []).append(one)
    found: list[Ranking] = []
    left = 0
    for messages, given in by_prompt.items():
        right, wrong = ([one for one in given if one.right is kind] for kind in (True, False))
        if not right or not wrong:
            left += len(given)
            continue
        many, few = (wrong, right) if len(wrong) >= len(right) else (right, wrong)
        for one, other in zip(many, cycle(few), strict=False):
            better, worse = (one, other) if one.right else (other, one)
            found.append(Ranking(worse.place, messages, better.answer, worse.answer, worse.split))
    return found, {_LABELLED: left} if left else {}
