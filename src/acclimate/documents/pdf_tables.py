"""Tables on a page of a PDF: where ruled lines enclose rows of cells, or where cells of several
lines align."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from acclimate.documents.pdf_page import Cell, Line, Page, Rule, Word, make_line
from acclimate.types import Box

_SAME_EDGE = 5.0  # points: rules that begin and end this close together belong to one table
_CELL_GAP = 0.62  # letter heights between two cells of a row
_NEAR = 30.0  # points above the first and below the last rule where a table's row may stand
_FAR = 2.2  # letter heights between two lines or rules: a wider gap ends a table
_PROSE_LINE = 5  # words in a line of running text, at least
_PROSE_WORDS = 9.0  # words in a typical cell: more are columns of prose
_BEFORE = frozenset("$€£¥") | {"$ (", "($", "US$", "("}
_AFTER = frozenset((")", "%", ")%", "%)"))


@dataclass(frozen=True, slots=True)
class Table:
    """A table's cells by row, and its place."""

    rows: tuple[tuple[str, ...], ...]
    box: Box

    def holds(self, word: Word) -> bool:
        """Whether a word stands in it."""
        middle = (word.left + word.right) / 2
        return (
            self.box.left <= middle <= self.box.right
            and self.box.top <= word.base <= self.box.bottom
        )


def ruled_tables(page: Page) -> list[Table]:
    """Tables between ruled lines of one width."""
    tables: list[Table] = []
    for cluster in _clusters(page.across):
        for region in _regions(cluster, page):
            if not any(_overlap(region, table.box) for table in tables):
                table = _table(region, page)
                if table is not None:
                    tables.append(table)
    return tables


def aligned_table(lines: Sequence[Line]) -> Table | None:
    """The table that consecutive lines of several cells form; None where they are columns of
    prose."""
    if _prose(lines):
        return None
    cells = [cell for line in lines for cell in line.cells]
    words = [word for cell in cells for word in cell.words]
    rows = _rows(_by_base(words), [], [])
    box = Box(
        min(line.left for line in lines) - 1,
        min(line.box.top for line in lines),
        max(line.right for line in lines) + 1,
        max(line.box.bottom for line in lines),
    )
    return Table(rows, box) if len(rows[0]) > 1 else None


