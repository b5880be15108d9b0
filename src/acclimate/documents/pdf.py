"""PDF: text by page in the order in which it was written, paragraphs by line gaps, tables where cells align."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pypdfium2 as pdfium

from acclimate.documents.builder import TextBuilder, clean, one_line
from acclimate.errors import DocumentError
from acclimate.types import Document

_HEADING_RATIO = 1.15  # a heading's letters are that much taller than the body's
_HEADING_LENGTH = 120  # characters
_REPEATED_ON = 2  # pages at least, and half of them: then a first or last line is a running header or footer
_HYPHEN = re.compile(r"(?<=[a-zäöüéè])-\n(?=[a-zäöüéè])")


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of text on one line, in points; `top` counts from the top of the page."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        """Height of the letters."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Line:
    """Cells on one line, left to right, with wide gaps between them."""

    cells: tuple[Cell, ...]

    @property
    def text(self) -> str:
        """The cells' text."""
        return " ".join(cell.text for cell in self.cells)

    @property
    def top(self) -> float:
        """Top of the highest cell."""
        return min(cell.top for cell in self.cells)

    @property
    def bottom(self) -> float:
        """Bottom of the lowest cell."""
        return max(cell.bottom for cell in self.cells)

    @property
    def height(self) -> float:
        """Typical height of its letters."""
        return median(cell.height for cell in self.cells)


class PdfParser:
    """Reads digital PDFs with PDFium; text in pictures is not read here."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        try:
            document = pdfium.PdfDocument(file)
        except pdfium.PdfiumError as error:
            reason = "is encrypted" if "password" in str(error).casefold() else f"is damaged ({error})"
            raise DocumentError(f"{path} {reason}.", hint="Save it again without a password.") from error
        try:
            pages = [_read_lines(document, number) for number in range(len(document))]
            metadata = {key.casefold(): value for key, value in document.get_metadata_dict(skip_empty=True).items()}
        finally:
            document.close()
        if not any(pages):
            raise DocumentError(
                f"{path} has no text on its {len(pages)} pages: they are pictures.", hint="Run OCR on it."
            )
        return _assemble(pages, path, metadata)


def _assemble(pages: Sequence[Sequence[Line]], path: str, metadata: dict[str, str]) -> Document:
    repeated = _running_lines(pages)
    # By letters, not lines: a page of short table rows must not make its paragraphs look like headings.
    body = median(height for page in pages for line in page for height in [line.height] * len(line.text))
    builder = TextBuilder()
    for lines in pages:
        builder.start_page()
        kept = [line for line in lines if _pattern(line) not in repeated]
        for block in _blocks(kept):
            _add_block(block, body, builder)
    return builder.build(path, "application/pdf", metadata.get("title", ""), metadata)


def _add_block(block: Sequence[Line], body: float, builder: TextBuilder) -> None:
    if len(block) > 1 and all(len(line.cells) > 1 for line in block):
        builder.add_table(_table_rows(block))
        return
    text = one_line(_HYPHEN.sub("", "\n".join(line.text for line in block)))
    size = median(line.height for line in block)
    if size > body * _HEADING_RATIO and len(text) <= _HEADING_LENGTH:
        builder.add("heading", text, 1 if size > body * 1.6 else 2 if size > body * 1.3 else 3)
    else:
        builder.add("paragraph", text)


def _read_lines(document: pdfium.PdfDocument, number: int) -> list[Line]:
    page = document[number]
    textpage = page.get_textpage()
    height = page.get_height()
    lines: list[Line] = []
    run: list[Cell] = []
    for index in range(textpage.count_rects()):
        left, bottom, right, top = textpage.get_rect(index)
        text = one_line(clean(textpage.get_text_bounded(left, bottom, right, top)))
        if not text:
            continue
        cell = Cell(text, left, right, height - top, height - bottom)
        if run and not _same_line(run[-1], cell):
            lines.append(_join(run))
            run = []
        run.append(cell)
    if run:
        lines.append(_join(run))
    textpage.close()
    page.close()
    return lines


def _same_line(before: Cell, cell: Cell) -> bool:
    overlap = min(before.bottom, cell.bottom) - max(before.top, cell.top)
    return overlap > 0.5 * min(before.height, cell.height) and cell.left > before.left


def _join(run: Sequence[Cell]) -> Line:
    """Cells of one line; runs that are closer than a wide space are one cell."""
    cells = [run[0]]
    for cell in run[1:]:
        last = cells[-1]
        gap, size = cell.left - last.right, max(last.height, cell.height)
        if gap > size:
            cells.append(cell)
        else:
            text = f"{last.text}{' ' if gap > 0.12 * size else ''}{cell.text}"
            cells[-1] = Cell(text, last.left, cell.right, min(last.top, cell.top), max(last.bottom, cell.bottom))
    return Line(tuple(cells))


def _blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Consecutive lines that belong together: a paragraph, a heading, or the rows of a table."""
    right = max((cell.right for line in lines for cell in line.cells), default=0.0)
    block: list[Line] = []
    for line in lines:
        if block and not _continues(block[-1], line, right):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _continues(last: Line, line: Line, right: float) -> bool:
    """Whether `line` goes on with the block that ends in `last`; `right` is the page's right edge of text."""
    size = max(last.height, line.height)
    tabular = len(last.cells) > 1
    if tabular != (len(line.cells) > 1):
        return False
    if not tabular:
        # Heights are of the letters that occur, so a short last line ("m.") may look small: only after a full line.
        full = last.cells[-1].right > 0.85 * right
        if line.height > 1.12 * last.height or (last.height > 1.12 * line.height and not full):
            return False
    step = line.bottom - last.bottom  # of the baselines, which do not depend on the letters
    return -size < step < (3.5 if tabular else 2.2) * size


def _table_rows(block: Sequence[Line]) -> list[list[str]]:
    """Rows with their cells put into the columns of the widest row, by the nearest middle or edge."""
    widest = max(block, key=lambda line: len(line.cells))
    rows = []
    for line in block:
        row = [""] * len(widest.cells)
        for cell in line.cells:
            column = min(range(len(row)), key=lambda index: _distance(cell, widest.cells[index]))
            row[column] = f"{row[column]} {cell.text}".strip()
        rows.append(row)
    return rows


def _distance(cell: Cell, column: Cell) -> float:
    middle = abs((cell.left + cell.right) - (column.left + column.right)) / 2
    return min(abs(cell.left - column.left), abs(cell.right - column.right), middle)


def _pattern(line: Line) -> str:
    """A line with its numbers as #: page numbers differ, running headers do not."""
    return re.sub(r"\d+", "#", line.text)


def _running_lines(pages: Sequence[Sequence[Line]]) -> set[str]:
    """Patterns of first and last lines that come again on most pages; rows of a table need more pages to count."""
    edges = Counter(
        (_pattern(line), len(line.cells) > 1)
        for page in pages
        for line in {_pattern(line): line for line in [*page[:2], *page[-2:]] if len(line.text) < 150}.values()
    )
    wanted = max(_REPEATED_ON, len(pages) // 2)
    return {pattern for (pattern, tabular), count in edges.items() if count >= wanted + 2 * tabular}
