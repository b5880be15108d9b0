"""The parser and the chunker that a project's settings name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from acclimate.chunking.base import Chunker
from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.chunking.context import ContextChunker
from acclimate.documents.dedoc_service import DedocService
from acclimate.documents.engines import require_engine
from acclimate.documents.sandbox import EngineSandbox, Limits, Sandbox
from acclimate.embeddings.base import Embedder, PictureEmbedder
from acclimate.errors import SettingsError
from acclimate.prompting.templates import Template, load_template
from acclimate.settings import Settings
from acclimate.settings_library import DocumentsSettings
from acclimate.types import Message

Write = Callable[[Sequence[Message], int], str]
"""What the language model writes for messages, in at most so many tokens."""
# Raised where our readers give another document for the same file than in the release before.
_READERS = 2
_ENGINES = {"dedoc": 3}  # the same for another engine alone
_CONTEXT_TOKENS = 60  # of the sentence about a chunk


def parser_name(files: DocumentsSettings, pictures: PictureEmbedder | None) -> str:
    """Names what reads: where it changes, files are read again."""
    version = _ENGINES.get(files.engine, _READERS)
    parts = [f"{files.engine}-{version}", "mark" if files.hidden == "mark" else ""]
    if files.engine_url:
        parts.append(f"service{' '.join(('', *sorted(files.engine_options)))}")
    parts += [pictures.fingerprint[:12]] if pictures is not None else []
    return "+".join(filter(None, parts))


def open_sandbox(
    files: DocumentsSettings, pictures: bool
) -> Sandbox | EngineSandbox | DedocService:
    """What parses the files. Raises MissingExtraError or SettingsError for an engine that is not
    installed, or has no service."""
    limits = Limits(
        files.parse_seconds, files.parse_memory_mb, files.max_characters, files.max_file_mb
    )
    if files.engine_url and files.engine != "dedoc":
        raise SettingsError(
            f"[documents] engine_url is dedoc's, and engine is '{files.engine}'.",
            hint='engine = "dedoc", or no engine_url.',
        )
    if files.engine_url:
        own = Sandbox(limits, files.workers, pictures=pictures, hidden=files.hidden)
        return DedocService(files.engine_url, files.engine_options, own)
    if files.engine == "acclimate":
        return Sandbox(limits, files.workers, pictures=pictures, hidden=files.hidden)
    if not files.engine_python:
        require_engine(files.engine)
    return EngineSandbox(
        limits, files.workers, files.engine, files.engine_python, pictures, files.hidden
    )


def open_chunker(settings: Settings, embedder: Embedder, templates: Path, write: Write) -> Chunker:
    """What `[chunking]` names; it counts tokens by `embedder`, and `write` is the language
    model."""
    chosen = settings.chunking
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
    return with_contexts(chunker, load_template("context", templates), settings.model.name, write)


def with_contexts(chunker: Chunker, template: Template, model: str, write: Write) -> Chunker:
    """The chunks of `chunker`, with a sentence each that `write`, the model named `model`, makes of
    `template`."""

    def describe(title: str, beginning: str, passage: str) -> str:
        return write(
            template.render({"title": title, "beginning": beginning, "passage": passage}),
            _CONTEXT_TOKENS,
        )

    return ContextChunker(chunker, describe, f"{model}/{template.fingerprint}")
