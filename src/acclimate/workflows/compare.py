"""Comparisons of a project: its recipes with its models, and other systems' answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from acclimate.errors import ModelError, SettingsError, nearest
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.compare import Setting, compare
from acclimate.evaluation.comparison import Comparison, Metric, last_comparison, save
from acclimate.evaluation.comparison_run import ComparisonRun, shuffled
from acclimate.evaluation.drift import drifts
from acclimate.evaluation.entry import ComparisonProgress, Entry, NoProgress
from acclimate.evaluation.given import Given, read_given
from acclimate.evaluation.machine import describe_machine
from acclimate.evaluation.report import render_html, render_markdown
from acclimate.prompting.recipes import Recipe
from acclimate.system import ending
from acclimate.types import Question
from acclimate.workflows.cluster_engine import speakers_on_cluster
from acclimate.workflows.entries import OWN, Wanted, read_entries, settings_of
from acclimate.workflows.judges import open_judges
from acclimate.workflows.questions import find_leaks
from acclimate.workflows.read_documents import documents_note, documents_read
from acclimate.workflows.stage import Stage, make_entry, make_runs
from acclimate.workspace.answerer import require_documents
from acclimate.workspace.encoders import tuned_folders
from acclimate.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """How to compare; see `Project.compare` for each."""

    split: str = "test"
    metric: Metric = "f1"
    limit: int | None = None
    minutes: float | None = None
    optional: Sequence[str] = ()
    models: Sequence[str] = ()
    answers: Sequence[str] = ()
    checks: Sequence[str] = ()
    nli: Path | None = None
    parallel: int = 0
    stop_early: bool = False
    since: str = ""


def compare_recipes(
    workspace: Workspace,
    recipes: Sequence[str],
    options: CompareOptions,
    progress: ComparisonProgress | None = None,
) -> Comparison:
    """See `Project.compare`."""
    wanted = read_entries((*recipes, *options.optional), options.models)
    first = {one.recipe.name for one in read_entries(recipes)}
    if any(one.recipe.reads for one in wanted):
        # Else every answer would abstain, and say nothing about the recipe.
        require_documents(workspace)
    given = [read_given(one) for one in options.answers]
    asked = _asked(workspace, options.split)
    _require_unlearnt(workspace, [one.recipe for one in wanted], asked)
    with _stage(workspace) as stage:
        able, notes = _able(workspace, stage, wanted, options.parallel)
        entries = [
            replace(
                made,
                required=one.recipe.name in first or not first,
                documents=documents_read(one.recipe, _worn(stage, workspace, one), asked),
            )
            for one, made in able
        ]
        entries = [
            run
            for (one, _), made in zip(able, entries, strict=True)
            for run in _runs(stage, workspace, one, made)
        ]
        notes += documents_note({one.recipe: one.documents for one in entries if not one.of})
        return compare_entries(
            workspace,
            [*entries, *_given(workspace, given, entries)],
            options,
            progress,
            [*notes, *(note for one in given for note in one.notes(_drawn(asked, options.limit)))],
        )


def compare_entries(
    workspace: Workspace,
    entries: Sequence[Entry],
    options: CompareOptions,
    progress: ComparisonProgress | None = None,
    notes: Sequence[str] = (),
) -> Comparison:
    """Compare on the questions of a split; answers are kept in `.acclimate/comparisons`."""
    every = _asked(workspace, options.split)
    chosen = _drawn(every, options.limit)
    drawn = (
        [f"{len(chosen)} of {len(every)} questions were drawn, as asked."]
        if len(chosen) < len(every)
        else []
    )
    setting = Setting(
        workspace.folder.resolve().name,
        options.split,
        options.metric,
        describe_machine(),
        (*notes, *drawn),
        options.minutes,
        options.stop_early,
    )
    judges = open_judges(workspace, options.nli, options.checks)
    with closing(AnswerCache(workspace.layout.answers)) as cache:
        comparison_run = ComparisonRun(
            chosen, evidence_spans(workspace, chosen), cache, progress or NoProgress()
        )
        comparison_run.earlier = _earlier(workspace)
        compared = compare(comparison_run, entries, setting, judges)
    if not options.since:
        return compared
    found = tuple(one.sentence for one in drifts(compared, options.since))
    return replace(compared, notes=(*compared.notes, *found))


@contextmanager
def _stage(workspace: Workspace) -> Iterator[Stage]:
    """Where the entries answer: in this process, or their models on a cluster's nodes."""
    with ExitStack() as stack:
        speakers = None
        if workspace.settings.cluster.engine != "local":
            speakers = stack.enter_context(speakers_on_cluster(workspace))
        yield stack.enter_context(closing(Stage(workspace, speakers)))


def _able(
    workspace: Workspace, stage: Stage, wanted: Sequence[Wanted], parallel: int
) -> tuple[list[tuple[Wanted, Entry]], list[str]]:
    """The entries that can run, and what is to be told of the others: an adapter is made for
    one model and no other. Raises what stands against all others."""
    able, notes = [], []
    for one in wanted:
        held = stage.workspace(settings_of(workspace.settings, one))
        try:
            made = make_entry(held, one.recipe, name=one.name, stage=stage, parallel=parallel)
        except (ModelError, SettingsError) as error:
            if one.model == OWN or not one.recipe.adapter or len(wanted) == 1:
                raise
            notes.append(f"{one.name} was left out: {error}")
        else:
            able.append((one, made))
    return able, notes


def _worn(stage: Stage, workspace: Workspace, one: Wanted) -> Path | None:
    """The adapter that an entry's answers are given with."""
    return stage.workspace(settings_of(workspace.settings, one)).adapter(one.recipe)


def _runs(stage: Stage, workspace: Workspace, one: Wanted, made: Entry) -> list[Entry]:
    """An entry, and those of the other seeds that its adapter was trained with."""
    held = stage.workspace(settings_of(workspace.settings, one))
    return make_runs(held, one.recipe, made, stage, held.adapter(one.recipe))


def _given(workspace: Workspace, given: Sequence[Given], beside: Sequence[Entry]) -> list[Entry]:
    """Other systems' answers. Raises SettingsError for a name that is taken."""
    names = [one.recipe for one in beside]
    for one in given:
        if one.name in names:
            raise SettingsError(
                f"two entries would be called '{one.name}'.",
                hint=f"acclimate compare --answers NAME={one.file}",
            )
        names.append(one.name)

    def text(path: str) -> str | None:
        if not workspace.ingested:
            return None
        document = workspace.library.record.document(path)
        return document.text if document else None

    return [one.entry(text) for one in given]


def _earlier(workspace: Workspace) -> Comparison | None:
    """The last comparison, whose spread says what questions can tell. One that another version
    wrote says nothing: then the usual spread is assumed, and said to be."""
    try:
        return last_comparison(workspace.layout.comparisons)
    except SettingsError:
        return None


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


def _drawn(every: Sequence[Question], limit: int | None) -> list[Question]:
    """As many of the questions as are wanted, drawn fairly; None: all, in their order."""
    return shuffled(every)[:limit] if limit else list(every)


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


def evidence_spans(
    workspace: Workspace, questions: Sequence[Question]
) -> dict[str, tuple[int, int]]:
    """Where each question's evidence stands in its document, by question id."""
    if not workspace.ingested:
        return {}
    spans = {}
    for question in questions:
        document = (
            workspace.library.record.document(question.document) if question.document else None
        )
        if document and question.evidence and (start := document.text.find(question.evidence)) >= 0:
            spans[question.id] = (start, start + len(question.evidence))
    return spans


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
