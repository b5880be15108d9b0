"""Which training pairs tell of the test split: its questions, or its evidence with the answer, in
whatever wrapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from acclimate.files.rows import Problem
from acclimate.questions.candidates import key
from acclimate.questions.splitting import Embed, leaks
from acclimate.tuning.pairs.pairs import Pair
from acclimate.types import Question

_FEWEST = 4  # words from which a text that is found inside another is no chance
_REMEDY = "Remove it: a comparison on the test split would be worth nothing."


def overlaps(pairs: Sequence[Pair], test: Sequence[Question], embed: Embed) -> list[Problem]:
    """A problem for each pair that asks what a question of `test` asks.

    That is: the same question, also inside a longer prompt; one near it in meaning with the same
    answer; its evidence together with its answer; or another question about its document (see
    `questions.splitting.leaks`).
    """
    if not pairs or not test:
        return []
    answers = _Phrases({key(answer) for question in test for answer in question.answers}, fewest=1)
    asked = {key(question.question): question for question in test}
    questions = _Phrases(asked, fewest=_FEWEST)
    proofs = {
        key(question.evidence): question
        for question in test
        if question.evidence and question.answerable
    }
    evidence = _Phrases(proofs, fewest=_FEWEST)
    found: dict[int, Problem] = {}
    ready: list[Question] = []
    for index, pair in enumerate(pairs):
        held = answers.inside(pair.answer)
        ready.append(_as_question(pair, index, held))
        if twins := questions.inside(pair.text):
            found[index] = _problem(pair, "asks the test question", asked[min(twins)])
        elif proved := [
            one
            for one in evidence.inside(pair.text)
            if held & {key(a) for a in proofs[one].answers}
        ]:
            found[index] = _problem(
                pair, "gives evidence and answer of the test question", proofs[min(proved)]
            )
    left = [question for index, question in enumerate(ready) if index not in found]
    words = {
        "same question": "asks the test question",
        "near duplicate": "asks nearly the test question",
        "same document": "is about the document of the test question",
    }
    for leak in leaks(test, left, embed):
        index = int(leak.second.id)
        found.setdefault(index, _problem(pairs[index], words[leak.kind], leak.first))
    for index, proof in _near_evidence(ready, test, embed).items():
        found.setdefault(
            index,
            _problem(pairs[index], "gives nearly evidence and answer of the test question", proof),
        )
    return [found[index] for index in sorted(found)]


def _near_evidence(
    ready: Sequence[Question], test: Sequence[Question], embed: Embed
) -> dict[int, Question]:
    """Pairs whose evidence is near that of a test question with the same answer in meaning."""

    def proofs(questions: Sequence[Question]) -> list[Question]:
        return [
            replace(one, question=one.evidence, document=None, documents=())
            for one in questions
            if one.evidence and one.answerable
        ]

    near = leaks(proofs(test), proofs(ready), embed)
    return {int(leak.second.id): leak.first for leak in near if leak.kind == "near duplicate"}


def _problem(pair: Pair, what: str, question: Question) -> Problem:
    return Problem(pair.place, f"{what} '{question.id}'", _REMEDY)


def _as_question(pair: Pair, index: int, held: Iterable[str]) -> Question:
    """The pair as a question; a short answer of the test split that its own answer contains counts
    as its own."""
    if pair.question is not None:
        return replace(
            pair.question, id=str(index), answers=(*pair.question.answers, *sorted(held))
        )
    return Question(str(index), pair.asked, (pair.answer, *sorted(held)))


class _Phrases:
    """Finds which of many phrases stand in a text as whole words, by their first word."""

    def __init__(self, phrases: Iterable[str] | Mapping[str, object], *, fewest: int) -> None:
        self._by_first: dict[str, list[tuple[list[str], str]]] = {}
        for phrase in phrases:
            words = phrase.split()
            if len(words) >= fewest:
                self._by_first.setdefault(words[0], []).append((words, phrase))

    def inside(self, text: str) -> set[str]:
        """The phrases in `text`, compared by `key`."""
        words = key(text).split()
        return {
            phrase
            for at, word in enumerate(words)
            for wanted, phrase in self._by_first.get(word, ())
            if words[at : at + len(wanted)] == wanted
        }
