"""CSV, TSV and other tables of plain text."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from acclimate.documents.builder import TextBuilder
from acclimate.documents.tables import Rows, add_blocks
from acclimate.documents.text import decode_raw
from acclimate.types import Document

_DELIMITERS = "\t;|,:"  # of equals, the first: commas and colons stand inside numbers and times too
_SAMPLE = 200  # lines
_SEP = re.compile(r'"?sep=(.|\\t)"?[ \t]*(?:\r\n?|\n|\Z)', re.IGNORECASE)  # Excel's own first line
_INSIDE_NUMBER = re.compile(r"(?<=\d)[,:](?=\d)")
_LINE_ENDS = re.compile(r"\r*\n|\r")


class DelimitedParser:
    """Reads tables with commas, semicolons, tabs or bars, and the lines of text before, between and
    after them."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        text, encoding = decode_raw(file.read_bytes(), file.name)
        text = _LINE_ENDS.sub("\n", text)
        named = _SEP.match(text)
        if named is not None:
            text = text[named.end() :]
        cut = named[1].replace("\\t", "\t") if named is not None else delimiter(text)
        builder = TextBuilder()
        add_blocks(list(_blocks(read_rows(text, cut))), builder)
        return builder.build(path, "text/csv", Path(path).stem, {"encoding": encoding})


def delimiter(text: str) -> str:
    """The delimiter that cuts most lines into the same number of cells, more than one.

    A comma between two digits counts only where nothing else cuts the lines: it may be a decimal
    one.
    """
    sample = "\n".join(text.split("\n", _SAMPLE)[:_SAMPLE])
    for lines in (_INSIDE_NUMBER.sub(".", sample), sample):
        best, found = (0, 0), ""
        for candidate in _DELIMITERS:
            counts = Counter(len(row) for row in read_rows(lines, candidate) if any(row))
            area = max(
                (times * (width - 1) for width, times in counts.items() if times > 1), default=0
            )
            if not area and counts.total() == 1:
                area = max(counts) - 1
            lines_cut = counts.total() - counts[1] if area else 0
            # A colon follows a word in any text: it counts only where nothing else does.
            if (lines_cut, area) > best and not (candidate == ":" and found):
                best, found = (lines_cut, area), candidate
        if found:
            return found
    return ","


def read_rows(text: str, cut: str) -> Iterator[list[str]]:
    """The rows of a table; a quotation mark that is never closed is an ordinary character."""
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    lines = io.StringIO(text, newline="\n").readlines()
    at = 0
    while at < len(lines):
        reader = csv.reader(islice(lines, at, None), delimiter=cut, skipinitialspace=cut != "\t")
        before = 0
        for row in reader:
            taken = lines[at + before : at + reader.line_num]
            open_end = at + reader.line_num == len(lines) and len(taken) > 1
            if open_end and "".join(taken).count('"') % 2:
                break
            before = reader.line_num
            yield row
        else:
            return
        yield from csv.reader([lines[at + before]], delimiter=cut, quoting=csv.QUOTE_NONE)
        at += before + 1


def _blocks(rows: Iterator[list[str]]) -> Iterator[Rows]:
    """Rows between blank ones; where every second row is blank, blank rows say nothing."""
    stripped: list[Sequence[str]] = [[cell.strip() for cell in row] for row in rows]
    blank = sum(not any(row) for row in stripped)
    doubled = blank > 2 and all(any(row) != (at % 2 == 1) for at, row in enumerate(stripped))
    block: list[Sequence[str]] = []
    for row in stripped:
        if any(row):
            block.append(row)
        elif block and not doubled:
            yield block
            block = []
    if block:
        yield block
