"""What is learnt: prompts exactly as they will be asked, each with the answer to give."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from acclimate.errors import DataError, ModelError, SettingsError
from acclimate.models.chat import ChatFormat
from acclimate.questions.splitting import documents_of
from acclimate.tuning.packing import Belief, Example, Packed, pack
from acclimate.types import Message, Question, Turn

_WORD = re.compile(r"\w+")
_SIMILAR = 0.85  # share of words that two questions have in common, from which they count as one
_MOST = 16  # cases in one sequence
_SHORT = 512  # tokens up to which cases that share little stand in one sequence
_TOOLS = "Take a model whose chat template writes calls of tools, or leave the line out."
_TOKENS = 1500  # of one packed sequence, where cases share their beginning


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt and the answer to learn; `question` is the id of the question that it was made from,
    or its place.

    Without messages the answer is raw text, learnt as it stands from its second token on. `fields`
    are those of an answer that calls tools, as in `Turn`. `taught` is what a teacher holds at the
    answer's first tokens; where it says nothing the answer's own token is certain.
    """

    messages: tuple[Message, ...]
    answer: str
    question: str = ""
    fields: str = ""
    taught: tuple[Belief, ...] = ()

    @property
    def wanted(self) -> bool:
        """Whether the answer is one to give."""
        return True


class UnlearnableError(DataError):
    """A case that cannot be learnt; `reason` goes on after "the question 'x' …"."""

    def __init__(self, case: Case, reason: str, remedy: str) -> None:
        super().__init__(f"the question '{case.question}' {reason}.", hint=remedy)
        self.reason, self.remedy = reason, remedy


def require_apart(train: Sequence[Question], other: Sequence[Question]) -> None:
    """Raises SettingsError where a question to learn is about a document of `other`, or asks nearly
    the same."""
    documents = {path: question for question in other for path in documents_of(question)}
    asked = [(question, _words(question)) for question in other]
    for question in train:
        if shared := next((path for path in documents_of(question) if path in documents), None):
            twin = documents[shared]
            raise SettingsError(
                f"the questions '{question.id}' (train) and '{twin.id}' ({twin.split}) are about "
                f"the same document, "
                f"{shared}.",
                hint="acclimate questions split --again, or empty the split of one of them.",
            )
        words = _words(question)
        for twin, others in asked:
            if (
                words
                and len(words & others) >= _SIMILAR * len(words | others)
                and twin.document == question.document
            ):
                raise SettingsError(
                    f"the questions '{question.id}' (train) and '{twin.id}' ({twin.split}) ask "
                    f"the same.",
                    hint="Remove one of them, or move both into one split.",
                )


def _words(question: Question) -> set[str]:
    return set(_WORD.findall(question.question.casefold()))


def encode(case: Case, chat: ChatFormat) -> Example:
    """Token ids of a case by the model's own chat template; the answer ends with the template's end
    of turn.

    Raises UnlearnableError for an empty answer and for one that holds a control token, and where
    the template does not leave the prompt as it is asked.
    """
    if not case.answer.strip() and not case.fields:
        raise UnlearnableError(case, "has an empty answer", "Give it one, or leave it out.")
    if not case.messages:
        raw = chat.tokenizer.encode(chat.neutralise(case.answer), add_special_tokens=False).ids
        return Example((raw[0],), tuple(raw[1:]))
    if chat.neutralise(case.answer) != case.answer:
        raise UnlearnableError(case, "has a control token of the model in its answer", "Remove it.")
    prompt = _encode(case, case.messages, chat)
    if case.fields:
        return _encode_call(case, prompt, chat)
    answer = chat.tokenizer.encode(case.answer, add_special_tokens=False).ids
    whole = _encode(case, [*case.messages, Message("assistant", case.answer)], chat)
    end = len(prompt) + len(answer)
    if whole[len(prompt) : end] != answer:
        end = _end_of_answer(case, chat)
    if whole[: len(prompt)] != prompt or not len(prompt) < end < len(whole):
        raise UnlearnableError(
            case,
            "is changed by the model's chat template once it is answered",
            "Use a model whose template adds turns at the end only.",
        )
    return Example(tuple(prompt), tuple(whole[len(prompt) : end + 1]), case.taught)


def _end_of_answer(case: Case, chat: ChatFormat) -> int:
    """The place of the token after the answer, where the template writes something between the
    prompt and the answer, such as a space: the model writes that too. 0 where it is not found."""
    text = chat.render([*case.messages, Message("assistant", case.answer)])
    start = text.find(case.answer, len(chat.render(case.messages)))
    if start < 0:
        return 0
    spans = chat.tokenizer.encode(text, add_special_tokens=False).offsets
    places = [at for at, (_, end) in enumerate(spans) if end >= start + len(case.answer)]
    return places[0] + 1 if places else 0


