"""Scaling of the loss for float16, whose gradients vanish below 6e-8.

Source: Micikevicius et al., Mixed Precision Training, arXiv 1710.03740, section 3.2; the dynamic
factor doubles after a run of finite steps and halves where one overflows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

_GROWS_AFTER = 500  # finite steps
_LEAST, _MOST = 1.0, 2.0**24


class LossScale:
    """The factor of the loss: 1 in other types than float16, where nothing vanishes."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.active = dtype == torch.float16
        self.value, self.finite = 2.0**14 if self.active else 1.0, 0

    def take_off(self, gradients: Sequence[torch.Tensor]) -> bool:
        """Divide the gradients by the factor and adapt it; whether all are finite, so that the
        step counts."""
        if not self.active:
            return True
        torch._foreach_div_(list(gradients), self.value)
        if all(bool(gradient.isfinite().all()) for gradient in gradients):
            self.finite += 1
            if self.finite >= _GROWS_AFTER:
                self.value, self.finite = min(_MOST, 2 * self.value), 0
            return True
        self.value, self.finite = max(_LEAST, self.value / 2), 0
        return False
