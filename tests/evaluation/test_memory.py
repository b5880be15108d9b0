import sys

import pytest

from acclimate.evaluation.memory import peak_mb, reset_peak


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells the peak since a moment")
def test_what_was_freed_before_does_not_count():
    reset_peak()
    before, size = peak_mb(), 4096
    pieces = [b"x" * size for _ in range(75_000)]
    kept = b"x" * size  # at the heap's end: the C library cannot give back what is below by itself
    assert peak_mb() > before + 250
    del pieces
    reset_peak()
    assert peak_mb() < before + 60, kept[:1]
