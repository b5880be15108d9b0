"""Numbers that Word computes and does not store: of list items and headings, from numbering.xml.

ECMA-376, part 1, §17.9. Lists that share an abstract list count on together, unless one starts
anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree

from acclimate.documents.safe import attribute, local_name

_LEVELS = 9
_PLACE = re.compile(r"%([1-9])")


@dataclass(slots=True)
class _Level:
    start: int = 1
    form: str = "decimal"
    text: str = ""
    style: str = ""


@dataclass(slots=True)
class _List:
    """An abstract list: its levels, and how far each has counted."""

    levels: dict[int, _Level] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)
    link: str = ""


class Numbering:
    """Says what stands before a paragraph, in the order of the document."""

    def __init__(self, numbering: etree._Element | None, styles: etree._Element | None) -> None:
        self._lists: dict[str, _List] = {}
        self._numbers: dict[
            str, tuple[str, dict[int, int]]
        ] = {}  # number → its list, and levels that start anew
        links: dict[str, str] = {}
        for node in numbering if numbering is not None else ():
            key = attribute(node, "abstractNumId") or ""
            if local_name(node) == "abstractNum":
                self._lists[key] = _read_list(node)
                links |= {
                    attribute(child, "val") or "": key
                    for child in node
                    if local_name(child) == "styleLink"
                }
            elif local_name(node) == "num":
                self._numbers[attribute(node, "numId") or ""] = _read_number(node)
        for number, (key, anew) in self._numbers.items():
            if key in self._lists and self._lists[key].link in links:
                self._numbers[number] = (links[self._lists[key].link], anew)
        self._styles = _style_numbers(styles, self._level_of_style)

    def mark(self, style: str, own: etree._Element | None) -> tuple[str, int] | None:
        """The label of the next paragraph, "-" for a bullet, and its level from 0; None where it
        has none.

        `own` is its `numPr`, which counts more than its style's.
        """
        number, level = self._styles.get(style, ("", 0))
        if own is not None:
            given = _values(own)
            number, level = given.get("numId", number), _count(given.get("ilvl"), level)
        key, anew = self._numbers.get(number, ("", {}))
        if key not in self._lists:
            return None
        level = min(level, _LEVELS - 1)
        return self._step(self._lists[key], level, anew), level

    def _step(self, found: _List, level: int, anew: dict[int, int]) -> str:
        own = found.levels.get(level, _Level(form="bullet"))
        # An override counts once: the first time that its list comes.
        found.at[level] = (
            anew.pop(level) if level in anew else found.at.get(level, own.start - 1) + 1
        )
        # A level that was passed over counts as begun, as in Word: after 2.1.1 comes 2.2.
        found.at = {
            deep: found.at.get(deep, found.levels.get(deep, _Level()).start)
            for deep in range(level + 1)
        }
        if own.form == "bullet" or (own.form == "none" and not _PLACE.sub("", own.text)):
            return "-"

        def shown(match: re.Match[str]) -> str:
            deep = int(match[1]) - 1
            return written(found.at.get(deep, 1), found.levels.get(deep, _Level()).form)

        return _PLACE.sub(shown, own.text).strip() or "-"

    def _level_of_style(self, number: str, style: str) -> int:
        found = self._lists.get(self._numbers.get(number, ("", {}))[0], _List())
        return next((level for level, one in found.levels.items() if one.style == style), 0)


def _read_list(node: etree._Element) -> _List:
    found = _List(
        link=next(
            (attribute(one, "val") or "" for one in node if local_name(one) == "numStyleLink"), ""
        )
    )
    for level in node:
        if local_name(level) == "lvl":
            given = _values(level)
            found.levels[_count(attribute(level, "ilvl"), 0)] = _Level(
                _count(given.get("start"), 0),
                given.get("numFmt", "decimal"),
                given.get("lvlText", ""),
                given.get("pStyle", ""),
            )
    return found


def _read_number(node: etree._Element) -> tuple[str, dict[int, int]]:
    key, anew = _values(node).get("abstractNumId", ""), {}
    for override in node:
        start = (
            _values(override).get("startOverride")
            if local_name(override) == "lvlOverride"
            else None
        )
        if start is not None:
            anew[_count(attribute(override, "ilvl"), 0)] = _count(start, 1)
    return key, anew


def _style_numbers(
    styles: etree._Element | None, level_of: Callable[[str, str], int]
) -> dict[str, tuple[str, int]]:
    """Style id → number and level, its own or those of the style that it is based on."""
    own: dict[str, tuple[str, int]] = {}
    based: dict[str, str] = {}
    for style in styles if styles is not None else ():
        key = attribute(style, "styleId") or ""
        based[key] = _values(style).get("basedOn", "")
        given = next((_values(node) for node in style.iter() if local_name(node) == "numPr"), None)
        if given is not None:
            number = given.get("numId", "")
            own[key] = (number, _count(given.get("ilvl"), level_of(number, key)))
    result = {}
    for key in based:
        above = key
        for _ in range(10):
            if above in own or not above:
                break
            above = based.get(above, "")
        if above in own:
            result[key] = own[above]
    return result


def _values(node: etree._Element) -> dict[str, str]:
    return {
        local_name(child): attribute(child, "val") or ""
        for child in node
        if isinstance(child.tag, str)
    }


def _count(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdigit() and len(text) < 7 else otherwise


def written(number: int, form: str) -> str:
    """A number in one of Word's forms; those of other scripts are written in digits."""
    match form:
        case "lowerLetter" | "upperLetter" if number > 0:
            text = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
            return text[:5] if form == "lowerLetter" else text[:5].upper()
        case "lowerRoman" | "upperRoman" if 0 < number < 4000:
            return _roman(number) if form == "lowerRoman" else _roman(number).upper()
        case "decimalZero":
            return f"{number:02}"
        case "none":
            return ""
        case _:
            return str(number)


def _roman(number: int) -> str:
    steps = (
        *(
            (1000, "m"),
            (900, "cm"),
            (500, "d"),
            (400, "cd"),
            (100, "c"),
            (90, "xc"),
            (50, "l"),
            (40, "xl"),
        ),
        *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
    )
    written = ""
    for value, letters in steps:
        written += letters * (number // value)
        number %= value
    return written
