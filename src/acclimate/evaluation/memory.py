"""Peak memory of this process, in MB, since a moment. Linux only: elsewhere there is no way to
begin anew."""

from __future__ import annotations

import ctypes
import gc
import re
from contextlib import suppress
from pathlib import Path

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def reset_peak() -> None:
    """Begin anew. Source: proc(5), clear_refs, value 5.

    What was freed is given back first: the C library keeps it, and it would count for what comes
    next.
    """
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mb() -> float | None:
    """The peak since `reset_peak`; None where the system does not say."""
    try:
        match = _PEAK.search(Path("/proc/self/status").read_text(encoding="ascii"))
    except OSError:
        return None
    return int(match[1]) * 1024 / 1e6 if match else None
