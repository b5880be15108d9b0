"""Scores beyond matching words: meaning, a judging model, the user's own checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from acclimate.evaluation.cache import AnswerCache, answer_key
from acclimate.evaluation.checks import Check
from acclimate.evaluation.comparison import Outcome
from acclimate.evaluation.judge import AskJudge, Judgement, Label, judge, judge_line
from acclimate.evaluation.meaning import Embed, Entail, add_meaning
from acclimate.evaluation.parallel import in_parallel
from acclimate.types import Answer, Question


@dataclass(frozen=True, slots=True)
class Judges:
    """An embedder, an entailment model, a judging model under `name` (None: not asked) that gives
    `parallel` words at once, the user's own labels and checks."""

    embed: Embed
    entail: Entail | None = None
    ask: AskJudge | None = None
    name: str = ""
    labels: Sequence[Label] = ()
    parallel: int = 1
    checks: Sequence[Check] = ()


def add_words(
    cache: AnswerCache,
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    judges: Judges | None,
) -> list[Outcome]:
    """The outcomes with what the judges say of them. What a judging model said is kept; what it
    failed at is tried again next time. Raises what a check raises."""
    if judges is None:
        return list(outcomes)
    found = add_meaning(outcomes, questions, judges.embed, judges.entail)
    found = _judged(cache, found, questions, judges)
    return [_checked(one, questions[one.question], judges.checks) for one in found]


def _checked(outcome: Outcome, question: Question, checks: Sequence[Check]) -> Outcome:
    answer = outcome.answer
    if answer is None or not checks:
        return outcome
    said = {check.name: check(question, answer) for check in checks}
    return replace(outcome, score=replace(outcome.score, checks=said))


@dataclass(frozen=True, slots=True)
class _Asked:
    """One word wanted of a judge: of an answer as a whole, or by a `line` of the rubric."""

    place: int
    question: Question
    answer: Answer
    line: str = ""

    @property
    def about(self) -> str:
        """What the word depends on, beside the judge; for whole answers as it always was."""
        parts = (self.question.told, self.question.answers, self.answer.text)
        return repr((*parts, self.line) if self.line else parts)


def _judged(
    cache: AnswerCache,
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    judges: Judges,
) -> list[Outcome]:
    if judges.ask is None:
        return list(outcomes)
    wanted: list[_Asked] = []
    for place, one in enumerate(outcomes):
        if one.answer is None:
            continue
        question = questions[one.question]
        rubric = ("", *question.rubric)  # the empty line asks for the answer as a whole
        wanted += [_Asked(place, question, one.answer, line) for line in rubric]
    words = _words(cache, wanted, judges, judges.ask)
    done = list(outcomes)
    lines: dict[int, list[Judgement]] = {}
    for asked, word in zip(wanted, words, strict=True):
        if asked.line:
            lines.setdefault(asked.place, []).append(word)
        else:
            done[asked.place] = replace(done[asked.place], judgement=word)
    for place, said in lines.items():
        met = sum(one.right is True for one in said) / len(said)
        done[place] = replace(done[place], score=replace(done[place].score, rubric=met))
    return done


def _words(
    cache: AnswerCache, wanted: Sequence[_Asked], judges: Judges, ask: AskJudge
) -> list[Judgement]:
    keys = [answer_key(f"judge {judges.name}", one.about) for one in wanted]
    words: dict[str, Judgement] = {}
    left: dict[str, _Asked] = {}
    for key, one in zip(keys, wanted, strict=True):
        known = cache.judgement(key)
        if known is None:
            left[key] = one
        else:
            words[key] = Judgement(known)
    names, say = list(left), partial(_say, ask)
    for batch in in_parallel(say, list(left.values()), judges.parallel):
        sure: list[tuple[str, bool]] = []
        for place, word in batch:
            words[names[place]] = word
            if word.right is not None:
                sure.append((names[place], word.right))
        cache.note_judgements(sure)
    return [words[key] for key in keys]


def _say(ask: AskJudge, one: _Asked) -> Judgement:
    if one.line:
        return judge_line(one.question, one.answer, one.line, ask)
    return judge(one.question, one.answer, ask)
