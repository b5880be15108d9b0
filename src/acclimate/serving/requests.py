"""A chat request as a question: what clients send, and what is done about what a recipe cannot do.

Clients send every field they know, many of them null or at another server's default. What says
nothing is ignored; what would be done otherwise than asked is refused, or told in the answer's
`notices`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from acclimate.prompting.conversation import read_turns
from acclimate.prompting.structured import ANY_OBJECT, read_shape
from acclimate.serving.ask import Ask
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.rows import filter_of
from acclimate.serving.schemas import ChatMessage, ChatRequest, Part
from acclimate.serving.service import Service
from acclimate.types import Message, Role

_NOTES = re.compile(r"( \[\d+\])+\n\n\[\d+\] .*", re.DOTALL)
_LONGEST = 200_000  # characters of a message that is read
_SEEDS = 2**31  # engines take this many


def read_request(service: Service, body: ChatRequest, caller: Caller) -> Ask:
    """Raises ApiError for what this server does not do, rather than leave it out silently."""
    _check_supported(body)
    notices = list(_ignored(body))
    spoken = _read_messages(body, notices)
    question, turns = read_turns(spoken)
    if not question.strip():
        raise ApiError(400, "There is no user message with text.", "no_question", param="messages")
    if len(question) > _LONGEST:
        say = f"The question has {len(question):,} characters; {_LONGEST:,} are read."
        raise ApiError(400, say, "context_length_exceeded", param="messages")
    recipe = service.recipe(body.model or "", caller)
    instructions = "\n\n".join(
        m.content.strip() for m in spoken if m.role == "system" and m.content.strip()
    )
    if instructions and recipe.extracts:
        say = f"The recipe '{recipe.name}' marks words in passages, by no instructions; leave the system message out."
        raise ApiError(400, say, "unsupported", param="messages")
    schema = _schema(body.response_format)
    if schema is not None:
        recipe.check_json()
    where = (body.acclimate.where if body.acclimate else None) or []
    style = body.acclimate.style if body.acclimate else None
    if style == "full":
        recipe.check_full()
    return Ask(
        question,
        recipe,
        filter_of(where, caller),
        _options(body),
        schema,
        turns,
        instructions=instructions,
        notices=tuple(notices),
        style=style,
        typed=tuple(where),
    )


def _check_supported(body: ChatRequest) -> None:
    if body.tools and body.tool_choice != "none":
        say = "Recipes call no tools; leave 'tools' out, or set 'tool_choice' to 'none'."
        raise ApiError(400, say, "unsupported", param="tools")
    if body.functions and body.function_call != "none":
        raise ApiError(
            400,
            "Recipes call no functions; leave 'functions' out.",
            "unsupported",
            param="functions",
        )
    if body.n not in (None, 1):
        raise ApiError(
            400, "One answer is written for a question; 'n' must be 1.", "unsupported", param="n"
        )
    if body.logprobs:
        say = "There are no token probabilities; leave 'logprobs' out."
        raise ApiError(400, say, "unsupported", param="logprobs")


def _ignored(body: ChatRequest) -> list[str]:
    """Notices of fields that ask for something and are not followed."""
    penalties = {
        name: getattr(body, name)
        for name in ("presence_penalty", "frequency_penalty", "logit_bias")
    }
    found = [f"'{name}' is not followed." for name, value in penalties.items() if value]
    if body.left_out:
        found.append(
            f"The conversation is long: its first {body.left_out:,} messages were not read."
        )
    return found


def _options(body: ChatRequest) -> dict[str, Any]:
    """Fields of `Generation` in place of the project's own."""
    limit = body.max_completion_tokens or body.max_tokens
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    options = {
        "max_tokens": limit if limit is not None and limit > 0 else None,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "seed": None if body.seed in (None, -1) else body.seed % _SEEDS,
        "stop": tuple(stop for stop in stops if stop) or None,
    }
    if body.top_p == 0:  # the likeliest token alone
        options |= {"temperature": 0.0, "top_p": None}
    return {key: value for key, value in options.items() if value is not None}


def _read_messages(body: ChatRequest, notices: list[str]) -> list[Message]:
    """The texts of the messages. Only what is asked last must be text as a whole."""
    last = max((place for place, one in enumerate(body.messages) if one.role == "user"), default=-1)
    said, lost, cut = [], set[str](), 0
    for place, message in enumerate(body.messages):
        text, other = _text(message)
        if other and place == last:
            say = f"The last user message may hold text only, not '{other[0]}'."
            raise ApiError(400, say, "unsupported", param="messages")
        lost |= {"tool results"} if message.role in ("tool", "function") else set(other)
        if place != last and len(text) > _LONGEST:
            text, cut = text[:_LONGEST], cut + 1
        said.append(Message(_spoken(message.role), _NOTES.sub("", text)))
    if lost:
        notices.append(f"Earlier messages hold what is not read: {', '.join(sorted(lost))}.")
    if cut:
        notices.append(
            f"Of {cut} earlier messages only the first {_LONGEST:,} characters were read."
        )
    return [
        one
        for one, message in zip(said, body.messages, strict=True)
        if message.role not in ("tool", "function")
    ]


def _text(message: ChatMessage) -> tuple[str, list[str]]:
    """A message's text, and the types of its parts that are none."""
    if message.content is None or isinstance(message.content, str):
        return message.content or "", []
    texts: list[str] = []
    others: list[str] = []
    for given in message.content:
        part = Part(text=given) if isinstance(given, str) else given
        if _is_text(part):
            texts.append(part.text or part.refusal or "")
        else:
            others.append(part.type[:40])
    return "\n".join(texts), others


def _is_text(part: Part) -> bool:
    return part.type in ("text", "input_text", "output_text", "refusal")


def _spoken(role: str) -> Role:
    spoken: dict[str, Role] = {"user": "user", "assistant": "assistant"}
    return spoken.get(role, "system")


def _schema(chosen: Mapping[str, Any] | None) -> dict[str, Any] | None:
    kind = (chosen or {}).get("type") or "text"
    if chosen is None or kind == "text":
        return None
    held = chosen.get("json_schema")
    # Some servers take a schema beside json_object, or without the name around it.
    given = [held.get("schema"), held] if isinstance(held, dict) else [chosen.get("schema")]
    schema = next((one for one in given if isinstance(one, dict) and one), None)
    if kind == "json_object" and schema is None:
        return dict(ANY_OBJECT)
    if kind not in ("json_schema", "json_object") or schema is None:
        say = "'response_format' may be text, json_object, or json_schema with a schema."
        raise ApiError(400, say, "unsupported", param="response_format")
    _check_schema(schema)
    return schema


def _check_schema(schema: dict[str, Any]) -> None:
    """Raises ApiError for a schema that would cost without bound: our own expressions end, those of
    callers may not."""
    try:
        read_shape(schema)
        patterns = _has_pattern(schema)
    except RecursionError:
        raise ApiError(
            400, "The schema is nested too deeply.", "unsupported", param="response_format"
        ) from None
    if patterns:
        raise ApiError(
            400, "Schemas may not have a 'pattern'.", "unsupported", param="response_format"
        )


def _has_pattern(part: object) -> bool:
    if isinstance(part, dict):
        own = isinstance(part.get("pattern"), str) or "patternProperties" in part
        return own or any(_has_pattern(value) for value in part.values())
    return isinstance(part, list) and any(_has_pattern(value) for value in part)
