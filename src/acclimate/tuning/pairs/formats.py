"""The forms that people keep training data in, each a row of a table: which keys tell it, and how a row is read.

prompt     TRL's and OpenAI's older form            {"prompt": …, "completion": …}
question   question sets, as of a domain set        {"question": …, "answers": […], "document": …, "evidence": …}
alpaca     Stanford Alpaca's                        {"instruction": …, "input": …, "output": …}
chat       OpenAI's form for fine-tuning            {"messages": [{"role": …, "content": …, "weight": 0 or 1}]}
sharegpt   ShareGPT's                               {"conversations": [{"from": …, "value": …}]}

Sources: https://platform.openai.com/docs/guides/supervised-fine-tuning, https://github.com/tatsu-lab/stanford_alpaca,
https://github.com/lm-sys/FastChat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acclimate.prompting.passages import REFUSAL
from acclimate.types import Message, Question, Role

Values = Mapping[str, Any]
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
_SEPARATOR = "|"  # between several answers in one cell, as `acclimate questions import` reads them


class Unfit(ValueError):  # noqa: N818 -- not an error of the program
    """A row that cannot be learnt: `reason` after "line 12 …", and the `remedy`."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True, slots=True)
class Lesson:
    """A prompt and the answer to learn. `question` is there where the row is a question set's."""

    messages: tuple[Message, ...]
    answer: str
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """A form. A row has it that holds one key of each group of `needed`; `known` are further keys that are read."""

    name: str
    needed: tuple[tuple[str, ...], ...]
    known: tuple[str, ...]
    read: Callable[[Values, str], list[Lesson]]

    @property
    def keys(self) -> str:
        """Its keys, in words."""
        return ", ".join(" or ".join(group) for group in self.needed)

    def fits(self, values: Values) -> bool:
        """Whether the row has every key that the form needs."""
        return all(any(name in values for name in group) for group in self.needed)


def _read_prompt(values: Values, place: str) -> list[Lesson]:
    prompt, answer = _text(values, "prompt"), _text(values, "completion", answer=True)
    return [Lesson((*_system(values), Message("user", prompt)), answer)]


def _read_alpaca(values: Values, place: str) -> list[Lesson]:
    if values.get("history"):
        raise Unfit("has a 'history'", "Write conversations as messages.")
    asked = _text(values, "instruction")
    if values.get("input"):
        asked += "\n\n" + _text(values, "input")
    return [Lesson((*_system(values), Message("user", asked)), _text(values, "output", answer=True))]


def _read_question(values: Values, place: str) -> list[Lesson]:
    answerable = str(values.get("answerable", True)).strip().casefold() not in ("false", "0", "no")
    answers = _answers(values) if answerable else ()
    paths = values.get("documents") or ()
    question = Question(
        id=str(values.get("id") or place),
        question=_text(values, "question"),
        answers=answers,
        document=values.get("document") or None,
        evidence=values.get("evidence") or None,
        answerable=answerable,
        kind=str(values.get("kind") or ""),
        split="train",
        documents=tuple(str(path) for path in paths) if isinstance(paths, list) else (),
    )
    return [Lesson((Message("user", question.question),), answers[0] if answers else REFUSAL, question)]


def _answers(values: Values) -> tuple[str, ...]:
    given = values.get("answers", values.get("answer"))
    if isinstance(given, str):
        given = given.split(_SEPARATOR) if "answers" in values else [given]
    if isinstance(given, dict):  # as SQuAD's rows in JSON Lines
        given = given.get("text")
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Unfit("has answers that are no texts", 'Write "answers": ["…"].')
    kept = tuple(clean(one, "the answer") for one in given if one.strip())
    if not kept:
        raise Unfit("has an empty answer", 'Give it one, or "answerable": false.')
    return kept


def _read_chat(values: Values, place: str) -> list[Lesson]:
    for name in ("tools", "functions"):
        if values.get(name):
            raise Unfit(f"has '{name}'", "Calls of tools cannot be learnt; leave the line out.")
    return _conversation(values["messages"], "messages", "role", "content")


def _read_sharegpt(values: Values, place: str) -> list[Lesson]:
    turns = values["conversations"]
    if values.get("system") and isinstance(turns, list):
        turns = [{"from": "system", "value": values["system"]}, *turns]
    return _conversation(turns, "conversations", "from", "value")


