"""Only questions that would be answered are suggested: each refusal, or answer from elsewhere, is found out."""

from dataclasses import replace

import pytest

from acclimate.answer import Answerer
from acclimate.errors import SettingsError
from acclimate.prompting.citations import Resolved, mark_answer
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.recipes import find_recipe
from acclimate.prompting.templates import Template
from acclimate.questions.follow_ups import candidates
from acclimate.testing.models import ScriptedEngine
from acclimate.types import Chunk, Document, Element, Exchange, Generation, Hit, Question, Span
from acclimate.workflows.follow_ups import Read, follow_ups

SAID = (
    "Here stand some words that say what it is that the heading is for, and how it was made by us."
)
REFUSED = Resolved(REFUSAL, REFUSAL, True, ())


def document(*headings, title="Stoves", path="stoves.md", said=SAID, table=""):
    """A document of sections; `table` ends it."""
    text, elements = "", []
    for heading in headings:
        start = len(text)
        text += f"## {heading}\n\n"
        elements.append(Element("heading", start, len(text) - 2, level=2))
        text += f"{said}\n\n"
    if table:
        elements.append(Element("table", len(text), len(text) + len(table)))
        text += table
    return Document(path, text, tuple(elements), title)


BEGIN = Span(0, 1)
TURNS = (Exchange("What burns?", ""),)


def asked(made, cited=BEGIN, about="What burns?"):
    return [one.question for one in candidates(made, [cited], about, ())]


@pytest.mark.parametrize(
    ("said", "question"),
    [
        (SAID, "What does “Stoves” say about “Ash”?"),
        (
            "Die Asche ist kalt und wird nicht mit dem Müll zu den Resten auf der Deponie gebracht.",
            "Was steht in „Stoves“ über „Ash“?",
        ),
        (
            "La ceniza que se queda en la estufa es para el jardín, pero no con los restos de la leña.",
            "¿Qué dice «Stoves» sobre «Ash»?",
        ),
        (
            "La cendre qui reste dans le poêle est pour le jardin, mais pas avec les restes du bois.",
            "Que dit « Stoves » sur « Ash » ?",
        ),
        ("炉灰冷却以后可以用来给花园施肥，但是不要和其他垃圾放在一起处理。", "《Stoves》关于“Ash”说了什么？"),
        ("Пепел в печи остывает за ночь, и его не надо выносить во двор, если он ещё тёплый.", None),
    ],
)  # fmt: skip
def test_a_section_is_asked_for_in_the_language_of_its_document(said, question):
    assert asked(document("Top", "Ash", said=said)) == ([question] if question else [])


def test_headings_that_ask_are_questions_and_those_that_say_nothing_are_none():
    heads = ("Q: How hot is a stove?", "I burnt myself, what now?", "Overview", "3.2 Ash", "2026")
    made = document("Top", *heads, "Stoves", "“Fire”")
    assert asked(made) == ["How hot is a stove?", "What does “Stoves” say about “Ash”?"]
    assert asked(document("Top", "Ash", said="Short.")) == []


def test_what_was_cited_is_left_out_and_what_follows_it_comes_first():
    made = document("A one", "B two", "C three")
    second = made.text.index("## B")
    names = [text.split("“")[-1][0] for text in asked(made, Span(second + 12, second + 20))]
    assert names == ["C", "A"]


def test_cells_of_the_cited_row_come_first_and_what_was_asked_does_not():
    rows = ("Stove | Power | Weight", "---|---|---", "Vidar | 7 kW | 90 kg")
    rows += ("Jøtul | 9 kW | 120 kg", "Eik | N/A | 80 kg")
    table = "".join(f"| {row} |\n" for row in rows)
    made = document("Top", table=table)
    row = made.text.index("| Jøtul")
    found = asked(made, Span(row, row + 20), "What is the weight of the Jøtul?")
    assert found == ["Jøtul: Power?", "Vidar: Power?"], "and none for a cell that says nothing"


def answerer(retrieve, **readers):
    """An answerer over these hits; its engine would fail if it were asked."""

    def never(_):
        raise AssertionError("no model may be asked")

    class Found:
        def retrieve(self, query, k):
            return retrieve(query)[:k]

    return Answerer(
        recipe=find_recipe("rag"),
        template=Template("rag", (), "0" * 12),
        engine=ScriptedEngine(never, 4096),
        retriever=Found(),
        generation=Generation(),
        k=4,
        **readers,
    )


