"""The blocks of a passage: paragraphs, whole lists, tables, each under the heading that stands
above it.

A list or a table goes on over empty lines, and begins with the sentence that introduces it: a list
without it, or half a list, answers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from acclimate.types import Span

BlockKind = Literal["heading", "paragraph", "list", "table"]
BULLET = re.compile(r"[ \t]*(?:[-*+•]|\(?(?:\d{1,3}|[a-z])[.)])[ \t]+(?=\S)")
"""What begins an item of a list or a step."""
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+\S|[ \t]*(?:\*\*|__)[^*_]+(?:\*\*|__):?[ \t]*$")
_ROW = re.compile(r"[ \t]*(?:\||</?t(?:able|head|body|r|h|d)\b)", re.IGNORECASE)
_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,}|-{3,}[ \t]*$)")
_INTRODUCTION = 250  # characters of a paragraph that belongs to the list below it without a colon


@dataclass(frozen=True, slots=True)
class Block:
    """A block's kind and place in its text, and the words of the heading above it ("": none)."""

    kind: BlockKind
    span: Span
    heading: str = ""


def blocks(text: str) -> list[Block]:
    """The blocks of a text in order, without its headings, which they name."""
    found: list[Block] = []
    heading, held = "", None
    for block in _parts(text):
        if block.kind == "heading":
            found += [held] if held else []
            heading, held = text[block.span.start : block.span.end].strip(" \t#*_:"), None
            continue
        block = replace(block, heading=heading)
        if held and block.kind in ("list", "table") and _introduces(held, text):
            held = replace(block, span=Span(held.span.start, block.span.end))
            continue
        found += [held] if held else []
        held = block
    return [*found, *([held] if held else [])]


def items(text: str) -> list[Span]:
    """The items of a list, with what is indented below each; [] where no line begins one."""
    starts = [at for at, line in _lines(text) if BULLET.match(line)]
    return [
        Span(start, start + len(text[start:end].rstrip()))
        for start, end in pairwise([*starts, len(text)])
    ]


def _introduces(block: Block, text: str) -> bool:
    body = text[block.span.start : block.span.end]
    return block.kind == "paragraph" and (body.endswith(":") or len(body) < _INTRODUCTION)


def _parts(text: str) -> Iterator[Block]:
    """Runs of lines of one kind."""
    run: Block | None = None
    gap = False
    for at, line in _lines(text):
        if not line.strip() or _FENCE.match(line):
            gap = True
            continue
        kind = _kind(line)
        goes_on = run is not None and kind == run.kind and (not gap or kind in ("list", "table"))
        # A line below an item without a mark of its own belongs to it; after a gap, where indented.
        hangs = run is not None and run.kind in ("list", "table") and kind == "paragraph"
        if run and kind != "heading" and (goes_on or (hangs and (not gap or line[0] in " \t"))):
            run = replace(run, span=Span(run.span.start, at + len(line.rstrip())))
        else:
            if run:
                yield run
            start = at + len(line) - len(line.lstrip())
            run = Block(kind, Span(start, at + len(line.rstrip())))
        gap = False
    if run:
        yield run


def _kind(line: str) -> BlockKind:
    if _HEADING.match(line):
        return "heading"
    if BULLET.match(line):
        return "list"
    return "table" if _ROW.match(line) else "paragraph"


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.split("\n"):
        yield at, line
        at += len(line) + 1
