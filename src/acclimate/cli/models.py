"""`acclimate models`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from acclimate.cli.output import echo_json, json_option
from acclimate.cli.progress import download_bar
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.entries import ModelKind
from acclimate.models.fetch import fetch, resolve
from acclimate.models.hub import Form
from acclimate.models.recommendation import SECONDS, measure_machine, recommend
from acclimate.models.store import locate, not_here, verify

_LINE = "{:28} {:8} {:>8}  {:>8}  {:>6}  {:9}  {:10}  {}"
_ADVICE = "{:7} {:28} {:>9}  {:>8}  {:9} {:>11}  {:>12}  {}"
_KIND = click.Choice(["language", "embedder", "reranker"])


@click.group()
def command() -> None:
    """List, fetch and verify models."""


@command.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """The models that Acclimate knows by name."""
    rows = [
        {
            "name": entry.name,
            "kind": entry.kind,
            "size_class": entry.size_class,
            "megabytes": round(entry.size / 1e6),
            "memory_mb": round(entry.memory / 1e6),
            "window": entry.window,
            "languages": entry.languages,
            "licence": entry.licence,
            "here": locate(entry.name) is not None,
            "sources": [str(source) for source in entry.sources],
            "summary": entry.summary,
        }
        for entry in CATALOGUE.values()
    ]
    if as_json:
        echo_json(rows)
        return
    click.echo(
        _LINE.format("model", "class", "disk", "memory", "window", "languages", "licence", "")
    )
    for row in rows:
        disk, memory = f"{row['megabytes']:,} MB", f"{row['memory_mb']:,} MB"
        here = "here" if row["here"] else "not here"
        kind, window = row["size_class"] or row["kind"], f"{row['window']:,}"
        click.echo(
            _LINE.format(
                row["name"], kind, disk, memory, window, row["languages"], row["licence"], here
            )
        )
        click.echo(f"    {row['summary']}")


@command.command("fetch")
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--kind", type=_KIND, default="language", help="What a hub id is (the catalogue knows its own)."
)
@click.option("--again", is_flag=True, help="Fetch even what is here.")
@click.option(
    "--form",
    type=click.Choice(["safetensors", "onnx"]),
    help="Of an embedder's or reranker's hub id (default: what runs without PyTorch).",
)
def fetch_models(names: tuple[str, ...], kind: str, again: bool, form: Form | None) -> None:
    """Fetch models by catalogue name or hub id ('org/repo' or 'org/repo:file.gguf')."""
    for name in names:
        known = CATALOGUE[name].kind if name in CATALOGUE else cast("ModelKind", kind)
        with download_bar() as on_bytes:
            model = (
                fetch(name, known, on_bytes, again=again, form=form)
                if again or form
                else resolve(name, known, on_bytes)
            )
        click.echo(f"{name}: {model.weights}", err=True)


@command.command("recommend")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=SECONDS,
    show_default=True,
    help="Longest time that an answer may take.",
)
@json_option
def recommend_model(seconds: float, as_json: bool) -> None:
    """Measure this machine for a second, and say which language model to use.

    Seconds an answer are estimated from what was measured, for a prompt of 900 tokens and an answer
    of 60.
    """
    found = recommend(measure_machine(), seconds)
    if as_json:
        echo_json(found)
        return
    machine = found.machine
    free = "" if machine.free_gb is None else f"{machine.free_gb:.1f} GB of memory free, "
    click.echo(
        f"This machine: {machine.cores} cores ({machine.instructions}), {free}"
        f"{machine.disk_gb:.0f} GB of disk free; {machine.gflops:,.0f} GFLOP/s, "
        f"{machine.gb_per_s:.0f} GB/s"
    )
    if machine.load is not None and machine.load > machine.cores:
        click.echo(
            f"Other programs are busy here (load {machine.load:.0f}): answers wait for them."
        )
    head = ("class", "model", "download", "memory", "engine", "s an answer", "F1", "")
    click.echo(_ADVICE.format(*head))
    for row in found.models:
        score = "not measured" if row.score is None else f"{row.score:.2f}"
        click.echo(
            _ADVICE.format(
                row.size_class,
                row.name,
                "here" if row.here else f"{row.download_mb:,} MB",
                f"{row.memory_mb:,} MB",
                row.engine,
                f"about {row.seconds:.1f}",
                score,
                "← recommended" if row.name == found.name else row.against,
            ).rstrip()
        )
    click.echo(f"Recommended: {found.name}, {found.reason}.")
    click.echo(
        "Seconds are estimated, for a machine that does nothing else; F1 is on the shipped examples, with passages."
    )
    click.echo(f'Use it: acclimate init --model auto, or [model] name = "{found.name}"')


@command.command()
@click.argument("name")
def path(name: str) -> None:
    """Print where a model's main file lies."""
    model = locate(name)
    if model is None:
        raise not_here(name)
    click.echo(model.weights)


@command.command("verify")
@click.argument("names", nargs=-1)
@json_option
def verify_models(names: tuple[str, ...], as_json: bool) -> None:
    """Hash every file of the models again (default: all that are here)."""
    chosen = names or tuple(name for name in CATALOGUE if locate(name))
    checked = {name: verify(name) for name in chosen}
    if as_json:
        echo_json(checked)
        return
    for name, files in checked.items():
        for file in files:
            click.echo(f"ok  {file.sha256}  {name}/{Path(file.path)}")
