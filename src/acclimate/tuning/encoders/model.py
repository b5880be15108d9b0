"""A cross-encoder that ranks and reads: one bidirectional encoder, a relevance logit and the
answer's place.

Shapes: B pairs, S tokens, H hidden size. The span head is that of Devlin et al. 2018, arXiv
1810.04805, sections 4.2 and 4.3: a start and an end logit for every token, where the first token
stands for "no answer here".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig, AutoModel

from acclimate.embeddings.weights import FloatArray
from acclimate.tuning.encoders.pairs import IGNORED, PairBatch


def configure(folder: Path, dropout: float = 0.0) -> Any:
    """The Transformers configuration in `folder`, with `dropout` of hidden states and no other."""
    config = AutoConfig.from_pretrained(folder)
    shares = {"hidden_dropout_prob": dropout, "dropout": dropout}
    others = (
        "attention_probs_dropout_prob",
        "attention_dropout",
        "classifier_dropout",
        "seq_classif_dropout",
    )
    for name in (*shares, *others):
        if hasattr(config, name):
            setattr(config, name, shares.get(name, 0.0))
    return config


class JointEncoder(nn.Module):
    """`encoder` is a Transformers encoder without pooling; the heads are linear."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        hidden = int(encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.span = nn.Linear(hidden, 2)
        self.relevance = nn.Linear(hidden, 1)
        for head in (self.span, self.relevance):
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)

    @classmethod
    def start_from(cls, folder: Path, dropout: float = 0.0) -> JointEncoder:
        """The encoder in `folder` with fresh heads; `dropout` of hidden states (passes over new
        data need none)."""
        config = configure(folder, dropout)
        pooled = (
            {"add_pooling_layer": False}
            if config.model_type in ("bert", "roberta", "xlm-roberta")
            else {}
        )
        # Written out, attention trains a quarter faster than PyTorch's fused kernel on a CPU at
        # these lengths.
        encoder = AutoModel.from_pretrained(
            folder, config=config, attn_implementation="eager", **pooled
        )
        return cls(encoder)

    def forward(self, batch: PairBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Relevance logits [B], and start and end logits [B, S, 2] that are −inf at padding and the
        question."""
        hidden = self.encoder(
            input_ids=batch.ids, attention_mask=batch.mask, token_type_ids=batch.types
        ).last_hidden_state.float()
        places = batch.types.bool()  # the passage and its closing token
        places[:, 0] = True
        spans = self.span(hidden).masked_fill(~places[..., None], float("-inf"))
        return self.relevance(hidden[:, 0])[:, 0], spans

    def loss(self, batch: PairBatch) -> torch.Tensor:
        """Binary cross-entropy of the relevance plus mean cross-entropy of start and end, where
        there is one."""
        relevance, spans = self(batch)
        loss = nn.functional.binary_cross_entropy_with_logits(relevance, batch.relevant)
        if bool((batch.starts != IGNORED).any()):
            loss = loss + 0.5 * nn.functional.cross_entropy(
                spans[..., 0], batch.starts, ignore_index=IGNORED
            )
            loss = loss + 0.5 * nn.functional.cross_entropy(
                spans[..., 1], batch.ends, ignore_index=IGNORED
            )
        return loss

    def put(self, weights: Mapping[str, FloatArray]) -> None:
        """Take the trained tensors of `save_trained`, as `read_trained` gives them."""
        with torch.no_grad():
            for name, value in self.named_parameters():
                if value.requires_grad:
                    value.copy_(torch.from_numpy(weights[name.removeprefix("encoder.")]))

    def freeze(self, layers: int) -> None:
        """Leave the embeddings and the lowest `layers` as they are: less to compute, less to
        ship."""
        encoder: Any = self.encoder
        for module in (encoder.embeddings, *encoder.encoder.layer[:layers]):
            module.requires_grad_(False)


def save_trained(model: JointEncoder, file: Path) -> None:
    """The tensors that were trained: matrices as eight-bit rows with a scale for each, the rest as
    float32."""
    tensors: dict[str, torch.Tensor] = {}
    for name, value in model.named_parameters():
        if not value.requires_grad:
            continue
        short, plain = name.removeprefix("encoder."), value.detach().float()
        if plain.ndim == 2 and plain.shape[0] > 2:
            scale = plain.abs().amax(1).clamp_min(1e-12) / 127
            tensors[short] = (plain / scale[:, None]).round().to(torch.int8)
            tensors[f"{short}.scale"] = scale
        else:
            tensors[short] = plain.contiguous()
    save_file(tensors, file)
