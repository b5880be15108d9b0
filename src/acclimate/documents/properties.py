"""What files say about themselves, under the same keys for every format: author, date and
language."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from zipfile import ZipFile

from lxml import etree

from acclimate.documents.builder import clean, one_line
from acclimate.documents.safe import parse_xml, read_member

_PDF_DATE = re.compile(
    r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)(\d\d)?)?(?:Z(?:00'00'?)?|([+-]\d\d)'?(\d\d)?'?)?"
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


def properties(author: str = "", date: str = "", language: str = "") -> dict[str, str]:
    """The metadata of a document; what a file does not say is left out.

    The date, of the last change where the format knows it, is ISO 8601 where it could be parsed as
    a date; the language is a BCP 47 tag.
    """
    tag = one_line(language).replace("_", "-")
    found = {
        "author": one_line(clean(author))[:500],
        "date": iso_date(date)[:50],
        "language": tag if _LANGUAGE.fullmatch(tag) else "",
    }
    return {key: value for key, value in found.items() if value}


def iso_date(text: str) -> str:
    """A date of PDF (ISO 32000, 7.9.4), mail (RFC 5322) or XML as ISO 8601; any other text as it
    is."""
    text = one_line(clean(text))
    if match := _PDF_DATE.fullmatch(text):
        year, month, day, hour, minute, second, east, more = match.groups()
        date = "-".join(part for part in (year, month, day) if part)
        if not hour:
            return date
        return f"{date}T{hour}:{minute}:{second or '00'}" + (
            f"{east}:{more or '00'}" if east else ""
        )
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return (
                text
                if len(text) <= len("2026-01-31") and text[:4].isdigit()
                else read(text).isoformat()
            )
        except (ValueError, OverflowError):
            continue
    return text


def office_properties(archive: ZipFile) -> tuple[str, dict[str, str]]:
    """Title and metadata of a file of Office Open XML or OpenDocument; empty where it says
    nothing."""
    names = archive.namelist()
    member = next((name for name in ("docProps/core.xml", "meta.xml") if name in names), None)
    if member is None:
        return "", {}
    fields: dict[str, str] = {}
    for node in parse_xml(read_member(archive, member)).iter():
        if isinstance(node.tag, str) and node.text and node.text.strip():
            fields.setdefault(etree.QName(node).localname, node.text)
    author = fields.get("creator") or fields.get("initial-creator", "")
    date = fields.get("modified") or fields.get("date") or fields.get("created", "")
    return one_line(fields.get("title", "")), properties(author, date, fields.get("language", ""))
