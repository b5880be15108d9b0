"""`acclimate serve`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from acclimate.cli.output import UserPath, project_option
from acclimate.cli.progress import download_bar
from acclimate.errors import AcclimateError, MissingExtraError
from acclimate.files.places import as_typed
from acclimate.indexes.readonly import can_write
from acclimate.project import Project
from acclimate.settings import make_settings

if TYPE_CHECKING:  # an extra
    from acclimate.models.store import OnBytes
    from acclimate.serving.server import Site
    from acclimate.workspace.shelf import Shelf

_AUDIT_BYTES, _AUDIT_FILES = 10_000_000, 5


@click.command()
@click.option(
    "--host", help="Address to listen on (default: 127.0.0.1, this machine only); others need keys."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on (default: 8080); 0: any that is free.",
)
@click.option(
    "--tls-cert", type=click.Path(path_type=Path), help="Certificate chain (PEM), for https."
)
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its private key (PEM).")
@click.option("--watch", is_flag=True, help="Ingest whenever files in the documents folder change.")
@project_option
@click.argument("places", nargs=-1, metavar="[[NAME=]FOLDER]...")
@click.pass_context
def command(
    context: click.Context,
    host: str | None,
    port: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    watch: bool,
    folder: Path,
    places: tuple[str, ...],
) -> None:
    """Serve the project: an OpenAI-compatible API at /v1 and a web page. Ctrl-C finishes what is
    being answered.

    With several folders, or a NAME, each project is below /p/NAME/ (default: the folder's name)
    with its own keys; they share the models in memory.
    """
    try:
        from acclimate.serving.server import FINISH_S, Server  # an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError("acclimate serve", "serve") from error
    here = {
        "tls_cert": tls_cert.resolve() if tls_cert else None,
        "tls_key": tls_key.resolve() if tls_key else None,
    }
    chosen = {
        key: value
        for key, value in {"host": host, "port": port, **here}.items()
        if value is not None
    }
    changed: dict[str, dict[str, Any]] = {
        "serve": chosen,
        "documents": {"watch": True} if watch else {},
    }
    if places and context.get_parameter_source("folder") is ParameterSource.COMMANDLINE:
        raise click.UsageError("Name folders as arguments or one by --project, not both.")
    several = len(places) > 1 or any("=" in place for place in places)
    with download_bar() as on_bytes, ExitStack() as stack:
        if several:
            site = _several(places, changed, on_bytes)
            server, drain = Server(site, click.echo), site.listening.drain_seconds
        else:
            kind = UserPath(path_type=Path, file_okay=False, exists=True)
            place = kind.convert(places[0], None, context) if places else folder
            project = _with(stack.enter_context(Project.open(place, on_bytes)), changed)
            _keep_audit(project.layout.audit_log)
            server, drain = Server(project, click.echo), project.settings.serve.drain_seconds
        if context.obj is not None:
            context.obj.patience += FINISH_S + drain
        server.serve_project()


def _several(places: Sequence[str], changed: dict[str, dict[str, Any]], on_bytes: OnBytes) -> Site:
    """Several projects in one server; what is wrong with one is told, and costs no other."""
    from acclimate.serving.several import open_site, read_places, require_project

    def open_one(name: str, folder: Path, shelf: Shelf) -> Project:
        require_project(folder)
        project = _with(Project.open(folder, on_bytes, shelf=shelf), changed)
        _keep_audit(project.layout.audit_log, name)
        return project

    def tell(name: str, error: AcclimateError) -> None:
        click.echo(f"error: the project '{name}' is not served: {as_typed(str(error))}", err=True)
        if error.hint:
            click.echo(f"repair: {as_typed(error.hint)}", err=True)

    return open_site(read_places(places), tell, open_one)


def _with(project: Project, chosen: dict[str, dict[str, Any]]) -> Project:
    """The project with these settings of sections instead of the file's."""
    values = project.settings.model_dump(exclude_unset=True)  # some defaults depend on what is set
    for section, keys in chosen.items():
        values[section] = values.get(section, {}) | keys
    project.settings = make_settings(values, origin="the command line")
    return project


def _keep_audit(file: Path, name: str = "") -> None:
    """Log who asked what kind of thing and when, never what was asked."""
    from acclimate.serving.names import audit_log

    logger = audit_log(name)
    logger.propagate = False
    folder = file.parent
    if folder.exists() and not (can_write(folder) and (can_write(file) or not file.exists())):
        click.echo(
            f"{file} cannot be written: no request is logged, and uploads and ingests are refused.",
            err=True,
        )
        return
    folder.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        file, maxBytes=_AUDIT_BYTES, backupCount=_AUDIT_FILES, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
