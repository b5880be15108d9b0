"""Earlier turns: what is completed, what stays, what fits."""

import pytest

from acclimate.prompting.conversation import Turn, as_messages, complete, condense, read_turns
from acclimate.prompting.templates import load_template
from acclimate.types import Message

WEIGHT = Turn("What does a Fjell 9 weigh?", "117 kg")
OFFICER = Turn("Who is the data protection officer?", "Signe Aas")
RETURN = Turn("How many days do private buyers have to send something back?", "30 days")


@pytest.mark.parametrize(
    ("turns", "asked", "completed"),
    [
        ([WEIGHT], "How loud is it?", "How loud is Fjell 9?"),
        ([WEIGHT], "What is its list price?", "What is Fjell 9's list price?"),
        ([WEIGHT], "And the Fjell 12?", "What does a Fjell 12 weigh?"),
        ([WEIGHT], "What about Kilde 300?", "What does a Kilde 300 weigh?"),
        ([WEIGHT], "And how much does it cost?", "And how much does Fjell 9 cost?"),
        ([WEIGHT, Turn("And the Fjell 12?", "139 kg")], "How loud is it?", "How loud is Fjell 12?"),
        ([OFFICER], "When did she start?", "When did Signe Aas start?"),
        ([WEIGHT], "Why?", "Why (Fjell 9)?"),
        ([WEIGHT], "Is that without water?", "Is that without water (Fjell 9)?"),
        ([WEIGHT], "Does that include the base?", "Does that include the base (Fjell 9)?"),
        ([WEIGHT], "How long does it take to heat up?", "How long does Fjell 9 take to heat up?"),
        ([Turn("Who designed the museum?", "")], "When did it open?", "When did the museum open?"),
        ([Turn("What is the price of a snow cover?", "")], "How long is it?", "How long is the snow cover?"),
        ([Turn("What is the refund period?", "")], "Why?", "Why (the refund period)?"),
        ([RETURN], "Also for opened boxes?", RETURN.question[:-1] + ", for opened boxes?"),
    ],
)  # fmt: skip
def test_a_question_that_points_back_is_completed(turns, asked, completed):
    assert complete(asked, turns) == completed


@pytest.mark.parametrize(
    "question",
    [
        "How long is the compressor of a Fjell 12 under warranty?",
        "What happens to a parcel that comes back without a return number?",
        "What is the price of the part that must be replaced at code 17?",
        "How do I reset a code?",
        "What happens to a parcel when it comes back?",
        "What was the new name of the university when it reopened in 1872?",
        "What does it cost to ship a pallet to Finland?",
        "Which team wished to keep telemetry for longer than the schedule says?",
    ],
)
@pytest.mark.parametrize("turns", [[], [WEIGHT], [OFFICER, RETURN]])
def test_a_question_that_stands_alone_stays_to_the_letter(question, turns):
    assert complete(question, turns) == question


def test_without_turns_nothing_is_carried_over():
    assert complete(" How loud is it? ", []) == "How loud is it?"
    assert complete("", [WEIGHT]) == ""


def test_a_model_completes_where_asked_and_the_rule_where_it_says_nothing():
    heard = []

    def write(messages, most):
        heard.append(messages[-1].content)
        return "Question: How loud is the Fjell 9?\nBecause it was asked."

    rewrite = condense(load_template("condense"), write)
    assert rewrite("How loud is it?", [WEIGHT]) == "How loud is the Fjell 9?"
    assert "User: What does a Fjell 9 weigh?\nAssistant: 117 kg\n\n" in heard[0]
    assert rewrite("How loud is it?", []) == "How loud is it?"
    assert len(heard) == 1
    assert (
        condense(load_template("condense"), lambda *_: " \n")("How loud is it?", [WEIGHT])
        == "How loud is Fjell 9?"
    )


def test_the_newest_turns_are_shown_as_far_as_they_fit():
    def count(messages):
        return sum(1 + len(message.content.split()) for message in messages)

    turns = [Turn(f"q{n} x x", f"a{n}") for n in range(4)]
    told = as_messages(turns, count, 12)
    assert [message.content for message in told] == ["q2 x x", "a2", "q3 x x", "a3"]
    assert [message.role for message in told] == ["user", "assistant"] * 2
    assert count(told) == 12
    assert as_messages(turns, count, 5) == as_messages([], count, 99) == ()


def test_messages_of_a_client_become_turns():
    messages = [
        Message("system", "You are a pirate."),
        Message("user", "Hello."),
        Message("user", "What does a Fjell 9 weigh?"),
        Message("assistant", "117 kg"),
        Message("user", "How loud is it?"),
    ]
    question, turns = read_turns(messages)
    assert question == "How loud is it?"
    assert turns == (Turn("Hello.\nWhat does a Fjell 9 weigh?", "117 kg"),)
    assert read_turns([]) == ("", ())
    assert read_turns(messages[:4])[0] == ""