def _encode(case: Case, messages: Sequence[Message], chat: ChatFormat) -> list[int]:
    """The tokens of messages. Raises UnlearnableError where the template has no place for calls of
    tools in them."""
    if not any(isinstance(message, Turn) for message in messages):
        return chat.encode(messages)
    try:
        lost = chat.unplaced(messages)
    except ModelError as error:  # templates raise for roles that they do not know
        raise UnlearnableError(
            case, "speaks with tools, which the model's chat template refuses", _TOOLS
        ) from error
    if lost:
        raise UnlearnableError(
            case, f"has '{lost}', for which the model's chat template has no place", _TOOLS
        )
    return chat.encode(messages)


def _encode_call(case: Case, prompt: list[int], chat: ChatFormat) -> Example:
    """The call as the template writes it, with the token that ends it: what follows it is as long
    as after a text."""
    whole = _encode(case, [*case.messages, Turn("assistant", case.answer, case.fields)], chat)
    text = chat.tokenizer.encode("x", add_special_tokens=False).ids
    plain = chat.encode([*case.messages, Message("assistant", "x")])
    after = len(plain) - len(prompt) - len(text) - 1
    answer = whole[len(prompt) : len(whole) - after]
    same = whole[: len(prompt)] == prompt and plain[: len(prompt) + len(text)] == [*prompt, *text]
    if not same or after < 0 or len(answer) < 2:
        raise UnlearnableError(
            case, "is changed by the model's chat template once it is answered", _TOOLS
        )
    return Example(tuple(prompt), tuple(answer))


def encode_within(case: Case, chat: ChatFormat, max_tokens: int) -> Example:
    """`encode`, and nothing is ever cut. Raises UnlearnableError where a case is longer than
    `max_tokens`, too."""
    example = encode(case, chat)
    if (length := len(example.prompt) + len(example.answer)) > max_tokens:
        remedy = "Shorten or split it; with passages: lower [retrieval] k or [chunking] max_tokens."
        raise UnlearnableError(case, f"has {length} tokens; {max_tokens} fit", remedy)
    return example


class CaseSampler:
    """Draws cases at random; those that share most of their prompt go into one sequence together,
    up to a length, and to `most` of them (16).

    Short cases that share little are put side by side, as short sequences leave cores idle.
    """

    def __init__(
        self, cases: Sequence[Case], chat: ChatFormat, max_tokens: int, most: int | None = None
    ) -> None:
        if not cases:
            raise SettingsError(
                "there is nothing to learn.", hint='Mark questions with "split": "train".'
            )
        self._max, self._most = max_tokens, most or _MOST
        self.examples = [encode_within(case, chat, max_tokens) for case in cases]

    @property
    def answer_tokens(self) -> int:
        """Tokens to learn in all cases."""
        return sum(len(example.answer) for example in self.examples)

    def cases_a_sequence(self, seed: int, drawn: int = 64) -> float:
        """How many cases a sequence holds, on the mean of some that are drawn."""
        some = [self(random.Random(f"{seed}/{step}")) for step in range(drawn)]  # noqa: S311
        return sum(max(1, int(packed.branches.max())) for packed in some) / drawn

    def __call__(self, rng: random.Random) -> Packed:
        """A sequence; equal random states draw equal ones."""
        first = rng.choice(self.examples)
        others = rng.sample(self.examples, min(self._most, len(self.examples)))
        chosen = self._sharing(first, others)
        return pack(
            chosen if len(chosen) > 1 else _beside(first, others, min(_SHORT, self._max)), self._max
        )

    def _sharing(self, first: Example, others: Sequence[Example]) -> list[Example]:
        """`first`, and those whose prompt begins for the most part as its own does."""
        chosen, length = [first], len(first.prompt) + len(first.answer)
        for other in others:
            own = _own(first, other)
            if other is first or 2 * own > len(other.prompt):
                continue
            length += own + len(other.answer)
            if length > min(_TOKENS, self._max):
                break
            chosen.append(other)
        return chosen

    def all(self) -> list[Packed]:
        """Every case once, each alone."""
        return [pack([example], self._max) for example in self.examples]


def _beside(first: Example, others: Sequence[Example], max_tokens: int) -> list[Example]:
    """`first`, and others as long as all of them together have no more than `max_tokens`."""
    chosen, length = [first], len(first.prompt) + len(first.answer)
    for other in others:
        size = len(other.prompt) + len(other.answer)
        if other is not first and length + size <= max_tokens:
            chosen.append(other)
            length += size
    return chosen


def _own(first: Example, other: Example) -> int:
    """Tokens of `other`'s prompt after the beginning that it shares with `first`."""
    pairs = zip(first.prompt, other.prompt, strict=False)
    shared = next(
        (place for place, (a, b) in enumerate(pairs) if a != b),
        min(len(first.prompt), len(other.prompt)),
    )
    return len(other.prompt) - shared
