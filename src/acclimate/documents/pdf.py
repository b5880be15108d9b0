"""PDF: text by page in the order in which it was written, paragraphs by line gaps, tables by rules
and alignment."""

from __future__ import annotations

import ctypes
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from statistics import median

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from acclimate.documents import ocr
from acclimate.documents.builder import TextBuilder, clean, one_line
from acclimate.documents.hidden import keep
from acclimate.documents.pdf_order import in_reading_order
from acclimate.documents.pdf_page import (
    Line,
    Page,
    Word,
    leftwards,
    make_line,
    make_lines,
    read_page,
)
from acclimate.documents.pdf_pictures import page_pictures
from acclimate.documents.pdf_tables import Table, aligned_table, ruled_tables
from acclimate.documents.pictures import wanted
from acclimate.documents.properties import properties
from acclimate.errors import DocumentError
from acclimate.types import Box, Document

PASSWORD = "ACCLIMATE_PDF_PASSWORD"  # noqa: S105 - the name of the variable, not a password
_HEADING_RATIO = 1.15  # a heading's letters are that much taller than the body's
_HEADING_LENGTH = 120  # characters
_LABEL = 80  # characters of a row that has a label only
_LOOK = 12  # lines within which a table's first rows must come
# Pages at least, and half of them: then a first or last line is a running header or footer.
_REPEATED_ON = 2
_NUMBER = re.compile(r"\d+")
_HYPHEN = re.compile(r"(?<=[a-zäöüéè])-\n(?=[a-zäöüéè])")
_CAPTION = re.compile(r"(?:Figure|Fig\.|Table|Exhibit|Chart)\s+\d+[.:|]", re.IGNORECASE)
_MAX_PAGES = 20_000
# A title, not the name of a file or a number.
_SPEAKING = re.compile(r"[^\W\d_]{3}.* |^[^\W\d_]{4,}$")
_BULLET = re.compile(r"[•●▪‣◦–·]\s+|[-*]\s+(?=\S)")

Part = Line | Table
OnPage = Callable[[int, int], None]


class PdfParser:
    """Reads PDFs with PDFium, pages without text by OCR; `on_page` is called with the number of
    pages read and the total."""

    def __init__(self, on_page: OnPage | None = None) -> None:
        self._on_page = on_page

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        document = _open(file, path)
        try:
            if len(document) > _MAX_PAGES:
                raise DocumentError(
                    f"{path} has {len(document):,} pages; {_MAX_PAGES:,} are allowed.",
                    hint="Split it.",
                )
            pages: list[list[Part]] = []
            shown: list[list[tuple[Box, bytes]]] = []
            hidden: list[list[str]] = []
            for number in range(len(document)):
                page = read_page(document, number)
                if not page.words and page.pictures and ocr.available():
                    page = ocr.read_scan(document, number)
                pages.append(page_parts(page))
                hidden.append([line.text for line in make_lines(page.hidden)])
                shown.append(page_pictures(document, number) if wanted() else [])
                if self._on_page is not None:
                    self._on_page(number + 1, len(document))
            metadata = _metadata(document)
        finally:
            document.close()
        if not any(pages) and not any(shown):
            hint = (
                "Is it empty?"
                if ocr.available()
                else "Read them by OCR: pip install 'acclimate[ocr]'."
            )
            raise DocumentError(
                f"{path} has no text on its {len(pages)} pages: they are pictures.", hint=hint
            )
        return assemble(pages, path, metadata, shown, hidden)


def _open(file: Path, path: str) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(file, password=os.environ.get(PASSWORD))
    except pdfium.PdfiumError as error:
        if "password" not in str(error).casefold():
            raise DocumentError(f"{path} is damaged ({error}).", hint="Save it again.") from error
        wrong = (
            "does not open with the password in"
            if PASSWORD in os.environ
            else "is encrypted: put its password in"
        )
        raise DocumentError(
            f"{path} {wrong} {PASSWORD}.", hint="Or save it again without a password."
        ) from error


def _metadata(document: pdfium.PdfDocument) -> dict[str, str]:
    """What the PDF says about itself; the program that wrote it is left out."""
    said = {
        key.casefold(): value for key, value in document.get_metadata_dict(skip_empty=True).items()
    }
    date = said.get("moddate") or said.get("creationdate", "")
    kept = {
        key: one_line(clean(said[key])) for key in ("title", "subject", "keywords") if said.get(key)
    }
    return kept | properties(said.get("author", ""), date, _language(document))


