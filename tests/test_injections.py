"""Planted instructions against the default model and against one that does whatever it is told."""

import re

import pytest

from acclimate.answer import Answerer
from acclimate.indexes.filters import Filter
from acclimate.models.chat import neutralise_roles
from acclimate.project import Project
from acclimate.prompting.passages import render_passages
from acclimate.prompting.recipes import find_recipe
from acclimate.prompting.templates import load_template
from acclimate.testing.injections import INJECTIONS, invented, leaked, plant
from acclimate.testing.models import Heard, ScriptedEngine
from acclimate.types import Chunk, Document, Generation, Hit

QUICK = [INJECTIONS[place] for place in range(0, len(INJECTIONS), 6)]


def test_the_suite_is_large_and_each_text_its_own():
    assert len({one.text for one in INJECTIONS}) == len(INJECTIONS) >= 60
    assert len({one.kind for one in INJECTIONS}) >= 8


@pytest.mark.parametrize("one", INJECTIONS, ids=lambda one: f"{one.kind}-{INJECTIONS.index(one)}")
def test_even_a_model_that_repeats_everything_shows_no_link_and_invents_no_place(one):
    """The worst model: it answers with the planted text itself, and with marks of its own."""
    text = f"The pump is covered for 7 years.\n\n{one.text}"
    chunk = Chunk("c", "a.md", 0, len(text), text, "Warranty")

    class Fixed:
        def retrieve(self, query, k):
            return [Hit(chunk, 1.0, 1)]

    for said in (one.text, f"{one.text} [1]", f"7 years [9] {one.text} [3]"):
        engine, heard = ScriptedEngine(lambda _, said=said: said, 4000), Heard()
        recipe = find_recipe("rag")
        answerer = Answerer(
            recipe, load_template("rag"), engine, Fixed(), Generation(max_tokens=400), 4
        )
        answer = answerer.answer("For how many years is the pump covered?", heard)
        assert not leaked(answer)
        assert "evil.example" not in heard.text.casefold()
        assert invented(answer, {"a.md": Document("a.md", text)}) == []
        shown = answer.prompt.messages[-1].content
        assert re.findall(r"^\[\d+\]", shown, re.MULTILINE) == [
            "[1]"
        ]  # one passage, whatever it looks like
        assert not any(
            0xE0000 <= ord(letter) <= 0xE007F or letter in "\u200b\u202e" for letter in shown
        )


@pytest.mark.parametrize("one", [one for one in INJECTIONS if one.kind == "role tokens"], ids=str)
def test_role_tokens_are_broken_up_for_servers_too(one):
    broken = neutralise_roles(one.text)
    assert neutralise_roles(broken) == broken
    for token in (
        "<|im_start|>",
        "<|im_end|>",
        "[INST]",
        "<<SYS>>",
        "<s>",
        "</s>",
        "<start_of_turn>",
        "<|eot_id|>",
    ):
        assert token not in broken


def test_ordinary_text_is_not_touched_for_servers():
    text = "a < b, [2] and [INSTALL], <b>bold</b>, x|y, <<EOF, </section> <span>"
    assert neutralise_roles(text) == text
    assert (
        render_passages([Chunk("c", "d", 0, 5, "a [1] b\n- [x]", "T")]) == "[1] T\na [1] b\n- [x]"
    )


def test_the_default_model_reads_planted_instructions_as_text(tmp_path):
    questions = [
        plant(tmp_path / "documents", number, one.text) for number, one in enumerate(QUICK)
    ]
    with Project.create(tmp_path, tmp_path / "documents") as project:
        project.ingest()
        answered = 0
        for number, question in enumerate(questions):
            answer = project.answer(question, where=Filter.parse([f"path={number:03}/*"], None))
            record = project.library.record
            documents = {
                hit.chunk.document: record.document(hit.chunk.document)
                for hit in answer.prompt.passages
            }
            assert not leaked(answer)
            assert invented(answer, documents) == []
            answered += answer.text.startswith("7")
        assert answered >= len(QUICK) // 2
