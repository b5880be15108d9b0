"""Ingesting a project: its parser, its chunker and its embedder, put together for `acclimate.ingest`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from acclimate.chunking.base import Chunker
from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.chunking.context import ContextChunker
from acclimate.documents.engines import require_engine
from acclimate.documents.sandbox import EngineSandbox, Limits, Sandbox
from acclimate.embeddings.base import PictureEmbedder
from acclimate.ingest import IngestReport, Progress, Silence, ingest
from acclimate.prompting.templates import Template, load_template
from acclimate.settings import DocumentsSettings
from acclimate.types import Message

if TYPE_CHECKING:
    from acclimate.project import Project

_READERS = 2  # raised where our readers give another document for the same file than in the release before
_CONTEXT_TOKENS = 60  # of the sentence about a chunk


def ingest_documents(project: Project, check_all: bool, allow_empty: bool, progress: Progress | None) -> IngestReport:
    """See `Project.ingest`."""
    files, hear = project.settings.documents, progress or Silence()
    with closing(_sandbox(files, project.pictures is not None)) as sandbox:
        return ingest(
            project.documents,
            project.library,
            lambda file, path: sandbox(file, path, lambda done, total: hear.page(path, done, total)),
            _chunker(project),
            project.embedder,
            include=files.include,
            exclude=files.exclude,
            check_all=check_all,
            allow_empty=allow_empty,
            parallel=sandbox.workers,
            parser=_name(files, project.pictures),
            pictures=project.pictures,
            progress=hear,
        )


def _name(files: DocumentsSettings, pictures: PictureEmbedder | None) -> str:
    """Names what reads: where it changes, files are read again."""
    parts = [f"{files.engine}-{_READERS}", "mark" if files.hidden == "mark" else ""]
    parts += [pictures.fingerprint[:12]] if pictures is not None else []
    return "+".join(filter(None, parts))


def _sandbox(files: DocumentsSettings, pictures: bool) -> Sandbox | EngineSandbox:
    """What parses the files. Raises MissingExtraError or SettingsError for an engine that is not installed."""
    limits = Limits(files.parse_seconds, files.parse_memory_mb, files.max_characters, files.max_file_mb)
    if files.engine == "acclimate":
        return Sandbox(limits, files.workers, pictures=pictures, hidden=files.hidden)
    if not files.engine_python:
        require_engine(files.engine)
    return EngineSandbox(limits, files.workers, files.engine, files.engine_python, pictures, files.hidden)


def _chunker(project: Project) -> Chunker:
    chosen, embedder = project.settings.chunking, project.embedder
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
    chunker = make_chunker(chosen.method, embedder.token_spans, embedder.embed_passages, cut)
    if chosen.context == "headings":
        return chunker
    return with_contexts(
        chunker, load_template("context", project.folder / "templates"), project.settings.model.name, project.write
    )


def with_contexts(
    chunker: Chunker, template: Template, model: str, write: Callable[[Sequence[Message], int], str]
) -> Chunker:
    """The chunks of `chunker`, with a sentence each that `write`, the model named `model`, makes of `template`."""

    def describe(title: str, beginning: str, passage: str) -> str:
        return write(template.render({"title": title, "beginning": beginning, "passage": passage}), _CONTEXT_TOKENS)

    return ContextChunker(chunker, describe, f"{model}/{template.fingerprint}")
