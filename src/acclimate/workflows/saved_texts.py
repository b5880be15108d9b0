"""Texts that came from elsewhere, written below the documents folder as documents."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from acclimate.documents.docstores import read_docstore
from acclimate.workspace.workspace import Workspace

_LONGEST_NAME = 80  # characters of a file's name


@dataclass(frozen=True, slots=True)
class ImportedDocuments:
    """What came of an import: paths below the documents folder, and how many were there already."""

    paths: tuple[str, ...]
    known: int


def import_documents(workspace: Workspace, path: Path) -> ImportedDocuments:
    """Write the documents of another program's store at `path` into the documents folder, in a
    folder named after it; nothing is overwritten. See `acclimate.documents.docstores`."""
    folder = path.stem if path.stem != "docstore" else path.absolute().parent.name
    before = {one for one in workspace.documents.rglob("*.md") if one.is_file()}
    paths = [
        save_text(workspace, folder, one.name, _with_front_matter(one.text, one.metadata, path))
        for one in read_docstore(path)
    ]
    known = sum(workspace.documents / one in before for one in paths)
    return ImportedDocuments(tuple(paths), known)


def save_text(workspace: Workspace, folder: str, name: str, text: str) -> str:
    """Write a text and give its path below the documents folder; an existing file of another text
    is not overwritten."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:_LONGEST_NAME] or digest(name)
    path = Path(re.sub(r"[^\w-]+", "-", folder) or "imported") / f"{safe}.md"
    target = workspace.documents / path
    if target.exists() and target.read_text(encoding="utf-8") != text:
        path = path.with_name(f"{safe}-{digest(text)}.md")
        target = workspace.documents / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return path.as_posix()


def digest(text: str) -> str:
    """Ten hexadecimal digits that name a text."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:10]


def _with_front_matter(text: str, metadata: Mapping[str, str], path: Path) -> str:
    """The text below its metadata, as our reader of Markdown takes it."""
    said = {"imported_from": path.name} | {
        re.sub(r"[^\w-]+", "_", key).strip("_"): value for key, value in metadata.items() if value
    }
    head = "\n".join(f"{key}: {value}" for key, value in said.items() if key)
    return f"---\n{head}\n---\n{text.strip()}\n"
