"""`acclimate watch`."""

from __future__ import annotations

from pathlib import Path

import click

from acclimate.cli.ingest import echo_report
from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.cli.progress import download_bar
from acclimate.cli.sync import echo_source
from acclimate.errors import AcclimateError
from acclimate.files.places import as_typed
from acclimate.ingest_report import IngestReport
from acclimate.project import Project
from acclimate.sources.base import SourceReport


@click.command()
@json_option
@project_option
def command(as_json: bool, folder: Path) -> None:
    """Ingest now, and again whenever files in the documents folder change, until Ctrl-C; meanwhile
    mirror each of [sources] when it is due.

    It may run beside `acclimate serve`, be ended at any moment and be started again. A file that
    cannot be read is told, and costs only itself. With --json, one object for each ingest and each mirroring.
    """
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        heard = _Heard(project, as_json)
        project.watch(heard)


class _Heard:
    """Prints the ingests that changed something, and what could not be read once."""

    def __init__(self, project: Project, as_json: bool) -> None:
        self._project, self._json = project, as_json
        self._first = True
        self._failures: frozenset[str] = frozenset()

    def __call__(self, heard: IngestReport | SourceReport | AcclimateError | OSError) -> None:
        if isinstance(heard, SourceReport):
            changed = heard.added or heard.changed or heard.removed or heard.error
            if self._json:
                echo_json(heard)
            elif changed:
                echo_source(heard)
            return
        if not isinstance(heard, IngestReport):
            click.echo(f"error: {as_typed(str(heard))}", err=True)
            if hint := getattr(heard, "hint", ""):
                click.echo(f"repair: {as_typed(hint)}", err=True)
            return
        failures = frozenset(failure.reason for failure in heard.failures)
        changed = heard.added or heard.changed or heard.removed or failures != self._failures
        if not self._first and not changed:
            return
        if self._json:
            echo_json(heard)
        else:
            echo_report(heard)
            if self._first:
                place = self._project.documents_shown
                click.echo(f"Watching {place}; Ctrl-C ends.", err=True)
        self._first, self._failures = False, failures
