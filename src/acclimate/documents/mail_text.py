"""The text of mail headers and parts, also where their encoding is damaged or named wrongly."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from email.message import Message

from acclimate.documents.builder import clean, one_line

_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)[ \t\r\n]+(?==\?)")
_ALIASES = {
    "unicode-1-1-utf-7": "utf-7",
    "unicode": "utf-8",
    "iso-8859-8-i": "iso-8859-8",
    "ks_c_5601-1987": "cp949",
}
_ALIASES |= {
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "ascii",
    "gb2312": "gb18030",
}
_QUOTED = re.compile(rb"=(?:[0-9A-F]{2}|\r?\n)")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{60,76}\r?\n)+[A-Za-z0-9+/]+={0,2}\s*")
_META = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


def headers(message: Message) -> dict[str, str]:
    """The headers by their names in small letters, decoded; of several with one name, the first."""
    found: dict[str, str] = {}
    for name, value in message.raw_items():
        found.setdefault(name.casefold(), header_text(str(value)))
    return found


def header_text(value: str) -> str:
    """A header's text (RFC 2047): also with encoded words that are cut, or raw bytes in no named
    encoding."""
    raw = value.encode("utf-8", "surrogateescape")
    text = _decode(raw, "utf-8")
    text = _BETWEEN_WORDS.sub(r"\1", text)
    parts: list[str] = []
    at, pending, charset = 0, b"", ""
    for match in _WORD.finditer(text):
        between, named = text[at : match.start()], match[1].partition("*")[0].casefold()
        if pending and (between or named != charset):
            parts.append(_decode(pending, charset))
            pending = b""
        parts.append(between)
        # Neighbours in one charset are decoded together: a letter may be cut between them.
        pending, charset, at = pending + _word_bytes(match[2], match[3]), named, match.end()
    if pending:
        parts.append(_decode(pending, charset))
    return one_line(clean("".join([*parts, text[at:]])))


def _word_bytes(encoding: str, text: str) -> bytes:
    if encoding in "qQ":
        return quopri.decodestring(text.replace("_", " ").encode("utf-8"), header=True)
    stripped = re.sub(r"[^A-Za-z0-9+/]", "", text)
    try:
        return base64.b64decode(stripped[: len(stripped) - (len(stripped) % 4 == 1)] + "===")
    except binascii.Error:
        return text.encode()


def part_text(part: Message) -> str:
    """The text of a part, by its charset where that is right, else by what its bytes allow."""
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    if str(part.get("Content-Transfer-Encoding", "")).strip().casefold() not in (
        "base64",
        "quoted-printable",
    ):
        content = _undo_transfer(content)
    charset = str(part.get_param("charset", "") or "")
    if not charset and part.get_content_type() == "text/html":
        named = _META.search(content[:2000])
        charset = named[1].decode("ascii", "replace") if named else ""
    return clean(_decode(content, charset.strip("\"' ").casefold()))


def _undo_transfer(content: bytes) -> bytes:
    """The content of a part whose header does not tell how it is encoded for transfer."""
    if (
        len(_QUOTED.findall(content)) > 2
        and re.search(rb"=\r?\n", content)
        and re.search(rb"=[0-9A-F]{2}", content)
    ):
        return quopri.decodestring(content)
    if len(content) > 120 and _BASE64.fullmatch(content):
        try:
            plain = base64.b64decode(content)
        except binascii.Error:
            return content
        return plain if b"\x00" not in plain else content
    return content


def _decode(content: bytes, charset: str) -> str:
    for name in (_ALIASES.get(charset, charset), "utf-8"):
        try:
            return content.decode(name or "utf-8")
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")
