"""A mail's messages: what its sender wrote now, then what is quoted, newest first, each with its
author and date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from acclimate.documents.builder import TextBuilder
from acclimate.documents.mail_blocks import Block
from acclimate.documents.mail_marks import (
    Mark,
    find_header,
    find_wrote,
    is_fields,
    is_rule,
    says_forwarded,
)
from acclimate.documents.mail_signature import is_disclaimer, split_signature
from acclimate.types import QUOTED

_LONG = 600  # characters of a quotation that is shown with its answer; of a longer one, its end
_UNKNOWN = "an earlier message"


@dataclass(eq=False, slots=True)
class _Message:
    """What one person wrote: `age` counts the messages after it. `answers` are its quotations with
    their answers."""

    author: str = ""
    date: str = ""
    age: int = 0
    forwarded: bool = False
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """A block and the message that it is of."""

    message: _Message
    block: Block


def add_thread(blocks: Sequence[Block], author: str, builder: TextBuilder) -> None:
    """Append the messages in a mail's body; `author` wrote what is not quoted.

    Each quoted message stands under a heading of its own ("message") with its author and date. A
    quotation that is answered line by line stays before its answers. Signatures stand last, legal
    notes as footers.
    """
    messages = _messages(blocks, author)
    signatures: dict[str, str] = {}
    notes: dict[str, None] = {}
    for message in messages:
        body, signature = split_signature(
            [block for block in message.blocks if not is_disclaimer(block.text)]
        )
        notes |= {block.text: None for block in message.blocks if is_disclaimer(block.text)}
        if signature:
            signatures.setdefault("\n".join(block.text for block in signature), message.author)
        if message.age and body:
            builder.add("message", _heading(message), 2)
        for block in body:
            _add(block, builder)
    for text, name in signatures.items():
        builder.add("message", f"Signature of {name or 'the sender'}", 2)
        builder.add("paragraph", text)
    for text in notes:
        builder.add("footer", text)


def _heading(message: _Message) -> str:
    said = "Forwarded from" if message.forwarded else QUOTED
    return ", ".join(
        part for part in (f"{said} {message.author or _UNKNOWN}", message.date) if part
    )


def _add(block: Block, builder: TextBuilder) -> None:
    if block.rows and not block.depth:
        builder.add_table(block.rows)
    elif block.depth:
        marks = "> " * block.depth
        lines = [f"{block.said}:"] if block.said else []
        builder.add(
            "quote", "\n".join([*lines, *(marks + line for line in block.text.split("\n"))])
        )
    elif block.kind == "heading":
        builder.add("heading", block.text, max(3, block.level))
    else:
        builder.add(block.kind, block.text, block.level)


def _messages(blocks: Sequence[Block], author: str) -> list[_Message]:
    """The messages, newest first; blocks that stay quoted in a message have a depth above 0."""
    places = _placed(_with_whole_headers(blocks), _Message(author))
    order: list[_Message] = list(dict.fromkeys(place.message for place in places))
    owned: dict[_Message, list[int]] = {}
    for at, place in enumerate(places):
        owned.setdefault(place.message, []).append(at)
    taken: set[int] = set()
    for message in sorted(order, key=lambda one: one.age):
        own = owned[message]
        answered = _answered(places, own, message, taken)
        outer = places[own[0]].block.depth if own else 0
        last: _Message | None = None
        for at in sorted({*own, *answered} - taken):
            place = places[at]
            depth = max(1, place.block.depth - outer) if at in answered else 0
            said = (
                _heading(place.message)
                if depth and place.message is not last and place.message.author
                else ""
            )
            message.blocks.append(replace(place.block, depth=depth, said=said))
            last = place.message
        taken |= {*own, *answered}
    return sorted((one for one in order if one.blocks), key=lambda one: one.age)


def _with_whole_headers(blocks: Sequence[Block]) -> list[Block]:
    """Blocks, a header whose fields are a block each as one."""
    found: list[Block] = []
    for block in blocks:
        last = found[-1] if found else None
        together = last is not None and (last.depth, last.kind, block.kind) == (
            block.depth,
            "paragraph",
            "paragraph",
        )
        if last is not None and together and is_fields(last.text) and is_fields(block.text):
            found[-1] = replace(last, text=f"{last.text}\n{block.text}")
        else:
            found.append(block)
    return found


def _placed(blocks: Sequence[Block], newest: _Message) -> list[_Place]:
    """Each block with its message, lines that say who wrote what follows left out."""
    at_depth: dict[int, _Message] = {0: newest}
    places: list[_Place] = []
    forwards = ended = False
    for at, block in enumerate(blocks):
        quoted_next = at + 1 < len(blocks) and blocks[at + 1].depth > block.depth
        message = _message_at(block.depth, at_depth)
        # A signature ends where another message begins, which only that message's header tells.
        ended = ended and block.signed
        block = replace(block, signed=block.signed and not ended)
        if block.kind != "paragraph":
            places.append(_Place(message, block))
            continue
        if is_rule(block.text):
            forwards = says_forwarded(block.text)
            ended = True
            continue
        mark = find_header(block.text) or find_wrote(block.text, quoted_next=quoted_next)
        if mark is None:
            places.append(_Place(message, block))
            continue
        before, after = _around(block, mark)
        places += [_Place(message, before)] if before.text else []
        inner = _Message(mark.author, mark.date, message.age + 1, mark.forwarded or forwards)
        forwards, ended = False, True
        at_depth[block.depth + mark.inside] = inner
        at_depth = {
            depth: one for depth, one in at_depth.items() if depth <= block.depth + mark.inside
        }
        places += [_Place(inner, replace(after, signed=False))] if after.text else []
    return places


def _message_at(depth: int, at_depth: dict[int, _Message]) -> _Message:
    """The message quoted `depth` times here; one that no line announced is a message without an
    author."""
    if depth not in at_depth:
        outer = max(known for known in at_depth if known < depth)
        at_depth[depth] = _Message(age=at_depth[outer].age + depth - outer)
    return at_depth[depth]


def _around(block: Block, mark: Mark) -> tuple[Block, Block]:
    """What stands before and after the lines of a mark."""
    lines = block.text.split("\n")
    before, after = lines[: mark.lines.start], lines[mark.lines.stop :]
    return replace(block, text="\n".join(before).strip()), replace(
        block, text="\n".join(after).strip()
    )


def _answered(
    places: Sequence[_Place], own: Sequence[int], message: _Message, taken: set[int]
) -> set[int]:
    """The blocks of older messages that `message` answers where it quotes them.

    Those are quotations with text of the message after them: where there are several, or where it
    ends in a question. One statement with a reply below is no more answered than one with a reply
    above.
    """
    runs: list[list[int]] = []
    for before, after in pairwise(own):
        run = [
            at
            for at in range(before + 1, after)
            if places[at].message.age > message.age and at not in taken
        ]
        runs += [run] if run and not places[after].block.signed else []
    if own and not places[own[0]].block.signed:
        first = [
            at for at in range(own[0]) if places[at].message.age > message.age and at not in taken
        ]
        runs = ([first] if first else []) + runs
    asked = [run for run in runs if places[run[-1]].block.text.rstrip(" \"'”*_").endswith("?")]
    return {at for run in (runs if len(runs) > 1 else asked) for at in _end(places, run)}


def _end(places: Sequence[_Place], run: Sequence[int]) -> list[int]:
    """The last blocks of a quotation, up to its length."""
    kept, length = [run[-1]], len(places[run[-1]].block.text)
    for at in reversed(run[:-1]):
        length += len(places[at].block.text)
        if length > _LONG:
            break
        kept.append(at)
    return kept
