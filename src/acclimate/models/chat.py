"""Chat messages to the exact tokens of a model, in a sandbox.

A chat template is a program that came with a model's file, so it runs in Jinja's immutable sandbox. Special tokens that
stand in a message's content, say in a hostile document, are broken up: content is data and never a control token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from acclimate.errors import ModelError
from acclimate.types import Message

# Tokens of the chat templates in use, for servers whose own are not known here.
_ROLE = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>"
)
_MAX_TEMPLATE_CHARACTERS = 100_000


class ChatFormat:
    """Renders and tokenises messages by one model's template."""

    def __init__(self, tokenizer: Tokenizer, template: str, bos: str) -> None:
        if len(template) > _MAX_TEMPLATE_CHARACTERS:
            raise ModelError(
                f"the chat template has {len(template)} characters; {_MAX_TEMPLATE_CHARACTERS} are allowed."
            )
        self.tokenizer = tokenizer
        self._bos = bos
        # Whatever stands beside the ordinary vocabulary, flagged special or not: templates speak with all of it.
        added = (token.content for token in tokenizer.get_added_tokens_decoder().values())
        self._special = sorted((token for token in added if len(token) > 2 and not token.isspace()), key=len)
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _raise_exception
        try:
            self._template = environment.from_string(template)
        except TemplateError as error:
            raise ModelError(f"the model's chat template is not valid Jinja: {error}.") from error

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt as one string, up to where the assistant begins to speak."""
        turns = [{"role": message.role, "content": self.neutralise(message.content)} for message in messages]
        try:
            text: str = self._template.render(
                messages=turns, add_generation_prompt=True, bos_token=self._bos, eos_token=""
            )
        except Exception as error:  # whatever a foreign template does is a fault of the model's file
            raise ModelError(
                f"the model's chat template failed: {error}.", hint="Use a model with a plain template."
            ) from error
        return text if not self._bos or text.startswith(self._bos) else self._bos + text

    @property
    def prefill(self) -> str:
        """What the template writes where the assistant begins to speak, after a user's message."""
        asked = "Hello, 4711?"
        return self.render([Message("user", asked)]).rpartition(asked)[2]

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """The prompt's token ids."""
        ids: list[int] = self.tokenizer.encode(self.render(messages), add_special_tokens=False).ids
        return ids

    def neutralise(self, content: str) -> str:
        """`content` with a space after the first character of each special token in it."""
        for token in self._special:
            content = content.replace(token, f"{token[0]} {token[1:]}")
        return content


def neutralise_roles(content: str) -> str:
    """`content` with a space after the first character of whatever looks like a special token of a chat template."""
    return _ROLE.sub(lambda match: f"{match[0][0]} {match[0][1:]}", content)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)
