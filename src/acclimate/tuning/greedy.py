"""What a trained network says itself, to hold the served adapter to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from acclimate.models.transformers import read_model
from acclimate.models.virtual import first_inputs
from acclimate.tuning.attached import Attached
from acclimate.tuning.run import read_chat
from acclimate.types import Completion, Message


def greedy(attached: Attached, model: Path, messages: Sequence[Message], max_tokens: int) -> str:
    """What the trained network itself answers, to hold the served adapter to."""
    chat, _ = read_chat(model)
    network: Any = attached.network
    stop_ids = _stop_ids(model)
    device = next(network.parameters()).device
    written: list[int] = []
    with torch.inference_mode():
        inputs = first_inputs(
            network, torch.tensor([chat.encode(messages)], device=device), attached.virtual()
        )
        while len(written) < max_tokens:
            output = network(**inputs, use_cache=True, logits_to_keep=1)
            token = int(output.logits[0, -1].argmax())
            if token in stop_ids:
                break
            written.append(token)
            step = torch.tensor([[token]], device=device)
            inputs = {"input_ids": step, "past_key_values": output.past_key_values}
    text: str = chat.tokenizer.decode(written, skip_special_tokens=True)
    return text


def largest_gap(
    attached: Attached, model: Path, messages: Sequence[Message], said: Completion
) -> float:
    """Where an answer departs most from what the trained network would choose behind the same
    words: by how many nats of log-probability. 0 for the network's own greedy answer."""
    chat, _ = read_chat(model)
    network: Any = attached.network
    device = next(network.parameters()).device
    prompt, answer = (
        chat.encode(messages),
        chat.tokenizer.encode(said.text, add_special_tokens=False).ids,
    )
    with torch.inference_mode():
        tokens = torch.tensor([[*prompt, *answer]], device=device)
        output = network(
            **first_inputs(network, tokens, attached.virtual()), logits_to_keep=len(answer) + 1
        )
    logits = output.logits[0].float()
    best = logits.max(-1).values
    losses = [float(best[at] - logits[at, token]) for at, token in enumerate(answer)]
    if said.finish == "stop":
        losses.append(float(best[-1] - logits[-1, sorted(_stop_ids(model))].max()))
    return max(losses, default=0.0)


@lru_cache(maxsize=2)
def _stop_ids(model: Path) -> tuple[int, ...]:
    return tuple(sorted(read_model(model).stop_ids))
