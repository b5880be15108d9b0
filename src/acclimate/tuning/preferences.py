"""Learning from answers that are better and worse: the losses of DPO and KTO, and what they draw.

The reference is the same network with its adapter's scale at nothing, so there is no second copy.
With ρ(y) = log π(y|x) − log π_ref(y|x), summed over an answer's tokens:

    DPO   −log σ(β (ρ(chosen) − ρ(rejected)))                    Rafailov et al., arXiv 2305.18290, eq. 7
    KTO   λ_D (1 − σ(β (ρ(right) − z))), λ_U (1 − σ(β (z − ρ(wrong))))   Ethayarajh et al., arXiv 2402.01306
          z = max(0, mean of ρ(answer of another case))                  eq. 8 and section 4.1, as TRL has it

A packed sequence holds the answers as branches: chosen and rejected over one prompt, which is
computed once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from acclimate.errors import SettingsError
from acclimate.models.chat import ChatFormat
from acclimate.models.virtual import Virtual
from acclimate.tuning import experts, generic, lora
from acclimate.tuning.cases import Case, UnlearnableError, encode_within
from acclimate.tuning.loss import CHUNK
from acclimate.tuning.network import hidden_states
from acclimate.tuning.packing import IGNORED, Example, Packed, pack

_TOGETHER = 1024  # tokens up to which further pairs stand in one sequence
_MOST = 8  # pairs, or judged answers, in one sequence
_P = TypeVar("_P", bound=Packed)


@dataclass(frozen=True, slots=True)
class Preferred(Case):
    """A case whose `answer` is better than `rejected`. Where the model is still to be asked for a
    worse one (`own`), that is what counts as worse if it says the better one itself."""

    rejected: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class Judged(Case):
    """A case whose `answer` is right, or is not."""

    right: bool = True

    @property
    def wanted(self) -> bool:
        """See `Case`."""
        return self.right


@dataclass(frozen=True, slots=True)
class PackedPairs(Packed):
    """Branch 2 i + 1 is chosen and 2 i + 2 rejected, of pair i."""

    @property
    def answers(self) -> int:
        """How many pairs: the loss is a mean over them."""
        return int(self.branches.max()) // 2

    def to(self, device: torch.device) -> PackedPairs:
        """The same on a device."""
        return _moved(self, device)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedJudged(Packed):
    """Branch i + 1 is right where `right[i]`; `crossed` has the same prompts, each with the answer
    of the next."""

    right: torch.Tensor
    crossed: Packed | None

    @property
    def answers(self) -> int:
        """How many judged answers."""
        return len(self.right)

    def to(self, device: torch.device) -> PackedJudged:
        """The same on a device."""
        crossed = self.crossed and self.crossed.to(device)
        return replace(_moved(self, device), right=self.right.to(device), crossed=crossed)


def _moved(packed: _P, device: torch.device) -> _P:
    names = ("tokens", "positions", "branches", "labels")
    return replace(packed, **{name: getattr(packed, name).to(device) for name in names})


class ChunkedLogProbs(torch.autograd.Function):
    """log softmax(W h)[label] for each row; logits are there for a chunk of rows at a time only.

    A row's gradient W'(one-hot − softmax) is found on the way, and scaled on the way back. W is not
    trained.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, rows: int
    ) -> torch.Tensor:
        """hidden: [T, h]; weight: [V, h]; labels: [T] → [T], float32."""
        found = torch.empty(len(hidden), device=hidden.device)
        by_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), rows):
            part, wanted = hidden[start : start + rows], labels[start : start + rows]
            logs = F.log_softmax(F.linear(part, weight), -1, dtype=torch.float32)
            every = torch.arange(len(wanted), device=wanted.device)
            found[start : start + rows] = logs[every, wanted]
            if by_hidden is not None:
                by_logits = logs.exp_().neg_()
                by_logits[every, wanted] += 1
                by_hidden[start : start + rows] = by_logits.to(hidden.dtype) @ weight
        ctx.save_for_backward(by_hidden)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, None, None, None]:
        """What `forward` found, each row times its own gradient."""
        (by_hidden,) = ctx.saved_tensors
        return by_hidden * grads[0][:, None].to(by_hidden.dtype), None, None, None


chunked_log_probs: Callable[..., torch.Tensor] = ChunkedLogProbs.apply


