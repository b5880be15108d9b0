"""A model's chat template in the language of Ollama, which is Go's and not Jinja.

A Jinja template is a program. What it writes around each message is found by rendering
conversations, put into Go's form, and held to the original over more conversations: one that does
something else is refused.

Ollama's templates: https://github.com/ollama/ollama/blob/main/docs/template.mdx.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from acclimate.errors import ModelError
from acclimate.models.chat import ChatTemplate
from acclimate.types import Message

_SYSTEM = Message("system", "Instruction 4711")
_USER, _AGAIN = Message("user", "Question 4712"), Message("user", "Question 4714")
_ASSISTANT, _SAID = Message("assistant", "Answer 4713"), Message("assistant", "Answer 4715")
_CHECKED: tuple[tuple[Message, ...], ...] = (
    (_USER,),
    (_SYSTEM, _USER),
    (_USER, _ASSISTANT, _AGAIN),
    (_SYSTEM, _USER, _ASSISTANT, _AGAIN),
    (_SYSTEM, _USER, _ASSISTANT, _AGAIN, _SAID, Message("user", "Question 4716")),
)


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What stands around messages: `opening` where there is no system message; before and after
    that; before a user's, after it where the assistant is to speak (`asked`) or has spoken
    (`answered`); after an assistant's."""

    opening: str
    before_system: str
    after_system: str
    before_user: str
    asked: str
    answered: str
    after_assistant: str

    def render(self, messages: Sequence[Message]) -> str:
        """A conversation, as the Go template writes it."""
        text = "" if messages and messages[0].role == "system" else self.opening
        for place, message in enumerate(messages, start=1):
            if message.role == "system":
                text += self.before_system + message.content + self.after_system
            elif message.role == "user":
                end = self.asked if place == len(messages) else self.answered
                text += self.before_user + message.content + end
            else:
                text += message.content + self.after_assistant
        return text

    def go(self) -> str:
        """The same in Go's language."""
        user = (
            f"{_literal(self.before_user)}{{{{ .Content }}}}{{{{ if $last }}}}"
            f"{_literal(self.asked)}{{{{ else }}}}{_literal(self.answered)}{{{{ end }}}}"
        )
        return (
            "{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}"
            '{{ if and (eq $i 0) (ne .Role "system") }}'
            f"{_literal(self.opening)}{{{{ end }}}}"
            f'{{{{ if eq .Role "system" }}}}{_literal(self.before_system)}{{{{ .Content }}}}'
            f"{_literal(self.after_system)}"
            f'{{{{ else if eq .Role "user" }}}}{user}'
            '{{ else if eq .Role "assistant" }}{{ .Content }}'
            f"{_literal(self.after_assistant)}{{{{ end }}}}{{{{ end }}}}"
        )


def _literal(text: str) -> str:
    return text.replace("{{", '{{ "{{" }}')


def go_template(chat: ChatTemplate, bos: str) -> str:
    """The template as Ollama reads it, without the token `bos` that llama.cpp puts first by itself.

    Raises ModelError where the original does what this form has no place for.
    """

    def written(messages: Sequence[Message]) -> str:
        return chat.render(messages).removeprefix(bos)

    wrapping = _find(written(_CHECKED[0]), written(_CHECKED[3]))
    if wrapping is None or any(wrapping.render(one) != written(one) for one in _CHECKED):
        raise ModelError(
            "the model's chat template does more than to put text around messages, which Ollama's "
            "form has no place for.",
            hint="--to gguf: Ollama takes the template of a model that it knows.",
        )
    found = wrapping.go()
    if '"""' in found:
        raise ModelError("the model's chat template holds three quotes, which a Modelfile cannot.")
    return found


def _find(short: str, long: str) -> Wrapping | None:
    first = _cut(short, [_USER.content])
    parts = _cut(long, [one.content for one in _CHECKED[3]])
    if first is None or parts is None:
        return None
    before_system, after_system, answered, after_assistant, asked = parts
    before_user = _common_end((after_system, after_assistant, first[0]))
    return Wrapping(
        opening=first[0].removesuffix(before_user),
        before_system=before_system,
        after_system=after_system.removesuffix(before_user),
        before_user=before_user,
        asked=asked,
        answered=answered,
        after_assistant=after_assistant.removesuffix(before_user),
    )


def _cut(text: str, marks: Sequence[str]) -> list[str] | None:
    """What stands around each of the marks in turn; None where one is missing or there twice."""
    parts = []
    for mark in marks:
        if text.count(mark) != 1:
            return None
        before, _, text = text.partition(mark)
        parts.append(before)
    return [*parts, text]


def _common_end(texts: Sequence[str]) -> str:
    columns = zip(*(reversed(text) for text in texts), strict=False)
    same = takewhile(lambda column: len(set(column)) == 1, columns)
    return "".join(column[0] for column in same)[::-1]
