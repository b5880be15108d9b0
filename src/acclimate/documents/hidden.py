"""What authors hid: counted by kind, and left out, or kept and marked (`[documents] hidden`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

Hidden = Literal["skip", "mark"]
HiddenKind = Literal[
    "sheet",
    "row",
    "column",
    "slide",
    "shape",
    "text",
    "comment",
    "deletion",
    "field",
    "element",
    "layer",
    "cell",
]


@dataclass(slots=True)
class Census:
    """What was found in one file: things that its author hid, and things without a value to be
    read, by kind."""

    mode: Hidden = "skip"
    hidden: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)


_open: ContextVar[Census | None] = ContextVar("census", default=None)


@contextmanager
def census(mode: Hidden) -> Iterator[Census]:
    """Count what is hidden while the block runs; a file inside another is counted with it."""
    outer = _open.get()
    own = Census(mode)
    token = _open.set(own)
    try:
        yield own
    finally:
        _open.reset(token)
        if outer is not None:
            outer.hidden.update(own.hidden)
            outer.unread.update(own.unread)


def keep(kind: HiddenKind, count: int = 1) -> bool:
    """Count things that an author hid; whether they are to be kept, marked as hidden."""
    found = _open.get()
    if found is None:
        return False
    found.hidden[kind] += count
    return found.mode == "mark"


def mode() -> Hidden:
    """What is done with what authors hid."""
    found = _open.get()
    return "skip" if found is None else found.mode


def count_unread(kind: str, count: int = 1) -> None:
    """Count things that have no value to be read."""
    found = _open.get()
    if found is not None:
        found.unread[kind] += count
