"""The forms that people keep training data in, each a row of a table: which keys tell it, and how a
row is read.

prompt      TRL's, OpenAI's older form   {"prompt": …, "completion": …}, texts or lists of messages
preference  TRL's preference pairs       {"prompt": …, "chosen": …, "rejected": …}, texts or lists of messages that
            may begin with the prompt; the chosen answer is learnt, as by any supervised fine-tuning
question    question sets                {"question": …, "answers": […], "document": …, "evidence": …}
alpaca      Stanford Alpaca's            {"instruction": …, "input": …, "output": …}
dolly       Databricks Dolly's           {"instruction": …, "context": …, "response": …}
input       plain pairs                  {"input": …, "output": …}
chat        OpenAI's for fine-tuning     {"messages": [{"role": …, "content": …, "weight": 0 or 1}], "tools": […]}
sharegpt    ShareGPT's                   {"conversations": [{"from": …, "value": …} or {"role": …, "content": …}]}

Sources: https://platform.openai.com/docs/guides/supervised-fine-tuning,
https://github.com/tatsu-lab/stanford_alpaca, https://huggingface.co/docs/trl/dataset_formats,
https://huggingface.co/datasets/databricks/databricks-dolly-15k, https://github.com/lm-sys/FastChat.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from acclimate.prompting.passages import REFUSAL
from acclimate.questions.cells import read_texts
from acclimate.tuning.pairs.conversations import Lesson, Unfit, Values, clean, read_conversation
from acclimate.types import Message, Question

_REJECTED = "rejected answers of preference pairs; the chosen ones are learnt"
_BAD = "labelled false, so not for learning"


@dataclass(frozen=True, slots=True)
class Format:
    """A form. A row has it that holds one key of each group of `needed` and none of `without`;
    `known` are further keys that are read."""

    name: str
    needed: tuple[tuple[str, ...], ...]
    known: tuple[str, ...]
    read: Callable[[Values, str], list[Lesson]]
    without: tuple[str, ...] = ()

    @property
    def keys(self) -> str:
        """Its keys, in words."""
        return ", ".join(" or ".join(group) for group in self.needed)

    def fits(self, values: Values) -> bool:
        """Whether the row has every key that the form needs, and none that makes it another."""
        needed = all(any(name in values for name in group) for group in self.needed)
        return needed and not any(name in values for name in self.without)


def _read_prompt(values: Values, place: str) -> list[Lesson]:
    if label_of(values) is False:
        return [Lesson((), "", passed=_BAD)]
    return read_completion(values)


def read_completion(values: Values) -> list[Lesson]:
    """Prompt and completion as they stand, whatever the label. Raises Unfit."""
    return _answered(values, values["prompt"], values["completion"], "completion")


def label_of(values: Values) -> bool | None:
    """KTO's label; None where there is none. Raises Unfit for one that is neither true nor
    false."""
    label = values.get("label")
    if label is None or label == "":
        return None
    said = {"true": True, "1": True, "false": False, "0": False}.get(str(label).strip().casefold())
    if said is None:
        raise Unfit(f"has the label {label!r}", 'Write "label": true or false.')
    return said


def _answered(values: Values, prompt: Any, answer: Any, name: str) -> list[Lesson]:
    """Lessons of a prompt and its answer, each a text or a list of messages; only what is in
    `answer` is learnt."""
    prompt, answer = _listed(prompt), _listed(answer)
    tools = _tools(values)
    if isinstance(prompt, list) or isinstance(answer, list):
        before = (
            prompt if isinstance(prompt, list) else [*_system_turn(values), _turn("user", prompt)]
        )
        after = answer if isinstance(answer, list) else [_turn("assistant", answer)]
        return read_conversation([*before, *after], name, tools, learnt_from=len(before))
    text = clean(prompt, "'prompt'")
    return [Lesson((*_system(values), Message("user", text)), clean(answer, "the answer"))]


def _listed(value: Any) -> Any:
    """A list of messages also where it stands as JSON in a cell."""
    if isinstance(value, str) and value.lstrip().startswith('[{"role"'):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _turn(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def _read_preference(values: Values, place: str) -> list[Lesson]:
    return [
        replace(lesson, passed=lesson.passed or _REJECTED)
        for lesson in read_preferred(values, "chosen", "rejected")
    ]


def read_preferred(values: Values, name: str, other: str) -> list[Lesson]:
    """The prompt with the answer under `name`, of a preference pair. Raises Unfit, also where both
    answers are the same."""
    taken = _listed(values[name])
    if taken == _listed(values[other]):
        raise Unfit(
            "has the same text as 'chosen' and as 'rejected'",
            "Correct one of them, or remove the line.",
        )
    prompt = values.get("prompt")
    whole = isinstance(taken, list) and bool(taken) and isinstance(taken[0], dict)
    if whole and taken[0].get("role") != "assistant":  # the lists begin with the prompt
        if len(taken) < 2:
            raise Unfit(f"has no answer in '{name}'", "End it with the assistant's answer.")
        return read_conversation(taken, name, _tools(values), learnt_from=len(taken) - 1)
    if prompt in (None, "", []):
        raise Unfit(
            f"has no 'prompt' for its '{name}' answer",
            f'Give a "prompt", or write "{name}" as messages.',
        )
    return _answered(values, prompt, taken, name)


def _read_alpaca(values: Values, place: str) -> list[Lesson]:
    if values.get("history"):
        raise Unfit("has a 'history'", "Write conversations as messages.")
    return [Lesson(_instructed(values, "input"), clean(values["output"], "the answer"))]


def _read_dolly(values: Values, place: str) -> list[Lesson]:
    return [Lesson(_instructed(values, "context"), clean(values["response"], "the answer"))]


def _instructed(values: Values, beside: str) -> tuple[Message, ...]:
    """The instruction, and what it is about after an empty line."""
    asked = clean(values["instruction"], "'instruction'")
    if str(values.get(beside) or "").strip():
        asked += "\n\n" + clean(values[beside], f"'{beside}'")
    return (*_system(values), Message("user", asked))


def _read_input(values: Values, place: str) -> list[Lesson]:
    asked, answer = clean(values["input"], "'input'"), clean(values["output"], "the answer")
    return [Lesson((*_system(values), Message("user", asked)), answer)]


def _read_question(values: Values, place: str) -> list[Lesson]:
    answerable = str(values.get("answerable", True)).strip().casefold() not in ("false", "0", "no")
    answers = _answers(values) if answerable else ()
    paths = values.get("documents") or ()
    question = Question(
        id=str(values.get("id") or place),
        question=clean(values["question"], "'question'"),
        answers=answers,
        document=values.get("document") or None,
        evidence=values.get("evidence") or None,
        answerable=answerable,
        kind=str(values.get("kind") or ""),
        split="train",
        documents=tuple(str(path) for path in paths) if isinstance(paths, list) else (),
    )
    return [
        Lesson((Message("user", question.question),), answers[0] if answers else REFUSAL, question)
    ]


def _answers(values: Values) -> tuple[str, ...]:
    given = values.get("answers", values.get("answer"))
    listed = given.get("text") if isinstance(given, dict) else given
    if isinstance(listed, list) and not all(isinstance(one, str) for one in listed):
        raise Unfit("has answers that are no texts", 'Write "answers": ["…"].')
    if not isinstance(listed, list | str):
        raise Unfit("has answers that are no texts", 'Write "answers": ["…"].')
    kept = tuple(
        clean(one, "the answer") for one in read_texts(listed, plural="answers" in values).values
    )
    if not kept:
        raise Unfit("has an empty answer", 'Give it one, or "answerable": false.')
    return kept


def _read_chat(values: Values, place: str) -> list[Lesson]:
    return read_conversation(_listed(values["messages"]), "messages", _tools(values))


def _read_sharegpt(values: Values, place: str) -> list[Lesson]:
    turns = _listed(values["conversations"])
    if isinstance(turns, list):
        turns = [*_system_turn(values), *turns]
    return read_conversation(turns, "conversations", _tools(values))


def _tools(values: Values) -> object:
    """The tools, also where they stand as JSON in a text. Raises Unfit for what cannot be
    rendered."""
    if values.get("functions"):
        raise Unfit("has 'functions', an older form", "Write them as 'tools'.")
    tools = values.get("tools")
    if isinstance(tools, str) and tools.strip():
        try:
            return json.loads(tools)
        except ValueError as error:
            raise Unfit(
                "has 'tools' that are not JSON", "Correct them, or leave them out."
            ) from error
    return tools or None


def _system_turn(values: Values) -> list[dict[str, Any]]:
    return [_turn("system", values["system"])] if values.get("system") else []


def _system(values: Values) -> tuple[Message, ...]:
    return (Message("system", clean(values["system"], "'system'")),) if values.get("system") else ()


_ROWS = (
    Format(
        "prompt",
        (("prompt",), ("completion",)),
        ("system", "split", "label", "tools", "functions"),
        _read_prompt,
        without=("chosen",),
    ),
    Format(
        "preference",
        (("chosen",), ("rejected",)),
        ("prompt", "system", "split", "tools", "functions"),
        _read_preference,
    ),
    Format(
        "question",
        (("question",), ("answers", "answer")),
        ("id", "document", "documents", "evidence", "answerable", "kind", "split", "status"),
        _read_question,
    ),
    Format(
        "alpaca",
        (("instruction",), ("output",)),
        ("input", "system", "history", "split"),
        _read_alpaca,
    ),
    Format("dolly", (("instruction",), ("response",)), ("context", "system", "split"), _read_dolly),
    Format(
        "input",
        (("input",), ("output",)),
        ("system", "split"),
        _read_input,
        without=("instruction",),
    ),
    Format("chat", (("messages",),), ("tools", "functions", "split"), _read_chat),
    Format(
        "sharegpt", (("conversations",),), ("system", "tools", "functions", "split"), _read_sharegpt
    ),
)
FORMATS: Mapping[str, Format] = {row.name: row for row in _ROWS}
