"""Lists of turns as pairs: each answer is learnt with the turns before it as its prompt.

A turn is OpenAI's {"role", "content"} or ShareGPT's {"from", "value"}. Fields that are null or
empty count as absent. Calls of tools, their results and the tools themselves go to the model's chat
template, which decides later whether it has a place for them (`cases.encode`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acclimate.types import Message, Question, Role, Turn

Values = Mapping[str, Any]
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "tool": "tool",
    "observation": "tool",
}
_AFTER: dict[str, tuple[Role, ...]] = {
    "nothing": ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user",),
    "a call": ("tool",),
    "tool": ("tool", "assistant"),
}
_GREETING = "greetings before the first question"
READ = frozenset(
    {"role", "from", "content", "value", "weight", "tool_calls", "tool_call_id", "name"}
)
"""Keys of a turn that are read."""


class Unfit(ValueError):  # noqa: N818 -- not an error of the program
    """A row that cannot be learnt: `reason` after "line 12 …", and the `remedy`."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True, slots=True)
class Lesson:
    """A prompt and the answer to learn. `question` is there where the row is a question set's;
    `fields` are those of an answer that calls tools, as in `Turn`; `passed` says what of the row is
    not for training."""

    messages: tuple[Message, ...]
    answer: str
    question: Question | None = None
    fields: str = ""
    passed: str = ""


def read_conversation(
    turns: object, name: str, tools: object = None, *, learnt_from: int = 0
) -> list[Lesson]:
    """A lesson for each answer from turn `learnt_from` on (from 0); those of weight 0 are shown and
    not learnt.

    An assistant's greeting before the first question is left out, and said. Raises Unfit.
    """
    if not isinstance(turns, list) or not turns:
        raise Unfit(
            f"has no list of turns in '{name}'", f'Write "{name}": [{{"role": …, "content": …}}].'
        )
    told: list[Message] = []
    lessons: list[Lesson] = []
    passed = ""
    for number, turn in enumerate(turns, start=1):
        role = _role(turn, number)
        if role == "assistant" and not _said(told) and _next_asks(turns, number):
            passed = _GREETING
            continue
        _require_order(role, told, number)
        message = _message(turn, role, number)
        if role == "assistant" and number > learnt_from and _weight(turn, number):
            fields = message.fields if isinstance(message, Turn) else ""
            lessons.append(
                Lesson(_with_tools(told, tools), message.content, fields=fields, passed=passed)
            )
        told.append(message)
    if told[-1].role != "assistant" or isinstance(told[-1], Turn):
        last = (
            "a call of a tool" if told[-1].role == "assistant" else f"a turn of '{told[-1].role}'"
        )
        raise Unfit(f"ends with {last}, which nothing answers", "End with the assistant's answer.")
    if not lessons:
        raise Unfit(
            "has weight 0 for every answer, so all of it is masked",
            "Give the answers to learn weight 1.",
        )
    return lessons


def _with_tools(told: Sequence[Message], tools: object) -> tuple[Message, ...]:
    if not tools:
        return tuple(told)
    if not isinstance(tools, list) or not all(isinstance(one, dict) for one in tools):
        raise Unfit(
            "has 'tools' that are no list of objects", 'Write "tools": [{"type": "function", …}].'
        )
    first = told[0]
    fields = json.loads(first.fields) if isinstance(first, Turn) else {}
    return (Turn(first.role, first.content, json.dumps(fields | {"tools": tools})), *told[1:])


def _said(told: Sequence[Message]) -> bool:
    return any(message.role != "system" for message in told)


def _next_asks(turns: Sequence[Any], number: int) -> bool:
    after = turns[number] if number < len(turns) else None
    return isinstance(after, dict) and _ROLES.get(_key(after, "role", "from").casefold()) == "user"


def _key(turn: Values, first: str, second: str) -> str:
    return str(turn.get(first) or turn.get(second) or "").strip()


