"""A project's recipes as entries of a comparison: what each answer depends on, and what each
recipe costs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate._version import __version__
from acclimate.embeddings.tuned import WEIGHTS
from acclimate.errors import SettingsError, nearest
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import (
    ComparisonProgress,
    ComparisonRun,
    Entry,
    Judges,
    NoProgress,
    Setting,
    compare,
    shuffled,
)
from acclimate.evaluation.comparison import Comparison, Metric, save
from acclimate.evaluation.judge import read_labels
from acclimate.evaluation.machine import describe_machine
from acclimate.evaluation.report import render_html, render_markdown
from acclimate.evaluation.verdicts import first_word
from acclimate.models.adapters import weights_file
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.prompting.replies import ask
from acclimate.settings_sections import ModelSettings
from acclimate.system import ending
from acclimate.types import Answer, Generation, Message, Question
from acclimate.workflows.questions import find_leaks
from acclimate.workspace.answerer import open_answerer, require_documents
from acclimate.workspace.encoders import tuned_folders
from acclimate.workspace.extractor import fingerprint as extractor_fingerprint
from acclimate.workspace.style import manner_of, passages_for
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:
    from acclimate.models.base import Engine

_JUDGE_TOKENS, _JUDGE_ALOUD = 8, 1024  # of a word, and of a judge that says more


def compare_recipes(  # noqa: PLR0913
    workspace: Workspace,
    recipes: Sequence[str],
    *,
    split: str,
    metric: Metric,
    limit: int | None,
    minutes: float | None,
    optional: Sequence[str] = (),
    nli: Path | None = None,
    progress: ComparisonProgress | None,
) -> Comparison:
    """See `Project.compare`."""
    wanted = [find_recipe(name) for name in dict.fromkeys((*recipes, *optional))]
    if any(one.reads for one in wanted):
        require_documents(
            workspace
        )  # else every answer would abstain, and say nothing about the recipe
    entries = [
        make_entry(workspace, one, required=one.name in recipes or not recipes) for one in wanted
    ]
    _require_unlearnt(workspace, wanted, _asked(workspace, split))
    return compare_entries(
        workspace,
        entries,
        split=split,
        metric=metric,
        limit=limit,
        minutes=minutes,
        nli=nli,
        progress=progress,
    )


def compare_entries(  # noqa: PLR0913
    workspace: Workspace,
    entries: Sequence[Entry],
    *,
    split: str,
    metric: Metric,
    limit: int | None = None,
    minutes: float | None = None,
    nli: Path | None = None,
    progress: ComparisonProgress | None = None,
    notes: Sequence[str] = (),
) -> Comparison:
    """Compare on the questions of a split; answers are kept in `.acclimate/comparisons`."""
    every = _asked(workspace, split)
    chosen = shuffled(every)[:limit] if limit else every
    drawn = (
        [f"{len(chosen)} of {len(every)} questions were drawn, as asked."]
        if len(chosen) < len(every)
        else []
    )
    with closing(AnswerCache(workspace.layout.answers)) as cache:
        comparison_run = ComparisonRun(
            chosen, evidence_spans(workspace, chosen), cache, progress or NoProgress()
        )
        setting = Setting(
            workspace.folder.resolve().name, split, metric, describe_machine(), (*notes, *drawn)
        )
        return compare(comparison_run, entries, setting, minutes, _judges(workspace, nli))


def _asked(workspace: Workspace, split: str) -> list[Question]:
    every = [question for question in workspace.questions() if split in ("", question.split)]
    if not every:
        there = sorted({question.split for question in workspace.questions() if question.split})
        raise SettingsError(
            f"{workspace.layout.questions} holds no question of the split '{split}'.",
            hint=f"{nearest(split, there)} acclimate questions make, or import; then acclimate "
            f"questions split".strip(),
        )
    return every


def _judges(workspace: Workspace, nli: Path | None) -> Judges:
    """The embedder always; an entailment model and a judging model where they are named."""
    entail, chosen = None, workspace.settings.judge
    if nli is not None:
        from acclimate.models.entailment import EntailmentModel  # PyTorch

        entail = EntailmentModel(nli)
    labels = read_labels(workspace.layout.labels)
    return Judges(
        lambda texts: workspace.embedder.embed_queries(texts),  # loaded only where there are texts
        entail,
        Judging(workspace) if chosen.name else None,
        f"{chosen.engine} {chosen.base_url} {chosen.name}",
        labels,
    )


class Judging:
    """Asks the model of [judge], which is loaded at the first question, when the recipes are done
    with theirs."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._engine: Engine | None = None

    def __call__(self, messages: Sequence[Message]) -> str:
        """What it says; who says more than a word has room for it."""
        if self._engine is None:
            workspace, chosen = self._workspace, self._workspace.settings.judge
            workspace.keep_only(None)
            named = chosen.model_dump(include={"engine", "name", "base_url", "api_key_env"})
            model = ModelSettings(**named, adapter="none")
            judging = workspace.sharing(
                workspace.settings.model_copy(update={"model": model}), share_models=False
            )
            self._engine = judging.engine("zero-shot")
        done = ask(self._engine, messages, Generation(max_tokens=_JUDGE_TOKENS))
        if done.finish == "length" and not first_word(done.text):
            left = self._engine.context_tokens - self._engine.count(messages)
            done = ask(
                self._engine,
                messages,
                Generation(max_tokens=max(_JUDGE_TOKENS, min(_JUDGE_ALOUD, left))),
            )
        return done.text


