"""`acclimate questions`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.cli.progress import download_bar
from acclimate.cli.question_output import echo_leaks, echo_question, echo_tally, echo_trust
from acclimate.errors import SettingsError
from acclimate.evaluation.judge import Label, add_label, read_labels
from acclimate.project import Project
from acclimate.questions.cells import read_texts
from acclimate.questions.file import QuestionRow
from acclimate.questions.forms import FIELDS, FORMATS
from acclimate.questions.imports import Rules
from acclimate.questions.splitting import SPLITS, Leak
from acclimate.questions.writer import KINDS, QuestionKind
from acclimate.workflows.questions import SHARES, WRITERS, mix, tally

_BAR = " | "
_SHOWN = 8  # documents and leaks listed


@click.group()
def command() -> None:
    """Make, import, review, split and show the questions that recipes are compared on."""


@command.command()
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    help="New questions, of all kinds.",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    help="Only this kind; may be repeated.",
)
@click.option(
    "--writer",
    type=click.Choice(list(WRITERS)),
    default=next(iter(WRITERS)),
    show_default=True,
    help="Who writes; rules need no model, and ask for table cells, two documents, and what is "
    "not there.",
)
@click.option(
    "--unchecked", is_flag=True, help="Do not ask the reader whether it finds each answer (faster)."
)
@json_option
@project_option
def make(
    count: int,
    kinds: Sequence[QuestionKind],
    writer: str,
    unchecked: bool,
    as_json: bool,
    folder: Path,
) -> None:
    """Write questions from the documents, check each against its passage, and split them by
    document.

    Each is kept as soon as it passes: stopped, run it again for more. Review them before you trust
    them.
    """
    wanted = mix(count, kinds or KINDS)
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        made = project.make_questions(
            wanted, writer=writer, checked=not unchecked, progress=_echo_kept
        )
    if as_json:
        return echo_json(made)
    kept = ", ".join(f"{number} {kind}" for kind, number in sorted(made.kept.items())) or "none"
    click.echo(f"{sum(made.kept.values())} questions kept ({kept}) of {made.drafts} drafts.")
    for reason, number in sorted(made.reasons.items(), key=lambda item: -item[1]):
        click.echo(f"  left out: {reason}: {number}", err=True)
    if short := [kind for kind, number in wanted.items() if made.kept[kind] < number]:
        click.echo(
            f"Fewer than asked for: {', '.join(short)}. Try more documents or another writer.",
            err=True,
        )
    click.echo("Next: acclimate questions review", err=True)
    return None


@command.command("import")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=NAME",
    help="What a column is: answers=Solution.",
)
@click.option(
    "--separator",
    help="Separator between answers in one cell; '' for none. Default: by the column's name.",
)
@click.option(
    "--unanswerable",
    is_flag=True,
    help="The documents do not answer the questions without an answer.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    help="Whose form it must have; anything else is refused. Default: told by its keys.",
)
@json_option
@project_option
def import_(
    path: Path,
    columns: Sequence[str],
    separator: str | None,
    unanswerable: bool,
    form: str | None,
    as_json: bool,
    folder: Path,
) -> None:
    """Add the questions in PATH: CSV, TSV, JSON Lines or JSON with question and answer, and what
    you have of document, evidence, kind, split and answerable; sets of ragas, DeepEval, LangSmith,
    LlamaIndex, Haystack, promptfoo, OpenAI evals and Kiln; SQuAD 1.1 or 2.0 JSON; a BEIR folder.

    Several answers: a list, columns answer1, answer2, or a column `answers` with " | " or "; "
    between them. The texts of SQuAD and BEIR become documents of the project; run `acclimate
    ingest` afterwards.
    """
    rules = Rules(dict(map(_column, columns)), separator, unanswerable, form or "")
    with Project.open(folder) as project:
        done = project.import_questions(path, rules)
    texts = path.is_dir() or done.summary[0].startswith(("SQuAD", "LlamaIndex:"))
    if as_json:
        return echo_json({"added": len(done.rows), "known": done.known, "read": done.summary})
    for line in done.summary:
        click.echo(f"Read as {line}" if line is done.summary[0] else f"  {line}", err=True)
    click.echo(
        f"{len(done.rows)} questions added."
        + (f" {done.known} were in the set already." if done.known else "")
    )
    click.echo(f"Next: {'acclimate ingest; ' if texts else ''}acclimate questions split", err=True)
    return None


@command.command()
@click.argument("question")
@click.option(
    "--answer",
    "answers",
    multiple=True,
    help="A right answer; may be repeated. None: not in the documents.",
)
@click.option("--document", help="Path of the document that holds it, below the documents folder.")
@click.option("--evidence", help="The words that prove it, copied exactly from that document.")
@project_option
def add(
    question: str, answers: Sequence[str], document: str | None, evidence: str | None, folder: Path
) -> None:
    """Add one typed QUESTION."""
    with Project.open(folder) as project:
        row = project.add_question(question, answers, document=document, evidence=evidence)
    click.echo(f"{row['id']} added ({row['kind']}).")


@command.command()
@click.option("--all", "everything", is_flag=True, help="Also those that were reviewed before.")
@project_option
def review(everything: bool, folder: Path) -> None:
    """Go through the questions one by one: accept, reject, or correct them. Every decision is kept
    at once.

    Rejected questions stay in the file and are never asked.
    """
    with Project.open(folder) as project:
        file = project.question_file
        due = [row for row in file.rows() if everything or not row.get("status")]
        for number, row in enumerate(due, start=1):
            echo_question(project, row, f"{number} of {len(due)}")
            choice = _chosen("[a]ccept, [r]eject, [e]dit, [s]kip, [q]uit")
            if choice == "q":
                break
            if choice != "s":
                change = _edited(row) if choice == "e" else {}
                file.update(
                    {
                        str(row["id"]): {
                            **change,
                            "status": "rejected" if choice == "r" else "accepted",
                        }
                    }
                )
        left = sum(not row.get("status") for row in file.rows())
    click.echo(f"{left} questions are left to review." if left else "All questions are reviewed.")


@command.command()
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="At most so many answers.",
)
@project_option
def label(count: int, folder: Path) -> None:
    """Say of answers of the latest comparison whether they are right, without knowing whose they
    are.

    The labels go to labels.jsonl; a comparison with a judge ([judge] in acclimate.toml) shows how
    far it agrees.
    """
    with Project.open(folder) as project:
        comparison = project.latest_comparison()
        questions = {question.id: question for question in comparison.questions}
        known = {(one.question, one.answer) for one in read_labels(project.layout.labels)}
        shown = {
            (one.question, one.answer.text) for one in comparison.outcomes if one.answer
        } - known
        due = sorted(shown, key=lambda pair: hashlib.sha256("".join(pair).encode()).digest())[
            :count
        ]
        for number, (name, text) in enumerate(due, start=1):
            click.echo(
                f"\n{click.style(f'{number} of {len(due)}', dim=True)}  {questions[name].question}"
            )
            click.echo(
                f"Reference: {' / '.join(questions[name].answers) or 'the documents do not say'}"
            )
            click.secho(f"Answer: {text}", bold=True)
            choice = _chosen("Right? [y]es, [n]o, [s]kip, [q]uit")
            if choice == "q":
                break
            if choice != "s":
                add_label(project.layout.labels, Label(name, text, choice == "y"))
        click.echo(
            f"{len(read_labels(project.layout.labels))} labels in {project.layout.labels.name}."
        )


@command.command()
@click.option(
    "--shares",
    default=",".join(f"{share:g}" for share in SHARES.values()),
    show_default=True,
    help="Train, dev, test.",
)
@click.option("--again", is_flag=True, help="Also those that have a split. Tune again afterwards.")
@json_option
@project_option
def split(shares: str, again: bool, as_json: bool, folder: Path) -> int:
    """Put the questions about each document into train, dev or test, and look for leaks between
    them.

    Exit code 1 where a question of dev or test repeats what is learnt.
    """
    try:
        numbers = [float(part) for part in shares.split(",")]
        wanted = dict(zip(SPLITS, numbers, strict=True))
    except ValueError as error:
        raise SettingsError(
            f"'{shares}' are not shares.", hint="Write three numbers like 50,15,35."
        ) from error
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        questions = project.split_questions(wanted, again=again)
        found = project.find_leaks()
    if as_json:
        echo_json({"splits": tally(questions), "leaks": [_plain(leak) for leak in found]})
    else:
        echo_tally(questions)
        echo_leaks(found)
    return 1 if found else 0


@command.command()
@json_option
@project_option
def show(as_json: bool, folder: Path) -> None:
    """Numbers by split and kind, what the set can tell, how hard it was, documents and sections
    without a question, questions that ask the same, and leaks into dev and test."""
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        questions, covered, trusted = project.questions(), project.coverage(), project.trust()
        found = project.find_leaks(adapters=sorted(project.layout.adapters.glob("*")))
        rejected = len(project.question_file.rows()) - len(questions)
    if as_json:
        shown = {
            "splits": tally(questions),
            "rejected": rejected,
            "leaks": [_plain(leak) for leak in found],
            "tells": {side: asdict(one) for side, one in trusted.power.items()},
            "difficulty": trusted.difficulty,
            "duplicates": [_plain(leak) for leak in trusted.duplicates],
        }
        return echo_json(shown | {"documents": covered.documents, "lost": covered.lost})
    echo_tally(questions)
    reviewed = sum(question.status == "accepted" for question in questions)
    click.echo(f"{reviewed} reviewed, {rejected} rejected.\n")
    echo_trust(trusted)
    sections = sum(row.sections for row in covered.documents)
    asked = sum(row.covered for row in covered.documents)
    documents = f"{covered.asked_about} of {len(covered.documents)} documents"
    click.echo(f"{documents}, {asked} of {sections} sections asked about.")
    bare = [row for row in covered.documents if not row.questions]
    for row in bare[:_SHOWN]:
        click.echo(f"  no question: {row.document}")
    for row in [row for row in covered.documents if row.questions and row.bare][
        : _SHOWN - len(bare[:_SHOWN])
    ]:
        click.echo(f"  {row.document}: nothing about “{row.bare[0].rpartition(' › ')[2]}”")
    if covered.lost:
        click.echo(f"Document or evidence is gone: {', '.join(covered.lost[:_SHOWN])}")
    echo_leaks(found)
    return None


def _column(option: str) -> tuple[str, str]:
    what, equals, name = option.partition("=")
    if not equals or not name.strip() or what.strip() not in FIELDS:
        raise SettingsError(
            f"'{option}' does not say what a column is.",
            hint=f"FIELD=NAME with {', '.join(FIELDS)}.",
        )
    return what.strip(), name.strip()


def _echo_kept(row: QuestionRow) -> None:
    click.echo(
        f"{row['kind']}: {row['question']} — "
        f"{' / '.join(row['answers']) or 'not in the documents'}",
        err=True,
    )


def _chosen(offer: str) -> str:
    """The letter that the user types, one of those in brackets: "[y]es, [n]o"."""
    letters = re.findall(r"\[(\w)\]", offer)
    return str(click.prompt(offer, type=click.Choice(letters), show_choices=False))


def _edited(row: QuestionRow) -> QuestionRow:
    text = click.prompt("Question", default=row["question"])
    said = click.prompt(
        f"Answers, separated by '{_BAR}' (empty: not in the documents)",
        default=_BAR.join(row["answers"]),
    )
    # A bar without spaces belongs to the answer.
    answers = list(read_texts(said, separator=_BAR).values)
    return {"question": text, "answers": answers, "answerable": bool(answers)}


def _plain(leak: Leak) -> dict[str, object]:
    return {
        "learnt": leak.first.id,
        "asked": leak.second.id,
        "kind": leak.kind,
        "similarity": leak.similarity,
    }
