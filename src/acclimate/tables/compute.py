"""Arithmetic over cells: results in the cells' own number format, with the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from acclimate.tables.numbers import Value, alike, show

_MOST_TERMS = 8  # written out in the steps


@dataclass(frozen=True, slots=True)
class Result:
    """The text of an answer, and the steps to it ("" where it was looked up)."""

    text: str
    working: str = ""


def difference(first: Value, second: Value) -> Result | None:
    """The first less the second; None where their units differ."""
    if not alike((first, second)):
        return None
    values = (first, second)
    result = show(first.number - second.number, values)
    return Result(result, f"{_one(first)} − {_one(second)} = {result}")


def percentage_change(old: Value, new: Value) -> Result | None:
    """The change from old to new in percent of old; None where units differ or old is zero."""
    if not alike((old, new)) or old.number == 0:
        return None
    result = _percent((new.number - old.number) / old.number * 100, old)
    steps = f"({_one(new)} − {_one(old)}) / {_one(old)} × 100 = {result}"
    return Result(result, steps)


def share(part: Value, whole: Value) -> Result | None:
    """A part in percent of the whole; None where units differ or the whole is zero."""
    if not alike((part, whole)) or whole.number == 0:
        return None
    result = _percent(part.number / whole.number * 100, part)
    return Result(result, f"{_one(part)} / {_one(whole)} × 100 = {result}")


def ratio(part: Value, whole: Value) -> Result | None:
    """A part over the whole, with two decimals; None where units differ or the whole is zero."""
    if not alike((part, whole)) or whole.number == 0:
        return None
    bare = Value(part.number, convention=part.convention)
    result = show(part.number / whole.number, [bare], least=2)
    return Result(result, f"{_one(part)} / {_one(whole)} = {result}")


def total(values: Sequence[Value]) -> Result | None:
    """The sum; None where units differ."""
    if not values or not alike(values):
        return None
    result = show(sum((value.number for value in values), Decimal(0)), values)
    return Result(result, f"{_terms(values)} = {result}")


def average(values: Sequence[Value]) -> Result | None:
    """The arithmetic mean with two decimals where it needs them; None where units differ."""
    if not values or not alike(values):
        return None
    mean = sum((value.number for value in values), Decimal(0)) / len(values)
    result = show(mean, values, least=2)
    return Result(result, f"({_terms(values)}) / {len(values)} = {result}")


def extreme(values: Sequence[Value], *, most: bool) -> int | None:
    """The place of the greatest or least value; None where units differ or two are equal."""
    dimensions = {value.dimension for value in values}
    if not values or len(dimensions - {""}) > 1:
        return None
    units = {value.unit for value in values}
    if len(units) > 1 and "" in dimensions and not alike(values):
        return None
    sizes = [value.size for value in values]
    if min(sizes) < 0 < max(sizes) or (max(sizes) < 0 and len(sizes) == 2):
        return None  # "(4.2)" may be a greater cost or a smaller sum
    best = (max if most else min)(sizes)
    return sizes.index(best) if sizes.count(best) == 1 else None


def _percent(number: Decimal, like: Value) -> str:
    bare = Value(number, after="%", convention=like.convention)
    return show(number, [bare], least=2)


def _one(value: Value) -> str:
    text = show(value.number, [value])
    return f"({text})" if value.number < 0 else text


def _terms(values: Sequence[Value]) -> str:
    if len(values) <= _MOST_TERMS:
        return " + ".join(_one(value) for value in values)
    first = " + ".join(_one(value) for value in values[:3])
    return f"{first} + … + {_one(values[-1])} ({len(values)} values)"
