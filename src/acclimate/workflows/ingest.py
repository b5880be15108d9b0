"""Ingesting a project: its parser, chunker and embedder, put together for `acclimate.ingest`."""

from __future__ import annotations

from contextlib import closing

from acclimate.ingest import ingest
from acclimate.ingest_report import IngestProgress, IngestReport, NoProgress
from acclimate.workspace.parsing import open_chunker, open_sandbox, parser_name
from acclimate.workspace.workspace import Workspace


def ingest_documents(
    workspace: Workspace,
    *,
    check_all: bool = False,
    allow_empty: bool = False,
    progress: IngestProgress | None = None,
) -> IngestReport:
    """Bring the library up to date with the documents folder; see `acclimate.ingest.ingest`."""
    settings, hear = workspace.settings, progress or NoProgress()
    files, pictures, embedder = settings.documents, workspace.pictures, workspace.embedder
    chunker = open_chunker(settings, embedder, workspace.layout.templates, workspace.write)
    with closing(open_sandbox(files, pictures is not None)) as sandbox:
        return ingest(
            workspace.documents,
            workspace.library,
            lambda file, path: sandbox(
                file, path, lambda done, total: hear.page(path, done, total)
            ),
            chunker,
            embedder,
            include=files.include,
            exclude=files.exclude,
            check_all=check_all,
            allow_empty=allow_empty,
            parallel=sandbox.workers,
            parser=parser_name(files, pictures),
            pictures=pictures,
            progress=hear,
        )
