"""Which language model of the catalogue this machine runs well: a second's measurement, and an
estimate from it.

Reading a prompt is bound by matrix products, writing by reading the weights once a token. Both
rates are measured here; what the engines make of them was measured once (docs/models.md), so
seconds are estimates, good to a factor of about two, for a machine that does nothing else.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from acclimate.models.catalogue import CATALOGUE
from acclimate.models.choice import Chosen, engine_for
from acclimate.models.entries import ModelEntry, SizeClass
from acclimate.models.store import cache_folder, locate
from acclimate.system.hardware import computes_bf16, cpu_flags
from acclimate.system.platforms import free_memory_gb, usable_cores

PROMPT_TOKENS, ANSWER_TOKENS = 900, 60
"""Of the answer that is estimated: four passages, two sentences."""
SECONDS = 20.0
"""The longest answer that is recommended unasked."""
SCORES = {"smollm2-135m-instruct": 0.7345}
"""Answer F1 on the shipped examples (`halden`, recipe rag), as kept in
benchmarks/results/answering.jsonl; models that are not here were not measured on it."""
_SPARE_GB = 1.0  # of memory and of disk, left to others
_OVERHEAD_S = 0.015  # of one core, for a token, beside reading the weights
_TURN_S = 0.3  # of measuring, for each rate
# Of the rate of NumPy's float32 matrix product, and of the rate at which one core reads memory:
# what each engine reaches, on two cores with AMX.
_READING: dict[tuple[Chosen, bool], float] = {
    ("openvino", True): 2.3,
    ("openvino", False): 0.8,
    ("llamacpp", True): 0.49,
    ("llamacpp", False): 0.9,
}
_WRITING: dict[Chosen, float] = {"openvino": 0.33, "llamacpp": 0.48}
_UNPACKED_MEMORY, _UNPACKED_DISK = 3.2, 4.0  # of a file's size, where OpenVINO unpacks it
_WRITING_CORES = 4  # that memory keeps busy


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine.

    `free_gb` is memory (None: unknown); `gflops` is of float32 matrix products on all `cores`,
    `gb_per_s` what one core reads from memory; `load` is how many programs compete for the cores
    now.
    """

    cores: int
    instructions: str
    bf16: bool
    free_gb: float | None
    disk_gb: float
    gflops: float
    gb_per_s: float
    load: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One model: its needs, the estimate, our score (None: not measured), and why it is not for
    this machine ("": it is)."""

    name: str
    size_class: SizeClass | None
    download_mb: int
    memory_mb: int
    here: bool
    engine: Chosen
    seconds: float
    score: float | None
    against: str = ""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What is recommended, of what, and why."""

    machine: Machine
    models: tuple[Row, ...]
    name: str
    reason: str


def measure_machine() -> Machine:
    """Measure this machine for about a second."""
    bf16, flags = computes_bf16(), cpu_flags()
    names = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx512f", "avx2", "asimd")
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    return Machine(
        cores=usable_cores(),
        instructions=" ".join(name for name in names if name in flags) or platform.machine(),
        bf16=bf16,
        free_gb=free_memory_gb(),
        disk_gb=shutil.disk_usage(folder).free / 1e9,
        gflops=_matrix_rate() / 1e9,
        gb_per_s=_memory_rate() / 1e9,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def recommend(machine: Machine, seconds: float = SECONDS) -> Recommendation:
    """The largest size class of which a model fits into free memory and disk and answers in
    `seconds`; of that class the one with the best score, then the fastest. The smallest model where
    none does."""
    entries = [entry for entry in CATALOGUE.values() if entry.kind == "language"]
    entries.sort(key=lambda entry: entry.parameters)
    rows = tuple(_row(entry, machine, seconds) for entry in entries)
    fitting = [row for row in rows if not row.against]
    if not fitting:
        why = f"nothing fits: {rows[0].against}; this is the smallest"
        return Recommendation(machine, rows, rows[0].name, why)
    largest = fitting[-1].size_class
    best = min(
        (row for row in fitting if row.size_class == largest),
        key=lambda row: (-(row.score or 0.0), row.seconds),
    )
    return Recommendation(machine, rows, best.name, _reason(best, rows, machine, seconds))


def _reason(best: Row, rows: Iterable[Row], machine: Machine, seconds: float) -> str:
    room = "" if machine.free_gb is None else f"fits into {machine.free_gb:.1f} GB of free memory "
    why = f"the largest class ({best.size_class}) that {room}and answers in {seconds:.0f} s"
    beyond = [row for row in rows if row.against and row.size_class != best.size_class]
    larger = [row for row in beyond if row.download_mb > best.download_mb]
    if larger:
        why += f"; {larger[0].name} {larger[0].against}"
    return why


def _row(entry: ModelEntry, machine: Machine, seconds: float) -> Row:
    engine = engine_for(entry.size, bf16=machine.bf16, free_gb=machine.free_gb)
    here = locate(entry.name) is not None
    row = Row(
        entry.name,
        entry.size_class,
        round(entry.size / 1e6),
        round(_memory(entry, engine) / 1e6),
        here,
        engine,
        round(estimate(entry, machine, engine), 1),
        SCORES.get(entry.name),
    )
    return replace(row, against=_against(row, machine, seconds))


def _memory(entry: ModelEntry, engine: Chosen) -> float:
    """Bytes that the model needs on an engine; the catalogue's are llama.cpp's but for the tiny
    one."""
    unpacked = _UNPACKED_MEMORY * entry.size if engine == "openvino" else 0.0
    return entry.memory if entry.size_class == "tiny" else max(entry.memory, unpacked)


def _against(row: Row, machine: Machine, seconds: float) -> str:
    if machine.free_gb is not None and row.memory_mb / 1e3 > machine.free_gb - _SPARE_GB:
        return f"needs {row.memory_mb / 1e3:.1f} GB of memory"
    disk_gb = row.download_mb / 1e3 * (1 + _UNPACKED_DISK * (row.engine == "openvino"))
    if not row.here and disk_gb > machine.disk_gb - _SPARE_GB:
        return f"needs {disk_gb:.1f} GB of disk"
    if row.seconds > seconds:
        return f"would take about {row.seconds:.0f} s an answer"
    return ""


def estimate(entry: ModelEntry, machine: Machine, engine: Chosen) -> float:
    """Seconds to read a prompt of `PROMPT_TOKENS` and write `ANSWER_TOKENS`."""
    products = 2e9 * entry.parameters * PROMPT_TOKENS
    reading = products / (_READING[engine, machine.bf16] * machine.gflops * 1e9)
    cores = min(machine.cores, _WRITING_CORES)
    token = entry.size / (_WRITING[engine] * machine.gb_per_s * 1e9) + _OVERHEAD_S
    return reading + ANSWER_TOKENS * token / cores


def _matrix_rate() -> float:
    """Operations a second of float32 matrix products on all cores."""
    size = 1024
    left = np.ones((size, size), np.float32)
    return usable_cores() * _rate(lambda: left @ left, 2.0 * size**3)


def _memory_rate() -> float:
    """Bytes a second that one core reads from memory beyond its caches."""
    row = np.ones(64_000_000, np.float32)
    return _rate(row.sum, float(row.nbytes))


def _rate(work: Callable[[], object], amount: float) -> float:
    """An amount for each second of one core's time: what else runs here now hardly counts."""
    work()  # the first call starts threads and touches memory
    started, turns = time.process_time(), 0
    while time.process_time() - started < _TURN_S:
        work()
        turns += 1
    return turns * amount / (time.process_time() - started)