def _conversation(turns: object, name: str, role_key: str, text_key: str) -> list[Lesson]:
    """A lesson for each answer, with the turns before it as its prompt; those of weight 0 are not learnt."""
    if not isinstance(turns, list) or not turns:
        raise Unfit(f"has no list of turns in '{name}'", f'Write "{name}": [{{"{role_key}": …, "{text_key}": …}}].')
    told: list[Message] = []
    lessons: list[Lesson] = []
    for number, turn in enumerate(turns, start=1):
        role = _role(turn, number, role_key)
        _require_order(role, told, number)
        what = "the answer" if role == "assistant" else f"turn {number} ({role})"
        text = clean(_content(turn, text_key, number), what)
        if role == "assistant" and _weight(turn, number):
            lessons.append(Lesson(tuple(told), text))
        told.append(Message(role, text))
    if told[-1].role != "assistant":
        raise Unfit(f"ends with a turn of '{told[-1].role}', which nothing answers", "End with the assistant's answer.")
    if not lessons:
        raise Unfit("has weight 0 for every answer, so all of it is masked", "Give the answers to learn weight 1.")
    return lessons


def _role(turn: object, number: int, key: str) -> Role:
    if not isinstance(turn, dict) or key not in turn:
        raise Unfit(f"has no key '{key}' in turn {number}", "Say who speaks.")
    for name in ("tool_calls", "function_call"):
        if turn.get(name):
            raise Unfit(f"has '{name}' in turn {number}", "Calls of tools cannot be learnt; leave the line out.")
    said = str(turn[key]).strip().casefold()
    if said not in _ROLES:
        raise Unfit(f"has the role '{turn[key]}' in turn {number}", f"Known roles: {', '.join(_ROLES)}.")
    return _ROLES[said]


def _require_order(role: Role, told: Sequence[Message], number: int) -> None:
    last = told[-1].role if told else "nothing"
    allowed = {"nothing": ("system", "user"), "system": ("user",), "user": ("assistant",), "assistant": ("user",)}[last]
    if role not in allowed:
        after = "at the beginning" if not told else f"after '{last}'"
        wanted = " or ".join(f"'{name}'" for name in allowed)
        raise Unfit(
            f"has '{role}' {after} (turn {number}), where {wanted} belongs",
            "A system turn may stand first; then user and assistant take turns.",
        )


def _content(turn: Values, key: str, number: int) -> object:
    if key not in turn:
        raise Unfit(f"has no key '{key}' in turn {number}", "Give its text.")
    content = turn[key]
    if not isinstance(content, list):
        return content
    kinds = {part.get("type") if isinstance(part, dict) else "?" for part in content}
    if kinds != {"text"}:
        odd = ", ".join(sorted(str(kind) for kind in kinds - {"text"})) or "nothing"
        raise Unfit(f"has other parts than text in turn {number} ({odd})", "Only text can be learnt.")
    return "\n".join(str(part.get("text", "")) for part in content)


def _weight(turn: Values, number: int) -> bool:
    weight = turn.get("weight", 1)
    if weight not in (0, 1):
        raise Unfit(f"has the weight {weight!r} in turn {number}", "Weights are 0 or 1.")
    return bool(weight)


def _system(values: Values) -> tuple[Message, ...]:
    return (Message("system", _text(values, "system")),) if values.get("system") else ()


def _text(values: Values, name: str, *, answer: bool = False) -> str:
    return clean(values[name], "the answer" if answer else f"'{name}'")


def clean(value: object, what: str) -> str:
    """A text without the space around it. Raises Unfit where it is none, is empty, or was decoded wrongly."""
    if not isinstance(value, str):
        raise Unfit(f"has no text as {what}", "Put it into quotes.")
    if not value.strip():
        if what == "the answer":
            raise Unfit("has an empty answer", "Give it one, or remove the line.")
        raise Unfit(f"is empty in {what}", "Fill it in, or remove the line.")
    if "\ufffd" in value:
        raise Unfit(f"has the character U+FFFD in {what}: its text was decoded wrongly once", "Export it as UTF-8.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Unfit(f"has half a character (\\ud800 to \\udfff) in {what}", "Export it as UTF-8.")
    return value.strip()


_ROWS = (
    Format("prompt", (("prompt",), ("completion",)), ("system", "split"), _read_prompt),
    Format(
        "question",
        (("question",), ("answers", "answer")),
        ("id", "document", "documents", "evidence", "answerable", "kind", "split", "status"),
        _read_question,
    ),
    Format("alpaca", (("instruction",), ("output",)), ("input", "system", "history", "split"), _read_alpaca),
    Format("chat", (("messages",),), ("tools", "functions", "split"), _read_chat),
    Format("sharegpt", (("conversations",),), ("system", "split"), _read_sharegpt),
)
FORMATS = {row.name: row for row in _ROWS}
