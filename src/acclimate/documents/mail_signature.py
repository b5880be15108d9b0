"""Where a message ends and its signature begins, and what is only a legal note."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from acclimate.documents.mail_blocks import Block

_CLOSING = re.compile(
    r"(?:(?:with )?(?:kind|best|warm|many)?\s?(?:regards|wishes)|yours "
    r"(?:sincerely|faithfully|truly)|"
    r"sincerely(?: yours)?|cheers|all the best|many thanks|"
    r"(?:mit )?(?:freundlichen?|besten?|schönen?|lieben?|herzlichen?|viele)\s"
    r"(?:gr(?:ü|ue)(?:ß|ss)en?|grüsse)|mfg|lg|hochachtungsvoll|gruß|(?:bien )?cordialement|"
    r"(?:meilleures|sincères) salutations|bien à vous|(?:un )?saludos?(?: cordiales)?|atentamente|"
    r"cordiali saluti|distinti saluti|met vriendelijke groet(?:en)?|med vänliga hälsningar|med "
    r"venlig hilsen)\s*[,.!]?",
    re.IGNORECASE,
)
_SENT_FROM = re.compile(
    r"(?:sent from (?:my|outlook|mail|yahoo)|get outlook for|von meinem .{2,30} gesendet|gesendet "
    r"von (?:meinem|mail)|"
    r"envoyé (?:de|depuis) mon|enviado desde mi|inviato da(?:l mio)?|verzonden vanaf mijn|skickat "
    r"från min|"
    r"outlook für ).{0,80}",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"(?:\+|\b00)?\d[\d "
    r"()/.\-]{6,}\d|[\w.+-]+@[\w-]+\.\w+|\bwww\.|\bhttps?://|\b(?:tel|phone|mobile|mobil|fax|tél)\b",
    re.IGNORECASE,
)
_LEGAL = re.compile(
    r"\b(?:confidential|privileged|vertraulich|confidentiel|confidenziale|confidencial)\w*\b.{0,600}?"
    r"\b(?:intended|recipient|addressee|disclos|delete|empfänger|adressat|löschen|vernichten|destinataire|supprimer|"
    r"destinatario|cancellar)"
    r"|\b(?:intended (?:only|solely) for|nur für den (?:genannten )?(?:empfänger|adressaten)|"
    r"consider the environment|denken sie an die umwelt|(?:this|the) e-?mail (?:was|has been) "
    r"scanned for virus|"
    r"pensez à l'environnement|avant d'imprimer)"
    r"|^\W*(?:caution|warning|achtung|attention|external|extern)\W{0,3}.{0,80}(?:originated|outside|external|externe)",
    re.IGNORECASE | re.DOTALL,
)
_LEGAL_LENGTH = 4000  # characters searched
_MOST_LINES, _MOST_LINE, _SHORT_END = 12, 90, 2


def is_disclaimer(text: str) -> bool:
    """Whether a paragraph is a legal note, a request to save paper, or a warning that the mail is
    from outside."""
    return _LEGAL.search(text[:_LEGAL_LENGTH]) is not None and not text.rstrip().endswith("?")


def split_signature(blocks: Sequence[Block]) -> tuple[list[Block], list[Block]]:
    """The text of a message, and the signature at its end; a closing with only a name stays in the
    text.

    A signature is what the mail marks as one, or short lines with a telephone number, address or
    the like that follow a closing.
    """
    signed = [block for block in blocks if block.signed or _SENT_FROM.fullmatch(block.text.strip())]
    text = [block for block in blocks if block not in signed]
    lines: list[str] = []
    for at in range(len(text) - 1, -1, -1):
        block = text[at]
        if block.kind != "paragraph" or block.depth:
            break
        own = block.text.split("\n")
        closing = next(
            (row for row, line in enumerate(own) if _CLOSING.fullmatch(line.strip())), None
        )
        lines = [*(own if closing is None else own[closing + 1 :]), *lines]
        if len(lines) > _MOST_LINES or any(len(line) > _MOST_LINE for line in lines):
            break
        if closing is None:
            continue
        if len(lines) > _SHORT_END or any(_CONTACT.search(line) for line in lines):
            kept = replace(block, text="\n".join(own[: closing + 1]))
            return [*text[:at], kept], [replace(block, text="\n".join(lines)), *signed]
        break
    return text, signed
