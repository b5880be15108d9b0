"""JSON answers: checked, repaired once, traced to the passages."""

import json
from dataclasses import replace

import pytest
from pydantic import BaseModel, field_validator

from acclimate.answer import Answerer
from acclimate.answer_json import answer_first
from acclimate.errors import EngineError, SettingsError, UnfilledError
from acclimate.prompting.citations import mark_answer
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.recipes import find_recipe
from acclimate.prompting.structured import JSON_TOKENS, read_shape
from acclimate.prompting.templates import load_template
from acclimate.testing.models import Heard, ScriptedEngine
from acclimate.types import Chunk, Generation, Hit, Span

TEXTS = ("Refunds take 14 days.", "The office is in Aarhus, at the harbour.")
SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer"}, "city": {"type": "string"}},
    "required": ["days", "city"],
}


class Refund(BaseModel):
    days: int
    city: str

    @field_validator("days")
    @classmethod
    def _a_fortnight(cls, value):
        if value != 14:
            raise ValueError("days are 14")
        return value


class Fixed:
    def retrieve(self, query, k):
        return [
            Hit(Chunk(f"c{n}", f"{n}.md", 10, 10 + len(t), t, f"Title {n}"), 1.0, n)
            for n, t in enumerate(TEXTS, 1)
        ][:k]


def answerer(*texts, schema=SCHEMA, recipe="rag"):
    said = iter(texts)
    chosen = find_recipe(recipe)
    engine = ScriptedEngine(lambda _: next(said))
    shape = read_shape(schema)
    return Answerer(
        chosen,
        load_template(chosen.template),
        engine,
        Fixed(),
        Generation(max_tokens=20),
        3,
        shape=shape,
    )


def test_the_value_is_given_and_its_words_are_cited():
    subject = answerer('{"days": 14, "city": "Aarhus"}')
    answer = subject.answer("How long, and where?")
    assert answer.data == {"days": 14, "city": "Aarhus"}
    assert json.loads(answer.text) == answer.data
    assert [(c.number, c.quote) for c in answer.citations] == [(1, TEXTS[0]), (2, TEXTS[1])]
    assert answer.usage.calls == 1
    last = subject.engine.prompts[0][-1].content
    assert '"required":["days","city"]' in last
    assert last.index("How long, and where?") < last.index('"required"')


def test_what_is_wrong_is_sent_back_once():
    subject = answerer('{"days": "14", "city": "Aarhus"}', '{"days": 14, "city": "Aarhus"}')
    answer = subject.answer("How long?")
    assert answer.usage.calls == 2
    assert "$.days: '14' is not of type 'integer'" in subject.engine.prompts[1][-1].content
    assert subject.engine.prompts[1][-2].content == '{"days": "14", "city": "Aarhus"}'
    assert answer.usage.prompt_tokens == sum(
        subject.engine.count(prompt) for prompt in subject.engine.prompts
    )


def test_a_second_fault_is_an_error_with_a_remedy():
    with pytest.raises(EngineError, match="after one repair") as caught:
        answerer("no", "no").answer("How long?")
    assert "larger model" in caught.value.hint


def test_json_cut_at_the_limit_names_the_limit():
    cut = '{"city": "' + "a " * (JSON_TOKENS + 5)
    with pytest.raises(EngineError, match=f"cut after {JSON_TOKENS} tokens") as caught:
        answerer(cut, cut).answer("How long?")
    assert "max_tokens" in caught.value.hint
    assert answerer(cut, '{"days": 1, "city": ""}').answer("How long?").usage.calls == 2


def test_a_pydantic_model_checks_with_its_own_validators():
    subject = answerer(
        '{"days": 3, "city": "Aarhus"}', '{"days": 14, "city": "Aarhus"}', schema=Refund
    )
    answer = subject.answer("How long?")
    assert Refund.model_validate(answer.data).days == 14
    assert "days are 14" in subject.engine.prompts[1][-1].content


def test_no_value_at_all_is_a_refusal():
    schema = {"type": "object", "properties": {"days": {"type": ["integer", "null"]}}}
    answer = answerer('{"days": null}', schema=schema).answer("How long?")
    assert (answer.abstained, answer.data, answer.citations) == (True, {"days": None}, ())


@pytest.mark.parametrize("schema", [{"type": "nothing"}, {"properties": 3}])
def test_what_is_no_schema_is_refused(schema):
    with pytest.raises(SettingsError, match="not a JSON Schema"):
        read_shape(schema)


