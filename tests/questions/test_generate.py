"""Made questions: exact answers and places, checked candidates, and what is truly not in the documents."""

from collections import Counter

import pytest

from acclimate.documents.markdown import MarkdownParser
from acclimate.questions.candidates import Candidate, locate, sentence_around
from acclimate.questions.coverage import coverage
from acclimate.questions.filters import CandidateFilter
from acclimate.questions.generate import Material, linked, make, spread
from acclimate.questions.tables import bridge_candidates, table_candidates, table_facts
from acclimate.questions.unanswerable import (
    told_together,
    unanswerable_from_questions,
    unanswerable_from_tables,
)
from acclimate.questions.writer import Draft
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Chunk, Hit, Question, Span

SERIES = """# Pump series

| Property | Aura 6 | Aura 9 |
| --- | --- | --- |
| Weight | 98 kg | 117 kg |
| Sound power | 51 dB | 53 dB |
"""
PRICES = """# Price list

| Article | Product | Price |
| --- | --- | --- |
| AU-6 | Aura 6 | 64,900 |
| AU-9 | Aura 9 | 78,500 |
| SC-1 | Snow cover | 3,150 |
"""
PROSE = """# The factory

The factory stands in Moss and was opened in 1987 by Ada Holm. It makes 40 heat pumps a day, and every one of them is
tested for two hours before it leaves the hall on a lorry to the south.
"""


def embed(texts):
    return HashEmbedder().embed_queries(list(texts))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder, documents = tmp_path_factory.mktemp("docs"), {}
    for name, text in {"series.md": SERIES, "prices.md": PRICES, "factory.md": PROSE}.items():
        (folder / name).write_text(text)
        documents[name] = MarkdownParser().parse(folder / name, name)
    chunks = {
        name: [Chunk(f"{name}-0", name, 0, len(doc.text), doc.text, doc.title)]
        for name, doc in documents.items()
    }
    return documents, chunks


@pytest.fixture(scope="module")
def facts(library):
    documents, chunks = library
    return [
        fact for name, document in documents.items() for fact in table_facts(document, chunks[name])
    ]


@pytest.fixture(scope="module")
def retrieve(library):
    _, chunks = library
    hits = [Hit(chunk, 1.0, rank) for rank, (chunk,) in enumerate(chunks.values(), 1)]
    return lambda query, k: hits[:k]


def test_cells_are_asked_with_the_row_as_evidence(library, facts):
    documents, _ = library
    made = {one.question: one for one in table_candidates(facts)}
    weight = made["What is the weight of Aura 9 in “Pump series”?"]
    text = documents["series.md"].text
    assert weight.answer == "117 kg"
    assert text[weight.evidence.start : weight.evidence.end] == "Weight | 98 kg | 117 kg"
    assert made["What is the price of Snow cover in “Price list”?"].answer == "3,150"
    for one in made.values():
        evidence = documents[one.chunks[0].document].text[one.evidence.start : one.evidence.end]
        assert one.answer in evidence


def test_two_documents_are_bridged_by_a_value_that_is_unique(facts):
    made = {one.question: one for one in bridge_candidates(facts)}
    one = made["What is the price of the product whose weight is 117 kg?"]
    assert (one.answer, one.documents) == ("78,500", ("prices.md", "series.md"))
    assert not any(
        "51 dB" in one.answer and "98 kg" in one.question for one in made.values()
    )  # one document each


def test_what_is_not_there_is_looked_up(facts, retrieve, library):
    made = [one.question for one in unanswerable_from_tables(facts, retrieve)]
    assert "What is the weight of Snow cover in “Snow cover”?" not in made
    assert any(
        "Snow cover" in text and ("weight" in text or "sound power" in text) for text in made
    )
    assert not any("Aura" in text for text in made)  # all that is asked of others is told of them
    assert told_together("Aura 9", "what is its weight", retrieve)
    assert not told_together("Aura 9", "who opened the door", retrieve)
    _, chunks = library
    asked = [("What does the new Aura 6 weigh?", chunks["series.md"][0])]
    text = Chunk("x", "x.md", 0, 60, "A letter about the old Aura 77 and the stars of the south.")
    swapped = list(unanswerable_from_questions(asked, [text], retrieve))
    assert [one.question for one in swapped] == ["What does the new Aura 77 weigh?"]


def candidate(question, answer, chunk, kind="single-fact"):
    return Candidate(question, answer, kind, "w", (chunk,))


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("Who opened the factory in Moss?", "Per Hagen", "answer not in the passage"),
        ("Who opened the factory in Moss", "Ada Holm", "not a question"),
        ("Who opened it?", "Ada Holm", "not a question"),
        (
            "Who is named in the passage as its opener?",
            "Ada Holm",
            "understood only with the passage",
        ),
        ("When did they open it there?", "1987", "understood only with the passage"),
        ("Was it Ada Holm who opened the Moss factory?", "Ada Holm", "answer in the question"),
        ("Who opened the factory in Moss?", "", "no answer"),
    ],
)
def test_bad_drafts_are_left_out_for_a_reason_that_is_counted(library, question, answer, reason):
    check = CandidateFilter(embed)
    assert check.check(candidate(question, answer, library[1]["factory.md"][0])) is None
    assert check.reasons == Counter({reason: 1})


