"""The number format follows what the processor multiplies, not how wide its vectors are."""

import subprocess
import sys

import pytest

from acclimate.system.hardware import computes_bf16, cpu_flags

HASWELL = "fma avx2"
SKYLAKE = f"{HASWELL} avx512f avx512dq avx512cd avx512bw avx512vl"
CASCADE_LAKE = f"{SKYLAKE} avx512_vnni"
COOPER_LAKE = f"{CASCADE_LAKE} avx512_bf16"
SAPPHIRE_RAPIDS = f"{COOPER_LAKE} amx_tile amx_bf16 amx_int8"
ARROW_LAKE = f"{HASWELL} avx_vnni avx_ne_convert"  # converts bfloat16, multiplies float32


@pytest.mark.parametrize(
    ("flags", "computes"),
    [
        ("", False),
        (HASWELL, False),
        (ARROW_LAKE, False),
        (SKYLAKE, False),
        (CASCADE_LAKE, False),
        (COOPER_LAKE, True),
        (SAPPHIRE_RAPIDS, True),
        ("fp asimd asimddp", False),
        ("fp asimd asimddp i8mm bf16", True),
    ],
)
def test_bfloat16_counts_where_it_is_multiplied(flags, computes):
    assert computes_bf16(frozenset(flags.split()), {}) is computes


@pytest.mark.parametrize(
    ("name", "value", "computes"),
    [
        ("ONEDNN_MAX_CPU_ISA", "AVX2", False),
        ("ONEDNN_MAX_CPU_ISA", "avx512_core", False),
        ("DNNL_MAX_CPU_ISA", "AVX512_CORE_VNNI", False),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", True),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX", True),
        ("ONEDNN_MAX_CPU_ISA", "DEFAULT", True),
        ("ONEDNN_MAX_CPU_ISA", "", True),
        ("ATEN_CPU_CAPABILITY", "avx2", False),
        ("ATEN_CPU_CAPABILITY", "default", False),
        ("ATEN_CPU_CAPABILITY", "avx512", True),
    ],
)
def test_what_libraries_may_use_is_honoured(name, value, computes):
    assert computes_bf16(frozenset(SAPPHIRE_RAPIDS.split()), {name: value}) is computes


def test_nothing_is_promised_that_the_libraries_are_kept_from(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert not computes_bf16()
    assert not computes_bf16(frozenset(SAPPHIRE_RAPIDS.split()))


def test_this_processor_is_read():
    assert cpu_flags() & {"sse2", "fp"}  # every x86-64, every 64-bit ARM


def test_it_is_told_without_pytorch():
    command = "import sys, acclimate.system.hardware as h; h.computes_bf16(); print('torch' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\n"