def test_nothing_is_fetched_for_a_schema():
    with pytest.raises(SettingsError, match="not in it"):
        read_shape({"$ref": "http://127.0.0.1:9/x.json"}).fault({})


@pytest.mark.parametrize("recipe", ["cot", "zero-shot-cot", "rag+few-shot"])
def test_recipes_that_cannot_are_named(recipe):
    with pytest.raises(SettingsError, match="schema"):
        find_recipe(recipe).check_json()


@pytest.mark.parametrize(
    "said",
    [
        '<think>{"days": 3, "city": "Oslo"}? No.</think>{"days": 14, "city": "Aarhus"}',
        'Sure:\n```json\n{"days": 14, "city": "Aarhus"}\n```\nSee [1].',
        '{"days": 14, "city": "Aarhus"}<|im_end|>',
    ],
)
def test_json_in_prose_or_after_reasoning_is_taken_at_the_first_try(said):
    subject = answerer(said)
    answer = subject.answer("How long, and where?")
    assert (answer.data, answer.usage.calls) == ({"days": 14, "city": "Aarhus"}, 1)
    assert json.loads(answer.text) == answer.data
    assert [citation.number for citation in answer.citations] == [1, 2]


class TestAnswerFirst:
    """A reader that knows plain answers only is asked for one, and the schema is filled from it."""

    def subject(self, said, schema, **options):
        return replace(answerer(*said, schema=schema), fill=answer_first, **options)

    def test_the_value_and_its_citation_are_those_of_the_plain_answer(self):
        schema = {
            "type": "object",
            "properties": {"days": {"type": "integer"}, "unit": {"type": "string"}},
        }
        subject, heard = self.subject(["14 days [1]"], schema), Heard()
        answer = subject.answer("How many days?", heard)
        assert answer.data == {"days": 14, "unit": "days"}
        assert answer.text == heard.text == json.dumps(answer.data)
        assert [(c.number, c.quote) for c in answer.citations] == [(1, TEXTS[0])]
        assert (answer.usage.calls, len(subject.engine.prompts)) == (1, 1)
        assert "schema" not in subject.engine.prompts[0][-1].content.casefold()

    def test_the_second_reader_has_its_word(self):
        schema = {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        }
        weigh = lambda question, hits, said: mark_answer(Span(17, 23), 2, hits)  # noqa: E731
        answer = self.subject(["Oslo [1]"], schema, second_reader=weigh).answer("Where?")
        assert (answer.data, answer.citations[0].document) == ({"city": "Aarhus"}, "2.md")

    def test_a_choice_that_must_be_there_is_written_by_the_model(self):
        kinds = {"text": {"type": "string"}, "kind": {"enum": ["time", "place"]}}
        schema = {"type": "object", "properties": kinds, "required": ["text", "kind"]}
        subject = self.subject(["14 days [1]", '"time"'], schema)
        answer = subject.answer("How long?")
        assert answer.data == {"text": "14 days", "kind": "time"}
        assert answer.usage.calls == 2
        assert "time, place" in subject.engine.prompts[1][-1].content
        with pytest.raises(UnfilledError, match=r"\$\.kind"):
            self.subject(["14 days [1]", "neither"], schema).answer("How long?")

    def test_a_refusal_is_null_where_that_may_stand(self):
        days = {"type": "object", "properties": {"days": {"type": ["integer", "null"]}}}
        answer = self.subject([REFUSAL], days).answer("How long?")
        assert (answer.abstained, answer.data, answer.text) == (
            True,
            {"days": None},
            '{"days": null}',
        )
        answer = self.subject([REFUSAL], SCHEMA).answer("How long?")
        assert (answer.abstained, answer.data, answer.text) == (True, None, REFUSAL)

    def test_a_field_that_nothing_fills_is_an_error(self):
        with pytest.raises(UnfilledError, match=r"“14 days” does not fill \$\.city"):
            self.subject(["14 days [1]"], SCHEMA).answer("How many days?")

    def test_json_that_the_model_writes_all_the_same_is_taken(self):
        answer = self.subject(['{"days": 14, "city": "Aarhus"}'], SCHEMA).answer("How long?")
        assert answer.data == {"days": 14, "city": "Aarhus"}

    def test_a_value_outside_the_schema_is_an_error(self):
        schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 3}}}
        with pytest.raises(UnfilledError, match="too long"):
            self.subject(["Aarhus [2]"], schema).answer("Where?")
