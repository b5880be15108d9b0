"""`acclimate feedback`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.cli.progress import download_bar
from acclimate.errors import SettingsError
from acclimate.project import Project
from acclimate.workflows.feedback import PairForm, Proposal

_BAR = " | "


@click.group()
def command() -> None:
    """Say whether answers are right, and make questions and training pairs of what was said."""


@command.command()
@click.argument("question")
@click.option("--right/--wrong", "right", default=None, help="Whether the answer is right.")
@click.option("--correct", "corrections", multiple=True, help="What is right; may be repeated.")
@click.option("--unanswerable", is_flag=True, help="The documents do not hold the answer.")
@click.option("--recipe", help="Answer by this recipe (default: as [answer] says).")
@json_option
@project_option
def give(
    question: str,
    right: bool | None,
    corrections: Sequence[str],
    unanswerable: bool,
    recipe: str | None,
    as_json: bool,
    folder: Path,
) -> None:
    """Answer QUESTION, and keep what you say of the answer.

    Without --right or --wrong you are asked, once you have seen it. It waits for `acclimate
    feedback review`.
    """
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        answer = project.answer(question, recipe=recipe)
        click.echo(f"Answer: {answer.text}", err=as_json)
        said = "\n".join(corrections)
        if right is None:
            right = not (said or unanswerable) and click.confirm("Right?", err=True)
            if not right and not said and not unanswerable:
                said = click.prompt("What is right? (empty: not known)", default="", err=True)
        row = project.give_feedback(answer, right=right, correction=said, unanswerable=unanswerable)
    if as_json:
        return echo_json(asdict(row))
    click.echo(f"{row.id} kept. Next: acclimate feedback review", err=True)
    return None


@command.command("list")
@json_option
@project_option
def list_(as_json: bool, folder: Path) -> None:
    """The feedback that waits for a review."""
    with Project.open(folder) as project:
        proposals = project.proposals()
    if as_json:
        return echo_json([asdict(one) for one in proposals])
    for one in proposals:
        row = one.feedback
        click.echo(f"{row.id}  {'right' if row.right else 'wrong'}  {row.given.question}")
    click.echo(f"{len(proposals)} to review.", err=True)
    return None


@command.command()
@project_option
def review(folder: Path) -> None:
    """Go through the feedback: accept, edit or reject what each row would become.

    Accepted, it is a question of the set, which the next comparison asks, and a label. With [l] it
    goes to the split train instead: `acclimate feedback pairs` and tuning learn it, and no
    comparison asks it.
    """
    with Project.open(folder) as project:
        due = project.proposals()
        for number, one in enumerate(due, start=1):
            _echo(one, f"{number} of {len(due)}")
            learn = ["l"] if "train" in one.splits[1:] else []
            choice = click.prompt(
                f"[a]ccept, {'[l]earn from it, ' if learn else ''}[r]eject, [e]dit, [s]kip, [q]uit",
                type=click.Choice([*"aresq", *learn]),
                show_choices=False,
            )
            if choice == "q":
                break
            if choice != "s":
                _decide(project, one, choice)
        left = len(project.proposals())
    click.echo(f"{left} are left to review." if left else "All feedback is reviewed.")


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--form",
    type=click.Choice(get_args(PairForm)),
    default="preference",
    show_default=True,
    help="preference: prompt, chosen, rejected; label: prompt, completion, label.",
)
@json_option
@project_option
def pairs(file: Path, form: PairForm, as_json: bool, folder: Path) -> None:
    """Write accepted feedback of the split train to FILE as pairs to learn from, in the forms that
    TRL reads.

    Prompts show the passages of the answer; rows whose passages have changed since are left out, and
    those that comparisons ask.
    """
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        written = project.write_pairs(file, form)
    if as_json:
        return echo_json(asdict(written))
    click.echo(f"{written.rows} rows written to {file}.")
    if written.left_out:
        click.echo(f"{written.left_out} accepted rows make no such pair.", err=True)
    if written.asked:
        click.echo(f"{written.asked} are asked by comparisons, and not written.", err=True)
    return None


def _echo(one: Proposal, place: str) -> None:
    row = one.feedback
    click.echo(f"\n{click.style(place, dim=True)}")
    for turn in row.given.turns:
        click.secho(f"  {turn.question} – {turn.answer}", dim=True)
    click.secho(row.given.question, bold=True)
    click.echo(f"Answered by {row.given.recipe}: {row.given.text}")
    click.echo(f"Said to be {'right' if row.right else 'wrong'}.")
    shown = " / ".join(one.answers) or ("not said" if one.answerable else "not in the documents")
    click.echo(f"What is right: {shown}")
    if one.evidence:
        click.echo(f"Evidence in {one.document}: {one.evidence}")
    if one.known:
        click.echo(f"The set asks this already ({one.known}): it gets the answer too.")
    else:
        click.echo(f"It would be a question of the split '{one.split}'.")


def _decide(project: Project, one: Proposal, choice: str) -> None:
    if choice == "r":
        project.review_feedback(one.feedback.id, accepted=False)
        return
    text, answers = one.feedback.given.question, list(one.answers)
    if choice == "e" or (one.answerable and not answers):
        text = click.prompt("Question", default=text)
        said = click.prompt(
            f"Answers, separated by '{_BAR}' (empty: not in the documents)",
            default=_BAR.join(answers),
        )
        answers = [part.strip() for part in said.split(_BAR) if part.strip()]
    try:
        done = project.review_feedback(
            one.feedback.id,
            accepted=True,
            question=text,
            answers=answers,
            answerable=bool(answers),
            split="train" if choice == "l" else None,
        )
    except SettingsError as error:
        click.echo(f"{error} {error.hint}", err=True)
        return
    if done.question:
        click.echo(f"{done.question['id']}, split '{done.question['split']}'.")
