"""The protocols of parsers (a file into a document) and renderers (a page into a picture)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from acclimate.types import Box, Document


class Parser(Protocol):
    """Reads one kind of file."""

    def parse(self, file: Path, path: str) -> Document:
        """Parse `file`; `path` becomes `Document.path`. Leaves `sha256` empty: the caller has it.

        Raises DocumentError naming the file and the reason when it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page: PNG bytes, its size in PDF points, and the boxes of the words that were looked for,
    line by line."""

    png: bytes
    width: float
    height: float
    boxes: tuple[Box, ...]