def _language(document: pdfium.PdfDocument) -> str:
    length = raw.FPDFCatalog_GetLanguage(document.raw, None, 0)
    if length <= 2:
        return ""
    buffer = ctypes.create_string_buffer(min(length, 200))
    raw.FPDFCatalog_GetLanguage(
        document.raw, ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), len(buffer)
    )
    return buffer.raw.decode("utf-16-le", "ignore").split("\0")[0]


def page_parts(page: Page) -> list[Part]:
    """Lines and tables in reading order; a table stands where its first word does."""
    tables = ruled_tables(page)
    parts: list[Part] = []
    placed: set[int] = set()
    loose: list[Word] = []
    for word in page.words:
        at = next((index for index, table in enumerate(tables) if table.holds(word)), None)
        if at is None:
            loose.append(word)
        elif at not in placed:
            parts += _in_order(make_lines(loose), page)
            loose = []
            parts.append(tables[at])
            placed.add(at)
    parts += _in_order(make_lines(loose), page)
    if sum(leftwards(word) for word in page.words) > len(page.words) / 2:
        return parts  # columns of such scripts begin at the right
    return in_reading_order(parts, lambda part: part.box, page.height)


def _in_order(lines: list[Line], page: Page) -> list[Part]:
    """Lines as written, but by columns where the writing went across them; aligned lines become
    tables."""
    parts: list[Part] = []
    for run in _runs(lines):
        table = aligned_table(run) if len(run) > 1 else None
        if table is not None:
            parts.append(table)
        elif len(run) > 1:  # columns of prose, written line by line
            middle = page.width / 2
            for side in (True, False):
                cells = [
                    [cell for cell in line.cells if (cell.left < middle) == side] for line in run
                ]
                parts += [
                    make_line([word for cell in row for word in cell.words], gap=9.0)
                    for row in cells
                    if row
                ]
        else:
            parts += run
    return parts


