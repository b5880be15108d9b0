"""What clients send and get. The chat and embedding forms are OpenAI's; fields of ours stand under `acclimate`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_MOST_TEXT = 200_000  # characters
# A list is measured before what it holds is looked at: else a large wrong one costs an error for each of its items.
_MOST_PARTS, _MOST_STOPS, _MOST_INPUTS = 100, 16, 2048


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
Where = Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=20)]


class TextPart(Loose):
    """A part of a message."""

    type: str
    text: str = Field(default="", max_length=_MOST_TEXT)


class ChatMessage(Loose):
    """A message; its content may be a list of text parts."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | Annotated[list[TextPart], Field(max_length=_MOST_PARTS)] | None = None


class StreamOptions(Loose):
    """What a stream ends with."""

    include_usage: bool = False


class Extension(Strict):
    """Acclimate's own: `where` narrows the documents; `footnotes` writes the citations below the text too."""

    where: Where = Field(default_factory=list)
    footnotes: bool = True


class ChatRequest(Loose):
    """`/v1/chat/completions`: `model` is a recipe, the last user message the question, after earlier turns."""

    model: str = Field(max_length=200)
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=100_000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=100_000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    stop: Text | Annotated[list[Text], Field(max_length=_MOST_STOPS)] | None = None
    seed: int | None = Field(default=None, ge=0, le=2**53)
    n: int | None = Field(default=None, ge=1)
    logprobs: bool | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    acclimate: Extension = Extension()


class EmbeddingRequest(Loose):
    """`/v1/embeddings`."""

    model: str = Field(max_length=200)
    input: Text | Annotated[list[Any], Field(max_length=_MOST_INPUTS)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class SearchRequest(Strict):
    """`/v1/search`: retrieval alone."""

    query: str = Field(min_length=1, max_length=_MOST_TEXT)
    k: int = Field(default=10, ge=1, le=100)
    where: Where = Field(default_factory=list)


class Review(Strict):
    """A question as it was reviewed; `version` is the one that was read, so that nobody's change is lost."""

    version: str = Field(max_length=64)
    question: str = Field(min_length=1, max_length=10_000)
    answers: list[str] = Field(max_length=50)
    answerable: bool
    status: Literal["", "accepted", "rejected"] = ""
