"""JSON from a reader that was trained on plain answers: it answers in text first, and the schema is
filled from that text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from acclimate.answer import Answerer
from acclimate.errors import UnfilledError
from acclimate.models.base import OnText
from acclimate.prompting.conversation import Turn
from acclimate.prompting.filling import empty, fill
from acclimate.prompting.replies import ask, json_values
from acclimate.prompting.structured import Shape, value_without_links
from acclimate.prompting.templates import load_template
from acclimate.prompting.values import read_choice
from acclimate.types import Answer, Completion

_CHOICE_TOKENS = 32


def answer_first(
    answerer: Answerer, question: str, on_text: OnText | None, turns: Sequence[Turn]
) -> Answer:
    """See `Answerer.answer`, for an answerer that `fills` its shape. Raises UnfilledError naming
    the field that no answer fills."""
    shape = answerer.shape
    assert shape is not None  # noqa: S101 -- for the type checker
    plain = replace(answerer, shape=None, fill=None)
    said = plain.answer(question, (lambda _: on_text("")) if on_text else None, turns)
    if said.finish == "cancelled":
        return said
    filling = _Filling(plain, said, shape)
    done = filling.done()
    if on_text is not None:
        on_text(done.text)
    return done


class _Filling:
    """Fills a schema from one answer."""

    def __init__(self, plain: Answerer, said: Answer, shape: Shape) -> None:
        self._plain, self._said, self._shape = plain, said, shape
        self._schema: Any = json.loads(shape.schema)
        self._chosen: list[Completion] = []

    def done(self) -> Answer:
        """The answer with its value."""
        said = self._said
        if said.abstained:
            value = empty(self._schema)
            return (
                said
                if value is None or self._shape.fault(value)
                else replace(said, text=_text(value), data=value)
            )
        value = self._own()
        if value is None:
            value = fill(said.asked or said.question, said.text, self._schema, self._choose)
        quotes = [citation.quote for citation in said.citations]
        value, removed = value_without_links(value, said.question, self._shape, quotes)
        if wrong := self._shape.fault(value):
            raise UnfilledError(
                f"the answer “{said.text[:80]}” does not make JSON by the schema: {wrong}.",
                hint="Loosen that part of the schema, or use a larger model.",
            )
        text = _text(value)
        calls = self._chosen
        return replace(
            said,
            text=text,
            marked=text,
            data=value,
            links_removed=said.links_removed + removed,
            usage=replace(
                said.usage,
                prompt_tokens=said.usage.prompt_tokens + sum(one.prompt_tokens for one in calls),
                completion_tokens=said.usage.completion_tokens
                + sum(one.completion_tokens for one in calls),
                calls=said.usage.calls + sum(one.calls for one in calls),
            ),
        )

    def _own(self) -> Any:
        """The value where the model already wrote JSON that fits the schema."""
        try:
            value = json.loads(self._said.text)
        except ValueError:
            return None
        return value if isinstance(value, dict | list) and not self._shape.fault(value) else None

    def _choose(self, label: str, choices: Sequence[Any]) -> Any:
        """One of the choices; the engine is constrained to them where it supports that. None where
        it wrote anything else."""
        template = load_template("choice")
        values = {
            "question": self._said.asked or self._said.question,
            "answer": self._said.text,
            "field": label,
            "choices": ", ".join(str(choice) for choice in choices),
        }
        held = json.dumps({"enum": list(choices)}, ensure_ascii=False)
        options = replace(self._plain.generation, max_tokens=_CHOICE_TOKENS, schema=held)
        self._chosen.append(ask(self._plain.engine, template.render(values), options))
        text = self._chosen[-1].text
        found = next((value for _, value in json_values(text) if value in choices), None)
        return read_choice(text, choices) if found is None else found


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
