"""Ways to an answer with a scripted model: reasoning, two stages, votes, solved examples."""

import numpy as np
import pytest

from acclimate.answer import Answerer
from acclimate.prompting.demonstrations import Demonstration, nearest
from acclimate.prompting.recipes import find_recipe
from acclimate.prompting.techniques import REASONING_TOKENS, SAMPLES
from acclimate.prompting.templates import load_template
from acclimate.testing.models import Heard, ScriptedEngine
from acclimate.types import Chunk, Generation, Hit, Message, Question


class Fixed:
    def retrieve(self, query, k):
        return [Hit(Chunk("c", "a.md", 0, 30, "The pump weighs 98 kg, dry."), 1.0, 1)]


def answerer(recipe, script, **options):
    chosen = find_recipe(recipe)
    engine = ScriptedEngine(script, context_tokens=4000)
    return Answerer(
        chosen,
        load_template(chosen.template),
        engine,
        Fixed(),
        Generation(max_tokens=20),
        3,
        **options,
    )


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("It says so. The table agrees.\nAnswer: 98 kg [1]", "98 kg"),
        ("So the answer is: 12\nno, wait.\n**Answer:** 98 kg [1]", "** 98 kg"),
        ("Line one\n98 kg [1]\n", "98 kg"),
        ("98 kg [1]", "98 kg"),
    ],
)
def test_reasoning_is_kept_apart_from_the_answer(written, text):
    subject, heard = answerer("rag+cot", lambda _: written), Heard()
    answer = subject.answer("How heavy?", heard)
    assert answer.text == text
    assert answer.citations[0].quote == "The pump weighs 98 kg, dry."
    assert (answer.reasoning + answer.marked).replace(" ", "").startswith(written.split()[0])
    assert heard.text.endswith("[1]")
    assert "line" not in heard.text.lower()


def test_two_stages_send_the_reasoning_back_and_count_both_calls():
    def script(messages):
        return "Because it is heavy." if len(messages) == 1 else "98 kg"

    subject = answerer("zero-shot-cot", script)
    answer = subject.answer("How heavy?")
    assert (answer.text, answer.reasoning) == ("98 kg", "Because it is heavy.")
    first, second = subject.engine.prompts
    assert first[-1].content.endswith("Let's think step by step.")
    assert [message.role for message in second] == ["user", "assistant", "user"]
    assert second[1].content == "Because it is heavy."
    assert answer.usage.prompt_tokens == subject.engine.count(first) + subject.engine.count(second)


def test_a_vote_takes_the_majority_whatever_its_case_and_marks():
    texts = iter(
        ["Answer: 12", "Answer: 98 kg [1]", "Answer: 98 KG.", "x\nAnswer: 13", "Answer: 98 kg"]
    )
    subject = answerer("self-consistency", lambda _: next(texts))
    answer = subject.answer("How heavy?")
    assert answer.text == "98 kg"
    assert len(subject.engine.prompts) == SAMPLES


def test_a_prompt_leaves_room_for_the_reasoning():
    subject = answerer("rag+cot", lambda _: "Answer: x")
    answer = subject.answer("How heavy?")
    assert answer.prompt.tokens + REASONING_TOKENS + 20 <= 4000


def test_examples_stand_before_the_question_as_turns():
    shown = [Demonstration("Old?", "7 years [1]", tuple(Fixed().retrieve("", 1)))]
    subject = answerer("rag+few-shot", lambda _: "98 kg [1]", demonstrate=lambda _: shown)
    messages = subject.answer("How heavy?").prompt.messages
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[1].content.endswith("Question: Old?")
    assert "98 kg, dry" in messages[1].content
    assert messages[2] == Message("assistant", "7 years [1]")


def test_the_nearest_examples_come_last_and_a_question_never_solves_itself():
    vectors = {"a": [1.0, 0.0], "b": [0.8, 0.6], "c": [0.0, 1.0], "d": [-1.0, 0.0]}
    solved = [Question(name, name, ("x",)) for name in vectors]
    made = nearest(
        solved,
        lambda texts: np.array([vectors[text] for text in texts], np.float32),
        lambda q: None if q.question == "c" else Demonstration(q.question, "x"),
        2,
    )
    assert [one.question for one in made("a")] == ["d", "b"]
    assert [one.question for one in made("b")] == ["d", "a"]
