"""E-mail (EML and Outlook's MSG) with its attachments."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from email import policy
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path

import oxmsg

from acclimate.documents.builder import TextBuilder
from acclimate.documents.mail_blocks import plain_blocks
from acclimate.documents.mail_body import choose, find_body, part_name
from acclimate.documents.mail_html import html_blocks
from acclimate.documents.mail_marks import author_of
from acclimate.documents.mail_text import headers
from acclimate.documents.mail_thread import add_thread
from acclimate.documents.properties import properties
from acclimate.errors import DocumentError
from acclimate.types import Document

ParseInside = Callable[[Path, str], Document]
_HEADERS = ("From", "To", "Cc", "Date")
_MAX_ATTACHMENTS = 200
_MAX_NESTING = 4
_REPLY = re.compile(
    r"(?:(?:re|aw|antw|sv|vs|rv|r|ref|fwd?|wg|tr|i|enc|doorst|vl|odp|pd)\s?(?:\[\d+\])?\s?[:：]\s*)+",
    re.I,
)
_SUFFIXES = {
    "text/html": ".html",
    "text/csv": ".csv",
    "text/calendar": ".ics",
    "application/pdf": ".pdf",
}


class EmlParser:
    """Reads a message as it travels; `inside` parses attachments."""

    def __init__(self, inside: ParseInside) -> None:
        self._inside = inside

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        message = BytesParser(policy=policy.compat32).parsebytes(file.read_bytes())
        return _message_document(message, path, self._inside, 0)


class MsgParser:
    """Reads a message as Outlook saves it; `inside` parses attachments."""

    def __init__(self, inside: ParseInside) -> None:
        self._inside = inside

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        message = oxmsg.Message.load(str(file))
        builder = TextBuilder()
        recipients = ", ".join(f"{one.name} <{one.email_address}>" for one in message.recipients)
        sent = message.sent_date.isoformat(" ") if message.sent_date else ""
        sender = message.sender or ""
        _add_head(message.subject, {"From": sender, "To": recipients, "Date": sent}, builder)
        plain, html = plain_blocks(message.body or ""), html_blocks(message.html_body or "")
        add_thread(choose(plain, html), author_of(sender), builder)
        if not plain and not html:
            builder.add(
                "footer", "[not read: the message has no text, or only in RTF: save it as EML]"
            )
        for part in list(message.attachments)[:_MAX_ATTACHMENTS]:
            if part.file_bytes is not None:
                add_inside(part.file_name or "attachment", part.file_bytes, self._inside, builder)
            else:
                builder.add(
                    "footer",
                    f"[not read: {part.file_name or 'an attachment'} is linked or embedded]",
                )
        _tell_left_out(len(message.attachments), builder)
        return builder.build(
            path, "", message.subject, properties(sender, sent) | _thread_of(message.subject)
        )


def add_inside(name: str, content: bytes, inside: ParseInside, builder: TextBuilder) -> None:
    """Append a file that another file holds; where it cannot be read, the reason stands in its
    place."""
    safe = Path(name.replace("\\", "/")).name or "file"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"content{Path(safe).suffix[:10]}"
        file.write_bytes(content)
        try:
            builder.add_document(inside(file, safe), safe)
        except DocumentError as error:
            builder.add("heading", safe, 1)
            builder.add("footer", f"[not read: {error}]")


def _message_document(message: Message, path: str, inside: ParseInside, nesting: int) -> Document:
    """A message with what it holds; messages in it are read up to a depth."""
    said = headers(message)
    sender, subject = said.get("from", "") or said.get("sender", ""), said.get("subject", "")
    builder = TextBuilder()
    _add_head(subject, {name: said.get(name.casefold(), "") for name in _HEADERS}, builder)
    body = find_body(message)
    for event in body.events:
        builder.add("paragraph", event)
    add_thread(body.blocks, author_of(sender), builder)
    for reason in body.unread:
        builder.add("footer", f"[not read: {reason}]")
    _add_attached(body.attached, inside, builder, nesting)
    language = said.get("content-language", "").split(",")[0]
    metadata = properties(sender, _date(said.get("date", "")), language) | _thread_of(subject)
    return builder.build(path, "", subject, metadata)


def _date(text: str) -> str:
    """A header's date, without the comment that may follow it."""
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return text


def _thread_of(subject: str) -> dict[str, str]:
    """The subject that a message shares with its replies."""
    match = _REPLY.match(subject)
    thread = subject[match.end() :] if match is not None else subject
    return {"thread": thread} if thread else {}


def _add_attached(
    parts: Sequence[Message], inside: ParseInside, builder: TextBuilder, nesting: int
) -> None:
    for number, part in enumerate(parts[:_MAX_ATTACHMENTS], start=1):
        content = part.get_payload(decode=True)
        name = part_name(part)
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload(0) if part.is_multipart() else None
            if not isinstance(inner, Message):
                continue
            name = name or f"{headers(inner).get('subject', '') or 'message'}.eml"
            if nesting >= _MAX_NESTING:
                builder.add("footer", f"[not read: {name} is nested more than {_MAX_NESTING} deep]")
            else:
                builder.add_document(_message_document(inner, name, inside, nesting + 1), name)
        elif isinstance(content, bytes) and content:
            kind = part.get_content_type()
            add_inside(
                name or f"attachment {number}{_SUFFIXES.get(kind, '')}", content, inside, builder
            )
    _tell_left_out(len(parts), builder)


def _tell_left_out(attachments: int, builder: TextBuilder) -> None:
    if attachments > _MAX_ATTACHMENTS:
        builder.add(
            "footer", f"[not read: {attachments - _MAX_ATTACHMENTS} of {attachments} attachments]"
        )


def _add_head(subject: str, said: dict[str, str], builder: TextBuilder) -> None:
    builder.add("title", subject, 1)
    builder.add("paragraph", "\n".join(f"{name}: {value}" for name, value in said.items() if value))
