"""A network with what a method trains on it: the one shape that the trainer knows.

LoRAAttached       our own layers                          lora.py
LibraryAttached    PEFT's tuners and those we add to it    models/peft_tuners.py
FullAttached       every weight                            saved as a Transformers folder
"""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import peft
import torch
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from acclimate.errors import ModelError
from acclimate.models.peft_tuners import BitFitConfig, BottleneckConfig
from acclimate.models.virtual import Virtual, read_virtual
from acclimate.tuning import lora
from acclimate.tuning.generic import family, is_walked, slides
from acclimate.tuning.knobs import TARGETS
from acclimate.tuning.layers import norm_names, require_names, target_names
from acclimate.tuning.methods import METHODS, Method

_NORMS = ["input_layernorm", "post_attention_layernorm", "norm"]
_PARTS = {
    "houlsby": ["o_proj", "down_proj"],
    "pfeiffer": ["down_proj"],
    "parallel": ["mlp"],
    "ia3": ["k_proj", "v_proj", "down_proj"],
}
"""The parts of a layer that these variants change."""


class Attached(Protocol):
    """A network and the parameters of it that are trained, in the network's own type."""

    network: nn.Module
    parameters: list[nn.Parameter]

    def virtual(self) -> Virtual | None:
        """Virtual tokens before every prompt, if the method has any."""

    def save(self, folder: Path, base_model: str) -> None:
        """Write what was trained."""

    def load(self, folder: Path) -> None:
        """Read it back. Raises ModelError where it does not fit exactly."""


def attach(
    network: nn.Module,
    method: Method = METHODS["lora"],
    size: int = 16,
    alpha: float = 32.0,
    targets: Sequence[str] = (),
) -> Attached:
    """Freeze `network` and attach a method to it, `size` in the method's unit; `targets` are the
    linear layers that get a LoRA (none: all of `TARGETS`)."""
    network.eval()
    if method.code == "lora":
        return LoRAAttached(network, size, alpha, method.variant, targets or TARGETS)
    return (
        LibraryAttached(network, method.variant, size)
        if method.code == "library"
        else FullAttached(network)
    )


class LoRAAttached:
    """LoRA and its relatives."""

    def __init__(
        self,
        network: nn.Module,
        r: int,
        alpha: float,
        variant: str,
        targets: Sequence[str] = TARGETS,
    ) -> None:
        self.network = network
        self.parameters = lora.attach(network, r, alpha, variant, targets)

    def virtual(self) -> None:
        """None."""

    def save(self, folder: Path, base_model: str) -> None:
        """See `lora.save_adapter`."""
        lora.save_adapter(self.network, folder, base_model)

    def load(self, folder: Path) -> None:
        """See `lora.load_adapter`."""
        lora.load_adapter(self.network, folder)


