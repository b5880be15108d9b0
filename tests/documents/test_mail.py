"""Mail: the part that holds the content, and its messages apart, newest first, each with its author and date."""

import pytest

from acclimate.documents.mail_blocks import plain_blocks
from acclimate.documents.mail_body import choose
from acclimate.documents.mail_html import html_blocks
from acclimate.documents.mail_marks import date_of, find_header, find_wrote
from acclimate.documents.mail_text import header_text
from acclimate.documents.parsers import parse

HEAD = (
    "From: Ada Lovelace <ada@example.org>\nDate: Tue, 5 May 2026 09:00:00 +0200\nSubject: Re: Price\n"
    "MIME-Version: 1.0\n"
)
LEGAL = "This e-mail is confidential and intended only for its recipient."


def read(tmp_path, content, kind="text/plain; charset=utf-8", encoding="utf-8", more=""):
    file = tmp_path / "a.eml"
    file.write_bytes(f"{HEAD}Content-Type: {kind}\n{more}\n{content}".encode(encoding))
    return parse(file, "a.eml")


def body(document):
    """The elements after title and header."""
    shown = [
        (element.kind, document.text[element.start : element.end]) for element in document.elements
    ]
    assert shown[0] == ("title", "Re: Price")
    assert shown[1][1].startswith("From: Ada Lovelace <ada@example.org>\n")
    return shown[2:]


def parts(*inner, kind="alternative"):
    """A multipart body of (type, content)."""
    return (
        "".join(f"--b\nContent-Type: {kind}\n\n{content}\n" for kind, content in inner) + "--b--\n"
    )


BO = ("message", "Quoted from Bo, 2026-05-04 10:12")
NEW, OLD = ("paragraph", "It is 1,350 now."), ("paragraph", "It costs 1,200.")
THREADS = {
    "english": "It is 1,350 now.\n\nOn Mon, May 4, 2026 at 10:12 AM Bo <bo@example.org> wrote:\n> It costs 1,200.\n",
    "cut line": "It is 1,350 now.\n\nOn Mon, 4 May 2026 10:12:00 +0200, Bo\n<bo@example.org> wrote:\n\n> It "
    "costs 1,200.\n",
    "german": "It is 1,350 now.\n\nAm 04.05.2026 um 10:12 schrieb Bo:\n> It costs 1,200.\n",
    "french": "It is 1,350 now.\n\nLe lun. 4 mai 2026 à 10:12, Bo <bo@example.org> a écrit :\n> It costs 1,200.\n",
    "below": "On Mon, May 4, 2026 at 10:12 AM Bo <bo@example.org> wrote:\n> It costs 1,200.\n\nIt is 1,350 now.\n",
    "no marks": "It is 1,350 now.\n\nOn Mon, May 4, 2026 at 10:12 AM Bo <bo@example.org> wrote:\n\nIt costs 1,200.\n",
    "outlook": "It is 1,350 now.\n\n-----Original Message-----\nFrom: Bo <bo@example.org>\nSent: Monday, May 4, "
    "2026 10:12 AM\n"
    "To: Ada; Cy;\n Dee\nSubject: Price\n\nIt costs 1,200.\n",
    "outlook, german": "It is 1,350 now.\n\nVon: Bo\nGesendet: Montag, 4. Mai 2026 10:12\nAn: Ada\nBetreff: "
    "Preis\n\nIt costs 1,200.\n",
    "outlook, french": "It is 1,350 now.\n\nDe : Bo\nEnvoyé : lundi 4 mai 2026 10:12\nÀ : Ada\nObjet : Prix\n\n"
    "It costs 1,200.\n",
}


@pytest.mark.parametrize("kind", THREADS)
def test_new_text_stands_before_what_is_quoted(tmp_path, kind):
    assert body(read(tmp_path, THREADS[kind])) == [NEW, BO, OLD]


