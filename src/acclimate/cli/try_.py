"""`acclimate try`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from acclimate.cli.compare import echo_comparison, run_compare
from acclimate.cli.ingest import echo_report, run_ingest
from acclimate.cli.output import AnswerStream, UserPath, echo_sources, write_stdout
from acclimate.cli.progress import download_bar
from acclimate.errors import ProjectError
from acclimate.evaluation.metrics import score
from acclimate.project import Project
from acclimate.settings import FILE_NAME
from acclimate.text.locating import find_words
from acclimate.types import Answer, Question
from acclimate.workflows.compare import CompareOptions, report_file
from acclimate.workflows.compare_plan import DEFAULT

QUESTIONS = 3


@click.command()
@click.option(
    "--folder",
    type=UserPath(path_type=Path, file_okay=False),
    default=Path("acclimate-try"),
    show_default=True,
    help="Where to put the example project.",
)
def command(folder: Path) -> None:
    """Run the main job on the example documents: ingest, ask three questions, compare recipes,
    leave a report."""
    project_folder = _copy_example(folder)
    with download_bar() as on_bytes, Project.open(project_folder, on_bytes) as project:
        echo_report(run_ingest(project))
        click.echo("Preparing the model (once: 20 seconds) …", err=True)
        project.warm()
        asked = [
            question
            for question in project.questions()
            if question.split == "test" and question.answerable
        ]
        shown = asked[:: max(1, len(asked) // QUESTIONS)][:QUESTIONS]
        right = 0
        for question in shown:
            click.echo(f"\n{click.style('Question:', bold=True)} {question.question}")
            click.echo(f"{click.style('Answer:', bold=True)} ", nl=False)
            answer = project.answer(question.question, on_text=AnswerStream(write_stdout))
            echo_sources(answer)
            word, detail = checked(question, answer)
            click.echo(f"{click.style('Checked:', bold=True)} {word}{detail}")
            right += word == "right"
        click.echo(
            f"\n{right} of these {len(shown)} answers are right: they are the reference, word for "
            f"word, or quote what holds it."
        )
        click.echo(
            f"\nNow {' and '.join(DEFAULT)} on all {_count(project)} test questions …", err=True
        )
        comparison = run_compare(project, DEFAULT, CompareOptions())
        click.echo()
        echo_comparison(comparison)
        click.echo(f"\nReport: {report_file(project.layout.comparisons, comparison)}")
    click.echo(f'\nYour turn: cd {project_folder} && acclimate ask "…"', err=True)


def checked(question: Question, answer: Answer) -> tuple[str, str]:
    """Whether an answer is the reference's, or quotes what holds it, in a word, and what to add:
    the reference where they differ."""
    reference = " or ".join(f"“{one}”" for one in question.answers)
    if answer.abstained:
        return "refused", f": the reference is {reference}"
    scored = score(question, answer, None)
    if scored.em:
        return "right", ""
    if answer.style == "full" and any(find_words(one, answer.text) for one in question.answers):
        return "right", f": it holds {reference}"
    return "wrong", f": the reference is {reference} ({scored.f1:.0%} of the words agree)"


def _count(project: Project) -> int:
    return sum(question.split == "test" for question in project.questions())


def _copy_example(folder: Path) -> Path:
    """The example project under `folder`; what an earlier run left there stays and is brought up to
    date."""
    source = example()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source / "documents", folder / "documents", dirs_exist_ok=True)
    shutil.copy2(source / "questions.jsonl", folder)
    if not (folder / FILE_NAME).exists():
        Project.create(folder, Path("documents")).close()
    return folder


def example() -> Path:
    """The example domain: beside the code in an installed package, at the root of a checkout."""
    package = Path(__file__).parents[1]
    for root in (package / "examples", package.parents[1] / "examples"):
        for questions in sorted(root.glob("*/questions.jsonl")):
            return questions.parent
    raise ProjectError(
        "the example documents are not installed.", hint="pip install --force-reinstall acclimate"
    )
