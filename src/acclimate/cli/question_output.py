"""How `acclimate questions` shows a question, the numbers of a set, and its leaks."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.table import Table

from acclimate.cli.progress import plain_console
from acclimate.project import Project
from acclimate.questions.file import QuestionRow
from acclimate.questions.splitting import Leak
from acclimate.types import Question
from acclimate.workflows.questions import Trust, tally

_SHOWN = 8  # documents and leaks listed


def echo_question(project: Project, row: QuestionRow, place: str) -> None:
    """A question with its answers, and its evidence where it stands."""
    click.echo(f"\n{click.style(place, dim=True)}  {row['id']} · {row.get('kind') or 'other'}")
    click.secho(str(row["question"]), bold=True)
    click.echo(
        f"Answer: {' / '.join(row['answers']) if row.get('answerable', True) else 'not in the documents'}"
    )
    if row.get("document"):
        click.echo(click.style(str(row["document"]), dim=True))
    if evidence := row.get("evidence"):
        document = project.library.record.document(row["document"]) if row.get("document") else None
        at = document.text.find(evidence) if document else -1
        before = document.text[max(0, at - 200) : at] if document and at >= 0 else ""
        after = (
            document.text[at + len(evidence) : at + len(evidence) + 200]
            if document and at >= 0
            else ""
        )
        click.echo(before + click.style(str(evidence), fg="green", underline=True) + after)


def echo_tally(questions: Sequence[Question]) -> None:
    """Numbers by split and kind."""
    counts = tally(questions)
    kinds = list(dict.fromkeys(kind for row in counts.values() for kind in row))
    table = Table(box=None, pad_edge=False)
    for name in ("split", *kinds, "all"):
        table.add_column(name, justify="left" if name == "split" else "right")
    for name, row in counts.items():
        table.add_row(
            name or "none yet", *(str(row[kind] or "–") for kind in kinds), str(sum(row.values()))
        )
    plain_console().print(table)


def echo_trust(trusted: Trust) -> None:
    """What the set can tell, how hard it was, and questions that ask the same."""
    for side, one in trusted.power.items():
        click.echo(f"{side}: {one.sentence}")
    if trusted.difficulty is not None:
        table = Table(box=None, pad_edge=False)
        for name in ("in the last comparison", "all right", "some", "none"):
            table.add_column(name, justify="right" if name != "in the last comparison" else "left")
        for row in trusted.difficulty:
            table.add_row(row.kind, str(row.easy), str(row.between), str(row.hard))
        plain_console().print(table)
    for twin in trusted.duplicates[:_SHOWN]:
        click.echo(f"{twin.kind}: {twin.first.id} and {twin.second.id}: {twin.second.question}")
    if len(trusted.duplicates) > _SHOWN:
        click.echo(f"{len(trusted.duplicates)} pairs ask the same.")
    click.echo()


def echo_leaks(found: Sequence[Leak]) -> None:
    """The leaks, and how they are repaired."""
    for leak in found[:_SHOWN]:
        click.echo(
            f"leak ({leak.kind}): {leak.second.id} ({leak.second.split}) and {leak.first.id}",
            err=True,
        )
    if found:
        click.echo(
            f"{len(found)} leaks. Repair: acclimate questions split --again, or reject one of "
            f"each.",
            err=True,
        )
    else:
        click.echo("No leaks: nothing that is learnt is asked again.")
