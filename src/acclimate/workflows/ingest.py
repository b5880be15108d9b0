"""Ingesting a project: its parser, chunker and embedder, put together for `acclimate.ingest`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from acclimate.errors import SettingsError
from acclimate.indexes.claims import IngestStatus, status_of
from acclimate.ingest import ingest
from acclimate.ingest_reading import Reader
from acclimate.ingest_report import IngestProgress, IngestReport, NoProgress
from acclimate.ingest_worker import Folder, Job, work
from acclimate.workspace.parsing import open_chunker, open_sandbox, parser_name
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:
    from acclimate.workflows.cluster_ingest import OnCluster


def ingest_documents(
    workspace: Workspace,
    *,
    check_all: bool = False,
    allow_empty: bool = False,
    progress: IngestProgress | None = None,
) -> IngestReport:
    """Bring the library up to date with the documents folder; see `acclimate.ingest.ingest`."""
    hear, files = progress or NoProgress(), workspace.settings.documents
    with _reading(workspace, hear) as here, _elsewhere(workspace, hear) as there:
        return ingest(
            workspace.documents,
            workspace.library,
            here.parse,
            here.chunker,
            there.embedder if there else workspace.embedder,
            include=files.include,
            exclude=files.exclude,
            check_all=check_all,
            allow_empty=allow_empty,
            parallel=here.parallel,
            parser=here.parser,
            pictures=workspace.pictures,
            progress=hear,
            reader=there.reader if there else None,
        )


def work_on_documents(
    workspace: Workspace,
    *,
    check_all: bool = False,
    allow_empty: bool = False,
    progress: IngestProgress | None = None,
) -> IngestReport:
    """Be one of the workers that bring the library up to date; see `acclimate.ingest_worker.work`.

    Raises SettingsError where a cluster is to read already.
    """
    if workspace.settings.cluster.engine != "local":
        raise SettingsError(
            "'cluster.engine' = 'ray' and --worker are two ways to share an ingest.",
            hint="Run acclimate ingest once; or as a worker, with ACCLIMATE_CLUSTER__ENGINE=local.",
        )
    hear, files = progress or NoProgress(), workspace.settings.documents
    folder = Folder(workspace.documents, files.include, files.exclude, check_all, allow_empty)
    with _reading(workspace, hear) as reader:
        embedder, pictures = workspace.embedder, workspace.pictures
        return work(Job(folder, workspace.library, reader, embedder, pictures, hear))


def ingest_status(workspace: Workspace) -> IngestStatus:
    """What the workers of the ingest that is open, or of the last one, did and do."""
    return status_of(workspace.library.record.database)


@contextmanager
def _elsewhere(workspace: Workspace, hear: IngestProgress) -> Iterator[OnCluster | None]:
    """What reads and embeds on a cluster's nodes; None where this process does."""
    if workspace.settings.cluster.engine == "local":
        yield None
        return
    from acclimate.workflows.cluster_ingest import reading_on_cluster  # not needed without

    with reading_on_cluster(workspace, hear) as there:
        yield there


@contextmanager
def _reading(workspace: Workspace, hear: IngestProgress) -> Iterator[Reader]:
    """What parses and chunks the project's files."""
    settings, pictures = workspace.settings, workspace.pictures
    chunker = open_chunker(
        settings, workspace.embedder, workspace.layout.templates, workspace.write
    )
    with closing(open_sandbox(settings.documents, pictures is not None)) as sandbox:
        yield Reader(
            lambda file, path: sandbox(
                file, path, lambda done, total: hear.page(path, done, total)
            ),
            chunker,
            sandbox.workers,
            parser_name(settings.documents, pictures),
        )
