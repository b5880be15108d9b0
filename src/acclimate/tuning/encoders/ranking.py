"""Teaching an encoder to rank: as a cross-encoder over a question's own passages, or as an embedder
over a batch's.

Shapes: Q questions, P passages, S tokens, d dimensions. Both losses are the cross-entropy of the
right passage among others: Gao et al., "Rethink Training of BERT Rerankers", arXiv 2101.08751 (a
question's mined negatives), and van den Oord et al., arXiv 1807.03748, with in-batch negatives as
in Karpukhin et al., arXiv 2004.04906.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from tokenizers import Encoding, Tokenizer
from torch import nn

from acclimate.embeddings.spec import EmbedderSpec
from acclimate.retrieval.mining import holds
from acclimate.system.hardware import computes_bf16
from acclimate.tuning.encoders.pairs import padded

_SCALE = 20.0  # of cosines in the loss: a temperature of 0.05, as all-MiniLM-L6-v2 was trained with
_JUDGED = 16  # texts computed together where nothing is learnt
Judge = Callable[[], dict[str, float]]
Loss = Callable[[], tuple[torch.Tensor, int]]


@dataclass(frozen=True, slots=True)
class RankingSample:
    """A question with texts that answer it (one at least), texts that do not, hardest first, and
    accepted answers."""

    question: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RankSettings:
    """`batch` questions make a step, computed `micro` together, each with `wrong` of its `among`
    hardest negatives."""

    batch: int = 8
    micro: int = 4
    wrong: int = 5
    among: int = 16


class Drawn:
    """Steps over samples: pass after pass, each in an order of its own; equal steps draw alike."""

    def __init__(
        self,
        samples: Sequence[RankingSample],
        settings: RankSettings,
        share: int = 0,
        shares: int = 1,
    ) -> None:
        self._samples, self._settings, self._share, self._shares = samples, settings, share, shares
        self._order: tuple[int, list[int]] = (-1, [])

    def __call__(self, step: int) -> list[tuple[RankingSample, str, list[str]]]:
        """The step's samples, each with one right text and some wrong ones."""
        first = (step * self._shares + self._share) * self._settings.batch
        rng = random.Random(first)  # noqa: S311 -- repeatable, not secret
        picked: dict[int, RankingSample] = {}
        for at in range(first, first + self._settings.batch):
            index = self._at(at)
            picked[index] = self._samples[index]
        drawn = []
        for sample in picked.values():
            hard = sample.wrong[: self._settings.among]
            wrong = rng.sample(hard, min(self._settings.wrong, len(hard)))
            drawn.append((sample, rng.choice(sample.right), wrong))
        return drawn

    def _at(self, place: int) -> int:
        number = place // len(self._samples)
        if self._order[0] != number:
            order = list(range(len(self._samples)))
            random.Random(f"pass {number}").shuffle(order)  # noqa: S311
            self._order = (number, order)
        return self._order[1][place % len(self._samples)]


class CrossEncoderTask:
    """See `Task`: a sequence classifier learns to score a question's right passage above its wrong
    ones."""

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Tokenizer,
        max_tokens: int,
        drawn: Drawn,
        judge: Judge,
        micro: int = 4,
    ) -> None:
        self._network, self._drawn, self.judge, self._micro = network, drawn, judge, micro
        self._tokenizer = _cutting(tokenizer, max_tokens)

    def losses(self, step: int) -> Sequence[Loss]:
        """See `Task`; questions of like length are computed together."""
        drawn = [(sample, [right, *wrong]) for sample, right, wrong in self._drawn(step) if wrong]
        drawn.sort(key=lambda one: max(map(len, one[1])))
        return [
            partial(self._loss, drawn[at : at + self._micro])
            for at in range(0, len(drawn), self._micro)
        ]

    def _loss(self, part: Sequence[tuple[RankingSample, list[str]]]) -> tuple[torch.Tensor, int]:
        logits, tokens = self._logits(
            [(sample.question, text) for sample, texts in part for text in texts]
        )
        sizes = [len(texts) for _, texts in part]
        rows = [
            nn.functional.pad(row, (0, max(sizes) - len(row)), value=float("-inf"))
            for row in torch.split(logits, sizes)
        ]
        scores = torch.stack(rows)  # [Q, P], the right one first
        return nn.functional.cross_entropy(scores, torch.zeros(len(part), dtype=torch.long)), tokens

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """What the network says of each text now."""
        found: list[float] = []
        with torch.no_grad(), _autocast():
            for at in range(0, len(texts), _JUDGED):
                logits, _ = self._logits([(question, text) for text in texts[at : at + _JUDGED]])
                found += logits.tolist()
        return found

    def _logits(self, pairs: Sequence[tuple[str, str]]) -> tuple[torch.Tensor, int]:
        encodings = self._tokenizer.encode_batch(list(pairs))
        output: Any = self._network(**_inputs(self._network, encodings, types=True))
        logits = output.logits.float()
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0], sum(
            map(len, encodings)
        )


