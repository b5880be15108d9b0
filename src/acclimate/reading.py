"""Ingesting a project: its parser, its chunker and its embedder, put together for `acclimate.ingest`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from acclimate.chunking.base import Chunker
from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.engines import require_engine
from acclimate.documents.sandbox import EngineSandbox, Limits, Sandbox
from acclimate.embeddings.base import Embedder
from acclimate.ingest import IngestReport, Progress, Silence, ingest
from acclimate.settings import ChunkingSettings, DocumentsSettings

if TYPE_CHECKING:
    from acclimate.project import Project


def ingest_documents(project: Project, check_all: bool, allow_empty: bool, progress: Progress | None) -> IngestReport:
    """See `Project.ingest`."""
    files, hear = project.settings.documents, progress or Silence()
    with closing(_sandbox(files)) as sandbox:
        return ingest(
            project.documents,
            project.library,
            lambda file, path: sandbox(file, path, lambda done, total: hear.page(path, done, total)),
            _chunker(project.settings.chunking, project.embedder),
            project.embedder,
            include=files.include,
            exclude=files.exclude,
            check_all=check_all,
            allow_empty=allow_empty,
            parallel=sandbox.workers,
            parser="" if files.engine == "acclimate" else files.engine,
            progress=hear,
        )


def _sandbox(files: DocumentsSettings) -> Sandbox | EngineSandbox:
    """What parses the files. Raises MissingExtraError or SettingsError for an engine that is not installed."""
    limits = Limits(files.parse_seconds, files.parse_memory_mb, files.max_characters, files.max_file_mb)
    if files.engine == "acclimate":
        return Sandbox(limits, files.workers)
    if not files.engine_python:
        require_engine(files.engine)
    return EngineSandbox(limits, files.workers, files.engine, files.engine_python)


def _chunker(chosen: ChunkingSettings, embedder: Embedder) -> Chunker:
    cut = Cut(
        max_tokens=chosen.max_tokens,
        overlap=chosen.overlap_tokens,
        tokenizer=embedder.fingerprint[:12],
        pattern=chosen.pattern,
        characters=chosen.characters,
        child_tokens=chosen.child_tokens,
        percentile=chosen.percentile,
        splitter=chosen.splitter,
    )
    return make_chunker(chosen.method, embedder.token_spans, embedder.embed_passages, cut)
