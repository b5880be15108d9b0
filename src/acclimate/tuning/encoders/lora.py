"""LoRA beside the linear layers of a BERT-like encoder, with its head; saved as PEFT saves it.

Source: Hu et al., arXiv 2106.09685, section 4.1. What is trained stays float32; the frozen matrices
are kept in bfloat16 where the CPU computes it, so that no step has to convert them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification

from acclimate.embeddings.tuned import depth, lay_under
from acclimate.embeddings.weights import FloatArray, read_weights
from acclimate.system.hardware import computes_bf16
from acclimate.tuning.encoders.model import configure
from acclimate.tuning.lora import LoRALinear, layers

Target = Literal["embedder", "reranker"]
Network = nn.Module
_LINEAR = 0.05  # of a token vector's components, so that tanh hardly bends them
_HEADS = ("pooler", "pre_classifier", "classifier", "head")
_TASKS = {"embedder": "FEATURE_EXTRACTION", "reranker": "SEQ_CLS"}


def load_encoder(folder: Path, target: Target, under: str = "", *, seed: int = 0) -> nn.Module:
    """The encoder in `folder` in float32, without dropout: its token vectors, or with a head of one
    logit.

    A folder that is a cross-encoder already keeps its head; in another the head begins at random,
    from the seed. With `under`, the shipped weights of that name are put in; the extractor's
    relevance is what the head says then.
    """
    torch.manual_seed(seed)
    config = configure(folder)
    laid = lay_under(read_weights(folder / "model.safetensors"), under) if under else {}
    if under:
        config.num_hidden_layers = depth(laid)
    # Written out, attention trains a quarter faster than PyTorch's fused kernel on a CPU at these
    # lengths.
    notes: Any = transformers.utils.logging
    notes.set_verbosity_error()  # its notes on loading are not for users
    notes.disable_progress_bar()
    options: dict[str, Any] = {
        "config": config,
        "attn_implementation": "eager",
        "dtype": torch.float32,
    }
    if target == "embedder":
        pooled = (
            {"add_pooling_layer": False}
            if config.model_type in ("bert", "roberta", "xlm-roberta")
            else {}
        )
        return _put(AutoModel.from_pretrained(folder, **options, **pooled), laid)
    if not any("SequenceClassification" in name for name in config.architectures or ()):
        config.num_labels = 1
    return _put(AutoModelForSequenceClassification.from_pretrained(folder, **options), laid)


def _put(network: Any, laid: Mapping[str, FloatArray]) -> nn.Module:
    if laid:
        known = network.state_dict()
        places = {name: f"{network.base_model_prefix}.{name}" for name in laid}
        found = {
            name if name in known else places[name]: torch.from_numpy(laid[name].copy())
            for name in laid
        }
        found |= _as_head(found, network.base_model_prefix)
        network.load_state_dict(
            {name: value for name, value in found.items() if name in known}, strict=False
        )
    made: nn.Module = network
    return made


def _as_head(laid: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The extractor's linear relevance as the head of a BERT classifier, where tanh is nearly
    linear."""
    linear = laid.get(f"{prefix}.relevance.weight")
    if linear is None:
        return {}
    return {
        f"{prefix}.pooler.dense.weight": _LINEAR * torch.eye(linear.shape[1]),
        f"{prefix}.pooler.dense.bias": torch.zeros(linear.shape[1]),
        "classifier.weight": linear / _LINEAR,
        "classifier.bias": laid[f"{prefix}.relevance.bias"],
    }


def attach_lora(network: nn.Module, r: int, alpha: float) -> nn.Module:
    """Freeze `network`, put a LoRA beside every linear layer below its head, and leave the head to
    train.

    Not so BERT's pooler: that many numbers would forget faster than they learn.
    """
    network.requires_grad_(requires_grad=False)
    linear = [
        (name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)
    ]
    for name, layer in linear:
        if not _in_head(name):
            parent, _, child = name.rpartition(".")
            beside = LoRALinear(layer, r, alpha)
            if computes_bf16():
                beside.base.to(torch.bfloat16)
            setattr(network.get_submodule(parent), child, beside)
        elif "pooler" not in name:
            layer.requires_grad_(requires_grad=True)
    return network


def save_lora(network: nn.Module, folder: Path, target: Target, base: str) -> None:
    """Write PEFT's `adapter_config.json` and `adapter_model.safetensors`, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in layers(network):
        tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"] = layer.factors()
    heads = {name: value for name, value in network.named_parameters() if _in_head(name)}
    half = {
        f"base_model.model.{n}": v.detach().to(torch.float16).contiguous()
        for n, v in (tensors | heads).items()
    }
    save_file(
        half, folder / "adapter_model.safetensors", metadata={"format": "pt", "base_model": base}
    )
    config = {
        "peft_type": "LORA",
        "task_type": _TASKS[target],
        "base_model_name_or_path": base,
        "r": layer.r,
        "lora_alpha": layer.scale * layer.r,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": [name for name, _ in layers(network)],
        "modules_to_save": sorted(
            {part for name in heads for part in name.split(".") if part in _HEADS}
        )
        or None,
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(
        json.dumps(config, indent=2) + "\n", encoding="utf-8"
    )


def _in_head(name: str) -> bool:
    return any(part in _HEADS for part in name.split("."))
