"""What `acclimate tune --inspect` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from acclimate.files.rows import Problem
from acclimate.workflows.tune_data import DataReport

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.preview import Lengths, Piece, Preview
    from acclimate.workflows.tune_preview import Inspection

_HEAD, _TAIL = 400, 200  # characters of masked text that are shown
_BRANCHES = 3  # of the cases in the example's sequence


def describe(data: DataReport) -> str:
    """Where the cases come from, in one line."""
    read = (
        f"{data.source} ({data.layout}, format '{data.format}')"
        if data.layout
        else f"{data.source} ({data.format})"
    )
    told = [f"data: {read}, {data.rows} rows, {data.cases} cases"]
    told.append(f"{data.dev} watched ({data.watched})")
    told += [f"left out: {count} ({reason})" for reason, count in data.left_out.items()]
    if data.problems:
        reasons = ", ".join(f"{count} {reason}" for reason, count in data.reasons().items())
        told.append(f"rows that cannot be learnt: {len(data.problems)} ({reasons})")
    if data.unused:
        told.append(f"keys not read: {', '.join(data.unused)}")
    if data.twins:
        told.append(f"pairs that came before, kept: {data.twins}")
    if data.format != "raw text":
        told.append(f"checked against {data.checked_against} test questions")
    return "; ".join(told)


class InspectionShow:
    """Prints an inspection as it goes on: the data at once, then what is found, and on stderr what
    takes long.

    With `quiet` (for --json) all of that goes to stderr.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._told: set[Problem] = set()

    def read(self, recipe: str, data: DataReport) -> None:
        """The data by itself."""
        self._echo(f"{recipe}: nothing is trained. The data by itself:")
        self._echo(f"  {first_words(data)}")
        self._problems(data)

    def doing(self, what: str) -> None:
        """Print which step begins."""
        click.echo(f"{what} …", err=True)

    def checked(self, inspection: Inspection) -> None:
        """The data against model and test questions."""
        data = inspection.data
        self._echo(
            f"{inspection.recipe}: {inspection.method} on {inspection.model}. Nothing is trained."
        )
        self._echo(f"  {describe(data)}")
        self._echo(f"  prompts: {data.prompts or 'none, raw text'}")
        self._problems(data)

    def _problems(self, data: DataReport) -> None:
        new = [problem for problem in data.problems if problem not in self._told]
        if new:
            self._echo("These rows are refused; --leave-out trains without them", bold=True)
        for problem in new:
            self._echo(f"  {problem.place} {problem.reason}. {problem.remedy}")
        self._told |= set(new)

    def _echo(self, text: str, *, bold: bool = False) -> None:
        click.secho(text, bold=bold, err=self._quiet)


def first_words(data: DataReport) -> str:
    """The data in one line, before a recipe is applied."""
    if data.format == "raw text":
        return f"data: {data.source} ({data.format})"
    told = [
        f"data: {data.source} ({data.layout}, format '{data.format}'), {data.rows} rows, "
        f"{data.cases} to learn"
    ]
    told += [f"left out: {count} ({reason})" for reason, count in data.left_out.items()]
    told += [f"rows that cannot be learnt: {len(data.problems)}"] if data.problems else []
    told += [f"keys not read: {', '.join(data.unused)}"] if data.unused else []
    told += [f"pairs that came before, kept: {data.twins}"] if data.twins else []
    return "; ".join(told)


def echo_inspection(inspection: Inspection) -> None:
    """The whole of it, as text."""
    InspectionShow().checked(inspection)
    echo_outcome(inspection)


def echo_outcome(inspection: Inspection) -> None:
    """Print what the model's tokenizer and template make of the data; trained tokens are between ⟦
    and ⟧, and green where there are colours."""
    if inspection.preview is None:
        click.echo("Nothing is left to learn.")
        return
    _echo_preview(inspection.preview)
    _echo_outlook(inspection, inspection.preview)


def _echo_preview(preview: Preview) -> None:
    click.secho("Tokens", bold=True)
    for name, lengths in (
        ("prompt", preview.prompt),
        ("answer", preview.answer),
        ("both", preview.whole),
    ):
        click.echo(f"  {name:7}{_lengths(lengths)}")
    click.echo(f"  window {preview.window}; nothing is cut")
    click.secho("The first sequence, learnt tokens between ⟦ and ⟧", bold=True)
    _echo_pieces(preview.example)
    packing = preview.packing
    click.secho("Packing", bold=True)
    click.echo(
        f"  {packing.cases:g} cases in a sequence of {packing.tokens:g} tokens, none of them "
        f"padding; one by one they "
        f"would be {packing.alone:g} (×{packing.alone / packing.tokens:.2f}); "
        f"{packing.learnt_share:.1%} are learnt"
    )


def _echo_outlook(inspection: Inspection, preview: Preview) -> None:
    click.secho("Plan", bold=True)
    for reason in preview.plan.reasons:
        click.echo(f"  {reason}")
    outlook = preview.outlook
    click.secho("What it takes", bold=True)
    memory = (
        ""
        if inspection.peak_mb is None
        else f"; about {inspection.peak_mb / 1000:.1f} GB of memory"
    )
    click.echo(
        f"  {outlook.parameters / 1e6:.2f} M parameters trained; {outlook.tokens_per_s:.0f} "
        f"tokens/s (measured); "
        f"a pass over all cases takes {outlook.minutes_a_pass:.1f} minutes, "
        f"{inspection.minutes:g} minutes are "
        f"{inspection.passes:.1f} passes{memory}"
    )


def _lengths(lengths: Lengths) -> str:
    return f"median {lengths.p50}, 95 % up to {lengths.p95}, longest {lengths.most}"


def _echo_pieces(pieces: Sequence[Piece]) -> None:
    several, before = any(piece.branch > 1 for piece in pieces), -1
    for piece in pieces:
        if piece.branch > _BRANCHES:
            click.echo(
                f"  … {max(one.branch for one in pieces) - _BRANCHES} more cases in this sequence"
            )
            break
        if several and piece.branch != before:
            name = f"case {piece.branch}" if piece.branch else "shared beginning"
            click.secho(f"{'' if before < 0 else chr(10)}  ── {name}", dim=True)
        before = piece.branch
        if piece.learnt:
            click.secho(f"⟦{piece.text}⟧", fg="green", nl=False)
        else:
            click.secho(_shortened(piece.text), dim=True, nl=False)
    click.echo()


def _shortened(text: str) -> str:
    left = len(text) - _HEAD - _TAIL
    return text if left <= 0 else f"{text[:_HEAD]} … {left} characters … {text[-_TAIL:]}"
