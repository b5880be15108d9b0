"""A recipe's row of the table, from its outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from acclimate.evaluation.abstention import Held, calibrate, curve
from acclimate.evaluation.comparison import Outcome, RecipeRow
from acclimate.evaluation.entry import Entry
from acclimate.evaluation.judge import Agreement, Label, agreement
from acclimate.evaluation.luck import of
from acclimate.evaluation.measures import Counted
from acclimate.evaluation.metrics import summarise
from acclimate.evaluation.statistics import mean_interval
from acclimate.types import Question

Percentiles = tuple[float, float]


def cluster(question: Question) -> Hashable:
    """What a question is resampled with: its document, or itself where it has none."""
    return question.document or ("question", question.id)


def make_row(
    entry: Entry,
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    counted: Counted,
    *,
    repeats: Sequence[Sequence[Outcome]] = (),
    peak_mb: float | None = None,
    labels: Sequence[Label] = (),
    parallel: int = 1,
) -> RecipeRow:
    """The row of a entry, with the deciding measure's values in `counted`; `repeats` are the
    outcomes of its other seeds. Raises ValueError for no outcomes."""
    every = [*outcomes, *(one for some in repeats for one in some)]
    answers = [outcome.answer for outcome in every if outcome.answer]
    counting = [outcomes[place] for place in counted.places]
    values = counted.rows[entry.recipe]
    asked = [questions[outcome.question] for outcome in counting]
    clusters = [cluster(question) for question in asked]
    luck = of(counted.luck(clusters), entry.recipe)
    interval = mean_interval(values, clusters, luck=luck)
    if all(0 <= one <= 1 for one in values):
        interval = replace(interval, low=max(0.0, interval.low), high=min(1.0, interval.high))
    prompt = _mean([answer.usage.prompt_tokens for answer in answers])
    written = _mean([answer.usage.completion_tokens for answer in answers])
    prices = entry.prices
    held = [_held(outcome, points) for outcome, points in zip(counting, values, strict=True)]
    judged = [outcome.judgement for outcome in outcomes if outcome.judgement]
    return RecipeRow(
        recipe=entry.recipe,
        summary=summarise([outcome.score for outcome in every]),
        interval=interval,
        first_token_s=_percentiles([answer.timings.first_token_s for answer in answers]),
        total_s=_percentiles([answer.timings.total_s for answer in answers]),
        prompt_tokens=prompt,
        completion_tokens=written,
        errors=len(every) - len(answers),
        model=_most(answer.model for answer in answers),
        peak_mb=peak_mb,
        prepare_s=entry.prepare_s,
        disk_mb=entry.disk_mb,
        cost=(prompt * prices[0] + written * prices[1]) / 1000 if prices else None,
        by_kind=_by_kind(asked, values),
        curve=tuple(curve(held)),
        calibration=calibrate(held, clusters),
        judged=sum(one.right is True for one in judged) / len(outcomes) if judged else None,
        judge_errors=sum(one.right is None for one in judged),
        agreement=_agreement(outcomes, questions, labels),
        parallel=parallel,
        documents=entry.documents,
        seeds=_seeds(entry, repeats, counted.runs.get(entry.recipe, ())),
    )


def _seeds(
    entry: Entry, repeats: Sequence[Sequence[Outcome]], runs: Sequence[Sequence[float]]
) -> dict[int, float]:
    """The mean of each run, by its seed."""
    seeds = [entry.seed, *(some[0].seed for some in repeats)]
    means = {} if not runs else dict(zip(seeds, map(_mean, runs), strict=True))
    return {seed: mean for seed, mean in means.items() if seed is not None}


def _by_kind(asked: Sequence[Question], values: Sequence[float]) -> dict[str, tuple[int, float]]:
    kinds: dict[str, list[float]] = {}
    for question, points in zip(asked, values, strict=True):
        kinds.setdefault(question.kind or "other", []).append(points)
    return {kind: (len(points), _mean(points)) for kind, points in sorted(kinds.items())}


def _agreement(
    outcomes: Sequence[Outcome], questions: Mapping[str, Question], labels: Sequence[Label]
) -> Agreement | None:
    said = {(label.question, label.answer): label.right for label in labels}
    both = [
        one
        for one in outcomes
        if one.judgement and one.answer and (one.question, one.answer.text) in said
    ]
    return agreement(
        [one.judgement for one in both if one.judgement],
        [said[one.question, one.answer.text] for one in both if one.answer],
        [cluster(questions[one.question]) for one in both],
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


def _most(models: Iterable[str]) -> str:
    """What gave most of the answers; "" where there are none."""
    counted = Counter(models).most_common(1)
    return counted[0][0] if counted else ""
