"""Markdown: the text stays the source, so that spans are exact; the structure comes from its block
tokens."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from acclimate.documents.builder import finish, one_line
from acclimate.documents.properties import properties
from acclimate.documents.text import read_text
from acclimate.types import Document, Element, ElementKind

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY = re.compile(r"^(\w[\w-]*):[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_KINDS: dict[str, ElementKind] = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
    "list_item_open": "list_item",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
    "blockquote_open": "quote",
    "html_block": "paragraph",
}


class MarkdownParser:
    """Reads Markdown (CommonMark with tables); front matter becomes metadata."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        text, encoding = read_text(file)
        metadata = {"encoding": encoding}
        if match := _FRONT_MATTER.match(text):
            said = {key.casefold(): value.strip("\"'") for key, value in _KEY.findall(match[1])}
            author = said.get("author") or said.get("authors", "")
            language = said.get("language") or said.get("lang", "")
            metadata |= said | properties(author, said.get("date", ""), language)
            text = text[match.end() :]
        return finish(
            path, text, _elements(text), "text/markdown", metadata.get("title", ""), metadata
        )


def _elements(text: str) -> list[Element]:
    starts = [0, *(match.end() for match in re.finditer("\n", text)), len(text)]
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    found: list[Element] = []
    for token in parser.parse(text):
        kind = _KINDS.get(token.type)
        if kind is None or token.map is None:
            continue
        start, end = starts[token.map[0]], starts[min(token.map[1], len(starts) - 1)]
        if (
            found and start < found[-1].end
        ):  # inside an element already taken: a paragraph of a list item
            continue
        element = _element(kind, text, start, end, token)
        if element is not None:
            found.append(element)
    return found


def _element(kind: ElementKind, text: str, start: int, end: int, token: Token) -> Element | None:
    body = text[start:end]
    if token.type == "html_block" and not one_line(
        re.sub(r"<!--.*?-->|<[^>]*>", "", body, flags=re.DOTALL)
    ):
        return None
    start += len(body) - len(body.lstrip())
    end -= len(body) - len(body.rstrip())
    level = 0
    if kind == "heading":
        level = int(token.tag[1])
    elif kind == "list_item":
        level = token.level // 2 + 1
    return Element(kind, start, end, level) if start < end else None
