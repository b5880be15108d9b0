"""The sections of `acclimate.toml` about documents and the library: each key with its unit, its
default and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A section: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def server_address() -> Any:
    """A field for the address of a server."""
    return Field(default=None, description="server address, for engine 'openai'")


def server_key() -> Any:
    """A field for the name of the variable with a server's key."""
    return Field(
        default="OPENAI_API_KEY", description="environment variable that holds the server's key"
    )


class DocumentsSettings(Section):
    """Which files are the documents."""

    path: Path = Field(
        default=Path("documents"), description="folder of documents, relative to this file"
    )
    include: tuple[str, ...] = Field(
        default=("**/*",), description="glob patterns of files to read"
    )
    exclude: tuple[str, ...] = Field(default=(), description="glob patterns of files to leave out")
    labels: tuple[str, ...] = Field(
        default=(),
        description='access labels as "GLOB = LABEL"; `ask --label` sees what is open or has its '
        "label",
    )
    watch: bool = Field(
        default=False,
        description="whether `acclimate serve` ingests by itself when files change; "
        "`acclimate watch` does it beside a server",
    )
    watch_seconds: float = Field(
        default=60.0,
        gt=0,
        description="longest time until a change is found that sends no file event, as in network "
        "folders, in seconds",
    )
    engine: Literal["acclimate", "docling", "docling-native", "dedoc"] = Field(
        default="acclimate",
        description="what parses the formats that it reads, our own readers the others: docling "
        "(extra docling; PDF by "
        "its models), docling-native (PDF without models), dedoc",
    )
    engine_python: str = Field(
        default="",
        description="interpreter of another environment that runs the engine; empty: this one",
    )
    engine_url: str = Field(
        default="",
        description="address of dedoc's HTTP service, for engine dedoc: it then reads PDF and "
        "scans, too; empty: dedoc's package",
    )
    engine_options: tuple[str, ...] = Field(
        default=(),
        description='parameters of that service, like "language=eng"',
    )
    hidden: Literal["skip", "mark"] = Field(
        default="skip",
        description="what authors hid (sheets, rows, columns, slides, text, comments, deletions): "
        "skip leaves it out, "
        "mark keeps it, marked in prompt and citation; both count it",
    )
    workers: int = Field(
        default=0, ge=0, le=256, description="parsing processes; 0: as many as cores"
    )
    parse_seconds: float = Field(
        default=120.0, gt=0, description="longest time for one file, in seconds"
    )
    parse_memory_mb: int = Field(
        default=4096, ge=512, description="most memory for one file, in MB"
    )
    max_file_mb: int = Field(default=1000, ge=1, description="largest file, in MB")
    max_characters: int = Field(
        default=50_000_000, ge=1000, description="longest text of one file, in characters"
    )


class ChunkingSettings(Section):
    """How documents are cut into passages."""

    method: Literal[
        "structure",
        "sections",
        "fixed",
        "characters",
        "sentence",
        "recursive",
        "regex",
        "semantic",
        "parent-child",
        "langchain",
    ] = Field(
        default="structure",
        description="structure: whole paragraphs under one heading, short sections joined; "
        "sections: a chunk for each "
        "heading; fixed, characters: plain length; sentence; recursive; regex; semantic: where "
        "the subject changes; "
        "parent-child: sentences to find, sections to read; langchain: its splitters",
    )
    max_tokens: int = Field(
        default=200, ge=16, le=8192, description="longest chunk, in tokens of the embedder"
    )
    overlap_tokens: int = Field(
        default=0,
        ge=0,
        description="tokens repeated from the chunk before (fixed, characters, sentence, "
        "recursive)",
    )
    pattern: str = Field(
        default="^#+ ", description="regular expression at which regex begins a chunk"
    )
    characters: int = Field(
        default=800, ge=50, description="longest chunk of characters, in characters"
    )
    child_tokens: int = Field(
        default=60, ge=8, description="longest child of parent-child, in tokens"
    )
    percentile: float = Field(
        default=80.0, ge=0, le=100, description="share of changes that semantic does not cut at"
    )
    context: Literal["headings", "model"] = Field(
        default="headings",
        description="what a chunk is searched by beside its text: title and headings, or also a "
        "sentence that the "
        "language model writes about it, one call a chunk",
    )
    splitter: str = Field(
        default="RecursiveCharacterTextSplitter",
        description="class of langchain_text_splitters, for langchain",
    )


