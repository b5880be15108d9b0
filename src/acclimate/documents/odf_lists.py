"""What stands before the items of OpenDocument lists, whose numbers are computed, not stored.

OpenDocument 1.3, part 3, §5.3 and §16.30.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

from acclimate.documents.numbering import written
from acclimate.documents.safe import attribute, local_name

_FORMS = {
    "1": "decimal",
    "a": "lowerLetter",
    "A": "upperLetter",
    "i": "lowerRoman",
    "I": "upperRoman",
}


@dataclass(frozen=True, slots=True)
class _Level:
    form: str
    prefix: str
    suffix: str
    start: int
    shown: int  # levels, counted from this one upwards


@dataclass(slots=True)
class _Open:
    style: str
    count: int | None = None
    mark: str = ""


@dataclass(slots=True)
class Lists:
    """The lists that are open at a place of the document."""

    styles: dict[str, dict[int, _Level]]
    _open: list[_Open] = field(default_factory=list)
    _last: _Open | None = None

    @property
    def depth(self) -> int:
        """How many lists are open."""
        return len(self._open)

    def begin(self, node: etree._Element) -> None:
        """A list begins."""
        style = attribute(node, "style-name") or (self._open[-1].style if self._open else "")
        goes_on = (
            attribute(node, "continue-numbering") == "true"
            or attribute(node, "continue-list") is not None
        )
        count = self._last.count if goes_on and self._last is not None and not self._open else None
        self._open.append(_Open(style, count))

    def item(self, node: etree._Element) -> None:
        """An item begins in the innermost list."""
        level = self.styles.get(self._open[-1].style, {}).get(len(self._open))
        if level is None or local_name(node) != "list-item":
            self._open[-1].mark = "-" if local_name(node) == "list-item" else ""
            return
        own = self._open[-1]
        start = attribute(node, "start-value") or ""
        following = level.start if own.count is None else own.count + 1
        own.count = int(start) if start.isdigit() and len(start) < 7 else following
        chain = [
            written(one.count or 1, (self.styles.get(one.style, {}).get(deep) or level).form)
            for deep, one in enumerate(self._open, start=1)
        ]
        own.mark = f"{level.prefix}{'.'.join(chain[-level.shown :])}{level.suffix}".strip() or "-"

    def take_mark(self) -> str:
        """What stands before this paragraph: an item's mark before its first, nothing before its
        others."""
        mark, self._open[-1].mark = self._open[-1].mark, ""
        return mark

    def end(self) -> None:
        """The innermost list ends."""
        closed = self._open.pop()
        if not self._open:
            self._last = closed


def list_styles(*roots: etree._Element) -> dict[str, dict[int, _Level]]:
    """Name of a list style → its numbered levels, from 1. Bullets are left out."""
    found: dict[str, dict[int, _Level]] = {}
    for root in roots:
        for node in root.iter():
            if local_name(node) == "list-style":
                levels = (child for child in node if local_name(child) == "list-level-style-number")
                found[attribute(node, "name") or ""] = {
                    _number(level, "level"): _Level(
                        _FORMS.get(attribute(level, "num-format") or "", "none"),
                        attribute(level, "num-prefix") or "",
                        attribute(level, "num-suffix") or "",
                        _number(level, "start-value"),
                        _number(level, "display-levels"),
                    )
                    for level in levels
                }
    return found


def _number(node: etree._Element, name: str) -> int:
    value = attribute(node, name) or "1"
    return int(value) if value.isdigit() and len(value) < 7 else 1