def answer_log_probs(
    network: nn.Module,
    packed: Packed,
    virtual: Virtual | None = None,
    *,
    checkpointing: bool = False,
) -> torch.Tensor:
    """[n]: the log-probability in nats of each of the n branches' answers, summed over its
    tokens."""
    rows = (packed.labels != IGNORED).nonzero()[:, 0]
    labels = packed.labels[rows]
    if generic.is_walked(network):
        hidden = hidden_states(network, packed, virtual, rows, checkpointing=checkpointing)
        head: Any = network.lm_head
        logs = chunked_log_probs(hidden, head.weight, labels, CHUNK)
    else:
        logits = generic.answer_logits(network, packed, virtual, checkpointing=checkpointing)
        logs = logits.float().log_softmax(-1).gather(1, labels[:, None])[:, 0]
    sums = torch.zeros(int(packed.branches.max()), device=logs.device)
    return sums.index_add(0, packed.branches[rows] - 1, logs)


@contextmanager
def reference(network: nn.Module) -> Iterator[None]:
    """The network as it was before its LoRA, without gradients."""
    updated: list[Any] = [layer for _, layer in lora.layers(network)]
    updated += [update for _, update in experts.layers(network)]
    held = [(one, float(one.scale)) for one in updated]
    try:
        for layer, _ in held:
            layer.scale = 0.0
        with torch.no_grad():
            yield
    finally:
        for layer, scale in held:
            layer.scale = scale


def _ratios(network: nn.Module, packed: Packed, *, checkpointing: bool) -> torch.Tensor:
    """ρ of each branch, [n]."""
    with reference(network):
        before = answer_log_probs(network, packed)
    return answer_log_probs(network, packed, checkpointing=checkpointing) - before


@dataclass(frozen=True, slots=True)
class DPO:
    """The loss of pairs, summed over them. `beta` is how dear it is to leave the reference."""

    beta: float = 0.1

    def __call__(
        self,
        network: nn.Module,
        packed: Packed,
        virtual: Virtual | None = None,
        *,
        checkpointing: bool = False,
    ) -> torch.Tensor:
        """See `Objective`."""
        ratios = _ratios(network, packed, checkpointing=checkpointing)
        return dpo_loss(ratios[0::2], ratios[1::2], self.beta).sum()


def dpo_loss(chosen: torch.Tensor, rejected: torch.Tensor, beta: float) -> torch.Tensor:
    """[n], from ρ of n chosen and n rejected answers."""
    return -F.logsigmoid(beta * (chosen - rejected))


@dataclass(frozen=True, slots=True)
class KTO:
    """The loss of judged answers, summed over them. `desirable` and `undesirable` are λ_D and
    λ_U."""

    beta: float = 0.1
    desirable: float = 1.0
    undesirable: float = 1.0

    def __call__(
        self,
        network: nn.Module,
        packed: Packed,
        virtual: Virtual | None = None,
        *,
        checkpointing: bool = False,
    ) -> torch.Tensor:
        """See `Objective`."""
        assert isinstance(packed, PackedJudged)  # noqa: S101 -- its own sampler made it
        ratios = _ratios(network, packed, checkpointing=checkpointing)
        drift = ratios.new_zeros(())
        if packed.crossed is not None:
            with torch.no_grad():
                drift = _ratios(network, packed.crossed, checkpointing=False).mean().clamp(min=0)
        return self.of(ratios, packed.right, drift).sum()

    def of(self, ratios: torch.Tensor, right: torch.Tensor, drift: torch.Tensor) -> torch.Tensor:
        """[n], from ρ of n answers, which of them are right, and z."""
        signs = torch.where(right, 1.0, -1.0)
        weights = torch.where(right, self.desirable, self.undesirable)
        return weights * (1 - torch.sigmoid(self.beta * signs * (ratios - drift)))


def balanced(cases: Sequence[Judged], beta: float) -> KTO:
    """KTO with weights by which the rarer kind counts as much as the other (arXiv 2402.01306,
    section 4.2: n_D λ_D between 1 and 4/3 of n_U λ_U)."""
    right = sum(case.right for case in cases)
    wrong = len(cases) - right
    if not right or not wrong:
        kind = "wrong" if right else "right"
        raise SettingsError(
            f"there is no {kind} answer to learn from, so nothing to tell apart.",
            hint="acclimate questions label, or give rows of both labels.",
        )
    return KTO(beta, max(1.0, wrong / right), max(1.0, right / wrong))


