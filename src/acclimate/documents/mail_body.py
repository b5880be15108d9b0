"""Which parts of a mail are its body: of alternatives, the one that holds the content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message

from acclimate.documents.calendars import calendar_events
from acclimate.documents.mail_blocks import Block, plain_blocks
from acclimate.documents.mail_html import html_blocks
from acclimate.documents.mail_text import header_text, part_text

_TEXT = (
    "text/plain",
    "text/html",
    "text/calendar",
    "text/enriched",
    "text/richtext",
    "text/rfc822-headers",
)
_SIGNATURES = (
    "application/pgp-signature",
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
)
_ENOUGH = 0.6  # of the words of the longer alternative: less is a stub, or was cut
_STUB = re.compile(
    r"view (?:this|the|it)\b.{0,30}\b(?:online|in (?:your|a) (?:web )?browser)|"
    r"(?:html|rich)[- ](?:capable|compatible|enabled)? ?(?:e-?mail|mail)? "
    r"?(?:reader|client|viewer|program)|"
    r"(?:support|display|show|view)s? (?:of )?(?:this )?html|html (?:e-?mails?|messages?) "
    r"(?:are|is) not|"
    r"needs an? html|multi-?part message in mime|im browser (?:an|öffnen|ansehen|anzeigen|lesen)|"
    r"kein(?:e)? html|html-?(?:e-?mail|nachricht|ansicht|darstellung)|dans (?:votre|un) navigateur|"
    r"ne (?:supporte|gère|prend) pas .{0,30}html|version html|"
    r"(?:can ?not|can't|unable to) (?:be )?(?:display|show|read|see|view)\w* (?:this|the) "
    r"(?:e-?mail|message)|"
    r"(?:nicht|pas) (?:richtig |correctement )?(?:angezeigt|affiché)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?!\s)[^.!?\n]*)*[.!?]*")
_WORD = re.compile(r"\w+")
_ADDRESS = re.compile(r"https?://\S+|<[^>\s]*@[^>\s]*>")
_TAGS = re.compile(r"<[^>\n]{1,200}>")
_MAX_DEPTH = 20  # of parts in parts


@dataclass(slots=True)
class Body:
    """A mail's body, the events of its calendar parts, its attached parts, and the reasons why
    parts are not read."""

    blocks: list[Block] = field(default_factory=list)
    events: dict[str, None] = field(default_factory=dict)
    attached: list[Message] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def find_body(message: Message) -> Body:
    """The body of a message."""
    body = Body()
    _gather(message, body, 0)
    return body


def choose(plain: Sequence[Block], html: Sequence[Block]) -> Sequence[Block]:
    """Of the same mail in plain text and in HTML, the one with the content; where both have it,
    HTML for its tables."""
    in_plain, in_html = _words(plain), _words(html)
    if in_plain < _ENOUGH * in_html or not in_plain:
        return html
    if in_html < _ENOUGH * in_plain:
        return plain
    return html if any(block.rows for block in html) else plain


def part_name(part: Message) -> str:
    """The name of an attached file; "" where it has none."""
    return header_text(str(part.get_filename() or ""))


def _words(blocks: Sequence[Block]) -> int:
    """Words of a body; sentences that only point to another form of it have none."""
    text = _ADDRESS.sub(" ", "\n".join(block.text for block in blocks))
    return sum(len(_WORD.findall(one)) for one in _SENTENCE.findall(text) if not _STUB.search(one))


def _gather(part: Message, body: Body, depth: int) -> None:
    kind = part.get_content_type()
    if not part.is_multipart() or kind == "message/rfc822":
        _take(part, kind, body)
        return
    inner = [one for one in part.get_payload() if isinstance(one, Message)]
    if depth > _MAX_DEPTH:
        body.unread.append(f"parts nested more than {_MAX_DEPTH} deep")
    elif kind == "multipart/alternative":
        _take_alternatives(inner, body, depth)
    elif kind == "multipart/encrypted":
        body.unread.append("the message is encrypted")
    elif kind == "message/delivery-status":
        text = "\n\n".join(str(one).strip() for one in inner)
        body.blocks += plain_blocks(text)
    else:
        for one in inner:
            _gather(one, body, depth + 1)


def _take_alternatives(parts: Sequence[Message], body: Body, depth: int) -> None:
    """Take of parts that say the same the one that says most, and what only one of them has."""
    found: list[Body] = []
    for part in parts:
        one = Body()
        _gather(part, one, depth + 1)
        found.append(one)
        body.events |= one.events
        body.attached += one.attached
        body.unread += one.unread
    best: Sequence[Block] = ()
    texts = [(_main_type(part), one.blocks) for part, one in zip(parts, found, strict=True)]
    for kind, blocks in texts:
        if not best:
            best = blocks
        elif kind == "text/html":
            best = choose(best, blocks)
        elif _words(blocks) * _ENOUGH > _words(best):
            best = blocks
    body.blocks += best


def _main_type(part: Message) -> str:
    """The type of the first part that is no container."""
    return next((one.get_content_type() for one in part.walk() if not one.is_multipart()), "")


def _take(part: Message, kind: str, body: Body) -> None:
    attached = part.get_content_disposition() == "attachment" or bool(part_name(part))
    if kind == "text/calendar":
        body.events |= dict.fromkeys(calendar_events(part_text(part)))
    elif kind in _TEXT and not attached:
        body.blocks += _text_blocks(part, kind)
    elif kind in _SIGNATURES:
        return  # it proves who signed, and says nothing
    elif kind == "application/ms-tnef" or part_name(part).casefold() == "winmail.dat":
        body.unread.append(
            "winmail.dat, Outlook's own wrapping (TNEF): save it as MSG or EML, or unwrap it"
        )
    elif kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        signed = str(part.get_param("smime-type", "")) == "signed-data"
        body.unread.append(
            f"the message is {'wrapped in its signature' if signed else 'encrypted'} (S/MIME)"
        )
    elif kind in ("message/external-body", "message/partial"):
        body.unread.append(f"a part that is not in this file ({kind})")
    elif kind != "text/x-amp-html":
        body.attached.append(part)


def _text_blocks(part: Message, kind: str) -> list[Block]:
    text = part_text(part)
    if kind == "text/html" or (
        kind == "text/plain"
        and text.lstrip()[:100].casefold().startswith(("<html", "<!doctype html"))
    ):
        return html_blocks(text)
    if kind in ("text/enriched", "text/richtext"):
        return plain_blocks(_TAGS.sub("", text))
    flowed = str(part.get_param("format", "")).casefold() == "flowed"
    return plain_blocks(
        text, flowed=flowed, delete_space=str(part.get_param("delsp", "")).casefold() == "yes"
    )
