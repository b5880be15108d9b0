"""CSV, TSV and other tables of plain text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

from acclimate.documents.builder import TextBuilder
from acclimate.documents.text import read_text
from acclimate.types import Document

_DELIMITERS = ",;\t|:"
_SAMPLE = 200  # lines


class DelimitedParser:
    """Reads tables with commas, semicolons, tabs or bars; the first row is the header."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        text, encoding = read_text(file)
        csv.field_size_limit(10_000_000)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text), skipinitialspace=True)
        builder = TextBuilder()
        builder.add_table(list(rows))
        return builder.build(path, "text/csv", Path(path).stem, {"encoding": encoding})


def delimiter(text: str) -> str:
    """The delimiter that cuts most lines into the same number of cells, more than one."""
    lines = text.splitlines()[:_SAMPLE]
    best, found = (0, 0), ","
    for candidate in _DELIMITERS:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=candidate) if row)
        width, times = max(counts.items(), key=lambda item: (item[0] > 1, item[1]), default=(0, 0))
        if width > 1 and (times, width) > best:
            best, found = (times, width), candidate
    return found
