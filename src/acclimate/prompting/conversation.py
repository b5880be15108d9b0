"""Earlier turns of a conversation: what a question refers back to, and which turns a prompt shows.

A small model cannot rewrite a question, and a reader that was trained on single questions reads
nothing else. So by default a question is completed by rule: where it points back ("it", "the same",
"And in winter?"), it gets the words that it points to from the question before; a question that
stands on its own stays as it is, to the letter. English only. A larger model may do the rewriting
instead (`condense`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Literal

from acclimate.prompting.templates import Template
from acclimate.types import Exchange, Message

Memory = Literal["rule", "model", "none"]


Turn = Exchange
"""As conversations call it."""

Complete = Callable[[str, Sequence[Turn]], str]
"""A question that can be understood without the turns before it, oldest first."""

_STOP = frozenset(
    "a about after all also an and any are as at be been before both but by can could did do does "
    "each else ever "
    "for from get give had happen happens has have how i if in into is it its just kind let long "
    "many may me mean "
    "more most much must my need no not of off often old on one only or other our out over please "
    "same shall "
    "should show so some still such take taken tell than that the their them then there these "
    "they this those to "
    "too under until up us use used very was we were what when where which who whom whose why "
    "will with within "
    "without work would you your".split()
)
_PERSON = re.compile(r"\b([Hh]e|[Ss]he|him|his|hers|her)\b")
_THING = re.compile(r"\b([Ii]ts|[Ii]t|[Tt]hey|them|theirs|[Tt]heir)\b")
# What the pronoun may stand for in its own question: "What happens to a parcel when it comes back?"
_INSIDE = re.compile(
    r"\b(?:an?|every|each|my|any)\s+\w|\b(?:when|if|that|because|before|after|and|but|or|so|while|until|where|as)\s"
    r"|\s[A-Z]\w"
)
# It stands for nothing in "What does it cost to ship a pallet?".
_EXPLETIVE = re.compile(r"\bit\s+(?:\w+\s+){1,2}(?:to|that)\s", re.IGNORECASE)
_TELLING = 3  # words after which such a question says enough by itself
_BRIEF = 3  # words of a question that says nothing without the one before
_VERB = re.compile(r"\b(?:is|are|was|were|do|does|did|\w+s)\b", re.IGNORECASE)
# "that" after a noun begins a clause of the same sentence; after a verb or preposition it points
# back.
_POINTING = re.compile(
    r"(?:^|\b(?:is|was|are|were|do|does|did|can|could|will|would|about|for|of|with|to|and|than|after|before|by|from)\s+)"
    r"(that|this|those|these)(?=\s*[?.!,]|\s*$|\s+(?:one|ones|include|apply|with|without|per|for|cost|mean|work|is|are|was|were)\b)",
    re.IGNORECASE,
)
_OPENER = re.compile(
    r"^(?:and|but|or|so|then|ok(?:ay)?|also)[\s,]+(?:what|how)\s+about\s+|^(?:what|how)\s+about\s+"
    r"|^(?:and|but|or|so|then|ok(?:ay)?|also)[\s,]+",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(?:the same(?:\s+for\b.*)?|another one|that one|this one)\W*$", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_NAME = re.compile(r"(?<![\w-])[A-Z][\w-]*(?:\s+(?:[A-Z][\w-]*|\d[\w.,-]*\w|\d)(?!\w))*")
_ARTICLES = frozenset("the a an our my your this".split())
_MOST_TOLD = 4000  # characters of a conversation that a model is shown to complete a question
_LONGEST_NAME = 6  # words; an answer of more is no name


def complete(question: str, turns: Sequence[Turn]) -> str:
    """`question` with what it points back to, by rule; unchanged where it stands on its own or
    nothing came before."""
    asked = ""
    answer = ""
    for turn in turns:  # what a turn pointed to, the next may point to through it
        asked, answer = _complete(turn.question.strip(), asked, answer), turn.answer
    return _complete(question.strip(), asked, answer)


def condense(
    template: Template, write: Callable[[Sequence[Message], int], str], most: int = 64
) -> Complete:
    """The completion written by a model with `template`; by rule where it writes nothing.

    `most` bounds its tokens.
    """

    def rewrite(question: str, turns: Sequence[Turn]) -> str:
        if not turns:
            return question.strip()
        told = _told(turns)
        written = write(
            template.render({"conversation": told, "question": question.strip()}), most
        ).strip()
        first = written.split("\n")[0].strip()
        return first.removeprefix("Question:").strip() or complete(question, turns)

    return rewrite


def _told(turns: Sequence[Turn]) -> str:
    """The newest turns as text, as many as stay within `_MOST_TOLD` characters; of the last one at
    least its beginning."""
    told = ""
    for turn in reversed(turns):
        said = f"User: {turn.question.strip()}\nAssistant: {turn.answer.strip()}"
        longer = f"{said}\n{told}" if told else said[:_MOST_TOLD]
        if len(longer) > _MOST_TOLD:
            break
        told = longer
    return told


def as_messages(
    turns: Sequence[Turn], count: Callable[[Sequence[Message]], int], limit: int
) -> tuple[Message, ...]:
    """As many turns as stay within `limit` tokens, the newest kept longest, each whole or not at
    all."""
    told: tuple[Message, ...] = ()
    for turn in reversed(
        turns
    ):  # from the newest, so that a long conversation costs no more than what is shown
        longer = (Message("user", turn.question), Message("assistant", turn.answer), *told)
        if count(longer) > limit:
            break
        told = longer
    return told


def read_turns(messages: Sequence[Message]) -> tuple[str, tuple[Turn, ...]]:
    """The question and the turns before it in the messages of a chat client: the last user message
    is the question.

    System messages are left out: a recipe brings its own. User messages without an answer between
    them belong together. ("", ()) where no user speaks last.
    """
    turns: list[Turn] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "user":
            waiting.append(message.content)
        elif message.role == "assistant" and waiting:
            turns.append(Turn("\n".join(waiting), message.content))
            waiting = []
    return "\n".join(waiting), tuple(turns)


def _complete(question: str, before: str, answer: str) -> str:
    if not before or not question:
        return question
    topic = _topic(before)
    if (person := _PERSON.search(question)) and not _own(question, person.start()):
        name = _name_of(answer)
        return _put(question, person, name) if name else _beside(question, topic)
    opened = _OPENER.match(question)
    rest = question[opened.end() :] if opened else question
    if opened and not re.match(
        r"(?:what|how|who|when|where|why|which|is|are|does|do|did|can)\b", rest, re.IGNORECASE
    ):
        return _exchange(before, rest)
    if (thing := _THING.search(question)) and topic and not _own(question, thing.start()):
        return _put(question, thing, topic)
    brief = len(question.split()) <= _BRIEF and not _names(question) and not _VERB.search(question)
    if (
        _POINTING.search(question)
        or _ELSEWHERE.search(question)
        or opened
        or brief
        or not _content(question)
    ):
        return _beside(question, topic)
    return question


def _own(question: str, place: int) -> bool:
    """Whether the pronoun at `place` points to nothing outside its question."""
    if _INSIDE.search(question[:place]):
        return True
    return _EXPLETIVE.match(question, place) is not None and len(_content(question)) >= _TELLING


def _topic(before: str) -> str:
    """What a question is about: its names, else the first thing with an article ("the price of a
    snow cover": the snow cover), else its telling words."""
    if names := _names(before):
        return " ".join(names)
    words = [word.casefold() for word in _WORD.findall(before)]
    for place, word in enumerate(words):
        thing = (
            list(takewhile(lambda other: other not in _STOP, words[place + 1 :]))
            if word in _ARTICLES
            else []
        )
        if thing and words[place + 1 + len(thing) :][:1] != ["of"]:
            return f"the {' '.join(thing)}"
    return " ".join(_content(before))


def _names(text: str) -> list[str]:
    """Runs of capitalised words, with the numbers in them, without the word that only begins the
    sentence."""
    found = []
    for match in _NAME.finditer(text):
        first, _, others = match[0].partition(" ")
        common = first.casefold() in _STOP or (
            match.start() == 0 and not others and first.isalpha()
        )
        if name := others if common else match[0]:
            found.append(name)
    return found


def _name_of(answer: str) -> str:
    names = _names(f"· {answer}")
    return names[0] if names and len(answer.split()) <= _LONGEST_NAME else ""


def _exchange(before: str, rest: str) -> str:
    """The question before, about something else: "And the Fjell 12?" after "What does a Fjell 9
    weigh?"."""
    other = rest.rstrip(" ?.!")
    new = _names(f"· {other}")
    for old in _names(before):
        if new and {*old.split()} & {*new[0].split()}:
            return before.replace(old, new[0], 1)
    return (
        f"{before.rstrip(' ?.!')}, {other}?"
        if not new or not _names(before)
        else _swap_last(before, other)
    )


def _swap_last(before: str, other: str) -> str:
    head, _, tail = before.rpartition(_names(before)[-1])
    return f"{head}{re.sub(r'^(?:the|a|an|in|at|to|for|on|from)[ ]', '', other)}{tail}"


def _content(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if word.casefold() not in _STOP]


def _put(question: str, pronoun: re.Match[str], topic: str) -> str:
    """The topic in the pronoun's place."""
    owns = pronoun[1].casefold() in ("its", "their", "his", "theirs", "hers")
    return question[: pronoun.start()] + topic + ("'s" if owns else "") + question[pronoun.end() :]


def _beside(question: str, topic: str) -> str:
    return f"{question.rstrip(' ?')} ({topic})?" if topic else question
