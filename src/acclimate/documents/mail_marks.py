"""The lines by which mail programs say, in many languages, who wrote what follows and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from acclimate.documents.builder import one_line

_FROM = "From|Von|De|Da|Van|Fra|Från|Från|Od|Feladó|Lähettäjä|Expéditeur|Remitente|Mittente|Absender|От|发件人|差出人"
_SENT = (
    "Sent|Date|Gesendet|Datum|Envoyé|Envoyée|Enviado|Enviada|Enviado "
    "el|Inviato|Data|Fecha|Verzonden|Sendt|Dato|"
    "Skickat|Wysłano|Odesláno|Lähetetty|Sent at|Date d'envoi|Дата|Отправлено|发送时间|日期|送信日時"
)
_OTHERS = (
    "To|An|À|A|Para|Aan|Til|Till|Do|Komu|Vastaanottaja|Destinataire|Кому|收件人|宛先|Cc|CC|Kopie|Kopi|Copie|Bcc|Reply-To|"
    "Subject|Betreff|Objet|Asunto|Assunto|Oggetto|Onderwerp|Emne|Ämne|Temat|Předmět|Aihe|Тема|主题|件名|"
    "Priority|Importance|Wichtigkeit|Attachments|Anlagen|Organisation|Organization"
)
_FIELD = re.compile(
    rf"[*_ \t]*({_FROM}|{_SENT}|{_OTHERS})[*_ \t]*[ \u00a0]?[:：][*_]*[ \t\u00a0]*(.*)",
    re.IGNORECASE,
)
_IS_FROM = re.compile(_FROM, re.IGNORECASE)
_IS_SENT = re.compile(_SENT, re.IGNORECASE)
_IS_OF_MAIL = re.compile(
    "Sent|Gesendet|Envoyée?|Enviad[oa](?: "
    "el)?|Inviato|Verzonden|Sendt|Skickat|Wysłano|Odesláno|Отправлено|发送时间|"
    "送信日時|Subject|Betreff|Objet|Asunto|Assunto|Oggetto|Onderwerp|Emne|Ämne|Temat|Předmět|Aihe|Тема|主题|件名",
    re.IGNORECASE,
)
_MESSAGE_WORD = "message|nachricht|mail|messaggio|mensaje|mensagem|bericht|besked|melding|meddelande|wiadomo|forward|viesti"
_RULE = re.compile(
    rf"[ \t]*(?:[-_=*]{{5,}}|-{{2,}}[^-\n]{{0,40}}(?:{_MESSAGE_WORD})[^-\n]{{0,40}}-{{2,}}|"
    r"(?:Begin forwarded message|Anfang der weitergeleiteten (?:Nachricht|E-Mail)|Inizio "
    r"messaggio inoltrato|"
    r"Début du message (?:réexpédié|transféré)|Inicio del mensaje reenviado|Doorgestuurd "
    r"bericht)\s?:?)[ \t]*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"forward|weitergeleitet|transféré|réexpédié|reenviado|inoltrato|doorgestuurd", re.IGNORECASE
)
_WROTE = re.compile(
    r"(?:(?:On|Am|Le|El|Il|Op|Em|Den|W dniu|Dne|Dnia|Le)\s(?P<a>(?=.*\d).{5,250}?)\s?"
    r"(?:wrote|schrieb(?: (?P<b>.{2,120}?))?|a écrit|écrivait|escribió|ha scritto|escreveu|"
    r"schreef(?: (?P<c>.{2,120}?))?|skrev(?: "
    r"(?P<d>.{2,120}?))?|napisała?(?:\(a\))?|napsala?|kirjoitti)"
    r"|(?P<e>[^\n.!?]{2,120}?)\s(?:wrote|schrieb|a écrit)(?P<f>\s(?:on|am|le)\s.{5,60})?"
    r"|(?P<g>\d{4}-\d\d-\d\d[^\n]{0,30}\s[^\n]{2,120}?<[^>\n]+@[^>\n]+>)"
    r")\s?[:：]",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST = 600  # characters of a line that says who wrote what follows
_ADDRESS = re.compile(r"\s*(?:[<\[(]\s*(?:mailto:)?[^<>\s\[\]()]+@[^<>\s\[\]()]+\s*[>\])])+")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar jänner janvier janv enero ene gennaio gen januari",
            "feb february februar févr février fevrier febrero febbraio februari",
            "mar march mär märz mrz mars marzo maart",
            "apr april avr avril abril aprile",
            "may mai mayo maggio mag mei maj",
            "jun june juni juin junio giugno giu",
            "jul july juli juil juillet julio luglio lug",
            "aug august août aout agosto augustus augusti",
            "sep sept september septembre septiembre settembre set",
            "oct october okt oktober octobre octubre ottobre ott",
            "nov november novembre noviembre",
            "dec december dez dezember déc décembre diciembre dicembre",
        ),
        start=1,
    )
    for name in names.split()
}
_NAMED_DATE = re.compile(
    r"(?:(\d{1,2})(?:st|nd|rd|th|er)?\.?\s+(?:de\s+)?([^\W\d_]{3,10})\.?|([^\W\d_]{3,10})\.?\s+(\d{1,2})(?:st|nd|rd|th)?),?\s+(?:de\s+)?(\d{4})"
)
_POINTED_DATE = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{2}|\d{4})\b")
_ISO_DATE = re.compile(r"\b(\d{4})[-/](\d{1,2})[-/](\d{1,2})\b")
_SLASHED_DATE = re.compile(r"\b\d{1,2}/\d{1,2}/\d{2,4}\b")
_TIME = re.compile(r"\b(\d{1,2})(?:[:.]|\s?h\s?)(\d\d)(?::\d\d)?\s*([AaPp]\.?[Mm]\b)?")


@dataclass(frozen=True, slots=True)
class Mark:
    """Who wrote what follows, and when; "" for what is not said. `lines` of a text say so.

    `inside`: what follows is quoted one time more; else it goes to the end of what it stands in.
    """

    author: str
    date: str
    lines: range
    inside: bool = False
    forwarded: bool = False


def is_fields(text: str) -> bool:
    """Whether every line of a text is a field of a header, or the rule before one."""
    return all(_FIELD.match(line) or _RULE.match(line) for line in text.split("\n"))


def find_header(text: str) -> Mark | None:
    """The header of another message in the lines of a text, as a program puts it before what it
    quotes."""
    lines = text.split("\n")
    for start, line in enumerate(lines):
        if not (match := _FIELD.match(line)):
            continue
        fields = [(match[1], match[2])]
        end, gap = start + 1, 0
        while end + gap < len(lines) and gap < 4:
            if field := _FIELD.match(lines[end + gap]):
                fields.append((field[1], field[2]))
                end, gap = end + gap + 1, 0
            else:
                gap += 1  # a long list of addresses goes on over lines
        author = next((value for name, value in fields if _IS_FROM.fullmatch(name)), None)
        sent = next(
            (
                value
                for name, value in fields
                if _IS_SENT.fullmatch(name) and any(map(str.isdigit, value))
            ),
            "",
        )
        if author is None or len(fields) < 2:
            continue
        first = start
        while first and (_RULE.match(lines[first - 1]) or not lines[first - 1].strip()):
            first -= 1
        # "From: Graz, To: Vienna" is a journey.
        named = any(_IS_OF_MAIL.fullmatch(name) or "@" in value for name, value in fields)
        if not (named or _RULE.match(lines[first])):
            continue
        forwarded = any(_FORWARDED.search(line) for line in lines[first:start])
        return Mark(author_of(author), date_of(sent), range(first, end), forwarded=forwarded)
    return None


def find_wrote(text: str, *, quoted_next: bool) -> Mark | None:
    """The line "On … Ada wrote:" at the end of a text; without a quotation after it, it must hold a
    date."""
    lines = text.split("\n")
    for start in range(len(lines) - 1, max(-1, len(lines) - 4), -1):
        joined = " ".join(line.strip() for line in lines[start:])
        match = _WROTE.fullmatch(joined) if len(joined) < _LONGEST else None
        if match is None or (not quoted_next and match["a"] is None):
            continue
        if match["e"] is not None:
            author, when = match["e"], match["f"] or ""
        elif match["g"] is not None:
            author, when = _after_date(match["g"]), match["g"]
        else:
            said = match["b"] or match["c"] or match["d"]
            author, when = said or _after_date(match["a"]), match["a"]
        return Mark(author_of(author), date_of(when), range(start, len(lines)), inside=quoted_next)
    return None


def is_rule(text: str) -> bool:
    """Whether a text is only a line that parts messages."""
    return all(_RULE.match(line) for line in text.split("\n"))


def says_forwarded(text: str) -> bool:
    """Whether a line that parts messages says that the next one is forwarded."""
    return _FORWARDED.search(text) is not None


def author_of(text: str) -> str:
    """A name as it is shown: without its address where it has one, and without marks of type."""
    text = one_line(re.sub(r"[*_\"]", " ", text))
    name = _ADDRESS.sub("", text).strip(" ,;'<>()")
    return (name or text.strip(" <>,;[]"))[:100]


def date_of(text: str) -> str:
    """A date, with its time where it has one, as 2026-05-04 10:12; unchanged where the order of day
    and month is ambiguous."""
    text = one_line(re.sub(r"[*_]", " ", text))
    if not text:
        return ""
    try:
        return parsedate_to_datetime(text).strftime("%Y-%m-%d %H:%M")
    except (ValueError, TypeError, IndexError, OverflowError):
        pass
    day, end = _day_of(text)
    if not day:
        slashed = _SLASHED_DATE.search(text)
        return text[slashed.start() :][:30].split(",")[0] if slashed is not None else text[:60]
    time = _TIME.search(text, end)
    if time is None:
        return day
    hour = int(time[1]) % 12 + 12 * (time[3][0] in "pP") if time[3] else int(time[1])
    return f"{day} {hour:02}:{time[2]}" if hour < 24 and int(time[2]) < 60 else day


def _day_of(text: str) -> tuple[str, int]:
    """The day in a text, and where it ends; "" where there is none or its order is ambiguous."""
    tries: list[tuple[int, int, int, int]] = []
    if match := _ISO_DATE.search(text):
        tries.append((int(match[1]), int(match[2]), int(match[3]), match.end()))
    for match in _NAMED_DATE.finditer(text):
        month = _MONTHS.get((match[2] or match[3]).casefold(), 0)
        tries.append((int(match[5]), month, int(match[1] or match[4]), match.end()))
    if match := _POINTED_DATE.search(text):
        year = int(match[3]) + 2000 * (len(match[3]) == 2)
        tries.append((year, int(match[2]), int(match[1]), match.end()))
    for year, month, day, end in tries:
        try:
            return datetime(year, month, day).strftime("%Y-%m-%d"), end
        except ValueError:
            continue
    return "", 0


def _after_date(text: str) -> str:
    """The name after the date in "4 May 2026 at 10:12, Ada <ada@example.org>"."""
    day, end = _day_of(text)
    slashed = _SLASHED_DATE.search(text)
    if not day and slashed is not None:
        end = slashed.end()
    time = _TIME.search(text, end)
    rest = text[time.end() if time is not None else end :]
    return re.sub(
        r"^\s*(?:[+-]\d{4}\b|\([A-Z]{2,5}\)|\b(?:UTC|GMT|CEST|CET)\b(?:[+-]\d\d:?\d\d)?|Uhr\b|,|\s)*",
        "",
        rest,
    )
