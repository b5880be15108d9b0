"""What a model forgets while it learns: perplexity of general prose and general questions, before
and after.

The texts are of common knowledge and were written for this purpose, so they are in nobody's
documents. It is small: it costs a second or two, and shows a model that has come apart; a percent
or two more perplexity means nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from acclimate.models.chat import ChatFormat
from acclimate.models.virtual import Virtual
from acclimate.tuning.held_loss import sliced_cross_entropy
from acclimate.tuning.loss import answer_logits
from acclimate.tuning.network import hidden_states
from acclimate.tuning.packing import IGNORED, Example, pack
from acclimate.tuning.quantised import BlockLinear
from acclimate.types import Message

_TOGETHER = 12  # questions in one sequence


@dataclass(frozen=True, slots=True)
class General:
    """`perplexity` of the held text; `questions`, the share (0 to 1) of general questions whose
    right answer the model holds likelier than two wrong ones."""

    perplexity: float
    questions: float


@dataclass(frozen=True, slots=True)
class Forgetting:
    """General ability before and after."""

    before: General
    after: General


def measure(network: nn.Module, chat: ChatFormat, virtual: Virtual | None = None) -> General:
    """How well `network` knows the held text and the questions."""
    held = json.loads(
        (resources.files("acclimate.tuning") / "general.json").read_text(encoding="utf-8")
    )
    texts = [
        tuple(chat.tokenizer.encode(text, add_special_tokens=False).ids) for text in held["texts"]
    ]
    losses = [_losses(network, [Example(ids[:1], ids[1:])], virtual)[0] for ids in texts]
    tokens = sum(len(ids) - 1 for ids in texts)
    total = sum(loss * (len(ids) - 1) for loss, ids in zip(losses, texts, strict=True))
    right = 0
    questions: list[list[str]] = held["questions"]
    for start in range(0, len(questions), _TOGETHER):
        asked = questions[start : start + _TOGETHER]
        found = _losses(network, [one for each in asked for one in _examples(chat, each)], virtual)
        counts = [len(each) - 1 for each in asked]
        for count in counts:
            (wanted, *others), found = found[:count], found[count:]
            right += wanted < min(others)
    return General(round(math.exp(total / tokens), 3), round(right / len(questions), 3))


def _examples(chat: ChatFormat, asked: Sequence[str]) -> list[Example]:
    """A question with each of its answers, the right one first."""
    question, *answers = asked
    prompt = tuple(chat.encode([Message("user", question)]))
    encode = chat.tokenizer.encode
    return [Example(prompt, tuple(encode(one, add_special_tokens=False).ids)) for one in answers]


def _losses(
    network: nn.Module, examples: Sequence[Example], virtual: Virtual | None
) -> list[float]:
    """Mean loss of each example's answer, all in one sequence: reading the weights for each of so
    short texts would take most of the time."""
    packed = pack(examples, 4096).to(next(network.parameters()).device)
    rows = (packed.labels != IGNORED).nonzero()[:, 0]
    with torch.no_grad():
        if isinstance(head := getattr(network, "lm_head", None), BlockLinear):
            hidden = hidden_states(network, packed, virtual, rows)
            losses = sliced_cross_entropy(hidden, head, packed.labels[rows])
        else:
            logits = answer_logits(network, packed, virtual).float()
            losses = F.cross_entropy(logits, packed.labels[rows], reduction="none")
    branches = packed.branches[rows]
    return [losses[branches == at + 1].mean().item() for at in range(len(examples))]
