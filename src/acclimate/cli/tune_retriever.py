"""The output of `acclimate tune --target`."""

from __future__ import annotations

import click

from acclimate.workflows.tune_retriever import TunedRetriever


def echo_retriever(done: TunedRetriever) -> None:
    """Dev figures before and after, and how to use it."""
    click.echo(
        f"{done.target}: {done.samples} questions, {done.steps} steps in {done.seconds / 60:.1f} "
        f"minutes, "
        f"{done.parameters / 1e6:.1f} M parameters over {done.base}; {done.skipped} without "
        f"evidence left out."
    )
    for name, figures in (("before", done.before), ("after", done.after)):
        click.echo(
            f"  {name:6}  MRR {figures.mrr:.3f}  nDCG@10 {figures.ndcg:.3f}  evidence shown "
            f"{figures.recall:.1%}  "
            f"({figures.questions} dev questions)"
        )
    gain = done.gain.interval
    click.echo(
        f"  nDCG@10 {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}, p = {done.gain.p:.2f})"
    )
    for length, score in done.shorter.items():
        click.echo(f"  {length:4} dimensions  nDCG@10 {score:.3f}")
    if done.folder is None:
        click.echo("It never beat the current one on dev, so nothing was put in place.")
        return
    click.echo(f"{done.folder}")
    for key, value in done.settings.items():
        section, _, name = key.partition(".")
        click.echo(f'{"Written" if done.taken else "To use it"}: [{section}] {name} = "{value}"')
    if done.target == "embedder":
        click.echo("Then embed the library again: acclimate ingest")
