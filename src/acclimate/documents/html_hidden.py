"""What a page of HTML holds and does not show: by the attribute `hidden`, by style, in white on
white.

`aria-hidden` is not among it: it hides decoration, and text that is shown, from screen readers
only. Nor is what a click opens: tabs, and blocks that a control names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from acclimate.documents.builder import TextBuilder, one_line
from acclimate.documents.hidden import keep

_DECLARATION = re.compile(r"\s*([\w-]+)\s*:\s*([^;]*?)\s*(!\s*important)?\s*(?:;|$)")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COMMENT = re.compile(r"/\*.*?\*/|<!--|-->", re.DOTALL)
_SCREEN = re.compile(r"@media\s+(?:only\s+)?(?:screen|all)\s*\{", re.IGNORECASE)
_SPECIFIC = re.compile(r"(#[\w-]+)|([.\[][^\s.#\[\]>+~]+\]?)|((?<![\w.#-])[a-zA-Z][\w-]*)")
_ZERO = re.compile(r"0*\.?0+(?:px|pt|em|rem|%)?")
_FAR = re.compile(r"-\d{3,}(?:\.\d+)?(?:px|pt)|-\d{2,}(?:\.\d+)?r?em")
_WHITE = re.compile(
    r"#fff(?:fff)?(?:ff)?|white|rgba?\(\s*255\s*[, ]\s*255\s*[, ]\s*255\b.*\)|hsla?\(.*100%.*\)",
    re.IGNORECASE,
)
_BARE = ("", "transparent", "none", "inherit", "initial", "unset")
_LOOKED_AT = frozenset(
    "display visibility opacity font-size color background background-color background-image "
    "mso-hide text-indent left "
    "top max-height height max-width width overflow position".split()
)
_CONTROLS = (
    "[aria-controls], [data-target], [data-bs-target], [data-toggle], a[href^='#'], label[for]"
)
_OPENED = re.compile(
    r"\b(?:tab-?pane|tab-?panel|tab-?content|accordion|collapse|collapsible)", re.IGNORECASE
)
_MOST_RULES = 4000
_MOST_STYLE = 1_000_000  # characters


@dataclass(slots=True)
class _Looks:
    """Declarations that hold for each node, by its id: property → value with its weight in the
    cascade."""

    by_node: dict[int, dict[str, tuple[tuple[int, int, int], str]]] = field(default_factory=dict)

    def add(self, node: LexborNode, name: str, value: str, weight: tuple[int, int, int]) -> None:
        known = self.by_node.setdefault(node.mem_id, {})
        if name not in known or known[name][0] <= weight:
            known[name] = (weight, value)

    def of(self, node: LexborNode) -> dict[str, str]:
        return {name: value for name, (_, value) in self.by_node.get(node.mem_id, {}).items()}


def take_hidden(page: LexborHTMLParser) -> list[str]:
    """Remove from a page what it does not show; its texts, in order."""
    found = list(_hidden_nodes(page))
    texts = [one_line(node.text(separator=" ")) for node in found]
    for node in found:
        node.decompose()
    return [text for text in texts if text]


def add_hidden(texts: list[str], builder: TextBuilder) -> None:
    """Count hidden texts, and add them where it is wanted."""
    if texts and keep("element", len(texts)):
        with builder.hidden("element"):
            for text in texts:
                builder.add("paragraph", text)


def _hidden_nodes(page: LexborHTMLParser) -> Iterator[LexborNode]:
    """The outermost nodes that are hidden."""
    looks, opened = _looks(page), _opened(page)
    linked = bool(page.css("link[rel~=stylesheet]"))
    candidates = {node.mem_id: node for node in page.css("[hidden]")}
    marked = frozenset(candidates)
    for node in page.css("*") if looks.by_node else ():
        if node.mem_id in looks.by_node:
            candidates[node.mem_id] = node
    hidden: set[int] = set()
    for node in candidates.values():
        if node.tag in ("html", "body", "head") or _is_opened(node, opened):
            continue
        declared = looks.of(node)
        attribute = (
            node.mem_id in marked
            and (node.attributes.get("hidden") or "").casefold() != "until-found"
        )
        if (
            (attribute and "display" not in declared)
            or _hides(declared)
            or _is_white(node, looks, linked)
        ):
            hidden.add(node.mem_id)
    for node in candidates.values():
        if node.mem_id in hidden and not any(above.mem_id in hidden for above in _above(node)):
            yield node


def _hides(declared: dict[str, str]) -> bool:
    """Whether declarations leave nothing to be seen."""
    said = {name: value.casefold() for name, value in declared.items()}
    small = any(
        _ZERO.fullmatch(said.get(name, ""))
        for name in ("max-height", "height", "max-width", "width")
    )
    placed = said.get("position") in ("absolute", "fixed")
    away = placed and any(_FAR.match(said.get(side, "")) for side in ("left", "top"))
    return (
        said.get("display") == "none"
        or said.get("visibility") in ("hidden", "collapse")
        or said.get("mso-hide") == "all"
        or bool(_ZERO.fullmatch(said.get("opacity", "")))
        or bool(_ZERO.fullmatch(said.get("font-size", "")))
        or (small and said.get("overflow") == "hidden")
        or bool(_FAR.match(said.get("text-indent", "")))
        or away
    )


def _is_white(node: LexborNode, looks: _Looks, linked: bool) -> bool:
    """Whether a node's letters have the colour of the page, as far as the page itself says.

    A style sheet in a file of its own may give any ground: then only a ground that is said to be
    white counts.
    """
    own = looks.of(node)
    colour = own.get("color", "")
    if colour.casefold() != "transparent" and not _WHITE.fullmatch(colour):
        return False
    said = False
    for above in (node, *_above(node)):
        declared = looks.of(above)
        grounds = [
            declared.get(name, "")
            for name in ("background", "background-color", "background-image")
        ]
        grounds.append(above.attributes.get("bgcolor") or "")
        for ground in grounds:
            if _WHITE.fullmatch(ground):
                said = True
            elif ground.casefold() not in _BARE:
                return False
        if said:
            return True
    return not linked


def _above(node: LexborNode) -> Iterator[LexborNode]:
    above = node.parent
    while above is not None:
        yield above
        above = above.parent


def _looks(page: LexborHTMLParser) -> _Looks:
    """What the page's own style sheets and style attributes say of its nodes."""
    looks = _Looks()
    sheet = " ".join(node.text() for node in page.css("style") if _is_for_screens(node))[
        :_MOST_STYLE
    ]
    for number, (selector, declared) in enumerate(_rules(sheet)):
        if number >= _MOST_RULES:
            break
        try:
            nodes = page.css(selector)
        except SelectolaxError:  # a selector that is not known here
            continue
        for node in nodes:
            for name, value, important in declared:
                looks.add(node, name, value, (2 if important else 0, _weight(selector), number))
    for node in page.css("[style]"):
        for name, value, important in _declarations(node.attributes.get("style") or ""):
            looks.add(node, name, value, (3 if important else 1, 0, 0))
    return looks


