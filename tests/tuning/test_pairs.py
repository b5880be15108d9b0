"""Each form that pairs come in is read, and each fault is refused with its line, reason and remedy."""

import json

import pytest

from acclimate.errors import DataError, SettingsError
from acclimate.prompting.passages import REFUSAL
from acclimate.tuning.pairs.pairs import PairSource, hold_out, read_pairs, refused
from acclimate.types import Message

CHAT = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "1"}]

SPOKEN = [("system", "S"), ("user", "One?")]


def write(folder, content, name="pairs.jsonl"):
    file = folder / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        rows = (
            content
            if isinstance(content, str)
            else "".join(json.dumps(row) + "\n" for row in content)
        )
        file.write_text(rows, encoding="utf-8", newline="")
    return file


def read(folder, content, name="pairs.jsonl", form=None):
    return read_pairs(PairSource(write(folder, content, name), form))


def told(found):
    return [(str(one.place), one.reason) for one in found.problems]


@pytest.mark.parametrize(
    ("form", "row", "messages", "answer"),
    [
        ("prompt", {"prompt": "Hi ", "completion": " Good day\n"}, [("user", "Hi")], "Good day"),
        (
            "prompt",
            {"system": "Be kind.", "prompt": "Hi", "completion": "Yes"},
            [("system", "Be kind."), ("user", "Hi")],
            "Yes",
        ),
        (
            "alpaca",
            {"instruction": "Add", "input": "1 2", "output": "3"},
            [("user", "Add\n\n1 2")],
            "3",
        ),
        ("alpaca", {"Instruction": "Sing", "input": "", "output": "La"}, [("user", "Sing")], "La"),
        (
            "question",
            {"question": "Where?", "answers": ["Oslo", "In Oslo"]},
            [("user", "Where?")],
            "Oslo",
        ),
        ("question", {"question": "Where?", "answer": "Oslo"}, [("user", "Where?")], "Oslo"),
        (
            "question",
            {"question": "Why?", "answers": [], "answerable": False},
            [("user", "Why?")],
            REFUSAL,
        ),
        ("chat", {"messages": CHAT}, [("user", "One?")], "1"),
        ("prompt", {"prompt": CHAT[:1], "completion": CHAT[1:]}, [("user", "One?")], "1"),
        (
            "prompt",
            {"prompt": [{"role": "system", "content": "S"}, *CHAT[:1]], "completion": "1"},
            SPOKEN,
            "1",
        ),
        (
            "dolly",
            {"instruction": "Add", "context": "1 2", "response": "3"},
            [("user", "Add\n\n1 2")],
            "3",
        ),
        (
            "dolly",
            {"instruction": "Sing", "context": "", "response": "La"},
            [("user", "Sing")],
            "La",
        ),
        ("input", {"input": "One?", "output": "1"}, [("user", "One?")], "1"),
        ("preference", {"prompt": "One?", "chosen": "1", "rejected": "2"}, [("user", "One?")], "1"),
        (
            "preference",
            {"prompt": CHAT[:1], "chosen": CHAT[1:], "rejected": CHAT[1:] * 2},
            [("user", "One?")],
            "1",
        ),
        ("preference", {"chosen": CHAT, "rejected": CHAT[:1]}, [("user", "One?")], "1"),
        ("sharegpt", {"conversations": CHAT}, [("user", "One?")], "1"),
        (
            "chat",
            {
                "messages": [
                    turn | {"name": None, "tool_calls": [], "weight": None} for turn in CHAT
                ],
                "tools": [],
            },
            [("user", "One?")],
            "1",
        ),
        (
            "sharegpt",
            {
                "system": "S",
                "conversations": [
                    {"from": "human", "value": "One?"},
                    {"from": "gpt", "value": "1"},
                ],
            },
            [("system", "S"), ("user", "One?")],
            "1",
        ),
    ],
)
def test_each_form_is_told_by_its_keys(tmp_path, form, row, messages, answer):
    found = read(tmp_path, [row])
    assert (found.format, found.layout, found.problems, found.unused) == (
        form,
        "JSON Lines",
        (),
        (),
    )
    (pair,) = found.pairs
    assert pair.messages == tuple(Message(role, text) for role, text in messages)
    assert pair.answer == answer
    listed = read(tmp_path, json.dumps([row, row]), "pairs.json")
    assert (listed.layout, listed.format, len(listed.pairs)) == ("JSON list", form, 2)
    assert listed.pairs[0].answer == answer


