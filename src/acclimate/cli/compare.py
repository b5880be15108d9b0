"""`acclimate compare`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from acclimate.cli.compare_bar import CompareBar
from acclimate.cli.output import echo_json_text, project_option
from acclimate.cli.progress import download_bar
from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import METRICS, Comparison, Metric, latest_comparison, load, save, to_json
from acclimate.evaluation.gates import parse_gate
from acclimate.evaluation.report import render_html, render_markdown
from acclimate.project import Project
from acclimate.prompting.recipes import USUAL, find_recipe
from acclimate.searching import search as find_best
from acclimate.tuning.methods import METHODS

TUNE_MINUTES = 4.0  # for an adapter that a comparison needs and that is not there
SEARCH_MINUTES = 10.0
DEFAULT = ("zero-shot", "few-shot", "rag")
_BY_WORTH = ("rag", "zero-shot", "lora+rag", "few-shot", "rag+few-shot", "rag+cot", "lora", "cot", "stuffing")
_TRAINING = 4  # times an adapter's training that a budget must have, before one is trained


@click.command(epilog=f"Worth comparing: {', '.join(USUAL)}.")
@click.argument("recipes", nargs=-1)
@click.option("--split", default="test", show_default=True, help="Questions of this split; '' for all.")
@click.option("--metric", type=click.Choice(METRICS), default="f1", show_default=True, help="What decides.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many questions.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="As many questions as fit this time; without RECIPES, as many of the usual recipes too.",
)
@click.option("--search", is_flag=True, help="Choose retrieval and prompt on dev first, then test the choice once.")
@click.option("--gate", "gates", multiple=True, help="Fail with exit code 100 unless this holds: rag.f1>=0.6")
@click.option(
    "--against", type=click.Path(path_type=Path), help="Compare with an earlier comparison; LAST for the latest."
)
@click.option(
    "--nli",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of an entailment model that checks answers against what they cite (extra tune).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole comparison as JSON.")
@project_option
def command(
    recipes: Sequence[str],
    split: str,
    metric: Metric,
    limit: int | None,
    minutes: float | None,
    search: bool,
    gates: Sequence[str],
    against: Path | None,
    nli: Path | None,
    as_json: bool,
    folder: Path,
) -> int:
    """Answer the project's questions by each of RECIPES, and say which one works and how sure that is.

    Answers are kept one by one: stopped at any moment, the same command goes on from there, and a recipe that has not
    changed is not run again. The report is one HTML file in .acclimate/comparisons.
    """
    conditions = [parse_gate(gate) for gate in gates]
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        earlier = _earlier(project, against) if against else None
        if search:
            comparison = _run_search(project, recipes, metric, minutes or SEARCH_MINUTES)
        else:
            comparison = run_compare(project, recipes, split, metric, limit, minutes, nli)
        place = keep(project, comparison, earlier)
    if as_json:
        echo_json_text(to_json(comparison))
    else:
        echo_comparison(comparison)
    click.echo(f"Report: {place}", err=True)
    failures = [failure for gate in conditions if (failure := gate.failure(comparison))]
    for failure in failures:
        click.echo(f"gate does not hold: {failure}", err=True)
    return 100 if failures else 0


def run_compare(
    project: Project,
    recipes: Sequence[str],
    split: str,
    metric: Metric,
    limit: int | None,
    minutes: float | None,
    nli: Path | None = None,
) -> Comparison:
    """Compare with a progress bar on stderr; adapters that recipes need and nobody trained yet are trained first.

    Without recipes it is `DEFAULT`, or where minutes are given those of the usual ones that fit them.
    """
    started = time.monotonic()
    optional = _usual(project, minutes) if minutes and not recipes else ()
    chosen = recipes or (() if optional else DEFAULT)
    for name in missing_adapters(project, (*chosen, *optional)):
        from acclimate.adapting import TuneOptions
        from acclimate.cli.tune import echo_tuned, run_tune, use_large_blocks  # the extra `tune`

        use_large_blocks()
        click.echo(f"Training {name} first, about {TUNE_MINUTES:g} minutes …", err=True)
        echo_tuned(run_tune(project, name, TuneOptions(TUNE_MINUTES)), err=True)
    left = minutes - (time.monotonic() - started) / 60 if minutes else None
    with CompareBar() as bar:
        return project.compare(
            chosen, split=split, metric=metric, limit=limit, minutes=left, optional=optional, nli=nli, progress=bar
        )


def _run_search(project: Project, recipes: Sequence[str], metric: Metric, minutes: float) -> Comparison:
    if len(recipes) > 1:
        raise SettingsError("--search begins with one recipe.", hint="acclimate compare --search rag")
    with CompareBar() as bar:
        searched = find_best(
            project, recipes[0] if recipes else "rag", metric=metric, minutes=minutes, progress=bar, on_trial=bar.tried
        )
    for one in searched.found.rounds:
        best = max(one.means, key=lambda name: one.means[name])
        click.echo(f"{len(one.means)} choices on {one.items} questions: {best} {100 * one.means[best]:.0f}", err=True)
    click.echo(f"For acclimate.toml:\n{searched.toml}" if searched.toml else "The settings stay as they are.", err=True)
    return searched.comparison


def _usual(project: Project, minutes: float) -> Sequence[str]:
    """Recipes worth the minutes, the most telling first; what needs solved questions or training only where there are
    questions to learn from, and time."""
    solved = any(question.split == "train" for question in project.questions())
    trainable = solved and minutes >= _TRAINING * TUNE_MINUTES and find_spec("torch") is not None
    names = []
    for name in _BY_WORTH:
        recipe = find_recipe(name)
        trained = not recipe.adapter or not missing_adapters(project, [name])
        if (trained or trainable) and (solved or not recipe.few_shot):
            names.append(name)
    return names


def missing_adapters(project: Project, recipes: Sequence[str]) -> list[str]:
    """Names to tune before the recipes can run."""
    wanted = (find_recipe(name) for name in recipes)
    names = dict.fromkeys(recipe.adapter_name for recipe in wanted if recipe.adapter in METHODS)
    return [name for name in names if not (project.folder / ".acclimate" / "adapters" / name).is_dir()]


def keep(project: Project, comparison: Comparison, earlier: Comparison | None = None) -> Path:
    """Write the comparison as JSON, Markdown and HTML into the project; the HTML file."""
    name = comparison.created.replace(":", "").replace("+0000", "Z")
    file = project.folder / ".acclimate" / "comparisons" / f"{name}.json"
    save(comparison, file)
    file.with_suffix(".md").write_text(render_markdown(comparison, earlier), encoding="utf-8")
    report = file.with_suffix(".html")
    report.write_text(render_html(comparison, earlier), encoding="utf-8")
    return report


def _earlier(project: Project, against: Path) -> Comparison:
    return latest_comparison(project.folder) if str(against) == "LAST" else load(against)


def echo_comparison(comparison: Comparison) -> None:
    """The table and the verdict."""
    table = Table(box=None, pad_edge=False)
    columns = (
        "recipe",
        comparison.metric.upper().replace("_", "-"),
        "95 %",
        "EM",
        "cites",
        "abstains",
        "first token",
        "answer",
        "tokens",
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    for row in comparison.rows:
        summary, interval = row.summary, row.interval
        table.add_row(
            row.recipe + (f" ({row.errors} failed)" if row.errors else ""),
            _percent(interval.mean),
            f"{_percent(interval.low)}–{_percent(interval.high)}",
            _percent(summary.em),
            _percent(summary.citation_recall),
            _percent(summary.abstention_f1),
            f"{row.first_token_s[0]:.2f} s",
            f"{row.total_s[0]:.2f} s",
            f"{row.prompt_tokens + row.completion_tokens:.0f}",
        )
    console = Console()
    console.print(table)
    console.print(f"\n{comparison.verdict.sentence}", highlight=False, soft_wrap=True)
    for note in comparison.notes:
        console.print(f"Note: {note}", highlight=False, soft_wrap=True)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"
