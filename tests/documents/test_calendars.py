"""Calendars: what, when, where and who, as lines."""

import pytest

from acclimate.documents.calendars import calendar_events
from acclimate.documents.parsers import parse
from acclimate.errors import DocumentError


def calendar(*lines, method="PUBLISH"):
    event = "\r\n".join(("BEGIN:VEVENT", *lines, "END:VEVENT"))
    return f"BEGIN:VCALENDAR\r\nMETHOD:{method}\r\n{event}\r\nEND:VCALENDAR\r\n"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ("DTSTART:20260507T100000Z", "DTEND:20260507T113000Z"),
            "When: 2026-05-07 10:00 to 11:30 (UTC)",
        ),
        (
            ("DTSTART:20260507T220000", "DTEND:20260508T020000"),
            "When: 2026-05-07 22:00 to 2026-05-08 02:00",
        ),
        (("DTSTART:20260507T100000", "DURATION:PT1H30M"), "When: 2026-05-07 10:00 to 11:30"),
        (("DTSTART;VALUE=DATE:20260507", "DTEND;VALUE=DATE:20260508"), "When: 2026-05-07"),
        (
            ("DTSTART;VALUE=DATE:20260507", "DTEND;VALUE=DATE:20260510"),
            "When: 2026-05-07 to 2026-05-09",
        ),
        (
            ('DTSTART;TZID="Europe/Vienna":20260507T100000',),
            "When: 2026-05-07 10:00 (Europe/Vienna)",
        ),
        (("DTSTART:soon",), "When: soon"),
        (
            ("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;COUNT=4",),
            "Repeats: every 2 weeks on Monday, Thursday, 4 times",
        ),
        (
            ("RRULE:FREQ=MONTHLY;BYDAY=2TU;UNTIL=20261231",),
            "Repeats: every month, until 2026-12-31 (FREQ=MONTHLY;BYDAY=2TU;UNTIL=20261231)",
        ),
        (('ORGANIZER;CN="Doe: Bo":mailto:bo@example.org',), "Organiser: Doe: Bo <bo@example.org>"),
        (
            ("ATTENDEE;CN=Ada:mailto:ada@example.org", "ATTENDEE:mailto:cy@example.org"),
            "Invited: Ada <ada@example.org>, <cy@example.org>",
        ),
        (("STATUS:CANCELLED",), "Status: cancelled"),
        (
            ("DESCRIPTION:Bring the\r\n  list\\, all\\nof it",),
            "Description: Bring the list, all of it",
        ),
    ],
)
def test_an_event_is_said_in_lines(lines, said):
    assert calendar_events(calendar("SUMMARY:Talk", *lines)) == [f"Event: Talk\n{said}"]


def test_a_cancelled_invitation_says_so():
    assert calendar_events(calendar("SUMMARY:Talk", method="CANCEL")) == [
        "Event: Talk\nStatus: cancelled"
    ]


def test_a_calendar_file_is_a_document(tmp_path):
    file = tmp_path / "a.ics"
    file.write_text(calendar("SUMMARY:Talk", "LOCATION:Hall 3"))
    document = parse(file, "a.ics")
    assert (document.title, document.text) == ("Talk", "Event: Talk\nWhere: Hall 3")
    file.write_text("BEGIN:VCALENDAR\nEND:VCALENDAR\n")
    with pytest.raises(DocumentError, match="without an event"):
        parse(file, "a.ics")
