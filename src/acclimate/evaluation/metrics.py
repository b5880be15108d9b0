"""Scores of single answers against references, without a judge."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from acclimate.evaluation.full import completeness, score_facts, words
from acclimate.evaluation.quantities import number_f1, number_match
from acclimate.text.language import same_language
from acclimate.types import Answer, Question

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WORDS = re.compile(r"[^\W_]+")
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without punctuation, articles and extra white space.

    Source: Rajpurkar et al., "SQuAD", arXiv 1606.05250, and its official evaluation script.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(text: str, references: Sequence[str]) -> float:
    """1 where the text equals a reference after normalisation, else 0."""
    return float(any(normalise(text) == normalise(reference) for reference in references))


def f1(text: str, references: Sequence[str]) -> float:
    """Best overlap of words with a reference: the harmonic mean of precision and recall, 0 to 1."""
    return max(
        (_f1(normalise(text).split(), normalise(reference).split()) for reference in references),
        default=0.0,
    )


def _f1(words: Sequence[str], wanted: Sequence[str]) -> float:
    if not words or not wanted:
        return float(words == wanted)
    shared = sum((Counter(words) & Counter(wanted)).values())
    return 2 * shared / (len(words) + len(wanted))


def rouge_l(text: str, references: Sequence[str]) -> float:
    """Best longest common subsequence of words with a reference, as F1, 0 to 1.

    Words are runs of letters and digits in lower case, not stemmed. Source: Lin, "ROUGE", 2004,
    section 3.
    """
    words = _WORDS.findall(text.lower())
    return max(
        (_rouge_l(words, _WORDS.findall(reference.lower())) for reference in references),
        default=0.0,
    )


def _rouge_l(words: Sequence[str], wanted: Sequence[str]) -> float:
    row = [0] * (len(wanted) + 1)
    for word in words:
        above = row.copy()
        for place, other in enumerate(wanted, start=1):
            row[place] = (
                above[place - 1] + 1 if word == other else max(above[place], row[place - 1])
            )
    return 2 * row[-1] / (len(words) + len(wanted)) if row[-1] else 0.0


def groundedness(answer: Answer) -> float | None:
    """Mean over the answer's sentences of the share of their words that stand in a passage it
    cites; None where it abstained, or has no words. Without a citation it is 0. Words of fewer than
    four letters, which stand everywhere, count only where a sentence has no others."""
    sentences = [words for part in _SENTENCES.split(answer.text) if (words := _content(part))]
    if answer.abstained or not sentences:
        return None
    cited = {citation.number for citation in answer.citations}
    held = set().union(
        *(_WORDS.findall(answer.prompt.passages[n - 1].chunk.shown.lower()) for n in cited)
    )
    return sum(len(words & held) / len(words) for words in sentences) / len(sentences)


def _grounded(answer: Answer) -> float | None:
    """None too where the texts of what was read are not known (another system's)."""
    known = any(hit.chunk.text for hit in answer.prompt.passages)
    return groundedness(answer) if known else None


def _content(sentence: str) -> set[str]:
    words = set(_WORDS.findall(sentence.lower()))
    return {word for word in words if len(word) > 3 or word.isdigit()} or words


def evidence_rank(answer: Answer, document: str, evidence: tuple[int, int]) -> int | None:
    """The rank of the first retrieved passage that holds at least half of the evidence; None where
    none does."""
    for hit in (*answer.prompt.passages, *answer.prompt.dropped):
        shared = min(hit.chunk.end, evidence[1]) - max(hit.chunk.start, evidence[0])
        if hit.chunk.document == document and 2 * shared >= evidence[1] - evidence[0]:
            return hit.rank
    return None


@dataclass(frozen=True, slots=True)
class Score:
    """One answer's scores, 0 to 1. For a question that the documents do not answer, abstaining is
    right and scores 1.

    `citation_precision` is the share of citations that touch the evidence, `citation_recall`
    whether one does; both are None where the question has no evidence, or the answer abstained.
    `found` is 1 / rank of the passage that holds the evidence, 0 where none was retrieved, None
    where there is no evidence or nothing was searched. By meaning (`meaning.py`): `similarity` is
    the cosine to the nearest reference; `supported` how near the answer's sentences are to
    sentences of the passages it cites; `entailed` how likely those entail them, None without a
    model for it. `number_em` and `number_f1` are `em` and `f1` with numbers compared as numbers
    (`quantities.py`), None where an earlier version scored.

    Of full answers: `facts` is the share of the question's key facts, `wrong` whether something
    listed as wrong is said, `full` whether all facts and nothing wrong are (`full.py`; None where
    the question lists none); `complete`, how much of the reference's content it has; `claims`, the
    share of its sentences that what it cites supports; `rubric`, the share of the question's
    criteria that a judge sees met; `same_language`, whether it is in the question's language;
    `words`, its length; `checks`, the user's own.
    """

    em: float
    f1: float
    abstained: bool
    answerable: bool
    citation_precision: float | None = None
    citation_recall: float | None = None
    rouge_l: float = 0.0
    grounded: float | None = None
    found: float | None = None
    similarity: float = 0.0
    supported: float | None = None
    entailed: float | None = None
    number_em: float | None = None
    number_f1: float | None = None
    facts: float | None = None
    full: float | None = None
    wrong: float | None = None
    complete: float | None = None
    claims: float | None = None
    rubric: float | None = None
    same_language: float | None = None
    words: int | None = None
    checks: Mapping[str, float | None] = field(default_factory=dict)


def failed(question: Question) -> Score:
    """The score of an answer that did not come."""
    return Score(0.0, 0.0, False, question.answerable, number_em=0.0, number_f1=0.0)


def score(question: Question, answer: Answer, evidence: tuple[int, int] | None) -> Score:
    """Score an answer; `evidence` is the span of the question's evidence in its document's text, if
    any."""
    facts, wrong = score_facts(question, answer)
    full = None if facts is None else float(facts == 1 and not wrong)
    if not question.answerable:
        full = float(answer.abstained)
    complete = completeness(answer.text, question.answers, normalise)
    alike = None if answer.abstained else same_language(question.question, answer.text)
    return replace(
        _score(question, answer, evidence),
        facts=facts,
        wrong=wrong,
        full=full,
        complete=0.0 if answer.abstained and complete is not None else complete,
        same_language=None if alike is None else float(alike),
        words=None if answer.abstained else words(answer.text),
    )


def _score(question: Question, answer: Answer, evidence: tuple[int, int] | None) -> Score:
    found = None
    if evidence is not None and question.document is not None and answer.prompt.passages:
        rank = evidence_rank(answer, question.document, evidence)
        found = 1 / rank if rank else 0.0
    if not question.answerable:
        right = float(answer.abstained)
        return Score(
            right,
            right,
            answer.abstained,
            False,
            rouge_l=right,
            grounded=_grounded(answer),
            number_em=right,
            number_f1=right,
        )
    if answer.abstained:
        return Score(0.0, 0.0, True, True, found=found, number_em=0.0, number_f1=0.0)
    precision = recall = None
    if evidence is not None and answer.prompt.passages:
        touching = [
            citation.document == question.document
            and citation.start < evidence[1]
            and citation.end > evidence[0]
            for citation in answer.citations
        ]
        recall = float(any(touching))
        precision = sum(touching) / len(touching) if touching else None
    return Score(
        exact_match(answer.text, question.answers),
        f1(answer.text, question.answers),
        False,
        True,
        precision,
        recall,
        rouge_l(answer.text, question.answers),
        _grounded(answer),
        found,
        number_em=number_match(answer.text, question.answers, normalise),
        number_f1=number_f1(answer.text, question.answers, normalise),
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over a question set, 0 to 1; None where no question counts. `abstention_f1` takes
    abstaining on an unanswerable question as the positive case; it is None where every question has
    an answer and none abstained. `found` is the share of questions whose evidence was among the
    passages retrieved (recall@k), `mrr` its mean reciprocal rank, `ndcg` its nDCG@10, where the one
    passage with the evidence is what is relevant."""

    n: int
    em: float
    f1: float
    citation_precision: float | None
    citation_recall: float | None
    abstention_precision: float | None
    abstention_recall: float | None
    abstention_f1: float | None
    rouge_l: float = 0.0
    grounded: float | None = None
    found: float | None = None
    mrr: float | None = None
    ndcg: float | None = None
    similarity: float = 0.0
    supported: float | None = None
    entailed: float | None = None
    number_em: float | None = None
    number_f1: float | None = None


def summarise(scores: Sequence[Score]) -> Summary:
    """Means of `scores`. Raises ValueError for none."""
    if not scores:
        raise ValueError("there are no scores")
    right = sum(score.abstained and not score.answerable for score in scores)
    abstained = sum(score.abstained for score in scores)
    unanswerable = sum(not score.answerable for score in scores)
    total = abstained + unanswerable

    def mean(field: Callable[[Score], float | None]) -> float | None:
        """Over the scores that have the figure; None where none has."""
        return _mean([one for one in map(field, scores) if one is not None])

    return Summary(
        n=len(scores),
        em=mean(lambda one: one.em) or 0.0,
        f1=mean(lambda one: one.f1) or 0.0,
        citation_precision=mean(lambda one: one.citation_precision),
        citation_recall=mean(lambda one: one.citation_recall),
        abstention_precision=right / abstained if abstained else None,
        abstention_recall=right / unanswerable if unanswerable else None,
        abstention_f1=2 * right / total if total else None,
        rouge_l=mean(lambda one: one.rouge_l) or 0.0,
        grounded=mean(lambda one: one.grounded),
        found=mean(lambda one: None if one.found is None else float(one.found > 0)),
        mrr=mean(lambda one: one.found),
        ndcg=mean(lambda one: None if one.found is None else _gain(one.found)),
        similarity=mean(lambda one: one.similarity) or 0.0,
        supported=mean(lambda one: one.supported),
        entailed=mean(lambda one: one.entailed),
        number_em=mean(lambda one: one.number_em),
        number_f1=mean(lambda one: one.number_f1),
    )


def _gain(found: float) -> float:
    """nDCG@10 of one relevant passage, from 1 / rank; see `ranking.ndcg`."""
    return 1 / math.log2(1 / found + 1) if found >= 0.1 else 0.0


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
