"""The sections of `acclimate.toml` about answers: each key with its unit, its default and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from acclimate.settings_library import Section, server_address, server_key
from acclimate.types import Language, Style


class RetrievalSettings(Section):
    """How passages are found."""

    method: Literal["hybrid", "dense", "text"] = Field(
        default="hybrid", description="vectors (dense), BM25 (text), or both"
    )
    k: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="passages shown to the model; unset: by its size class, 4 to tiny ones, 6 to "
        "small and medium, 8 to large",
    )
    language: Language = Field(
        default="auto",
        description="whose word endings text search ignores; auto: of each document the language "
        'that it is found to be in; "none"; "cjk" for scripts without spaces',
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


class ModelSettings(Section):
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
    base_url: str | None = server_address()
    api_key_env: str = server_key()
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


class AnswerSettings(Section):
    """How questions are answered."""

    recipe: str = Field(
        default="rag", description="recipe of `acclimate ask`; `acclimate ask --help` lists them"
    )
    style: Style = Field(
        default="auto",
        description="short: the exact words; full: sentences, a list or steps, each with its "
        "source; auto: full where the model can (size class small and up), else short, but "
        "steps and lists are quoted whole",
    )
    shots: int = Field(default=4, ge=1, le=64, description="solved examples that few-shot shows")
    overflow: Literal["drop-lowest", "compress", "map-reduce", "refuse"] = Field(
        default="drop-lowest",
        description="passages that exceed the context window: drop the lowest ranked; compress "
        "each to the sentences "
        "nearest to the question; map-reduce: ask about parts of them, then about what those "
        "answers cite; refuse",
    )
    second_reader: Literal["auto", "always", "none"] = Field(
        default="auto",
        description="the extractor reads the same passages for `rag`, and has the last word where "
        "it is surer: auto: beside every model but large ones and servers, the more the smaller they "
        "are, and beside every model's full answers; always: beside every model; none: the model "
        "alone",
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


class JudgeSettings(Section):
    """A language model that judges the answers of comparisons, beside the scores by words."""

    name: str = Field(default="", description="model, as in [model]; empty: no judge")
    engine: Literal["auto", "openvino", "llamacpp", "openai", "transformers"] = Field(
        default="openai", description="as in [model]"
    )
    base_url: str | None = server_address()
    api_key_env: str = server_key()


class ServeSettings(Section):
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
        description="answers that may wait; further requests are asked to retry later",
    )
    requests_per_minute: int = Field(
        default=600, ge=1, description="requests of one key or person, in a minute"
    )
    conversations: Literal["off", "tab", "kept"] = Field(
        default="tab",
        description="what the page keeps of questions and answers: off: nothing; tab: until the "
        "browser's tab is closed; kept: at the server, for each person, until they delete it",
    )
    follow_ups: bool = Field(
        default=True,
        description="whether the page suggests what to ask next, from the documents that an answer "
        "cites; no language model is asked",
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        description="after SIGTERM, seconds in which /readyz says 503 and requests are still taken, "
        "so that a load balancer finds out first",
    )
    max_upload_mb: int = Field(default=100, ge=1, description="largest upload, in MB")
    receive_seconds: float = Field(
        default=20.0, gt=0, description="longest silence of a client that sends, in seconds"
    )
    listed: bool = Field(
        default=False,
        description="where a server has several projects: whether its first page names this one to "
        "everyone who reaches it, or only to those who may ask it",
    )
    tls_cert: Path | None = Field(
        default=None, description="certificate chain (PEM), relative to this file"
    )
    tls_key: Path | None = Field(
        default=None, description="its private key (PEM), relative to this file"
    )


class LoginSettings(Section):
    """Who people are that call the server, beside the holders of API keys."""

    engine: Literal["none", "header", "oidc"] = Field(
        default="none",
        description="none: API keys only; header: a proxy in front says who it is; oidc: people log "
        "in at an OpenID Connect provider (extra login)",
    )
    address: str = Field(
        default="",
        description='where browsers reach the server, like "https://docs.example.org"; oidc needs '
        "it, header where the proxy speaks https",
    )
    scopes: tuple[str, ...] = Field(
        default=(),
        description='what a group may do as "GROUP = SCOPE, SCOPE" (ask, manage); the group * is '
        "everyone who is logged in; whoever is in none of them is not let in",
    )
    labels: tuple[str, ...] = Field(
        default=(),
        description='the access labels that a group sees as "GROUP = LABEL, LABEL"; the label * is '
        "every document",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description='header: addresses or networks of the proxies, like "10.0.0.7" or '
        '"10.0.0.0/24"; headers from elsewhere are ignored',
    )
    user_header: str = Field(
        default="X-Forwarded-User", description="header: the one with the person's name"
    )
    groups_header: str = Field(
        default="X-Forwarded-Groups", description="header: the one with the person's groups"
    )
    groups_separator: str = Field(
        default=",", min_length=1, max_length=3, description="header: what stands between groups"
    )
    issuer: str = Field(
        default="", description="oidc: the provider's issuer, exactly as its discovery says it"
    )
    client_id: str = Field(default="", description="oidc: the id that the provider gave the server")
    client_secret_env: str = Field(
        default="OIDC_CLIENT_SECRET",
        description="oidc: environment variable that holds the client's secret; not set: a public "
        "client, by PKCE alone",
    )
    ask_for: tuple[str, ...] = Field(
        default=("openid", "profile", "email"),
        description="oidc: the scopes that the provider is asked for; many need one for groups",
    )
    groups_claim: str = Field(
        default="groups",
        description='oidc: the claim of the ID token with the groups; "realm_access.roles" looks '
        "inside",
    )
    clock_skew_s: float = Field(
        default=60.0,
        ge=0,
        le=600,
        description="oidc: how far the provider's clock may be off, in seconds",
    )
    idle_minutes: float = Field(
        default=120.0, gt=0, description="oidc: a login without requests ends, in minutes"
    )
    session_hours: float = Field(default=12.0, gt=0, description="oidc: every login ends, in hours")
