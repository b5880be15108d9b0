"""Which tokens of a packed sequence see each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spans:
    """Tokens before `shared` are seen by all after them; each of `own` (start, end) sees itself
    besides."""

    shared: int
    own: tuple[tuple[int, int], ...]

    def each(self, virtual: int) -> Iterator[tuple[int, int, int]]:
        """Start and end of every span, the beginning too, and how many of the first keys all of it
        sees."""
        if self.shared:
            yield 0, self.shared, virtual
        for start, end in self.own:
            yield start, end, virtual + self.shared
