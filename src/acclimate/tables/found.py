"""An answer from one table, and how much of the question the table itself explains."""

from __future__ import annotations

from dataclasses import dataclass, replace

from acclimate.tables.compute import Result
from acclimate.tables.grid import Table


@dataclass(frozen=True, slots=True)
class Found:
    """An answer's text, the steps to it, and its cells as (row, column) of `table`; column names
    have row -1. `explained` are the words of the question that rows and columns explain. `over` is
    how many rows were counted, 0 where cells were named."""

    table: Table
    text: str
    working: str
    cells: tuple[tuple[int, int], ...]
    explained: frozenset[str]
    over: int = 0
    computed: bool = True

    def turned_back(self, table: Table) -> Found:
        """The same answer with the cells' places in the table that was turned."""
        cells = tuple((column - 1, row + 1) for row, column in self.cells)
        return replace(self, table=table, cells=cells)


def worked_out(
    table: Table,
    result: Result | None,
    cells: tuple[tuple[int, int], ...],
    explained: frozenset[str],
    over: int = 0,
    *,
    relative: bool = False,
) -> Found | None:
    """A result with the scale of its cells; None where there is no result, or their scales
    differ. `relative`: it is a share of one another, and has none."""
    if result is None:
        return None
    scales = {table.scale_of(table.rows[row], table.rows[row].cells[at]) for row, at in cells}
    if len(scales) != 1:
        return None
    scale = scales.pop()
    columns = {at for _, at in cells}
    unit = table.unit_of(min(columns)) if len(columns) == 1 else ""
    if unit and result.text[-1:].isdigit() and not relative:
        return Found(table, f"{result.text} {unit}", result.working, cells, explained, over)
    bare = not scale or "%" in result.text or relative
    text = result.text if bare else f"{result.text} {scale}"
    return Found(table, text, result.working, cells, explained, over)
