"""The number format that PyTorch computes fastest on a device (extra `tune`)."""

from __future__ import annotations

import torch

from acclimate.system.hardware import computes_bf16


def compute_type(device: torch.device | str, *, training: bool = False) -> torch.dtype:
    """bfloat16 where `device` multiplies it, else float16 on a GPU and float32 on a CPU.

    Nothing is trained in float16: its gradients vanish below 6e-8, so that is float32 too.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16
        return torch.float32 if training else torch.float16
    return torch.bfloat16 if kind == "cpu" and computes_bf16() else torch.float32
