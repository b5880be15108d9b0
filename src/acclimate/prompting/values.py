"""Values of JSON types in a plain answer: numbers with their units, dates, lists, choices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

_NUMBER = re.compile(
    r"(?<![\w.,])([-−–+]?)\s?((?:\d{1,3}(?:[ ,.’'\u00a0\u202f]\d{3})+|\d+)(?:[.,]\d+)?)(?![\w]*\d)"
)
_UNIT = re.compile(r"\s*([^\s\d,;:.()]\S*(?:\s(?:per|an?|of|a)\s\S+|\s[^\s\d]\S*){0,3})")
_BEFORE = re.compile(r"([€$£¥₹]|\b[A-Z]{3})\s?$")
_NAME = re.compile(r"\b[A-Z][a-z]\w*\s$")
_ITEM = re.compile(r"\s*(?:\n\s*(?:[-*•]|\d+[.)])?|;|,(?=\s))\s*")
_AND = re.compile(r"^(?:and|or|und|et|y|og)\s+|\s+(?:and|und|et|y|og|&)\s+", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")
_MONTHS = (
    "january february march april may june july august september october november december".split()
)
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DAY_FIRST = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?({_MONTH})\.?,?\s+(\d{{4}})\b", re.IGNORECASE
)
_MONTH_FIRST = re.compile(
    rf"\b({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b", re.IGNORECASE
)
_FORMATS = {
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "uri": re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:)]"),
    "uuid": re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE),
    "time": re.compile(r"\b(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?\b"),
}
_YES, _NO = (
    re.compile(r"\W*(?:yes|true)\b", re.IGNORECASE),
    re.compile(r"\W*(?:no|not|false|none|never)\b", re.IGNORECASE),
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and the words of its unit ("" where there are none)."""

    number: float
    unit: str


def read_quantity(text: str) -> Quantity | None:
    """The first number that has a unit and is no part of a name (Fjell 9), else the first; None
    where there is none.

    1,234.5 and 1.234,5 are the same; a lone group of three after a comma is thousands (1,050),
    after a point it is a fraction (1.050), as in English.
    """
    found: list[Quantity] = []
    named: list[Quantity] = []
    for match in _NUMBER.finditer(text):
        before = text[: match.start()]
        unit = _BEFORE.search(before) or _UNIT.match(text, match.end())
        sign = -1 if match[1] in ("-", "−", "–") else 1
        quantity = Quantity(_number(match[2]) * sign, unit[1].rstrip(".,;: ") if unit else "")
        (named if _NAME.search(before) else found).append(quantity)
    every = [*found, *named]
    return next((one for one in found if one.unit), every[0] if every else None)


def read_date(text: str) -> str:
    """The first date as YYYY-MM-DD; "" where there is none."""
    for pattern, order in ((_ISO, (1, 2, 3)), (_DAY_FIRST, (3, 2, 1)), (_MONTH_FIRST, (3, 1, 2))):
        if match := pattern.search(text):
            year, month, day = (match[place] for place in order)
            number = (
                int(month)
                if month.isdigit()
                else 1 + [name[:3] for name in _MONTHS].index(month[:3].casefold())
            )
            try:
                return date(int(year), number, int(day)).isoformat()
            except ValueError:
                continue
    return ""


def read_formatted(text: str, kind: str) -> str | None:
    """The part of a text that has a format of JSON Schema; None where nothing has it, or the format
    is not known."""
    if kind == "date":
        return read_date(text) or None
    match = _FORMATS[kind].search(text) if kind in _FORMATS else None
    return match[0] if match else None


def read_items(text: str) -> list[str]:
    """The items of a list that is written in a line, or one in a line."""
    parts = [_BULLET.sub("", part) for part in _ITEM.split(text.strip())]
    items = [item for part in parts for item in _AND.split(part)]
    return [item.strip().rstrip(".") for item in items if item.strip()]


def read_choice(text: str, choices: Sequence[Any]) -> Any:
    """The one of the choices that a text says or names; None where it names none, or several."""
    said = _plain(text)
    same = [choice for choice in choices if _plain(str(choice)) == said]
    if len(same) == 1:
        return same[0]
    named = [
        one
        for one in choices
        if one is not None and re.search(rf"\b{re.escape(_plain(str(one)))}\b", said)
    ]
    return named[0] if len(named) == 1 and _plain(str(named[0])) else None


def read_truth(text: str) -> bool | None:
    """Yes or no, where an answer begins with it."""
    if _YES.match(text):
        return True
    return False if _NO.match(text) else None


def _number(digits: str) -> float:
    digits = re.sub(r"[ ’'\u00a0\u202f]", "", digits)
    point, comma = digits.rfind("."), digits.rfind(",")
    if point >= 0 and comma >= 0:
        thousands = "," if point > comma else "."
        return float(digits.replace(thousands, "").replace(",", "."))
    if comma >= 0:
        groups = digits.split(",")
        return float(digits.replace(",", "" if all(len(one) == 3 for one in groups[1:]) else "."))
    return float(digits.replace(".", "")) if digits.count(".") > 1 else float(digits)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
