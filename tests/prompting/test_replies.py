"""What models write around their answers is taken off, whole and in streams, and nothing else is touched."""

import time

import pytest

from acclimate.errors import EngineError
from acclimate.prompting.reasoning import opens, read_reply
from acclimate.prompting.replies import ReplyStream, ask, json_text, plain
from acclimate.testing.models import Heard, ScriptedEngine
from acclimate.types import Generation, Message

ANSWER = "117 kg [1]"
ASKED = [Message("user", "What does it weigh?")]
# A reply, and the reasoning in it. All of them answer the same.
REPLIES = {
    "plain": (ANSWER, ""),
    "think": ("<think>Fjell 9? No, 12 kg [2].</think>\n\n117 kg [1]", "Fjell 9? No, 12 kg [2]."),
    "upper case": ("<THINK>hm</THINK>117 kg [1]", "hm"),
    "empty": ("<think>\n\n</think>\n\n117 kg [1]", ""),
    "never opened": ("Maybe 12 kg [2].\n</think>\n\n117 kg [1]", "Maybe 12 kg [2]."),
    "never closed": ("117 kg [1]\n<think>I check that: 12", "I check that: 12"),
    "closed twice": ("<think>hm</think>117 kg [1]</think>", "hm"),
    "a mark in it": ("<think>what is <think> here?</think>117 kg [1]", "what is <think> here?"),
    "twice": ("<think>a</think>117 kg <think>b</think>[1]", "a\nb"),
    "reasoning": ("<reasoning>\n12?\n</reasoning>\n<answer>117 kg [1]</answer>", "12?"),
    "mark behind the tag": ("<thinking>12?</thinking><answer>117 kg</answer> [1]", "12?"),
    "gpt-oss": (
        "<|channel|>analysis<|message|>We need 12.<|end|><|start|>assistant<|channel|>final<|message|>"
        "117 kg [1]<|return|>",
        "We need 12.",
    ),
    "gpt-oss bare": ("analysisWe need 12.assistantfinal117 kg [1]", "We need 12."),
    "Magistral": ("[THINK]12?[/THINK]117 kg [1]", "12?"),
    "Kimi": ("◁think▷12?◁/think▷117 kg [1]", "12?"),
    "Command A": (
        "<|START_THINKING|>12?<|END_THINKING|><|START_RESPONSE|>117 kg [1]<|END_RESPONSE|>",
        "12?",
    ),
    "Granite": ("Here is my thought process: 12? Here is my response: 117 kg [1]", "12?"),
    "Ollama": ("Thinking...\n12?\n...done thinking.\n\n117 kg [1]", "12?"),
    "fence": ("```\n117 kg [1]\n```", ""),
    "fence with a name": ("```text\n117 kg\n``` [1]", ""),
    "prefix": ("Answer: 117 kg [1]", ""),
    "bold prefix": ("**Final answer:** 117 kg [1]", ""),
    "sentence prefix": ("The answer is: 117 kg [1]", ""),
    "German": ("Antwort: 117 kg [1]", ""),
    "box": ("$\\boxed{117 kg}$ [1]", ""),
    "JSON": ('{"answer": "117 kg [1]"}', ""),
    "ChatML": ("<|im_start|>assistant\n117 kg [1]<|im_end|>\n<|im_start|>user\nAnd now?", ""),
    "Llama": ("<|start_header_id|>assistant<|end_header_id|>\n\n117 kg [1]<|eot_id|>", ""),
    "Llama bare": ("assistant\n\n117 kg [1]", ""),
    "Mistral": ("117 kg [1]</s>[INST] more [/INST]", ""),
    "Gemma": ("117 kg [1]<end_of_turn>", ""),
    "DeepSeek": ("<think>12?</think>117 kg [1]<｜end▁of▁sentence｜>", "12?"),
    "role": ("Assistant: 117 kg [1]", ""),
    "an invented turn": ("117 kg [1]\n\nUser: And the other?\nAssistant: 12 kg [2]", ""),
    "an invented question": ("117 kg [1]\n\nQuestion: And the other?\nAnswer: 12 kg [2]", ""),
}
KEPT = (
    "The tag `<think>` opens reasoning [1]",
    "Write <think> at the start of a prompt [2]",
    "Answer the door, then ask [1].",
    "<s>90</s> 80 euros [1]",
    " 117 kg \n",
    "Analysis of variance [1]",
    "Set `</s>` as the stop token",
    "User: ann\nRole: admin [1]",
    "$12 [1]",
    '{"weight": "117 kg"}',
    "It costs 5 euros. The final answer came on Monday: yes.",
)


@pytest.mark.parametrize(("raw", "reasoning"), REPLIES.values(), ids=REPLIES)
def test_an_answer_and_its_reasoning_come_apart(raw, reasoning):
    reply = read_reply(raw)
    assert (plain(reply.text).strip(), reply.reasoning) == (ANSWER, reasoning)
    again = read_reply(reply.text)
    assert (again.text, again.reasoning) == (reply.text, "")


@pytest.mark.parametrize("raw", KEPT)
def test_text_without_any_of_it_stays_to_the_letter(raw):
    assert plain(read_reply(raw).text) == raw
    heard = Heard()
    stream = ReplyStream(heard, silent=False)
    for letter in raw:
        stream(letter)
    stream.finish(plain(read_reply(raw).text))
    assert heard.text == raw