HTML = {
    "gmail": '<div>It is 1,350 now.</div><div class="gmail_quote"><div class="gmail_attr">On Mon, May 4, 2026 '
    "at 10:12 AM Bo "
    '&lt;<a href="mailto:bo@example.org">bo@example.org</a>&gt; wrote:<br></div><blockquote '
    'class="gmail_quote"><div>It costs '
    "1,200.</div></blockquote></div>",
    "outlook": '<p class="MsoNormal">It is <b>1,350</b> now.</p><div style="border-top:solid #E1E1E1 '
    '1.0pt"><p><b>From:</b> Bo<br>'
    "<b>Sent:</b> Monday, May 4, 2026 10:12 AM<br><b>Subject:</b> Price</p></div><p>It costs 1,200.</p>",
    "outlook on the web": "<div>It is 1,350 now.</div><hr><div id='divRplyFwdMsg'><b>Von:</b> "
    "Bo<br><b>Gesendet:</b> Montag, "
    "4. Mai 2026 10:12<br><b>Betreff:</b> Preis<div>&nbsp;</div></div><div>It costs 1,200.</div>",
    "a field a line": "<p>It is 1,350 now.</p><p>From: Bo</p><p>Sent: Monday, May 4, 2026 10:12</p><p>Subject: "
    "P</p><p>It costs 1,200.</p>",
    "thunderbird": '<p>It is 1,350 now.</p><div class="moz-cite-prefix">On 2026-05-04 10:12, Bo wrote:<br></div>'
    '<blockquote type="cite"><pre>It costs 1,200.</pre></blockquote>',
}


@pytest.mark.parametrize("kind", HTML)
def test_the_same_in_html_of_any_program(tmp_path, kind):
    found = body(read(tmp_path, HTML[kind], "text/html; charset=utf-8"))
    assert [text for _, text in found] == [NEW[1], BO[1], OLD[1]]


def test_every_older_message_has_its_own_place(tmp_path):
    text = (
        "It is 1,350 now.\n\nOn Mon, May 4, 2026 at 10:12 AM Bo wrote:\n> It costs 1,200.\n>\n"
        "> Am 03.05.2026 um 08:00 schrieb Ada Lovelace:\n>> It costs 1,100.\n"
    )
    oldest = [
        ("message", "Quoted from Ada Lovelace, 2026-05-03 08:00"),
        ("paragraph", "It costs 1,100."),
    ]
    assert body(read(tmp_path, text)) == [NEW, BO, OLD, *oldest]
    below = (
        "On Mon, May 4, 2026 at 10:12 AM Bo wrote:\n> Ada Lovelace wrote:\n>> It costs 1,100.\n>\n> It "
        "costs 1,200.\n\nIt is 1,350 now.\n"
    )
    oldest[0] = ("message", "Quoted from Ada Lovelace")
    assert body(read(tmp_path, below)) == [NEW, BO, OLD, *oldest]


def test_answers_stay_with_the_lines_that_they_answer(tmp_path):
    text = "Bo wrote:\n> When does it come?\n\nOn Friday.\n\n> It costs 1,200.\n\nNow 1,350.\n\n> Thanks, Bo\n"
    assert body(read(tmp_path, text)) == [
        ("quote", "Quoted from Bo:\n> When does it come?"),
        ("paragraph", "On Friday."),
        ("quote", "Quoted from Bo:\n> It costs 1,200."),
        ("paragraph", "Now 1,350."),
        ("message", "Quoted from Bo"),
        ("paragraph", "Thanks, Bo"),
    ]


def test_forwarded_messages_are_told_from_quoted_ones(tmp_path):
    gmail = (
        "See below.\n\n---------- Forwarded message ---------\nFrom: Bo <bo@example.org>\nDate: Mon, May 4, "
        "2026 at 10:12 AM\nSubject: P\n\nIt costs 1,200.\n"
    )
    apple = (
        "See below.\n\nBegin forwarded message:\n\n> From: Bo <bo@example.org>\n> Subject: P\n> Date: 4 May "
        "2026 at 10:12:00 CEST\n>\n> It costs 1,200.\n"
    )
    for text in (gmail, apple):
        wanted = [
            ("paragraph", "See below."),
            ("message", "Forwarded from Bo, 2026-05-04 10:12"),
            OLD,
        ]
        assert body(read(tmp_path, text)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "It is 1,350 now.\n-- \nAda, Sales\n+43 316 1234567\n\n-----Original Message-----\nFrom: Bo\nSent: May "
        "4, 2026 10:12\n\nIt costs 1,200.\n",
        f"It is 1,350 now.\n\nBest regards,\nAda, Sales\n+43 316 1234567\n\n{LEGAL}\n\nFrom: Bo\nSent: May 4, "
        f"2026 10:12\n\nIt costs 1,200.\n",
    ],
)
def test_signatures_and_legal_notes_stand_apart(tmp_path, text):
    found = body(read(tmp_path, text))
    assert found[0] == NEW
    assert [one for one in found if one[0] == "message"] == [
        BO,
        ("message", "Signature of Ada Lovelace"),
    ]
    assert found[found.index(("message", "Signature of Ada Lovelace")) + 1] == (
        "paragraph",
        "Ada, Sales\n+43 316 1234567",
    )
    assert [text for kind, text in found if kind == "footer"] == ([LEGAL] if LEGAL in text else [])


