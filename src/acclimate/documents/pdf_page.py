"""What stands on a page of a PDF: words with their places, ruled lines, and the lines of text that
words form.

All lengths are in points (1/72 inch); vertical positions count from the top of the page.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from acclimate.documents.builder import clean, one_line
from acclimate.documents.pdf_hidden import Doubt, Doubtful, Inks, is_off, unseen
from acclimate.types import Box

_THIN = 2.6  # a path thinner than this is a ruled line
_MIN_RULE = 12.0
_SOFT_HYPHENS = frozenset((0x2, 0xAD, 0xFFFE))  # what PDFium makes of a hyphen at a line's end
_BOLD = 600
_FEW = 20  # words; a page with fewer is not judged by their length


@dataclass(frozen=True, slots=True)
class Word:
    """Letters without a gap. `size` is the height of the font's letters, `base` the line that they
    stand on."""

    text: str
    left: float
    right: float
    base: float
    size: float
    bold: bool = False  # known only of words that begin a line


@dataclass(frozen=True, slots=True)
class Rule:
    """A ruled line: horizontal at `at` from `start` to `end`, or vertical."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Page:
    """A page's words in the order in which they were written, those that nobody sees apart, and its
    ruled lines."""

    words: tuple[Word, ...]
    across: tuple[Rule, ...]
    down: tuple[Rule, ...]
    width: float
    height: float
    pictures: bool = False
    hidden: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """Words of one line without a wide gap between them."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words as they are read, with single spaces."""
        return one_line(clean(" ".join(word.text for word in _as_read(self.words))))

    @property
    def left(self) -> float:
        """Left edge."""
        return self.words[0].left

    @property
    def right(self) -> float:
        """Right edge."""
        return self.words[-1].right


@dataclass(frozen=True, slots=True)
class Line:
    """Cells beside each other on one base line."""

    cells: tuple[Cell, ...]

    @property
    def text(self) -> str:
        """The cells' text."""
        return " ".join(cell.text for cell in self.cells)

    @property
    def size(self) -> float:
        """Typical height of the letters."""
        return median(word.size for cell in self.cells for word in cell.words)

    @property
    def base(self) -> float:
        """The base line of most of its words: superscripts stand higher."""
        return median(word.base for cell in self.cells for word in cell.words)

    @property
    def left(self) -> float:
        """Left edge."""
        return self.cells[0].left

    @property
    def right(self) -> float:
        """Right edge."""
        return self.cells[-1].right

    @property
    def bold(self) -> bool:
        """Whether it begins in bold letters."""
        return self.cells[0].words[0].bold

    @property
    def box(self) -> Box:
        """The rectangle around it."""
        return Box(self.left, self.base - self.size, self.right, self.base + 0.25 * self.size)


def read_page(document: pdfium.PdfDocument, number: int) -> Page:
    """Words and ruled lines of page `number` (from 0)."""
    page = document[number]
    textpage = page.get_textpage()
    try:
        left, bottom, right, top = page.get_bbox()
        view = _View(left, bottom, right, top, _turns(page, textpage.raw))
        across, down = _read_rules(page, view)
        words, hidden = _seen(page, _read_words(textpage.raw, view), view)
        if len(words) > _FEW and sum(len(word.text) == 1 for word in words) > 0.6 * len(words):
            words = _regroup(words)
        pictures = (
            not words
            and next(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3), None)
            is not None
        )
        return Page(
            tuple(words),
            tuple(across),
            tuple(down),
            view.width,
            view.height,
            pictures,
            tuple(hidden),
        )
    finally:
        textpage.close()
        page.close()


