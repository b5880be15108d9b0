"""Texts compared with their numbers as numbers: 12.5 is not 125, −5 is not 5, and 1.5 kg is 1,500
g.

SQuAD's normalisation takes points and signs away. Here a text becomes words, normalised as SQuAD's
are, and quantities: a value with a unit. Rules where writing is ambiguous:

- `1,234` is thousands, `1.234` is decimal; `1.234,50`, `1 234,50`, `1'234` and `12,5` can only be read in one way.
- A dash between two numbers is a range (`8-16` is “8 to 16”), after a letter a part of a name, else a sign.
- Dates, times, versions, ratios and names with digits in them (AX-200, v1.2.3) are words and compared as written.
- Units of one dimension are converted; a quantity with a unit never equals one without, or one of another dimension.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

_GROUP = "[ \u00a0\u2009\u202f'’]"
_NUMBER = re.compile(
    rf"""
    (?P<dotted>\d{{1,3}}(?:\.\d{{3}})+),(?P<dotted_rest>\d+)
    | (?P<dots>\d{{1,3}}(?:\.\d{{3}}){{2,}})(?![.,]?\d)
    | (?P<name>\d+(?:[./:-]\d+){{2,}} | \d+[:/]\d+)
    | (?P<spaced>\d{{1,3}}(?:{_GROUP}\d{{3}})+)(?:[.,](?P<spaced_rest>\d+))?
    | (?P<english>\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}})(?:\.(?P<english_rest>\d+))?
    | (?P<plain>\d+)(?:[.,](?P<plain_rest>\d+))?
    | [.,](?P<bare>\d+)
    """,
    re.VERBOSE,
)
_TINY = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_SMALL = {word: number for number, word in enumerate(f"{_TINY} eighteen nineteen".split())}
_TENS = {
    word: 10 * number
    for number, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), 2
    )
}
_SPELT = re.compile(
    rf"(?<![\w-])(?:(?P<tens>{'|'.join(_TENS)})(?:[ -](?P<ones>{'|'.join(list(_SMALL)[1:10])}))?"
    rf"|(?P<small>{'|'.join(_SMALL)}))(?![\w-])",
    re.IGNORECASE,
)
_DASH = re.compile(r"\s*[-‐−–—]\s*")
_LEAD = re.compile(
    r"(?P<outer>[-‐−–+]\s?(?=[U$€£¥₹]))?(?P<currency>(?:US\$|[$€£¥₹])\s?)?(?P<inner>[-‐−–+])?$"
)
_MINUS = re.compile(r"\bminus\s+(?=[\d.$€£¥₹])", re.IGNORECASE)
_TIMES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "bn": 9, "mn": 6}
_CURRENCIES = {"US$": "usd", "$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "₹": "inr"}


def _table(text: str) -> dict[str, tuple[str, Decimal]]:
    """`dimension: factor name name, factor name; …` as name → (dimension, factor)."""
    found: dict[str, tuple[str, Decimal]] = {}
    for line in text.strip().split("\n"):
        dimension, _, units = line.strip().partition(": ")
        for unit in units.split(", "):
            factor, *names = unit.split(" ")
            found |= {name: (dimension, Decimal(factor)) for name in names}
    return found


# Symbols as they are written; those in _WORDS in any case, and with another plural.
_SYMBOLS = _table("""
    mass: 0.001 mg, 1 g, 1000 kg, 1000000 t, 453.59237 lb lbs, 28.349523125 oz
    length: 0.001 mm, 0.01 cm, 1 m, 1000 km, 0.3048 ft, 0.000001 µm μm
    time: 0.001 ms, 1 s, 60 min, 3600 h
    volume: 1 ml mL, 10 cl, 100 dl, 1000 l L, 1000000 m³ m3
    area: 1 m² m2, 0.0001 cm² cm2, 10000 ha, 1000000 km² km2
    power: 0.001 mW, 1 W, 1000 kW, 1000000 MW, 1000000000 GW
    energy: 1 Wh, 1000 kWh, 1000000 MWh
    voltage: 0.001 mV, 1 V, 1000 kV
    current: 0.001 mA, 1 A
    frequency: 1 Hz, 1000 kHz, 1000000 MHz, 1000000000 GHz
    data: 1 B, 1000 kB KB, 1000000 MB, 1000000000 GB, 1000000000000 TB, 1024 KiB, 1048576 MiB, 1073741824 GiB
    pressure: 1 Pa, 100 hPa mbar, 1000 kPa, 100000 bar, 1000000 MPa
    speed: 1 km/h kph, 3.6 m/s, 1.609344 mph
    celsius: 1 °C ℃
    fahrenheit: 1 °F
    degrees: 1 °
    percent: 1 %
    decibel: 1 dB
    usd: 1 $ USD US$
    eur: 1 € EUR
    gbp: 1 £ GBP
    jpy: 1 ¥ JPY
    inr: 1 ₹ INR
    chf: 1 CHF
    nok: 1 NOK
    sek: 1 SEK
    dkk: 1 DKK
    kr: 1 kr kr.
