"""The sections of `acclimate.toml`: each key with its unit, its default and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from acclimate.types import Language


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _server_address() -> Any:
    return Field(default=None, description="server address, for engine 'openai'")


def _server_key() -> Any:
    return Field(
        default="OPENAI_API_KEY", description="environment variable that holds the server's key"
    )


class DocumentsSettings(_Section):
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


class ChunkingSettings(_Section):
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


class EmbedderSettings(_Section):
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
    base_url: str | None = _server_address()
    api_key_env: str = _server_key()


class ImagesSettings(_Section):
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


class StoreSettings(_Section):
    """Where the indexes are."""

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


class RetrievalSettings(_Section):
    """How passages are found."""

    method: Literal["hybrid", "dense", "text"] = Field(
        default="hybrid", description="vectors (dense), BM25 (text), or both"
    )
    k: int = Field(default=4, ge=1, le=100, description="passages shown to the model")
    language: Language = Field(
        default="english",
        description='whose word endings text search ignores; "none", and "cjk" for East Asian '
        "scripts",
    )
    candidates: int = Field(
        default=100, ge=1, le=10_000, description="chunks taken from each index before fusion"
    )
    fusion: Literal["convex", "rrf"] = Field(
        default="convex",
        description="how hybrid joins its lists: by scores (convex) or by ranks (rrf)",
    )
    dense_weight: float = Field(
        default=0.75, ge=0, le=1, description="share of the vector score in convex fusion, 0 to 1"
    )
    spelling: Literal["library", "none"] = Field(
        default="library",
        description="library: a word of a question that neither the documents nor the embedder "
        "know is searched as "
        "the documents' nearest word (local text index only); none: as it was typed",
    )
    rewrite: Literal["none", "hyde", "multi-query", "decompose", "step-back"] = Field(
        default="none",
        description="what else to search by, written by the language model; its lists are fused",
    )
    rerank: str = Field(
        default="none",
        description="cross-encoder that reads the best passages again: none; minilm-extractor, "
        "which ships; or the hub "
        "id or folder of any BERT-like sequence classifier, or of one that `acclimate tune "
        "--target reranker` made",
    )
    rerank_candidates: int = Field(
        default=20, ge=1, le=1000, description="passages that the cross-encoder reads"
    )
    rerank_weight: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="the cross-encoder's share in their order, 0 to 1, the rest is the search's; "
        "unset: what was best "
        "for the one that ships and for tuned ones, else 1",
    )
    diversity: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="how much passages must differ (maximal marginal relevance), 0: not at all",
    )
    graph: Literal["none", "rules", "model"] = Field(
        default="none",
        description="knowledge graph of entities, whose neighbours are found too: by rules "
        "(fast), or read by the "
        "language model, chunk by chunk; helps where an answer needs two documents",
    )
    graph_weight: float = Field(
        default=0.4, ge=0, le=1, description="share of the graph in a passage's score, 0 to 1"
    )
    neighbours: int = Field(
        default=0,
        ge=0,
        le=20,
        description="chunks read on each side of a passage; passages that touch are joined",
    )


class ModelSettings(_Section):
    """The language model."""

    engine: Literal["auto", "openvino", "llamacpp", "openai", "transformers"] = Field(
        default="auto",
        description="auto: what is best for the model here; openvino: on this CPU, fastest for "
        "small models; llamacpp: "
        "any GGUF file; openai: any OpenAI-compatible server; transformers: PyTorch",
    )
    name: str = Field(
        default="smollm2-135m-instruct",
        description="catalogue name, Hugging Face id, local .gguf or folder, or server model",
    )
    adapter: str = Field(
        default="auto",
        description="auto (the reader and question writer that ship for it), none, or a PEFT "
        "folder",
    )
    base_url: str | None = _server_address()
    api_key_env: str = _server_key()
    context_tokens: int | None = Field(
        default=None, ge=64, description="window in tokens; unset: the model's own"
    )
    max_tokens: int = Field(default=128, ge=1, description="longest answer, in tokens")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 is greedy and repeatable")
    seed: int | None = Field(default=None, description="makes sampling repeatable")
    timeout_s: float = Field(
        default=120.0, gt=0, description="longest wait for a server, in seconds"
    )
    parallel: int = Field(
        default=0,
        ge=0,
        le=256,
        description="answers that `compare` asks a server for at once; 0: 16",
    )
    prompt_price: float | None = Field(
        default=None, ge=0, description="money for a million prompt tokens; unset: free"
    )
    answer_price: float | None = Field(
        default=None, ge=0, description="money for a million answer tokens; unset: free"
    )


class AnswerSettings(_Section):
    """How questions are answered."""

    recipe: str = Field(
        default="rag", description="recipe of `acclimate ask`; `acclimate ask --help` lists them"
    )
    shots: int = Field(default=4, ge=1, le=64, description="solved examples that few-shot shows")
    overflow: Literal["drop-lowest", "compress", "map-reduce", "refuse"] = Field(
        default="drop-lowest",
        description="passages that exceed the context window: drop the lowest ranked; compress "
        "each to the sentences "
        "nearest to the question; map-reduce: ask about parts of them, then about what those "
        "answers cite; refuse",
    )
    second_reader: Literal["auto", "none"] = Field(
        default="auto",
        description="auto: where the default model reads for `rag`, the extractor reads the same "
        "passages, and has the "
        "last word where it is much surer; none: the model alone",
    )
    tables: Literal["rule", "off"] = Field(
        default="rule",
        description="rule: look-ups, counts, sums, averages, changes and comparisons over parsed "
        "tables are answered by rule where the rule is sure; off: by the readers alone",
    )
    extractor: str = Field(
        default="minilm-extractor",
        description="what marks answers for `extract` and the second reader: minilm-extractor, or "
        "the hub id or folder of a question-answering model (BERT, RoBERTa, DistilBERT; others as "
        "ONNX)",
    )
    json_by: Literal["auto", "answer", "model"] = Field(
        default="auto",
        description="JSON by a schema: filled from a plain answer, or by the model; auto: as it "
        "can",
    )
    memory: Literal["rule", "model", "none"] = Field(
        default="rule",
        description="how a question of a chat that points back is completed: by rule, or "
        "rewritten by the model, "
        "which then sees the earlier turns too",
    )


class JudgeSettings(_Section):
    """A language model that judges the answers of comparisons, beside the scores by words."""

    name: str = Field(default="", description="model, as in [model]; empty: no judge")
    engine: Literal["auto", "openvino", "llamacpp", "openai", "transformers"] = Field(
        default="openai", description="as in [model]"
    )
    base_url: str | None = _server_address()
    api_key_env: str = _server_key()


class ServeSettings(_Section):
    """The server, `acclimate serve`."""

    host: str = Field(
        default="127.0.0.1", description="address to listen on; others than this machine need keys"
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="port to listen on; 0: any that is free"
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        description='names that browsers may reach it by, like "docs.example.org"; this machine '
        "always may",
    )
    origins: tuple[str, ...] = Field(
        default=(),
        description='web pages elsewhere that may call it, like "https://chat.example.org"',
    )
    parallel: int = Field(
        default=0,
        ge=0,
        le=256,
        description="answers written at once; 0: one on this CPU, 16 by a server",
    )
    queue: int = Field(
        default=64,
        ge=0,
        le=10_000,
        description="answers that may wait; more are told to come again",
    )
    requests_per_minute: int = Field(
        default=600, ge=1, description="requests of one key, in a minute"
    )
    max_upload_mb: int = Field(default=100, ge=1, description="largest upload, in MB")
    receive_seconds: float = Field(
        default=20.0, gt=0, description="longest silence of a client that sends, in seconds"
    )
    tls_cert: Path | None = Field(
        default=None, description="certificate chain (PEM), relative to this file"
    )
    tls_key: Path | None = Field(
        default=None, description="its private key (PEM), relative to this file"
    )
