"""Part numbers, error codes, versions, standards, addresses: one name for each, however it is
written.

"AX200B", "AX-200-B", "ax/200/b" and "AX 200 B" are `ax200b`; "ISO 9001:2015" is `iso9001.2015`;
"3.2.1" stays what it is, because 321 is another number. All texts here are folded first
(`acclimate.text.folding.alike`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from acclimate.text.folding import alike, matched
from acclimate.types import Span

_LONGEST = 64  # characters of a code
_MOST_GROUPS = 6  # of a code's beginnings that find it
_SURE_DIGITS = 6  # so many digits are one number, whatever stands between them
_GROUP = re.compile(r"\d+|[^\W\d_]+|§")
_SEPARATORS = r"[-_/.:]"
# A code has no spaces but after a paragraph mark or capitals ("ISO 9001", "AX 200 B"), around the x
# of measures and before a bracket; it is looked for around digits only, as most text has none.
_FROM_DIGIT = re.compile(r"\d\S*")
_BEFORE = re.compile(r"(?:(?<![^\W_])[A-Z]{1,5}[ ]|§+[ ]?)\Z")
_AFTER = re.compile(
    r"(?:[ ]x[ ]?\d[^\s]*|[ ]\([^\W_]{1,4}\)){1,3}|[ ][A-Z]{1,2}(?![^\W_]|[+#]|[-_/.:][^\W_])"
)
_CODE = re.compile(
    rf"""(?<![^\W_])(?:§+[ ]?|[A-Z]{{1,5}}[ ](?=\d))?
    [^\W_]+(?:{_SEPARATORS}[^\W_]+|[ ]?\([^\W_]{{1,4}}\)|(?<=\d)[ ]?x[ ]?(?=\d)[^\W_]+)*
    (?:(?<=\d)[ ][A-Z]{{1,2}}(?![^\W_]|[+#]|[-_/.:][^\W_]))?""",
    re.VERBOSE,
)
# The first digit is matched before what must not stand before it, so that a search skips everything
# else.
_NUMBER = re.compile(
    r"\d(?<![\d.,].)\d{0,2}(?:([ ,'])\d{3})(?:\1\d{3})*(?!\d)|\d(?<![\d.,].)\d*,\d{1,2}(?!,?\d)",
    re.DOTALL,
)
_FRACTION = re.compile(r"\d(?<![\d/.].)(?<!\d[ ].)\d*(?:[ ]\d+)?/\d+(?![\d/])", re.DOTALL)
_TELEPHONE = re.compile(r"\d(?<![\d.,].)(?<!\d[ /)-].)[\d()/ -]{5,18}\d(?![\d()/ -]*\d)", re.DOTALL)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DOTTED = re.compile(r"\.(?<![\w.].)[A-Za-z]\w{1,7}\b", re.DOTALL)  # .NET, .pdf
_SYMBOL = re.compile(r"(?<!\w)(?:[A-Za-z]\+\+|[A-Za-z]#(?![^\W\d])|[A-Z]{1,3}&[A-Z]{1,3}\b)")
_DIGITS = re.compile(r"\d")
_SPACED_IN = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Code:
    """A code at a place of a folded text. `names` are the names it goes by, the whole one first,
    then its beginnings.

    `instead` says that its letters alone are another word: C is not C++.
    """

    span: Span
    names: tuple[str, ...]
    instead: bool = False


def find_codes(text: str) -> Iterator[Code]:
    """The codes in a folded text, kind by kind."""
    if "++" in text or "#" in text or "&" in text:
        for match in _SYMBOL.finditer(text):
            yield Code(Span(*match.span()), (match[0].lower(),), instead=match[0][-1] in "+#")
    for match in _DOTTED.finditer(text):
        yield Code(Span(*match.span()), (match[0].lower(),))
    if "@" in text:
        for match in _MAIL.finditer(text):
            yield Code(Span(*match.span()), (match[0].lower(),))
    if _DIGITS.search(text):
        yield from _numbered(text)


def _numbered(text: str) -> Iterator[Code]:
    done = 0
    for around in _FROM_DIGIT.finditer(text):
        if around.start() < done:
            continue
        start = (
            max(text.rfind(" ", done, around.start()), text.rfind("\n", done, around.start())) + 1
        )
        before = _BEFORE.search(text, max(0, start - 7), start)
        after = _AFTER.match(text, around.end())
        start, done = before.start() if before else max(start, done), (after or around).end()
        for match in _CODE.finditer(text, start, done):
            if names := names_of(match[0]):
                yield Code(Span(*match.span()), names)
    for match in _NUMBER.finditer(text):
        name = match[0].replace(",", ".") if match[1] is None else re.sub(r"\D", "", match[0])
        yield Code(Span(*match.span()), (name,))
    for match in _FRACTION.finditer(text):
        yield Code(Span(*match.span()), (match[0].replace(" ", "+"),))
    for match in _TELEPHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if digits != match[0]:
            yield Code(Span(*match.span()), (digits,))


@lru_cache(1 << 14)
def names_of(written: str) -> tuple[str, ...]:
    """The names of one code, the whole one first; () for what is no code, and for what its words
    say as well."""
    groups = [(match[0].lower(), match.start()) for match in _GROUP.finditer(written)]
    if len(groups) < 2 or len(written) > _LONGEST or not _DIGITS.search(written):
        return ()
    letters = any(not group.isdigit() for group, _ in groups)
    if not letters and "/" in written and len(groups) == 2:
        return ()  # a fraction, or a telephone number
    name, prefixes = groups[0][0], list[str]()
    for place in range(1, len(groups)):
        (before, start), (group, at) = groups[place - 1 : place + 1]
        both = before.isdigit() and group.isdigit()
        name += (_between(written[start + len(before) : at], letters) if both else "") + group
        if _DIGITS.search(name):
            prefixes.append(name)
    digits = "".join(group for group, _ in groups)
    joined = sum(map(str.isdigit, digits)) >= _SURE_DIGITS and "." not in written
    same = written.lower() == name and len(groups) == 2  # the word itself
    names = [
        *([] if same else [name]),
        *([digits] if joined else []),
        *prefixes[:-1][:_MOST_GROUPS],
    ]
    return tuple(dict.fromkeys(names))


def _between(separator: str, letters: bool) -> str:
    """What parts two numbers of a code: 1.2 is not 12, and 1/2 is not 1.2."""
    if letters or not separator.strip():
        return "."
    return {"_": "-", ":": "-", "(": "."}.get(separator.strip()[:1], separator.strip()[:1])


def code_name(text: str) -> str:
    """The name of a text that is one code; "" for any other."""
    folded = alike(text).strip()
    if _SYMBOL.fullmatch(folded) or _DOTTED.fullmatch(folded) or _MAIL.fullmatch(folded):
        return folded.lower()
    groups = _GROUP.findall(folded)
    if not (2 <= len(groups) <= 2 * _MOST_GROUPS and _DIGITS.search(folded)):
        return ""
    if not re.fullmatch(rf"§?[ ]?[^\W_]+(?:(?:{_SEPARATORS}|[ ])[^\W_]+|\([^\W_]+\))*", folded):
        return ""
    if any(len(group) > 5 for group in groups if not group.isdigit()):
        return ""
    return "".join(_joined(groups)).lower()


def _joined(groups: list[str]) -> Iterator[str]:
    for place, group in enumerate(groups):
        yield ("." if place and groups[place - 1].isdigit() and group.isdigit() else "") + group


def asked_names(text: str) -> Iterator[str]:
    """Names that words of a question with spaces between them may be: "ax 200 b" is `ax200b`. Most
    are none's."""
    words = [(match[0].lower(), match.span()) for match in _SPACED_IN.finditer(text)]
    for first in range(len(words)):
        run, last = list[str](), 0
        for word, (start, end) in words[first : first + 4]:
            near = not run or text[last:start] in (" ", "-", "/", ".", "_", " x ")
            if not near or (len(word) > 5 and not word.isdigit()):
                break
            run += _GROUP.findall(word)
            last = end
            if len(run) > 1 and any(map(str.isdigit, run)) and not all(map(str.isdigit, run)):
                yield "".join(_joined(run))


def parts_of(word: str) -> list[str]:
    """The groups of a code that is written in one piece, for texts that part it: "AX200B" is ax,
    200, b."""
    groups = _GROUP.findall(word.lower())
    sure = len(groups) > 2 or (
        len(groups) == 2 and any(len(one) > 2 for one in groups if one.isdigit())
    )
    return groups if sure and len(groups) <= _MOST_GROUPS else []


def respelt(question: str, texts: list[str]) -> str:
    """A question with its codes written as `texts` write them; one that stands in a text as it is
    asked for stays.

    Readers compare letters, and do not know that "AX200B" is "AX-200-B".
    """
    folded = matched(question)
    if not _DIGITS.search(folded):
        return question
    seen = [matched(text) for text in texts]
    spellings: dict[str, str] | None = None
    traced = alike.trace(question)
    words = [match.span() for match in _SPACED_IN.finditer(traced.text)]
    found: list[tuple[int, int, str]] = []
    place = 0
    while place < len(words):
        taken = 1
        for count in range(min(5, len(words) - place), 0, -1):
            start, end = words[place][0], words[place + count - 1][1]
            written = traced.text[start:end]
            if not (name := code_name(written)) or (_DIGITS.search(written) is None):
                continue
            if any(_stands(written.lower(), text) for text in seen):
                taken = count
                break
            spellings = _spellings(texts) if spellings is None else spellings
            if spelling := spellings.get(name):
                found.append((start, end, spelling))
                taken = count
                break
        place += taken
    for start, end, spelling in reversed(found):
        span = traced.span(start, end)
        question = question[: span.start] + spelling + question[span.end :]
    return question


def _stands(code: str, text: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(code)}(?![^\W_])", text) is not None


def _spellings(texts: list[str]) -> dict[str, str]:
    """The first spelling of each code in the texts, by its name."""
    found: dict[str, str] = {}
    for text in texts:
        folded = alike(text)
        for code in find_codes(folded):
            written = folded[code.span.start : code.span.end]
            if name := code_name(written):
                found.setdefault(name, written)
    return found
