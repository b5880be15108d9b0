"""Attention by matrix products against PyTorch's kernel: values and gradients, whatever the spans."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.tuning import attention
from acclimate.tuning.attention import Products, fused
from acclimate.tuning.spans import Spans

HEADS, GROUPS, WIDTH = 6, 2, 8


def tensors(length, virtual, dtype, seed=0):
    torch.manual_seed(seed)
    shapes = [
        (length, HEADS, WIDTH),
        (virtual + length, GROUPS, WIDTH),
        (virtual + length, GROUPS, WIDTH),
    ]
    q, k, v = (
        torch.randn(shape, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes
    )
    return q, k, v, torch.randn(length, HEADS * WIDTH, dtype=torch.float64).to(dtype)


def both(given_tensors, spans):
    """Result and gradients of each way."""
    q, k, v, by_y = given_tensors
    for way in (Products.apply, fused):
        y = way(q, k, v, spans)
        yield [y.detach(), *torch.autograd.grad(y, (q, k, v), by_y)]


def spans_of(shared, lengths):
    ends = [shared + sum(lengths[: at + 1]) for at in range(len(lengths))]
    return Spans(
        shared, tuple((end - length, end) for end, length in zip(ends, lengths, strict=True))
    )


@settings(max_examples=40, deadline=None)
@given(
    shared=st.integers(0, 20),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    virtual=st.integers(0, 3),
    rows=st.sampled_from([1, 5, 256]),
    together=st.sampled_from([0, 15, 128]),
    kept=st.sampled_from([0, 1 << 22]),
)
def test_products_are_the_kernels(shared, lengths, virtual, rows, together, kept):
    """Also where spans are cut into blocks or put together in one, and where probabilities are computed again on
    the way back."""
    spans = spans_of(shared, lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "ROWS", rows)
        patch.setattr(attention, "TOGETHER", together)
        patch.setattr(attention, "KEPT", kept)
        given_tensors = tensors(shared + sum(lengths), virtual, torch.float32)
        for own, kernel in zip(*both(given_tensors, spans), strict=True):
            torch.testing.assert_close(own, kernel, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_as_near_to_float32_as_the_kernels_is():
    spans = spans_of(40, [30, 17, 50])
    q, k, v, by_y = tensors(137, 0, torch.bfloat16)
    q, k = (
        (4 * q).detach().requires_grad_(),
        (4 * k).detach().requires_grad_(),
    )  # large scores, sharp attention
    wide = [one.detach().float().requires_grad_() for one in (q, k, v)]
    exact = fused(*wide, spans)
    exact = [exact.detach(), *torch.autograd.grad(exact, wide, by_y.float())]
    own, kernel = (
        [((a.float() - b).norm() / b.norm()).item() for a, b in zip(found, exact, strict=True)]
        for found in both((q, k, v, by_y), spans)
    )
    assert all(mine < 0.01 for mine in own)
    assert all(mine < 1.5 * theirs for mine, theirs in zip(own, kernel, strict=True)), (own, kernel)
