"""Choosing a recipe's instruction and examples by their score on the project's dev questions.

Candidates are instruction variants (`templates/NAME.*.txt`, shipped or the user's own) times
examples: none, the nearest, and sets that the model solved by itself. Successive halving tells them
apart within a budget. The test split is never touched: it is what `acclimate compare` judges the
winner by.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from acclimate.errors import AcclimateError, SettingsError
from acclimate.evaluation.comparison import Metric
from acclimate.evaluation.comparison_run import shuffled
from acclimate.evaluation.halving import Budget, Found, Trace, Trial, halve
from acclimate.evaluation.metrics import score
from acclimate.evaluation.rows import cluster
from acclimate.evaluation.statistics import Difference, difference
from acclimate.prompting.demonstrations import (
    Demonstrate,
    Demonstration,
    fixed,
    write_demonstrations,
)
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.prompting.templates import Template, load_template, parse_template
from acclimate.settings_file import set_key
from acclimate.system import ending
from acclimate.types import Question, Style
from acclimate.workflows.compare import evidence_spans
from acclimate.workflows.reflect import reflect
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.demonstrations import bootstrapped, chosen_file, demonstrate
from acclimate.workspace.workspace import ALL, Workspace

AS_IT_IS = "as it is"
SURE = 0.1
"""The winner is taken where the chance of such a gain by luck alone is below this."""
# Examples of a set, sets of each size, solved questions that they are drawn from.
_SIZES, _SETS, _POOL = (
    (2, 4),
    2,
    12,
)


@dataclass(frozen=True, slots=True)
class PromptCandidate:
    """An instruction with examples. `shown` are fixed examples, `nearest` how many near ones;
    neither: none."""

    name: str
    template: Template
    text: str
    shown: tuple[Demonstration, ...] = ()
    nearest: int = 0


@dataclass(frozen=True, slots=True)
class Optimised:
    """What a search found.

    `gain` is winner less baseline on the same dev questions (None: the baseline won); `taken` says
    whether it was written into the workspace, to the files `written`; `use` is the recipe to ask by
    then.
    """

    recipe: str
    metric: str
    found: Found
    gain: Difference | None
    taken: bool
    use: str
    written: tuple[Path, ...]
    notes: tuple[str, ...]
    trace: Path


def optimise_recipe(
    workspace: Workspace,
    name: str,
    *,
    split: str = "dev",
    metric: Metric = "f1",
    budget: Budget,
    take: bool = False,
    reflect_by: str = "",
    on_trial: Callable[[Trial, int], None] | None = None,
) -> Optimised:
    """Search, and write the winner where the project uses it.

    It is taken where its gain over the recipe as it is is measurable, or `take` says so. The model
    `reflect_by` proposes further instructions ("": none does). Raises SettingsError for any split
    but dev, and where there are too few questions or calls.
    """
    questions = _dev(workspace, split)
    recipe = find_recipe(name)
    if recipe.context == "either":
        raise SettingsError(
            "'auto' is not a recipe of its own.", hint="Optimise 'rag' or 'stuffing'."
        )
    proposed: Mapping[str, tuple[Template, str]] = {}
    told: tuple[str, ...] = ()
    if reflect_by:
        text = _text(recipe.template, workspace.layout.templates)
        reflected = reflect(workspace, recipe, text, reflect_by, metric)
        proposed, told = reflected.variants, reflected.notes
    candidates, notes = make_candidates(workspace, recipe, proposed)
    scorer = _Scorer(workspace, recipe, candidates, questions, metric)
    trace = workspace.layout.optimisations / f"{_key(workspace, recipe, candidates, metric)}.jsonl"
    with Trace(trace) as kept:
        items = [question.id for question in questions]
        found = halve([one.name for one in candidates], items, scorer, budget, kept, on_trial)
    winner = next(one for one in candidates if one.name == found.winner)
    gain = None
    if winner.name != AS_IT_IS:
        shared, best, base = found.paired(winner.name, AS_IT_IS)
        by_id = {question.id: question for question in questions}
        gain = difference(best, base, [cluster(by_id[item]) for item in shared])
    taken = gain is not None and gain.interval.mean > 0 and (take or gain.p < SURE)
    use, written = _write(workspace, recipe, winner) if taken else (recipe.name, ())
    return Optimised(recipe.name, metric, found, gain, taken, use, written, (*told, *notes), trace)


def make_candidates(
    workspace: Workspace,
    recipe: Recipe,
    proposed: Mapping[str, tuple[Template, str]] | None = None,
) -> tuple[list[PromptCandidate], list[str]]:
    """The recipe as it is, then every variant (those `proposed` among them) with every choice of
    examples; and what could not be made."""
    folder = workspace.layout.templates
    current = load_template(recipe.template, folder)
    variants = {
        "": (current, _text(recipe.template, folder)),
        **_variants(recipe.template, folder),
        **(proposed or {}),
    }
    choices: list[tuple[str, tuple[Demonstration, ...], int]] = [("no examples", (), 0)]
    notes = []
    if recipe.reasoning != "two-stage" and any(
        question.split == "train" for question in workspace.questions()
    ):
        if recipe.reasoning == "none":
            choices += [(f"{size} nearest", (), size) for size in _SIZES]
        try:
            pool = bootstrapped(
                workspace, replace(recipe.plain, shown="bootstrapped"), _POOL, open_answerer
            )
            choices += _sets(pool)
        except SettingsError as error:
            notes.append(str(error))
    else:
        notes.append(
            "no examples were tried: there are no train questions, or the recipe shows none."
        )
    candidates = [PromptCandidate(AS_IT_IS, *variants[""])]
    for variant, (template, text) in variants.items():
        for choice, shown, nearest in choices:
            if variant or choice != "no examples" or recipe.few_shot:
                called = f"{variant or recipe.template}, {choice}"
                candidates.append(PromptCandidate(called, template, text, shown, nearest))
    return candidates, notes


def _sets(pool: Sequence[Demonstration]) -> list[tuple[str, tuple[Demonstration, ...], int]]:
    """Different sets of solved questions, drawn by a fixed seed."""
    rng, found = random.Random(0), {}  # noqa: S311
    for size in (size for size in _SIZES if size <= len(pool)):
        for _ in range(_SETS):
            places = tuple(sorted(rng.sample(range(len(pool)), size)))
            found[places] = tuple(pool[place] for place in places)
    return [
        (f"solved {'+'.join(str(place + 1) for place in places)}", shown, 0)
        for places, shown in found.items()
    ]


def _dev(workspace: Workspace, split: str) -> list[Question]:
    """The questions to choose by. Raises SettingsError for the test split, and for a split without
    questions."""
    if split != "dev":
        raise SettingsError(
            f"a prompt is not chosen on the split '{split}'.",
            hint="Choose on dev, and judge on test: acclimate compare.",
        )
    found = shuffled(
        [question for question in workspace.single_questions() if question.split == split]
    )
    if not found:
        raise SettingsError(
            f"{workspace.layout.questions} holds no question of the split 'dev'.",
            hint='Give some questions "split": "dev", others "test": acclimate questions split',
        )
    return found


def _variants(name: str, folder: Path) -> dict[str, tuple[Template, str]]:
    """Other wordings of a template: `NAME.*.txt`, the user's own before those that ship."""
    shipped = Path(str(resources.files("acclimate.prompting") / "templates"))
    files = {
        file.stem: file
        for place in (shipped, folder)
        for file in sorted(place.glob(f"{name}.*.txt"))
    }
    texts = {stem: file.read_text(encoding="utf-8") for stem, file in files.items()}
    return {stem: (parse_template(name, text), text) for stem, text in texts.items()}