def _is_for_screens(node: LexborNode) -> bool:
    media = (node.attributes.get("media") or "all").casefold()
    return "screen" in media or "all" in media


def _rules(sheet: str) -> Iterator[tuple[str, list[tuple[str, str, bool]]]]:
    """Each selector of a style sheet with the declarations that matter here; rules for print,
    narrow screens and states of the mouse are left out."""
    sheet = _COMMENT.sub(" ", sheet)
    if not any(
        name in sheet for name in ("none", "hidden", "fff", "white", "255", ":0", ": 0", "-")
    ):
        return
    for selectors, body in _RULE.findall(_flat(sheet)):
        declared = _declarations(body)
        for selector in selectors.split(",") if declared else ():
            if ":" not in selector and "@" not in selector and selector.strip():
                yield selector.strip(), declared


def _flat(sheet: str) -> str:
    """A style sheet without the blocks of its @ rules, but with the rules for all screens."""
    out, at = [], 0
    while (start := sheet.find("@", at)) >= 0:
        out.append(sheet[at:start])
        brace, end = sheet.find("{", start), sheet.find(";", start)
        if brace < 0 or 0 <= end < brace:
            at = end + 1 if end >= 0 else len(sheet)
            continue
        depth, stop = 1, brace + 1
        for match in re.finditer(r"[{}]", sheet[brace + 1 :]):
            depth += 1 if match[0] == "{" else -1
            stop = brace + 1 + match.end()
            if depth == 0:
                break
        if _SCREEN.match(sheet, start):
            out.append(sheet[brace + 1 : stop - 1])
        at = stop
    return "".join([*out, sheet[at:]])


def _declarations(body: str) -> list[tuple[str, str, bool]]:
    """Property, value, and whether it is important, of those that matter here."""
    found = (
        (match[1].casefold(), match[2].strip(), bool(match[3]))
        for match in _DECLARATION.finditer(body)
    )
    return [one for one in found if one[0] in _LOOKED_AT]


def _weight(selector: str) -> int:
    """How specific a selector is: names, classes and tags."""
    names = classes = tags = 0
    for match in _SPECIFIC.finditer(selector):
        names, classes, tags = (
            names + bool(match[1]),
            classes + bool(match[2]),
            tags + bool(match[3]),
        )
    return names * 10_000 + classes * 100 + tags


def _opened(page: LexborHTMLParser) -> set[str]:
    """The ids that a control of the page names."""
    found: set[str] = set()
    for node in page.css(_CONTROLS):
        for name in ("aria-controls", "data-target", "data-bs-target", "href", "for"):
            found.update(value.lstrip("#") for value in (node.attributes.get(name) or "").split())
    return found


def _is_opened(node: LexborNode, opened: set[str]) -> bool:
    """Whether a click shows a node."""
    given = node.attributes
    role, classes = given.get("role") or "", given.get("class") or ""
    return (
        (given.get("id") or "") in opened - {""}
        or role == "tabpanel"
        or bool(_OPENED.search(classes))
    )