class LibraryAttached:
    """A method whose layers are a PEFT tuner."""

    def __init__(self, network: nn.Module, variant: str, size: int) -> None:
        require_names(network, variant, _PARTS.get(variant, ()))
        if variant == "prefix" and slides(network):
            raise ModelError(
                f"a '{family(network)}' model has layers that see the nearest tokens only, so what "
                f"'prefix' puts before the prompt is lost to them.",
                hint="acclimate tune lora",
            )
        network.requires_grad_(requires_grad=False)
        dtype = next(network.parameters()).dtype
        config = _config(variant, size, network)
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Unsupported layer type"
            )  # PEFT's own norm tuning, of RMSNorm
            self._model: Any = peft.get_peft_model(network, config, autocast_adapter_dtype=False)
        self._model.to(dtype)
        self.network: nn.Module = self._model.get_base_model()
        self.parameters = [
            parameter for parameter in self._model.parameters() if parameter.requires_grad
        ]

    def virtual(self) -> Virtual | None:
        """Those of prefix, prompt and P-tuning."""
        return read_virtual(self._model)

    def start_from(self, words: Sequence[int]) -> None:
        """Let the virtual tokens of prefix and prompt tuning begin as these tokens, repeated where
        there are too few; other methods begin as they are.

        Random ones are noise that the network has never seen: it must unlearn them first, and
        forgets with it (docs/decisions, Methods on one task). Sources: Li and Liang, section 7.4;
        Lester et al., section 3.2.
        """
        config, network = self._model.active_peft_config, self.network
        if config.peft_type not in (peft.PeftType.PREFIX_TUNING, peft.PeftType.PROMPT_TUNING):
            return
        ids = torch.tensor(
            list(itertools.islice(itertools.cycle(words), config.num_virtual_tokens))
        )
        ids = ids.to(next(network.parameters()).device)
        weight: torch.Tensor = self._model.prompt_encoder[
            self._model.active_adapter
        ].embedding.weight
        with torch.no_grad():
            if config.peft_type == peft.PeftType.PROMPT_TUNING:
                weight.copy_(network.get_input_embeddings()(ids))  # type: ignore[operator]
                return
            layers = network(input_ids=ids[None], use_cache=True).past_key_values.layers
            parts = [
                part[0].transpose(0, 1) for layer in layers for part in (layer.keys, layer.values)
            ]
            weight.copy_(
                torch.stack(parts, dim=1).flatten(1)
            )  # as PEFT lays them out: [v, 2 · layers · n · d]

    def save(self, folder: Path, base_model: str) -> None:
        """PEFT's configuration and tensors."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = get_peft_model_state_dict(self._model, save_embedding_layers=False)
        lora.write_adapter(
            folder,
            {name: tensor.cpu().contiguous() for name, tensor in tensors.items()},
            base_model,
        )
        config = self._model.active_peft_config
        was, config.inference_mode, config.base_model_name_or_path = (
            config.inference_mode,
            True,
            base_model,
        )
        config.save_pretrained(str(folder))
        config.inference_mode = was

    def load(self, folder: Path) -> None:
        """What was saved; after it, a P-tuning network is no longer needed and cannot be trained
        on."""
        tensors = load_file(folder / "adapter_model.safetensors")
        wanted = get_peft_model_state_dict(self._model, save_embedding_layers=False)
        odd = sorted(wanted.keys() ^ tensors.keys())
        odd += [
            name for name in wanted if name in tensors and wanted[name].shape != tensors[name].shape
        ]
        if odd:
            raise ModelError(
                f"{folder} does not fit the model: {len(odd)} tensors differ, the first is "
                f"{odd[0]}."
            )
        set_peft_model_state_dict(self._model, tensors)
        self._model.active_peft_config.inference_mode = (
            self._model.active_peft_config.is_prompt_learning
        )


def _config(variant: str, size: int, network: nn.Module) -> Any:
    task: dict[str, Any] = {"task_type": "CAUSAL_LM"}
    match variant:
        case "houlsby":
            return BottleneckConfig(target_modules=_PARTS[variant], r=size, **task)
        case "pfeiffer":
            return BottleneckConfig(target_modules=_PARTS[variant], r=size, **task)
        case "parallel":  # scale 4: arXiv 2110.04366, table 5
            return BottleneckConfig(
                target_modules=_PARTS[variant], r=size, parallel=True, scaling=4.0, **task
            )
        case "bitfit":
            named = [name for name, _ in lora.targets(network)]
            return BitFitConfig(target_modules=target_names(network, named), **task)
        case "layernorm":
            norms = _NORMS if is_walked(network) else norm_names(network)
            return peft.LNTuningConfig(target_modules=norms, **task)
        case "ia3":
            chosen = _PARTS[variant]
            return peft.IA3Config(target_modules=chosen, feedforward_modules=["down_proj"], **task)
        case "prefix":
            return peft.PrefixTuningConfig(num_virtual_tokens=size, **task)
        case "p-tuning":
            return peft.PromptEncoderConfig(
                num_virtual_tokens=size, encoder_hidden_size=128, **task
            )
    return peft.PromptTuningConfig(num_virtual_tokens=size, **task)


class FullAttached:
    """Every weight; saved as `config.json` and `model.safetensors`, which Transformers loads as a
    model."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.requires_grad_()
        self.parameters = list(network.parameters())

    def virtual(self) -> None:
        """None."""

    def save(self, folder: Path, base_model: str) -> None:
        """All weights; a shared one once."""
        folder.mkdir(parents=True, exist_ok=True)
        named = dict(self.network.named_parameters())
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
        part = folder / "model.part"
        save_file(tensors, part, metadata={"format": "pt", "base_model": base_model})
        config: Any = self.network.config
        (folder / "config.json").write_text(
            json.dumps(config.to_dict(), indent=2) + "\n", encoding="utf-8"
        )
        part.replace(folder / "model.safetensors")

    def load(self, folder: Path) -> None:
        """All weights."""
        named = dict(self.network.named_parameters())
        with safe_open(folder / "model.safetensors", "pt") as file, torch.no_grad():
            if odd := sorted(named.keys() ^ set(file.keys())):
                raise ModelError(
                    f"{folder} does not fit the model: {len(odd)} tensors differ, the first is "
                    f"{odd[0]}."
                )
            for name, parameter in named.items():
                parameter.copy_(file.get_tensor(name))
