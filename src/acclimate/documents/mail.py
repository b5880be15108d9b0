"""E-mail (EML and Outlook's MSG) with its attachments."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import oxmsg

from acclimate.documents.builder import TextBuilder, one_line
from acclimate.documents.html import add_html
from acclimate.documents.properties import properties
from acclimate.documents.text import TextParser
from acclimate.errors import DocumentError
from acclimate.types import Document

ParseInside = Callable[[Path, str], Document]
_HEADERS = ("From", "To", "Cc", "Date")
_MAX_ATTACHMENTS = 200


class EmlParser:
    """Reads a message as it travels; `inside` parses attachments."""

    def __init__(self, inside: ParseInside) -> None:
        self._inside = inside

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        message = BytesParser(policy=policy.default).parsebytes(file.read_bytes())
        if not isinstance(message, EmailMessage):
            raise DocumentError(f"{path} is no e-mail.")
        subject = one_line(str(message.get("Subject", "")))
        headers = {name: one_line(str(message.get(name, ""))) for name in _HEADERS}
        builder = TextBuilder()
        _add_head(subject, headers, builder)
        body = message.get_body(preferencelist=("plain", "html"))
        if body is not None:
            _add_body(str(body.get_content()), body.get_content_type() == "text/html", builder)
        for part in list(message.iter_attachments())[:_MAX_ATTACHMENTS]:
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                add_inside(part.get_filename() or "attachment", content, self._inside, builder)
            elif part.get_content_type() == "message/rfc822":
                add_inside("message.eml", part.get_payload(0).as_bytes(), self._inside, builder)  # type: ignore[union-attr]
        language = one_line(str(message.get("Content-Language", ""))).split(",")[0]
        return builder.build(path, "", subject, properties(headers["From"], headers["Date"], language))


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
        headers = {"From": message.sender or "", "To": recipients, "Date": sent}
        _add_head(message.subject, headers, builder)
        if message.body:
            _add_body(message.body, False, builder)
        elif message.html_body:
            _add_body(message.html_body, True, builder)
        for part in list(message.attachments)[:_MAX_ATTACHMENTS]:
            if part.file_bytes is not None:
                add_inside(part.file_name or "attachment", part.file_bytes, self._inside, builder)
        return builder.build(path, "", message.subject, properties(headers["From"], sent))


def add_inside(name: str, content: bytes, inside: ParseInside, builder: TextBuilder) -> None:
    """Append a file that another file holds; where it cannot be read, the reason stands in its place."""
    safe = Path(name.replace("\\", "/")).name or "file"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"content{Path(safe).suffix[:10]}"
        file.write_bytes(content)
        try:
            builder.add_document(inside(file, safe), safe)
        except DocumentError as error:
            builder.add("heading", safe, 1)
            builder.add("footer", f"[not read: {error}]")


def _add_head(subject: str, headers: dict[str, str], builder: TextBuilder) -> None:
    builder.add("title", subject, 1)
    builder.add("paragraph", "\n".join(f"{name}: {value}" for name, value in headers.items() if value))


def _add_body(text: str, html: bool, builder: TextBuilder) -> None:
    if html:
        add_html(text, builder)
        return
    for paragraph in TextParser.paragraphs(text):
        builder.add("quote" if paragraph.startswith(">") else "paragraph", paragraph)
