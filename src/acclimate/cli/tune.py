"""`acclimate tune`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

import click
from rich.progress import BarColumn, TextColumn

from acclimate.cli.inspection import InspectionShow, describe, echo_outcome
from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.cli.progress import Bar, download_bar
from acclimate.cli.tune_knobs import knob_options, spread
from acclimate.cli.tune_retriever import echo_retriever
from acclimate.project import Project
from acclimate.tuning.allocator import use_large_blocks
from acclimate.tuning.knobs import PLANNED, Knobs
from acclimate.tuning.methods import METHODS
from acclimate.tuning.pairs.formats import FORMATS
from acclimate.tuning.pairs.pairs import PairSource
from acclimate.workflows.tune_data import Teacher
from acclimate.workflows.tune_preferences import PREFERENCE_SOURCES, PreferenceSource
from acclimate.workflows.tune_retriever import TARGETS, Target

if TYPE_CHECKING:
    from acclimate.workflows.tune import Tuned

# Passes over the documents' questions: few facts stay of one, many of five (docs/decisions/tuning.md).
_SELDOM, _OFTEN = 3, 5
_SERVED = {
    "merged": "merged into the weights",
    "graph": "a part of the graph (OpenVINO) or Transformers",
    "transformers": "served by Transformers",
}


@click.command()
@click.argument("recipe", required=False)
@click.option("--methods", is_flag=True, help="List the methods and end.")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=5.0, show_default=True
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Peak learning rate (default: by the method).",
)
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    help="Instead of RECIPE: train what finds passages, or what reads them again ([retrieval] "
    "rerank).",
)
@click.option(
    "--matryoshka",
    is_flag=True,
    help="An embedder whose vectors may be cut ([embedder] dimensions).",
)
@click.option(
    "--take",
    is_flag=True,
    help="With --target: name it in acclimate.toml where it is better on dev.",
)
@click.option(
    "--teacher", help="Model whose answers `distill` learns: a name as in [model], or a server's."
)
@click.option(
    "--teacher-url",
    help="Address of the teacher's OpenAI-compatible server (default: it runs here).",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Learn these pairs instead of the train split: JSON Lines, a JSON list, or CSV with a "
    "header.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    help="Form of the pairs (default: by their keys).",
)
@click.option(
    "--leave-out", is_flag=True, help="Train without the rows that are refused; they are counted."
)
@click.option(
    "--from",
    "sources",
    type=click.Choice(PREFERENCE_SOURCES),
    multiple=True,
    help="Of `dpo` and `kto`: which of the project's own answers to learn from, repeated for "
    "several (default: all).",
)
@click.option(
    "--beta",
    type=click.FloatRange(min=0, min_open=True),
    default=0.1,
    show_default=True,
    help="Of `dpo` and `kto`: how dear it is to leave the untuned model.",
)
@click.option("--again", is_flag=True, help="Begin anew where a run was stopped.")
@click.option(
    "--replay/--no-replay",
    default=True,
    show_default=True,
    help="Hold the model to what it says of its own accord, so that it forgets less; about a "
    "fifth of the time, and left out below a minute.",
)
@click.option(
    "--inspect",
    is_flag=True,
    help="Train nothing: show what would be learnt, how, and what it would take.",
)
@knob_options
@json_option
@project_option
def command(
    recipe: str | None,
    methods: bool,
    minutes: float,
    rate: float | None,
    target: Target | None,
    matryoshka: bool,
    take: bool,
    teacher: str | None,
    teacher_url: str | None,
    data: Path | None,
    form: str | None,
    leave_out: bool,
    sources: tuple[PreferenceSource, ...],
    beta: float,
    again: bool,
    replay: bool,
    inspect: bool,
    as_json: bool,
    folder: Path,
    knobs: Knobs,
) -> None:
    """Train the adapter that RECIPE wears, on the questions of the train split: METHOD from
    questions alone, METHOD+rag from the passages that retrieval finds, like `lora`, `lora+rag` or
    `adapter+rag`. Or on your own pairs: --data FILE. Or on the documents themselves: `internalise`
    learns questions that are made about all of them, taught by the model with the passage at hand.

    \b
    Forms of --data, told by their keys:
      prompt      prompt, completion (texts or lists of messages)
      preference  prompt, chosen, rejected (the chosen answer is learnt)
      question    question, answers [, document, evidence, answerable, split]
      alpaca      instruction, input, output
      dolly       instruction, context, response
      input       input, output
      chat        messages: [{role, content [, weight, tool_calls]}] [, tools]
      sharegpt    conversations: [{from, value} or {role, content}]

    `dpo` and `kto` learn which answers are better: from pairs, or from prompt, completion and
    label. Without --data: from saved comparisons, labels, and what the model makes up by itself.

    The dev split's loss decides which state is kept. Stopped, the same command goes on from there.
    With --target it trains the retriever instead: questions against the passage with their evidence
    and the wrong ones found beside it. nDCG@10 on the dev split decides which state is kept.
    """
    if methods:
        return echo_methods(as_json)
    if target is not None:
        if recipe or data or again or inspect or knobs != PLANNED:
            raise click.UsageError("--target goes without RECIPE and an adapter's options.")
        _tune_retriever(folder, target, minutes, rate, matryoshka, take, as_json)
        return None
    if matryoshka or take:
        raise click.UsageError("--matryoshka and --take belong to --target.")
    recipe, source = _named(recipe), _source(data, form, leave_out)
    own = Teacher(teacher, teacher_url) if teacher else None
    learnt = _Learnt(minutes=minutes, rate=rate, teacher=own, data=source, knobs=knobs)
    learnt |= {"beta": beta, "sources": sources or None}
    if inspect:
        return _inspect(folder, recipe, learnt, as_json)
    return _tune(folder, recipe, learnt, {"again": again, "replay": replay}, as_json)


def _named(recipe: str | None) -> str:
    if recipe is None:
        raise click.UsageError("Missing argument 'RECIPE', like lora+rag; --methods lists them.")
    return recipe


def _source(data: Path | None, form: str | None, leave_out: bool) -> PairSource | None:
    if data is None and (form or leave_out):
        raise click.UsageError("--format and --leave-out go with --data FILE.")
    return PairSource(data, form, leave_out) if data else None


class _Learnt(TypedDict):
    """What `tune` and `inspect_tuning` have in common."""

    minutes: float
    rate: float | None
    teacher: Teacher | None
    data: PairSource | None
    knobs: Knobs
    beta: NotRequired[float]
    sources: NotRequired[Sequence[PreferenceSource] | None]


class _Run(TypedDict):
    """How `tune` runs, which an inspection does not."""

    again: bool
    replay: bool


def _tune(folder: Path, recipe: str, learnt: _Learnt, run: _Run, as_json: bool) -> None:
    use_large_blocks()
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        with TuneBar(learnt["minutes"]) as bar:
            tuned = project.tune(recipe, **learnt, **run, on_step=bar.step)
        (echo_json if as_json else echo_tuned)(tuned)


def _inspect(folder: Path, recipe: str, learnt: _Learnt, as_json: bool) -> None:
    use_large_blocks()
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        show = InspectionShow(quiet=as_json)
        seen = project.inspect_tuning(recipe, **learnt, listener=show)
        (echo_json if as_json else echo_outcome)(seen)


def _tune_retriever(
    folder: Path,
    target: Target,
    minutes: float,
    rate: float | None,
    matryoshka: bool,
    take: bool,
    as_json: bool,
) -> None:
    use_large_blocks()
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        with TuneBar(minutes) as bar:
            done = project.tune_retriever(
                target,
                minutes=minutes,
                rate=rate,
                matryoshka=matryoshka,
                take=take,
                on_step=bar.step,
            )
        (echo_json if as_json else echo_retriever)(done)


def echo_methods(as_json: bool) -> None:
    """The table of methods."""
    if as_json:
        echo_json(list(METHODS.values()))
        return
    wide = max(map(len, METHODS))
    for method in METHODS.values():
        size = f"{method.size} {method.unit}" if method.size else method.unit
        click.echo(
            f"{method.name:{wide}}  {method.title} ({method.source}); {_SERVED[method.served]}; "
            f"{size}".rstrip("; ")
        )


def echo_tuned(tuned: Tuned, *, err: bool = False) -> None:
    """Print what a run did; to stderr where it did not do what was asked."""
    trained = tuned.trained
    click.echo(
        f"{tuned.recipe}: {trained.cases} cases, {trained.steps} steps in "
        f"{trained.seconds / 60:.1f} minutes, "
        f"{trained.parameters / 1e6:.1f} M parameters; dev loss {trained.loss_before:.3f} to "
        f"{trained.loss_after:.3f}; "
        f"{tuned.same} of {tuned.checked} answers the same where it is served ({tuned.engine}), "
        f"within rounding.",
        err=err,
    )
    click.echo(f"  {describe(tuned.data)}", err=err)
    for reason in trained.plan.reasons:
        click.echo(f"  {reason}", err=err)
    if trained.swept is not None:
        tried = sorted(trained.swept.losses.items())
        losses = ", ".join(f"{rate:g} {loss:.3f}" for rate, loss in tried)
        click.echo(f"  rates, by dev loss where each ended: {losses}", err=err)
    if tuned.seeds:
        click.echo(f"  {spread(dict(tuned.seeds))}; the best is served", err=err)
    before, after = trained.forgetting.before, trained.forgetting.after
    held = f"; held to itself by {trained.replayed} sequences" if trained.replayed else ""
    click.echo(
        f"  general ability: perplexity {before.perplexity:.1f} to {after.perplexity:.1f}, "
        f"questions {before.questions:.0%} to {after.questions:.0%}{held}",
        err=err,
    )
    click.echo(f"{trained.folder}", err=err)
    if tuned.recipe == "internalise" and 0 < trained.passes < _SELDOM:
        minutes = math.ceil(trained.seconds / 60 * _OFTEN / trained.passes)
        click.echo(
            f"Each case was learnt {trained.passes:.1f} times on the mean; what is learnt so seldom is "
            f"mostly not known afterwards. {_OFTEN} times: --minutes {minutes}.",
            err=True,
        )
    if trained.loss_after >= trained.loss_before:
        click.echo("The dev loss never improved; the adapter is unchanged.", err=True)


class TuneBar(Bar):
    """Time, loss and speed of a training run."""

    def __init__(self, minutes: float) -> None:
        super().__init__(TextColumn("Training"), BarColumn(), TextColumn("{task.fields[figures]}"))
        self._task = self._bar.add_task("training", total=minutes * 60, figures="")

    def step(self, seconds: float, figures: dict[str, float]) -> None:
        """Called after each step."""
        left = f"{figures['seconds_left'] / 60:.1f} min left"
        shown = f"loss {figures['loss']:.3f} · {figures['tokens_per_s']:.0f} tokens/s · {left}"
        self._bar.update(self._task, completed=seconds, figures=shown)
