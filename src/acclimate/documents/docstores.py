"""Texts with metadata out of what other programs persisted as JSON: their indexes' documents.

LlamaIndex   a storage folder, or its docstore.json           https://docs.llamaindex.ai
LangChain    InMemoryVectorStore.dump; documents as JSON, one a line or in a list, also as
             `langchain_core.load.dumpd` writes them          https://python.langchain.com
Haystack     InMemoryDocumentStore.save_to_disk; documents' to_dict
             https://docs.haystack.deepset.ai

Pieces of one document are put together again: at their places in it where they say these, else one
after the other, without what the later one repeats. Vectors are left behind: they fit other pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from acclimate.errors import SettingsError

_PICKLED = (".pkl", ".pickle", ".faiss", ".joblib")
_SOURCES = ("source", "file_path", "file_name", "filename", "url", "title")
_REPEATED = 20  # characters from which an equal end and beginning are taken for an overlap
_LONGEST = 4000  # characters looked at for it
_KNOWN = (
    "Known: LlamaIndex's storage folder, LangChain's InMemoryVectorStore.dump and documents as "
    "JSON, Haystack's InMemoryDocumentStore.save_to_disk."
)


@dataclass(frozen=True, slots=True)
class StoredText:
    """A document: what names it there, its text, and metadata as text."""

    name: str
    text: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the document `whole`; `start` is its place there in characters, None where it is
    not said. `complete`: it is the whole itself."""

    whole: str
    text: str
    metadata: Mapping[str, Any]
    start: int | None = None
    complete: bool = False


def read_docstore(path: Path) -> tuple[StoredText, ...]:
    """The documents in `path`, in the order in which they come first.

    Raises SettingsError for anything that is none of the forms above, and for pickles, which run
    code when they are read.
    """
    file = path / "docstore.json" if path.is_dir() else path
    if file.suffix.lower() in _PICKLED:
        raise SettingsError(
            f"{file} is a pickle or a binary index: reading it could run code, and its texts are "
            "not in it as text.",
            hint="Write its documents as JSON, one a line: document.model_dump_json().",
        )
    if not file.is_file():
        raise SettingsError(f"there is no {file}.", hint=_KNOWN)
    pieces = list(_pieces(_parse(file), file))
    if not pieces:
        raise SettingsError(f"{file} holds no documents.", hint=_KNOWN)
    return tuple(_wholes(pieces))


def _parse(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not UTF-8 text: {error}.", hint=_KNOWN) from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        rows = [line for line in text.split("\n") if line.strip()]
        if len(rows) < 2:
            raise SettingsError(f"{file} is not JSON: {error}.", hint=_KNOWN) from error
    found = []
    for number, line in enumerate(rows, start=1):
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{file}, line {number}: {error}.", hint=_KNOWN) from error
    return found


def _pieces(value: Any, file: Path) -> Iterator[_Piece]:
    """The documents of a file, by its form."""
    if isinstance(value, Mapping):
        data = next((value[name] for name in value if str(name).endswith("/data")), None)
        if isinstance(data, Mapping):
            for name, node in data.items():
                yield _llamaindex(str(name), node, f"{file}, node {name}")
            return
        if isinstance(value.get("documents"), list):
            value = value["documents"]
        elif value and all(isinstance(one, Mapping) for one in value.values()):
            value = list(value.values())
        else:
            value = [value]
    if not isinstance(value, list):
        raise SettingsError(f"{file} holds no documents.", hint=_KNOWN)
    for number, one in enumerate(value, start=1):
        yield _document(one, f"{file}, document {number}")


def _llamaindex(name: str, node: Any, place: str) -> _Piece:
    data = node.get("__data__") if isinstance(node, Mapping) else None
    if isinstance(data, str):
        data = json.loads(data)
    if not isinstance(data, Mapping):
        raise SettingsError(f"{place} has no '__data__'.", hint=_KNOWN)
    resource = data.get("text_resource")
    text = data.get("text") or (resource.get("text") if isinstance(resource, Mapping) else "")
    related = data.get("relationships")
    source = related.get("1") if isinstance(related, Mapping) else None  # NodeRelationship.SOURCE
    whole = source.get("node_id") if isinstance(source, Mapping) else source
    start = data.get("start_char_idx")
    return _Piece(
        str(whole or name),
        str(text or ""),
        _mapping(data.get("metadata") or data.get("extra_info")),
        start if isinstance(start, int) else None,
        complete=str(node.get("__type__")) == "4" or whole in (None, name),
    )


def _document(one: Any, place: str) -> _Piece:
    """LangChain's and Haystack's: a text beside its metadata."""
    if isinstance(one, Mapping) and isinstance(one.get("kwargs"), Mapping):  # as dumpd writes it
        one = one["kwargs"]
    keys = ("page_content", "content", "text")
    text = (
        next((one[key] for key in keys if isinstance(one.get(key), str)), None)
        if (isinstance(one, Mapping))
        else None
    )
    if text is None:
        raise SettingsError(f"{place} has no text: none of {', '.join(keys)}.", hint=_KNOWN)
    metadata = _mapping(one.get("metadata") or one.get("meta"))
    start = metadata.get("start_index", metadata.get("split_idx_start"))
    name = next((str(metadata[key]) for key in _SOURCES if metadata.get(key)), "")
    page = metadata.get("page")
    own = {key: value for key, value in metadata.items() if key not in ("start_index", "page")}
    # Places that are counted in each page anew are no places in the document.
    placed = start if isinstance(start, int) and page is None else None
    return _Piece(name or str(one.get("id") or place), text, own, placed)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _wholes(pieces: Sequence[_Piece]) -> Iterator[StoredText]:
    groups: dict[str, list[_Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.whole, []).append(piece)
    for name, parts in groups.items():
        whole = next((one for one in parts if one.complete), None)
        text = whole.text if whole is not None else _joined(parts)
        if text.strip():
            metadata = _common(parts)
            shown = next((metadata[key] for key in _SOURCES if metadata.get(key)), name)
            yield StoredText(PurePath(shown).stem or shown, text, metadata)


def _joined(parts: Sequence[_Piece]) -> str:
    starts = [part.start for part in parts if part.start is not None]
    if len(starts) == len(parts) == len(set(starts)):
        return _placed(sorted(parts, key=lambda part: part.start or 0))
    text = parts[0].text
    for part in parts[1:]:
        longest = min(len(text), len(part.text), _LONGEST)
        shared = (n for n in range(longest, _REPEATED - 1, -1) if text.endswith(part.text[:n]))
        repeated = next(shared, 0)
        text += part.text[repeated:] if repeated else f"\n\n{part.text}"
    return text


def _placed(parts: Sequence[_Piece]) -> str:
    text, end = "", 0
    for part in parts:
        start = part.start or 0
        if start > end and text:
            text += "\n\n"
        text += part.text[max(0, end - start) :]
        end = max(end, start + len(part.text))
    return text


def _common(parts: Sequence[_Piece]) -> dict[str, str]:
    """The metadata that all pieces agree on, as text; what is nested is left out."""
    first = parts[0].metadata
    return {
        str(key): " ".join(str(value).split())
        for key, value in first.items()
        if isinstance(value, str | int | float)
        and not str(key).startswith("_")
        and all(part.metadata.get(key) == value for part in parts)
    }