def test_each_answer_of_a_chat_is_a_pair_but_for_those_of_weight_0(tmp_path):
    turns = [
        {"role": "developer", "content": "S"},
        *CHAT,
        {"role": "user", "content": [{"type": "text", "text": "2?"}]},
    ]
    silent = {"role": "assistant", "content": "two", "weight": 0}
    last = [{"role": "user", "content": "3?"}, {"role": "assistant", "content": "3", "weight": 1}]
    found = read(tmp_path, [{"messages": [*turns, silent, *last]}])
    assert [(len(pair.messages), pair.answer) for pair in found.pairs] == [(2, "1"), (6, "3")]
    assert found.pairs[1].messages[0] == Message("system", "S")
    assert found.pairs[1].messages[4] == Message("assistant", "two")  # shown, not learnt


def test_what_of_a_row_is_not_learnt_is_counted(tmp_path):
    greeting = {"from": "gpt", "value": "Hello!"}
    turns = [{"from": "human", "value": "One?"}, {"from": "gpt", "value": "1"}]
    found = read(tmp_path, [{"conversations": [greeting, *turns, *turns]}])
    assert [(len(pair.messages), pair.answer) for pair in found.pairs] == [(1, "1"), (3, "1")]
    assert found.passed == {"greetings before the first question": 1}
    found = read(tmp_path, [{"prompt": "a", "chosen": "b", "rejected": "c"}] * 2)
    assert (len(found.pairs), sum(found.passed.values())) == (2, 2)
    assert "the chosen ones are learnt" in next(iter(found.passed))
    kto = [
        {"prompt": "a", "completion": "b", "label": True},
        {"prompt": "a", "completion": "bad", "label": False},
    ]
    found = read(tmp_path, kto)
    assert [pair.answer for pair in found.pairs] == ["b"]
    assert found.passed == {"labelled false, so not for learning": 1}
    found = read(tmp_path, [{"messages": [CHAT[0], CHAT[1] | {"audio": {"id": "x"}}], "id": 1}])
    assert found.unused == ("id", "messages[].audio")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "x"},
            "has no 'prompt' for its 'chosen' answer",
        ),
        (
            {"prompt": "a", "chosen": "b", "rejected": "b"},
            "has the same text as 'chosen' and as 'rejected'",
        ),
        ({"chosen": CHAT[:1], "rejected": CHAT}, "has no answer in 'chosen'"),
    ],
)
def test_a_preference_without_an_answer_to_learn_is_refused(tmp_path, row, reason):
    assert told(read(tmp_path, [row])) == [("line 1", reason)]


