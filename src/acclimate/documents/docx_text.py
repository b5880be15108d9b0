"""The words of a Word document: those that are shown, and apart from them what is hidden or was
deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

from lxml import etree

from acclimate.documents.builder import one_line
from acclimate.documents.hidden import HiddenKind
from acclimate.documents.reading_order import reading_order
from acclimate.documents.safe import attribute, local_name
from acclimate.types import Box

GONE = frozenset(
    ("del", "moveFrom", "rPr", "pPr", "instrText", "fallback", "Fallback", "delText", "chart")
)
_DELETED = ("del", "moveFrom")
_MATH = frozenset(("f", "sSup", "sSub", "sSubSup", "rad", "oMath"))
_MAX_DEPTH = 60
_TINY = 2  # half points: letters that nobody can read


@dataclass(frozen=True, slots=True)
class _Look:
    """What a style or a run says of its letters, None where nothing. `shaded`: on a ground of
    another colour."""

    hidden: bool | None = None
    white: bool | None = None
    size: int | None = None  # in half points
    shaded: bool | None = None

    def over(self, below: _Look) -> _Look:
        """This look, and what it does not say by `below`."""
        said = {
            one.name: value
            for one in fields(self)
            if (value := getattr(self, one.name)) is not None
        }
        return replace(below, **said)

    def veils(self, painted: bool) -> bool:
        """Whether nobody sees such letters; `painted`: the page, cell or box under them may be of
        another colour."""
        unseen = bool(self.white) and not self.shaded and not painted
        return bool(self.hidden) or unseen or (self.size is not None and self.size <= _TINY)


_SHOWN = _Look()


class Words:
    """Reads the words of paragraphs by the styles of their document; `painted`: its pages have a
    colour."""

    def __init__(self, styles: etree._Element | None, painted: bool = False) -> None:
        self._looks = _style_looks(styles)
        self._painted = painted
        self._hidden: list[tuple[HiddenKind, list[str]]] = []

    def text(self, node: etree._Element) -> str:
        """The text of a paragraph that is shown, without that of its text boxes."""
        properties = node.find("{*}pPr")
        look = self._looks.get(_named(properties, "pStyle"), _SHOWN)
        if properties is not None and (shade := properties.find("{*}shd")) is not None:
            look = replace(look, shaded=_is_shade(shade))
        shown = []
        last: HiddenKind | None = None
        for text, kind in self._pieces(node, look, None, 0):
            if kind is None:
                shown.append(text)
            elif kind == last:
                self._hidden[-1][1].append(text)
            else:
                self._hidden.append((kind, [text]))
            last = kind if kind is not None or text.strip() else last
        return one_line("".join(shown))

    def hide(self, kind: HiddenKind, text: str) -> None:
        """Take note of a text that is hidden for another reason."""
        self._hidden.append((kind, [text]))

    def take_hidden(self) -> list[tuple[HiddenKind, str]]:
        """What was hidden in the paragraphs read since the last call."""
        found = [(kind, text) for kind, parts in self._hidden if (text := one_line("".join(parts)))]
        self._hidden.clear()
        return found

    @contextmanager
    def on_a_ground(self, painted: bool = True) -> Iterator[None]:
        """While the block runs, what is read stands in a cell or box that may have a colour."""
        before, self._painted = self._painted, self._painted or painted
        try:
            yield
        finally:
            self._painted = before

    def _pieces(  # noqa: C901
        self, node: etree._Element, look: _Look, hidden: HiddenKind | None, depth: int
    ) -> Iterator[tuple[str, HiddenKind | None]]:
        """Pieces of text, each with the reason why it is not shown, None where it is."""
        if depth > _MAX_DEPTH:
            return
        if local_name(node) == "r" and (said := node.find("{*}rPr")) is not None:
            style = self._looks.get(_named(said, "rStyle"), _SHOWN)
            own = _look(said).over(style.over(look))
            hidden = hidden or ("text" if own.veils(self._painted) else None)
        elif local_name(node) == "r" and look.veils(self._painted):
            hidden = hidden or "text"
        for child in node:
            name = local_name(child)
            if name in ("t", "delText"):
                if name == "t" or hidden == "deletion":
                    yield child.text or "", hidden
            elif name in ("tab", "br", "cr"):
                yield " ", hidden
            elif name == "noBreakHyphen":
                yield "-", hidden
            elif name in _MATH:
                yield "".join(self._math(child, name, look, depth)), hidden
            elif name in _DELETED:
                yield from self._pieces(child, look, "deletion", depth + 1)
            elif name not in GONE and name != "txbxContent":
                yield from self._pieces(child, look, hidden, depth + 1)

    def _math(self, node: etree._Element, name: str, look: _Look, depth: int) -> Iterator[str]:
        """A formula in one line: fractions as (a)/(b), powers as a^b, indices as a_b."""
        if depth >= _MAX_DEPTH:
            return
        parts = {local_name(child): self._plain(child, look, depth + 1) for child in node}
        if name == "f":
            yield f"({parts.get('num', '')})/({parts.get('den', '')})"
        elif name == "rad":
            yield f"sqrt({parts.get('e', '')})"
        elif name == "oMath":
            yield f" {self._plain(node, look, depth + 1)} "
        else:
            yield parts.get("e", "")
            yield f"_{parts['sub']}" if "sub" in parts else ""
            yield f"^{parts['sup']}" if "sup" in parts else ""

    def _plain(self, node: etree._Element, look: _Look, depth: int) -> str:
        return "".join(text for text, kind in self._pieces(node, look, None, depth) if kind is None)


def is_set(node: etree._Element | None) -> bool:
    """Whether a property that is on or off is there, and on."""
    return node is not None and attribute(node, "val") not in ("0", "false", "off")


def _named(properties: etree._Element | None, name: str) -> str:
    """The style that properties name, "" for none."""
    node = None if properties is None else properties.find(f"{{*}}{name}")
    return "" if node is None else attribute(node, "val") or ""


def _look(properties: etree._Element) -> _Look:
    """What the properties of a run, or of a style's runs, say."""
    values = {local_name(node): node for node in properties}
    hidden = white = size = shaded = None
    if "vanish" in values:
        hidden = is_set(values["vanish"])
    if "color" in values:
        white = (attribute(values["color"], "val") or "").upper() == "FFFFFF"
    if "sz" in values:
        size = attribute(values["sz"], "val")
    ground = [values[name] for name in ("shd", "highlight") if name in values]
    if ground:
        shaded = any(map(_is_shade, ground))
    return _Look(
        hidden=hidden,
        white=white,
        size=int(size) if size and size.isdigit() else None,
        shaded=shaded,
    )


