"""Of messages of one thread the newest comes first, and what it says with another value is outdated."""

import pytest

from acclimate.retrieval.newest import NewestRetriever
from acclimate.retrieval.outdated import outdated
from acclimate.types import QUOTED, Chunk, Hit

OLD = "Quoted from Bo, 2026-05-04 10:12\n\nplease note that the Tern 6 costs 1,200 euro."
NEW = "Re: Price\n\nFrom: Ada\nDate: Tue, 5 May 2026\n\nthat is outdated: the Tern 6 costs 1,350 euro since May."
QUESTION = "What does the Tern 6 cost?"


def chunk(document, text, start=0, title="Re: Price", headings=()):
    return Chunk(f"{document}-{start}", document, start, start + len(text), text, title, headings)


class Fixed:
    """Finds always the same, best first."""

    def __init__(self, *chunks):
        self.chunks = chunks

    def retrieve(self, query, k):
        return [Hit(one, 1 - rank / 10, rank) for rank, one in enumerate(self.chunks[:k], start=1)]


MAILS = {"thread": "Price", "date": "2026-05-05T09:00:00+02:00"}


def found(query, chunks, k=4, beginnings=(), metadata=None):
    first = {one.document: one for one in [*chunks, *beginnings] if not one.start}
    known = metadata or {one.document: MAILS for one in chunks}
    retriever = NewestRetriever(
        Fixed(*chunks),
        lambda paths: {path: known.get(path, {}) for path in paths},
        lambda one: first[one.document],
    )
    hits = retriever.retrieve(query, k)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    return [hit.chunk for hit in hits]


def test_what_is_no_mail_stays_as_it_was_found():
    chunks = [chunk("a.md", "One."), chunk("b.md", "Two.")]
    assert found("one", chunks, metadata={"a.md": {"date": "2020"}}) == chunks


def test_the_reply_stands_before_the_quotation_and_outdates_it():
    reply, quoted, other = chunk("a.eml", NEW), chunk("a.eml", OLD, 300), chunk("b.md", "Other.")
    assert found(QUESTION, [quoted, reply, other], metadata={"a.eml": MAILS}) == [reply, other]
    assert found(QUESTION, [quoted, other], beginnings=[reply], metadata={"a.eml": MAILS}) == [
        reply,
        other,
    ]


def test_what_only_the_quotation_says_is_kept_after_the_reply():
    reply, quoted = chunk("a.eml", "Re: Price\n\nThanks, Ada"), chunk("a.eml", OLD, 300)
    assert found(QUESTION, [quoted, reply]) == [reply, quoted]


def test_all_parts_of_a_long_quotation_are_older_than_the_reply():
    reply, part = (
        chunk("a.eml", NEW),
        chunk("a.eml", "Shipping is free.", 900, headings=("Re: Price", OLD.partition("\n")[0])),
    )
    assert found("Is shipping free?", [part, reply]) == [reply, part]


def test_mails_of_one_thread_stand_by_their_dates():
    old, new = (
        chunk("1.eml", "please note that the Tern 6 costs 1,200 euro.", title="Price"),
        chunk("2.eml", NEW),
    )
    known = {"1.eml": MAILS | {"date": "2026-05-04T10:12:00+02:00"}, "2.eml": MAILS}
    assert found(QUESTION, [old, new], metadata=known) == [new]
    assert (
        found("What is said of the Tern?", [chunk("1.eml", "Hello.", 90), new], metadata=known)[0]
        == new
    )
    assert found(
        QUESTION, [old, new], metadata={"1.eml": MAILS, "2.eml": MAILS | {"thread": "Tank"}}
    ) == [old, new]


def test_a_quotation_of_another_hit_is_shown_once():
    whole = chunk("1.eml", "Price\n\nplease note that the Tern 6 costs 1,200 euro.", title="Price")
    reply, quoted = chunk("2.eml", "Thanks."), chunk("2.eml", OLD, 300)
    assert found(QUESTION, [quoted, whole, reply]) == [whole, reply]


def test_places_that_become_free_are_filled():
    reply, quoted = chunk("a.eml", NEW), chunk("a.eml", OLD, 300)
    others = [chunk(f"{n}.md", f"Note {n}.") for n in range(4)]
    assert found(QUESTION, [reply, quoted, *others], k=3, metadata={"a.eml": MAILS}) == [
        reply,
        *others[:2],
    ]


@pytest.mark.parametrize(
    ("query", "older", "later"),
    [
        (
            "When is the pump delivered?",
            "The pump is delivered on Wednesday.",
            "It comes on Friday now.",
        ),
        (
            "Wann kommt die Pumpe?",
            "Die Pumpe kommt am Mittwoch.",
            "Sie kommt doch erst am Freitag.",
        ),
        ("Quand arrive la pompe ?", "La pompe arrive mercredi.", "Finalement vendredi."),
        ("What does the Fjell cost?", "The Fjell costs 900 euro.", "The Fjell costs 950 euro."),
        ("In which hall do we meet?", "We meet in hall 7.", "Sorry, hall 9 instead."),
    ],
)
def test_another_value_for_the_same_is_an_update(query, older, later):
    assert outdated(query, chunk("a.eml", f"{QUOTED} Bo\n\n{older}", 99), chunk("a.eml", later))


@pytest.mark.parametrize(
    ("query", "older", "later"),
    [
        (
            "When is the pump delivered?",
            "The pump is delivered on Wednesday.",
            "Thanks, I will call on Friday.",
        ),
        (
            "When is the pump delivered?",
            "The pump is delivered on Wednesday.",
            "It is cheaper now.",
        ),
        (
            "What does the Tern 6 cost?",
            "The Tern 6 costs 1,200 euro.",
            "The Tern 4 costs 900 euro.",
        ),
        ("What does the Fjell cost?", "The Fjell costs 900 euro.", "The Alba costs 950 euro."),
        ("What does the pump cost?", "The pump costs 900 euro.", "The meeting is in hall 7 now."),
        ("Who is Bo?", "Bo is the smith.", "Bo is the baker now."),
    ],
)
def test_something_else_is_none(query, older, later):
    assert not outdated(query, chunk("a.eml", f"{QUOTED} Bo\n\n{older}", 99), chunk("a.eml", later))
