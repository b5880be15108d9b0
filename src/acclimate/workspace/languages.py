"""Whether the models of a project know the languages that its documents are in."""

from __future__ import annotations

from dataclasses import dataclass

from acclimate.models.catalogue import CATALOGUE
from acclimate.workspace.workspace import Workspace

MULTILINGUAL = "multilingual-e5-small-q4"
"""The embedder to name where the documents are in other languages: fetched from any source."""
_NAMES = {"cjk": "Chinese, Japanese or Korean", "none": "another language"}


@dataclass(frozen=True, slots=True)
class Gap:
    """Languages of documents that the embedder does not know, and what to do."""

    languages: tuple[str, ...]
    embedder: str

    def __str__(self) -> str:
        named = ", ".join(_NAMES.get(one, one.capitalize()) for one in self.languages)
        return f"there are documents in {named}, which the embedder {self.embedder} does not know"

    @property
    def hint(self) -> str:
        """What mends it."""
        return f'Set [embedder] model = "{MULTILINGUAL}", and run: acclimate ingest'


def language_gap(workspace: Workspace) -> Gap | None:
    """What the project's embedder does not know of the library's languages; None where it knows
    them, or where nobody says which it knows."""
    name = workspace.settings.embedder.model
    entry = CATALOGUE.get(name)
    if entry is None or entry.languages != "English":
        return None
    others = tuple(
        one for one in workspace.library.record.spoken.languages if one not in ("english", "")
    )
    return Gap(others, name) if others else None