def test_a_good_draft_gets_its_sentence_as_evidence_and_does_not_pass_twice(library, retrieve):
    documents, chunks = library
    asked = []

    def read(question, chunk):
        asked.append(question)
        return "It was Ada Holm" if "opened" in question else "no idea"

    check = CandidateFilter(embed, retrieve, read)
    good = candidate("Who opened the factory in Moss?", "ada holm", chunks["factory.md"][0])
    passed = check.check(good)
    text = documents["factory.md"].text[passed.evidence.start : passed.evidence.end]
    assert text == "The factory stands in Moss and was opened in 1987 by Ada Holm."
    assert check.check(good) is None
    assert (
        check.check(
            candidate("How many heat pumps does the factory make?", "40", chunks["factory.md"][0])
        )
        is None
    )
    assert check.reasons == Counter({"asked already": 1, "reader disagrees": 1})
    check = CandidateFilter(embed, lambda query, k: [])
    assert check.check(good) is None
    assert check.reasons == Counter({"evidence not found by retrieval": 1})


def test_near_questions_with_other_answers_are_not_the_same(library):
    check = CandidateFilter(embed)
    chunk = library[1]["series.md"][0]
    assert check.check(candidate("What is the weight of the Aura 6 pump?", "98 kg", chunk))
    assert check.check(candidate("What is the weight of the Aura 9 pump?", "117 kg", chunk))


class Scripted:
    name, kinds = "scripted", ("single-fact", "unanswerable")

    def __init__(self):
        self.seen = []

    def write(self, passages, kind, most):
        self.seen.append(passages[0].document)
        if kind == "unanswerable":
            return [Draft("Who closed the factory in Moss again?", "")]
        return [Draft("Who opened the factory in Moss?", "Ada Holm"), Draft("Which town?", "Moss")]


def test_all_kinds_come_together_and_each_is_kept_at_once(library, facts, retrieve):
    _, chunks = library
    kept = []
    material = Material([chunk for (chunk,) in chunks.values()], facts)
    wanted = {"unanswerable": 2, "single-fact": 1, "table": 3, "two-document": 1}
    made = make(
        material, wanted, Scripted(), retrieve, CandidateFilter(embed, retrieve), kept.append
    )
    assert made.kept == {"single-fact": 1, "table": 3, "two-document": 1, "unanswerable": 2}
    assert [one.kind for one in kept][-2:] == ["unanswerable"] * 2
    assert all(one.evidence for one in kept if one.answer)
    by_rule = make(
        material,
        {"single-fact": 1, "table": 2},
        None,
        retrieve,
        CandidateFilter(embed),
        lambda one: None,
    )
    assert by_rule.kept == {"table": 2}


def test_documents_and_sections_take_turns():
    words = "word " * 30
    chunks = [
        Chunk(f"{name}{n}", f"{name}.md", n, n + 1, words, "", (f"part {n % 2}",))
        for name in "ab"
        for n in range(4)
    ]
    asked = [Question("1", "Q?", ("x",), "a.md")]
    order = list(spread([*chunks, Chunk("short", "c.md", 0, 1, "too short")], asked))
    assert [chunk.document for chunk in order[:4]] == ["b.md", "a.md", "b.md", "a.md"]
    assert {chunk.headings for chunk in order[:4] if chunk.document == "a.md"} == {
        ("part 0",),
        ("part 1",),
    }


def test_passages_are_linked_by_rare_terms(library):
    _, chunks = library
    pairs = [
        {chunk.document for chunk in pair}
        for pair in linked([chunk for (chunk,) in chunks.values()])
    ]
    assert {"series.md", "prices.md"} in pairs


def test_coverage_names_what_nobody_asks_about(library):
    _, chunks = library
    asked = [
        Question("1", "Who?", ("Ada Holm",), "factory.md", "opened in 1987 by Ada Holm"),
        Question("2", "Who?", ("x",), "factory.md", "never written"),
        Question("3", "Who?", ("x",), "gone.md", "x"),
    ]
    found = coverage([chunk for (chunk,) in chunks.values()], asked)
    assert found.asked_about == 1
    assert found.lost == ("2", "3")
    assert [row.document for row in found.documents if not row.questions] == [
        "prices.md",
        "series.md",
    ]
    assert found.documents[-1].covered == 1


def test_places():
    text = "One two. Three FOUR,  five! Six"
    place = locate("four five", text)
    assert text[place.start : place.end] == "FOUR,  five"
    inside = sentence_around(text, place)
    assert text[inside.start : inside.end] == "Three FOUR,  five!"
    assert locate("fou", text) is None
    assert locate("…", text) is None
    assert sentence_around(text, Span(4, 14)) == Span(0, 27)
