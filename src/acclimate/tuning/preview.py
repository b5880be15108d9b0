"""What a run would learn, without learning it: lengths, the mask as it is, packing, and what a pass
would take."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from tokenizers import Tokenizer

from acclimate.tuning.methods import Plan
from acclimate.tuning.packing import IGNORED, Packed
from acclimate.tuning.run import TuningJob, load_base, read_chat, sampler_of, set_up
from acclimate.tuning.trainer import TrainSettings

_DRAWN = 64  # sequences that packing is judged by
_TIMED = 3  # sequences that are computed forth and back, after one to warm up


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of the cases: median, 95th percentile (nearest rank), maximum."""

    p50: int
    p95: int
    most: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of tokens of one branch (0: the shared beginning) that are all learnt, or all
    masked."""

    text: str
    tokens: int
    learnt: bool
    branch: int


@dataclass(frozen=True, slots=True)
class Packing:
    """Means over sequences as training draws them: cases and tokens in one, tokens of the same
    cases one by one, and the share of tokens that are learnt."""

    cases: float
    tokens: float
    alone: float
    learnt_share: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run would be: trained parameters, speed measured here, and minutes for as many tokens
    as one pass over all cases has."""

    parameters: int
    tokens_per_s: float
    minutes_a_pass: float


@dataclass(frozen=True, slots=True)
class Preview:
    """All of it. `example` is the first case that training would draw, with those packed beside
    it."""

    prompt: Lengths
    answer: Lengths
    whole: Lengths
    window: int
    example: tuple[Piece, ...]
    packing: Packing
    plan: Plan
    outlook: Outlook


def preview(
    job: TuningJob, settings: TrainSettings, doing: Callable[[str], None] = lambda what: None
) -> Preview:
    """Look at a job. The network is loaded and computes a few sequences forth and back; nothing is
    learnt or written.

    `doing` hears of each part that may take long. Raises DataError for a case that cannot be
    learnt, and ModelError where the model cannot be trained.
    """
    chat, window = read_chat(job.model)
    sampler = sampler_of(job, job.cases, chat, window)
    drawn = [sampler(random.Random(f"{settings.seed}/{step}")) for step in range(_DRAWN)]  # noqa: S311
    packing = _packing(drawn)
    longest = max(sampler.all(), key=lambda packed: len(packed.tokens))
    with tempfile.TemporaryDirectory() as folder:  # a stopped run's checkpoint must not be taken up
        doing("Loading the network")
        trainer, plan = set_up(
            replace(job, folder=Path(folder)),
            settings,
            sampler,
            load_base(job.model, job.method),
        )
        spent = []
        for number, packed in enumerate(drawn[: _TIMED + 1], start=1):
            doing(f"Computing sequence {number} of {_TIMED + 1}, {len(packed.tokens)} tokens")
            spent.append(_seconds(trainer.rehearse, packed))
        spent = spent[1:]
        doing("Computing the longest case, for the memory that it takes")
        trainer.rehearse(longest)
    speed = sum(len(packed.tokens) for packed in drawn[1 : _TIMED + 1]) / sum(spent)
    a_pass = len(job.cases) / packing.cases * packing.tokens / speed / 60
    parameters = sum(parameter.numel() for parameter in trainer.parameters)
    return Preview(
        prompt=_lengths([len(example.prompt) for example in sampler.examples]),
        answer=_lengths([len(example.answer) for example in sampler.examples]),
        whole=_lengths([len(example.prompt) + len(example.answer) for example in sampler.examples]),
        window=window,
        example=pieces(drawn[0], chat.tokenizer),
        packing=packing,
        plan=plan,
        outlook=Outlook(parameters, round(speed, 1), round(a_pass, 2)),
    )


def pieces(packed: Packed, tokenizer: Tokenizer) -> tuple[Piece, ...]:
    """A sequence as text, told from the labels that the loss is computed from."""
    tokens, branches, labels = (
        one.tolist() for one in (packed.tokens, packed.branches, packed.labels)
    )
    learnt = [False, *(label != IGNORED for label in labels[:-1])]
    marked = zip(branches, learnt, tokens, strict=True)
    found = []
    for (branch, is_learnt), some in groupby(marked, key=lambda one: one[:2]):
        ids = [token for _, _, token in some]
        found.append(
            Piece(tokenizer.decode(ids, skip_special_tokens=False), len(ids), is_learnt, branch)
        )
    return tuple(found)


def _lengths(counts: Sequence[int]) -> Lengths:
    ordered = sorted(counts)
    rank = [ordered[max(0, -(-share * len(ordered) // 100) - 1)] for share in (50, 95)]
    return Lengths(rank[0], rank[1], ordered[-1])


def _packing(drawn: Sequence[Packed]) -> Packing:
    cases = [max(1, int(packed.branches.max())) for packed in drawn]
    tokens = [len(packed.tokens) for packed in drawn]
    shared = [int((packed.branches == 0).sum()) for packed in drawn]
    alone = sum(
        total + (count - 1) * common
        for total, count, common in zip(tokens, cases, shared, strict=True)
    )
    learnt = sum(int((packed.labels != IGNORED).sum()) for packed in drawn)
    return Packing(
        cases=round(sum(cases) / len(drawn), 2),
        tokens=round(sum(tokens) / len(drawn), 1),
        alone=round(alone / len(drawn), 1),
        learnt_share=round(learnt / sum(tokens), 4),
    )


def _seconds(compute: Callable[[Packed], None], packed: Packed) -> float:
    started = time.perf_counter()
    compute(packed)
    return time.perf_counter() - started
