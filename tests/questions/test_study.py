"""Questions by rule about all that a passage says, and about what no passage says."""

import pytest

from acclimate.documents.markdown import MarkdownParser
from acclimate.questions.study import study
from acclimate.questions.tables import table_facts
from acclimate.questions.unanswerable import told_together
from acclimate.questions.unsaid import unsaid
from acclimate.types import Chunk, Hit

POLICY = """# Refund policy

## Deadlines

Private customers may return an unused product within 30 days of delivery. Parcels without a return
number are refused at the Drammen warehouse.

- Approval: Ada Holm signs each refund above 5,000 NOK.
"""
SERIES = """# Pump series

| Property | Aura 6 | Aura 9 |
| --- | --- | --- |
| Weight | 98 kg | 117 kg |
| Sound power | 51 dB | 53 dB |
"""


def chunk_of(text, name, folder):
    file = folder / name
    file.write_text(text)
    document = MarkdownParser().parse(file, name)
    return document, Chunk(name, name, 0, len(document.text), document.text, document.title)


@pytest.fixture
def policy(tmp_path):
    return chunk_of(POLICY, "policy.md", tmp_path)[1]


def test_each_fact_of_a_sentence_is_asked_for_in_several_forms(policy):
    made = study(policy)
    asked = [one for one in made if one.answer == "30 days"]
    texts = {one.question for one in asked}
    whole = "Private customers may return an unused product within how long of delivery?"
    assert whole in texts
    turned = "Within how many days may Private customers return an unused product of delivery?"
    assert turned in texts
    assert sum(one.form == "words" for one in asked) == 3
    assert len(texts) == len(asked) == 5


def test_names_amounts_and_ends_of_sentences_are_answers(policy):
    answers = {one.answer for one in study(policy)}
    assert {"30 days", "5,000 NOK", "Drammen", "Ada Holm"} <= answers
    assert "refused at the Drammen warehouse" in answers


def test_a_question_holds_no_answer_and_equal_chunks_are_asked_alike(policy):
    made = study(policy)
    assert made == study(policy)
    assert all(one.answer.casefold() not in one.question.casefold() for one in made)
    assert all(one.question.endswith("?") for one in made)


def test_a_number_in_a_name_is_no_answer():
    text = "The tank goes with Aura 9 and Aura 12 in the north."
    made = study(Chunk("a", "a.md", 0, len(text), text, "Tanks"))
    answers = {one.answer for one in made}
    assert {"Aura 9", "Aura 12"} <= answers
    assert not answers & {"9", "12", "9 and"}


def test_cells_are_asked_for_by_row_and_column_and_rows_by_their_cells(tmp_path):
    document, chunk = chunk_of(SERIES, "series.md", tmp_path)
    made = study(chunk, table_facts(document, [chunk]))
    weight = {one.question for one in made if one.answer == "117 kg"}
    assert "What weight does Aura 9 have?" in weight
    assert len(weight) >= 5
    assert ("Aura 9", "row") in {(one.answer, one.form) for one in made}


def test_what_nobody_says_is_asked_and_what_somebody_says_is_not(tmp_path, policy):
    document, series = chunk_of(SERIES, "series.md", tmp_path)
    facts, chunks = table_facts(document, [series]), [series, policy]
    asked = unsaid([], facts, chunks, 40)
    assert len(asked) == len(set(asked)) == 40
    assert any("Aura 9" in one for one in asked)
    assert "What does Aura 9 weigh?" not in asked  # the table may say it in these words
    for text in asked:
        name = "Aura 6" if "Aura 6" in text else "Aura 9"
        if name in text:
            rest = text.replace(name, "")
            assert not told_together(name, rest, lambda _, k: [Hit(series, 1.0, 1)][:k])
