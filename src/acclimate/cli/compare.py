"""`acclimate compare`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from acclimate.cli.compare_bar import CompareBar
from acclimate.cli.output import echo_json_text, project_option
from acclimate.cli.progress import download_bar, plain_console
from acclimate.cli.tune import TuneBar, echo_tuned
from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import Comparison, load, to_json
from acclimate.evaluation.gates import LAST, QualityGate, parse_gate, read_gate_file
from acclimate.evaluation.measures import METRICS, require_metric
from acclimate.project import Project
from acclimate.prompting.recipes import USUAL
from acclimate.tuning.allocator import use_large_blocks
from acclimate.workflows.compare import CompareOptions, report_file
from acclimate.workflows.compare_plan import TUNE_MINUTES

SEARCH_MINUTES = 10.0


@click.command(epilog=f"Worth comparing: {', '.join(USUAL)}.")
@click.argument("recipes", nargs=-1)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Run each recipe with this model: a name, a path, http://HOST/v1#NAME, or 'default' for "
    "that of acclimate.toml. May be repeated.",
)
@click.option(
    "--answers",
    multiple=True,
    metavar="[NAME=]FILE",
    help="Another system's answers, JSON Lines: id, answer, citations, seconds, tokens.",
)
@click.option(
    "--split", default="test", show_default=True, help="Questions of this split; '' for all."
)
@click.option(
    "--metric",
    default="f1",
    show_default=True,
    help=f"What decides: {', '.join(METRICS)}, or check:NAME.",
)
@click.option(
    "--check",
    "checks",
    multiple=True,
    metavar="[NAME=]CHECK",
    help="Your own check of each answer: checks.py:FUNCTION, regex:PATTERN, contains:TEXT, "
    "schema:FILE.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many questions.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="As many questions as fit this time; without RECIPES, as many of the usual recipes too.",
)
@click.option(
    "--parallel",
    type=click.IntRange(min=1, max=256),
    help="Answers that a server is asked for at once; without, as [model] parallel says.",
)
@click.option(
    "--stop-early",
    is_flag=True,
    help="Ask no more once a winner is certain; false winners stay at 5 in 100.",
)
@click.option(
    "--search",
    is_flag=True,
    help="Choose chunks, retrieval, style, prompt and --model on dev first, then test the choice "
    "once.",
)
@click.option(
    "--money",
    type=click.FloatRange(min=0, min_open=True),
    help="With --search: spend no more, at [model] prompt_price and answer_price.",
)
@click.option(
    "--gate",
    "gates",
    multiple=True,
    help="Fail with exit code 100 unless this holds: rag.f1>=0.6 (any score, or seconds_p95<=4); "
    "rag.f1>=LAST: not measurably worse than the last comparison; FILE.json: the gates in it, with "
    "its recipes and split where none are given.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Compare with an earlier comparison; LAST for the latest.",
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Tell whether questions added on DATE or later fare worse than those before.",
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
    search: bool,
    money: float | None,
    gates: Sequence[str],
    against: Path | None,
    as_json: bool,
    folder: Path,
    parallel: int | None,
    since: datetime | None,
    **options: Any,
) -> int:
    """Answer the project's questions by each of RECIPES, and say which one works and how sure that
    is.

    A recipe may change settings, 'rag[k=8,rerank=none]', and name its model, 'rag@MODEL'. Answers
    are kept one by one: stopped at any moment, the same command goes on from there, and a recipe
    that has not changed is not run again. The report is one HTML file in .acclimate/comparisons.
    """
    recipes, conditions = _conditions(recipes, gates, options)
    require_metric(options["metric"])
    day = since.date().isoformat() if since else ""
    if money is not None and not search:
        raise click.UsageError("--money goes with --search.")
    chosen = CompareOptions(**options, parallel=parallel or 0, since=day)
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        last = any(gate.bound is None for gate in conditions)
        earlier = _earlier(project, against or Path(LAST)) if against or last else None
        if search:
            comparison = _run_search(project, recipes, chosen, money, earlier)
        else:
            comparison = run_compare(project, recipes, chosen, earlier)
        place = report_file(project.layout.comparisons, comparison)
    if as_json:
        echo_json_text(to_json(comparison))
    else:
        echo_comparison(comparison)
    click.echo(f"Report: {place}", err=True)
    failures = [failure for gate in conditions if (failure := gate.failure(comparison, earlier))]
    for failure in failures:
        click.echo(f"gate does not hold: {failure}", err=True)
    return 100 if failures else 0


def _conditions(
    recipes: Sequence[str], gates: Sequence[str], options: dict[str, Any]
) -> tuple[Sequence[str], list[QualityGate]]:
    """The recipes to compare and the gates; those of a file bring what is to be compared, where
    that is not said."""
    found, texts = list(recipes), []
    for gate in gates:
        if not gate.endswith(".json"):
            texts.append(gate)
            continue
        held = read_gate_file(Path(gate))
        texts += held.gates
        if not recipes:
            found += [one for one in held.recipes if one not in found]
            options |= {"split": held.split, "metric": held.metric}
    return found, [parse_gate(text) for text in texts]


def run_compare(
    project: Project,
    recipes: Sequence[str],
    options: CompareOptions,
    against: Comparison | None = None,
) -> Comparison:
    """Compare with a progress bar on stderr; missing adapters are trained first."""
    started = time.monotonic()
    plan = project.plan_comparison(recipes, options.minutes)
    for name in plan.missing:
        use_large_blocks()
        click.echo(f"Training {name} first, about {TUNE_MINUTES:g} minutes …", err=True)
        with TuneBar(TUNE_MINUTES) as progress:
            tuned = project.tune(name, minutes=TUNE_MINUTES, on_step=progress.step)
        echo_tuned(tuned, err=True)
    spent = (time.monotonic() - started) / 60
    left = options.minutes - spent if options.minutes else None
    fields = {name: getattr(options, name) for name in CompareOptions.__slots__}
    with CompareBar() as bar:
        return project.compare(
            plan.recipes,
            **fields | {"minutes": left, "optional": plan.optional},
            against=against,
            progress=bar,
        )


def _run_search(
    project: Project,
    recipes: Sequence[str],
    options: CompareOptions,
    money: float | None,
    against: Comparison | None,
) -> Comparison:
    others = {"--answers": options.answers, "--check": options.checks}
    for name, given in others.items():
        if given:
            raise SettingsError(f"--search and {name} do not go together.", hint="Leave one out.")
    if len(recipes) > 1:
        raise SettingsError(
            "--search begins with one recipe.", hint="acclimate compare --search rag"
        )
    with CompareBar() as bar:
        searched = project.search(
            recipes[0] if recipes else "rag",
            metric=options.metric,
            minutes=options.minutes or SEARCH_MINUTES,
            money=money,
            models=options.models,
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
    return project.latest_comparison() if str(against) == LAST else load(against)


def echo_comparison(comparison: Comparison) -> None:
    """The table and the verdict."""
    table = Table(box=None, pad_edge=False)
    columns = (
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
    # Where it is narrow, names are folded and no figure is cut.
    table.add_column("recipe", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
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
    console = plain_console()
    console.print(table)
    console.print(f"\n{comparison.verdict.sentence}", highlight=False, soft_wrap=True)
    for note in comparison.notes:
        console.print(f"Note: {note}", highlight=False, soft_wrap=True)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"
