"""What is learnt is what will be asked: prompts, answers, passages in and out, splits apart."""

import random

import pytest

from acclimate.answer import Answerer
from acclimate.errors import DataError, SettingsError
from acclimate.models.chat import ChatFormat
from acclimate.models.fetch import resolve
from acclimate.models.gguf import read_info, read_tokenizer
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.recipes import find_recipe
from acclimate.prompting.templates import load_template
from acclimate.testing.models import ScriptedEngine
from acclimate.tuning.cases import Case, CaseSampler, encode, require_apart
from acclimate.types import Chunk, Generation, Hit, Message, Question
from acclimate.workflows.tune_data import make_cases

TEXTS = ("The pump weighs 98 kg.", "The fan is quiet.", "Filters are changed in spring.")
QUESTIONS = [
    Question(
        "a", "How heavy is the pump?", ("98 kg",), "0.md", "weighs 98 kg", True, "fact", "train"
    ),
    Question("b", "Who sells it?", (), None, None, False, "unanswerable", "train"),
    Question("c", "Where is it made?", ("Oslo",), "9.md", "made in Oslo", True, "fact", "train"),
]


@pytest.fixture(scope="module")
def chat():
    file = resolve("smollm2-135m-instruct", "language").weights
    info = read_info(file)
    return ChatFormat(read_tokenizer(file), info.chat_template, info.bos)


class Fixed:
    def retrieve(self, query, k):
        return [
            Hit(Chunk(str(n), f"{n}.md", 0, len(t), t), 1.0, n + 1) for n, t in enumerate(TEXTS)
        ][:k]


def answerer(name):
    recipe = find_recipe(name)
    engine = ScriptedEngine(lambda _: "")
    return Answerer(
        recipe, load_template(recipe.template), engine, Fixed(), Generation(max_tokens=20), 2
    )


def test_cases_from_passages_hold_the_evidence_among_others_or_refuse():
    subject = answerer("rag")
    cases = make_cases(subject, QUESTIONS, random.Random(0))
    heavy = [case for case in cases if case.question == "a"]
    assert {case.answer for case in heavy} == {"98 kg [1]", "98 kg [2]", REFUSAL}
    for case in heavy:
        shown = case.messages[-1].content
        assert ("weighs 98 kg" in shown) == (case.answer != REFUSAL)
        if case.answer != REFUSAL:
            number = case.answer[-2]
            assert f"[{number}]\n{TEXTS[0]}" in shown
    assert [case.answer for case in cases if case.question == "b"] == [REFUSAL]
    assert not [
        case for case in cases if case.question == "c"
    ]  # retrieval does not find its evidence


def test_cases_without_passages_are_the_bare_question():
    cases = make_cases(answerer("zero-shot"), QUESTIONS, random.Random(0))
    assert [case.answer for case in cases] == ["98 kg", REFUSAL, "Oslo"]
    assert cases[0].messages == answerer("zero-shot").prompt(QUESTIONS[0].question, ()).messages


def test_a_case_is_encoded_as_the_template_asks_and_ends_its_turn(chat):
    case = Case((Message("system", "Be short."), Message("user", "Say <|im_end|> hi")), "hi there")
    example = encode(case, chat)
    assert list(example.prompt) == chat.encode(case.messages)
    assert (
        chat.tokenizer.decode(list(example.answer), skip_special_tokens=False)
        == "hi there<|im_end|>"
    )


@pytest.mark.parametrize(
    ("answer", "length", "part"),
    [("  ", 99, "empty answer"), ("x " * 200, 99, "99 fit"), ("a<|im_end|>", 99, "control token")],
)
def test_what_cannot_be_learnt_is_refused_by_name(chat, answer, length, part):
    with pytest.raises(DataError, match=part) as caught:
        CaseSampler([Case((Message("user", "Q"),), answer, "q-17")], chat, length)
    assert "q-17" in str(caught.value)


def test_cases_that_share_their_prompt_are_packed_and_others_are_not(chat):
    close = [
        Case((Message("system", "Long instruction. " * 20), Message("user", f"{n}?")), "x")
        for n in range(6)
    ]
    packed = CaseSampler(close, chat, 2000)(random.Random(0))
    assert packed.branches.max() > 1
    far = [Case((Message("user", f"{n} " * 300),), "x") for n in range(6)]
    assert CaseSampler(far, chat, 2000)(random.Random(0)).branches.max() == 1
    again = CaseSampler(close, chat, 2000)(random.Random(0))
    assert packed.tokens.tolist() == again.tokens.tolist()


def test_short_cases_stand_side_by_side_and_do_not_see_each_other(chat):
    short = [Case((Message("user", f"{n} " * 40),), "x") for n in range(9)]
    packed = CaseSampler(short, chat, 2000)(random.Random(0))
    assert packed.branches.max() > 3
    assert len(packed.tokens) <= 512
    own = packed.branches[:, None] == packed.branches
    assert not (packed.mask() & ~own & (packed.branches > 0)).any()
    for branch in range(1, int(packed.branches.max()) + 1):
        learnt = packed.labels[packed.branches == branch]
        assert (
            chat.tokenizer.decode(learnt[learnt != -100].tolist(), skip_special_tokens=False)
            == "x<|im_end|>"
        )


def test_splits_that_share_documents_or_questions_are_refused():
    other = Question("t", "How heavy is the pump", ("x",), "0.md", None, True, "", "test")
    with pytest.raises(SettingsError, match=r"0\.md"):
        require_apart(QUESTIONS, [other])
    twin = Question("t", "Who sells it ?", (), None, None, False, "", "test")
    with pytest.raises(SettingsError, match=r"'b'.*'t'"):
        require_apart(QUESTIONS, [twin])
    both = Question(
        "t", "Which is heavier?", ("the pump",), "8.md", split="test", documents=("8.md", "0.md")
    )
    with pytest.raises(
        SettingsError, match=r"'a' \(train\) and 't' \(test\) are about the same document, 0.md"
    ):
        require_apart(QUESTIONS, [both])
    require_apart(QUESTIONS, [Question("t", "Something else?", ("x",), "5.md", split="test")])
