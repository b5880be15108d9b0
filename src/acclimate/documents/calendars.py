"""Calendar files and parts of mails (iCalendar, RFC 5545): what, when, where and who."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from acclimate.documents.builder import TextBuilder, clean
from acclimate.documents.text import read_text
from acclimate.errors import DocumentError
from acclimate.types import Document

_FOLD = re.compile(r"\n[ \t]")
_LINE = re.compile(r"([A-Za-z-]+)((?:;[^:;\"]*(?:\"[^\"]*\"[^:;\"]*)*)*):(.*)")
_PARAMETER = re.compile(r";([A-Za-z-]+)=(?:\"([^\"]*)\"|([^;:\"]*))")
_ESCAPE = re.compile(r"\\([nN,;\\])")
_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:\d+S)?)?")
_DAYS = {"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday"}
_DAYS |= {"SA": "Saturday", "SU": "Sunday"}
_MOST_GUESTS = 50

Line = tuple[dict[str, str], str]


class CalendarParser:
    """Reads a calendar file, a paragraph for each event."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        text, encoding = read_text(file)
        events = calendar_events(text)
        if not events:
            raise DocumentError(f"{path} is a calendar without an event.")
        builder = TextBuilder()
        for event in events:
            builder.add("paragraph", event)
        title = events[0].partition("\n")[0].partition(": ")[2] if len(events) == 1 else ""
        return builder.build(path, "", title, {"encoding": encoding})


def calendar_events(text: str) -> list[str]:
    """The events and tasks of a calendar, each as lines of name and value."""
    found: list[str] = []
    lines: list[tuple[str, Line]] = []
    inside, method = "", ""
    for line in _FOLD.sub("", clean(text)).split("\n"):
        match = _LINE.match(line)
        if match is None:
            continue
        name, value = match[1].upper(), match[3].strip()
        if name == "METHOD":
            method = value.upper()
        elif name == "BEGIN" and value.upper() in ("VEVENT", "VTODO", "VJOURNAL"):
            inside, lines = value.upper(), []
        elif name == "END" and inside and value.upper() == inside:
            found.append(_event(lines, method))
            inside = ""
        elif inside:
            parameters = {
                one[1].upper(): one[2] or one[3] or "" for one in _PARAMETER.finditer(match[2])
            }
            lines.append((name, (parameters, _ESCAPE.sub(_unescaped, value))))
    return [event for event in found if event]


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] in "nN" else match[1]


def _event(lines: list[tuple[str, Line]], method: str) -> str:
    values: dict[str, Line] = {}
    for name, line in lines:
        values.setdefault(name, line)
    guests = [_person(line) for name, line in lines if name == "ATTENDEE"]
    more = f" and {len(guests) - _MOST_GUESTS} more" if len(guests) > _MOST_GUESTS else ""
    cancelled = method == "CANCEL" or values.get("STATUS", ({}, ""))[1].upper() == "CANCELLED"
    said = {
        "Event": values.get("SUMMARY", ({}, ""))[1],
        "Status": "cancelled" if cancelled else "",
        "When": _when(values),
        "Repeats": _repeats(values.get("RRULE", ({}, ""))[1]),
        "Due": _moment(values["DUE"])[0] if "DUE" in values else "",
        "Where": values.get("LOCATION", ({}, ""))[1],
        "Organiser": _person(values["ORGANIZER"]) if "ORGANIZER" in values else "",
        "Invited": ", ".join(guests[:_MOST_GUESTS]) + more,
        "Description": values.get("DESCRIPTION", ({}, ""))[1],
    }
    return "\n".join(
        f"{name}: {' '.join(value.split())}" for name, value in said.items() if value.strip()
    )


def _when(values: dict[str, Line]) -> str:
    if "DTSTART" not in values:
        return ""
    start, begins = _moment(values["DTSTART"])
    whole_days = ":" not in start
    ends: datetime | None = None
    if "DTEND" in values:
        ends = _moment(values["DTEND"])[1]
    elif "DURATION" in values and begins is not None:
        ends = begins + _duration(values["DURATION"][1])
    zone = _zone(values["DTSTART"])
    if begins is None or ends is None:
        return f"{start}{zone}"
    if whole_days:
        last = ends - timedelta(days=1)  # the end is the first day after it: RFC 5545, 3.6.1
        return start if last <= begins else f"{start} to {last:%Y-%m-%d}"
    same_day = begins.date() == ends.date()
    return f"{start} to {ends:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}}{zone}"


def _moment(line: Line) -> tuple[str, datetime | None]:
    """A date or time as text and as a value; the text as it is where it is neither."""
    for form, shown in (
        ("%Y%m%dT%H%M%S", "%Y-%m-%d %H:%M"),
        ("%Y%m%dT%H%M", "%Y-%m-%d %H:%M"),
        ("%Y%m%d", "%Y-%m-%d"),
    ):
        try:
            value = datetime.strptime(line[1].rstrip("Z"), form)
        except ValueError:
            continue
        return value.strftime(shown), value
    return line[1], None


def _zone(line: Line) -> str:
    zone = line[0].get("TZID") or ("UTC" if line[1].endswith("Z") else "")
    return f" ({zone})" if zone else ""


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    weeks, days, hours, minutes = (
        (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    )
    return timedelta(
        weeks=min(weeks, 5000),
        days=min(days, 30_000),
        hours=min(hours, 10_000),
        minutes=min(minutes, 10**6),
    )


def _repeats(rule: str) -> str:
    """A rule of repetition in words; as it is where it says more."""
    parts = dict(part.split("=", 1) for part in rule.upper().split(";") if "=" in part)
    unit = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}.get(
        parts.pop("FREQ", "")
    )
    if unit is None:
        return rule
    every = parts.pop("INTERVAL", "1")
    said = f"every {unit}" if every == "1" else f"every {every} {unit}s"
    parts.pop("WKST", None)
    if all(day in _DAYS for day in parts.get("BYDAY", "MO").split(",")) and "BYDAY" in parts:
        said += " on " + ", ".join(_DAYS[day] for day in parts.pop("BYDAY").split(","))
    if "COUNT" in parts:
        said += f", {parts.pop('COUNT')} times"
    if "UNTIL" in parts:
        said += f", until {_moment(({}, parts.pop('UNTIL')))[0]}"
    return said if not parts else f"{said} ({rule})"


def _person(line: Line) -> str:
    parameters, value = line
    address = re.sub("^mailto:", "", value, flags=re.IGNORECASE)
    name = parameters.get("CN", "")
    return name if not address or name == address else f"{name} <{address}>".strip()
