"""What is compared as it is written, and other systems' answers."""

import json

import pytest

from acclimate.errors import SettingsError
from acclimate.evaluation.given import read_given
from acclimate.settings import Settings
from acclimate.settings_sections import ModelSettings
from acclimate.types import Question
from acclimate.workflows.entries import OWN, model_of, read_entries, settings_of


def names(texts, models=()):
    return [one.name for one in read_entries(texts, models)]


def test_every_recipe_meets_every_model_and_the_own_one_is_not_said():
    url = "http://127.0.0.1:9/v1#qwen"
    assert names(["rag", "cot"], [OWN, "qwen2.5-coder-1.5b", url]) == [
        "rag", "rag@qwen2.5-coder-1.5b", "rag@qwen", "cot", "cot@qwen2.5-coder-1.5b", "cot@qwen",
    ]  # fmt: skip
    assert names(["rag"]) == ["rag"]
    # One that names its model keeps it, and what asks no model takes part once.
    assert names(["rag@a", "extract"], [OWN, "b"]) == ["rag@a", "extract"]
    assert names(["rag", "rag"]) == ["rag"]


def test_settings_stand_in_brackets_and_are_read_by_their_own_schema():
    (one,) = read_entries(['rag[k=8, rerank="none", max_tokens=64, answer.shots=2]'])
    assert one.name == "rag[k=8,rerank=none,max_tokens=64,answer.shots=2]"
    found = settings_of(Settings(), one)
    assert (found.retrieval.k, found.model.max_tokens, found.answer.shots) == (8, 64, 2)
    assert found.retrieval.candidates == Settings().retrieval.candidates
    (other,) = read_entries(["rag[rerank=some/model]@m"])
    assert settings_of(Settings(), other).model.name == "m"
    assert settings_of(Settings(), other).retrieval.rerank == "some/model"


def test_the_environment_does_not_overrule_a_entry(monkeypatch):
    monkeypatch.setenv("ACCLIMATE_RETRIEVAL__K", "1")
    (one,) = read_entries(["rag[k=8]"])
    assert settings_of(Settings(), one).retrieval.k == 8


def test_another_model_leaves_what_belongs_to_the_projects_own():
    own = ModelSettings(
        engine="openai", name="big", base_url="http://h/v1", context_tokens=9000, prompt_price=2,
        max_tokens=99, adapter="my/adapter",
    )  # fmt: skip
    local = model_of(own, "smollm2-135m-instruct")
    assert (local.engine, local.base_url, local.context_tokens) == ("auto", None, None)
    assert (local.prompt_price, local.max_tokens, local.adapter) == (None, 99, "auto")
    served = model_of(own, "https://other/v1#m")
    assert (served.engine, served.base_url, served.name) == ("openai", "https://other/v1", "m")


