"""What turns a file into a document."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from acclimate.types import Document


class Parser(Protocol):
    """Reads one kind of file."""

    def parse(self, file: Path, path: str) -> Document:
        """Parse `file`; `path` becomes `Document.path`. Leaves `sha256` empty: the caller has it.

        Raises DocumentError naming the file and the reason when it cannot be read.
        """
