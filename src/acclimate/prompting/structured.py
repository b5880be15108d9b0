"""Answers as JSON by a schema: how they are asked for, checked, repaired once, and traced to the
passages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jsonschema
from jsonschema.exceptions import SchemaError, best_match
from pydantic import BaseModel, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from acclimate.errors import SettingsError, UnfilledError
from acclimate.prompting.citations import Resolved, cite_words
from acclimate.prompting.forms import Said
from acclimate.prompting.links import without_links
from acclimate.prompting.replies import OnText, Speaker, ask, json_text
from acclimate.prompting.techniques import Generate, Written
from acclimate.prompting.templates import load_template
from acclimate.types import Citation, Completion, Generation, Hit, Message

JSON_TOKENS = 512
"""Fewest tokens that a JSON answer may have: its names and punctuation come on top of what a plain
answer has."""

ANY_OBJECT: Mapping[str, Any] = {"type": "object", "additionalProperties": True, "minProperties": 1}
"""The schema of JSON whose names the asker leaves open."""
Fault = Callable[[object], str]
SchemaLike = Mapping[str, Any] | type[BaseModel]
"""A JSON Schema, or a pydantic model, whose own validators count too."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema as compact JSON text, and `fault`, which says what is wrong with a value ("" where
    nothing is)."""

    schema: str
    fault: Fault


def read_shape(schema: SchemaLike) -> Shape:
    """Raises SettingsError for what is no JSON Schema (draft 2020-12, or what `$schema` names)."""
    model = schema if isinstance(schema, type) else None
    plain: Any = model.model_json_schema() if model else schema
    if not isinstance(plain, Mapping):
        raise SettingsError(f"a JSON Schema is an object, not {type(plain).__name__}.")
    kind = jsonschema.validators.validator_for(plain, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(plain)
    except SchemaError as error:
        raise SettingsError(
            f"this is not a JSON Schema: {error.message} at {error.json_path}."
        ) from error
    registry: Registry[Any] = Registry()  # empty: nothing is fetched from anywhere
    validator = kind(plain, registry=registry, format_checker=kind.FORMAT_CHECKER)

    def fault(value: object) -> str:
        try:
            worst = best_match(validator.iter_errors(value))
        except Unresolvable as error:
            raise SettingsError(
                f"the schema refers to '{error.ref}', which is not in it."
            ) from error
        except RecursionError as error:
            raise SettingsError("the schema refers to itself without end.") from error
        if worst is not None:
            return f"{worst.json_path}: {worst.message}"
        return _fault_by_model(model, value) if model else ""

    return Shape(json.dumps(plain, ensure_ascii=False, separators=(",", ":")), fault)


def ask_for(question: str, shape: Shape) -> str:
    """A question with the wish for JSON, which stands where a recipe's template has its
    question."""
    return load_template("schema").render({"question": question, "schema": shape.schema})[0].content


def write_json(
    messages: Sequence[Message], generate: Generate, generation: Generation, shape: Shape
) -> Written:
    """Ask for JSON, held to the schema by the engine; what the check finds wrong is sent back once.

    Raises UnfilledError where the second try is wrong too or was cut at the token limit.
    """
    held = replace(generation, max_tokens=json_tokens(generation), schema=shape.schema)
    done = _bare(generate(messages, held), shape)
    wrong, calls, read, written = (
        _fault(done, shape),
        done.calls,
        done.prompt_tokens,
        done.completion_tokens,
    )
    thought = done.reasoning
    if wrong and done.finish != "cancelled":
        turn = load_template("schema-repair").render({"fault": wrong})[0]
        # A cut text is not sent back: it would fill the window, and the model would only write it
        # again.
        before = (
            [*messages, Message("assistant", done.text), turn]
            if done.finish == "stop"
            else [*messages, turn]
        )
        done = _bare(generate(before, held), shape)
        wrong, calls = _fault(done, shape), calls + done.calls
        thought = "\n".join(part for part in (thought, done.reasoning) if part)
        read, written = read + done.prompt_tokens, written + done.completion_tokens
    if wrong and done.finish != "cancelled":
        raise UnfilledError(
            f"the JSON is still wrong after one repair: {wrong}",
            hint="Raise [model] max_tokens, or bound the schema's strings and lists (maxLength, "
            "maxItems)."
            if done.finish == "length"
            else 'Make the schema simpler, use a larger model, or set [answer] json_by = "answer".',
        )
    return Written(done.text, thought, read, written, done.finish, calls)


def json_tokens(generation: Generation) -> int:
    """Tokens that a JSON answer may have."""
    return max(generation.max_tokens, JSON_TOKENS)


def resolve_json(text: str, passages: Sequence[Hit]) -> tuple[Resolved, Any]:
    """The value, and citations of the places where its strings and numbers stand in the
    passages."""
    try:
        value = json.loads(text)
    except ValueError:  # cancelled by the reader
        return Resolved(text, text, False, ()), None
    citations: dict[int, Citation] = {}
    leaves = list(_leaves(value))
    for leaf in leaves:
        for citation in cite_words(leaf, passages):
            citations.setdefault(citation.number, citation)
    return Resolved(
        text, text, not leaves, tuple(citations[number] for number in sorted(citations))
    ), value


def value_without_links(
    value: Any, question: str, shape: Shape, quotes: Sequence[str]
) -> tuple[Any, int]:
    """A JSON value less the links that are not earned, see `acclimate.prompting.links`, and how
    many those were.

    The schema is the asker's own: what stands in it may be answered, and names like "url" in it ask
    for one.
    """
    removed = 0

    def judge(inner: Any) -> Any:
        nonlocal removed
        if isinstance(inner, str):
            text, count = without_links(
                inner, f"{question} {shape.schema}", [*quotes, shape.schema]
            )
            removed += count
            return text if count else inner
        if isinstance(inner, list):
            return [judge(one) for one in inner]
        return (
            {name: judge(one) for name, one in inner.items()} if isinstance(inner, dict) else inner
        )

    return judge(value), removed


@dataclass(frozen=True, slots=True)
class JsonForm:
    """See `Form`: JSON by a schema."""

    shape: Shape
    generation: Generation

    @property
    def reserved(self) -> int:
        """See `Form`."""
        return json_tokens(self.generation)

    def ask_for(self, question: str) -> str:
        """See `Form`."""
        return ask_for(question, self.shape)

    def write(self, messages: Sequence[Message], engine: Speaker, on_text: OnText) -> Written:
        """See `Form`."""
        written = write_json(messages, partial(ask, engine), self.generation, self.shape)
        on_text(written.text)  # at once: what is wrong is not shown
        return written

    def read(self, text: str, passages: Sequence[Hit]) -> Said:
        """See `Form`."""
        resolved, value = resolve_json(text, passages)
        return Said(resolved, text, value)

    def without_links(self, said: Said, question: str) -> Said:
        """See `Form`."""
        data, removed = value_without_links(said.data, question, self.shape, said.quotes)
        if not removed:
            return said
        shown = json.dumps(data, ensure_ascii=False)
        resolved = replace(said.resolved, text=shown, links_removed=removed)
        return Said(resolved, shown, data)


def _bare(done: Completion, shape: Shape) -> Completion:
    """A reply without what stands around its JSON."""
    return replace(done, text=json_text(done.text, shape.fault))


def _fault(done: Completion, shape: Shape) -> str:
    if done.finish == "length":
        return f"it was cut after {done.completion_tokens} tokens; write shorter values"
    try:
        return shape.fault(json.loads(done.text))
    except ValueError as error:
        return f"it is not JSON: {error}"


def _fault_by_model(model: type[BaseModel], value: object) -> str:
    try:
        model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return ""


def _leaves(value: object) -> Iterator[str]:
    """Strings and numbers of a JSON value that say something."""
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
