"""One spelling for texts that differ only in their Unicode form, with a map back to the original.

Index, filters, embedding input and citations compare texts in these forms. What is stored and cited
is always the original: `Form.trace` gives the place in it of every folded character.

Standards: Unicode Standard Annex 15 (normalisation forms), Technical Report 36 (characters that
nobody sees).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from acclimate.types import Span

# Soft hyphen, zero width space, marks and changes of direction, word joiner, byte order mark,
# combining grapheme joiner, variation selectors, tags.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f\U000e0100-\U000e01ef"
)
_JOINERS = "\u200c\u200d"  # they shape letters: dropped where texts are compared, kept for models
# At the end of a line a soft hyphen is a break inside a word.
_BROKEN = r"\u00ad[ \t]*\r?\n[ \t]*"
# Vowel signs and accents of Arabic and Hebrew, which most writers leave out, and the stretch mark
# of Arabic.
_OPTIONAL = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]"
)
_HYPHENS = dict.fromkeys(
    map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u05be"), "-"
)
_SINGLE = dict.fromkeys(
    map(ord, "\u2018\u2019\u201a\u201b\u2032\u02bc\u02b9\u00b4\u05f3\uff07"), "'"
)
_DOUBLE = dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u05f4\uff02"), '"')
_LINES = {"\u2028": "\n", "\u2029": "\n"}
_OTHERS = {"×": "x", "ß": "ss", "ẞ": "SS", "™": "", "℠": "", "⁄": "/", "∕": "/", "İ": "I"} | _LINES
_ALIKE = _HYPHENS | _SINGLE | _DOUBLE | {ord(one): other for one, other in _OTHERS.items()}
_SUPERSCRIPTS = "²³¹⁰⁴-⁹"
_FRACTIONS = "¼-¾⅐-⅞↉"
# Kinds of compatibility (UAX 15, table 3) that are the same letter in another dress.
_DRESS = frozenset(
    ("<wide>", "<narrow>", "<noBreak>", "<initial>", "<medial>", "<final>", "<isolated>", "<font>")
)


@dataclass(frozen=True, slots=True)
class Traced:
    """A folded text; character n stands for `starts[n]` to `ends[n]` of the original."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def span(self, start: int, end: int) -> Span:
        """The place in the original of a stretch of the folded text that is not empty."""
        return Span(self.starts[start], self.ends[end - 1])


class Form:
    """A way of folding, cluster by cluster: a character with its combining marks, or an invisible
    one."""

    def __init__(
        self,
        fold: Callable[[str], str],
        changing: Callable[[str], bool],
        *,
        raised: bool,
        lower: bool = False,
    ) -> None:
        self._fold = lru_cache(1 << 14)(fold)
        self._changing, self._raised, self._lower = changing, raised, lower

    def __call__(self, text: str) -> str:
        """The folded text."""
        if not text.isascii():
            text = self._clusters.sub(lambda match: self._fold(match[0]), self._apart(text))
        return text.lower() if self._lower else text

    def trace(self, text: str) -> Traced:
        """The folded text with the place in `text` of each of its characters; its `text` is what a
        call gives."""
        pieces: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        source, origin = self._apart_traced(text)
        for match in self._clusters.finditer(source):
            starts += origin[at : match.start()]
            ends += [place + 1 for place in origin[at : match.start()]]
            folded = self._fold(match[0])
            pieces += source[at : match.start()], folded
            starts += [origin[match.start()]] * len(folded)
            ends += [origin[match.end() - 1] + 1] * len(folded)
            at = match.end()
        starts += origin[at:]
        ends += [place + 1 for place in origin[at:]]
        joined = "".join((*pieces, source[at:]))
        return Traced(joined.lower() if self._lower else joined, tuple(starts), tuple(ends))

    def _apart(self, text: str) -> str:
        return _RAISED.sub(_raised, text) if self._raised else text

    def _apart_traced(self, text: str) -> tuple[str, list[int]]:
        """`_apart`, and the place in `text` of each character of it."""
        if not self._raised:
            return text, list(range(len(text)))
        pieces, origin, at = list[str](), list[int](), 0
        for match in _RAISED.finditer(text):
            new = _raised(match)
            pieces += text[at : match.start()], new
            origin += [*range(at, match.start()), *[match.start()] * (len(new) - len(match[0]))]
            origin += range(match.start(), match.end())
            at = match.end()
        return "".join((*pieces, text[at:])), [*origin, *range(at, len(text))]

    @cached_property
    def _clusters(self) -> re.Pattern[str]:
        marks = _ranges([chr(code) for code in _PLANE if unicodedata.category(chr(code))[0] == "M"])
        # Vowels and final consonants of Hangul, and half-width ones with the Japanese voice marks,
        # join what is before.
        marks += "\u1160-\u11ff\ud7b0-\ud7fb\uff9e-\uffdc"
        changing = _ranges([chr(code) for code in _PLANE if self._changing(chr(code))])
        single = (
            f"{changing}{_INVISIBLE}\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff\U0002f800-\U0002fa1d"
        )
        return re.compile(f"{_BROKEN}|[{_INVISIBLE}]|.[{marks}]+|[{single}]", re.DOTALL)


