"""Peak memory and dev loss of tuning a model in 16 bits and in the 4 bits of its file, each in a process of its own.

    python -m benchmarks.tuning_memory --data ../shared/data/squad-train --model qwen2.5-coder-0.5b-instruct --steps 4

Both learn the same sequences in the same order (rank 16, eight examples a step, as in benchmarks.tuning). `lora` is
what it does unless told otherwise, `lora-checkpointing` the same with layers computed again, `qlora` the file's own
blocks. The peak is that of the whole process, loading included, with the pages of the file that it maps.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import emit, machine, peak_mb
from benchmarks.tuning import ALPHA, BATCH, MAX_TOKENS, RANK, RATE, prepare

WAYS = ("lora", "lora-checkpointing", "qlora")
WATCHED = 4


def run(options: argparse.Namespace) -> dict[str, Any]:
    """One way, in this process."""
    import torch

    from acclimate.tuning.methods import METHODS
    from acclimate.tuning.packing import pack
    from acclimate.tuning.run import load_base
    from acclimate.tuning.trainer import Trainer, TrainSettings

    if threads := os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))
    prepared = prepare(options.data, options.steps, options.model)
    method = METHODS[options.way.partition("-")[0]]
    network = load_base(prepared.model, method)
    loaded = peak_mb()
    settings = TrainSettings(
        steps=options.steps,
        r=RANK,
        alpha=ALPHA,
        learning_rate=RATE,
        batch=1,
        warmup=0.0,
        checkpoint_minutes=1e9,
        checkpointing=True if options.way.endswith("checkpointing") else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(network, options.model, Path(folder), settings, method)
        dev = [pack([example], MAX_TOKENS) for example in prepared.dev[:WATCHED]]
        started, at = time.process_time(), iter(range(0, len(prepared.train), BATCH))

        def sample(_: object) -> Any:
            first = next(at)
            return pack(prepared.train[first : first + BATCH], BATCH * MAX_TOKENS)

        trainer.run(sample, dev[:1])
        spent = time.process_time() - started
        loss = trainer.dev_loss(dev)
    return {
        "way": options.way,
        "loaded_mb": round(loaded),
        "peak_mb": round(peak_mb()),
        "dev_loss": round(loss, 4),
        "cpu_seconds": round(spent),
    }


def main() -> None:
    """Read the options, run each way, print the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b-instruct")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        emit(run(options))
        return
    rows = []
    for way in options.ways:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.tuning_memory", "--way", way]
        command += ["--data", str(options.data), "--model", options.model]
        done = subprocess.run(
            [*command, "--steps", str(options.steps)], check=True, capture_output=True, text=True
        )
        rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
        emit(rows[-1])
    summary = {"benchmark": "tuning_memory", "model": options.model, "steps": options.steps}
    emit(summary | {"ways": rows, "machine": machine()})


if __name__ == "__main__":
    main()