def test_a_closing_with_a_name_is_no_signature(tmp_path):
    assert body(read(tmp_path, "It is 1,350 now.\n\nBest regards,\nAda\n")) == [
        NEW,
        ("paragraph", "Best regards,\nAda"),
    ]


def test_a_journey_and_a_rule_are_no_header(tmp_path):
    text = "From: Graz\nTo: Vienna\nDate: 3 May\n\n--- Agenda of Monday ---\n\nWe meet."
    assert [kind for kind, _ in body(read(tmp_path, text))] == ["paragraph"] * 3


STUBS = [
    "",
    "This mail needs an HTML reader. View it in your browser: https://example.org/aaa-bbb-ccc",
    "To view this email in your browser, click here.",
    "Ihr E-Mail-Programm unterstützt kein HTML.",
    "Si ce message ne s'affiche pas, ouvrez-le dans votre navigateur.",
]


@pytest.mark.parametrize("stub", STUBS)
def test_of_alternatives_the_one_with_the_content_wins(tmp_path, stub):
    kind = 'multipart/alternative; boundary="b"'
    html = "<p>The price is 1,350 euro.</p>"
    document = read(tmp_path, parts(("text/plain; charset=utf-8", stub), ("text/html", html)), kind)
    assert body(document) == [("paragraph", "The price is 1,350 euro.")]
    related = f"--c\nContent-Type: text/html\n\n{html}\n--c--\n"
    document = read(
        tmp_path, parts(("text/plain", ""), ("multipart/related; boundary=c", related)), kind
    )
    assert body(document) == [("paragraph", "The price is 1,350 euro.")]


def test_html_may_be_the_stub_and_tables_are_read_from_html(tmp_path):
    plain = plain_blocks("The price of the pump is 1,350 euro from May on for all.")
    assert choose(plain, html_blocks("<p>See the text part.</p>")) == plain
    table = html_blocks("<table><tr><th>Item<th>Price<tr><td>Pump<td>1,350</table>")
    assert choose(plain_blocks("Item Price\nPump 1,350"), table) == table
    assert table[0].rows == (("Item", "Price"), ("Pump", "1,350"))


def test_every_part_of_a_mixed_mail_is_read(tmp_path):
    inner = (
        "From: Cy <cy@example.org>\nDate: Sun, 3 May 2026 08:00:00 +0200\nSubject: Inner\n\nInner text.\n\n"
        "On 2 May 2026, Dee wrote:\n> Deep.\n"
    )
    calendar = (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Talk\\, about prices\nDTSTART;TZID=Europe/Vienna:20260507T100000\n"
        "DTEND;TZID=Europe/Vienna:20260507T113000\nLOCATION:Hall\n  3\nEND:VEVENT\nEND:VCALENDAR"
    )
    content = parts(
        ("text/plain", "Before."),
        (
            'text/csv; name="=?utf-8?q?Pr=C3=A9is.csv?="\nContent-Disposition: attachment',
            "Item;Price\nPump;1200",
        ),
        ("text/plain", "After."),
        ("text/calendar; method=REQUEST", calendar),
        ("application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64", "eJ8+Ig=="),
        ("application/pgp-signature; name=s.asc", "xxx"),
        ("message/rfc822", inner),
    )
    found = body(read(tmp_path, content, "multipart/mixed; boundary=b"))
    assert found[:3] == [
        (
            "paragraph",
            "Event: Talk, about prices\nWhen: 2026-05-07 10:00 to 11:30 (Europe/Vienna)\nWhere: Hall 3",
        ),
        ("paragraph", "Before."),
        ("paragraph", "After."),
    ]
    assert ("heading", "Préis.csv") in found
    assert ("table", "| Item | Price |\n| --- | --- |\n| Pump | 1200 |") in found
    assert "TNEF" in next(text for kind, text in found if kind == "footer")
    assert found[-5:-3] == [
        ("heading", "Inner"),
        ("paragraph", "From: Cy <cy@example.org>\nDate: Sun, 3 May 2026 08:00:00 +0200"),
    ]
    assert found[-3:] == [
        ("paragraph", "Inner text."),
        ("message", "Quoted from Dee, 2026-05-02"),
        ("paragraph", "Deep."),
    ]