class EmbedderTask:
    """See `Task`: questions learn to lie near their passage, and away from the other passages of
    the batch.

    `nested` are the lengths at which the first components shall be vectors of their own, the whole
    one included (Matryoshka: Kusupati et al., arXiv 2205.13147); the losses at all of them are
    averaged.
    """

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Tokenizer,
        spec: EmbedderSpec,
        drawn: Drawn,
        judge: Judge,
        nested: Sequence[int] = (),
    ) -> None:
        self._network, self._spec, self._drawn, self.judge = network, spec, drawn, judge
        self._tokenizer, self._nested = _cutting(tokenizer, spec.max_tokens), nested

    def losses(self, step: int) -> Sequence[Loss]:
        """See `Task`."""
        return [lambda: self._loss(self._drawn(step))]

    def _loss(
        self, drawn: Sequence[tuple[RankingSample, str, list[str]]]
    ) -> tuple[torch.Tensor, int]:
        passages = [right for _, right, _ in drawn] + [
            text for _, _, wrong in drawn for text in wrong
        ]
        questions, asked = self._vectors(
            [self._spec.query_prefix + sample.question for sample, _, _ in drawn]
        )
        texts, read = self._vectors([self._spec.passage_prefix + text for text in passages])
        barred = torch.tensor(
            [[_may_answer(s, right, text) for text in passages] for s, right, _ in drawn]
        )
        losses = []
        for length in self._nested or (questions.shape[1],):
            left, right = (
                nn.functional.normalize(side[:, :length], dim=1) for side in (questions, texts)
            )
            scores = (_SCALE * left @ right.T).masked_fill(barred, float("-inf"))  # [Q, P]
            losses.append(nn.functional.cross_entropy(scores, torch.arange(len(drawn))))
        return torch.stack(losses).mean(), asked + read

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> torch.Tensor:
        """[n, d]: what the network makes of texts now; not yet of length 1."""
        prefix = self._spec.query_prefix if queries else self._spec.passage_prefix
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        rows: dict[int, torch.Tensor] = {}
        with torch.no_grad(), _autocast():
            for at in range(0, len(order), _JUDGED):
                some = order[at : at + _JUDGED]
                rows |= dict(
                    zip(some, self._vectors([prefix + texts[one] for one in some])[0], strict=True)
                )
        return torch.stack([rows[at] for at in range(len(texts))])

    def _vectors(self, texts: Sequence[str]) -> tuple[torch.Tensor, int]:
        encodings = self._tokenizer.encode_batch(list(texts))
        inputs = _inputs(self._network, encodings, types=False)
        output: Any = self._network(**inputs)
        hidden = output.last_hidden_state.float()  # [n, S, d]
        if self._spec.pooling == "cls":
            return hidden[:, 0], sum(map(len, encodings))
        mask = inputs["attention_mask"][..., None].float()
        return (hidden * mask).sum(1) / mask.sum(1), sum(map(len, encodings))


def _may_answer(sample: RankingSample, right: str, text: str) -> bool:
    """Whether a text of the batch must not count as wrong for a sample whose right text is
    `right`."""
    return text != right and (text in sample.right or holds(text, sample.answers))


def _cutting(tokenizer: Tokenizer, max_tokens: int) -> Tokenizer:
    own = Tokenizer.from_str(tokenizer.to_str())
    own.no_padding()
    own.enable_truncation(max_tokens, strategy="longest_first")
    return own


def _inputs(
    network: nn.Module, encodings: Sequence[Encoding], *, types: bool
) -> dict[str, torch.Tensor]:
    """Ids, mask and, where the network knows them, types [n, S], padded on the right."""
    config: Any = network.config
    inputs = {
        "input_ids": padded([one.ids for one in encodings], int(config.pad_token_id or 0)),
        "attention_mask": padded([[1] * len(one.ids) for one in encodings]),
    }
    if types and getattr(config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = padded([one.type_ids for one in encodings])
    return inputs


def _autocast() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=computes_bf16())