def _text(name: str, folder: Path) -> str:
    own = folder / f"{name}.txt"
    shipped = resources.files("acclimate.prompting") / "templates" / f"{name}.txt"
    return (own if own.is_file() else shipped).read_text(encoding="utf-8")


class _Scorer:
    """Answers a dev question by a candidate and scores it; an answer that fails scores 0."""

    def __init__(
        self,
        workspace: Workspace,
        recipe: Recipe,
        candidates: Sequence[PromptCandidate],
        questions: Sequence[Question],
        metric: Metric,
    ) -> None:
        self._workspace, self._recipe, self._metric = workspace, recipe, metric
        self._questions = {question.id: question for question in questions}
        self._evidence = evidence_spans(workspace, questions)
        style: Style = "full" if recipe.style == "full" else "short"  # whose template is tried
        self._as_it_is = open_answerer(workspace, recipe.name, style=style)
        self._plain = (
            open_answerer(workspace, recipe.plain.name, style=style)
            if recipe.few_shot
            else self._as_it_is
        )
        self._near: Demonstrate | None = None
        self._candidates = {one.name: one for one in candidates}

    def __call__(self, name: str, item: str) -> float:
        question, answerer = self._questions[item], self._as_it_is
        if name != AS_IT_IS:
            candidate = self._candidates[name]
            answerer = replace(
                self._plain, template=candidate.template, demonstrate=self._examples(candidate)
            )
        try:
            answer = answerer.answer(question.question)
        except AcclimateError:
            return 0.0
        points = score(question, answer, self._evidence.get(item))
        return float(getattr(points, self._metric) or 0.0)

    def _examples(self, candidate: PromptCandidate) -> Demonstrate | None:
        if not candidate.nearest:
            return fixed(candidate.shown) if candidate.shown else None
        if self._near is None:
            recipe = replace(self._recipe.plain, shown="nearest")
            self._near = demonstrate(self._workspace, recipe, ALL, open_answerer, shots=max(_SIZES))
        near = self._near
        return lambda asked: near(asked)[-candidate.nearest :]


@ending.held()
def _write(
    workspace: Workspace, recipe: Recipe, winner: PromptCandidate
) -> tuple[str, tuple[Path, ...]]:
    """Write the winner's instruction, examples and recipe; the recipe's name, and the files that
    changed."""
    folder, files = workspace.layout.templates, []
    folder.mkdir(exist_ok=True)
    own = folder / f"{recipe.template}.txt"
    if winner.text != _text(recipe.template, folder):
        if own.is_file():  # not lost: it stays a variant
            own.replace(folder / f"{recipe.template}.before.txt")
        own.write_text(winner.text, encoding="utf-8")
        files.append(own)
    use = recipe.plain.name
    if winner.shown:
        use += "+few-shot-fixed"
        write_demonstrations(chosen_file(workspace, recipe), winner.shown)
        files.append(chosen_file(workspace, recipe))
    if winner.nearest:
        use += "+few-shot"
        set_key(workspace.file, "answer", "shots", winner.nearest)
    set_key(workspace.file, "answer", "recipe", use)
    return use, (*files, workspace.file)


def _key(
    workspace: Workspace, recipe: Recipe, candidates: Sequence[PromptCandidate], metric: Metric
) -> str:
    """What a search's scores depend on."""
    settings = workspace.settings.model_dump(mode="json", exclude={"answer": {"recipe"}})
    depends: list[Any] = [
        recipe.name,
        metric,
        settings,
        [[one.name, one.text] for one in candidates],
    ]
    depends.append(
        [[one.question, one.answer] for candidate in candidates for one in candidate.shown]
    )
    depends.append([[one.question, one.answers] for one in workspace.single_questions()])
    if recipe.reads:
        depends.append([workspace.library.record.id, workspace.library.record.generation])
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]
