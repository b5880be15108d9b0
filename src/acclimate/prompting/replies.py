"""What a model's reply holds beside its answer, taken off in one place: reasoning, stop tokens,
role markers, fences.

Models that reason write it into the text, each family by marks of its own; servers pass it on as
text or in a field. Everything that reads a model (citations, schemas, refusals, scores, judges)
reads what `ask` gives.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

from acclimate.errors import EngineError
from acclimate.prompting.reasoning import ENDING, OPENING, first_mark, opens, read_reply
from acclimate.types import Completion, Generation, Message

OnText = Callable[[str], bool]
"""As in `models.base`."""
REASONING_ROOM = 2048
"""Tokens beside the answer's for a model that turned out to reason first. Models that reason over a
page of passages write some hundreds; where the window has less room, they get that."""

# "Answer: 42", also in bold, and in the languages that models fall into.
_WORDS = "answer|antwort|réponse|respuesta|risposta|resposta|antwoord|svar|vastaus|odpowiedź|ответ|答案|回答"
_LEAD = re.compile(
    rf"\s*[*_#\s]{{0,4}}(?:(?:the|my)\s+)?(?:(?:final|short|exact|correct)\s+)?(?:{_WORDS})(?:\s+is)?\s*[*_]{{0,2}}"
    r"\s*[:：]\s*[*_]{0,2}\s*",
    re.IGNORECASE,
)
_KINDS = ("", "final ", "short ", "exact ", "correct ")
_LEADS = (
    *(
        f"{article}{kind}answer is"
        for article, kind in itertools.product(("", "the ", "my "), _KINDS)
    ),
    *_WORDS.split("|"),
    "assistant",
    "analysis",
    "here is my thought process",
    "here's my thought process",
    "thinking...",
)
_MARKS = r"((?:\s*\[[\d\s,;]+\])*)\s*"
_FENCED = re.compile(
    rf"\s*(`{{3,}}|~{{3,}})[\w+-]*[ \t]*\n(.*?)\n?[ \t]*\1{_MARKS}\.?\s*", re.DOTALL
)
_BOXED = re.compile(
    rf"\s*\$*\s*\\boxed\{{(?:\\text\{{)?([^{{}}]*)\}}?\}}(?:\s*\$+)?{_MARKS}", re.DOTALL
)
# A turn that the model made up after its answer: somebody asks, and it answers again.
_INVENTED = re.compile(
    r"\n\s*(?:#+\s*)?(?:user|human|question|instruction)\s*:.*?\n\s*(?:#+\s*)?(?:assistant|ai|answer|response)\s*:",
    re.IGNORECASE | re.DOTALL,
)
_MAYBE_INVENTED = re.compile(
    r"\n\s*(?:#+\s*)?(?:user|human|question|instruction)\s*:", re.IGNORECASE
)
_WRAPPED = frozenset(("answer", "final_answer", "response", "result", "text", "output"))
_FENCE = re.compile(r"(`{3,}|~{3,})[\w+-]*[ \t]*\n(.*?)(?:\n[ \t]*\1|\Z)", re.DOTALL)
_UNSURE_END = re.compile(
    r"(?:<\|channel\|?>[^<\n]*|<[^<>\n]{0,60}|\[/?[A-Za-z]{0,10}|◁[^▷\n]{0,12}|`{1,3}[^`\n]{0,16}|\n[#\s]*\w{1,11}|\s)\Z"
)
_LONGEST_MARK = 120  # characters
_REREAD = 400
_ALOUD = re.compile(
    r"\s*(?:ok(?:ay)?|alright|hmm+|wait|so|first|now|let me|let's|let us|we (?:need|have|are)|the "
    r"user"
    r"|i (?:need|have|'ll)|to (?:answer|find|determine)|looking|thinking)\b",
    re.IGNORECASE,
)


class Speaker(Protocol):
    """The part of an `Engine` that speaks."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def context_tokens(self) -> int:
        """Most tokens of prompt and reply together."""

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt."""

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """The reply as the model wrote it."""


@runtime_checkable
class Prefilled(Protocol):
    """An engine that knows its chat template."""

    @property
    def prefill(self) -> str:
        """What the template writes where the assistant begins to speak."""


@dataclass(slots=True)
class _Habit:
    """What a model is known to do: `silent`, reason without an opening mark (None: not known yet),
    because its template wrote that; `reasons`, reason at all."""

    silent: bool | None = None
    reasons: bool = False


_habits: WeakKeyDictionary[Speaker, _Habit] = WeakKeyDictionary()


def ask(
    engine: Speaker, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
) -> Completion:
    """A model's reply with what is no answer taken off, and its reasoning in a field of its own.

    The pieces given to `on_text` are of the cleaned text. A model may reason without a mark where
    that begins, so the first reply of one whose template is not known is given in one piece. A
    reply that ends within the reasoning is asked for once more, with room for it. Raises
    EngineError where there is still only reasoning.
    """
    habit = _habit(engine)
    room = REASONING_ROOM if habit.reasons else 0
    done, stream = _once(
        engine, messages, _with_room(engine, messages, options, room), on_text, habit
    )
    if not room and done.finish == "length" and _within_reasoning(done, habit):
        longer = _with_room(engine, messages, options, REASONING_ROOM)
        if longer.max_tokens > options.max_tokens:
            again, other = _once(engine, messages, longer, on_text, habit)
            # A model that only rambles keeps to its limit, and has been asked twice all the same.
            taken, stream = (again, other) if again.reasoning else (done, stream)
            done = replace(
                taken,
                prompt_tokens=done.prompt_tokens + again.prompt_tokens,
                completion_tokens=done.completion_tokens + again.completion_tokens,
                calls=2,
            )
    if stream is not None and done.finish != "cancelled":
        stream.finish(plain(done.text))
    if done.reasoning and not done.text.strip() and done.finish != "cancelled":
        raise EngineError(
            f"{engine.name} wrote {done.completion_tokens} tokens of reasoning and no answer.",
            hint="Raise [model] max_tokens (and context_tokens with it), or turn the model's "
            "thinking off.",
        )
    return done


def plain(text: str) -> str:
    """A reply's answer without "Answer:", a fence or a box around the whole of it, and turns that
    were made up after it; unchanged, to the letter, where there is none of these."""
    if match := _INVENTED.search(text):
        text = text[: match.start()]
    for pattern in (_FENCED, _BOXED):
        if match := pattern.fullmatch(text):
            text = (match[2] if pattern is _FENCED else match[1]) + match[match.lastindex or 0]
    if match := _LEAD.match(text):
        text = text[match.end() :] or text
    return _unwrapped(text)


def json_text(text: str, fault: Callable[[object], str] | None = None) -> str:
    """The JSON in a reply, less fences and prose around it; `text` where there is none.

    Of several values the first that `fault` (see `Shape`) has nothing against, else the first
    object, else the first.
    """
    found = list(json_values(text))
    if not found:
        return text
    right = [part for part, value in found if fault is not None and not fault(value)]
    objects = [part for part, value in found if isinstance(value, dict)]
    return (right or objects or [found[0][0]])[0]


def json_values(text: str) -> Iterator[tuple[str, Any]]:
    """The JSON values of a reply with their texts: the whole of it, or those in fences, or the
    objects and lists that stand in prose."""
    try:
        yield text, json.loads(text)
        return
    except ValueError:
        pass
    fenced = []
    for match in _FENCE.finditer(text):
        try:
            fenced.append((match[2].strip(), json.loads(match[2])))
        except ValueError:
            continue
    yield from fenced or _in_prose(text)


def _in_prose(text: str) -> Iterator[tuple[str, Any]]:
    decoder, at = json.JSONDecoder(), 0
    while match := re.compile(r"[{\[]").search(text, at):
        try:
            value, at = decoder.raw_decode(text, match.start())
        except ValueError:
            at = match.end()
            continue
        yield text[match.start() : at], value


def _unwrapped(text: str) -> str:
    """The one string of {"answer": "…"}, which some servers' models write whatever they are
    asked."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if not isinstance(value, dict) or len(value) != 1:
        return text
    name, inner = next(iter(value.items()))
    said = (
        isinstance(inner, str | int | float)
        and not isinstance(inner, bool)
        and name.casefold() in _WRAPPED
    )
    return str(inner) if said else text