def _prefix(what: str, example: str) -> Any:
    said = f'put before every {what}, such as "{example}"; unset: as the model wants, if known'
    return Field(default=None, description=said)


class EmbedderSettings(Section):
    """What turns text into vectors."""

    engine: Literal["openvino", "openai", "sentence-transformers"] = Field(
        default="openvino", description="openvino: on this CPU; openai: any /v1/embeddings server"
    )
    model: str = Field(
        default="all-minilm-l6-v2",
        description="catalogue name, hub id, server model, or path, also of what `acclimate tune "
        "--target embedder` "
        "made",
    )
    dimensions: int | None = Field(
        default=None,
        ge=8,
        description="keep so many of a vector's numbers, for models made for that (Matryoshka); "
        "unset: all",
    )
    query_prefix: str | None = _prefix("question", "query: ")
    passage_prefix: str | None = _prefix("passage", "passage: ")
    pooling: Literal["mean", "cls"] | None = Field(
        default=None,
        description="one vector of all tokens' or the first one's; unset: as the model's files say",
    )
    dense: tuple[str, ...] | None = Field(
        default=None, description="layers after the pooling, as 2_Dense; unset: as its files say"
    )
    base_url: str | None = server_address()
    api_key_env: str = server_key()


class ImagesSettings(Section):
    """Pictures in documents, searched by what they show."""

    model: str = Field(
        default="",
        description="image-text model of the CLIP family (extra images): path or hub id; empty: "
        "no pictures",
    )
    passages: int = Field(
        default=1,
        ge=0,
        le=20,
        description="how many of the k passages may be found by their pictures, at their end",
    )


class StoreSettings(Section):
    """Where the library is: its record, and the indexes derived from it."""

    record: Literal["local", "postgres"] = Field(
        default="local",
        description="local: a file beside the project; postgres: a database that any number of "
        "machines read and write (extra postgres); `acclimate library move` brings it from one "
        "to the other",
    )
    library: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9_]{0,30})?$",
        description="name of the library for record 'postgres': every project and machine that "
        "names it shares it",
    )
    record_url: str | None = Field(
        default=None,
        description="address of the record's server where it is not `url`; its password is in it, "
        "in PGPASSWORD or in ~/.pgpass",
    )

    vectors: Literal["local", "hnsw", "postgres", "qdrant", "elasticsearch"] = Field(
        default="local",
        description="local: files beside the project, searched exactly; hnsw: with an approximate "
        "index beside "
        "them (extra ann), for more than a million chunks; postgres: with pgvector, extra "
        "postgres; qdrant: a server; "
        "elasticsearch: that or OpenSearch",
    )
    texts: Literal["local", "postgres", "qdrant", "elasticsearch"] = Field(
        default="local",
        description="the same for text search; BM25 gives the same scores in every store",
    )
    search: Literal["auto", "exact", "approximate"] = Field(
        default="auto",
        description="how a server store finds near vectors: exact: it compares them all; "
        "approximate: by a graph (HNSW), which misses about one hit in a hundred; auto: exact "
        "below 20,000 chunks",
    )
    url: str | None = Field(
        default=None,
        description="server address, like postgresql://USER@HOST/DATABASE or http://HOST:6333",
    )
    api_key_env: str = Field(
        default="ACCLIMATE_STORE_KEY",
        description="environment variable that holds the server's password or key",
    )
    prefix: str = Field(
        default="acclimate",
        pattern=r"^[a-z][a-z0-9_]{0,30}$",
        description="begins every name of table or collection",
    )
