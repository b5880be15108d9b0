"""Dates, times and durations as a spreadsheet's number format shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FROM_1904 = 1462  # days between the two ways to count
_MOST_DAYS = 2_958_466  # 10000-01-01
_LEAP = 60  # the 29th of February 1900, which Excel counts and which was none


class Part(Protocol):
    """A piece of a number format."""

    @property
    def kind(self) -> str:
        """What it is."""

    @property
    def text(self) -> str:
        """As it stands in the format, in small letters where it is a part of a date."""


def is_moment(tokens: Sequence[Part]) -> bool:
    """Whether a format shows a date, a time or a duration."""
    return any(token.kind in ("moment", "elapsed", "half") for token in tokens)


def show_moment(tokens: Sequence[Part], days: float, from_1904: bool) -> str | None:
    """Days since the beginning of 1900, or of 1904, in a format; None for what no date or duration
    stands for."""
    if abs(days) >= _MOST_DAYS:
        return None
    if any(token.kind == "elapsed" for token in tokens):
        return _show_elapsed(tokens, days)
    days += _FROM_1904 if from_1904 else 0
    if not 0 <= days < _MOST_DAYS:
        return None
    decimals = max(
        (len(token.text.partition(".")[2]) for token in tokens if token.kind == "moment"), default=0
    )
    moment = _moment(days, decimals)
    twelve = any(token.kind == "half" for token in tokens)
    out = []
    for at, token in enumerate(tokens):
        if token.kind == "half":
            name = "AM" if moment.hour < 12 else "PM"
            out.append(name[: len(token.text) // 2])
        elif token.kind == "moment":
            out.append(_part(token.text, moment, twelve, _is_minute(tokens, at), days))
        else:
            out.append(token.text)
    return "".join(out)


def _moment(days: float, decimals: int) -> datetime:
    """The date and time, rounded to the seconds that are shown."""
    whole = int(days)
    seconds = round((days - whole) * 86400, decimals)
    first = datetime(1899, 12, 31) if whole < _LEAP else datetime(1899, 12, 30)
    return first + timedelta(days=whole, seconds=seconds)


def _is_minute(tokens: Sequence[Part], at: int) -> bool:
    """Whether "m" are minutes: those after hours and those before seconds."""
    if not tokens[at].text.startswith("m"):
        return False
    before = _first_time(reversed(tokens[:at]))
    after = _first_time(tokens[at + 1 :])
    return (before in ("h", "s") and len(tokens[at].text) < 3) or after == "s"


def _first_time(tokens: Iterable[Part]) -> str:
    """The letter of the first token that is a time; "" where none is."""
    return next((token.text[0] for token in tokens if token.kind in ("moment", "elapsed")), "")


def _part(text: str, moment: datetime, twelve: bool, minute: bool, days: float) -> str:
    length = len(text)
    match text[0]:
        case "y" | "e":
            return f"{moment.year % 100:02}" if text[0] == "y" and length < 3 else f"{moment.year}"
        case "b":
            return f"{(moment.year + 543) % 100:02}" if length < 3 else f"{moment.year + 543}"
        case "m" if minute:
            return f"{moment.minute:0{min(length, 2)}}"
        case "m":
            name = _MONTHS[moment.month - 1]
            return {1: f"{moment.month}", 2: f"{moment.month:02}", 3: name[:3], 5: name[0]}.get(
                length, name
            )
        case "d":
            leap = int(days) == _LEAP
            day, name = 29 if leap else moment.day, _DAYS[moment.weekday()]
            return {1: f"{day}", 2: f"{day:02}", 3: name[:3]}.get(length, name)
        case "h":
            hour = (moment.hour % 12 or 12) if twelve else moment.hour
            return f"{hour:0{min(length, 2)}}"
        case "s":
            whole, _, rest = text.partition(".")
            fraction = f".{moment.microsecond:06}"[: len(rest) + 1] if rest else ""
            return f"{moment.second:0{min(len(whole), 2)}}{fraction}"
        case _:  # the era
            return ""


def _show_elapsed(tokens: Sequence[Part], days: float) -> str:
    """A duration: the part in brackets takes all, the parts after it what is left."""
    decimals = max(
        (len(token.text.partition(".")[2]) for token in tokens if token.kind == "moment"), default=0
    )
    total = round(abs(days) * 86400, decimals)
    whole = int(total)
    units = {"h": whole // 3600, "m": whole // 60, "s": whole}
    within = {"h": whole // 3600 % 24, "m": whole // 60 % 60, "s": whole % 60}
    out = ["-" if days < 0 else ""]
    for token in tokens:
        if token.kind not in ("moment", "elapsed"):
            out.append(token.text)
            continue
        letters, _, rest = token.text.partition(".")
        amount = (units if token.kind == "elapsed" else within).get(letters[0], 0)
        fraction = f"{total - whole:.{len(rest)}f}"[1:] if rest else ""
        out.append(f"{amount:0{len(letters)}}{fraction}")
    return "".join(out)