def hits(made, *spans):
    return [
        Hit(Chunk(str(at), made.path, s.start, s.end, made.text[s.start : s.end]), 1.0, at + 1)
        for at, s in enumerate(spans)
    ]


MADE = document("Top", "Ash", "Wood")
PLACES = {name: MADE.text.index(f"## {name}") for name in ("Top", "Ash", "Wood")}
WHOLE = {
    "Top": Span(0, PLACES["Ash"]),
    "Ash": Span(PLACES["Ash"], PLACES["Wood"]),
    "Wood": Span(PLACES["Wood"], len(MADE.text)),
}


def named(query):
    """The passage that a query names, before the others."""
    first = next(name for name in ("Ash", "Wood") if name in query)
    return hits(MADE, WHOLE[first], *(span for name, span in WHOLE.items() if name != first))


def suggest(reader, turns=TURNS, made=MADE, beside=True):
    found = follow_ups(
        [Read(made.path, Span(0, 5))],
        turns,
        find={made.path: made}.get,
        questions=(),
        answerer=lambda _: reader,
        beside=beside,
    )
    return [one.question.split("“")[-1].strip("”?") for one in found]


def quoted(question, passages):
    """Quotes the beginning of the last passage."""
    return mark_answer(Span(10, 20), len(passages), passages)


def test_what_is_read_and_found_is_suggested():
    assert suggest(answerer(named, extract=quoted)) == ["Ash", "Wood"]
    assert suggest(answerer(named)) == ["Ash", "Wood"], (
        "a model alone is believed where it is shown"
    )


def test_what_a_reader_refuses_is_not():
    def unsure(question, passages):
        return REFUSED if "Ash" in question else quoted(question, passages)

    assert suggest(answerer(named, extract=unsure)) == ["Wood"]
    assert suggest(answerer(named, tables=unsure)) == ["Wood"]

    def second(question, passages, said):
        assert said.abstained, "it is asked what it would say if the model had nothing"
        return unsure(question, passages)

    assert suggest(answerer(named, second_reader=second)) == ["Wood"]

    def finish(question, passages, reading):
        assert not reading.answer.text
        return unsure(question, passages)

    assert suggest(answerer(named, finish=finish)) == ["Wood"]
    assert suggest(answerer(named, finish=lambda *_: REFUSED), beside=False) == ["Ash", "Wood"]


def test_what_is_answered_from_elsewhere_or_not_found_is_not():
    other = hits(MADE, WHOLE["Top"])

    def elsewhere(question, passages):
        return (
            mark_answer(Span(0, 5), 1, other) if "Ash" in question else quoted(question, passages)
        )

    assert suggest(answerer(named, tables=elsewhere)) == ["Wood"]
    assert suggest(answerer(lambda query: hits(MADE, WHOLE["Top"]), extract=quoted)) == []
    late = answerer(lambda query: hits(MADE, WHOLE["Top"], WHOLE["Top"], WHOLE["Ash"]))
    assert suggest(late) == []


def test_what_points_back_or_was_asked_is_not():
    made = document("Top", "How loud is it?", "How loud is a stove?")
    reader = answerer(lambda _: hits(made, Span(0, len(made.text))))
    assert suggest(reader, made=made) == ["How loud is a stove"]
    turns = (Exchange("How loud is a stove?", "quiet"), Exchange("What burns?", "wood"))
    assert suggest(reader, turns, made=made) == []


def test_a_recipe_without_full_answers_is_asked_for_what_a_few_words_answer_only():
    row = Question(
        "1", "Where stand some words?", ("here",), MADE.path, "Here stand some words", split="dev"
    )

    def styled(style):
        if style == "full":
            raise SettingsError("short answers only.")
        return answerer(lambda _: hits(MADE, WHOLE["Top"]))

    found = follow_ups(
        [Read(MADE.path, Span(0, 5))],
        (),
        find={MADE.path: MADE}.get,
        questions=[row, replace(row, question="Which words stand here?", split="test")],
        answerer=styled,
        beside=True,
    )
    assert [one.question for one in found] == [row.question]