def _is_shade(node: etree._Element) -> bool:
    """Whether a shading or a highlight is of another colour than white."""
    colour = attribute(node, "fill") or (
        attribute(node, "val") if local_name(node) == "highlight" else ""
    )
    return (colour or "").casefold() not in ("", "auto", "none", "white", "ffffff")


def _style_looks(styles: etree._Element | None) -> dict[str, _Look]:
    """Style id → its look, with what it takes from the style that it is based on; "" is that of the
    document."""
    own: dict[str, tuple[_Look, str]] = {}
    default = ""
    for style in styles if styles is not None else ():
        if local_name(style) != "style":
            continue
        runs, paragraphs = style.find("{*}rPr"), style.find("{*}pPr")
        look = _look(runs) if runs is not None else _SHOWN
        if (
            paragraphs is not None
            and (shade := paragraphs.find("{*}shd")) is not None
            and _is_shade(shade)
        ):
            look = replace(look, shaded=True)
        key = attribute(style, "styleId") or ""
        own[key] = (look, _named(style, "basedOn"))
        if attribute(style, "default") in ("1", "true") and attribute(style, "type") == "paragraph":
            default = key
    found = {}
    for key, (look, below) in own.items():
        for _ in range(10):
            if below not in own:
                break
            look, below = look.over(own[below][0]), own[below][1]
        found[key] = look
    return found | ({"": found[default]} if default else {})


def text_boxes(paragraph: etree._Element) -> list[tuple[etree._Element, bool]]:
    """Text boxes anchored in a paragraph in the order of reading, and whether each is hidden.

    A drawing and its fallback hold the same text once.
    """
    found = list(_boxes(paragraph, None, False))
    places = [place for _, place, _ in found if place is not None]
    if len(places) == len(found):  # else they stay as they come in the file
        found = [found[at] for at in reading_order(places)]
    return [(box, hidden) for box, _, hidden in found]


def _boxes(
    node: etree._Element, place: Box | None, hidden: bool
) -> Iterator[tuple[etree._Element, Box | None, bool]]:
    for child in node:
        name = local_name(child)
        if name == "txbxContent":
            yield child, place, hidden
        elif name not in GONE and name != "p":
            own, hides = place, hidden
            if name in ("anchor", "inline"):
                shown = child.find("{*}docPr")
                own, hides = (
                    _anchor(child),
                    hidden or (shown is not None and shown.get("hidden") in ("1", "true")),
                )
            elif name == "wsp":
                own = _within(child, place)
            elif name in ("shape", "rect", "roundrect"):  # of VML
                hides = hidden or "visibility:hidden" in (child.get("style") or "").replace(" ", "")
            yield from _boxes(child, own, hides)


def _anchor(node: etree._Element) -> Box | None:
    """Where a drawing stands from where its paragraph does; None where only the program that shows
    it knows."""
    offsets = [node.findtext(f"{{*}}position{axis}/{{*}}posOffset") or "" for axis in "HV"]
    extent = node.find("{*}extent")
    try:
        left, top = map(int, offsets)
        width, height = (
            (int(extent.get(name) or "") for name in ("cx", "cy")) if extent is not None else (0, 0)
        )
    except ValueError:
        return None
    return Box(left, top, left + width, top + height)


def _within(shape: etree._Element, place: Box | None) -> Box | None:
    """Where a shape of a group stands; one that is alone stands where its drawing does."""
    parent = shape.getparent()
    moved = shape.find("{*}spPr/{*}xfrm")
    if place is None or moved is None or parent is None or local_name(parent) != "wgp":
        return place
    offset, extent = moved.find("{*}off"), moved.find("{*}ext")
    if offset is None or extent is None:
        return place
    left, top = (int(offset.get(name) or 0) for name in "xy")
    width, height = (int(extent.get(name) or 0) for name in ("cx", "cy"))
    return Box(
        place.left + left, place.top + top, place.left + left + width, place.top + top + height
    )
