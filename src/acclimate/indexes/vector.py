"""Exact nearest neighbours: one memory-mapped float32 matrix, multiplied block by block."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.indexes.base import Change, Match, Vectors

_BLOCK = 65_536  # rows; 100 MB of float32 at 384 dimensions


class ExactVectorIndex:
    """An index in `folder`. A new version is written beside the old and takes its place with one renamed stamp."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: NDArray[np.int64] = np.empty(0, np.int64)
        self._rows: Vectors = np.empty((0, 0), np.float32)
        self._order: NDArray[np.int64] | None = None  # rows by key, made when it is first needed
        self._generation: int | None = None
        self._crc = 0
        self._open()

    @property
    def generation(self) -> int | None:
        """See `VectorIndex`."""
        return self._generation

    def whole(self) -> bool:
        """Whether the rows on the disk are those that were written; reads them all."""
        crc = 0
        for at in range(0, len(self._keys), _BLOCK):
            crc = zlib.crc32(self._rows[at : at + _BLOCK].tobytes(), crc)
        return crc == self._crc

    def keys(self) -> list[int]:
        """The chunk keys held, ascending."""
        return sorted(self._keys.tolist())

    def search(self, query: Vectors, k: int) -> list[Match]:
        """See `VectorIndex`."""
        if not len(self._keys) or k < 1:
            return []
        scores = np.concatenate([self._rows[at : at + _BLOCK] @ query for at in range(0, len(self._keys), _BLOCK)])
        if k < len(scores):
            # Everything that ties with the k-th score competes, so that ties go to the lower key.
            candidates = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
        else:
            candidates = np.arange(len(scores))
        best = candidates[np.lexsort((self._keys[candidates], -scores[candidates]))][:k]
        return [Match(int(self._keys[row]), float(scores[row])) for row in best]

    def scores(self, query: Vectors, keys: Sequence[int]) -> list[Match]:
        """See `VectorIndex`."""
        if not len(self._keys) or not keys:
            return []
        if self._order is None:
            self._order = np.argsort(self._keys, kind="stable")
        wanted = np.array(keys, np.int64)
        places = np.searchsorted(self._keys, wanted, sorter=self._order)
        rows = self._order[np.minimum(places, len(self._keys) - 1)]
        rows = rows[self._keys[rows] == wanted]
        return [
            Match(int(self._keys[row]), float(score)) for row, score in zip(rows, self._rows[rows] @ query, strict=True)
        ]

    def update(self, change: Change, vectors: Iterator[tuple[int, Vectors]]) -> None:
        """See `VectorIndex`."""
        kept = ~np.isin(self._keys, np.array([*change.removed, *change.added], np.int64))
        name = f"{change.generation}"
        self._folder.mkdir(parents=True, exist_ok=True)
        added, dimensions, crc = [], self._rows.shape[1], 0
        with (self._folder / f"{name}.rows").open("wb") as out:
            for at in range(0, len(self._keys), _BLOCK):
                crc = _write(out, self._rows[at : at + _BLOCK][kept[at : at + _BLOCK]], crc)
            for key, vector in vectors:
                added.append(key)
                dimensions = len(vector)
                crc = _write(out, vector.astype(np.float32), crc)
            sync(out)
        keys = np.concatenate([self._keys[kept], np.array(added, np.int64)])
        with (self._folder / f"{name}.keys").open("wb") as out:
            out.write(keys.tobytes())
            sync(out)
        self._stamp(
            {"generation": change.generation, "files": name, "count": len(keys), "dimensions": dimensions, "crc32": crc}
        )
        self._open()
        for old in self._folder.iterdir():
            if old.name not in ("stamp.json", f"{name}.rows", f"{name}.keys"):
                old.unlink()

    def clear(self) -> None:
        """Forget everything, on disk too."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._keys, self._rows, self._generation = np.empty(0, np.int64), np.empty((0, 0), np.float32), None

    def _stamp(self, stamp: dict[str, object]) -> None:
        part = self._folder / "stamp.part"
        with part.open("w") as out:
            json.dump(stamp, out)
            sync(out)
        part.replace(self._folder / "stamp.json")

    def _open(self) -> None:
        """Map the files; one that is missing or has another length than stamped leaves the index without generation."""
        self._generation = None
        try:
            stamp = json.loads((self._folder / "stamp.json").read_text())
            count, dimensions = int(stamp["count"]), int(stamp["dimensions"])
            rows, keys = (self._folder / f"{stamp['files']}.{kind}" for kind in ("rows", "keys"))
            if (rows.stat().st_size, keys.stat().st_size) != (count * dimensions * 4, count * 8):
                return
            self._order = None
            self._keys = np.frombuffer(keys.read_bytes(), np.int64)
            shape = (count, dimensions)
            self._rows = np.memmap(rows, np.float32, "r", shape=shape) if count else np.empty(shape, np.float32)
            self._crc = int(stamp["crc32"])
            self._generation = int(stamp["generation"])
        except (OSError, ValueError, KeyError, TypeError):
            return


def _write(out: IO[Any], rows: Vectors, crc: int) -> int:
    content = rows.tobytes()
    out.write(content)
    return zlib.crc32(content, crc)


def sync(out: IO[Any]) -> None:
    """Bring a file's content to the disk."""
    out.flush()
    os.fsync(out.fileno())
