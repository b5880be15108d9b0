"""Which parser reads which file: by content first, by name where the content does not tell."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

from acclimate.documents.base import Parser
from acclimate.documents.docx import DocxParser
from acclimate.documents.html import HtmlParser
from acclimate.documents.markdown import MarkdownParser
from acclimate.documents.pdf import PdfParser
from acclimate.documents.text import TextParser
from acclimate.errors import AcclimateError, DocumentError
from acclimate.types import Document

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PARSERS: dict[str, Parser] = {
    "application/pdf": PdfParser(),
    DOCX: DocxParser(),
    "text/html": HtmlParser(),
    "text/markdown": MarkdownParser(),
    "text/plain": TextParser(),
}
_SUFFIXES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
}
_HEAD_BYTES = 4096


def detect(file: Path) -> str:
    """Media type of a file. Raises DocumentError for content that no parser reads."""
    with file.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if head.startswith(b"PK\x03\x04"):
        return _detect_zip(file)
    suffix = file.suffix.casefold()
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _SUFFIXES.get(suffix, "text/plain")
    if b"\x00" in head:
        raise DocumentError(f"{file.name} is a binary file of no known kind.", hint="Leave it out: [documents] exclude")
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    return "text/html" if start.startswith((b"<!doctype html", b"<html")) else "text/plain"


def parse(file: Path, path: str) -> Document:
    """Parse `file` as the document `path`. Raises DocumentError naming the file and the reason."""
    try:
        media_type = detect(file)
        return replace(PARSERS[media_type].parse(file, path), media_type=media_type)
    except AcclimateError:
        raise
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror or error}.", hint="Check its permissions."
        ) from error
    except Exception as error:  # a hostile or broken file may fail anywhere; it costs that file only
        raise DocumentError(f"{path} is damaged: {type(error).__name__}: {error}.") from error


def _detect_zip(file: Path) -> str:
    try:
        with zipfile.ZipFile(file) as opened:
            names = set(opened.namelist())
    except zipfile.BadZipFile as error:
        raise DocumentError(f"{file.name} is a damaged zip archive.") from error
    if "word/document.xml" in names:
        return DOCX
    raise DocumentError(
        f"{file.name} is an archive or Office format that is not read yet.", hint="Save it as PDF or DOCX."
    )
