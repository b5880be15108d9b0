"""What is learnt: prompts exactly as they will be asked, each with the answer to give."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from acclimate.errors import SettingsError
from acclimate.models.chat import ChatFormat
from acclimate.tuning.packing import Example, Packed, pack
from acclimate.types import Message, Question

_WORD = re.compile(r"\w+")
_SIMILAR = 0.85  # share of words that two questions have in common, from which they count as one
_MOST = 16  # cases in one sequence
_TOKENS = 1500  # of one packed sequence, where cases share their beginning


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt and the answer to learn; `question` is the id of the question that it was made from.

    Without messages the answer is raw text, learnt as it stands from its second token on.
    """

    messages: tuple[Message, ...]
    answer: str
    question: str = ""


def require_apart(train: Sequence[Question], other: Sequence[Question]) -> None:
    """Raises SettingsError where a question to learn is about a document of `other`, or asks nearly the same."""
    documents = {question.document for question in other if question.document}
    asked = [(question, _words(question)) for question in other]
    for question in train:
        if question.document in documents:
            raise SettingsError(
                f"the questions '{question.id}' (train) and others (dev, test) are about the same document, "
                f"{question.document}.",
                hint="Split by document: all questions about one document belong to one split.",
            )
        words = _words(question)
        for twin, others in asked:
            if words and len(words & others) >= _SIMILAR * len(words | others) and twin.document == question.document:
                raise SettingsError(
                    f"the questions '{question.id}' (train) and '{twin.id}' ({twin.split}) ask the same.",
                    hint="Remove one of them, or move both into one split.",
                )


def _words(question: Question) -> set[str]:
    return set(_WORD.findall(question.question.casefold()))


def encode(case: Case, chat: ChatFormat) -> Example:
    """Token ids of a case by the model's own chat template; the answer ends with the template's end of turn.

    Raises SettingsError for an empty answer, or where the template does not leave the prompt as it is asked.
    """
    if not case.answer.strip():
        raise SettingsError(
            f"the question '{case.question}' has an empty answer.", hint="Give it one, or leave it out."
        )
    if not case.messages:
        raw = chat.tokenizer.encode(case.answer, add_special_tokens=False).ids
        return Example((raw[0],), tuple(raw[1:]))
    prompt = chat.encode(case.messages)
    answer = chat.tokenizer.encode(case.answer, add_special_tokens=False).ids
    whole = chat.encode([*case.messages, Message("assistant", case.answer)])
    end = len(prompt) + len(answer)
    if whole[: len(prompt)] != prompt or whole[len(prompt) : end] != answer or len(whole) <= end:
        raise SettingsError(
            "the model's chat template changes a prompt once it is answered, so it cannot be learnt from.",
            hint="Use a model whose template adds turns at the end only.",
        )
    return Example(tuple(prompt), (*answer, whole[end]))


class CaseSampler:
    """Draws cases at random; those that share most of their prompt go into one sequence together, up to a length."""

    def __init__(self, cases: Sequence[Case], chat: ChatFormat, max_tokens: int) -> None:
        if not cases:
            raise SettingsError("there is nothing to learn.", hint='Mark questions with "split": "train".')
        self._examples = [encode(case, chat) for case in cases]
        self._max = max_tokens
        for case, example in zip(cases, self._examples, strict=True):
            if (length := len(example.prompt) + len(example.answer)) > max_tokens:
                raise SettingsError(
                    f"the question '{case.question}' has {length} tokens with its passages; {max_tokens} fit.",
                    hint="Lower [retrieval] k or [chunking] max_tokens.",
                )

    @property
    def answer_tokens(self) -> int:
        """Tokens to learn in all cases."""
        return sum(len(example.answer) for example in self._examples)

    def __call__(self, rng: random.Random) -> Packed:
        """A sequence; equal random states draw equal ones."""
        first = rng.choice(self._examples)
        chosen, length = [first], len(first.prompt) + len(first.answer)
        for other in rng.sample(self._examples, min(_MOST, len(self._examples))):
            own = _own(first, other)
            if other is first or 2 * own > len(other.prompt):
                continue
            length += own + len(other.answer)
            if length > min(_TOKENS, self._max):
                break
            chosen.append(other)
        return pack(chosen, self._max)

    def all(self) -> list[Packed]:
        """Every case once, each alone."""
        return [pack([example], self._max) for example in self._examples]


def _own(first: Example, other: Example) -> int:
    """Tokens of `other`'s prompt after the beginning that it shares with `first`."""
    pairs = zip(first.prompt, other.prompt, strict=False)
    shared = next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(first.prompt), len(other.prompt)))
    return len(other.prompt) - shared
