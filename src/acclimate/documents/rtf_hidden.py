"""Text of an RTF file that nobody sees: hidden (`\\v`), deleted, or white where nothing has a
colour under it."""

from __future__ import annotations

import re

from acclimate.documents.hidden import HiddenKind

_PIECE = re.compile(r"\\([a-z]+)(-?\d+)?[ ]?|\\'[0-9a-fA-F]{2}|\\[^a-z]|[{}]|[^\\{}]+", re.DOTALL)
_COLOURS = re.compile(r"\{\\colortbl([^{}]*)\}")
_GROUND = re.compile(r"\\(?:cb|highlight|chcbpat|cbpat|clcbpat)\d")


def split_hidden(source: str) -> tuple[str, list[tuple[HiddenKind, str]]]:
    """The source without what nobody sees, and that as sources of its own, each with its kind."""
    if not re.search(r"\\(?:v|deleted|colortbl)\b", source):
        return source, []
    white = _white(source)
    shown: list[str] = []
    hidden: list[tuple[HiddenKind, list[str]]] = []
    state: dict[str, bool] = {}
    above: list[dict[str, bool]] = []
    last: HiddenKind | None = None
    for match in _PIECE.finditer(source):
        piece, word, number = match[0], match[1], match[2]
        if piece == "{":
            above.append(dict(state))
        elif piece == "}":
            state = above.pop() if above else {}
        elif word in ("v", "deleted"):
            state[word] = number != "0"
            continue
        elif word == "cf":
            state["cf"] = number in white
        elif word == "plain":
            state = {}
        kind: HiddenKind | None = "deletion" if state.get("deleted") else None
        kind = kind or ("text" if state.get("v") or state.get("cf") else None)
        text = word is None or word == "u" or word in ("tab", "emdash", "endash", "bullet")
        if kind is None or not text or piece in "{}":
            shown.append(piece)
            last = None if text and kind is None and piece.strip() and piece not in "{}" else last
            continue
        if kind != last:
            hidden.append((kind, []))
            last = kind
        hidden[-1][1].append(piece)
    return "".join(shown), [(kind, "".join(parts)) for kind, parts in hidden]


def _white(source: str) -> set[str]:
    """The numbers of the colour white, where no text has a colour under it."""
    found = _COLOURS.search(source)
    if found is None or _GROUND.search(source):
        return set()
    colours = (re.findall(r"\\(?:red|green|blue)(\d+)", one) for one in found[1].split(";"))
    return {str(number) for number, colour in enumerate(colours) if colour == ["255", "255", "255"]}