@pytest.mark.parametrize("step", [1, 2, 5, 1000])
@pytest.mark.parametrize("silent", [False, None])
@pytest.mark.parametrize("name", REPLIES)
def test_only_the_answer_is_streamed(name, silent, step):
    raw = REPLIES[name][0]
    if read_reply(raw).unopened:
        silent = silent if silent is None else True
    heard = Heard()
    stream = ReplyStream(heard, silent=silent)
    for at in range(0, len(raw), step):
        assert stream(raw[at : at + step])
    stream.finish(plain(read_reply(raw).text))
    assert heard.text.strip() == ANSWER


def test_an_answer_comes_while_it_is_written():
    heard = Heard()
    stream = ReplyStream(heard, silent=False)
    for word in "<think>so 12? </think> The pump weighs 117 kg ".split(" "):
        stream(f"{word} ")
    assert heard.text.strip() == "The pump weighs 117 kg"


def test_the_first_reply_of_an_unknown_model_waits_and_the_next_one_streams():
    said = ["so it is 12 </think> 117 kg [1]", "or 13 </think> 118 kg net [1]"]
    engine, first, second = ScriptedEngine(lambda _: said.pop(0)), Heard(), Heard()
    ask(engine, ASKED, Generation(), first)
    assert [piece for piece in first.pieces if piece] == [ANSWER]
    ask(engine, ASKED, Generation(), second)
    shown = [piece for piece in second.pieces if piece]
    assert ("".join(shown), len(shown) > 1) == ("118 kg net [1]", True)


def test_a_template_that_opens_reasoning_is_believed():
    class Prefilled(ScriptedEngine):
        prefill = "<|im_start|>assistant\n<think>\n"

    heard = Heard()
    done = ask(Prefilled(lambda _: "it may be 12 </think> 117 kg [1]"), ASKED, Generation(), heard)
    assert (done.text, done.reasoning, heard.text) == (ANSWER, "it may be 12", ANSWER)
    with pytest.raises(EngineError, match="no answer"):
        ask(Prefilled(lambda _: "it may be 12"), ASKED, Generation())
    assert not opens("<think>\n\n</think>\n\n")
    assert not opens("<|im_start|>assistant\n")


def test_a_reply_that_is_cut_within_its_reasoning_gets_room_once_and_then_at_once():
    engine = ScriptedEngine(lambda _: f"<think>{'hm ' * 40}</think> 117 kg [1]")
    done = ask(engine, ASKED, Generation(max_tokens=20))
    assert (done.text, done.finish, done.calls, len(engine.prompts)) == (ANSWER, "stop", 2, 2)
    assert done.completion_tokens > 40
    assert ask(engine, ASKED, Generation(max_tokens=20)).calls == 1


def test_thinking_aloud_that_nothing_opened_gets_room_too():
    engine = ScriptedEngine(lambda _: f"Okay, so {'hm ' * 40}</think> 117 kg [1]")
    done = ask(engine, ASKED, Generation(max_tokens=20))
    assert (done.text, done.calls) == (ANSWER, 2)
    rambling = ScriptedEngine(lambda _: "Okay, so " + "hm " * 90)
    done = ask(rambling, ASKED, Generation(max_tokens=20))
    assert (done.finish, len(done.text.split()), done.reasoning) == ("length", 20, "")


def test_reasoning_without_end_is_an_error_that_names_the_setting():
    engine = ScriptedEngine(lambda _: f"<think>{'hm ' * 400}", context_tokens=100)
    with pytest.raises(EngineError, match="reasoning and no answer") as caught:
        ask(engine, ASKED, Generation(max_tokens=20))
    assert "max_tokens" in caught.value.hint


def test_who_stops_listening_ends_the_reasoning_too():
    heard = []
    done = ask(
        ScriptedEngine(lambda _: "<think>a b c d e</think> x"),
        ASKED,
        Generation(),
        lambda piece: bool(heard),
    )
    assert done.finish == "cancelled"


@pytest.mark.parametrize(
    "raw",
    [
        '{"kg": 117}',
        'Here it is [1]:\n```json\n{"kg": 117}\n```\nAnything else?',
        'The value is {"kg": 117}, from [1].',
        '```\n{"kg": 117}',
        'Not {"kg": "many"} but {"kg": 117}.',
    ],
)
def test_json_is_found_in_prose(raw):
    fault = lambda value: "" if value == {"kg": 117} else "wrong"  # noqa: E731
    assert json_text(raw, fault) == '{"kg": 117}'


def test_text_without_json_is_left_as_it_is():
    assert json_text("no JSON [here") == "no JSON [here"
    assert json_text('first [1], then {"a": 1}') == '{"a": 1}'


def test_streams_cost_no_more_than_what_is_new():
    engine = ScriptedEngine(
        lambda _: f"<think>{'hm and so on. ' * 20_000}</think>{'so it goes on, ' * 20_000}", 10**7
    )
    engine.prefill = ""
    heard, started = Heard(), time.process_time()
    done = ask(engine, ASKED, Generation(max_tokens=10**6), heard)
    assert heard.text.strip() == done.text.strip()
    assert len(heard.pieces) > 20_000
    assert (
        time.process_time() - started < 60
    )  # again and again from its beginning it would be an hour


def test_a_long_first_piece_is_sent_at_once():
    heard = Heard()
    stream = ReplyStream(heard, silent=False)
    stream("word " * 500)
    stream("more " * 500)
    assert heard.text.strip() == ("word " * 500 + "more " * 500).strip()