def _runs(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    """Lines that may be one table together, and each other line alone."""
    at = 0
    while at < len(lines):
        end = _table_end(lines, at)
        yield lines[at:end]
        at = end


def _table_end(lines: Sequence[Line], start: int) -> int:
    """Where the table that may begin at `start` ends: lines of several cells, labels and pieces of
    headings.

    A label is a short line of one cell at the left; pieces of column headings stand further right.
    """
    near = [line for line in lines[start : start + _LOOK] if len(line.cells) > 1]
    if not near:
        return start + 1
    left, right = min(line.left for line in near), max(line.right for line in near)
    end, several, labels = start + 1, 0, 0
    for at in range(start, len(lines)):
        line = lines[at]
        step = line.base - lines[at - 1].base if at > start else 0.0
        if (
            not -4.0 * line.size
            < step
            < (3.4 if several else 2.4) * max(line.size, lines[at - 1].size)
        ):
            break
        if len(line.cells) > 1:
            end, several, labels = at + 1, several + 1, 0
            continue
        piece = line.left > left + 0.25 * (right - left) and line.right < right + line.size
        labels += not piece
        if len(line.text) > _LABEL or (not piece and not several) or labels > 1:
            break
    return end if several > 1 else start + 1


def assemble(
    pages: Sequence[Sequence[Part]],
    path: str,
    metadata: dict[str, str],
    pictures: Sequence[Sequence[tuple[Box, bytes]]] = (),
    hidden: Sequence[Sequence[str]] = (),
) -> Document:
    """The document of pages in reading order, with the pictures on each page, and the lines that
    nobody sees."""
    running = _running_lines(pages)
    # By letters, not lines: a page of short table rows must not make its paragraphs look like
    # headings.
    lines = [part for part in chain.from_iterable(pages) if isinstance(part, Line)]
    body = median([line.size for line in lines for _ in line.text] or [10.0])
    bold = sum(len(line.text) for line in lines if line.bold) > 0.3 * sum(
        len(line.text) for line in lines
    )
    builder = TextBuilder()
    told: set[str] = set()
    for number, parts in enumerate(pages):
        builder.start_page()
        block: list[Line] = []
        middle = len(parts) / 2
        for at, part in enumerate(parts):
            if isinstance(part, Table):
                _add_block(block, body, bold, builder)
                block = []
                builder.add_table(part.rows, box=part.box)
            elif at in running[number]:
                pattern = _NUMBER.sub("#", part.text)
                if pattern not in told and _says_more(pattern):  # once, where it first comes
                    _add_block(block, body, bold, builder)
                    block = []
                    builder.add("header" if at < middle else "footer", part.text, box=part.box)
                    told.add(pattern)
            else:
                if block and not _continues(block, part):
                    _add_block(block, body, bold, builder)
                    block = []
                block.append(part)
        _add_block(block, body, bold, builder)
        veiled = hidden[number] if hidden else ()
        if veiled and keep("text", len(veiled)):
            with builder.hidden("text"):
                builder.add("paragraph", "\n".join(veiled))
        for place, content in pictures[number] if pictures else ():
            builder.add_picture(content, place)
    title = metadata.get("title", "")
    return builder.build(
        path, "application/pdf", title if _SPEAKING.search(title) else "", metadata
    )


def _add_block(block: Sequence[Line], body: float, bold: bool, builder: TextBuilder) -> None:
    """Add lines as a heading, caption, item or paragraph; `body` is the text's letter height,
    `bold` its weight."""
    if not block:
        return
    text = one_line(_HYPHEN.sub("", "\n".join(line.text for line in block)))
    size = median(line.size for line in block)
    box = Box(
        min(line.left for line in block),
        min(line.box.top for line in block),
        max(line.right for line in block),
        max(line.box.bottom for line in block),
    )
    short = len(text) <= _HEADING_LENGTH and any(letter.isalpha() for letter in text)
    if short and size > body * _HEADING_RATIO:
        builder.add("heading", text, 1 + sum(size <= body * bound for bound in (1.6, 1.3)), box)
    elif (
        short
        and not bold
        and all(line.bold for line in block)
        and size > 0.9 * body
        and text[-1] not in ".,;:)"
    ):
        builder.add("heading", text, 4, box)
    elif _CAPTION.match(text):
        builder.add("caption", text, box=box)
    elif bullet := _BULLET.match(text):
        builder.add("list_item", f"- {text[bullet.end() :]}", 1, box)
    else:
        builder.add("paragraph", text, box=box)


def _continues(block: Sequence[Line], line: Line) -> bool:
    """Whether `line` goes on with the paragraph or heading."""
    last = block[-1]
    size = max(last.size, line.size)
    step = line.base - last.base
    if (
        abs(line.size - last.size) > 0.12 * size
        or line.bold != last.bold
        or _BULLET.match(line.text)
    ):
        return False
    if len(block) > 1:  # a gap wider than the paragraph's own ends it
        return 0 < step < 1.3 * max(block[-1].base - block[-2].base, 0.9 * size)
    return -0.4 * size < step < 1.75 * size


def _says_more(pattern: str) -> bool:
    """Whether a running header or footer says more than the page's number."""
    return len(re.sub(r"[^a-z]|page|of", "", pattern.casefold())) > 3


def _running_lines(pages: Sequence[Sequence[Part]]) -> list[set[int]]:
    """Places, page by page, of first and last lines that come again on most pages."""
    edges = [
        {at: _alike(part, number) for at, part in _edges(page)} for number, page in enumerate(pages)
    ]
    seen: Counter[tuple[str, int]] = Counter()
    for lines in edges:
        seen.update(set().union(*lines.values()))
    wanted = max(_REPEATED_ON, len(pages) // 2)
    often = {key for key, count in seen.items() if count >= wanted}
    return [{at for at, keys in lines.items() if keys & often} for lines in edges]


def _edges(page: Sequence[Part]) -> Iterator[tuple[int, Line]]:
    for at, part in enumerate(page):
        if isinstance(part, Line) and (at < 4 or at >= len(page) - 3) and len(part.text) < 150:
            yield at, part


def _alike(line: Line, page: int) -> set[tuple[str, int]]:
    """What a running line shares with its like: all its text, or at one height all but a number
    that counts the pages.

    Other numbers are content: "Load: 41 kg" on one page says nothing of "Load: 43 kg" on the next.
    """
    counted = {
        (
            f"{line.text[: number.start()]}{int(number[0]) - page}#{line.text[number.end() :]}",
            round(line.base),
        )
        for number in _NUMBER.finditer(line.text)
        if len(number[0]) < 7
    }
    return {(line.text, -1)} | counted
