"""Which parser reads which file: by content first, by name where the content does not tell."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import cast

from acclimate.documents.base import Parser
from acclimate.documents.engines import ENGINES, engine_parser
from acclimate.documents.hidden import Hidden, census, mode
from acclimate.documents.pictures import collecting, wanted
from acclimate.documents.text import unmarked_utf16
from acclimate.errors import AcclimateError, DocumentError
from acclimate.types import Document

OnPage = Callable[[int, int], None]

_OPEN = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
# Media type → module and class: loaded when the first such file comes.
PARSERS: dict[str, tuple[str, str]] = {
    "application/pdf": ("pdf", "PdfParser"),
    f"{_OPEN}.wordprocessingml.document": ("docx", "DocxParser"),
    f"{_OPEN}.presentationml.presentation": ("pptx", "PptxParser"),
    f"{_OPEN}.spreadsheetml.sheet": ("sheets", "SheetParser"),
    "application/vnd.ms-excel": ("sheets", "SheetParser"),
    f"{_ODF}.spreadsheet": ("sheets", "SheetParser"),
    f"{_ODF}.text": ("odf", "OdfParser"),
    f"{_ODF}.presentation": ("odf", "OdfParser"),
    "application/epub+zip": ("epub", "EpubParser"),
    "application/rtf": ("rtf", "RtfParser"),
    "application/json": ("data", "JsonParser"),
    "application/vnd.ms-outlook": ("mail", "MsgParser"),
    "message/rfc822": ("mail", "EmlParser"),
    "application/x-archive": ("archive", "ArchiveParser"),
    "image/*": ("image", "ImageParser"),
    "text/calendar": ("calendars", "CalendarParser"),
    "text/csv": ("delimited", "DelimitedParser"),
    "text/html": ("html", "HtmlParser"),
    "text/markdown": ("markdown", "MarkdownParser"),
    "text/x-rst": ("rst", "RstParser"),
    "text/plain": ("text", "TextParser"),
}
_HOLDS_OTHERS = frozenset(("application/x-archive", "message/rfc822", "application/vnd.ms-outlook"))
_SUFFIXES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".tab": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/json",
    ".ndjson": "application/json",
    ".rst": "text/x-rst",
    ".eml": "message/rfc822",
    ".ics": "text/calendar",
}
_MAGIC = (
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n", "image/*"),
    (b"\xff\xd8\xff", "image/*"),
    (b"GIF8", "image/*"),
    (b"BM", "image/*"),
    (b"II*\x00", "image/*"),
    (b"MM\x00*", "image/*"),
    (b"\x1f\x8b", "application/x-archive"),
    (b"BZh", "application/x-archive"),
    (b"\xfd7zXZ", "application/x-archive"),
)
_HEAD_BYTES = 4096
_MAIL = re.compile(
    rb"(?:(?:From|To|Subject|Date|Received|Return-Path|Delivered-To|MIME-Version|Message-ID):[^\n]*\n){2}",
    re.I,
)
_LONE = re.compile("[\ud800-\udfff]")
_MAX_NESTING = 4
_nesting: ContextVar[int] = ContextVar("nesting", default=0)


class OtherFormatError(DocumentError):
    """A file is of a format that is left to our own readers."""


def detect(file: Path) -> str:  # noqa: C901
    """Media type of a file, a key of PARSERS. Raises DocumentError for content that no parser
    reads."""
    with file.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
    suffix = file.suffix.casefold()
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _detect_zip(file)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _detect_ole(file)
    for magic, media_type in _MAGIC:
        if head.startswith(magic) and (len(magic) > 2 or b"\x00" in head):
            return media_type
    if (head[:4], head[8:12]) == (b"RIFF", b"WEBP"):
        return "image/*"
    if head[257:262] == b"ustar":
        return "application/x-archive"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or unmarked_utf16(head):
        return _SUFFIXES.get(suffix, "text/plain")
    if b"\x00" in head:
        raise DocumentError(
            f"{file.name} is a binary file of no known kind.",
            hint="Leave it out: [documents] exclude",
        )
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:200].lower().startswith((b"<!doctype html", b"<html")):
        return "text/html"
    return "message/rfc822" if _MAIL.match(start) else "text/plain"


def parse(
    file: Path,
    path: str,
    on_page: OnPage | None = None,
    engine: str = "",
    pictures: bool = False,
    hidden: Hidden = "skip",
) -> Document:
    """Parse `file` as the document `path`, with `engine`, a key of ENGINES, or our own readers
    ("").

    With `pictures`, our own readers of PDF, DOCX, PPTX and image files collect those too. `hidden`
    is what they do with what the file's author hid: leave it out, or mark it. Raises DocumentError
    naming the file and the reason, OtherFormatError for a format that the engine does not read.
    """
    try:
        media_type = detect(file)
        if engine and media_type not in ENGINES[engine].formats:
            raise OtherFormatError(f"{path} is {media_type}, which {engine} does not read.")
        parser = engine_parser(engine) if engine else _parser(media_type, path, on_page)
        with collecting(pictures), census(hidden) as found:
            document = _encodable(parser.parse(file, path))
        return replace(
            document, media_type=media_type, hidden=dict(found.hidden), unread=dict(found.unread)
        )
    except ImportError as error:
        raise DocumentError(
            f"{path} needs a package that is not installed in the parsing process: {error}."
        ) from error
    except DocumentError as error:
        if path in str(error):
            raise
        raise DocumentError(f"{path}: {error}", hint=error.hint) from error
    except AcclimateError as error:
        raise DocumentError(str(error), hint=error.hint) from error
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror or error}.", hint="Check its permissions."
        ) from error
    except MemoryError as error:
        raise DocumentError(
            f"{path} needs more memory than is allowed.", hint="[documents] parse_memory_mb"
        ) from error
    except (
        Exception
    ) as error:  # a hostile or broken file may fail anywhere; it costs that file only
        raise DocumentError(f"{path} is damaged: {type(error).__name__}: {error}.") from error


def _encodable(document: Document) -> Document:
    """The document without lone halves of surrogate pairs, which JSON and broken names bring: no
    UTF-8 can hold them. Each becomes one replacement character, so that all places stay."""
    parts = document.text, document.title, *document.metadata.keys(), *document.metadata.values()
    if not any(_LONE.search(part) for part in parts):
        return document
    metadata = {
        _LONE.sub("\ufffd", key): _LONE.sub("\ufffd", value)
        for key, value in document.metadata.items()
    }
    text, title = _LONE.sub("\ufffd", document.text), _LONE.sub("\ufffd", document.title)
    return replace(document, text=text, title=title, metadata=metadata)


def _parser(media_type: str, path: str, on_page: OnPage | None) -> Parser:
    module, name = PARSERS[media_type]
    made = getattr(import_module(f"acclimate.documents.{module}"), name)
    if media_type == "application/pdf":
        return cast("Parser", made(on_page))
    if media_type not in _HOLDS_OTHERS:
        return cast("Parser", made())
    if _nesting.get() >= _MAX_NESTING:
        raise DocumentError(
            f"{path} is nested more than {_MAX_NESTING} deep.", hint="Unpack it yourself."
        )
    return cast("Parser", made(_inside))


def _inside(file: Path, path: str) -> Document:
    token = _nesting.set(_nesting.get() + 1)
    try:
        return parse(file, path, pictures=wanted(), hidden=mode())
    finally:
        _nesting.reset(token)


def _detect_zip(file: Path) -> str:
    try:
        with zipfile.ZipFile(file) as opened:
            names = set(opened.namelist())
            mimetype = (
                opened.open("mimetype").read(200).decode("ascii", "replace").strip()
                if "mimetype" in names
                else ""
            )
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise DocumentError(
            f"{file.name} is a damaged zip archive.", hint="Save or copy it again."
        ) from error
    if mimetype in PARSERS:
        return mimetype
    for part, kind in (
        ("word/", "wordprocessingml.document"),
        ("ppt/", "presentationml.presentation"),
        ("xl/", "spreadsheetml.sheet"),
    ):
        if "[Content_Types].xml" in names and any(name.startswith(part) for name in names):
            return f"{_OPEN}.{kind}"
    return "application/x-archive"


def _detect_ole(file: Path) -> str:
    """Old Office files, Outlook messages, and encrypted new ones."""
    import olefile

    try:
        with olefile.OleFileIO(str(file)) as opened:
            streams = {name for (name, *_) in opened.listdir()}
    except OSError as error:
        raise DocumentError(f"{file.name} is a damaged Office file ({error}).") from error
    if "__properties_version1.0" in streams:
        return "application/vnd.ms-outlook"
    if streams & {"Workbook", "Book"}:
        return "application/vnd.ms-excel"
    if "EncryptedPackage" in streams:
        raise DocumentError(f"{file.name} is encrypted.", hint="Save it again without a password.")
    raise DocumentError(
        f"{file.name} is in an Office format from before 2007.",
        hint="Save it as DOCX, PPTX or PDF.",
    )
