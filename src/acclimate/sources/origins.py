"""Where a mirrored document comes from: its address for people."""

from __future__ import annotations

import threading
from pathlib import Path

from acclimate.errors import SourceError
from acclimate.sources.base import FOLDER
from acclimate.sources.state import STATE_NAME, read_items


class Origins:
    """Addresses of documents by path, read from the journals of their sources as these change.

    `documents` is the folder of documents; None where it is not on this machine, and nothing is
    mirrored.
    """

    def __init__(self, documents: Path | None) -> None:
        self._root = None if documents is None else documents / FOLDER
        self._read: dict[str, tuple[tuple[int, int], dict[str, str]]] = {}
        self._lock = threading.Lock()

    def address(self, path: str) -> str:
        """The address of a document, with http:// or https://; "" for one that has none."""
        begin, _, rest = path.partition("/")
        name, _, inner = rest.partition("/")
        if self._root is None or begin != FOLDER or not inner:
            return ""
        with self._lock:
            return self._addresses(self._root / name, name).get(inner, "")

    def _addresses(self, folder: Path, name: str) -> dict[str, str]:
        try:
            about = (folder / STATE_NAME).stat()
        except OSError:
            return {}
        version = about.st_size, about.st_mtime_ns
        if self._read.get(name, (None,))[0] != version:
            try:
                items = read_items(folder)
            except SourceError:  # the next sync says so; an answer needs no address
                items = []
            known = {
                item.path: item.url
                for item in items
                if item.url.startswith(("https://", "http://"))
            }
            self._read[name] = version, known
        return self._read[name][1]
