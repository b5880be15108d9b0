"""Exact nearest neighbours over memory-mapped float32 rows; large indexes are first searched by
eight-bit codes."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.indexes.base import Change, Match, Vectors
from acclimate.indexes.codes import Codes, encode
from acclimate.indexes.filters import Among

_BLOCK = 65_536  # rows; 100 MB of float32 at 384 dimensions
_CODES_FROM = 20_000  # rows; below, float32 is read in 2 ms anyway
_HELD = 8192  # rows that may stay in memory; each can bring 64 KB of its neighbourhood
# where a filter leaves less than one row in so many, those are read themselves, not all codes
_FEW = 100
_KINDS = {
    "rows": np.float32,
    "keys": np.int64,
    "codes": np.int8,
    "scales": np.float32,
    "errors": np.float32,
}


class ExactVectorIndex:
    """An index in `folder`. A new version is written beside the old and takes its place with one
    renamed stamp."""

    def __init__(self, folder: Path, codes_from: int = _CODES_FROM) -> None:
        self._folder, self._codes_from = folder, codes_from
        self._read = 0  # rows since the last were let go
        self._order: NDArray[np.intp] | None = None  # rows by key, made when it is first needed
        self._forget()
        self._open()

    @property
    def generation(self) -> int | None:
        """See `VectorIndex`."""
        return self._generation

    def whole(self) -> bool:
        """Whether the files on the disk are those that were written; reads them all."""
        return all(crc_of(self._folder / name) == crc for name, crc in self._crcs.items())

    def keys(self) -> list[int]:
        """The chunk keys held, ascending."""
        return sorted(self._keys.tolist())

    def search(self, query: Vectors, k: int, among: Among | None = None) -> list[Match]:
        """See `VectorIndex`."""
        if not len(self._keys) or k < 1 or (among is not None and not len(among.keys)):
            return []
        if among is not None and len(among.keys) * _FEW < len(self._keys):
            rows = np.sort(self._rows_of(among.keys))
        elif self._codes is None:
            rows = (
                np.arange(len(self._keys))
                if among is None
                else np.flatnonzero(among.holds(self._keys))
            )
        else:
            rows = self._candidates(query, k, among)
        return self._best(query, rows, k)

    def _candidates(self, query: Vectors, k: int, among: Among | None) -> NDArray[np.int64]:
        """The rows that can be among the k best, by their codes: certainly all of those, and few
        others."""
        assert self._codes is not None  # noqa: S101
        least, most = self._codes.bounds(query)
        allowed = None if among is None else np.flatnonzero(among.holds(self._keys))
        if allowed is not None:
            least, most = least[allowed], most[allowed]
        threshold = np.partition(least, -k)[-k] if k < len(least) else -np.inf
        found = np.flatnonzero(most >= threshold)
        return found if allowed is None else allowed[found]

    def _best(self, query: Vectors, rows: NDArray[np.int64], k: int) -> list[Match]:
        """The k best of `rows` by their exact scores."""
        scores = np.empty(len(rows), np.float32)
        for at in range(0, len(rows), _BLOCK):
            some = rows[at : at + _BLOCK]
            # A run of rows is read in place; scattered ones are copied together.
            dense = len(some) and some[-1] - some[0] + 1 == len(some)
            block = self._rows[some[0] : some[-1] + 1] if dense else self._rows[some]
            scores[at : at + _BLOCK] = block @ query
            self._let_go(len(some))
        # Everything that ties with the k-th score competes, so that ties go to the lower key.
        taken = (
            np.flatnonzero(scores >= np.partition(scores, -k)[-k])
            if k < len(scores)
            else np.arange(len(scores))
        )
        best = taken[np.lexsort((self._keys[rows[taken]], -scores[taken]))][:k]
        return [Match(int(self._keys[rows[place]]), float(scores[place])) for place in best]

    def scores(self, query: Vectors, keys: Sequence[int]) -> list[Match]:
        """See `VectorIndex`."""
        rows = self._rows_of(np.array(keys, np.int64))
        return (
            [
                Match(int(self._keys[row]), float(score))
                for row, score in zip(rows, self._rows[rows] @ query, strict=True)
            ]
            if len(rows)
            else []
        )

    def _rows_of(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where these keys are; those that are not there are left out."""
        if not len(self._keys) or not len(keys):
            return np.empty(0, np.int64)
        if self._order is None:
            self._order = np.argsort(self._keys, kind="stable")
        places = np.searchsorted(self._keys, keys, sorter=self._order)
        rows = self._order[np.minimum(places, len(self._keys) - 1)]
        found: NDArray[np.int64] = rows[self._keys[rows] == keys]
        return found

    def update(self, change: Change, vectors: Iterator[tuple[int, Vectors]]) -> None:
        """See `VectorIndex`."""
        kept = ~np.isin(self._keys, np.array([*change.removed, *change.added], np.int64))
        name = f"{change.generation}"
        self._folder.mkdir(parents=True, exist_ok=True)
        added, dimensions = [], self._rows.shape[1]
        crcs: dict[str, int] = {}
        with _Out(self._folder / f"{name}.rows", crcs) as out:
            for at in range(0, len(self._keys), _BLOCK):
                out.write(self._rows[at : at + _BLOCK][kept[at : at + _BLOCK]])
                self._let_go(_BLOCK)
            for key, vector in vectors:
                added.append(key)
                dimensions = len(vector)
                out.write(vector.astype(np.float32))
        keys = np.concatenate([self._keys[kept], np.array(added, np.int64)])
        with _Out(self._folder / f"{name}.keys", crcs) as out:
            out.write(keys)
        coded = len(keys) >= max(1, self._codes_from)
        if coded:
            self._encode(name, dimensions, crcs)
        self._stamp(
            {
                "generation": change.generation,
                "files": name,
                "count": len(keys),
                "dimensions": dimensions,
            }
            | {"coded": coded, "crc32": crcs}
        )
        self._open()
        for old in self._folder.iterdir():
            if old.name not in ("stamp.json", *crcs):
                old.unlink()

    def _encode(self, name: str, dimensions: int, crcs: dict[str, int]) -> None:
        files = [self._folder / f"{name}.{kind}" for kind in ("codes", "scales", "errors")]
        rows = (self._folder / f"{name}.rows").open("rb")
        with (
            rows,
            _Out(files[0], crcs) as codes,
            _Out(files[1], crcs) as scales,
            _Out(files[2], crcs) as errors,
        ):
            for content in iter(lambda: rows.read(_BLOCK * dimensions * 4), b""):
                block = encode(np.frombuffer(content, np.float32).reshape(-1, dimensions))
                codes.write(block.codes)
                scales.write(block.scales)
                errors.write(block.errors)

    def close(self) -> None:
        """Nothing is held open."""

    def _let_go(self, rows: int) -> None:
        """Now and then take a large index's rows out of this process's memory; the system's cache
        keeps them."""
        self._read += rows
        if self._map is not None and self._codes is not None and self._read > _HELD:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0

    def clear(self) -> None:
        """Forget everything, on disk too."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._forget()

    def _forget(self) -> None:
        self._keys: NDArray[np.int64] = np.empty(0, np.int64)
        self._rows: Vectors = np.empty((0, 0), np.float32)
        self._map: mmap.mmap | None = None  # what `_rows` are in
        self._codes: Codes | None = None
        self._order = None
        self._generation: int | None = None
        self._crcs: dict[str, int] = {}

    def _stamp(self, stamp: dict[str, object]) -> None:
        part = self._folder / "stamp.part"
        with part.open("w", encoding="utf-8") as out:
            json.dump(stamp, out)
            sync(out)
        part.replace(self._folder / "stamp.json")

    def _open(self) -> None:
        """Map the files; one that is missing or has another length than stamped leaves the index
        without generation."""
        self._forget()
        try:
            stamp = json.loads((self._folder / "stamp.json").read_text(encoding="utf-8"))
            count, dimensions, coded = (
                int(stamp["count"]),
                int(stamp["dimensions"]),
                bool(stamp["coded"]),
            )
            crcs = {str(name): int(crc) for name, crc in stamp["crc32"].items()}
            shapes = {"rows": (count, dimensions), "keys": (count,)}
            if coded:
                shapes |= {"codes": (count, dimensions), "scales": (count,), "errors": (count,)}
            files = {kind: self._folder / f"{stamp['files']}.{kind}" for kind in shapes}
            for kind, shape in shapes.items():
                if (
                    files[kind].stat().st_size
                    != int(np.prod(shape)) * np.dtype(_KINDS[kind]).itemsize
                ):
                    return
            keys, scales, errors = (
                np.frombuffer(files[kind].read_bytes(), _KINDS[kind]) if kind in files else None
                for kind in ("keys", "scales", "errors")
            )
            codes = (
                np.memmap(files["codes"], np.int8, "r", shape=shapes["codes"])
                if count and coded
                else None
            )
            if count:
                with files["rows"].open("rb") as content:
                    self._map = mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
        self._keys = np.empty(0, np.int64) if keys is None else keys
        rows = (
            np.empty(0, np.float32) if self._map is None else np.frombuffer(self._map, np.float32)
        )
        self._rows = rows.reshape(count, dimensions)
        if codes is not None and scales is not None and errors is not None:
            self._codes = Codes(np.asarray(codes), scales, errors)
        self._crcs, self._generation = crcs, int(stamp["generation"])


class _Out:
    """A file being written; at the end it is on the disk, and its checksum in `crcs` under its
    name."""

    def __init__(self, file: Path, crcs: dict[str, int]) -> None:
        self._file, self._crcs, self._crc = file, crcs, 0
        self._out = file.open("wb")

    def write(self, array: NDArray[Any]) -> None:
        content = array.tobytes()
        self._out.write(content)
        self._crc = zlib.crc32(content, self._crc)

    def __enter__(self) -> _Out:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            sync(self._out)
            self._crcs[self._file.name] = self._crc
        self._out.close()


def crc_of(file: Path) -> int | None:
    """The checksum of a file's content; None where it cannot be read."""
    try:
        with file.open("rb") as content:
            crc = 0
            while block := content.read(1 << 24):
                crc = zlib.crc32(block, crc)
            return crc
    except OSError:
        return None


def sync(out: IO[Any]) -> None:
    """Bring a file's content to the disk."""
    out.flush()
    os.fsync(out.fileno())