def _habit(engine: Speaker) -> _Habit:
    try:
        known = _habits.get(engine)
        if known is None:
            known = _habits[engine] = _Habit()
    except TypeError:  # an engine that cannot be remembered
        known = _Habit()
    if known.silent is None and isinstance(engine, Prefilled):
        known.silent = opens(engine.prefill)
    return known


def _with_room(
    engine: Speaker, messages: Sequence[Message], options: Generation, room: int
) -> Generation:
    if not room:
        return options
    left = engine.context_tokens - engine.count(messages)
    return replace(
        options, max_tokens=max(options.max_tokens, min(options.max_tokens + room, left))
    )


def _once(
    engine: Speaker,
    messages: Sequence[Message],
    options: Generation,
    on_text: OnText | None,
    habit: _Habit,
) -> tuple[Completion, ReplyStream | None]:
    stream = None if on_text is None else ReplyStream(on_text, silent=habit.silent)
    done = engine.generate(messages, options, stream)
    reply = read_reply(done.text, silent=bool(habit.silent))
    if habit.silent is None and (reply.unopened or done.finish == "stop"):
        habit.silent = reply.unopened
    reasoning = "\n".join(part for part in (done.reasoning, reply.reasoning) if part)
    habit.reasons = habit.reasons or bool(reasoning)
    return replace(done, text=reply.text, reasoning=reasoning), stream


