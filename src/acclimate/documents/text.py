"""Plain text: paragraphs between blank lines."""

from __future__ import annotations

import re
from pathlib import Path

from acclimate.documents.builder import clean, finish
from acclimate.errors import DocumentError
from acclimate.types import Document, Element

_HEAD_BYTES = 4096
_PARAGRAPH = re.compile(r"\S(?:[^\n]|\n(?![ \t]*\n))*")


class TextParser:
    """Reads plain text."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        text, encoding = read_text(file)
        found = ((match.start(), match[0].rstrip()) for match in _PARAGRAPH.finditer(text))
        elements = [Element("paragraph", start, start + len(body)) for start, body in found]
        return finish(path, text, elements, "text/plain", "", {"encoding": encoding})

    @staticmethod
    def paragraphs(text: str) -> list[str]:
        """The paragraphs of a text."""
        return [match[0].rstrip() for match in _PARAGRAPH.finditer(clean(text))]


def read_text(file: Path) -> tuple[str, str]:
    """A file's cleaned text and the encoding it was read with: by its mark, else UTF-8, else
    Windows-1252."""
    return decode(file.read_bytes(), file.name)


def decode(content: bytes, name: str) -> tuple[str, str]:
    """The same for the content of a file called `name`."""
    text, encoding = decode_raw(content, name)
    return clean(text), encoding


def decode_raw(content: bytes, name: str) -> tuple[str, str]:
    """The same with all its characters, for formats in which a line separator is a character of a
    cell."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    wide = "utf-16" if marked else unmarked_utf16(content)
    encodings = (wide,) if wide else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise DocumentError(f"{name} is text in no known encoding.", hint="Save it as UTF-8.")


def unmarked_utf16(content: bytes) -> str:
    """The UTF-16 that text is in without saying so; "" for any other. Most of its Latin characters
    hold a zero byte."""
    head = content[:_HEAD_BYTES]
    pairs = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if pairs < 2 or max(even, odd) < 0.7 * pairs or min(even, odd) > 0.05 * pairs:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"
