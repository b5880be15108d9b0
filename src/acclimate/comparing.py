"""A project's recipes as contestants of a comparison: what each answer depends on, and what each recipe costs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate import __version__
from acclimate.errors import SettingsError
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import Contestant, Progress, Ring, Setting, Unheard, compare, shuffled
from acclimate.evaluation.comparison import Comparison, Metric
from acclimate.evaluation.machine import describe_machine
from acclimate.models.adapters import weights_file
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.prompting.templates import load_template
from acclimate.questioning import find_leaks
from acclimate.types import Answer, Question

if TYPE_CHECKING:
    from acclimate.project import Project


def compare_recipes(
    project: Project,
    recipes: Sequence[str],
    *,
    split: str,
    metric: Metric,
    limit: int | None,
    minutes: float | None,
    progress: Progress | None,
) -> Comparison:
    """See `Project.compare`."""
    every = [question for question in project.questions() if split in ("", question.split)]
    if not every:
        raise SettingsError(
            f"{project.folder / 'questions.jsonl'} holds no question of the split '{split}'.",
            hint='Write one object a line with "question", "answers", "document", "evidence" and "split".',
        )
    chosen = shuffled(every)[:limit] if limit else every
    wanted = [find_recipe(name) for name in dict.fromkeys(recipes)]
    contestants = [_contestant(project, recipe) for recipe in wanted]
    _require_unlearnt(project, wanted, chosen)
    notes = [f"{len(chosen)} of {len(every)} questions were drawn, as asked."] if len(chosen) < len(every) else []
    with closing(AnswerCache(project.folder / ".acclimate" / "comparisons" / "answers.db")) as cache:
        ring = Ring(chosen, evidence_spans(project, chosen), cache, progress or Unheard())
        setting = Setting(project.folder.resolve().name, split, metric, describe_machine(), tuple(notes))
        return compare(ring, contestants, setting, minutes)


def _require_unlearnt(project: Project, recipes: Sequence[Recipe], asked: Sequence[Question]) -> None:
    """Raises SettingsError where an adapter was trained on what it is asked."""
    for recipe in recipes:
        adapter = project.adapter(recipe) if recipe.adapter else None
        if adapter and (found := find_leaks(project, asked, [adapter], train=False)):
            first = found[0]
            raise SettingsError(
                f"'{recipe.name}' was trained on {len(found)} of these questions or their documents "
                f"({first.second.id}: {first.kind}), so its score would mean nothing.",
                hint=f"acclimate tune {recipe.adapter_name}",
            )


def _contestant(project: Project, recipe: Recipe) -> Contestant:
    """A recipe as the comparison runs it; raises what running it would, before anything has run."""
    adapter, settings = project.adapter(recipe), project.settings
    model = settings.model
    depends: dict[str, Any] = {
        "version": __version__,
        "recipe": asdict(recipe),
        "template": load_template(recipe.template, project.folder / "templates").fingerprint,
        "model": model.model_dump(mode="json", exclude={"adapter", "prompt_price", "answer_price"}),
        "weights": "" if model.engine == "openai" else project.local_model(model.name, "language").sha256,
        "adapter": _sha256(weights_file(adapter)) if adapter else "",
    }
    prepare_s, folders = 0.0, [adapter] if adapter and recipe.adapter else []
    if recipe.reads:
        project.retriever()  # raises before the first ingest
        record = project.library.record
        depends |= {"library": record.id, "generation": record.generation}
        depends |= {"retrieval": settings.retrieval.model_dump(mode="json"), "overflow": settings.answer.overflow}
        prepare_s += record.ingest_seconds
        folders.append(project.library.folder / "indexes")
    if recipe.few_shot:
        solved = [asdict(question) for question in project.questions() if question.split == "train"]
        depends |= {"shots": settings.answer.shots, "solved": solved}
    if adapter and (log := adapter / "training.json").is_file():
        prepare_s += float(json.loads(log.read_text(encoding="utf-8"))["seconds"])
    prices = (model.prompt_price or 0.0, model.answer_price or 0.0)
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return Contestant(
        recipe=recipe.name,
        prepare=lambda: _prepare(project, recipe, adapter),
        key=hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest(),
        prepare_s=prepare_s,
        disk_mb=sum(file.stat().st_size for file in files) / 1e6,
        prices=prices if any(prices) else None,
    )


def _prepare(project: Project, recipe: Recipe, adapter: Path | None) -> Callable[[Question], Answer]:
    """Load a recipe's models, and free the others first: its peak memory is then its own."""
    project.keep_only(adapter)
    answerer = project.answerer(recipe.name)
    return lambda question: answerer.answer(question.question)


def evidence_spans(project: Project, questions: Sequence[Question]) -> dict[str, tuple[int, int]]:
    """Where each question's evidence stands in its document, by question id."""
    if not (project.folder / ".acclimate" / "library.db").exists():
        return {}
    spans = {}
    for question in questions:
        document = project.library.record.document(question.document) if question.document else None
        if document and question.evidence and (start := document.text.find(question.evidence)) >= 0:
            spans[question.id] = (start, start + len(question.evidence))
    return spans


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