@dataclass(frozen=True, slots=True)
class _View:
    """A page as it is read: `turns` quarter turns clockwise from how its coordinates are
    written."""

    min_x: float
    min_y: float
    max_x: float
    max_y: float
    turns: int

    @property
    def width(self) -> float:
        return self.max_y - self.min_y if self.turns % 2 else self.max_x - self.min_x

    @property
    def height(self) -> float:
        return self.max_x - self.min_x if self.turns % 2 else self.max_y - self.min_y

    def point(self, x: float, y: float) -> tuple[float, float]:
        """From the left and from the top."""
        match self.turns:
            case 1:
                return y - self.min_y, x - self.min_x
            case 2:
                return self.max_x - x, y - self.min_y
            case 3:
                return self.max_y - y, self.max_x - x
            case _:
                return x - self.min_x, self.max_y - y

    def box(
        self, left: float, bottom: float, right: float, top: float
    ) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, as read."""
        (x1, y1), (x2, y2) = self.point(left, bottom), self.point(right, top)
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _turns(page: pdfium.PdfPage, handle: raw.FPDF_TEXTPAGE) -> int:
    """The page's own rotation, or that of its letters where most of them stand upright on their
    side."""
    turns = page.get_rotation() // 90
    count = raw.FPDFText_CountChars(handle)
    sampled = range(0, count, max(1, count // 40))
    angles = [
        -round(math.degrees(raw.FPDFText_GetCharAngle(handle, index)) / 90) % 4 for index in sampled
    ]
    usual = max(set(angles), key=angles.count, default=0)
    return usual if turns == 0 and angles.count(usual) > 0.8 * len(angles) else turns


def _seen(
    page: pdfium.PdfPage, read: list[tuple[Word, Doubt]], view: _View
) -> tuple[list[Word], list[Word]]:
    """The words that are seen, and those that are not."""
    off: set[int] = set()
    doubtful: list[Doubtful] = []
    for at, (word, doubt) in enumerate(read):
        box = Box(word.left, word.base - 0.7 * word.size, word.right, word.base + 0.05 * word.size)
        if is_off(box, view.width, view.height):
            off.add(at)
        elif doubt:
            doubtful.append(Doubtful(at, box, doubt))
    if doubtful:
        off |= unseen(page, doubtful, view.turns, view.box)
    shown = [word for at, (word, _) in enumerate(read) if at not in off]
    return shown, [read[at][0] for at in sorted(off)]


def _read_words(handle: raw.FPDF_TEXTPAGE, view: _View) -> list[tuple[Word, Doubt]]:
    """Words, each with the reason why it may not be seen."""
    words: list[tuple[Word, Doubt]] = []
    inks = Inks(handle)
    letters: list[str] = []
    box, x, y = raw.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
    left = right = base = size = 0.0
    first = 0

    def end_word() -> None:
        if letters:
            begins = not words or abs(words[-1][0].base - base) > 1
            bold = begins and raw.FPDFText_GetFontWeight(handle, first) >= _BOLD
            words.append((Word("".join(letters), left, right, base, size, bold), inks.doubt(first)))
            letters.clear()

    high = 0
    for index in range(raw.FPDFText_CountChars(handle)):
        code = raw.FPDFText_GetUnicode(handle, index)
        if code in (0x20, 0xA0, 0x0D, 0x0A, 0x09, 0x00):
            end_word()
            continue
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0xFFFD
        high = 0
        letter = "-" if code in _SOFT_HYPHENS else chr(code)
        raw.FPDFText_GetLooseCharBox(handle, index, box)
        raw.FPDFText_GetCharOrigin(handle, index, x, y)
        begin, upper, end, lower = view.box(box.left, box.bottom, box.right, box.top)
        tall = max(0.1, lower - upper)
        here = view.point(x.value, y.value)[1]
        if letters:
            # Scripts written leftwards: PDFium's spaces are the only gaps to trust.
            gap = 0.0 if _leftwards(code) else begin - right
            same = abs(here - base) < 0.15 * size and tall < 1.5 * size
            if gap > 0.2 * size or gap < -0.6 * size or not same:
                end_word()
        if not letters:
            left, right, base, size, first = begin, end, here, tall, index
        letters.append(letter)
        left, right = min(left, begin), max(right, end)
    end_word()
    return words


def _regroup(letters: Sequence[Word]) -> list[Word]:
    """Words of letters that were written one by one in no order, by where they stand."""
    rows: list[list[Word]] = []
    for letter in sorted(letters, key=lambda letter: (letter.base, letter.left)):
        if rows and abs(letter.base - rows[-1][-1].base) < 0.2 * letter.size:
            rows[-1].append(letter)
        else:
            rows.append([letter])
    words: list[Word] = []
    for row in rows:
        for at, letter in enumerate(sorted(row, key=lambda letter: letter.left)):
            last = words[-1] if at else None
            if last is not None and letter.left - last.right < 0.12 * letter.size:
                words[-1] = replace(last, text=last.text + letter.text, right=letter.right)
            else:
                words.append(letter)
    return words


def _as_read(words: Sequence[Word]) -> Sequence[Word]:
    """Words of scripts written leftwards from the right, runs of other words among them as they
    stand."""
    back = [_leftwards(ord(word.text[0])) for word in words]
    if len(words) < 2 or sum(back) <= len(words) / 2:
        return words
    runs: list[list[Word]] = []
    for word, leftwards in sorted(zip(words, back, strict=True), key=lambda item: -item[0].right):
        if runs and not leftwards and not _leftwards(ord(runs[-1][0].text[0])):
            runs[-1].insert(0, word)
        else:
            runs.append([word])
    return [word for run in runs for word in run]


def leftwards(word: Word) -> bool:
    """Whether a word is of a script written from the right to the left."""
    return _leftwards(ord(word.text[0]))


def _leftwards(code: int) -> bool:
    """Whether a character is of Hebrew, Arabic or a script like them."""
    return 0x590 <= code <= 0x8FF or 0xFB1D <= code <= 0xFEFC


def _read_rules(page: pdfium.PdfPage, view: _View) -> tuple[list[Rule], list[Rule]]:
    across, down = [], []
    for item in page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=2):
        left, top, right, bottom = view.box(*item.get_bounds())
        if bottom - top <= _THIN and right - left >= _MIN_RULE:
            across.append(Rule((top + bottom) / 2, left, right))
        elif right - left <= _THIN and bottom - top >= 0.5 * _MIN_RULE:
            down.append(Rule((left + right) / 2, top, bottom))
        elif right - left >= _MIN_RULE and bottom - top >= 0.5 * _MIN_RULE and _stroked(item):
            across += [Rule(top, left, right), Rule(bottom, left, right)]
            down += [Rule(left, top, bottom), Rule(right, top, bottom)]
    return _merge(across), _merge(down)


def _stroked(item: pdfium.PdfObject) -> bool:
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(item.raw, fill, stroke)
    return bool(stroke.value) and raw.FPDFPath_CountSegments(item.raw) <= 6


def _merge(rules: Sequence[Rule]) -> list[Rule]:
    """Pieces that touch become one: the borders of cells are often drawn one by one."""
    merged: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: (round(rule.at), rule.start)):
        last = merged[-1] if merged else None
        if (
            last is not None
            and abs(last.at - rule.at) < 1.5
            and last.start - 2 <= rule.start <= last.end + 2
        ):
            merged[-1] = Rule(last.at, last.start, max(last.end, rule.end))
        else:
            merged.append(rule)
    return merged


def make_lines(words: Sequence[Word]) -> list[Line]:
    """Lines of words in the order in which they were written."""
    lines: list[list[Word]] = []
    for word in words:
        if lines and _follows(lines[-1][-1], word):
            lines[-1].append(word)
        else:
            lines.append([word])
    return [make_line(line) for line in lines]


def make_line(words: Sequence[Word], gap: float = 1.0) -> Line:
    """A line of words from left to right; a gap wider than `gap` letter heights begins another
    cell."""
    cells: list[list[Word]] = [[words[0]]]
    for word in words[1:]:
        last = cells[-1][-1]
        if word.left - last.right > gap * max(last.size, word.size) * 0.8:
            cells.append([word])
        else:
            cells[-1].append(word)
    return Line(tuple(Cell(tuple(cell)) for cell in cells))


def _follows(last: Word, word: Word) -> bool:
    size = max(last.size, word.size)
    step = abs(word.base - last.base)
    # A superscript stands higher, but close and small.
    raised = (
        step < 0.6 * size
        and word.left - last.right < 0.3 * size
        and min(last.size, word.size) < 0.85 * size
    )
    backwards = (
        _leftwards(ord(word.text[0]))
        and _leftwards(ord(last.text[0]))
        and word.right < last.left + 0.5 * size
    )
    return (word.left > last.right - 0.5 * size or backwards) and (step < 0.25 * size or raised)
