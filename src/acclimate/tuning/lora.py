"""LoRA: a frozen linear layer plus a trainable product of two thin matrices.

    y = W x + s · B A x        A: [r, in], B: [out, r], B starts at zero; s = alpha / r, or alpha / √r (rsLoRA)

Sources: Hu et al., arXiv 2106.09685, section 4.1; rsLoRA: Kalajdzievski, arXiv 2312.03732; DoRA:
Liu et al., arXiv 2402.09353, equation 5. Starts such as PiSSA's have A₀, B₀ from the weights and
take s · B₀ A₀ off them again: that is kept as r more columns, so the saved adapter is a plain LoRA
of rank 2 r on the untouched base. The initialisations are PEFT's; the layer is our own because
PEFT's casts whole inputs to float32 and adds in four passes over memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora.layer import Linear as PeftLinear
from safetensors.torch import load_file, save_file
from torch import nn

from acclimate.errors import ModelError
from acclimate.tuning import experts
from acclimate.tuning.generic import is_walked
from acclimate.tuning.knobs import TARGETS
from acclimate.tuning.layers import linear_layers, target_names
from acclimate.tuning.quantised import HeldLinear, held_lora

_PLAIN = ("", "rslora", "dora", "quantised", "kto")  # variants that start at B = 0 as LoRA does
_RESIDUAL = ("pissa", "olora")  # variants whose start is taken off the base again


class _Product(torch.autograd.Function):
    """W x + b + s · B A x, added in place; nothing is computed for what is frozen."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """x: [N, in] → [N, out]."""
        low = x @ a.T
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scale = scale
        return nn.functional.linear(x, weight, bias).addmm_(low, b.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradients of x, A and B."""
        x, weight, a, b, low = ctx.saved_tensors
        g, scale = grads[0], ctx.scale
        by_low = (g @ b).mul_(scale)
        by_x = (g @ weight).addmm_(by_low, a) if ctx.needs_input_grad[0] else None
        return by_x, None, None, by_low.T @ x, (low.T @ g).mul_(scale).T, None


_product: Callable[..., torch.Tensor] = _Product.apply


class LoRALinear(nn.Module):
    """A frozen `base` layer [in → out] with a LoRA of rank r beside it."""

    def __init__(
        self, base: nn.Linear | HeldLinear, r: int, alpha: float, variant: str = ""
    ) -> None:
        super().__init__()
        self.base = base.requires_grad_(requires_grad=False)
        self.r, self.scale = r, alpha / (math.sqrt(r) if variant == "rslora" else r)
        weight = base.weight
        like: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
        self.start: tuple[torch.Tensor, torch.Tensor] | None = None
        self.magnitude: nn.Parameter | None = None
        narrow = min(base.in_features, base.out_features) < r  # has no r principal components
        if variant in _PLAIN or narrow:
            a = torch.empty(r, base.in_features)
            nn.init.kaiming_uniform_(a, a=math.sqrt(5))
            b = torch.zeros(base.out_features, r)
            if variant.startswith(_RESIDUAL):  # of the others' rank
                self.start = (torch.zeros_like(a, **like), torch.zeros_like(b, **like))
        else:
            a, b, residual = _initialise(base, r, alpha, variant)
            self.start = (a.to(**like).clone(), b.to(**like).clone()) if residual else None
        self.lora_A, self.lora_B = nn.Parameter(a.to(**like)), nn.Parameter(b.to(**like))
        if variant == "dora":
            self.magnitude = nn.Parameter(weight.detach().norm(dim=1))

    def factors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A [r, in] and B [out, r] of the whole update; with a start taken off again, r is twice as
        large."""
        if self.start is None:
            return self.lora_A, self.lora_B
        return torch.cat([self.lora_A, self.start[0]]), torch.cat(
            [self.lora_B, -self.start[1]], dim=1
        )

    def _kind(self) -> torch.dtype:
        return self.base.dtype if isinstance(self.base, HeldLinear) else self.base.weight.dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., in] → [..., out], in the type of x."""
        kind = self._kind()  # the factors may be float32 masters
        a, b = (factor.to(kind) for factor in self.factors())
        flat = x.reshape(-1, x.shape[-1]).to(kind)
        bias = self.base.bias
        held = isinstance(self.base, HeldLinear)
        product, weight = (held_lora, self.base) if held else (_product, self.base.weight)
        y = product(flat, weight, bias if self.magnitude is None else None, a, b, self.scale)
        if self.magnitude is not None:
            with torch.no_grad():  # the norm counts as a constant (section 4.3)
                norm = torch.addmm(self.base.weight, b, a, alpha=self.scale).norm(dim=1)
            y = y * (self.magnitude / norm)
            y = y if bias is None else y + bias
        return y.view(*x.shape[:-1], -1)


def _initialise(
    base: nn.Linear | HeldLinear, r: int, alpha: float, how: str
) -> tuple[torch.Tensor, torch.Tensor, bool]:
    """A and B as PEFT starts them, and whether it takes their product off the base."""
    copy = nn.Linear(base.in_features, base.out_features, bias=False)
    copy.weight = nn.Parameter(base.weight.detach().float().clone(), requires_grad=False)
    before = copy.weight.detach().clone()
    chosen: dict[str, Any] = {"r": r, "lora_alpha": alpha}
    settings: Any = {**chosen, "init_lora_weights": how}
    layer: Any = PeftLinear(copy, "x", LoraConfig(**settings), **chosen)
    a, b = (getattr(layer, which)["x"].weight.detach().float() for which in ("lora_A", "lora_B"))
    return a, b, not torch.equal(copy.weight, before)


