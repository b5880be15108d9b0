"""The type that networks are loaded in."""

import pytest
import torch

from acclimate.models.compute import compute_type
from acclimate.system.hardware import computes_bf16


@pytest.mark.parametrize("training", [False, True])
def test_a_cpu_computes_what_it_multiplies(monkeypatch, training):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    assert compute_type("cpu", training=training) == torch.float32
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    assert (compute_type("cpu", training=training) == torch.bfloat16) is computes_bf16()


@pytest.mark.parametrize(
    ("multiplies", "capability", "training", "wanted"),
    [
        (True, 8, False, torch.bfloat16),
        (True, 8, True, torch.bfloat16),
        (False, 7, False, torch.float16),
        (False, 7, True, torch.float16),  # with a scaled loss
        (False, 6, False, torch.float16),
        (False, 6, True, torch.float32),  # float16 is no faster there
    ],
)
def test_a_gpu_that_emulates_bfloat16_is_told(
    monkeypatch, multiplies, capability, training, wanted
):
    def supported(including_emulation=True):
        return multiplies or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (capability, 0))
    assert compute_type("cuda:0", training=training) == wanted