class PairSampler:
    """Draws pairs at random, several short ones in one sequence."""

    def __init__(self, cases: Sequence[Preferred], chat: ChatFormat, max_tokens: int) -> None:
        _require_some(cases)
        self._max = max_tokens
        self._pairs = [encode_pair(case, chat, max_tokens) for case in cases]
        self.examples = [example for pair in self._pairs for example in pair]

    @property
    def answer_tokens(self) -> int:
        """Tokens of all answers, better and worse."""
        return sum(len(example.answer) for example in self.examples)

    def __call__(self, rng: random.Random) -> PackedPairs:
        """A sequence; equal random states draw equal ones."""
        return self._packed(_drawn(self._pairs, rng, min(_TOGETHER, self._max)))

    def all(self) -> list[Packed]:
        """Every pair once, each alone."""
        return [self._packed([pair]) for pair in self._pairs]

    def _packed(self, pairs: Sequence[tuple[Example, Example]]) -> PackedPairs:
        packed = pack([example for pair in pairs for example in pair], self._max)
        return PackedPairs(packed.tokens, packed.positions, packed.branches, packed.labels)


class JudgedSampler:
    """Draws judged answers at random, two at least, so that z can be estimated."""

    def __init__(self, cases: Sequence[Judged], chat: ChatFormat, max_tokens: int) -> None:
        _require_some(cases)
        self._max = max_tokens
        self.examples = [encode_within(case, chat, max_tokens) for case in cases]
        self._judged = [
            ((example,), case.right) for example, case in zip(self.examples, cases, strict=True)
        ]

    @property
    def answer_tokens(self) -> int:
        """Tokens of all answers."""
        return sum(len(example.answer) for example in self.examples)

    def __call__(self, rng: random.Random) -> PackedJudged:
        """A sequence; equal random states draw equal ones."""
        order = rng.sample(range(len(self._judged)), min(_MOST, len(self._judged)))
        examples = [(self.examples[at],) for at in order]
        count = max(2, _fitting(examples, min(_TOGETHER, self._max)))
        return self._packed([self._judged[at] for at in order[:count]])

    def all(self) -> list[Packed]:
        """Every answer once, two by two."""
        two = [self._judged[at : at + 2] for at in range(0, len(self._judged), 2)]
        return [self._packed(some) for some in two]

    def _packed(self, judged: Sequence[tuple[tuple[Example], bool]]) -> PackedJudged:
        examples = [one for (one,), _ in judged]
        following = [*examples[1:], examples[0]]
        packed = self._within(examples)
        crossed = [
            Example(one.prompt, other.answer)
            for one, other in zip(examples, following, strict=True)
        ]
        return PackedJudged(
            packed.tokens,
            packed.positions,
            packed.branches,
            packed.labels,
            right=torch.tensor([right for _, right in judged]),
            crossed=self._within(crossed) if len(crossed) > 1 else None,
        )

    def _within(self, examples: Sequence[Example]) -> Packed:
        """Two long cases may exceed the window together, but each has its own positions."""
        return pack(examples, 2 * self._max)


def encode_pair(case: Preferred, chat: ChatFormat, max_tokens: int) -> tuple[Example, Example]:
    """Chosen and rejected over their prompt. Raises UnlearnableError where both do not fit with
    it, or say the same."""
    chosen = encode_within(case, chat, max_tokens)
    worse = Case(case.messages, case.rejected, case.question)
    rejected = encode_within(worse, chat, max_tokens)
    if chosen.answer == rejected.answer:
        raise UnlearnableError(case, "has the same answer as better and as worse", "Remove it.")
    if (length := len(chosen.prompt) + len(chosen.answer) + len(rejected.answer)) > max_tokens:
        raise UnlearnableError(
            case, f"has {length} tokens with both answers; {max_tokens} fit", "Shorten it."
        )
    return chosen, rejected


def _drawn(
    pairs: Sequence[tuple[Example, Example]], rng: random.Random, most: int
) -> list[tuple[Example, Example]]:
    """Some pairs, as long as they have no more than `most` tokens together; one at least."""
    order = rng.sample(range(len(pairs)), min(_MOST, len(pairs)))
    chosen = [pairs[at] for at in order]
    return chosen[: max(1, _fitting(chosen, most))]


def _fitting(groups: Sequence[Sequence[Example]], most: int) -> int:
    """How many of the first groups, each over one prompt, have no more than `most` tokens."""
    length = 0
    for count, group in enumerate(groups):
        length += len(group[0].prompt) + sum(len(example.answer) for example in group)
        if length > most:
            return count
    return len(groups)


def _require_some(cases: Sequence[Case]) -> None:
    if not cases:
        raise SettingsError(
            "there is no better and worse answer to learn from.",
            hint="acclimate compare --split train, acclimate questions label, or --data FILE.",
        )
