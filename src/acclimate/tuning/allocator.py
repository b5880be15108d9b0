"""The memory allocator's settings for training; needs no PyTorch."""

from __future__ import annotations

import os
import sys

from acclimate.system.ending import hold_back

# glibc gives large blocks back at once otherwise, and half the time of training goes into page faults; then huge pages
# where the kernel has them for who asks: without, a virtual machine may spend most of it on address translation. One
# arena, since threads that load weights would put them where no huge pages are asked for.
_TUNABLES = ":".join(
    f"glibc.malloc.{name}"
    for name in (
        "mmap_threshold=4294967296",
        "trim_threshold=17179869184",
        "hugetlb=1",
        "arena_max=1",
    )
)


def use_large_blocks(module: str = "acclimate") -> None:
    """Start this program, which is `module`, again with an allocator setting that Linux takes at
    the start only."""
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = _TUNABLES
        hold_back()
        os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])  # noqa: S606 -- ourselves
