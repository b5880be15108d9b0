"""The protocol of retrievers: a question in, passages out."""

from __future__ import annotations

from typing import Protocol

from acclimate.types import Hit


class Retriever(Protocol):
    """Searches a library."""

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """The k best chunks, best first, ranks 1 to n; fewer where the library has fewer; [] for a
        blank query."""
