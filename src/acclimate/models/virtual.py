"""Virtual tokens: what prompt tuning, P-tuning and prefix tuning put before a prompt.

Prompt tuning (Lester et al., arXiv 2104.08691) and P-tuning (Liu et al., arXiv 2103.10385) learn
embeddings; prefix tuning (Li and Liang, arXiv 2101.00190) learns the keys and values of every
layer. PEFT trains and stores them; here they become tensors that any forward pass can take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Virtual:
    """Either `embeddings` [v, h], or for each layer keys and values [n, v, d]."""

    embeddings: torch.Tensor | None = None
    keys_values: tuple[tuple[torch.Tensor, torch.Tensor], ...] = ()

    def __len__(self) -> int:
        """How many tokens."""
        return (
            len(self.embeddings) if self.embeddings is not None else self.keys_values[0][0].shape[1]
        )


def read_virtual(model: Any) -> Virtual | None:
    """The virtual tokens of a PeftModel; None where its method has none. Gradients flow through
    them."""
    config = model.active_peft_config
    if not config.is_prompt_learning:
        return None
    prompt = model.get_prompt(1)
    if isinstance(prompt, torch.Tensor):
        return Virtual(embeddings=prompt[0])
    return Virtual(keys_values=tuple((layer.keys[0], layer.values[0]) for layer in prompt.layers))


def first_inputs(network: Any, ids: torch.Tensor, virtual: Virtual | None) -> dict[str, Any]:
    """What a Transformers network is called with for a prompt [1, L] at the start of a
    generation."""
    if virtual is None:
        return {"input_ids": ids}
    if virtual.embeddings is not None:
        shown = network.get_input_embeddings()(ids)
        return {
            "inputs_embeds": torch.cat([virtual.embeddings[None].to(shown.dtype), shown], dim=1)
        }
    from transformers import DynamicCache

    cache = DynamicCache()
    for index, (keys, values) in enumerate(virtual.keys_values):
        cache.update(keys[None], values[None], index)
    return {"input_ids": ids, "past_key_values": cache}
