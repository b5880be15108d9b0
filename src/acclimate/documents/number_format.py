"""Numbers as a spreadsheet's number format shows them: the codes of ECMA-376, part 1, §18.8.30 and
§18.8.31.

Separators are "." and ",", names of months and days English: a format does not say in which
language it was looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne

from acclimate.documents.number_dates import is_moment, show_moment

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>General)|(?P<exponent>[Ee][+-])|(?P<half>AM/PM|A/P)"
    r"|(?P<moment>[Yy]+|[Mm]+|[Dd]+|[Hh]+|[Ss]+(?:\.0+)?|[Ee](?![+-])|[Bb]+|[Gg]+)"
    r"|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_ELAPSED = re.compile(r"(?:h+|m+|s+)", re.IGNORECASE)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)")
_COMPARE = {"<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "<>": ne}
_PLACES = frozenset("0#?")
_USUAL = re.compile(r"(?:(?P<grouped>#,##0)|(?P<zeros>#*0?))(?:\.(?P<decimals>0+))?")
_ROUNDED = Decimal("1e20")  # what is larger has no decimal places to round
_MOST = 200  # characters of a format: Excel takes up to 255 of it
_WHOLE = 1e15  # from here on a double does not tell each integer

# The built-in formats that every program knows by number. Where they are those of the user's
# country, as dates (14, 22) and money are, a form stands here that reads the same everywhere.
BUILT_IN = {
    **{
        0: "General",
        1: "0",
        2: "0.00",
        3: "#,##0",
        4: "#,##0.00",
        9: "0%",
        10: "0.00%",
        11: "0.00E+00",
    },
    **{12: "# ?/?", 13: "# ??/??", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy"},
    **{18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm"},
    **dict.fromkeys((5, 6), "#,##0;-#,##0"),
    **dict.fromkeys((7, 8), "#,##0.00;-#,##0.00"),
    **dict.fromkeys((37, 38), "#,##0 ;(#,##0)"),
    **dict.fromkeys((39, 40), "#,##0.00;(#,##0.00)"),
    **dict.fromkeys((41, 42), '#,##0;(#,##0);"-";@'),
    **dict.fromkeys((43, 44), '#,##0.00;(#,##0.00);"-";@'),
    **{45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@"},
    **dict.fromkeys((*range(27, 32), 36, *range(50, 59)), "yyyy-mm-dd"),
    **dict.fromkeys((32, 34), "h:mm"),
    **dict.fromkeys((33, 35), "h:mm:ss"),
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a format: `kind` "text" is shown as it is, "moment" and "elapsed" are parts of
    dates and durations, "half" is AM or PM, "place" a digit, others what they are called."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Plain:
    """The usual section: texts around places that lie together, as in "#,##0.00 kg".

    At least `least` digits stand before the point.
    """

    before: str
    after: str
    decimals: Decimal
    least: int
    form: str  # of Python: "f", or ",f" with thousands apart
    scale: int  # powers of ten

    def show(self, value: Decimal) -> str:
        """A number of no sign."""
        digits = format(value.scaleb(self.scale).quantize(self.decimals, ROUND_HALF_UP), self.form)
        if self.least == 0:
            digits = digits.removeprefix("0")
        return f"{self.before}{digits}{self.after}"


@dataclass(frozen=True, slots=True)
class _Section:
    tokens: tuple[Token, ...]
    condition: tuple[str, float] | None
    moment: bool = False
    general: bool = False
    plain: _Plain | None = None

    def takes(self, number: float) -> bool:
        """Whether its own condition lets it show a number."""
        return self.condition is None or bool(
            _COMPARE[self.condition[0]](number, self.condition[1])
        )

    @property
    def negative_only(self) -> bool:
        """Whether its condition holds for numbers below zero only."""
        sign, bound = self.condition or ("", 0.0)
        return (sign == "<" and bound <= 0) or (sign in ("<=", "=") and bound < 0)


class NumberFormat:
    """A format of up to four sections: positive, negative, zero, text."""

    def __init__(self, code: str) -> None:
        self._sections = [_section(part) for part in split_sections(code[:_MOST])]

    def show(self, number: float, *, from_1904: bool = False) -> str:
        """A number as the format shows it; a date counts days from 1900, or from 1904."""
        section, bare = self._choose(number)
        if section is None:
            return "#" * 8  # as Excel does where no section takes the number
        tokens, number = section.tokens, float(number)
        if section.moment:
            shown = show_moment(tokens, number, from_1904)
            return general(number) if shown is None else shown
        sign = "-" if number < 0 and not bare else ""
        value = Decimal(f"{abs(number):.15g}")
        if section.plain and value < _ROUNDED:
            return sign + section.plain.show(value)
        if section.general:
            said = general(abs(number))
            return sign + "".join(
                said if token.kind in ("general", "@") else token.text for token in tokens
            )
        if not any(token.kind == "place" for token in tokens):
            return sign * bool(tokens) + "".join(token.text for token in tokens)
        return sign + _show_digits(tokens, value)

    def show_text(self, text: str) -> str:
        """A text as the format shows it."""
        last = self._sections[-1].tokens
        if len(self._sections) < 4 and not any(token.kind == "@" for token in last):
            return text
        return "".join(text if token.kind == "@" else token.text for token in last)

    def _choose(self, number: float) -> tuple[_Section | None, bool]:
        """The section for a number, and whether it says itself that the number is negative."""
        sections = self._sections[:3]
        if len(sections) > 1 and any(token.kind == "@" for token in self._sections[-1].tokens):
            sections = sections[: max(1, len(self._sections) - 1)]
        if any(section.condition for section in sections):
            found = next((section for section in sections if section.takes(number)), None)
            second = (
                found is not None
                and len(sections) > 1
                and found is sections[1]
                and not found.condition
            )
            return found, found is not None and (
                found.negative_only or (second and sections[0].takes(0.0))
            )
        if len(sections) == 1:
            return sections[0], False
        if number < 0:
            return sections[1], True
        return (sections[2] if number == 0 and len(sections) > 2 else sections[0]), False


@lru_cache(maxsize=4096)
def number_format(code: str) -> NumberFormat:
    """The format that a code stands for."""
    return NumberFormat(code)


def general(number: float) -> str:
    """A number in the format General: up to 11 characters, as Excel shows it, but whole numbers
    with all their digits, as article numbers are."""
    if number.is_integer() and abs(number) < _WHOLE:
        return str(int(number))
    rounded = Decimal(f"{number:.10g}")
    if rounded == 0:
        return "0"
    power = rounded.adjusted()
    if -5 < power < 0:
        rounded = Decimal(f"{number:.{10 + power}g}")
    plain = f"{rounded:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    if len(plain.lstrip("-")) <= 11:
        return plain
    digits, _, exponent = f"{number:.5E}".partition("E")
    return f"{digits.rstrip('0').rstrip('.')}E{exponent}"


def split_sections(code: str) -> list[str]:
    """A code's sections, which semicolons separate outside quotes, brackets and after no
    backslash."""
    sections = [""]
    for match in re.finditer(r'"[^"]*"?|\\.|[_*].|\[[^\]]*\]|.', code, re.DOTALL):
        if match[0] == ";":
            sections.append("")
        else:
            sections[-1] += match[0]
    return sections[:4]


def _section(code: str) -> _Section:  # noqa: C901
    tokens: list[Token] = []
    condition = None
    for match in _TOKEN.finditer(code):
        kind, text = match.lastgroup or "", match[match.lastgroup or 0]
        if kind in ("quoted", "escaped"):
            tokens.append(Token("text", text))
        elif kind == "space":
            tokens.append(Token("text", " "))
        elif kind == "bracket":
            if found := _CONDITION.fullmatch(text):
                condition = (found[1], float(found[2]))
            elif text.startswith("$"):  # a currency and the number of a country
                tokens.append(Token("text", text[1:].split("-")[0]))
            elif _ELAPSED.fullmatch(text):
                tokens.append(Token("elapsed", text.lower()))
        elif kind == "other":
            tokens.append(
                Token(
                    {"@": "@", ".": "point", ",": "comma", "%": "percent"}.get(text, "text"), text
                )
            )
            if text in _PLACES:
                tokens[-1] = Token("place", text)
        elif kind != "fill":
            tokens.append(Token(kind, text.lower() if kind == "moment" else text))
    general = any(token.kind in ("general", "@") for token in tokens)
    return _Section(tuple(tokens), condition, is_moment(tokens), general, _plain(tokens))


def _plain(tokens: Sequence[Token]) -> _Plain | None:
    """The section as a plain one, or None where it is of another kind."""
    places = [at for at, token in enumerate(tokens) if token.kind == "place"]
    if not places:
        return None
    inner = "".join(token.text for token in tokens[places[0] : places[-1] + 1])
    outer = [*tokens[: places[0]], *tokens[places[-1] + 1 :]]
    match = _USUAL.fullmatch(inner)
    if match is None or any(
        token.kind not in ("text", "percent") or token.text == "/" for token in outer
    ):
        return None
    return _Plain(
        before="".join(token.text for token in tokens[: places[0]]),
        after="".join(token.text for token in tokens[places[-1] + 1 :]),
        decimals=Decimal(1).scaleb(-len(match["decimals"] or "")),
        least=1 if match["grouped"] else match["zeros"].count("0"),
        form=",f" if match["grouped"] else "f",
        scale=2 * sum(token.kind == "percent" for token in outer),
    )


def _show_digits(tokens: Sequence[Token], value: Decimal) -> str:
    """Digits of a number of no sign in their places."""
    value = value.scaleb(2 * sum(token.kind == "percent" for token in tokens))
    places = [at for at, token in enumerate(tokens) if token.kind == "place"]
    slash = next((at for at, token in enumerate(tokens) if token == Token("text", "/")), None)
    if slash is not None and places[0] < slash:
        return _show_fraction(tokens, slash, value)
    if any(token.kind == "exponent" for token in tokens):
        return _show_exponent(tokens, value)
    grouped = False
    kept = []
    for at, token in enumerate(tokens):
        if token.kind != "comma":
            kept.append(token)
        elif at > places[-1] or (at + 1 < len(tokens) and tokens[at + 1].kind == "point"):
            value = value.scaleb(-3)  # commas after the digits: in thousands
        elif at > places[0]:
            grouped = True
    return _fill(kept, value, grouped)


def _fill(tokens: Sequence[Token], value: Decimal, grouped: bool = False) -> str:
    """The tokens with the digits of `value`, rounded to their decimal places, in them."""
    point = next((at for at, token in enumerate(tokens) if token.kind == "point"), len(tokens))
    decimals = [token.text for token in tokens[point:] if token.kind == "place"]
    rounded = (
        value.quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP)
        if value < _ROUNDED
        else value
    )
    whole, _, rest = f"{rounded:f}".partition(".")
    return _fill_whole(tokens[:point], whole.lstrip("0"), grouped) + _fill_rest(
        tokens[point:], rest
    )


def _fill_whole(tokens: Sequence[Token], digits: str, grouped: bool) -> str:
    """Digits from the right; the first place takes all that are left."""
    out: list[str] = []
    left, written = digits, 0
    places = sum(token.kind == "place" for token in tokens)
    for token in reversed(tokens):
        if token.kind != "place":
            out.append("" if token.kind == "comma" else token.text)
            continue
        places -= 1
        take = len(left) if places == 0 else 1
        piece, left = left[len(left) - take :] if take else "", left[: len(left) - take]
        for digit in reversed(piece or {"0": "0", "?": " "}.get(token.text, "")):
            if grouped and written and written % 3 == 0 and digit != " ":
                out.append(",")
            out.append(digit)
            written += 1
    return "".join(reversed(out))


def _fill_rest(tokens: Sequence[Token], digits: str) -> str:
    """The point and digits from the left; zeros at the end only where the format asks for them."""
    used = len(digits.rstrip("0"))
    out, at = [], 0
    for token in tokens:
        if token.kind != "place":
            out.append(token.text)
            continue
        shown = digits[at : at + 1] or "0"
        out.append(shown if at < used or token.text == "0" else " " * (token.text == "?"))
        at += 1
    return "".join(out)


def _show_exponent(tokens: Sequence[Token], value: Decimal) -> str:
    at = next(at for at, token in enumerate(tokens) if token.kind == "exponent")
    before = tokens[:at]
    point = next((index for index, token in enumerate(before) if token.kind == "point"), at)
    step = max(1, sum(token.kind == "place" for token in before[:point]))
    decimals = sum(token.kind == "place" for token in before[point:])
    power = value.adjusted() if value else 0
    power -= power % step
    shown = value.scaleb(-power).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    if shown >= Decimal(1).scaleb(step):
        power, shown = power + step, shown.scaleb(-step)
    sign = "-" if power < 0 else "+" * (tokens[at].text[-1] == "+")
    return f"{_fill(before, shown)}E{sign}{_fill(tokens[at + 1 :], Decimal(abs(power)))}"


def _near(exact: Fraction, most: int) -> tuple[int, int]:
    """The last convergent of the continued fraction with a denominator of at most `most`, which is
    what Excel shows."""
    before, last, rest = (0, 1), (1, 0), exact
    while True:
        whole = rest.numerator // rest.denominator
        following = whole * last[0] + before[0], whole * last[1] + before[1]
        if following[1] > most:
            return last
        before, last = last, following
        if abs(rest - whole) < Fraction(1, 20_000_000):
            return last
        rest = 1 / (rest - whole)


def _show_fraction(tokens: Sequence[Token], slash: int, value: Decimal) -> str:
    """A fraction, with whole numbers before it where the format has places for them ("# ?/?")."""
    top = slash
    while top and tokens[top - 1].kind == "place":
        top -= 1
    whole_places = any(token.kind == "place" for token in tokens[:top])
    below = [
        token.text for token in tokens[slash + 1 :] if token.kind == "place" or token.text.isdigit()
    ]
    fixed = "".join(below).strip("#?")
    exact = Fraction(value)
    whole = int(exact) if whole_places else 0
    if fixed.strip("0").isdigit():  # a denominator that the format names
        bottom = int(fixed)
        upper = int((exact - whole) * bottom + Fraction(1, 2))
    else:
        upper, bottom = _near(exact - whole, 10 ** min(len(below), 7) - 1)
    if whole_places and upper == bottom:
        whole, upper = whole + 1, 0
    shown = _fill(tokens[:top], Decimal(whole)) if whole_places else ""
    if not upper and whole_places:
        return shown.strip() or "0"
    return f"{shown.strip()} {upper}/{bottom}".strip()
