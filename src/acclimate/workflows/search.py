"""The search for a project's best chunks, retrieval, style, prompt and model: candidates are compared
on dev within minutes or money, and the winner is compared once with the present settings on test.

Choices are tried one at a time by successive halving. Those that were better alone are then tried
together, in a second one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import Comparison, Metric
from acclimate.evaluation.comparison_run import shuffled
from acclimate.evaluation.entry import ComparisonProgress
from acclimate.evaluation.halving import Budget, Found, Trace, Trial, halve
from acclimate.evaluation.measures import require_by_words
from acclimate.settings_sections import ModelSettings
from acclimate.types import Question
from acclimate.workflows.compare import CompareOptions, compare_entries
from acclimate.workflows.entries import OWN, model_of
from acclimate.workflows.search_candidates import AS_IT_IS, SearchCandidate, candidates, together
from acclimate.workflows.search_run import SearchRun, can_chunk
from acclimate.workflows.stage import Stage, make_entry
from acclimate.workspace.workspace import Workspace

FOUND = "found"
_SHARE = 0.6  # of the minutes and the money for choosing; the rest is for the test
_SINGLE = 2 / 3  # of that, for choices one at a time
_LEAST_TEST = 10  # questions that the money must be enough for

OnTrial = Callable[[Trial, int], None]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Where to search from, what decides, and within what: `money` None is no bound, `models` are
    tried beside the recipe's own."""

    recipe: str = "rag"
    metric: Metric = "f1"
    minutes: float = 10.0
    money: float | None = None
    models: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found: the candidate to put into acclimate.toml, the rounds on dev, and the
    comparison on test."""

    best: SearchCandidate
    found: Found
    comparison: Comparison
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> str:
        """The recipe that was best."""
        return self.best.wanted.recipe.name

    @property
    def toml(self) -> str:
        """The winner as lines of acclimate.toml; "" where the settings are best as they are."""
        if self.found.winner == AS_IT_IS:
            return ""
        sections: dict[str, Mapping[str, Any]] = {
            "chunking": self.best.chunking,
            **self.best.wanted.changed,
        }
        sections["model"] = {**self.model, **sections.get("model", {})}
        sections["answer"] = {**sections.get("answer", {}), "recipe": self.recipe}
        return "\n".join(
            "\n".join(
                [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
            )
            for name, values in sections.items()
            if values
        )


def search(
    workspace: Workspace,
    options: SearchOptions,
    *,
    progress: ComparisonProgress | None = None,
    on_trial: OnTrial | None = None,
) -> Searched:
    """Choose on the questions of dev within the budget, then compare winner and present settings on
    test.

    Stopped, it goes on where it was, as long as documents, questions and settings are the same.
    Raises SettingsError where the recipe reads no documents, where dev or test is empty, where the
    budget is not enough, or a model without prices should keep to it.
    """
    require_by_words(options.metric)
    can, notes = can_chunk(workspace, options.minutes)
    tried = candidates(workspace, options.recipe, options.metric, options.models, chunking=can)
    dev = _dev(workspace)
    run = SearchRun(workspace, dict(tried), dev, options.metric, Stage(workspace))
    winner = ""
    try:
        run.require_prices(options.money)
        for name, one in tried.items():
            if one.wanted.model != OWN:  # raises what stands against it before anything is asked
                make_entry(run.workspace_of(name), one.wanted.recipe)
        file = workspace.layout.comparisons / f"search-{_key(run, tried, options)}.jsonl"
        with Trace(file) as trace:
            found = _choose(run, options, trace, on_trial)
        done = _tested(run, found, options, progress, notes)
        winner = found.winner
        return done
    finally:
        run.close(winner)


def _choose(
    run: SearchRun, options: SearchOptions, trace: Trace, on_trial: OnTrial | None
) -> Found:
    """One choice at a time; then those that were good alone together, where the budget is enough
    for it."""
    items, names = list(run.dev), list(run.tried)
    share = _SHARE * _SINGLE
    alone = halve(names, items, run, _budget(options, share), trace, on_trial, run.price)
    first = alone.rounds[0]
    left = {name: first.means[name] for name in first.kept}
    combined = together(run.tried[AS_IT_IS].wanted, run.tried, left)
    if not combined:
        return alone
    run.tried |= combined
    second = list(dict.fromkeys([AS_IT_IS, alone.winner, *combined]))
    # What both have answered is taken from the trace, and has been paid for.
    paid = [trial for (name, _), trial in trace.trials.items() if name in (AS_IT_IS, alone.winner)]
    budget = _budget(options, _SHARE * (1 - _SINGLE))
    budget = Budget(
        minutes=(budget.minutes or 0.0) + sum(one.seconds for one in paid) / 60,
        money=None if budget.money is None else budget.money + sum(one.cost for one in paid),
    )
    try:
        both = halve(second, items, run, budget, trace, on_trial, run.price)
    except SettingsError:  # not even four questions: the single choice stands
        return alone
    return replace(
        both,
        rounds=(*alone.rounds, *both.rounds),
        scores={**alone.scores, **both.scores},
        calls=len(trace.trials),
        seconds=sum(one.seconds for one in trace.trials.values()),
        cost=sum(one.cost for one in trace.trials.values()),
    )


def _tested(
    run: SearchRun,
    found: Found,
    options: SearchOptions,
    progress: ComparisonProgress | None,
    notes: Sequence[str],
) -> Searched:
    """The winner beside the project as it is, on test."""
    best, workspace = run.tried[found.winner], run.workspace
    names = {AS_IT_IS: AS_IT_IS}
    if found.winner != AS_IT_IS:
        names[found.winner] = FOUND
    entries = [
        make_entry(
            run.workspace_of(name), run.tried[name].wanted.recipe, name=shown, stage=run.stage
        )
        for name, shown in names.items()
    ]
    told = (
        f"None of {len(run.tried) - 1} other choices was better on {len(run.dev)} dev questions in "
        f"{found.calls} answers."
        if found.winner == AS_IT_IS
        else f"“{FOUND}” is {best.name}, chosen among {len(run.tried)} on {len(run.dev)} dev "
        f"questions in {found.calls} answers."
    )
    chosen = CompareOptions(
        "test",
        options.metric,
        limit=_affordable(found, options, list(names)),
        minutes=options.minutes * (1 - _SHARE),
    )
    comparison = compare_entries(workspace, entries, chosen, progress, [told, *notes])
    spec = best.wanted.model
    model = None if spec == OWN else model_of(workspace.settings.model, spec)
    return Searched(best, found, comparison, _model_lines(model))


def _affordable(found: Found, options: SearchOptions, names: Sequence[str]) -> int | None:
    """How many test questions the rest of the money is enough for; None where there is no bound, or
    nothing costs anything."""
    if options.money is None or not found.cost:
        return None
    left = options.money - found.cost
    count = int(left / (found.cost / found.calls * len(names)))
    if count < _LEAST_TEST:
        raise SettingsError(
            f"what is left of {options.money:g} of money is enough for {max(0, count)} test "
            f"questions; {_LEAST_TEST} are the least.",
            hint="Give more --money: what was answered is kept.",
        )
    return count


def _dev(workspace: Workspace) -> dict[str, Question]:
    dev = {one.id: one for one in shuffled(workspace.questions()) if one.split == "dev"}
    if not dev:
        raise SettingsError(
            "there are no dev questions to choose by.", hint="acclimate questions split"
        )
    return dev


def _budget(options: SearchOptions, share: float) -> Budget:
    money = None if options.money is None else options.money * share
    return Budget(minutes=options.minutes * share, money=money)


def _key(run: SearchRun, tried: Mapping[str, SearchCandidate], options: SearchOptions) -> str:
    """Stands for everything that the scores depend on."""
    base = make_entry(run.workspace_of(AS_IT_IS), tried[AS_IT_IS].wanted.recipe)
    depends: Sequence[Any] = [
        base.key,
        sorted(tried),
        sorted(options.models),
        [_depends(question) for question in run.dev.values()],
        options.metric,
    ]
    return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:12]


def _depends(question: Question) -> str:
    """What a score depends on; where nothing beside words is scored, as it always was."""
    told = (question.facts, question.wrong, *question.turns)
    return repr(question) + (repr(told) if any(told) else "")


def _model_lines(model: ModelSettings | None) -> dict[str, Any]:
    """[model] of a model that was named."""
    if model is None:
        return {}
    lines = {"name": model.name}
    if model.base_url:
        lines |= {"engine": model.engine, "base_url": model.base_url}
    return lines
