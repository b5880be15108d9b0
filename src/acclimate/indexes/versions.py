"""Which of two versions of a document is the newer one, by what the documents say; times of files
are no evidence.

A copy, a download or a check-out gives every file a new time, so only dates and version numbers
count that stand in the metadata, in the first lines, or in the path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from acclimate.text.folding import alike, matched

HEAD = 800  # characters in which a document says when it is valid
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar", "february feb februar", "march mar märz", "april apr", "may mai", "june jun juni",
            "july jul juli", "august aug", "september sep sept", "october oct oktober okt", "november nov",
            "december dec dezember dez",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_VALID = (
    "valid from",
    "valid_from",
    "valid-from",
    "effective",
    "effective date",
    "effective_date",
    "gültig ab",
)
_DATED = ("date", "modified", "updated", "last_modified", "last updated", "published", "revised")
_NUMBERED = ("version", "revision", "edition")
_ISO = re.compile(
    r"(?<!\d)((?:19|20)\d\d)(?:[-_.]?(0[1-9]|1[0-2]))?(?:[-_.]?(0[1-9]|[12]\d|3[01]))?(?!\d)"
)
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})[./](\d{1,2})[./]((?:19|20)\d\d)(?!\d)")
_NAMED = re.compile(
    r"(?:(\d{1,2})\.?\s+)?([^\W\d_]{3,9})\.?\s+(?:(\d{1,2})(?:st|nd|rd|th)?,\s+)?((?:19|20)\d\d)"
)
_SAYS_VALID = re.compile(
    r"(?:valid from|effective(?: date| from)?|in force from|gültig ab)[:\s]+([^\n]{4,40})", re.I
)
_SAYS_DATED = re.compile(
    r"\b(?:last (?:updated|changed|revised)|as of|date|stand|updated|revised)[:\s]+([^\n]{4,40})",
    re.I,
)
_SAYS_VERSION = re.compile(r"(?:version|revision|edition)[:\s]+(\d+(?:\.\d+)*)", re.I)
_PATH_VERSION = re.compile(
    r"(?:^|[-_ ./(])(?:v|ver|version|rev|r)[-_ .]?(\d+(?:\.\d+)*)(?=[-_ .)/]|$)"
)
_NO_NAME = re.compile(
    r"(?:v|ver|version|rev|r)?[-_ "
    r".]?\d+(?:\.\d+)*|\b(?:copy|kopie|old|new|alt|neu|final|draft|entwurf|archive|"
    r"archiv|current|latest|of|v|ver|version|rev|" + "|".join(_MONTHS) + r")\b"
)

Date = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dated:
    """A document with what may tell its age: path, title, metadata by small keys, and the beginning
    of its text."""

    path: str
    title: str
    metadata: Mapping[str, str]
    head: str


def newer_of(one: Dated, other: Dated) -> str:
    """The path of the newer one; "" where they do not say, or say the same.

    The first kind of evidence that both have decides: valid from, a date of the document's, a
    version number, then version and date in the path.
    """
    for kind in _KINDS:
        first, second = kind(one), kind(other)
        if first and second and first != second:
            shortest = min(len(first), len(second))
            if first[:shortest] != second[:shortest]:
                return one.path if first > second else other.path
    return ""


def same_family(one: Dated, other: Dated) -> bool:
    """Whether two documents are called the same but for versions and dates: a contract with another
    customer is no newer version."""
    names = [_family(PurePosixPath(document.path).stem) for document in (one, other)]
    titles = [_family(document.title) for document in (one, other)]
    return any(first != "" and first == second for first, second in (names, titles))


def marks_of(one: Dated) -> set[str]:
    """Numbers in a path and title that may name a version: "2023", "v1"."""
    return numbers_in(f"{one.path} {one.title}".replace("_", " ").replace("-", " "))


def numbers_in(text: str) -> set[str]:
    """Numbers and version numbers in a text."""
    return set(re.findall(r"(?<![^\W_])v?\d+(?:\.\d+)*(?![^\W_])", matched(text)))


def _family(name: str) -> str:
    return " ".join(
        re.findall(
            r"[^\W\d_]+", _NO_NAME.sub(" ", matched(name).replace("_", " ").replace("-", " "))
        )
    )


def date_in(text: str) -> Date:
    """The first date in a text as (year, month, day), shorter where it says less; () where there is
    none."""
    text = alike(text)
    if match := _DAY_FIRST.search(text):
        return _valid(int(match[3]), int(match[2]), int(match[1]))
    for match in _NAMED.finditer(text):
        if month := _MONTHS.get(match[2].lower()):
            day = match[1] or match[3]
            return _valid(int(match[4]), month, *([int(day)] if day else []))
    if match := _ISO.search(text):
        return tuple(int(part) for part in match.groups() if part)
    return ()


def _valid(year: int, month: int, *day: int) -> Date:
    return (year, month, *day) if 1 <= month <= 12 and all(1 <= one <= 31 for one in day) else ()


def _number(text: str) -> Date:
    return tuple(int(part) for part in text.split("."))


def _said(one: Dated, keys: tuple[str, ...]) -> str:
    return next((one.metadata[key] for key in keys if one.metadata.get(key)), "")


def _valid_from(one: Dated) -> Date:
    match = _SAYS_VALID.search(one.head)
    return date_in(_said(one, _VALID)) or (date_in(match[1]) if match else ())


def _dated(one: Dated) -> Date:
    match = _SAYS_DATED.search(one.head)
    return date_in(_said(one, _DATED)) or (date_in(match[1]) if match else ())


def _numbered(one: Dated) -> Date:
    said = re.search(r"\d+(?:\.\d+)*", _said(one, _NUMBERED)) or None
    match = _SAYS_VERSION.search(one.head)
    if said:
        return _number(said[0])
    return _number(match[1]) if match else ()


def _path_version(one: Dated) -> Date:
    match = _PATH_VERSION.search(matched(one.path))
    return _number(match[1]) if match else ()


def _path_date(one: Dated) -> Date:
    return date_in(one.path.replace("_", "-"))


_KINDS = (_valid_from, _dated, _numbered, _path_version, _path_date)
