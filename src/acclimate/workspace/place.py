"""Where a project's documents are."""

from __future__ import annotations

from pathlib import Path

from acclimate.documents.places import Place
from acclimate.documents.walk import LocalFolder
from acclimate.files.places import under
from acclimate.settings_library import DocumentsSettings


def open_documents(chosen: DocumentsSettings, folder: Path) -> Place:
    """Where the documents are of the project in `folder`."""
    if isinstance(chosen.path, Path):
        return LocalFolder(under(folder, chosen.path))
    # What it imports is an extra.
    from acclimate.documents.objects import open_place

    return open_place(chosen.path, chosen.storage_options, chosen.max_file_mb * 1_000_000)
