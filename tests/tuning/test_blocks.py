"""Blocks in memory: to the bit what the file's reader makes of them, and trained on as the
dequantised network is."""

import gguf
import numpy as np
import pytest
import torch

from acclimate.tuning.blocks import BLOCK_TYPES, dequantise


@pytest.mark.parametrize("name", BLOCK_TYPES)
def test_blocks_are_dequantised_to_the_bit(name):
    kind, rng = BLOCK_TYPES[name], np.random.default_rng(3)
    columns = 1024
    data = rng.integers(0, 256, (7, columns // kind.weights * kind.size), dtype=np.uint8)
    # infinite and undefined scales are no weights: no exponent of a half, or more, is all ones
    data[:, 1::2] &= 0x3B
    data[:, ::2] &= 0xBB
    wanted = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[name])
    assert np.isfinite(wanted).all()
    found = dequantise(torch.from_numpy(data), kind, torch.float32)
    assert found.numpy().tobytes() == np.ascontiguousarray(wanted).tobytes()
    short = dequantise(torch.from_numpy(data), kind, torch.bfloat16)
    assert torch.equal(short, torch.from_numpy(wanted.copy()).bfloat16())
