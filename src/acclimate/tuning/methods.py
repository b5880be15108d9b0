"""The table of methods: what each trains, how it is served, and the settings that suit it. Needs no
PyTorch.

A new method is a row here and, where its layers are new, a file beside this one with a function
`attach`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from acclimate.errors import SettingsError
from acclimate.tuning.knobs import Knobs

Served = Literal["merged", "graph", "transformers"]
DataSource = Literal["questions", "documents", "teacher", "study", "preferences"]

_RATE = 1e-4  # of full fine-tuning at this size of model
_TEN_TIMES = 10 * _RATE


@dataclass(frozen=True, slots=True)
class Method:
    """One way of fine-tuning.

    `code` is the module of `acclimate.tuning` that attaches it, `variant` its choice there; `size`
    is the number of `unit` (None: chosen from the number of tokens to learn); `rate` the peak
    learning rate. `served`: merged into the weights of any engine, as a part of the graph on
    OpenVINO, or by the engine 'transformers' only. `data`: what it learns from. `together` cases
    stand in one sequence at most, and `batch` sequences make a step, where that is not as usual.
    """

    name: str
    title: str
    source: str
    code: Literal["lora", "library", "full"]
    variant: str = ""
    size: int | None = None
    unit: str = ""
    rate: float = _TEN_TIMES
    served: Served = "merged"
    data: DataSource = "questions"
    together: int | None = None
    batch: int | None = None


_ROWS = (
    Method("full", "all weights", "–", "full", rate=_RATE),
    Method("lora", "LoRA", "arXiv 2106.09685", "lora", unit="rank"),
    Method("rslora", "LoRA with the scale alpha/√r", "arXiv 2312.03732", "lora", "rslora", unit="rank"),
    Method("dora", "LoRA with a trained magnitude", "arXiv 2402.09353", "lora", "dora", unit="rank"),
    Method("pissa", "LoRA from principal components", "arXiv 2404.02948", "lora", "pissa_niter_16", unit="rank"),
    Method("olora", "LoRA from a QR decomposition", "arXiv 2406.01775", "lora", "olora", unit="rank"),
    Method("lora-gaussian", "LoRA from normal numbers", "arXiv 2106.09685", "lora", "gaussian", unit="rank",
           rate=2e-4),
    Method("lora-orthogonal", "LoRA from orthogonal vectors", "PEFT", "lora", "orthogonal", unit="rank"),
    Method("qlora", "LoRA over a base of 4 bits", "arXiv 2305.14314", "lora", "quantised", unit="rank"),
    Method("adapter", "Houlsby's adapters", "arXiv 1902.00751", "library", "houlsby", 32, "units", served="graph"),
    Method("adapter-pfeiffer", "Pfeiffer's", "arXiv 2005.00247", "library", "pfeiffer", 64, "units", served="graph"),
    Method("adapter-parallel", "parallel", "arXiv 2110.04366", "library", "parallel", 64, "units", served="graph"),
    Method("ia3", "(IA)³: scales of keys, values, units", "arXiv 2205.05638", "library", "ia3", rate=1e-2),
    Method("bitfit", "biases only", "arXiv 2106.10199", "library", "bitfit", rate=5e-3),
    Method("layernorm", "norms only", "arXiv 2312.11420", "library", "layernorm", rate=5e-3),
    Method("prefix", "keys and values before the prompt", "arXiv 2101.00190", "library", "prefix", 16, "virtual tokens",
           rate=1e-2, served="transformers"),
    Method("prompt", "embeddings before the prompt", "arXiv 2104.08691", "library", "prompt", 16, "virtual tokens",
           rate=1e-1, served="transformers"),
    Method("p-tuning", "embeddings by a small network", "arXiv 2103.10385", "library", "p-tuning", 16, "virtual tokens",
           served="transformers"),
    Method("pretrain", "LoRA on the documents' raw text", "arXiv 2004.10964", "lora", unit="rank", data="documents"),
    Method("distill", "LoRA on a stronger model's answers", "arXiv 1606.07947", "lora", unit="rank", data="teacher"),
    Method("internalise", "LoRA on what the model reads in the documents", "arXiv 2412.14964", "lora", size=32,
           unit="rank", data="study", together=32, batch=2),
    Method("dpo", "LoRA on which of two answers is better", "arXiv 2305.18290", "lora", unit="rank", rate=_RATE,
           data="preferences"),
    Method("kto", "LoRA on right and wrong answers", "arXiv 2402.01306", "lora", "kto", unit="rank", rate=_RATE,
           data="preferences"),
)  # fmt: skip
METHODS = {row.name: row for row in _ROWS}


@dataclass(frozen=True, slots=True)
class Plan:
    """A method with its settings, and the reason for each. `size` and `alpha` are 0 where it has
    none."""

    method: Method
    size: int
    alpha: float
    rate: float
    reasons: tuple[str, ...]


def make_plan(
    method: Method,
    per_rank: int,
    tokens: int,
    *,
    start: tuple[int, float] | None = None,
    rate: float | None = None,
    size: int | None = None,
) -> Plan:
    """Settings for `tokens` to learn where one rank has `per_rank` parameters.

    `start` is the rank and alpha of an adapter to go on from; `rate` and `size` are the user's own
    choice. Sources: Schulman et al., "LoRA Without Regret" (2025): all linear layers, ten times
    full fine-tuning's learning rate, capacity above the data's information; 2 bits a parameter:
    Allen-Zhu and Li, arXiv 2404.05405; about 1 bit a token.
    """
    reasons = []
    asked, size, alpha = size, size or method.size or 0, 0.0
    if start is not None:
        size, alpha = start
        reasons.append(f"rank {size}, alpha {alpha:g}: those of the adapter that it goes on from")
    elif method.code == "lora":
        size = asked or min(
            64, max(8, 2 ** math.ceil(math.log2(max(1.0, tokens / (2 * per_rank)))))
        )
        alpha = {"rslora": 8.0, "pissa_niter_16": float(size), "olora": float(size)}.get(
            method.variant, 32.0
        )
        reasons.append(
            f"rank {size}: {size * per_rank / 1e6:.1f} M parameters hold about "
            f"{2 * size * per_rank / 1e6:.1f} Mbit; "
            f"the {tokens} tokens to learn are about {tokens / 1e6:.2f} (8 to 64 are considered)"
        )
    elif size:
        reasons.append(f"{size} {method.unit}: usual for the method")
    if method.code == "lora":
        reasons.append("all linear layers: those of the feed-forward networks matter most")
    if rate is not None:
        return Plan(method, size, alpha, rate, (*reasons, f"learning rate {rate:g}: as asked"))
    if start is not None:
        reasons.append(
            "learning rate 2e-4: small steps, as it goes on from an adapter that reads already"
        )
        return Plan(method, size, alpha, 2e-4, tuple(reasons))
    times = method.rate / _RATE
    reasons.append(
        f"learning rate {method.rate:g}: "
        + ("for all weights" if times == 1 else f"{times:g} times that for all weights")
    )
    return Plan(method, size, alpha, method.rate, tuple(reasons))


def with_knobs(plan: Plan, knobs: Knobs) -> Plan:
    """The plan with what the user chose of it. Raises SettingsError where the method has no such
    thing to choose."""
    method = plan.method
    if method.code != "lora" and (knobs.alpha is not None or knobs.targets):
        raise SettingsError(
            f"'{method.name}' has neither an alpha nor layers to choose.",
            hint="--alpha and --target-modules are LoRA's.",
        )
    if knobs.rank is not None and not plan.size:
        raise SettingsError(
            f"'{method.name}' has no size to choose.", hint="Leave --rank out, or take lora."
        )
    reasons = list(plan.reasons)
    if knobs.rank is not None:
        told = method.unit or "rank"
        kept = [
            one for one in reasons if not one.startswith((f"rank {plan.size}:", f"{plan.size} "))
        ]
        reasons = [f"{told} {plan.size}: as asked", *kept]
    if knobs.alpha is not None:
        plan = replace(plan, alpha=knobs.alpha)
        reasons.append(f"alpha {knobs.alpha:g}: as asked")
    if knobs.targets:
        reasons = [one for one in reasons if not one.startswith("all linear layers")]
        reasons.append(f"layers {', '.join(knobs.targets)}: as asked")
    if knobs.batch is not None:
        reasons.append(f"{knobs.batch} sequences a step: as asked")
    if knobs.epochs is not None:
        reasons.append(f"{knobs.epochs:g} passes over the cases: as asked")
    return replace(plan, reasons=tuple(reasons))
