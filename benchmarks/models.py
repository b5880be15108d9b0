"""What a model costs on each engine: load, first token, decoding, memory, disk.

    python -m benchmarks.models --model qwen2.5-coder-0.5b-instruct [--engines auto openvino llamacpp] [--rounds 3]
                                [--avx2]

A line for each engine: the best of the rounds, which the engines take in turns, each in a process of its own and with a
cache of its own; `load_s` is of the second start, `build_s` of the first. `ttft_s` is of a first prompt of about 700
tokens, `again_s` of a second question about the same passages. `cpu` figures are CPU seconds, which other work on the
machine disturbs less. `--avx2` keeps OpenVINO to AVX2 and 32 bits (this llama.cpp has no kernels beyond).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from acclimate.models import openvino
from acclimate.models.fetch import resolve
from acclimate.settings_sections import ModelSettings
from acclimate.types import Generation, Message
from acclimate.workspace.engine import load_engine
from benchmarks.harness import emit, machine, peak_mb, run

_NOTE = "Room {n} of the museum holds {m} pieces, among them a clock that was built in {y} by a smith of the harbour. "
_ASK = "\n\nHow many pieces does room {n} hold?"
_TOKENS = 24


def measure(name: str, engine: str) -> dict[str, Any]:
    """Load and ask twice, in this process."""
    chosen = ModelSettings.model_validate({"engine": engine, "name": name})
    model = resolve(name, "language")
    if os.environ.get("ONEDNN_MAX_CPU_ISA"):
        openvino._PROPERTIES["INFERENCE_PRECISION_HINT"] = "f32"
    started, cpu = time.perf_counter(), time.process_time()
    loaded = load_engine(chosen, None, lambda *_: model)
    found: dict[str, Any] = {
        "load_s": time.perf_counter() - started,
        "load_cpu": time.process_time() - cpu,
    }
    notes = "".join(_NOTE.format(n=n, m=n * 7 % 50, y=1700 + n) for n in range(25))
    for question, key in ((3, "ttft"), (8, "again")):
        times: list[tuple[float, float]] = []
        started, cpu = time.perf_counter(), time.process_time()

        def heard(_piece: str, times: list[tuple[float, float]] = times) -> bool:
            times.append((time.perf_counter(), time.process_time()))
            return True

        messages = [Message("user", notes + _ASK.format(n=question))]
        done = loaded.generate(messages, Generation(max_tokens=_TOKENS), heard)
        found |= {f"{key}_s": times[0][0] - started, f"{key}_cpu": times[0][1] - cpu}
        if key == "ttft" and len(times) > 1:
            found["prompt_tokens"] = done.prompt_tokens
            found["decode_ms"] = (times[-1][0] - times[0][0]) / (len(times) - 1) * 1000
            found["decode_cpu"] = (times[-1][1] - times[0][1]) / (len(times) - 1) * 1000
            found["text"] = done.text
    loaded.close()
    return {**found, "rss_mb": peak_mb(), "class": type(loaded).__name__}


def main() -> None:
    """Measure each engine in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="catalogue name or path")
    parser.add_argument("--engines", nargs="+", default=["openvino", "llamacpp", "auto"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.model, options.one)))
        return
    weights = resolve(options.model, "language").weights
    environment = {"ONEDNN_MAX_CPU_ISA": "AVX2"} if options.avx2 else {}
    command = [sys.executable, "-m", "benchmarks.models", "--model", str(weights), "--one"]
    best: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(options.rounds + 1):  # the first builds
            for engine in options.engines:
                cache = Path(scratch) / engine
                result, _, _ = run([*command, engine], ACCLIMATE_CACHE=str(cache), **environment)
                kept = best.setdefault(engine, {"build_s": result["load_s"]})
                for key, value in result.items():
                    lower = isinstance(value, float) and key != "rss_mb" and key in kept
                    kept[key] = min(kept[key], value) if lower else max(value, kept.get(key, value))
                size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
                kept["cache_mb"] = round(size / 1e6)
    emit(
        {
            "machine": machine(),
            "model": weights.name,
            "avx2_only": options.avx2,
            "rounds": options.rounds,
        }
    )
    for engine, values in best.items():
        rounded = {
            key: round(value, 3) if isinstance(value, float) else value
            for key, value in values.items()
        }
        emit({"engine": engine, **rounded})


if __name__ == "__main__":
    main()