def test_calls_of_tools_are_learnt_with_their_results_before_them(tmp_path):
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "code", "arguments": '{"locker": 1}'},
    }
    turns = [CHAT[0], {"role": "assistant", "content": None, "tool_calls": [call]}]
    turns += [{"role": "tool", "tool_call_id": "c1", "content": "1000"}, CHAT[1]]
    tools = [{"type": "function", "function": {"name": "code"}}]
    found = read(tmp_path, [{"messages": turns, "tools": tools}])
    first, second = found.pairs
    assert (first.answer, json.loads(first.fields)["tool_calls"][0]["function"]["arguments"]) == (
        "",
        {"locker": 1},
    )
    assert json.loads(first.messages[0].fields) == {"tools": tools}
    assert [message.role for message in second.messages] == ["user", "assistant", "tool"]
    assert (second.answer, second.fields) == ("1", "")
    found = read(tmp_path, [{"messages": turns[:2]}])
    assert told(found) == [("line 1", "ends with a call of a tool, which nothing answers")]
    found = read(tmp_path, [{"messages": [*turns[:2], CHAT[0], CHAT[1]]}])
    assert told(found)[0][1].startswith("has 'user' after 'a call' (turn 3), where 'tool' belongs")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv_has_a_header_and_cells_over_several_lines(tmp_path, mark):
    rows = ["\ufeffPrompt{0}Completion", '"a\nb"{0}"say ""hi"""', "c{0}d", "", "e{0}", "f{0}g{0}h"]
    found = read(tmp_path, "\r\n".join(rows).format(mark), "pairs.csv")
    assert found.format == "prompt"
    assert [(str(pair.place), pair.messages[0].content, pair.answer) for pair in found.pairs] == [
        ("line 2", "a\nb", 'say "hi"'),
        ("line 4", "c", "d"),
    ]
    assert told(found) == [
        ("line 6", "has an empty answer"),
        ("line 7", "has 3 cells under 2 columns"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{oops", "is not JSON: Expecting property name"),
        ("[1]", "holds a list, not an object"),
        ('{"prompt": "a", "prompt": "b", "completion": "c"}', "has the key 'prompt' twice"),
        ('{"prompt": "a", "Prompt": "b", "completion": "c"}', "has the key 'prompt' twice"),
        ('{"prompt": "a"}', "has no key 'completion'"),
        ('{"prompt": "a", "completion": "  "}', "has an empty answer"),
        ('{"prompt": " ", "completion": "b"}', "is empty in 'prompt'"),
        ('{"prompt": "a", "completion": 7}', "has no text as the answer"),
        ('{"prompt": "a", "completion": null}', "has no text as the answer"),
        ('{"prompt": "caf\\ufffd", "completion": "b"}', "has the character U+FFFD in 'prompt'"),
        ('{"prompt": "a", "completion": "b\\ud83d"}', "has half a character"),
        ('{"prompt": "a", "completion": "b", "split": "valid"}', "has the split 'valid'"),
    ],
)
def test_a_row_that_cannot_be_learnt_is_named(tmp_path, row, reason):
    good = '{"prompt": "Q", "completion": "A\\u2028B"}'
    found = read(tmp_path, f"{good}\n\n{row}\n{good}\n")
    assert len(found.pairs) == 2
    ((place, why),) = told(found)
    assert place == "line 3"
    assert why.startswith(reason)
    error = refused(found.file, found.problems, found.rows)
    assert "1 of 3 rows cannot be learnt" in str(error)
    assert f"line 3 {reason}" in str(error)
    assert found.problems[0].remedy in str(error)
    assert "--leave-out" in error.hint


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], "has no list of turns"),
        ("Hi", "has no list of turns"),
        ([{"content": "x"}], "has no key 'role' in turn 1"),
        ([{"role": "user"}], "has no key 'content' in turn 1"),
        ([{"role": "bot", "content": "x"}], "has the role 'bot' in turn 1"),
        ([CHAT[1]], "has 'assistant' at the beginning (turn 1), where 'system' or 'user' belongs"),
        ([CHAT[0], CHAT[0]], "has 'user' after 'user' (turn 2), where 'assistant' belongs"),
        ([*CHAT, {"role": "system", "content": "x"}], "has 'system' after 'assistant' (turn 3)"),
        ([*CHAT, CHAT[0]], "ends with a turn of 'user'"),
        ([CHAT[0], {"role": "assistant", "content": ""}], "has an empty answer"),
        (
            [CHAT[0], CHAT[1] | {"weight": 0}],
            "has weight 0 for every answer, so all of it is masked",
        ),
        ([CHAT[0], CHAT[1] | {"weight": 0.5}], "has the weight 0.5 in turn 2"),
        (
            [CHAT[0], {"role": "assistant", "tool_calls": [1], "content": "x"}],
            "has 'tool_calls' in turn 2",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url"}]}, CHAT[1]],
            "has other parts than text in turn 1",
        ),
    ],
)
def test_a_conversation_that_cannot_be_learnt_is_named(tmp_path, turns, reason):
    found = read(tmp_path, [{"messages": CHAT}, {"messages": turns}])
    ((place, why),) = told(found)
    assert (place, len(found.pairs)) == ("line 2", 1)
    assert why.startswith(reason)


