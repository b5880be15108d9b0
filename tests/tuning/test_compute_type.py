"""Networks are loaded in what the processor multiplies, or in what a user allows."""

import pytest
import torch

from acclimate.models.transformers import TransformersEngine
from acclimate.system.hardware import computes_bf16
from acclimate.tuning.run import load_network
from acclimate.types import Generation


@pytest.fixture(params=["as it is", "avx2"])
def wanted(request, monkeypatch):
    """The type that belongs to what the environment allows."""
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "avx2":
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
        return torch.float32
    return torch.bfloat16 if computes_bf16() else torch.float32


def test_what_is_trained_and_what_answers_have_the_type(tiny_file, wanted):
    assert {one.dtype for one in load_network(tiny_file()).parameters()} == {wanted}
    engine = TransformersEngine(tiny_file(), device="cpu")
    assert {one.dtype for one in engine._model.parameters()} == {wanted}
    assert len(list(engine.tokens([1, 2, 3], Generation(max_tokens=2)))) == 2