def _role(turn: object, number: int) -> Role:
    if not isinstance(turn, dict) or not _key(turn, "role", "from"):
        raise Unfit(f"has no key 'role' in turn {number}", "Say who speaks, by 'role' or 'from'.")
    if turn.get("function_call"):
        raise Unfit(
            f"has 'function_call' in turn {number}, an older form", "Write it as 'tool_calls'."
        )
    said = _key(turn, "role", "from")
    if said.casefold() not in _ROLES:
        raise Unfit(f"has the role '{said}' in turn {number}", f"Known roles: {', '.join(_ROLES)}.")
    return _ROLES[said.casefold()]


def _require_order(role: Role, told: Sequence[Message], number: int) -> None:
    last = "nothing"
    if told:
        calls = told[-1].role == "assistant" and isinstance(told[-1], Turn)
        last = "a call" if calls else told[-1].role
    if role not in _AFTER[last]:
        after = "at the beginning" if not told else f"after '{last}'"
        wanted = " or ".join(f"'{name}'" for name in _AFTER[last])
        raise Unfit(
            f"has '{role}' {after} (turn {number}), where {wanted} belongs",
            "A system turn may stand first; then user and assistant take turns, and tools answer "
            "calls.",
        )


def _message(turn: Values, role: Role, number: int) -> Message:
    what = "the answer" if role == "assistant" else f"turn {number} ({role})"
    fields: dict[str, Any] = {}
    if calls := turn.get("tool_calls"):
        if role != "assistant":
            raise Unfit(
                f"has 'tool_calls' in turn {number} of '{role}'", "Only the assistant calls tools."
            )
        fields["tool_calls"] = (
            [_call(one, number) for one in calls]
            if isinstance(calls, list)
            else _call(calls, number)
        )
    if role == "tool":
        fields = {name: turn[name] for name in ("name", "tool_call_id") if turn.get(name)}
    content = _content(turn, number)
    silent = (calls or role == "tool") and (content is None or content == "")
    text = "" if silent else clean(content, what)
    return Turn(role, text, json.dumps(fields)) if fields else Message(role, text)


def _call(call: object, number: int) -> dict[str, Any]:
    """A call with its arguments as an object, which is how chat templates take them."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Unfit(
            f"has 'tool_calls' in turn {number} without a function's name",
            'Write {"function": {"name": …}}.',
        )
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            arguments = None
    if not isinstance(arguments, dict):
        raise Unfit(
            f"has 'tool_calls' in turn {number} whose arguments are no JSON object",
            'Write "arguments": "{…}".',
        )
    made = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    return made | ({"id": call["id"]} if isinstance(call, dict) and call.get("id") else {})


def _content(turn: Values, number: int) -> object:
    name = next((name for name in ("content", "value") if name in turn), None)
    if name is None and not turn.get("tool_calls"):
        raise Unfit(
            f"has no key 'content' in turn {number}", "Give its text, as 'content' or 'value'."
        )
    content = turn.get(name) if name else None
    if not isinstance(content, list):
        return content
    kinds = {part.get("type") if isinstance(part, dict) else "?" for part in content}
    if kinds != {"text"}:
        odd = ", ".join(sorted(str(kind) for kind in kinds - {"text"})) or "nothing"
        raise Unfit(
            f"has other parts than text in turn {number} ({odd})", "Only text can be learnt."
        )
    return "\n".join(str(part.get("text", "")) for part in content)


def _weight(turn: Values, number: int) -> bool:
    weight = 1 if turn.get("weight") is None else turn["weight"]
    if weight not in (0, 1):
        raise Unfit(f"has the weight {weight!r} in turn {number}", "Weights are 0 or 1.")
    return bool(weight)


def clean(value: object, what: str) -> str:
    """A text without the space around it. Raises Unfit where it is none, is empty, or was decoded
    wrongly."""
    if not isinstance(value, str):
        raise Unfit(f"has no text as {what}", "Put it into quotes.")
    if not value.strip():
        if what == "the answer":
            raise Unfit("has an empty answer", "Give it one, or remove the line.")
        raise Unfit(f"is empty in {what}", "Fill it in, or remove the line.")
    if "\ufffd" in value:
        raise Unfit(
            f"has the character U+FFFD in {what}: its text was decoded wrongly once",
            "Export it as UTF-8.",
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Unfit(f"has half a character (\\ud800 to \\udfff) in {what}", "Export it as UTF-8.")
    return value.strip()
