"""A judge's verdict is read in the forms in which models give it; what says both or nothing is not read."""

import pytest

from acclimate.evaluation.judge import judge
from acclimate.evaluation.verdicts import read_verdict
from acclimate.types import Answer, Prompt, Question, Timings, Usage

YES = (
    "Yes",
    "**Yes.**",
    "yes - they say the same",
    "<think>It says 5, so no. No, wait: yes it does.</think>\n\nYes",
    "They differ? no.\n</think>\nyes",
    "[THINK]no[/THINK]yes",
    "<|channel|>analysis<|message|>no?<|end|><|start|>assistant<|channel|>final<|message|>yes<|return|>",
    "Yes<|im_end|>\n<|im_start|>user\nNo",
    '```json\n{"Verdict": "YES", "Reasoning": "not the same wording"}\n```',
    '{"is_correct": true, "explanation": "no"}',
    'My evaluation: {"result": {"sameMeaning": 1}, "why": "…"}',
    '{"contradiction": false}',
    '{"verdict": "The answers match."}',
    "The given answer says the same as the reference answer.",
    "The given answer is correct.",
    "It does not contradict the reference; they say the same.",
    "Both are 5 kg.\n\nFinal answer: **Yes**",
    "Answer: yes",
    "Both name the same town, so yes.",
    "Let me see.\nYes\n",
)
NO = (
    "No",
    "no, it is another town",
    "<reasoning>yes?</reasoning>No.",
    '{"correct": false}',
    '{"Judgment": "Incorrect", "confidence": 0.9}',
    '{"wrong": "yes"}',
    "assistant\n\nNo",
    "The given answer does not say the same as the reference.",
    "The given answer is not correct.",
    "It isn't right.",
    "They don't match.",
    "The given answer contradicts the reference.",
    "The values differ.\nVerdict: **No**",
)
UNREAD = (
    "",
    "<think>yes",
    "no idea",
    "Yes and no",
    "I cannot tell.",
    "Reply with one word: yes or no",
    '{"score": 1}',
    '{"verdict": "yes", "correct": false}',
    "The given answer is partially correct.",
    "The given answer is correct, but a part is missing.",
    "The reference says no, and the given answer is no.",
    "Given answer: yes. Reference answer: yes.",
    "Yes\nNo",
    "If it is 5 kg, the answers match.",
)
QUESTION = Question("q", "What does it weigh?", ("5 kg",))


@pytest.mark.parametrize(
    ("said", "right"),
    [
        *((text, True) for text in YES),
        *((text, False) for text in NO),
        *((text, None) for text in UNREAD),
    ],
)
def test_verdicts(said, right):
    assert read_verdict(said) is right


def test_what_is_not_read_is_an_error_with_its_words():
    given = Answer(
        "?",
        "5 kg",
        "5 kg",
        False,
        (),
        Prompt((), 0),
        Usage(1, 1),
        Timings(0.0, 0.0, 0.0),
        "rag",
        "scripted",
    )
    word = judge(QUESTION, given, lambda _: "<think>yes</think>Who knows?")
    assert word.right is None
    assert "Who knows?" in word.error