""")
_WORDS = _table("""
    mass: 1 gram, 1000 kilogram kilo, 1000000 tonne, 0.001 milligram, 28.349523125 ounce
    length: 1 metre meter, 0.01 centimetre centimeter, 0.001 millimetre millimeter, 1000 kilometre kilometer
    length: 1609.344 mile, 0.3048 foot feet, 0.0254 inch inche, 0.9144 yard
    time: 1 second sec, 60 minute, 3600 hour hr, 86400 day, 604800 week, 0.001 millisecond
    months: 1 month, 12 year
    volume: 1000 litre liter, 1 millilitre milliliter
    area: 10000 hectare
    power: 1 watt, 1000 kilowatt kw, 1000000 megawatt
    energy: 1000 kwh
    voltage: 1 volt
    current: 1 ampere amp
    frequency: 1 hertz, 1000 khz, 1000000 mhz, 1000000000 ghz
    data: 1 byte, 1000 kilobyte, 1000000 megabyte mb, 1000000000 gigabyte gb, 1000000000000 terabyte tb
    mass: 1000 kg
    length: 1000 km, 0.01 cm, 0.001 mm
    percent: 1 percent
    usd: 1 dollar usd
    eur: 1 euro eur
    jpy: 1 yen jpy
    inr: 1 rupee inr
    gbp: 1 gbp
    chf: 1 franc chf
    kr: 1 krone kroner krona kronor
    decibel: 1 decibel
""")
_UNIT = re.compile(
    r"[ \u00a0\u2009\u202f-]?(per cent(?!\w)|km/h|m/s|US\$|[°℃%$€£¥₹]C?F?|[^\W\d_]+[²³23]?(?!\w))"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value in its dimension's own unit; `dimension` "" for a plain number."""

    value: Decimal
    dimension: str = ""


Token = str | Quantity
Normalise = Callable[[str], str]


def read_tokens(text: str, normalise: Normalise) -> list[Token]:
    """The words of a text, normalised, and its quantities, in order."""
    text = _SPELT.sub(_digits, _MINUS.sub("-", text))
    tokens: list[Token] = []
    at = 0
    while (match := _NUMBER.search(text, at)) is not None:
        start, end = match.span()
        if match["name"] or _in_a_name(text, start, end):
            start, end = _word_around(text, start, end, at)
            tokens += normalise(text[at:start]).split()
            tokens.append(text[start:end].casefold())
            at = end
            continue
        before, sign, currency = _before(
            text[at:start], bool(tokens) and isinstance(tokens[-1], Quantity)
        )
        tokens += normalise(before).split()
        value, end = _times(text, end, sign * _value(match))
        dimension, factor, end = _unit(text, end, currency)
        tokens.append(Quantity((value * factor).normalize(), dimension))
        at = end
    return tokens + list(normalise(text[at:]).split())


