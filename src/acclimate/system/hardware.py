"""What this machine's processor computes. Every choice of a number format asks here; PyTorch is not
needed.

bfloat16 counts where the processor multiplies it: AVX512-BF16 or AMX on x86, the BF16 extension on
ARM. AVX512 alone (Skylake, Cascade Lake) and AVX2 only emulate it: PyTorch's products take seven
times as long there as in float32. The variables that narrow what oneDNN and PyTorch use are
honoured. ATEN_CPU_CAPABILITY=avx2 tries the other path on any machine; with ONEDNN_MAX_CPU_ISA
OpenVINO 2026.4 cannot run language models, as it asks oneDNN for what the CPU has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux names them on x86 and ARM
# docs of oneDNN, "CPU Dispatcher Control": the values below AVX512_CORE_BF16; others leave bfloat16
# on
_WITHOUT_BF16 = {
    "SSE41",
    "AVX",
    "AVX2",
    "AVX2_VNNI",
    "AVX2_VNNI_2",
    "AVX512_CORE",
    "AVX512_CORE_VNNI",
}


@lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """The processor's features by Linux's names; empty where the system does not tell them."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    told = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(told, "").split())


def computes_bf16(
    flags: frozenset[str] | None = None, environment: Mapping[str, str] | None = None
) -> bool:
    """Whether the processor multiplies bfloat16 itself, and libraries may use it.

    `flags` None is `cpu_flags()`, `environment` None is this process's. ONEDNN_MAX_CPU_ISA (or the
    older DNNL_MAX_CPU_ISA) and ATEN_CPU_CAPABILITY turn it off where they allow no bfloat16.
    """
    flags = cpu_flags() if flags is None else flags
    environment = os.environ if environment is None else environment
    highest = environment.get("ONEDNN_MAX_CPU_ISA") or environment.get("DNNL_MAX_CPU_ISA") or ""
    vectors = environment.get("ATEN_CPU_CAPABILITY", "")
    if highest.upper() in _WITHOUT_BF16 or vectors.lower() in {"default", "avx2"}:
        return False
    return bool(flags & _BF16)
