"""What a model forgets while it learns: perplexity of general prose and general questions, before and after.

The texts are of common knowledge and were written for this purpose, so they are in nobody's documents. It is small:
it costs a second or two, and shows a model that has come apart; a percent or two more perplexity means nothing.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources

import torch
from torch import nn

from acclimate.models.chat import ChatFormat
from acclimate.models.virtual import Virtual
from acclimate.tuning.loss import answer_loss
from acclimate.tuning.packing import Example, pack
from acclimate.types import Message


@dataclass(frozen=True, slots=True)
class General:
    """`perplexity` of the held text; `questions`, the share (0 to 1) of general questions whose right answer the model
    holds likelier than two wrong ones."""

    perplexity: float
    questions: float


@dataclass(frozen=True, slots=True)
class Forgetting:
    """General ability before and after."""

    before: General
    after: General


def measure(network: nn.Module, chat: ChatFormat, virtual: Virtual | None = None) -> General:
    """How well `network` knows the held text and the questions."""
    held = json.loads((resources.files("acclimate.tuning") / "general.json").read_text(encoding="utf-8"))
    total, tokens = 0.0, 0
    for text in held["texts"]:
        ids = chat.tokenizer.encode(text, add_special_tokens=False).ids
        total += _loss(network, Example((ids[0],), tuple(ids[1:])), virtual)
        tokens += len(ids) - 1
    right = 0
    for question, *answers in held["questions"]:
        prompt = tuple(chat.encode([Message("user", question)]))
        losses = []
        for answer in answers:
            wanted = tuple(chat.tokenizer.encode(answer, add_special_tokens=False).ids)
            losses.append(_loss(network, Example(prompt, wanted), virtual) / len(wanted))
        right += losses[0] < min(losses[1:])
    return General(round(math.exp(total / tokens), 3), round(right / len(held["questions"]), 3))


def _loss(network: nn.Module, example: Example, virtual: Virtual | None) -> float:
    device = next(network.parameters()).device
    with torch.no_grad():
        return answer_loss(network, pack([example], 4096).to(device), virtual).item()
