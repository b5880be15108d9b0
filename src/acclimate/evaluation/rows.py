"""A recipe's row of the table, from its outcomes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from acclimate.evaluation.abstention import Held, calibrate, curve
from acclimate.evaluation.comparison import Metric, Outcome, RecipeRow, scores
from acclimate.evaluation.judge import Label, agreement
from acclimate.evaluation.metrics import summarise
from acclimate.evaluation.statistics import Interval, mean_interval
from acclimate.types import Question

Percentiles = tuple[float, float]


def cluster(question: Question) -> Hashable:
    """What a question is resampled with: its document, or itself where it has none."""
    return question.document or ("question", question.id)


def make_row(  # noqa: PLR0913
    recipe: str,
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    metric: Metric,
    *,
    peak_mb: float | None = None,
    prepare_s: float = 0.0,
    disk_mb: float = 0.0,
    prices: tuple[float, float] | None = None,
    labels: Sequence[Label] = (),
) -> RecipeRow:
    """The row; `prices` are money for a million tokens of prompt and of answer. Raises ValueError
    for no outcomes."""
    answers = [outcome.answer for outcome in outcomes if outcome.answer]
    values = scores(outcomes, metric)
    asked = [questions[outcome.question] for outcome in outcomes]
    clusters = [cluster(question) for question in asked]
    interval = mean_interval(values, clusters)
    prompt = _mean([answer.usage.prompt_tokens for answer in answers])
    written = _mean([answer.usage.completion_tokens for answer in answers])
    kinds: dict[str, list[float]] = {}
    for question, points in zip(asked, values, strict=True):
        kinds.setdefault(question.kind or "other", []).append(points)
    held = [_held(outcome, points) for outcome, points in zip(outcomes, values, strict=True)]
    judged = [outcome.judgement for outcome in outcomes if outcome.judgement]
    said = {(label.question, label.answer): label.right for label in labels}
    both = [
        one
        for one in outcomes
        if one.judgement and one.answer and (one.question, one.answer.text) in said
    ]
    return RecipeRow(
        recipe=recipe,
        summary=summarise([outcome.score for outcome in outcomes]),
        interval=Interval(interval.mean, max(0.0, interval.low), min(1.0, interval.high)),
        first_token_s=_percentiles([answer.timings.first_token_s for answer in answers]),
        total_s=_percentiles([answer.timings.total_s for answer in answers]),
        prompt_tokens=prompt,
        completion_tokens=written,
        errors=len(outcomes) - len(answers),
        model=answers[0].model if answers else "",
        peak_mb=peak_mb,
        prepare_s=prepare_s,
        disk_mb=disk_mb,
        cost=(prompt * prices[0] + written * prices[1]) / 1000 if prices else None,
        by_kind={kind: (len(points), _mean(points)) for kind, points in sorted(kinds.items())},
        curve=tuple(curve(held)),
        calibration=calibrate(held, clusters),
        judged=sum(one.right is True for one in judged) / len(outcomes) if judged else None,
        judge_errors=sum(one.right is None for one in judged),
        agreement=agreement(
            [one.judgement for one in both if one.judgement],
            [said[one.question, one.answer.text] for one in both if one.answer],
            [cluster(questions[one.question]) for one in both],
        ),
    )


def _held(outcome: Outcome, points: float) -> Held:
    """How near the answer is to what it cites stands for how sure it is."""
    sure = None if outcome.answer is None or outcome.answer.abstained else outcome.score.supported
    return Held(sure, points, points if sure is None else float(not outcome.score.answerable))


def _percentiles(values: Sequence[float]) -> Percentiles:
    return (
        (float(np.percentile(values, 50)), float(np.percentile(values, 95)))
        if values
        else (0.0, 0.0)
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