def attach(
    model: nn.Module, r: int, alpha: float, variant: str = "", chosen: Sequence[str] = TARGETS
) -> list[nn.Parameter]:
    """Freeze `model` and put a LoRA beside each of its `targets`, and on its experts (DoRA has no
    form for those); the parameters to train."""
    model.requires_grad_(requires_grad=False)
    for name, layer in targets(model, chosen):
        parent, _, child = name.rpartition(".")
        beside = LoRALinear(layer, r, alpha, variant)
        setattr(model.get_submodule(parent), child, beside)
    if not is_walked(model) and variant != "dora":
        experts.attach(model, len(beside.factors()[0]), beside.scale)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def targets(
    model: nn.Module, chosen: Sequence[str] = TARGETS
) -> list[tuple[str, nn.Linear | HeldLinear]]:
    """The linear layers named in `chosen`; of a family that the fast path does not walk, every one
    of the decoder, unless fewer are chosen. Raises ModelError where there are none, or they are of
    another kind."""
    found: list[tuple[str, nn.Linear | HeldLinear]] = []
    if not is_walked(model):
        every = tuple(chosen) == TARGETS
        found += [one for one in linear_layers(model) if every or one[0].split(".")[-1] in chosen]
    else:
        found += _by_name(model, chosen)
    if not found:
        raise ModelError(
            f"the model has none of the layers {', '.join(chosen)}.",
            hint="Name others by --target-modules.",
        )
    return found


def _by_name(
    model: nn.Module, chosen: Sequence[str]
) -> Iterator[tuple[str, nn.Linear | HeldLinear]]:
    for name, layer in model.named_modules():
        if name.rsplit(".", 1)[-1] not in chosen:
            continue
        if not isinstance(layer, nn.Linear | HeldLinear):
            raise ModelError(f"'{name}' is a {type(layer).__name__}, not a linear layer.")
        yield name, layer


def layers(model: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    """The LoRA layers of a model with their names."""
    return ((name, layer) for name, layer in model.named_modules() if isinstance(layer, LoRALinear))


def save_adapter(model: nn.Module, folder: Path, base_model: str) -> None:
    """Write PEFT's `adapter_config.json` and `adapter_model.safetensors` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in layers(model):
        a, b = layer.factors()
        (
            tensors[f"base_model.model.{name}.lora_A.weight"],
            tensors[f"base_model.model.{name}.lora_B.weight"],
        ) = a, b
        if layer.magnitude is not None:
            tensors[f"base_model.model.{name}.lora_magnitude_vector"] = layer.magnitude
    for name, update in experts.layers(model):
        tensors[f"base_model.model.{name}.lora_A.weight"] = update.lora_A
        tensors[f"base_model.model.{name}.lora_B.weight"] = update.lora_B
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_adapter(folder, tensors, base_model)
    r = len(a)
    beside = [name for name, _ in layers(model)]
    ends = {name.rpartition(".")[2] for name in beside}
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": r,
        "lora_alpha": layer.scale * r,  # one scale for every runtime, rsLoRA's root folded in
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": [name for name in TARGETS if name in ends]
        if is_walked(model)
        else target_names(model, beside),
        "use_rslora": False,
        "use_dora": layer.magnitude is not None,
        "inference_mode": True,
    }
    if stacked := experts.target_parameters(model):
        config["target_parameters"] = stacked
    (folder / "adapter_config.json").write_text(
        json.dumps(config, indent=2) + "\n", encoding="utf-8"
    )


def write_adapter(folder: Path, tensors: dict[str, torch.Tensor], base_model: str) -> None:
    """Put `adapter_model.safetensors` in place in one move."""
    part = folder / "adapter_model.part"
    save_file(tensors, part, metadata={"format": "pt", "base_model": base_model})
    part.replace(folder / "adapter_model.safetensors")


def load_adapter(model: nn.Module, folder: Path) -> None:
    """Load `folder`'s weights into attached layers. Raises ModelError where names or shapes do not
    match exactly."""
    tensors = load_file(folder / "adapter_model.safetensors")
    wanted: dict[str, torch.Tensor] = {}
    for name, layer in layers(model):
        wanted[f"base_model.model.{name}.lora_A.weight"] = layer.lora_A
        wanted[f"base_model.model.{name}.lora_B.weight"] = layer.lora_B
        if layer.magnitude is not None:
            wanted[f"base_model.model.{name}.lora_magnitude_vector"] = layer.magnitude
        if layer.start is not None:  # the second half is the start's, which is there already
            for which, axis in (("lora_A", 0), ("lora_B", 1)):
                key = f"base_model.model.{name}.{which}.weight"
                if key in tensors and tensors[key].shape[axis] == 2 * layer.r:
                    tensors[key] = tensors[key].narrow(axis, 0, layer.r)
    for name, update in experts.layers(model):
        wanted[f"base_model.model.{name}.lora_A.weight"] = update.lora_A
        wanted[f"base_model.model.{name}.lora_B.weight"] = update.lora_B
    odd = sorted(tensors.keys() ^ wanted.keys())
    odd += [
        key
        for key, tensor in tensors.items()
        if key in wanted and tensor.shape != wanted[key].shape
    ]
    if odd:
        raise ModelError(
            f"{folder} does not fit the model: {len(odd)} tensors differ, the first is {odd[0]}."
        )
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(tensors[name])


def merge_adapter(model: nn.Module, folder: Path) -> None:
    """Add a saved plain LoRA to the weights of a bare model."""
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    attach(model, config["r"], config["lora_alpha"])
    load_adapter(model, folder)
    with torch.no_grad():
        for name, layer in list(layers(model)):
            weight = layer.base.weight
            update = layer.scale * (layer.lora_B.float() @ layer.lora_A.float())
            weight.copy_((weight.float() + update).to(weight.dtype))
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, layer.base)
        experts.merge(model)
