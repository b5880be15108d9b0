"""Numbered passages as a model reads them, and the refusal that it answers with."""

from __future__ import annotations

from collections.abc import Sequence

from acclimate.types import Chunk

REFUSAL = "Not in the documents."
"""What a model replies where the passages do not hold the answer; the templates ask for these exact words."""


def render_passages(chunks: Sequence[Chunk]) -> str:
    """Passages [1], [2], … each with its heading path on the first line, separated by a blank line."""
    return "\n\n".join(
        f"[{number}] {chunk.heading_path}".rstrip() + f"\n{chunk.shown}" for number, chunk in enumerate(chunks, start=1)
    )