_PLANE = [*range(0x80, 0xD800), *range(0xE000, 0x10000)]
# A raised number after a digit is an exponent, after a longer word a footnote; only after a unit or
# a symbol does it go on ("m²", "CO₂" and "H₂O" are m2, CO2 and H2O, but 10⁶ is not 106). A fraction
# after a digit is added to it.
_RAISED = re.compile(rf"(?<=\d)[{_SUPERSCRIPTS}{_FRACTIONS}]|(?<=[^\W\d_]{{4}})[{_SUPERSCRIPTS}]")


def _raised(match: re.Match[str]) -> str:
    power = (
        match.string[match.start() - 1].isdecimal() and unicodedata.numeric(match[0]).is_integer()
    )
    return f"^{match[0]}" if power else f" {match[0]}"


def _ranges(characters: list[str]) -> str:
    """The inside of a character class."""
    codes, found, at = sorted(map(ord, characters)), [], 0
    while at < len(codes):
        end = at
        while end + 1 < len(codes) and codes[end + 1] == codes[end] + 1:
            end += 1
        found.append(f"\\u{codes[at]:04x}-\\u{codes[end]:04x}")
        at = end + 1
    return "".join(found)


def _plain_cluster(cluster: str) -> str:
    """Composed, without what nobody sees, in the usual width."""
    composed = unicodedata.normalize("NFC", "".join(map(_undressed, _seen(cluster, _INVISIBLE))))
    return "" if re.fullmatch(_BROKEN, cluster) else composed


def _undressed(one: str) -> str:
    kind = unicodedata.decomposition(one).partition(" ")[0]
    if one == "\u2011":
        return "-"
    if unicodedata.category(one) == "Zs":
        return " "
    if kind in _DRESS or (kind == "<compat>" and unicodedata.category(one)[0] == "L"):
        return unicodedata.normalize("NFKC", one)
    return one


def _alike_cluster(cluster: str) -> str:
    """What readers take for the same: also quotes, dashes, digits, marks that may be left out."""
    if re.fullmatch(_BROKEN, cluster):
        return ""
    text = _seen(cluster, _INVISIBLE + _JOINERS).translate(_ALIKE)
    normal = unicodedata.normalize("NFKC", text)
    if len(normal) > 1 and normal[0] == " ":  # a mark that stands alone, such as a diaeresis
        return text
    normal = _OPTIONAL.sub("", normal.translate(_ALIKE)).replace("i\u0307", "i")
    digits = (str(unicodedata.decimal(one)) if one.isdecimal() else one for one in normal)
    return "".join(" " if unicodedata.category(one) == "Zs" else one for one in digits)


def _matched_cluster(cluster: str) -> str:
    return _alike_cluster(cluster).casefold().replace("ı", "i").replace("i\u0307", "i")


def _seen(text: str, dropped: str) -> str:
    return _class(dropped).sub("", text)


@cache
def _class(inside: str) -> re.Pattern[str]:
    return re.compile(f"[{inside}]")


def _dressed(one: str) -> bool:
    return _undressed(one) != one or unicodedata.normalize("NFC", one) != one


def _differs(one: str) -> bool:
    return (
        ord(one) in _ALIKE
        or unicodedata.normalize("NFKC", one) != one
        or one.isdecimal()
        or _OPTIONAL.match(one) is not None
        or unicodedata.category(one) == "Zs"
        or one in _JOINERS
    )


def _matches_otherwise(one: str) -> bool:
    return _differs(one) or one.casefold() != one or one == "ı"


plain = Form(_plain_cluster, _dressed, raised=False)
"""For models: NFC, no invisible characters, ligatures and full width as letters, ordinary spaces
and hyphens."""
alike = Form(_alike_cluster, _differs, raised=True)
"""For comparing: also one kind of quotes, dashes and digits, superscripts as digits, no vowel signs
of Arabic and Hebrew, ss for ß. Letters keep their case and accents."""
matched = Form(_matched_cluster, _matches_otherwise, raised=True, lower=True)
"""`alike` in one case, with i for the dotless ı of Turkish."""


def squeezed(text: str) -> str:
    """`matched` with single spaces: equal for texts that read the same."""
    return " ".join(matched(text).split())
