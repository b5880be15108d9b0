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
    ("multiplies", "training", "wanted"),
    [
        (True, False, torch.bfloat16),
        (True, True, torch.bfloat16),
        (False, False, torch.float16),
        (False, True, torch.float32),  # float16's gradients vanish
    ],
)
def test_a_gpu_that_emulates_bfloat16_is_told(monkeypatch, multiplies, training, wanted):
    def supported(including_emulation=True):
        return multiplies or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert compute_type("cuda:0", training=training) == wanted