def _require_unlearnt(
    workspace: Workspace, recipes: Sequence[Recipe], asked: Sequence[Question]
) -> None:
    """Raises SettingsError where an adapter was trained on what it is asked."""
    for recipe in recipes:
        taught = {workspace.adapter(recipe): recipe.adapter_name} if recipe.adapter else {}
        if recipe.reads:
            taught |= {
                folder: f"--target {folder.name}"
                for folder in tuned_folders(workspace.folder, workspace.settings)
            }
        for folder, how in taught.items():
            if folder and (found := find_leaks(workspace, asked, [folder], train=False)):
                first = found[0]
                raise SettingsError(
                    f"'{recipe.name}' uses {folder.name}, which was trained on {len(found)} of "
                    f"these questions or "
                    f"their documents ({first.second.id}: {first.kind}), so its score would mean "
                    f"nothing.",
                    hint=f"acclimate tune {how}",
                )


def make_entry(
    workspace: Workspace, recipe: Recipe, *, name: str = "", required: bool = True
) -> Entry:
    """A recipe as the comparison runs it, under its own name or another; raises what running it
    would, before anything has run."""
    adapter, settings = workspace.adapter(recipe), workspace.settings
    model = settings.model
    manner = manner_of(workspace, recipe)
    answered = recipe.in_style("full" if manner == "written" else "short")
    depends: dict[str, Any] = {
        "version": __version__,
        "recipe": {key: value for key, value in asdict(recipe).items() if key != "style"},
        "template": workspace.template(answered.template).fingerprint,
        "model": model.model_dump(mode="json", exclude={"adapter", "prompt_price", "answer_price"}),
        "weights": ""
        if model.engine == "openai"
        else workspace.local_model(model.name, "language").sha256,
        "adapter": _sha256(weights_file(adapter)) if adapter else "",
    }
    prepare_s, folders = 0.0, [adapter] if adapter and recipe.adapter else []
    if recipe.reads:
        workspace.retriever()  # raises before the first ingest
        record = workspace.library.record
        depends |= {"library": record.id, "generation": record.generation}
        if tuned := [
            _sha256(folder / WEIGHTS)
            for folder in tuned_folders(workspace.folder, workspace.settings)
        ]:
            depends["encoders"] = tuned
        shown = {"k": passages_for(workspace, recipe)}
        depends |= {
            "retrieval": settings.retrieval.model_dump(mode="json") | shown,
            "overflow": settings.answer.overflow,
            "tables": settings.answer.tables,
        }
        extractor = extractor_fingerprint(
            settings.answer.extractor, workspace.layout, workspace.local_model
        )
        depends |= {"second": settings.answer.second_reader, "extractor": extractor}
        prepare_s += record.ingests.seconds
        folders.append(workspace.library.folder / "indexes")
    depends |= {} if manner == "short" else {"style": manner}
    if recipe.few_shot:
        solved = [
            asdict(question) for question in workspace.questions() if question.split == "train"
        ]
        depends |= {"shots": settings.answer.shots, "solved": solved}
    if adapter and (log := adapter / "training.json").is_file():
        prepare_s += float(json.loads(log.read_text(encoding="utf-8"))["seconds"])
    prices = (model.prompt_price or 0.0, model.answer_price or 0.0)
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return Entry(
        recipe=name or recipe.name,
        prepare=lambda: _prepare(workspace, recipe, adapter),
        key=hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest(),
        prepare_s=prepare_s,
        disk_mb=sum(file.stat().st_size for file in files) / 1e6,
        prices=prices if any(prices) else None,
        group=str(adapter),
        required=required,
    )


def _prepare(
    workspace: Workspace, recipe: Recipe, adapter: Path | None
) -> Callable[[Question], Answer]:
    """Load a recipe's models, and free the others first: its peak memory is then its own."""
    workspace.keep_only(adapter)
    answerer = open_answerer(workspace, recipe.name)
    return lambda question: answerer.answer(question.question)


def evidence_spans(
    workspace: Workspace, questions: Sequence[Question]
) -> dict[str, tuple[int, int]]:
    """Where each question's evidence stands in its document, by question id."""
    if not workspace.layout.ingested:
        return {}
    spans = {}
    for question in questions:
        document = (
            workspace.library.record.document(question.document) if question.document else None
        )
        if document and question.evidence and (start := document.text.find(question.evidence)) >= 0:
            spans[question.id] = (start, start + len(question.evidence))
    return spans


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def save_comparison(
    folder: Path, comparison: Comparison, earlier: Comparison | None = None
) -> Path:
    """Write a comparison as JSON, Markdown and HTML into `folder`; the HTML file.

    The report shows the differences from `earlier`.
    """
    report = report_file(folder, comparison)
    markdown, page = render_markdown(comparison, earlier), render_html(comparison, earlier)
    with ending.held():  # all three or none
        save(comparison, report.with_suffix(".json"))
        report.with_suffix(".md").write_text(markdown, encoding="utf-8")
        report.write_text(page, encoding="utf-8")
    return report


def report_file(folder: Path, comparison: Comparison) -> Path:
    """Where the HTML report of a comparison is in `folder`, once it is saved."""
    name = comparison.created.replace(":", "").replace("+0000", "Z")
    return folder / f"{name}.html"