def _clusters(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules that begin and end at the same places, from top to bottom; wide ones first."""
    clusters: list[list[Rule]] = []
    for rule in sorted(rules, key=lambda rule: rule.at):
        for cluster in clusters:
            if (
                abs(cluster[0].start - rule.start) < _SAME_EDGE
                and abs(cluster[0].end - rule.end) < _SAME_EDGE
            ):
                if rule.at - cluster[-1].at > 1:
                    cluster.append(rule)
                break
        else:
            clusters.append([rule])
    found = [cluster for cluster in clusters if len(cluster) > 1]
    return sorted(found, key=lambda cluster: cluster[0].start - cluster[0].end)


def _regions(cluster: Sequence[Rule], page: Page) -> Iterator[Box]:
    """Where lines and the cluster's rules follow each other closely, without prose between: a table
    each."""
    left, right = cluster[0].start - 2, cluster[0].end + 2
    near = Box(left, cluster[0].at - _NEAR, right, cluster[-1].at + _NEAR)
    lines = _by_base(_inside(page, near))
    marks: list[tuple[float, float, Line | None]] = [(rule.at, rule.at, None) for rule in cluster]
    marks += [(line.base - 0.8 * line.size, line.base + 0.1 * line.size, line) for line in lines]
    segment: list[tuple[float, float, Line | None]] = []
    size = median(line.size for line in lines) if lines else 10.0
    bars = [
        bar
        for bar in page.down
        if left <= bar.at <= right and bar.start < near.bottom and bar.end > near.top
    ]
    for mark in sorted(marks, key=lambda mark: mark[:2]):
        prose = mark[2] is not None and (
            _prose_line(mark[2], left, right) or _heading(mark[2], size, bars)
        )
        if segment and (prose or mark[0] - segment[-1][1] > _FAR * size):
            yield from _region(segment, left, right)
            segment = []
        if not prose:
            segment.append(mark)
    yield from _region(segment, left, right)


def _region(
    segment: Sequence[tuple[float, float, Line | None]], left: float, right: float
) -> Iterator[Box]:
    """A segment without the lines of one cell that stand outside its rules; nothing where it is no
    table."""
    kept = list(segment)
    while kept and kept[0][2] is not None and len(kept[0][2].cells) < 2:
        kept.pop(0)
    while kept and kept[-1][2] is not None and len(kept[-1][2].cells) < 2:
        kept.pop()
    lines = [line for _, _, line in kept if line is not None]
    several = [line for line in lines if len(line.cells) > 1]
    if (
        len(kept) > len(lines)
        and len(several) > 1
        and len(several) >= 0.35 * len(lines)
        and not _prose(several)
    ):
        yield Box(left, kept[0][0] - 1, right, kept[-1][1] + 1)


def _prose_line(line: Line, left: float, right: float) -> bool:
    """Whether a line is one of running text: many words from the left edge on, without a wide
    gap."""
    wide = make_line([word for cell in line.cells for word in cell.words], gap=1.3)
    words = sum(len(cell.words) for cell in wide.cells)
    begins = line.left < left + 0.15 * (right - left)
    return (
        len(wide.cells) == 1
        and words >= _PROSE_LINE
        and begins
        and line.right - line.left > 0.6 * (right - left)
    )


def _heading(line: Line, size: float, bars: Sequence[Rule]) -> bool:
    """Whether a line stands between two tables: alone and larger, or where the tables' vertical
    rules stop."""
    alone = len(line.cells) == 1
    return alone and (
        line.size > 1.12 * size
        or (bool(bars) and not any(bar.start < line.base < bar.end for bar in bars))
    )


def _inside(page: Page, box: Box) -> list[Word]:
    found = []
    for word in page.words:
        middle = (word.left + word.right) / 2
        if box.left <= middle <= box.right and box.top <= word.base - 0.2 * word.size <= box.bottom:
            found.append(word)
    return found


def _prose(lines: Sequence[Line]) -> bool:
    counts = sorted(len(cell.words) for line in lines for cell in line.cells)
    typical = sum(counts) / len(counts)
    return typical > _PROSE_WORDS or (
        counts[len(counts) // 2] >= 6 and max(len(line.cells) for line in lines) <= 2
    )


def _overlap(a: Box, b: Box) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom - 1 and b.top < a.bottom - 1


def _table(region: Box, page: Page) -> Table | None:
    lines = _by_base(_inside(page, region))
    across = [rule for rule in page.across if region.top < rule.at < region.bottom]
    across = [
        rule for rule in across if rule.start >= region.left - 2 and rule.end <= region.right + 2
    ]
    height = region.bottom - region.top
    down = [rule for rule in page.down if region.left + 4 < rule.at < region.right - 4]
    # A column is divided where rules, drawn in pieces or whole, run along most of the table.
    bars: list[float] = []
    for rule in down:
        beside = [other for other in down if abs(other.at - rule.at) < 2]
        drawn = sum(
            max(0.0, min(other.end, region.bottom) - max(other.start, region.top))
            for other in beside
        )
        if drawn > 0.6 * height and all(abs(bar - rule.at) > 3 for bar in bars):
            bars.append(rule.at)
    rows = _rows(lines, sorted(bars), across)
    return Table(rows, region) if rows and len(rows[0]) > 1 and len(rows) > 1 else None


def _by_base(words: Sequence[Word]) -> list[Line]:
    """Lines from top to bottom by where the words stand, whatever the order of writing."""
    groups: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.base, word.left)):
        if groups:
            last = max(groups[-1], key=lambda member: member.size)
            if (
                word.base - last.base < 0.42 * max(last.size, word.size)
                or word.base - groups[-1][-1].base < 0.15 * word.size
            ):
                groups[-1].append(word)
                continue
        groups.append([word])
    return [make_line(sorted(group, key=lambda word: word.left), _CELL_GAP) for group in groups]


def _rows(
    lines: Sequence[Line], bars: Sequence[float], across: Sequence[Rule]
) -> tuple[tuple[str, ...], ...]:
    """Rows of cell texts, all of one length."""
    divided = [
        _signs([piece for cell in line.cells for piece in _cut(cell, bars)]) for line in lines
    ]
    columns = _columns(divided, bars)
    rows: list[list[str]] = []
    last: Line | None = None
    steps = [below.base - above.base for above, below in pairwise(lines)]
    usual = median(steps) if steps else 0.0
    for line, cells in zip(lines, divided, strict=True):
        row = [""] * len(columns)
        for cell in cells:
            at = _column(cell, columns)
            row[at] = f"{row[at]} {cell.text}".strip()
        if last is not None and _continues(rows[-1], row, last, line, usual, across):
            rows[-1] = [
                f"{above} {below}".strip() for above, below in zip(rows[-1], row, strict=True)
            ]
        else:
            rows.append(row)
        last = line
    return tuple(tuple(row) for row in rows)


def _continues(
    above: Sequence[str],
    row: Sequence[str],
    last: Line,
    line: Line,
    usual: float,
    across: Sequence[Rule],
) -> bool:
    """Whether a line belongs to the row above it: a wrapped cell, or a cell that is centred between
    rows."""
    if any(last.base < rule.at < line.base - 0.3 * line.size for rule in across):
        return False
    step = line.base - last.base
    if step < 0.55 * line.size:
        return True
    filled = [bool(cell) for cell in row]
    if sum(filled) > 0.5 * len(row) or filled[0] or step > 1.6 * line.size:
        return step < 0.75 * usual and all(not (a and b) for a, b in zip(above, row, strict=True))
    # Wrapped text goes on under text, in cells of several words.
    under = [len(above[at].split()) > 1 or not above[at] for at, full in enumerate(filled) if full]
    return (
        all(under)
        and any(above[at] for at, full in enumerate(filled) if full)
        and step < 1.3 * line.size
    )


def _cut(cell: Cell, bars: Sequence[float]) -> Iterator[Cell]:
    """A cell cut at the vertical rules that run through it."""
    words: list[Word] = []
    for word in cell.words:
        if words and any(words[-1].right - 1 <= bar <= word.left + 1 for bar in bars):
            yield Cell(tuple(words))
            words = []
        words.append(word)
    yield Cell(tuple(words))


def _signs(cells: Sequence[Cell]) -> list[Cell]:
    """Cells with a currency sign, a percent sign or a closing bracket that stands apart put to
    their number."""
    joined: list[Cell] = []
    for cell in cells:
        if joined and (joined[-1].text in _BEFORE or cell.text in _AFTER):
            joined[-1] = Cell(joined[-1].words + cell.words)
        else:
            joined.append(cell)
    return joined


def _columns(rows: Sequence[Sequence[Cell]], bars: Sequence[float]) -> list[tuple[float, float]]:
    """Left and right of each column: where cells of different rows stand under each other."""
    cells = [(at, cell) for at, row in enumerate(rows) for cell in row]
    cells = [
        item
        for item in cells
        if not any(item[1].left + 1 < bar < item[1].right - 1 for bar in bars)
    ]
    return sorted(_divide(cells, bars)) or [(0.0, 1e6)]


def _divide(
    cells: Sequence[tuple[int, Cell]], bars: Sequence[float]
) -> Iterator[tuple[float, float]]:
    """Columns of cells with their row numbers; cells that span columns do not join them.

    A cell that reaches over two cells of another row is a bridge. Where fewer cells are bridges
    than rows have cells side by side, the bridges span columns; otherwise that row's one cell was
    cut in two by a wide gap.
    """
    groups: list[list[tuple[int, Cell]]] = []
    right = 0.0
    for item in sorted(cells, key=lambda item: item[1].left):
        left = item[1].left
        barred = bool(groups) and any(right - 1.5 <= bar <= left + 1.5 for bar in bars)
        if groups and left < right - 0.5 and not barred:
            groups[-1].append(item)
            right = max(right, item[1].right)
        else:
            groups.append([item])
            right = item[1].right
    for group in groups:
        by_row: dict[int, list[Cell]] = {}
        for at, cell in group:
            by_row.setdefault(at, []).append(cell)
        side_by_side = [row for row in by_row.values() if len(row) > 1]
        bridges = [item for item in group if any(_over(item[1], row) > 1 for row in side_by_side)]
        if len(side_by_side) > len(bridges) > 0:
            yield from _divide([item for item in group if item not in bridges], bars)
        else:
            yield min(cell.left for _, cell in group), max(cell.right for _, cell in group)


def _over(cell: Cell, row: Sequence[Cell]) -> int:
    return sum(min(cell.right, other.right) - max(cell.left, other.left) > 1 for other in row)


def _column(cell: Cell, columns: Sequence[tuple[float, float]]) -> int:
    """The first column that a cell reaches well into, else the nearest."""
    shared = [min(cell.right, right) - max(cell.left, left) for left, right in columns]
    best = max(range(len(columns)), key=shared.__getitem__)
    well = [
        at for at, width in enumerate(shared) if width > 0.5 * (columns[at][1] - columns[at][0])
    ]
    return well[0] if len(well) > 1 else best
