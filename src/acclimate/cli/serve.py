"""`acclimate serve`."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import click

from acclimate.cli.output import project_option
from acclimate.cli.progress import download_bar
from acclimate.cli.signals import Signals
from acclimate.errors import MissingExtraError
from acclimate.indexes.readonly import can_write
from acclimate.project import Project
from acclimate.settings import make_settings

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
@click.pass_obj
def command(
    signals: Signals | None,
    host: str | None,
    port: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    watch: bool,
    folder: Path,
) -> None:
    """Serve the project: an OpenAI-compatible API at /v1 and a web page. Ctrl-C finishes what is
    being answered."""
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
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as found:
        project = _with(found, {"serve": chosen, "documents": {"watch": True} if watch else {}})
        _keep_audit(project.layout.audit_log)
        if signals is not None:
            signals.patience += FINISH_S + project.settings.serve.drain_seconds
        Server(project, lambda address: click.echo(address)).serve_project()


def _with(project: Project, chosen: dict[str, dict[str, Any]]) -> Project:
    """The project with these settings of sections instead of the file's."""
    values = project.settings.model_dump()
    for section, keys in chosen.items():
        values[section] |= keys
    project.settings = make_settings(values, origin="the command line")
    return project


def _keep_audit(file: Path) -> None:
    """Log who asked what kind of thing and when, never what was asked."""
    logger = logging.getLogger("acclimate.audit")
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
