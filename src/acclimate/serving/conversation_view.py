"""What of a conversation somebody may read now, and how it is exported.

An answer was made from passages, and the next ones from it: whoever may no longer see one of the
documents that were read for an answer sees neither that turn's answers nor any later ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from acclimate.serving.ask import Ask
from acclimate.serving.conversation_store import Conversation, KeptAnswer
from acclimate.serving.keys import EVERY_LABEL, Caller
from acclimate.serving.service import Service
from acclimate.types import Answer

WITHHELD = "Not shown: it draws on documents that you may not see (any more)."


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answers, as somebody may read them. `withheld`: the answers are left
    out."""

    question: str
    filters: tuple[str, ...]
    answers: tuple[dict[str, Any], ...]
    withheld: bool = False

    @property
    def row(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "question": self.question,
            "where": list(self.filters),
            "answers": list(self.answers),
            "withheld": self.withheld,
        }


def kept(answer: Answer, ask: Ask, caller: Caller, turn: str, body: dict[str, Any]) -> KeptAnswer:
    """An answer with what decides who may read it."""
    shown = (*answer.prompt.passages, *answer.prompt.dropped)
    read = dict.fromkeys([*(hit.chunk.document for hit in shown), *_cited(answer)])
    needs: tuple[str, ...] = ()
    if ask.recipe.adapter or ask.recipe.few_shot:  # may tell what no passage does
        needs = (EVERY_LABEL,) if caller.labels is None else tuple(sorted(caller.labels))
    return KeptAnswer(turn, ask.question.strip(), ask.typed, tuple(read), needs, body)


def turns_for(
    answers: Sequence[KeptAnswer], caller: Caller, service: Service, *, own: bool
) -> list[Turn]:
    """What `caller` may read of a conversation. Where it is not their own, questions to answers
    that they may not read are left out too."""
    turns, withheld = [], False
    for _, group in groupby(answers, key=lambda one: one.turn):
        held = list(group)
        withheld = withheld or not all(_may_read(one, caller, service) for one in held)
        first = held[0]
        if withheld:
            turns.append(Turn(first.question if own else "", (), (), withheld=True))
        else:
            bodies = tuple(_cleared(one.body, caller, service) for one in held)
            turns.append(Turn(first.question, first.filters, bodies))
    return turns


def markdown(conversation: Conversation, turns: Sequence[Turn]) -> str:
    """A conversation as Markdown, each answer with its sources."""
    return "\n".join(_lines(conversation, turns)) + "\n"


def _lines(conversation: Conversation, turns: Sequence[Turn]) -> Iterator[str]:
    yield f"# {conversation.title or 'Conversation'}"
    yield f"\n{conversation.created[:10]}"
    for turn in turns:
        yield f"\n## {' '.join(turn.question.split()) or '…'}"
        if turn.withheld:
            yield f"\n_{WITHHELD}_"
        for answer in turn.answers:
            named = f"**{answer['recipe']}:** " if len(turn.answers) > 1 else ""
            yield f"\n{named}{answer['text']}"
            for cited in answer["citations"]:
                page = f", page {cited['page']}" if cited["page"] else ""
                quote = " ".join(cited["quote"].split())
                yield f"\n> [{cited['number']}] {cited['path']}{page}: “{quote}”"


def _cited(answer: Answer) -> Iterator[str]:
    return (citation.document for citation in answer.citations)


def _may_read(answer: KeptAnswer, caller: Caller, service: Service) -> bool:
    if caller.labels is None or not service.rules:
        return True
    sees = all(service.sees(caller, path) for path in answer.documents)
    return sees and caller.labels.issuperset(answer.needs)


def _cleared(body: dict[str, Any], caller: Caller, service: Service) -> dict[str, Any]:
    """An answer without names of other documents that the caller may not see."""

    def clear(row: dict[str, Any]) -> dict[str, Any]:
        also = [one for one in row["also_in"] if service.sees(caller, one["path"])]
        return row | {"also_in": also}

    return body | {name: [clear(row) for row in body[name]] for name in ("citations", "passages")}