@pytest.mark.parametrize(
    ("text", "part", "hint"),
    [
        ("rag[kk=8]", "unknown key 'kk'", "'k'"),
        ("rag[retrieval.neighbors=1]", "retrieval.neighbors", "retrieval.neighbours"),
        ("rag[k=none]", "'retrieval.k' = 'none'", ""),
        ("rag[k=0]", "greater than or equal to 1", ""),
        ("rag[k]", "is no setting", "rag[k=8"),
        ("rag[k=8,k=9]", "sets 'k' twice", ""),
        ("rag[chunking.max_tokens=100]", "[chunking] cannot differ", "folder"),
        ("rag[language=german]", "the text index is built for it", "folder"),
        ("rag[model.name=x]", "after its @", "--model"),
        ("rag[k=8", "is no entry", "rag[k=8]"),
        ("ragg", "there is no recipe", "rag"),
        ("rag@http://h/v1", "which of the server's models", "#NAME"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_nearest_key_named(text, part, hint):
    with pytest.raises(SettingsError) as caught:
        read_entries([text])
    assert part in str(caught.value)
    assert hint in caught.value.hint


def test_two_models_of_one_name_are_refused():
    with pytest.raises(SettingsError, match="would both be called 'm'"):
        read_entries(["rag"], ["http://a/v1#m", "http://b/v1#m"])


@pytest.fixture
def given(tmp_path):
    def write(*lines):
        file = tmp_path / "other.jsonl"
        file.write_text(
            "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
        )
        return str(file)

    return write


ASKED = [Question("a", "A?", ("117 kg",), "a.md", "It weighs 117 kg."), Question("b", "B?", ("x",))]
TEXTS = {"a.md": "# A\n\nIt weighs 117 kg.\n"}


def test_another_systems_answers_come_with_places_times_and_tokens(given):
    found = read_given("li=" + given(
        {"id": "a", "answer": "117 kg", "citations": ["a.md", {"document": "a.md", "quote": "117 kg"}],
         "passages": [{"document": "a.md", "text": "It weighs"}], "seconds": 2.5, "first_s": 0.5,
         "tokens": {"prompt": 90, "answer": 7}, "model": "gpt"},
        {"id": "b", "answer": None},
    ))  # fmt: skip
    one = found.entry(TEXTS.get)
    answer = one.prepare()(ASKED[0])
    assert (one.recipe, answer.text, answer.model, answer.abstained) == (
        "li",
        "117 kg",
        "gpt",
        False,
    )
    assert (answer.timings.total_s, answer.timings.first_token_s) == (2.5, 0.5)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (90, 7)
    whole, quote = answer.citations
    assert (whole.start, whole.end) == (0, len(TEXTS["a.md"]))
    assert TEXTS["a.md"][quote.start : quote.end] == quote.quote == "117 kg"
    assert answer.prompt.passages[quote.number - 1].chunk.text == "117 kg"
    assert one.prepare()(ASKED[1]).abstained
    assert found.notes(ASKED) == []


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{", "line 2: not JSON"),
        ({"answer": "x"}, "line 2: the key 'id' is missing"),
        ({"id": "b"}, "line 2: the key 'answer' is missing"),
        ({"id": "a", "answer": "x"}, "line 2: the id 'a' comes a second time"),
        ({"id": "b", "answer": 3}, "line 2: 'answer' is 3"),
        ({"id": "b", "answer": "x", "seconds": -1}, "line 2: 'seconds' is -1"),
        ({"id": "b", "answer": "x", "tokens": "9"}, "line 2: 'tokens' is '9'"),
        ({"id": "b", "answer": "x", "tokens": {"in": 9}}, "line 2: unknown key 'tokens.in'"),
        ({"id": "b", "answer": "x", "citation": []}, "line 2: unknown key 'citation'"),
        ({"id": "b", "answer": "x", "citations": "a.md"}, "line 2: 'citations'"),
        ({"id": "b", "answer": "x", "citations": [{"page": 1}]}, "no 'document'"),
        ({"id": "b", "answer": "x", "abstained": "no"}, "line 2: 'abstained' is 'no'"),
        ([], "line 2: it is no object"),
    ],
)
def test_a_line_that_is_no_answer_is_refused_with_its_number(given, line, part):
    with pytest.raises(SettingsError) as caught:
        read_given(given({"id": "a", "answer": "x"}, line))
    assert part in str(caught.value)


def test_ids_that_do_not_match_are_told(given):
    notes = read_given(given({"id": "a", "answer": "x"}, {"id": "z", "answer": "x"})).notes(ASKED)
    assert "no answer to 1 of 2 questions, which counts as wrong: b" in notes[0]
    assert "1 questions that are not asked here: z" in notes[1]
    with pytest.raises(SettingsError, match="answers none of the 2 questions"):
        read_given(given({"id": "z", "answer": "x"})).notes(ASKED)


READ = (
    "# Pumps\n\nThe **Fjell 9** weighs 117 kg, and the Fjell 12 weighs 151 kg.\n\n"
    "| Model | Height |\n| --- | --- |\n| Fjell 9 | 1,020 mm |\n\nAsk the dealer of your region.\n"
)


@pytest.mark.parametrize(
    ("quote", "held"),
    [
        ("The Fjell 9 weighs\u00a0117 kg, and the Fjell 12 weighs 151 kg.", "Fjell 12 weighs"),
        ("The Fjell 9 weighs 117 kg, and\nthe Fjell 12 weighs 151 kg.\nModel Height\nFjell 9 1,020 mm\n"
         "Ask the dealer of your region.", "1,020 mm"),
        ("117  kg", "117 kg"),
    ],
)  # fmt: skip
def test_a_passage_is_found_where_another_program_reads_the_file_to_another_text(
    given, quote, held
):
    row = {"id": "a", "answer": "117 kg", "passages": [{"document": "a.md", "text": quote}]}
    answer = read_given("li=" + given(row)).entry({"a.md": READ}.get).prepare()(ASKED[0])
    (hit,) = answer.prompt.passages
    assert held in READ[hit.chunk.start : hit.chunk.end]
    assert hit.chunk.text == quote


def test_a_passage_of_which_the_document_holds_little_points_to_nothing(given):
    quote = "The Fjell 9 weighs 117 kg.\nNothing of this stands there, not one of these words does."
    row = {"id": "a", "answer": "117 kg", "passages": [{"document": "a.md", "text": quote}]}
    answer = read_given("li=" + given(row)).entry({"a.md": READ}.get).prepare()(ASKED[0])
    (hit,) = answer.prompt.passages
    assert (hit.chunk.start, hit.chunk.end) == (0, 0)
