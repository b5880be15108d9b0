"""What published embedders want around their texts, where their files do not say it.

Many repositories have no prompts in `config_sentence_transformers.json`; their authors give the
prefixes in the model card only, and without them a search finds less. Each row says where its fact
comes from. A model is known by the last part of its hub id, so that a copy in a folder of that
name is known too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_SEARCH = "Represent this sentence for searching relevant passages: "
_TASK = "Given a web search query, retrieve relevant passages that answer the query"


@dataclass(frozen=True, slots=True)
class Known:
    """Prefixes and pooling of the models whose name matches `names`; `source` is where its authors
    say so. Texts that have nothing in common have about the cosine `least`."""

    names: str
    query: str
    passage: str
    pooling: Literal["mean", "cls", ""]
    source: str
    least: float = -1.0

    def matches(self, name: str) -> bool:
        """Whether the row is about the model `name`, a hub id or a folder's name."""
        return bool(re.fullmatch(self.names, name.rpartition("/")[2], re.IGNORECASE))


KNOWN = (
    Known(
        r"(multilingual-)?e5-(small|base|large)(-v2)?(-q4)?|e5-base-4k",
        "query: ",
        "passage: ",
        "mean",
        "model card of intfloat/e5-small-v2, FAQ 1 and 3; arXiv 2212.03533, 2402.05672",
        least=0.7,  # trained at a temperature of 0.01, so that all cosines are above that
    ),
    Known(
        r"multilingual-e5-large-instruct",
        f"Instruct: {_TASK}\nQuery: ",
        "",
        "mean",
        "model card of intfloat/multilingual-e5-large-instruct, FAQ 3",
        least=0.7,
    ),
    Known(
        r"bge-(small|base|large)-en(-v1\.5)?",
        _SEARCH,
        "",
        "cls",
        "model card of BAAI/bge-small-en-v1.5, Model List; arXiv 2309.07597",
    ),
    Known(
        r"bge-(small|base|large)-zh(-v1\.5)?",
        "为这个句子生成表示以用于检索相关文章：",
        "",
        "cls",
        "model card of BAAI/bge-small-zh-v1.5, Model List",
    ),
    Known(r"bge-m3", "", "", "cls", "model card of BAAI/bge-m3, FAQ; arXiv 2402.03216"),
    Known(r"gte-(small|base|large)(-zh)?", "", "", "", "model card of thenlper/gte-small, Usage"),
    Known(
        r"gte-((base|large)-en-v1\.5|multilingual-base|modernbert-base)",
        "",
        "",
        "cls",
        "model card of Alibaba-NLP/gte-modernbert-base, Usage",
    ),
    Known(
        r"mdbr-leaf-(ir|mt)",
        _SEARCH,
        "",
        "mean",
        "model card of MongoDB/mdbr-leaf-ir, Quickstart; arXiv 2509.12539",
    ),
    Known(
        r"granite-embedding-.*",
        "",
        "",
        "cls",
        "model card of ibm-granite/granite-embedding-97m-multilingual-r2; arXiv 2508.21085",
    ),
    Known(
        r"nomic-embed-text-v(1|1\.5|1-unsupervised|2-moe)|modernbert-embed-(base|large)",
        "search_query: ",
        "search_document: ",
        "mean",
        "model card of nomic-ai/nomic-embed-text-v1.5, Task instruction prefixes; arXiv 2402.01613",
    ),
    Known(
        r"snowflake-arctic-embed-(xs|s|m|m-long|l|m-v1\.5)",
        _SEARCH,
        "",
        "cls",
        "model card of Snowflake/snowflake-arctic-embed-m, Usage; arXiv 2405.05374",
    ),
    Known(
        r"snowflake-arctic-embed-(m|l)-v2\.0",
        "query: ",
        "",
        "cls",
        "model card of Snowflake/snowflake-arctic-embed-l-v2.0, Usage; arXiv 2412.04506",
    ),
    Known(
        r"mxbai-embed-(large|2d-large)-v1",
        _SEARCH,
        "",
        "cls",
        "mixedbread.com/docs/embeddings/mxbai-embed-large-v1, Using a Prompt",
    ),
    Known(
        r"mxbai-embed-xsmall-v1",
        "",
        "",
        "mean",
        "mixedbread.com/docs/embeddings/models/mxbai-embed-xsmall-v1",
    ),
    Known(
        r"(gt-)?all-(minilm|mpnet|distilroberta|roberta).*|multi-qa-.*|msmarco-.*|paraphrase-.*"
        r"|distiluse-.*|gtr-t5-.*|sentence-t5-.*",
        "",
        "",
        "",
        "sbert.net/docs/sentence_transformer/pretrained_models.html",
    ),
)


def known(name: str) -> Known | None:
    """The row about a model, None where its authors' wishes are not known here."""
    return next((row for row in KNOWN if row.matches(name)), None)
