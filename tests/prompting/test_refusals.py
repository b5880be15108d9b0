"""Refusals in the language of the question: told, streamed, and recognised whoever wrote them."""

import pytest

from acclimate.prompting.citations import is_refusal, resolve
from acclimate.prompting.claims import read_claims
from acclimate.prompting.passages import NO_DOCUMENTS, REFUSAL
from acclimate.prompting.refusals import (
    PHRASES,
    AnswerStream,
    nothing_for,
    refusal_for,
    spellings,
)

ASKED = {
    "english": "What does a filter cost?",
    "german": "Was kostet ein Filter?",
    "spanish": "¿Cuánto cuesta un filtro?",
    "french": "Combien coûte un filtre ?",
    "chinese": "滤芯多少钱？",
    "russian": "Сколько стоит фильтр?",
    "arabic": "كم يكلف المرشح؟",
    "italian": "Quanto costa un filtro?",
    "portuguese": "Quanto custa o filtro e qual é o prazo de entrega?",
    "dutch": "Hoeveel kost een filter?",
}


@pytest.mark.parametrize("language", PHRASES)
def test_the_refusal_is_in_the_language_of_the_question(language):
    question, said = ASKED[language], PHRASES[language]
    assert refusal_for(question) == said.refusal
    assert nothing_for(question, "nothing_found") == said.refusal
    assert nothing_for(question, "empty_library") == said.empty_library
    assert nothing_for(question, "no_document_left") == said.no_document_left
    assert len({one.refusal for one in PHRASES.values()}) == len(PHRASES)


def test_english_says_what_it_said():
    assert (refusal_for("Who?"), refusal_for("AX-200"), refusal_for("")) == (REFUSAL,) * 3
    assert nothing_for("Who?", "empty_library") == NO_DOCUMENTS["empty_library"]


@pytest.mark.parametrize("said", spellings())
def test_a_model_may_refuse_in_any_of_these_languages(said):
    assert is_refusal(said)
    assert is_refusal(f"{said.rstrip('.。')} [1]".replace(" [1]", ""))
    assert resolve(f"{said} [1]", []).abstained
    assert read_claims(said)[0].gap


@pytest.mark.parametrize("text", ["Nicht in Berlin.", "文档", "Pas dans ce bâtiment.", "No."])
def test_an_answer_that_begins_likewise_is_none(text):
    assert not is_refusal(text)


def streamed(question, pieces, shown=None):
    """What a listener gets of an answer that comes in these pieces."""
    heard = []
    stream = AnswerStream(lambda piece: heard.append(piece) is None, refusal_for(question))
    for piece in pieces:
        assert stream(piece)
    stream.finish("".join(pieces) if shown is None else shown)
    return "".join(heard)


def test_a_refusal_is_streamed_in_its_language_and_nothing_else_is_changed():
    assert streamed("Wer zahlt?", ["Not in", " the docu", "ments."]) == "Nicht in den Dokumenten."
    assert streamed("Wer zahlt?", ["Not in the ", "office."]) == "Not in the office."
    assert streamed("Wer zahlt?", ["Not"]) == "Not"
    assert streamed("Wer zahlt?", ["Die ", "Firma. "]) == "Die Firma. "
    assert streamed("Who pays?", ["Not in", " the documents."]) == REFUSAL


def test_a_stream_is_not_held_back_longer_than_it_may_be_a_refusal():
    heard = []
    stream = AnswerStream(lambda piece: heard.append(piece) is None, refusal_for("Wer zahlt?"))
    for piece in ("Not ", "in ", "Berlin ", "but "):
        stream(piece)
    assert "".join(heard) == "Not in Berlin but"
