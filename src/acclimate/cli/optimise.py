"""`acclimate optimise`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.cli.progress import Bar, download_bar
from acclimate.evaluation.comparison import Metric
from acclimate.evaluation.halving import Budget, Trial
from acclimate.evaluation.measures import BY_WORDS
from acclimate.project import Project
from acclimate.workflows.optimise_prompt import AS_IT_IS, SURE, Optimised

_MINUTES = 10.0  # where neither calls nor minutes are given


@click.command()
@click.argument("recipe", required=False)
@click.option(
    "--split", default="dev", show_default=True, help="Questions to choose by; test is refused."
)
@click.option(
    "--metric", type=click.Choice(BY_WORDS), default="f1", show_default=True, help="What decides."
)
@click.option("--calls", type=click.IntRange(min=1), help="At most so many answers.")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="As long as this (default: 10)."
)
@click.option("--take", is_flag=True, help="Write the winner even where its gain may be luck.")
@click.option(
    "--reflect",
    "reflect_by",
    default="",
    metavar="MODEL",
    help="A stronger model, by name or as http://HOST/v1#NAME, reads the answers to some train "
    "questions and proposes instructions.",
)
@click.option(
    "--extractor",
    is_flag=True,
    help="Choose the windows and limits of [answer] extractor instead; no RECIPE.",
)
@json_option
@project_option
def command(
    recipe: str | None,
    split: str,
    metric: Metric,
    calls: int | None,
    minutes: float | None,
    take: bool,
    reflect_by: str,
    extractor: bool,
    as_json: bool,
    folder: Path,
) -> None:
    """Choose instruction and examples for RECIPE (default: from acclimate.toml) by their score on
    the dev questions.

    Candidates are the wordings templates/NAME.*.txt, yours and those that ship, times examples:
    none, the nearest, and sets that the model solved by itself. The better part of them goes on to
    more questions, until one is left. The winner is written into templates/ and acclimate.toml
    where its gain is measurable. Stopped, it goes on where it was.
    """
    if extractor:
        if recipe or calls or minutes or reflect_by:
            raise click.UsageError("--extractor takes no RECIPE, --calls, --minutes or --reflect.")
        calibrate_extractor(folder, take=take, as_json=as_json)
        return
    budget = Budget(calls, minutes if calls or minutes else _MINUTES)
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project, SearchBar() as bar:
        name = recipe or project.settings.answer.recipe
        found = project.optimise(
            name,
            split=split,
            metric=metric,
            budget=budget,
            take=take,
            reflect_by=reflect_by,
            on_trial=bar.tried,
        )
    if as_json:
        echo_json(found)
    else:
        echo_optimised(found)


def calibrate_extractor(folder: Path, *, take: bool, as_json: bool) -> None:
    """Choose the extractor's windows and limits, and say what was found."""
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project, SearchBar() as bar:
        found = project.calibrate(take=take, on_progress=bar.done)
    if as_json:
        echo_json(found)
        return
    kinds = "with the language model" if found.with_model else "alone"
    click.echo(
        f"{found.name} {kinds}, {found.questions} dev questions, each with its document and without:"
    )
    click.echo(f"  as it is {100 * found.before:.1f}, chosen {100 * found.after:.1f}")
    low, high = 100 * found.gain.interval.low, 100 * found.gain.interval.high
    click.echo(
        f"  gain {100 * found.gain.interval.mean:+.1f} ({low:+.1f} to {high:+.1f}, "
        f"p = {found.gain.p:.2f}), limits chosen on other documents than they are judged on"
    )
    click.echo(f"  {', '.join(f'{name} {value}' for name, value in asdict(found.limits).items())}")
    click.echo(f"Confidence against share of right places (expected error {found.ece:.2f}):")
    for one in found.reliability:
        click.echo(f"  {one.confidence:.2f}  {one.right:.2f}  {one.count:4d} places")
    if found.file is not None:
        click.echo(f"Written: {found.file}.")
    elif found.gain.interval.mean > 0:
        click.echo(
            f"Not written: such a gain may be luck (p is not below {SURE:g}). --take writes it all "
            f"the same."
        )
    else:
        click.echo("Not written: no candidate was better than the present limits.")


def echo_optimised(done: Optimised) -> None:
    """The rounds, the winner and what was written."""
    for one in done.found.rounds:
        click.echo(f"Round {one.number}: {len(one.means)} candidates, {one.items} questions")
        for name, mean in sorted(one.means.items(), key=lambda pair: -pair[1])[:5]:
            click.echo(f"  {100 * mean:5.1f}  {name}")
    click.echo(
        f"{done.found.calls} answers, {done.found.seconds / 60:.1f} minutes of answering. Trace: "
        f"{done.trace}"
    )
    for note in done.notes:
        click.echo(f"Note: {note}", err=True)
    if done.gain is None:
        click.echo(f"Nothing was better than '{done.recipe}' as it is.")
        return
    low, high = 100 * done.gain.interval.low, 100 * done.gain.interval.high
    click.echo(
        f"Best: {done.found.winner}, {done.metric.upper()} {100 * done.gain.interval.mean:+.1f} "
        f"({low:+.1f} to {high:+.1f}, p = {done.gain.p:.2f}) against '{AS_IT_IS}', on the dev "
        f"questions that chose it."
    )
    if done.taken:
        click.echo(f"Written: {', '.join(str(file) for file in done.written)}.")
        click.echo(
            f"Judge it on the test questions: acclimate compare {done.recipe} {done.use}", err=True
        )
    else:
        click.echo(
            f"Not written: such a gain may be luck (p is not below {SURE:g}). --take writes it "
            f"all the same."
        )


class SearchBar(Bar):
    """Answers given of those planned."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("Answers"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        )
        self._task = self._bar.add_task("answers", total=None)

    def tried(self, trial: Trial, planned: int) -> None:
        """Called after each answer."""
        self._bar.update(self._task, advance=1, total=planned)

    def done(self, count: int, planned: int) -> None:
        """Called with the number of steps done."""
        self._bar.update(self._task, completed=count, total=planned)
