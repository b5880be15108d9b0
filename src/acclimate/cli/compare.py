"""`acclimate compare`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from acclimate.cli.compare_bar import CompareBar
from acclimate.cli.output import echo_json_text, project_option
from acclimate.cli.progress import download_bar
from acclimate.cli.tune import TuneBar, echo_tuned
from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import METRICS, Comparison, Metric, load, to_json
from acclimate.evaluation.gates import parse_gate
from acclimate.project import Project
from acclimate.prompting.recipes import USUAL
from acclimate.tuning.allocator import use_large_blocks
from acclimate.workflows.compare import report_file
from acclimate.workflows.compare_plan import TUNE_MINUTES

SEARCH_MINUTES = 10.0


@click.command(epilog=f"Worth comparing: {', '.join(USUAL)}.")
@click.argument("recipes", nargs=-1)
@click.option(
    "--split", default="test", show_default=True, help="Questions of this split; '' for all."
)
@click.option(
    "--metric", type=click.Choice(METRICS), default="f1", show_default=True, help="What decides."
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many questions.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="As many questions as fit this time; without RECIPES, as many of the usual recipes too.",
)
@click.option(
    "--search",
    is_flag=True,
    help="Choose retrieval and prompt on dev first, then test the choice once.",
)
@click.option(
    "--gate", "gates", multiple=True, help="Fail with exit code 100 unless this holds: rag.f1>=0.6"
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Compare with an earlier comparison; LAST for the latest.",
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
    """Answer the project's questions by each of RECIPES, and say which one works and how sure that
    is.

    Answers are kept one by one: stopped at any moment, the same command goes on from there, and a
    recipe that has not changed is not run again. The report is one HTML file in
    .acclimate/comparisons.
    """
    conditions = [parse_gate(gate) for gate in gates]
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        earlier = _earlier(project, against) if against else None
        if search:
            comparison = _run_search(project, recipes, metric, minutes or SEARCH_MINUTES, earlier)
        else:
            comparison = run_compare(project, recipes, split, metric, limit, minutes, nli, earlier)
        place = report_file(project.layout.comparisons, comparison)
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
    against: Comparison | None = None,
) -> Comparison:
    """Compare with a progress bar on stderr; missing adapters are trained first."""
    started = time.monotonic()
    plan = project.plan_comparison(recipes, minutes)
    for name in plan.missing:
        use_large_blocks()
        click.echo(f"Training {name} first, about {TUNE_MINUTES:g} minutes …", err=True)
        with TuneBar(TUNE_MINUTES) as progress:
            tuned = project.tune(name, minutes=TUNE_MINUTES, on_step=progress.step)
        echo_tuned(tuned, err=True)
    left = minutes - (time.monotonic() - started) / 60 if minutes else None
    with CompareBar() as bar:
        return project.compare(
            plan.recipes,
            split=split,
            metric=metric,
            limit=limit,
            minutes=left,
            optional=plan.optional,
            nli=nli,
            against=against,
            progress=bar,
        )


def _run_search(
    project: Project,
    recipes: Sequence[str],
    metric: Metric,
    minutes: float,
    against: Comparison | None,
) -> Comparison:
    if len(recipes) > 1:
        raise SettingsError(
            "--search begins with one recipe.", hint="acclimate compare --search rag"
        )
    with CompareBar() as bar:
        searched = project.search(
            recipes[0] if recipes else "rag",
            metric=metric,
            minutes=minutes,
            against=against,
            progress=bar,
            on_trial=bar.tried,
        )
    for one in searched.found.rounds:
        best = max(one.means, key=lambda name: one.means[name])
        click.echo(
            f"{len(one.means)} choices on {one.items} questions: {best} "
            f"{100 * one.means[best]:.0f}",
            err=True,
        )
    click.echo(
        f"For acclimate.toml:\n{searched.toml}"
        if searched.toml
        else "The settings stay as they are.",
        err=True,
    )
    return searched.comparison


def _earlier(project: Project, against: Path) -> Comparison:
    return project.latest_comparison() if str(against) == "LAST" else load(against)


def echo_comparison(comparison: Comparison) -> None:
    """The table and the verdict."""
    table = Table(box=None, pad_edge=False)
    columns = (
        "recipe",
        comparison.metric.upper().replace("_", "-"),
        "95 %",
        "EM",
        "numbers",
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
            _percent(summary.number_em),
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