@pytest.mark.parametrize(
    ("content", "name", "part", "hint"),
    [
        (b"", "a.jsonl", "is empty", ""),
        (
            b'{"prompt": "a", "completion": "b"}\n{"prompt": "caf\xe9"}',
            "a.jsonl",
            "line 2: the byte 0xe9",
            "iconv",
        ),
        ("\ufeffprompt".encode("utf-16"), "a.csv", "is UTF-16", "iconv -f UTF-16"),
        (b'{"a": "\0"}', "a.jsonl", "line 1: a zero byte", ""),
        (b'{\n"data": [1]\n}\n', "a.json", "one object over several lines", "questions import"),
        (b'[{"prompt": "a"},\n{"prompt" "b"}]', "a.json", "line 2: not JSON", "Correct it"),
        (b'[{"prompt": "a"}\n{"prompt": "b"}]', "a.json", "line 2: not JSON: ',' or ']'", ""),
        (
            b'[{"prompt": "a", "completion": "b"}] and so on',
            "a.json",
            "characters follow the list",
            "",
        ),
        (b"prompt\nx\n", "a.csv", "nothing could separate", "prompt,completion"),
        (b"prompt,completion;x\nx\n", "a.csv", "commas and semicolons could", ""),
        (b"prompt,Prompt,completion\n", "a.csv", "'prompt' comes twice", ""),
        (b'prompt,completion\n"a"b,c\n', "a.csv", "line 2: not CSV", "twice"),
        (
            b'{"text": "a"}',
            "a.jsonl",
            "its keys (text) are of no known format",
            "prompt (prompt, completion)",
        ),
        (
            b'{"prompt": "a", "completion": "b"}\n{"messages": []}',
            "a.jsonl",
            "formats: 'prompt' (prompt, completion; line 1), 'chat' (messages; line 2)",
            "--format prompt",
        ),
        (b"oops\n", "a.jsonl", "line 1 is not JSON", ""),
    ],
)
def test_a_file_that_cannot_be_read_with_certainty_is_refused(tmp_path, content, name, part, hint):
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, name)
    assert part in str(caught.value)
    assert hint in caught.value.hint


def test_a_format_that_is_asked_for_is_taken_and_other_rows_are_refused(tmp_path):
    rows = [{"prompt": "a", "completion": "b"}, {"messages": CHAT}]
    found = read(tmp_path, rows, form="chat")
    assert [pair.answer for pair in found.pairs] == ["1"]
    assert told(found) == [("line 1", "has no key 'messages'")]
    assert found.unused == ("completion", "prompt")
    with pytest.raises(SettingsError, match="no format 'parquet'"):
        read(tmp_path, rows, form="parquet")


def test_rows_of_the_test_split_and_rejected_ones_are_counted(tmp_path):
    base = {"question": "Q?", "answers": ["a"], "context": "c"}
    found = read(
        tmp_path, [base | {"split": "test"}, base | {"status": "rejected"}, base | {"split": "dev"}]
    )
    assert found.passed == {"of its split 'test'": 1, "rejected by a reviewer": 1}
    assert [pair.split for pair in found.pairs] == ["dev"]
    assert found.unused == ("context",)


def test_what_is_watched_is_held_out_whole_and_always_alike(tmp_path):
    twice = [
        {"messages": [{"role": "user", "content": f"{n}?"}, CHAT[1], *CHAT]} for n in range(100)
    ]
    pairs = read(tmp_path, twice).pairs
    learnt, watched, how = hold_out(pairs)
    assert (len(learnt), len(watched), how) == (190, 10, "held out")
    assert not {pair.place for pair in learnt} & {pair.place for pair in watched}
    assert hold_out(pairs) == (learnt, watched, how)
    few, same, how = hold_out(pairs[:6])
    assert few == same
    assert "too few" in how
    marked = read(
        tmp_path,
        [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d", "split": "dev"}],
    )
    assert [[pair.answer for pair in side] for side in hold_out(marked.pairs)[:2]] == [["b"], ["d"]]
