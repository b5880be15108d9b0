"""Chat messages to the exact tokens of a model, in a sandbox.

A chat template is a program that came with a model's file, so it runs in Jinja's immutable sandbox.
Special tokens that stand in a message's content, say in a hostile document, are broken up: content
is data and never a control token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from acclimate.errors import ModelError
from acclimate.types import Message, Turn

# Tokens of the chat templates in use, for servers whose own are not known here.
_ROLE = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>"
)
_NO_EFFORT = re.compile(r"""reasoning_effort[^}]*["']none["']""")
_MAX_TEMPLATE_CHARACTERS = 100_000


class ChatTemplate:
    """Renders and tokenises messages by one model's template.

    `encode` turns rendered text into token ids; `special` are the texts of the tokens that stand
    beside the ordinary vocabulary, flagged special or not: templates speak with all of them.
    """

    def __init__(
        self,
        encode: Callable[[str], list[int]],
        special: Iterable[str],
        template: str,
        bos: str,
        eos: str = "",
    ) -> None:
        if len(template) > _MAX_TEMPLATE_CHARACTERS:
            raise ModelError(
                f"the chat template has {len(template)} characters; {_MAX_TEMPLATE_CHARACTERS} "
                f"are allowed."
            )
        self._encode, self._bos, self._eos = encode, bos, eos
        self._special = sorted(
            (token for token in special if len(token) > 2 and not token.isspace()), key=len
        )
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise_exception
        # Jinja's own is for HTML, Transformers' is this.
        environment.filters["tojson"] = _plain_json
        # Templates that look whether it is there know a fixed date too, with which prompts stay the
        # same every day.
        if "strftime_now is defined" not in template:
            environment.globals["strftime_now"] = lambda form: (
                datetime.now().astimezone().strftime(form)
            )
        self._quiet = without_thinking(template)
        try:
            self._template = environment.from_string(template)
        except TemplateError as error:
            raise ModelError(f"the model's chat template is not valid Jinja: {error}.") from error

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt as one string, up to where the assistant begins to speak."""
        turns = [self._turn(message) for message in messages]
        tools = {"tools": turns[0].pop("tools")} if turns and "tools" in turns[0] else {}
        try:
            text = self._fill(turns, tools)
        except (
            Exception
        ) as error:  # whatever a foreign template does is a fault of the model's file
            text = self._fill_without_system(turns, tools, error)
        return text if not self._bos or text.startswith(self._bos) else self._bos + text

    def unplaced(self, messages: Sequence[Message]) -> str:
        """What of `tool_calls`, `tools` and the turns of `tool` the template does not write; ""
        where all is there.

        Raises ModelError where the template refuses them.
        """
        text = self.render(messages)
        for message in messages:
            turn = self._turn(message)
            wanted = {
                "tool_calls": [call["function"]["name"] for call in turn.get("tool_calls", ())],
                "tools": [
                    one.get("function", one).get("name", "") for one in turn.get("tools", ())
                ],
                "tool": [turn["content"]] if message.role == "tool" else [],
            }
            for what, parts in wanted.items():
                if not all(part in text or json.dumps(part)[1:-1] in text for part in parts):
                    return what
        return ""

    def _turn(self, message: Message) -> dict[str, Any]:
        """A message as templates take it, without control tokens in any of its texts."""
        turn: dict[str, Any] = {"role": message.role, "content": self.neutralise(message.content)}
        if isinstance(message, Turn):
            turn |= self._neutral(json.loads(message.fields))
        return turn

    def _neutral(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.neutralise(value)
        if isinstance(value, list):
            return [self._neutral(one) for one in value]
        if isinstance(value, dict):
            return {self.neutralise(key): self._neutral(one) for key, one in value.items()}
        return value

    @property
    def prefill(self) -> str:
        """What the template writes where the assistant begins to speak, after a user's message."""
        asked = "Hello, 4711?"
        return self.render([Message("user", asked)]).rpartition(asked)[2]

    def _fill(self, turns: Sequence[Mapping[str, Any]], tools: Mapping[str, Any]) -> str:
        filled: str = self._template.render(
            messages=turns,
            add_generation_prompt=True,
            bos_token=self._bos,
            eos_token=self._eos,
            **self._quiet,
            **tools,
        )
        return filled

    def _fill_without_system(
        self, turns: Sequence[Mapping[str, Any]], tools: Mapping[str, Any], refused: Exception
    ) -> str:
        """For templates that refuse a system message: what it says begins the first user
        message."""
        failed = ModelError(
            f"the model's chat template failed: {refused}.",
            hint="Use a model with a plain template.",
        )
        if len(turns) < 2 or turns[0]["role"] != "system" or turns[1]["role"] != "user":
            raise failed from refused
        told = {"role": "user", "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
        try:
            return self._fill([told, *turns[2:]], tools)
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

    def __init__(self, tokenizer: Tokenizer, template: str, bos: str, eos: str = "") -> None:
        self.tokenizer = tokenizer
        added = (token.content for token in tokenizer.get_added_tokens_decoder().values())
        super().__init__(self._ids, added, template, bos, eos)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def without_thinking(template: str) -> dict[str, Any]:
    """What tells a chat template that its model must not think aloud, by the names in use.

    `enable_thinking`: Qwen3, SmolLM3, GLM, Hunyuan, Nemotron; `thinking`: DeepSeek, Granite, Kimi;
    `thinking_budget`: Seed-OSS; `reasoning_effort`: gpt-oss, which knows no "none", and Mistral,
    which does.
    """
    quiet: dict[str, Any] = {"enable_thinking": False, "thinking": False, "thinking_budget": 0}
    effort = "none" if _NO_EFFORT.search(template) else "low"
    return quiet | {"reasoning_effort": effort}


def neutralise_roles(content: str) -> str:
    """`content` with a space after the first character of whatever looks like a special token of a
    chat template."""
    return _ROLE.sub(lambda match: f"{match[0][0]} {match[0][1:]}", content)


def _plain_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)
