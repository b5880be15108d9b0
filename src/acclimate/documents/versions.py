"""Which version of a file a storage has, from what it says of the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# As the file systems of fsspec name them.
_TAGS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5", "md5")
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")


@dataclass(frozen=True, slots=True)
class Version:
    """What the storage says of a file: its size in bytes, and a mark as in
    `acclimate.documents.places.Stamp`; None: nothing."""

    size: int | None
    mark: int | None


def version_of(entry: Mapping[str, Any]) -> Version:
    """The version of an entry of a listing."""
    size = entry.get("size")
    return Version(int(size) if size is not None else None, _mark(entry))


def _mark(entry: Mapping[str, Any]) -> int | None:
    """A time as nanoseconds; of an ETag, or a time that is text, a negative number."""
    tag = _first(entry, _TAGS)
    if tag is None:
        when = _first(entry, _TIMES)
        if isinstance(when, datetime):
            aware = when if when.tzinfo else when.replace(tzinfo=UTC)
            return int(aware.timestamp() * 1e6) * 1000
        if isinstance(when, int | float):
            return int(when * 1e9)
        tag = when
    if tag is None:
        return None
    digest = hashlib.sha256(str(tag).encode()).digest()
    return -1 - (int.from_bytes(digest[:8]) >> 2)


def _first(entry: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((entry[name] for name in names if entry.get(name)), None)
