"""Train, dev and test: whole documents go to one side, and nothing that is learnt may be asked
again."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import SettingsError
from acclimate.questions.candidates import key
from acclimate.types import Question

SPLITS = ("train", "dev", "test")
NEAR = 0.95  # cosine from which two questions ask the same
_ROWS = 2048  # of the similarity matrix held at once
LeakKind = Literal["same document", "same question", "near duplicate"]
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Leak:
    """Two questions on different sides that tell of each other; `similarity` is the cosine of their
    embeddings."""

    first: Question
    second: Question
    kind: LeakKind
    similarity: float = 1.0


def split(
    questions: Sequence[Question], shares: Mapping[str, float], *, again: bool = False
) -> list[Question]:
    """The questions with a split each, by document; those that have one keep it, unless `again`.

    Documents that a question needs together stay together. The largest groups are placed first,
    each where most is missing to the `shares` (they need not add up to 1). The same questions are
    always split alike. Raises SettingsError where no share is positive, or where documents that
    belong together have different splits already.
    """
    if not any(share > 0 for share in shares.values()) or set(shares) - set(SPLITS):
        raise SettingsError(
            f"{dict(shares)} are not shares.",
            hint="Give train, dev and test numbers like 50,15,35.",
        )
    groups = _groups(questions)
    placed: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    for name, members in groups.items():
        held = {question.split for question in members if question.split}
        if held and not again:
            if len(held) > 1:
                raise SettingsError(
                    f"questions about {members[0].document} stand in {' and '.join(sorted(held))}.",
                    hint="acclimate questions split --again",
                )
            placed[name] = held.pop()
            sizes[placed[name]] += len(members)
    total = sum(shares.values())
    left = [name for name in groups if name not in placed]
    for name in sorted(
        left, key=lambda name: (-len(groups[name]), hashlib.sha256(name.encode()).digest())
    ):
        missing = {
            side: share / total * len(questions) - sizes[side]
            for side, share in shares.items()
            if share > 0
        }
        placed[name] = max(missing, key=lambda side: missing[side])
        sizes[placed[name]] += len(groups[name])
    side = {question.id: placed[name] for name, members in groups.items() for question in members}
    return [replace(question, split=side[question.id]) for question in questions]


def leaks(learnt: Sequence[Question], asked: Sequence[Question], embed: Embed) -> list[Leak]:
    """What `asked` has in common with `learnt`: a document, a question, or one with the same answer
    that is near it in meaning. Near questions with other answers (two products' weights) are no
    leak."""
    documents: dict[str, Question] = {}
    texts = {key(question.question): question for question in learnt}
    for question in learnt:
        documents |= dict.fromkeys(documents_of(question), question)
    found = []
    for question in asked:
        shared = next((path for path in documents_of(question) if path in documents), None)
        if (twin := texts.get(key(question.question))) is not None:
            found.append(Leak(twin, question, "same question"))
        elif shared is not None:
            found.append(Leak(documents[shared], question, "same document"))
    known = {leak.second.id for leak in found if leak.kind == "same question"}
    return found + _near(
        learnt, [question for question in asked if question.id not in known], embed
    )


def near_duplicates(questions: Sequence[Question], embed: Embed) -> list[Leak]:
    """Questions of one set that ask the same: in the same words, or near in meaning with the same
    answer. Each pair once, in the order of the set."""
    places = {question.id: place for place, question in enumerate(questions)}
    first: dict[str, Question] = {}
    found = []
    for question in questions:
        twin = first.setdefault(key(question.told), question)
        if twin is not question:
            found.append(Leak(twin, question, "same question"))
    same = {leak.second.id for leak in found}
    alone = [question for question in questions if question.id not in same and not question.turns]
    near = _near(alone, alone, embed)
    return found + [one for one in near if places[one.first.id] < places[one.second.id]]


def _near(learnt: Sequence[Question], asked: Sequence[Question], embed: Embed) -> list[Leak]:
    # Only what shares an answer is embedded: a large set of pairs has a few of those.
    taught, answers = _known_answers(learnt), _known_answers(asked)
    learnt = [question for question in learnt if _shares_answer(question, answers)]
    asked = [question for question in asked if _shares_answer(question, taught)]
    if not learnt or not asked:
        return []
    left, found = embed([question.question for question in learnt]), []
    for at in range(0, len(asked), _ROWS):
        some = asked[at : at + _ROWS]
        near = embed([question.question for question in some]) @ left.T  # [some, learnt]
        for row, column in np.argwhere(near >= NEAR):
            first, second = learnt[int(column)], some[int(row)]
            if _answers(first) & _answers(second) or first.answerable == second.answerable is False:
                found.append(Leak(first, second, "near duplicate", float(near[row, column])))
    return found


def _known_answers(questions: Sequence[Question]) -> set[str]:
    return {answer for question in questions for answer in _answers(question)}


def _shares_answer(question: Question, answers: set[str]) -> bool:
    return not question.answerable or not answers.isdisjoint(_answers(question))


def _answers(question: Question) -> set[str]:
    return {key(answer) for answer in question.answers}


def documents_of(question: Question) -> tuple[str, ...]:
    """The documents that a question needs; none where it names none."""
    return question.documents or ((question.document,) if question.document else ())


def _groups(questions: Sequence[Question]) -> dict[str, list[Question]]:
    """Questions by the documents that hang together; one without a document is a group of its
    own."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for question in questions:
        first, *others = documents_of(question) or (f"question {question.id}",)
        for other in others:
            leader[find(other)] = find(first)
    groups: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        groups[find((documents_of(question) or (f"question {question.id}",))[0])].append(question)
    return dict(groups)