@pytest.mark.parametrize(
    ("kind", "encoding", "content"),
    [
        ("text/plain; charset=x-unknown", "cp1252", "Grüße: 1.350 €"),
        ("text/plain; charset=us-ascii", "utf-8", "Grüße: 1.350 €"),
        ("text/plain; charset=iso-8859-1", "cp1252", "Grüße: 1.350 €"),
        ("text/plain; charset=utf-8", "cp1252", "Grüße: 1.350 €"),
        ("text/plain", "utf-8", "Gr=C3=BC=C3=9Fe: =\n1.350 =E2=82=AC"),
        ("text/html", "cp1252", '<meta charset="windows-1252"><p>Grüße: 1.350 €</p>'),
    ],
)
def test_wrongly_named_encodings_are_read(tmp_path, kind, encoding, content):
    assert body(read(tmp_path, content, kind, encoding)) == [("paragraph", "Grüße: 1.350 €")]


def test_flowed_lines_are_joined(tmp_path):
    text = "The price is from May on 1,3 \n50 euro.\n> It costs 1,2 \n> 00.\n"
    found = body(read(tmp_path, text, "text/plain; format=flowed; delsp=yes"))
    assert [text for _, text in found] == [
        "The price is from May on 1,350 euro.",
        "Quoted from an earlier message",
        "It costs 1,200.",
    ]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("=?utf-8?q?=C3=96ffnung?= am =?iso-8859-1?q?M=FCll_er?=", "Öffnung am Müll er"),
        ("=?utf-8?B?w5Y=?=\n =?utf-8?B?ZmZudW5n?=", "Öffnung"),
        ("=?utf-8?b?w?= =?utf-8?q?x?=", "x"),
        ("=?utf-8?q?a=C3?= =?utf-8?q?=BC?=", "aü"),
        ("=?no-such?q?abc?=", "abc"),
        ("Grüße".encode().decode("ascii", "surrogateescape"), "Grüße"),
        ("Grüße".encode("cp1252").decode("ascii", "surrogateescape"), "Grüße"),
    ],
)
def test_headers_are_decoded_also_where_they_are_broken(raw, text):
    assert header_text(raw) == text


@pytest.mark.parametrize(
    ("line", "author", "date"),
    [
        (
            "El lun, 4 may 2026 a las 10:12, Bo (<bo@example.org>) escribió:",
            "Bo",
            "2026-05-04 10:12",
        ),
        (
            "Il giorno lun 4 mag 2026 alle ore 10:12 Bo <bo@example.org> ha scritto:",
            "Bo",
            "2026-05-04 10:12",
        ),
        ("Op ma 4 mei 2026 om 10:12 schreef Bo <bo@example.org>:", "Bo", "2026-05-04 10:12"),
        ("Den mån 4 maj 2026 kl 10:12 skrev Bo <bo@example.org>:", "Bo", "2026-05-04 10:12"),
        ("2026-05-04 10:12 GMT+02:00 Bo <bo@example.org>:", "Bo", "2026-05-04 10:12"),
        ("On 05/04/2026 10:12 AM, Bo wrote:", "Bo", "05/04/2026 10:12 AM"),
        ("Bo schrieb am 04.05.2026 um 10:12:", "Bo", "2026-05-04 10:12"),
    ],
)
def test_who_wrote_when_in_other_languages(line, author, date):
    mark = find_wrote(line, quoted_next=True)
    assert mark is not None
    assert (mark.author, mark.date) == (author, date)


def test_what_only_looks_like_such_a_line_is_text():
    assert find_wrote("As he wrote:", quoted_next=False) is None
    assert find_wrote("On 3 May we met.", quoted_next=True) is None
    assert find_header("Price: 10\nDate: 3 May") is None
    assert date_of("31.31.2026") == "31.31.2026"


def test_long_lines_cost_no_time(tmp_path):
    document = read(tmp_path, f"{'x' * 300_000}\n> {'y ' * 150_000}\n{'On 3 ' * 60_000}")
    assert len(document.text) > 800_000


def test_a_report_of_delivery_and_an_encrypted_mail_say_what_they_are(tmp_path):
    report = parts(
        ("text/plain", "Not delivered."),
        ("message/delivery-status", "Status: 5.1.1\n\nAction: failed"),
    )
    found = body(read(tmp_path, report, "multipart/report; boundary=b"))
    assert [text for _, text in found] == ["Not delivered.", "Status: 5.1.1", "Action: failed"]
    sealed = body(read(tmp_path, "AAAA", "application/pkcs7-mime; smime-type=enveloped-data"))
    assert sealed == [("footer", "[not read: the message is encrypted (S/MIME)]")]


def test_the_thread_and_the_date_are_told(tmp_path):
    metadata = read(tmp_path, "x").metadata
    assert (metadata["thread"], metadata["date"]) == ("Price", "2026-05-05T09:00:00+02:00")
