"""Requests and responses. Those for chat and embeddings are OpenAI's; our own fields are under
`acclimate`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

_MOST_TEXT = 200_000  # characters of what is read
_MOST_CHARACTERS = 4_000_000  # of what may be sent: the whole request has no more bytes
# A list is measured before what it holds is looked at: else a large wrong one costs an error for
# each of its items.
_MOST_PARTS, _MOST_STOPS, _MOST_INPUTS, _MOST_MESSAGES = 100, 16, 2048, 2000

_MOST_WIDGET = 2000  # characters of a question, or an answer, in a widget
_DEVELOPERS = ("system", "developer")


class Loose(BaseModel):
    """Takes fields that it does not know, as OpenAI's clients send many."""

    model_config = ConfigDict(extra="ignore")


class Strict(BaseModel):
    """Refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid")


def _sound(values: Any) -> Any:
    """JSON may hold half a character, or be nested without end; neither can be written again."""
    if isinstance(values, bytes):  # sent as something else than JSON
        raise ValueError("send JSON, with Content-Type: application/json")
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("there is half of a character (a lone surrogate)") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return values


Sound = BeforeValidator(_sound)
Text = Annotated[str, Field(max_length=_MOST_TEXT)]
Long = Annotated[str, Field(max_length=_MOST_CHARACTERS)]
Where = Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=20)]


class Part(Loose):
    """A part of a message; only text is read."""

    type: str = "text"
    text: str | None = Field(default=None, max_length=_MOST_CHARACTERS)
    refusal: str | None = Field(default=None, max_length=_MOST_CHARACTERS)


class ChatMessage(Loose):
    """A message; its content may be a list of parts."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Long | Annotated[list[Long | Part], Field(max_length=_MOST_PARTS)] | None = None


class StreamOptions(Loose):
    """What a stream ends with."""

    include_usage: bool | None = None


class Extension(Strict):
    """Acclimate's own: `where` narrows the documents; `footnotes` writes the citations below the
    text too; `style` takes the place of the recipe's; `conversation` is the one in which the answer
    is kept, with others of the same `turn`."""

    where: Where | None = None
    conversation: str | None = Field(default=None, max_length=64)
    turn: str | None = Field(default=None, max_length=64)
    footnotes: bool | None = None
    style: Literal["short", "full"] | None = None


class ChatRequest(Loose):
    """`/v1/chat/completions`: `model` is a recipe, the last user message the question, after
    earlier turns.

    A field that is null counts as absent. `max_tokens` below 1 and `seed` -1 are other servers' way
    to leave them out.
    """

    model: str | None = Field(default=None, max_length=200)
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=-(2**31), le=2**53)
    max_completion_tokens: int | None = Field(default=None, ge=-(2**31), le=2**53)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    stop: Text | Annotated[list[Text | None], Field(max_length=_MOST_STOPS)] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), le=2**64)
    n: int | None = Field(default=None, ge=1)
    logprobs: bool | int | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    function_call: Any = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, Any] | list[Any] | None = None
    response_format: dict[str, Any] | None = None
    acclimate: Extension | None = None
    _left_out: int = PrivateAttr(default=0)

    @property
    def left_out(self) -> int:
        """Earlier messages that were not read, because there were too many."""
        return self._left_out

    @model_validator(mode="wrap")
    @classmethod
    def _bounded(cls, values: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """Of a long conversation the newest messages, and what the client's developer said at its
        beginning."""
        messages = values.get("messages") if isinstance(values, dict) else None
        left = 0
        if isinstance(messages, list) and len(messages) > _MOST_MESSAGES:
            old, new = messages[:-_MOST_MESSAGES], messages[-_MOST_MESSAGES:]
            said = [
                one
                for one in old[:_MOST_MESSAGES]
                if isinstance(one, dict) and one.get("role") in _DEVELOPERS
            ]
            left = len(old) - len(said)
            values = {**values, "messages": [*said, *new]}
        made = read(values)
        made._left_out = left
        return made


class WidgetTurn(Strict):
    """A question that was asked in a widget, and its answer."""

    question: str = Field(min_length=1, max_length=_MOST_WIDGET)
    answer: str = Field(max_length=_MOST_WIDGET)


class WidgetQuestion(Strict):
    """A question from a widget, after the last ones, oldest first, as it may point back to them.
    Nothing else can be chosen: the recipe and its limits are the project's."""

    question: str = Field(min_length=1, max_length=_MOST_WIDGET)
    before: list[WidgetTurn] = Field(default_factory=list, max_length=3)


class EmbeddingRequest(Loose):
    """`/v1/embeddings`."""

    model: str | None = Field(default=None, max_length=200)
    input: Text | Annotated[list[Any], Field(max_length=_MOST_INPUTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class SearchRequest(Strict):
    """`/v1/search`: retrieval alone."""

    query: str = Field(min_length=1, max_length=_MOST_TEXT)
    k: int = Field(default=10, ge=1, le=100)
    where: Where = Field(default_factory=list)


class CompareRequest(Strict):
    """A comparison to run: recipes (with changed settings, "rag[k=8]") with each of the models."""

    recipes: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        min_length=1, max_length=20
    )
    models: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=10)
    split: str = Field(default="test", max_length=50)
    metric: str = Field(default="f1", max_length=100)
    limit: int | None = Field(default=None, ge=1, le=1_000_000)
    minutes: float | None = Field(default=None, gt=0, le=10_000)
    stop_early: bool = False


class GateRequest(Strict):
    """The recipe of a comparison that a gate is to hold to its score."""

    recipe: str = Field(min_length=1, max_length=500)


class Thumb(Strict):
    """What is said of the answer `id` (that of a chat completion): whether it is right, and if not,
    what is, or that the documents do not hold it."""

    id: str = Field(min_length=1, max_length=200)
    right: bool
    correction: str = Field(default="", max_length=10_000)
    unanswerable: bool = False


class Title(Strict):
    """The title of a conversation."""

    title: str = Field(min_length=1, max_length=120)


class Review(Strict):
    """A question as it was reviewed; `version` is the one that was read, so that nobody's change is
    lost."""

    version: str = Field(max_length=64)
    question: str = Field(min_length=1, max_length=10_000)
    answers: list[str] = Field(max_length=50)
    answerable: bool
    status: Literal["", "accepted", "rejected"] = ""


class FeedbackReview(Review):
    """Feedback as it was reviewed; `split` is the side that its question goes to, where it is
    free."""

    split: Literal["train", "dev", "test"] | None = None
