"""Models in memory, each loaded once for all workspaces that hold the same shelf.

What is on it keeps nothing of what it was asked: no text, no prefix of a prompt, no adapter but the
one that its name has. What does keep something (llama.cpp's memory of the last prompt) is each
workspace's own, over weights that are in memory once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from acclimate.models.base import Engine

T = TypeVar("T")


@dataclass(slots=True)
class _Place:
    """What stands under one name: `holders` have taken it, or wait for it to be loaded."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    holders: int = 0
    held: list[Any] = field(default_factory=list)


class Shelf:
    """Safe to use from several threads; different models load at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[Hashable, _Place] = {}

    def take(self, name: Hashable, load: Callable[[], T]) -> T:
        """What stands under `name`, loaded by whoever comes first. `name` says everything that
        `load` depends on. Where `load` raises, nothing stands there."""
        with self._lock:
            place = self._places.setdefault(name, _Place())
            place.holders += 1
        try:
            with place.lock:
                if not place.held:
                    place.held.append(load())
                found: T = place.held[0]
                return found
        except BaseException:
            self._leave(name, place)
            raise

    def give_back(self, engine: Engine) -> None:
        """Free an engine where nobody else has taken it; one that is not from here at once."""
        with self._lock:
            found = next(
                (
                    (name, place)
                    for name, place in self._places.items()
                    if any(one is engine for one in place.held)
                ),
                None,
            )
        if found is None or self._leave(*found):
            engine.close()

    def _leave(self, name: Hashable, place: _Place) -> bool:
        """Whether nobody is left."""
        with self._lock:
            place.holders -= 1
            if not place.holders:
                self._places.pop(name, None)
            return not place.holders


def stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Tells a folder from the same one with other contents: names, sizes and times (ns) of its
    files."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    told = ((file, file.stat()) for file in files)
    return tuple(
        (file.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns) for file, stat in told
    )
