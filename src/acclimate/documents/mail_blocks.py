"""The body of a mail as blocks of text, each with how often it is quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from acclimate.types import ElementKind

_QUOTE = re.compile(r"[ \t]{0,3}((?:>[ \t]?)*>)(?!From )[ \t]?|")
_RUNAWAY = 100  # marks of quoting, beyond which a line means none


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, item, heading or table; its lines are those of the mail.

    `depth` counts the messages in which it is quoted: 0 for what the sender wrote now. `rows` are
    those of a table. `signed`: the mail marks it as a signature. `said`: whose words begin with it,
    where it is shown as a quotation.
    """

    text: str
    kind: ElementKind = "paragraph"
    depth: int = 0
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    signed: bool = False
    said: str = ""


def plain_blocks(text: str, *, flowed: bool = False, delete_space: bool = False) -> list[Block]:
    """The paragraphs of plain text; with `flowed`, lines that were broken for the way are joined
    (RFC 3676)."""
    lines = list(_quoted_lines(text))
    if flowed:
        lines = _joined(lines, delete_space)
    blocks: list[Block] = []
    for depth, group in groupby(lines, key=lambda line: line[0]):
        paragraph: list[str] = []
        signed = False
        for line in [*(line for _, line in group), ""]:
            begins = line.rstrip() == "--"  # of a signature: RFC 3676, 4.3
            if line.strip() and not begins:
                paragraph.append(line.rstrip())
            elif paragraph:
                blocks.append(Block("\n".join(paragraph), depth=depth, signed=signed))
                paragraph = []
            signed = signed or begins
    return blocks


def _quoted_lines(text: str) -> Iterator[tuple[int, str]]:
    for line in text.split("\n"):
        match = _QUOTE.match(line)
        depth = match[1].count(">") if match is not None and match[1] else 0
        if match is None or not depth or depth > _RUNAWAY:
            yield 0, line.removeprefix(">") if line.startswith(">From ") else line
        else:
            yield depth, line[match.end() :]


def _joined(lines: list[tuple[int, str]], delete_space: bool) -> list[tuple[int, str]]:
    """Lines that end in a space joined with the next of their depth; one space before a line is of
    the format."""
    found: list[tuple[int, str]] = []
    parts: list[str] = []
    before: int | None = None  # the depth of a line that goes on
    for depth, line in lines:
        line = line.removeprefix(" ") if depth == 0 else line
        goes_on = line.endswith(" ") and line != "-- "
        if before is not None and (before != depth or line == "-- "):
            found.append((before, "".join(parts)))
            parts = []
        parts.append(line[:-1] if goes_on and delete_space else line)
        before = depth if goes_on else None
        if not goes_on:
            found.append((depth, "".join(parts)))
            parts = []
    if before is not None:
        found.append((before, "".join(parts)))
    return found