def _within_reasoning(done: Completion, habit: _Habit) -> bool:
    """Whether a reply was cut before its answer; of a model that is not known yet, whether it seems
    so."""
    if done.reasoning:
        return not done.text.strip()
    return habit.silent is None and _ALOUD.match(done.text) is not None


class ReplyStream:
    """An `OnText` that passes on a reply's answer as it comes: nothing that may still turn out to
    be something else.

    `silent` as in `_Habit`; where it is None, all waits for the end.
    """

    def __init__(self, on_text: OnText, *, silent: bool | None) -> None:
        self._on_text, self._silent = on_text, silent
        # All that came; of that, once the answer has begun, what was not sent.
        self._raw, self._held = "", ""
        self._sent: list[str] = []
        self._stopped, self._within = silent is None, False

    def __call__(self, piece: str) -> bool:
        """Take the next piece."""
        if self._stopped:
            return self._on_text("")  # whether anybody still listens
        if self._sent:
            return self._on_text(self._going_on(piece))
        self._raw += piece
        # Within long reasoning only what may end it is worth a look, else each piece would cost the
        # whole again.
        if self._within and not ENDING.search(
            self._raw, max(0, len(self._raw) - len(piece) - _LONGEST_MARK)
        ):
            return self._on_text("")
        shown = self._certain()
        self._within = not shown and len(self._raw) > _REREAD
        if shown:
            self._sent.append(shown)
            self._stopped = not self._raw.endswith(shown) and shown not in self._raw
            self._held = "" if self._stopped else self._raw[self._raw.rfind(shown) + len(shown) :]
        return self._on_text(shown)

    def finish(self, text: str) -> None:
        """Send what is left of the whole answer."""
        sent = "".join(self._sent)
        if text.startswith(sent) and (rest := text[len(sent) :]):
            self._sent = [text]
            self._on_text(rest)

    def _going_on(self, piece: str) -> str:
        """More of an answer that has begun; nothing any more where it may be over."""
        text = self._held + piece
        sure = text[: _unsure(text)]
        places = [
            first_mark(sure),
            *(match.start() for match in [_MAYBE_INVENTED.search(sure)] if match),
        ]
        end = min(places)
        self._stopped = end < len(sure)
        shown = sure[:end].rstrip()
        self._held = text[len(shown) :]
        if shown:
            self._sent.append(shown)
        return shown

    def _certain(self) -> str:
        body = self._raw[: _unsure(self._raw)]
        reply = read_reply(body, silent=bool(self._silent))
        if body.lstrip().startswith(
            "<s>"
        ):  # it may be a token, or the beginning of a line struck through
            return ""
        text = reply.text
        start = text.lstrip().casefold()
        bare = start.lstrip("*_# ")
        if start.startswith(("```", "~~~", "{", "$", "\\")) or _LEAD.fullmatch(text):
            return ""
        if any(lead.startswith(bare.rstrip("*_ ")) for lead in _LEADS):
            return ""
        for mark in (_MAYBE_INVENTED, OPENING):  # each may be closed later
            if match := mark.search(text):
                text = text[: match.start()]
        return plain(text).rstrip()


def _unsure(text: str) -> int:
    """Where the end of a text begins that may still become a mark."""
    end = len(text)
    while match := _UNSURE_END.search(text, max(0, end - _LONGEST_MARK), end):
        end = match.start()
    return end
