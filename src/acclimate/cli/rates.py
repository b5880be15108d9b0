"""`acclimate doctor --rates`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from acclimate.cli.output import echo_json
from acclimate.cli.progress import download_bar
from acclimate.cli.try_ import example
from acclimate.errors import ProjectError
from acclimate.project import Project
from acclimate.workflows.rates import Rates, measure_rates


def echo_rates(folder: Path, as_json: bool) -> None:
    """Measure and print the rates of this machine on the documents of the project in `folder`, or
    on the examples that ship where there is none."""
    with download_bar() as on_bytes:
        try:
            with Project.open(folder, on_bytes) as project:
                shown, rates = project.documents_shown, measure_rates(project)
        except ProjectError as error:
            if "is not a project" not in str(error):
                raise
            with (
                tempfile.TemporaryDirectory(prefix="acclimate-rates-") as scratch,
                Project.create(Path(scratch), example() / "documents") as project,
            ):
                shown, rates = "the examples that ship", measure_rates(project)
    if as_json:
        echo_json(rates)
        return
    click.echo(f"Measured on {shown}: {rates.documents} documents, {rates.chunks} chunks.")
    for line in _lines(rates):
        click.echo(line)


def _lines(rates: Rates) -> list[str]:
    reading = rates.chunk_s + rates.embed_s + rates.store_s + rates.index_s
    per_document = rates.parse_s + reading * rates.chunks / rates.documents
    return [
        f"parse      {rates.parse_s * 1e3:9.1f} ms of a core for a document",
        f"chunk      {rates.chunk_s * 1e3:9.2f} ms of a core for a chunk",
        f"embed      {rates.embed_s * 1e3:9.2f} ms of a core for a chunk",
        f"store      {rates.store_s * 1e3:9.2f} ms of a core for a chunk",
        f"index      {rates.index_s * 1e3:9.2f} ms of a core for a chunk",
        f"together   {3600 / per_document:9,.0f} documents in an hour of a core",
        f"retrieve   {rates.retrieve_s * 1e3:9.1f} ms of a core for a question",
        f"compare    {rates.scan_rows_per_s / 1e6:9.1f} million vectors in a second of a core",
        f"record     {rates.record_bytes:9,.0f} bytes for a chunk",
        f"vectors    {rates.vector_bytes:9,.0f} bytes for a chunk of {rates.dimensions} dimensions",
        f"text index {rates.text_bytes:9,.0f} bytes for a chunk",
        f"disk       {rates.disk_mb_per_s:9,.0f} MB/s written",
    ]
