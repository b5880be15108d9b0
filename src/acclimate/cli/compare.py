"""`acclimate compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from acclimate.cli.output import project_option
from acclimate.cli.progress import download_bar
from acclimate.errors import SettingsError
from acclimate.evaluation.compare import Estimate
from acclimate.evaluation.comparison import METRICS, Comparison, Metric, load, save, to_json
from acclimate.evaluation.gates import parse_gate
from acclimate.evaluation.report import render_html, render_markdown
from acclimate.project import Project
from acclimate.prompting.recipes import USUAL, find_recipe
from acclimate.tuning.methods import METHODS

TUNE_MINUTES = 4.0  # for an adapter that a comparison needs and that is not there
DEFAULT = ("zero-shot", "few-shot", "rag")


@click.command(epilog=f"Worth comparing: {', '.join(USUAL)}.")
@click.argument("recipes", nargs=-1)
@click.option("--split", default="test", show_default=True, help="Questions of this split; '' for all.")
@click.option("--metric", type=click.Choice(METRICS), default="f1", show_default=True, help="What decides.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many questions.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="As many questions as fit this time.")
@click.option("--gate", "gates", multiple=True, help="Fail with exit code 100 unless this holds: rag.f1>=0.6")
@click.option(
    "--against", type=click.Path(path_type=Path), help="Compare with an earlier comparison; LAST for the latest."
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole comparison as JSON.")
@project_option
def command(
    recipes: Sequence[str],
    split: str,
    metric: Metric,
    limit: int | None,
    minutes: float | None,
    gates: Sequence[str],
    against: Path | None,
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
        comparison = run_compare(project, recipes or DEFAULT, split, metric, limit, minutes)
        place = keep(project, comparison, earlier)
    if as_json:
        click.echo(to_json(comparison))
    else:
        echo_comparison(comparison)
    click.echo(f"Report: {place}", err=True)
    failures = [failure for gate in conditions if (failure := gate.failure(comparison))]
    for failure in failures:
        click.echo(f"gate does not hold: {failure}", err=True)
    return 100 if failures else 0


def run_compare(
    project: Project, recipes: Sequence[str], split: str, metric: Metric, limit: int | None, minutes: float | None
) -> Comparison:
    """Compare with a progress bar on stderr; adapters that recipes need and nobody trained yet are trained first."""
    for name in missing_adapters(project, recipes):
        from acclimate.cli.tune import echo_tuned, run_tune, use_large_blocks  # the extra `tune`

        use_large_blocks()
        click.echo(f"Training {name} first …", err=True)
        echo_tuned(run_tune(project, name, TUNE_MINUTES))
    with CompareBar() as bar:
        return project.compare(recipes, split=split, metric=metric, limit=limit, minutes=minutes, progress=bar)


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
    if str(against) != "LAST":
        return load(against)
    kept = sorted((project.folder / ".acclimate" / "comparisons").glob("*.json"))
    if not kept:
        raise SettingsError("there is no earlier comparison.", hint="Leave out --against, or name a .json file.")
    return load(kept[-1])


def echo_comparison(comparison: Comparison) -> None:
    """The table and the verdict."""
    table = Table(box=None, pad_edge=False)
    columns = (
        "recipe",
        comparison.metric.upper(),
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


class CompareBar:
    """A bar for each recipe; hears `acclimate.evaluation.compare.Progress`."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> CompareBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def preparing(self, recipe: str) -> None:
        """See `Progress`."""
        if not self._console.is_terminal:
            self._console.print(f"Loading {recipe} …")

    def estimated(self, estimate: Estimate) -> None:
        """See `Progress`."""
        answers, tokens = sum(estimate.answers.values()), sum(estimate.tokens.values())
        cost = f", cost {estimate.cost:.2f}" if estimate.cost is not None else ""
        seconds = sum(estimate.seconds.values())
        self._console.print(
            f"{estimate.questions} questions × {len(estimate.answers)} recipes: {answers} answers to give, "
            f"about {seconds / 60:.1f} minutes and {tokens:,.0f} tokens{cost}.",
            highlight=False,
            soft_wrap=True,
        )

    def answered(self, recipe: str, done: int, total: int) -> None:
        """See `Progress`."""
        if recipe not in self._tasks:
            self._tasks[recipe] = self._bar.add_task(recipe, total=total)
        self._bar.update(self._tasks[recipe], completed=done)
