"""Chat messages to the exact tokens of a model, in a sandbox.

A chat template is a program that came with a model's file, so it runs in Jinja's immutable sandbox. Special tokens that
stand in a message's content, say in a hostile document, are broken up: content is data and never a control token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

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


class ChatTemplate:
    """Renders and tokenises messages by one model's template.

    `encode` turns rendered text into token ids; `special` are the texts of the tokens that stand beside the ordinary
    vocabulary, flagged special or not: templates speak with all of them.
    """

    def __init__(
        self, encode: Callable[[str], list[int]], special: Iterable[str], template: str, bos: str, eos: str = ""
    ) -> None:
        if len(template) > _MAX_TEMPLATE_CHARACTERS:
            raise ModelError(
                f"the chat template has {len(template)} characters; {_MAX_TEMPLATE_CHARACTERS} are allowed."
            )
        self._encode, self._bos, self._eos = encode, bos, eos
        self._special = sorted((token for token in special if len(token) > 2 and not token.isspace()), key=len)
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise_exception
        # Templates that look whether it is there know a fixed date too, with which prompts stay the same every day.
        if "strftime_now is defined" not in template:
            environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
        try:
            self._template = environment.from_string(template)
        except TemplateError as error:
            raise ModelError(f"the model's chat template is not valid Jinja: {error}.") from error

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt as one string, up to where the assistant begins to speak."""
        turns = [{"role": message.role, "content": self.neutralise(message.content)} for message in messages]
        try:
            text = self._fill(turns)
        except Exception as error:  # whatever a foreign template does is a fault of the model's file
            text = self._fill_without_system(turns, error)
        return text if not self._bos or text.startswith(self._bos) else self._bos + text

    def _fill(self, turns: Sequence[Mapping[str, str]]) -> str:
        # Models that think aloud unless told not to are told so.
        filled: str = self._template.render(
            messages=turns,
            add_generation_prompt=True,
            bos_token=self._bos,
            eos_token=self._eos,
            enable_thinking=False,
        )
        return filled

    def _fill_without_system(self, turns: Sequence[Mapping[str, str]], refused: Exception) -> str:
        """For templates that refuse a system message: what it says begins the first user message."""
        failed = ModelError(f"the model's chat template failed: {refused}.", hint="Use a model with a plain template.")
        if len(turns) < 2 or turns[0]["role"] != "system" or turns[1]["role"] != "user":
            raise failed from refused
        told = {"role": "user", "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
        try:
            return self._fill([told, *turns[2:]])
        except Exception:
            raise failed from refused

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """The prompt's token ids."""
        return self._encode(self.render(messages))

    def neutralise(self, content: str) -> str:
        """`content` with a space after the first character of each special token in it."""
        for token in self._special:
            content = content.replace(token, f"{token[0]} {token[1:]}")
        return content


class ChatFormat(ChatTemplate):
    """The template of a model whose `tokenizer` is one of the tokenizers package."""

    def __init__(self, tokenizer: Tokenizer, template: str, bos: str) -> None:
        self.tokenizer = tokenizer
        added = (token.content for token in tokenizer.get_added_tokens_decoder().values())
        super().__init__(self._ids, added, template, bos)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def neutralise_roles(content: str) -> str:
    """`content` with a space after the first character of whatever looks like a special token of a chat template."""
    return _ROLE.sub(lambda match: f"{match[0][0]} {match[0][1:]}", content)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)
