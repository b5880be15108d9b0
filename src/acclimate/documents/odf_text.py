"""The words of OpenDocument's paragraphs: those that are shown, and apart from them what is hidden.

OpenDocument 1.3, part 3, §7.7 (hidden fields), §16.29 and §20 (`text:display`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lxml import etree

from acclimate.documents.builder import one_line
from acclimate.documents.hidden import HiddenKind
from acclimate.documents.safe import attribute, local_name

SKIPPED = frozenset(
    ("sequence-decls", "tracked-changes", "annotation", "annotation-end", "forms", "notes")
)
_FAMILIES = {"span": "text", "p": "paragraph", "h": "paragraph", "a": "text"}


@dataclass(frozen=True, slots=True)
class _Style:
    hidden: bool
    colour: str
    ground: str
    parent: str


class OdfWords:
    """Reads the words of paragraphs by the styles of their document, which the roots of its files
    hold."""

    def __init__(self, *roots: etree._Element) -> None:
        self._styles: dict[tuple[str, str], _Style] = {}
        for root in roots:
            for node in root.iter("{*}style"):
                self._add(node)
        self._hidden: list[tuple[HiddenKind, str]] = []
        self._painted = False

    @contextmanager
    def on_a_ground(self) -> Iterator[None]:
        """While the block runs, what is read stands in a cell or shape that may have a colour."""
        before, self._painted = self._painted, True
        try:
            yield
        finally:
            self._painted = before

    def text(self, node: etree._Element) -> str:
        """The text of a paragraph that is shown, without that of frames anchored in it."""
        whole = any(_is_hidden(part) for part in node.iter("{*}hidden-paragraph"))
        shown = self._shown(node)
        if whole:
            self._hidden.append(("text", shown))
            return ""
        return shown

    def take_hidden(self) -> list[tuple[HiddenKind, str]]:
        """What was hidden in the paragraphs read since the last call."""
        found = [(kind, text) for kind, text in self._hidden if text]
        self._hidden.clear()
        return found

    def _shown(self, node: etree._Element) -> str:
        parts: list[str] = []
        self._collect(node, "", parts)
        return one_line("".join(parts))

    def _collect(self, node: etree._Element, ground: str, parts: list[str]) -> None:
        """Add what a node shows to `parts`; `ground` is the colour under it, "" for that of the
        page."""
        family = _FAMILIES.get(local_name(node), "")
        if family:
            veiled, ground = self._veils(family, attribute(node, "style-name") or "", ground)
            if veiled:
                self._hidden.append(("text", paragraph_text(node)))
                return
        parts.append(node.text or "")
        for child in node:
            name = local_name(child)
            if name in ("s", "tab", "line-break"):
                parts.append(" ")
            elif name == "annotation":
                texts = (paragraph_text(part) for part in child.iter("{*}p"))
                self._hidden.append(("comment", " ".join(texts)))
            elif name == "hidden-text" and _is_hidden(child):
                self._hidden.append(
                    ("field", attribute(child, "string-value") or paragraph_text(child))
                )
            elif name and name not in ("frame", "custom-shape", *SKIPPED):
                self._collect(child, ground, parts)
            parts.append(child.tail or "")

    def _veils(self, family: str, name: str, ground: str) -> tuple[bool, str]:
        """Whether nobody sees letters of a style, and the colour under them."""
        colour = ""
        for _ in range(10):
            style = self._styles.get((family, name))
            if style is None:
                break
            if style.hidden:
                return True, ground
            colour, ground, name = colour or style.colour, ground or style.ground, style.parent
        bare = not self._painted and ground.casefold() in ("", "transparent", "#ffffff")
        return bare and colour.casefold() == "#ffffff", ground

    def _add(self, node: etree._Element) -> None:
        values = {"display": "", "color": "", "background-color": ""}
        for part in node:
            if local_name(part) in ("text-properties", "paragraph-properties"):
                values |= {name: value for name in values if (value := attribute(part, name))}
        key = attribute(node, "family") or "", attribute(node, "name") or ""
        parent = attribute(node, "parent-style-name") or ""
        hidden = values["display"] == "none"
        self._styles[key] = _Style(hidden, values["color"], values["background-color"], parent)


def _is_hidden(node: etree._Element) -> bool:
    return attribute(node, "is-hidden") == "true"


def paragraph_text(node: etree._Element) -> str:
    """The text of a paragraph, hidden or not, without that of frames anchored in it."""
    return one_line("".join(_pieces(node)) if len(node) else node.text or "")


def _pieces(node: etree._Element) -> Iterator[str]:
    yield node.text or ""
    for child in node:
        name = local_name(child)
        if name in ("s", "tab", "line-break"):
            yield " "
        elif name and name not in ("frame", "custom-shape", *SKIPPED):
            yield from _pieces(child)
        yield child.tail or ""