def _digits(match: re.Match[str]) -> str:
    if match["small"]:
        return str(_SMALL[match["small"].casefold()])
    return str(
        _TENS[match["tens"].casefold()] + (_SMALL[match["ones"].casefold()] if match["ones"] else 0)
    )


def _in_a_name(text: str, start: int, end: int) -> bool:
    """Whether the digits belong to a name: a letter stands right before, or right after them
    letters of no unit."""
    before, after = text[:start], text[end:]
    if re.search(r"[^\W\d_][-‐_./]?$", before):
        return True
    return bool(re.match(r"[^\W\d_]", after)) and _unit(text, end, "")[0] == ""


def _word_around(text: str, start: int, end: int, least: int) -> tuple[int, int]:
    while start > least and re.match(r"[\w./_-]", text[start - 1]):
        start -= 1
    while end < len(text) and (
        text[end].isalnum() or (text[end] in "-./_" and text[end + 1 : end + 2].isalnum())
    ):
        end += 1
    return start, end


def _before(text: str, after_number: bool) -> tuple[str, int, str]:
    """The words before a number, its sign, and the currency between."""
    if after_number and _DASH.fullmatch(text):
        return "to", 1, ""
    match = _LEAD.search(text)
    if match is None:  # it matches the empty end of any text
        return text, 1, ""
    rest, sign = text[: match.start()], (match["outer"] or match["inner"] or "").strip()
    currency = _CURRENCIES.get((match["currency"] or "").strip(), "")
    if sign and rest[-1:].isalnum():
        return f"{rest} to", 1, currency
    return rest, -1 if sign and sign != "+" else 1, currency


def _value(match: re.Match[str]) -> Decimal:
    for name in ("spaced", "english", "dotted", "plain"):
        if match[name]:
            whole = re.sub(r"\D", "", match[name])
            return Decimal(f"{whole}.{match[f'{name}_rest'] or 0}")
    return (
        Decimal(f"0.{match['bare']}") if match["bare"] else Decimal(match["dots"].replace(".", ""))
    )


def _times(text: str, end: int, value: Decimal) -> tuple[Decimal, int]:
    """“1.5 million” as its value."""
    match = re.match(r"\s?([a-z]+)\b", text[end:], re.IGNORECASE)
    if match and match[1].casefold() in _TIMES:
        return value.scaleb(_TIMES[match[1].casefold()]), end + match.end()
    return value, end


def _unit(text: str, end: int, currency: str) -> tuple[str, Decimal, int]:
    if currency:
        return currency, Decimal(1), end
    match = _UNIT.match(text, end)
    if match is None:
        return "", Decimal(1), end
    name = match[1]
    found = _SYMBOLS.get(name) or _WORDS.get("percent" if name == "per cent" else name.casefold())
    if found is None and name.casefold().endswith("s"):
        found = _WORDS.get(name.casefold().removesuffix("s"))
    return ("", Decimal(1), end) if found is None else (*found, match.end())


def number_match(text: str, references: Sequence[str], normalise: Normalise) -> float:
    """1 where words and quantities of the text are those of a reference, else 0."""
    tokens = read_tokens(text, normalise)
    return float(any(tokens == read_tokens(reference, normalise) for reference in references))


def number_f1(text: str, references: Sequence[str], normalise: Normalise) -> float:
    """Best overlap of words and quantities with a reference: the harmonic mean of precision and
    recall, 0 to 1."""
    tokens = read_tokens(text, normalise)
    return max(
        (_f1(tokens, read_tokens(reference, normalise)) for reference in references), default=0.0
    )


def _f1(tokens: Sequence[Token], wanted: Sequence[Token]) -> float:
    if not tokens or not wanted:
        return float(tokens == wanted)
    return 2 * sum((Counter(tokens) & Counter(wanted)).values()) / (len(tokens) + len(wanted))
