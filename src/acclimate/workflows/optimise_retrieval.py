"""The search for the best retrieval and prompt of a project: candidates are compared on dev, and
the winner is compared once with the present settings on test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from acclimate.errors import AcclimateError, SettingsError
from acclimate.evaluation.comparison import Comparison, Metric
from acclimate.evaluation.comparison_run import shuffled
from acclimate.evaluation.entry import AnswerQuestion, ComparisonProgress
from acclimate.evaluation.halving import Budget, Found, Trace, Trial, halve
from acclimate.evaluation.measures import require_by_words
from acclimate.evaluation.metrics import Score, score
from acclimate.prompting.recipes import find_recipe
from acclimate.types import Question
from acclimate.workflows.compare import CompareOptions, compare_entries
from acclimate.workflows.stage import make_entry
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.workspace import Workspace

AS_IT_IS = "as it is"
FOUND = "found"
_SHARE = 0.6  # of the minutes for choosing; the rest is for the test
# One choice at a time first, then those that often help together. A wider net needs more questions
# than people have.
_CHOICES: tuple[Mapping[str, Any], ...] = (
    {"k": 2},
    {"k": 6},
    {"k": 8},
    {"method": "dense"},
    {"method": "text"},
    {"dense_weight": 0.5},
    {"fusion": "rrf"},
    {"neighbours": 1, "k": 3},
    {"diversity": 0.3},
    {"method": "text", "k": 2},
    {"dense_weight": 0.5, "k": 2},
)
_PROMPTS = ("few-shot", "cot")

OnTrial = Callable[[Trial, int], None]


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found: the lines to put into acclimate.toml, the rounds on dev, and the
    comparison on test."""

    recipe: str
    settings: Mapping[str, Any]
    found: Found
    comparison: Comparison

    @property
    def toml(self) -> str:
        """The winner as lines of acclimate.toml; "" where the settings are best as they are."""
        if self.found.winner == AS_IT_IS:
            return ""
        lines = [f"{name} = {json.dumps(value)}" for name, value in self.settings.items()]
        retrieval = "\n".join(["[retrieval]", *lines, ""]) if lines else ""
        return f'{retrieval}[answer]\nrecipe = "{self.recipe}"'


@dataclass(frozen=True, slots=True)
class RetrievalCandidate:
    """A recipe with settings of [retrieval] that differ from the project's."""

    recipe: str
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its recipe and what is different."""
        return " ".join(
            [self.recipe, *(f"{name}={value}" for name, value in self.settings.items())]
        )


def candidates(workspace: Workspace, recipe: str) -> dict[str, RetrievalCandidate]:
    """The choices worth trying around a recipe, by name; the project as it is comes first."""
    now = workspace.settings.retrieval
    found = {AS_IT_IS: RetrievalCandidate(recipe, {})}
    for choice in _CHOICES:
        if any(getattr(now, name) != value for name, value in choice.items()):
            one = RetrievalCandidate(recipe, choice)
            found[one.name] = one
    solved = any(question.split == "train" for question in workspace.questions())
    parts = recipe.split("+")
    for part in _PROMPTS:
        if (
            part not in parts
            and (solved or part != "few-shot")
            and not ({"few-shot", "cot"} & set(parts))
        ):
            one = RetrievalCandidate(f"{recipe}+{part}", {})
            found[one.name] = one
    return found


def search(
    workspace: Workspace,
    recipe: str,
    *,
    metric: Metric,
    minutes: float,
    progress: ComparisonProgress | None = None,
    on_trial: OnTrial | None = None,
) -> Searched:
    """Choose on the questions of dev within the minutes, then compare winner and present settings
    on test.

    Stopped, it goes on where it was, as long as documents, questions and settings are the same.
    Raises SettingsError where the recipe reads no documents, where dev or test is empty, or where
    the minutes are too few.
    """
    require_by_words(metric)
    if not find_recipe(recipe).reads:
        raise SettingsError(
            f"'{recipe}' retrieves nothing to search for.", hint="Search around rag."
        )
    dev = {
        question.id: question
        for question in shuffled(workspace.questions())
        if question.split == "dev"
    }
    if not dev:
        raise SettingsError(
            "there are no dev questions to choose by.", hint="acclimate questions split"
        )
    tried = candidates(workspace, recipe)
    scorer = _Scorer(workspace, tried, dev, metric)
    file = workspace.layout.comparisons / f"search-{scorer.key}.jsonl"
    with Trace(file) as trace:
        found = halve(
            list(tried), list(dev), scorer, Budget(minutes=minutes * _SHARE), trace, on_trial
        )
    best = tried[found.winner]
    entries = [make_entry(workspace, find_recipe(recipe), name=AS_IT_IS)]
    if found.winner != AS_IT_IS:
        entries.append(
            make_entry(scorer.workspace_of(found.winner), find_recipe(best.recipe), name=FOUND)
        )
    notes = [
        f"“{FOUND}” is {best.name}, chosen among {len(tried)} on {len(dev)} dev questions in "
        f"{found.calls} answers."
        if found.winner != AS_IT_IS
        else f"None of {len(tried) - 1} other choices was better on {len(dev)} dev questions in "
        f"{found.calls} answers."
    ]
    comparison = compare_entries(
        workspace,
        entries,
        CompareOptions("test", metric, minutes=minutes * (1 - _SHARE)),
        progress,
        notes,
    )
    return Searched(best.recipe, best.settings, found, comparison)


@dataclass(slots=True)
class _Scorer:
    """Scores a candidate on a question; an answer that fails scores 0."""

    workspace: Workspace
    tried: Mapping[str, RetrievalCandidate]
    dev: Mapping[str, Question]
    metric: Metric
    _workspaces: dict[str, Workspace] = field(default_factory=dict)
    _running: dict[str, AnswerQuestion] = field(default_factory=dict)

    def __call__(self, name: str, item: str) -> float:
        question = self.dev[item]
        try:
            if name not in self._running:
                answerer = open_answerer(self.workspace_of(name), self.tried[name].recipe)
                self._running[name] = lambda asked: answerer.answer(
                    asked.question, turns=asked.turns
                )
            got = score(question, self._running[name](question), None)
        except AcclimateError:
            got = Score(0.0, 0.0, False, question.answerable)
        return float(getattr(got, self.metric) or 0.0)

    def workspace_of(self, name: str) -> Workspace:
        """The project with a candidate's settings."""
        if name not in self._workspaces:
            settings = self.workspace.settings
            retrieval = settings.retrieval.model_copy(update=dict(self.tried[name].settings))
            self._workspaces[name] = self.workspace.sharing(
                settings.model_copy(update={"retrieval": retrieval})
            )
        return self._workspaces[name]

    @property
    def key(self) -> str:
        """Stands for everything that the scores depend on."""
        keys = [
            make_entry(self.workspace_of(n), find_recipe(one.recipe)).key
            for n, one in self.tried.items()
        ]
        depends: Sequence[Any] = [
            keys,
            [_depends(question) for question in self.dev.values()],
            self.metric,
        ]
        return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:12]


def _depends(question: Question) -> str:
    """What a score depends on; where nothing beside words is scored, as it always was."""
    told = (question.facts, question.wrong, *question.turns)
    return repr(question) + (repr(told) if any(told) else "")
