"""The number format that PyTorch computes fastest on a device (extra `tune`)."""

from __future__ import annotations

import torch

from acclimate.system.hardware import computes_bf16

_TENSOR_CORES = 7  # compute capability from which float16 is multiplied by units of its own


def compute_type(device: torch.device | str, *, training: bool = False) -> torch.dtype:
    """bfloat16 where `device` multiplies it, else float16 on a GPU and float32 on a CPU.

    What is trained in float16 needs a scaled loss: gradients vanish below 6e-8. Before compute
    capability 7.0 float16 is not faster there, so `training` is float32.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16
        fast = torch.cuda.get_device_capability(device)[0] >= _TENSOR_CORES
        return torch.float32 if training and not fast else torch.float16
    return torch.bfloat16 if kind == "cpu" and computes_bf16() else torch.float32
