"""Numbered passages as a model reads them, and the refusal that it answers with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from acclimate.prompting.links import visible
from acclimate.text.folding import plain
from acclimate.types import Abstention, Chunk

REFUSAL = "Not in the documents."
NO_DOCUMENTS: dict[Abstention, str] = {
    "empty_library": "The library holds no documents.",
    "no_document_left": "No document is left to answer from: the filter or the access labels "
    "exclude all of them.",
}
"""What is said in place of the refusal where no model was asked because there was nothing to
search."""
"""What a model replies where the passages do not hold the answer; the templates ask for these exact
words."""

_LIKE_A_PASSAGE = re.compile(r"^([ \t]*)\[(\d+)\]", re.MULTILINE)


def render_passages(chunks: Sequence[Chunk]) -> str:
    """Passages [1], [2], … each with its heading path on the first line, separated by a blank line.

    A line of a passage that begins like a passage of its own is shown with (2) instead of [2], and
    characters that nobody sees are left out: what a document says is data, and cannot pass for
    another passage.
    """
    return "\n\n".join(
        f"[{number}] {_as_data(chunk.heading_path)}".rstrip() + f"\n{_as_data(chunk.shown)}"
        for number, chunk in enumerate(chunks, start=1)
    )


def _as_data(text: str) -> str:
    return _LIKE_A_PASSAGE.sub(r"\1(\2)", plain(visible(text)))
