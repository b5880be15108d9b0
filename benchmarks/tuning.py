"""LoRA training beside Transformers' Trainer with PEFT: useful tokens a second, dev loss, memory, share of the peak.

    python -m benchmarks.tuning --data ../shared/data/squad-train --peer trainer --steps 24

Both sides train rank 16 on all linear layers of the default model with the same examples, in the same order, eight to a
step, at the same learning rate. Each runs in a process of its own and takes its steps in turn with the other: load on
the machine hits both. A useful token is one of an example's own, padding not counted; what ours does not compute,
because the examples of a step begin alike, counts as useful for both. The peer has its library's defaults: float32,
padding, logits of all tokens. Ours trains in bfloat16 where the CPU computes it, else in float32 (to be tried with
ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 for both sides). The matrix peak is
measured in the type of ours between the steps; its share is that of the products which a step needs, attention's and
the head's among them as in the model FLOPs of Chowdhery et al. 2022 (arXiv 2204.02311, appendix B), but of pairs of
tokens only those that see each other. `linear_share` leaves these two out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from acclimate.files import jsonlines
from benchmarks.harness import emit, machine, peak_mb

BATCH, RANK, ALPHA, RATE, MAX_TOKENS = 8, 16, 32.0, 1e-3, 384
DEV = 16
LAYERS, HIDDEN, WIDE, KEYS, VOCABULARY = 30, 576, 1536, 192, 49_152  # of the default model
_TUNABLES = "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184"


@dataclass(frozen=True)
class Prepared:
    """The model's file, its chat format, and examples to train and to watch."""

    model: Path
    train: list[Any]
    dev: list[Any]


def prepare(data: Path, steps: int, name: str = "smollm2-135m-instruct") -> Prepared:
    """A passage and a question each; the dev examples are of other articles."""
    from acclimate.models.fetch import resolve
    from acclimate.prompting.templates import load_template
    from acclimate.tuning.cases import Case, encode
    from acclimate.tuning.run import read_chat

    model = resolve(name, "language").weights
    chat, _ = read_chat(model)
    rows = [row for _, row in jsonlines.read_rows(data / "questions.jsonl")]
    random.Random(0).shuffle(rows)
    documents = sorted({row["document"] for row in rows if row["answerable"]})
    held = set(documents[-20:])
    template, train, dev = load_template("rag"), [], []
    for row in rows:
        wanted = dev if row["document"] in held else train
        if not row["answerable"] or len(wanted) >= (DEV if wanted is dev else steps * BATCH):
            continue
        text = (data / "documents" / row["document"]).read_text(encoding="utf-8")
        at = text.find(row["evidence"])
        passage = next(
            (part for part in text.split("\n\n") if row["evidence"] in part),
            text[max(0, at - 200) : at + 600],
        )
        messages = template.render({"passages": f"[1]\n{passage}", "question": row["question"]})
        example = encode(Case(tuple(messages), f"{row['answers'][0]} [1]", row["id"]), chat)
        if len(example.prompt) + len(example.answer) <= MAX_TOKENS:
            wanted.append(example)
    return Prepared(model, train, dev)


def ours(prepared: Prepared, steps: int, folder: Path) -> None:
    """Our trainer, a step for each line on stdin."""
    from acclimate.tuning.packing import pack
    from acclimate.tuning.run import load_network
    from acclimate.tuning.trainer import Trainer, TrainSettings

    chosen = TrainSettings(
        steps=steps,
        r=RANK,
        alpha=ALPHA,
        learning_rate=RATE,
        batch=1,
        checkpoint_minutes=1e9,
        warmup=0.0,
    )
    trainer = Trainer(load_network(prepared.model), "smollm2-135m-instruct", folder, chosen)
    dev = [pack([example], MAX_TOKENS) for example in prepared.dev]
    before, at = trainer.dev_loss(dev), 0
    print("ready", flush=True)
    started, packed = 0.0, dev[0]

    def sample(_: random.Random) -> Any:
        nonlocal started, at, packed
        sys.stdin.readline()
        started = time.perf_counter()
        packed = pack(prepared.train[at : at + BATCH], BATCH * MAX_TOKENS)
        at += BATCH
        return packed

    def told(_: float, figures: dict[str, float]) -> None:
        row = {
            "seconds": time.perf_counter() - started,
            "loss": figures["loss"],
            "computed": len(packed.tokens),
        }
        emit(row | {"pairs": int(packed.mask().sum()), "answers": packed.answers})
        if trainer.step == steps:
            sys.stdin.readline()  # what comes now must not slow the other's last step

    trainer.run(sample, dev[:1], told)
    emit({"dev_loss_before": before, "dev_loss": trainer.dev_loss(dev), "peak_mb": peak_mb()})


def trainer(prepared: Prepared, steps: int, folder: Path) -> None:
    """Transformers' Trainer with PEFT, a step for each line on stdin."""
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model

    from acclimate.tuning.knobs import TARGETS
    from acclimate.tuning.loss import answer_loss
    from acclimate.tuning.packing import pack

    network = transformers.AutoModelForCausalLM.from_pretrained(
        prepared.model.parent, gguf_file=prepared.model.name
    )
    network.is_quantized, network.hf_quantizer = (
        False,
        None,
    )  # its weights are float32 by now; the peer cannot tell
    chosen = LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=list(TARGETS), task_type="CAUSAL_LM"
    )
    model = get_peft_model(network, chosen)

    def dev_loss() -> float:
        packs = [pack([example], MAX_TOKENS) for example in prepared.dev]
        with torch.no_grad():
            return sum(answer_loss(network, one).item() for one in packs) / sum(
                one.answers for one in packs
            )

    def collate(examples: list[Any]) -> dict[str, Any]:
        longest = max(len(one.prompt) + len(one.answer) for one in examples)
        rows: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "labels": []}
        for one in examples:
            ids, gap = [*one.prompt, *one.answer], longest - len(one.prompt) - len(one.answer)
            rows["input_ids"].append(ids + [0] * gap)
            rows["attention_mask"].append([1] * len(ids) + [0] * gap)
            rows["labels"].append([-100] * len(one.prompt) + list(one.answer) + [-100] * gap)
        return {name: torch.tensor(values) for name, values in rows.items()}

    class Turns(transformers.TrainerCallback):
        started = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            sys.stdin.readline()
            self.started = time.perf_counter()

        def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            emit({"seconds": time.perf_counter() - self.started})
            if state.global_step == steps:
                sys.stdin.readline()

    before = dev_loss()
    arguments = transformers.TrainingArguments(
        str(folder), per_device_train_batch_size=BATCH, max_steps=steps, learning_rate=RATE, use_cpu=True,
        report_to=[], save_strategy="no", disable_tqdm=True, remove_unused_columns=False, logging_strategy="no",
    )  # fmt: skip
    running = transformers.Trainer(
        model, arguments, data_collator=collate, train_dataset=prepared.train, callbacks=[Turns()]
    )
    running._get_train_sampler = lambda *_: torch.utils.data.SequentialSampler(
        prepared.train
    )  # the same order
    print("ready", flush=True)
    running.train()
    emit({"dev_loss_before": before, "dev_loss": dev_loss(), "peak_mb": peak_mb()})


def matrix_peak() -> float:
    """The best of three products of 2048 × 2048 matrices in the type that training uses, in operations a second."""
    import torch

    from acclimate.models.compute import compute_type

    a, b = (torch.randn(2048, 2048).to(compute_type("cpu", training=True)) for _ in range(2))
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        torch.nn.functional.linear(a, b)
        best = min(best, time.perf_counter() - started)
    return 2 * 2048**3 / best


class Side:
    """One of the processes."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "benchmarks.tuning",
            "--data",
            str(options.data),
        ]
        command += ["--side", name, "--steps", str(options.steps)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **({"GLIBC_TUNABLES": _TUNABLES} if name == "ours" else {})},
        )
        self.seconds: list[float] = []
        self.rows: list[dict[str, float]] = []
        self.summary: dict[str, float] = {}
        while self._line() != "ready":
            pass

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"a side ended early with code {self.process.wait()}")
        return line.strip()

    def _json(self) -> dict[str, float]:
        while not (line := self._line()).startswith('{"'):  # Trainer prints a dict of its own
            pass
        return json.loads(line)

    def _go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def step(self) -> float:
        """Let it take a step; its seconds."""
        self._go()
        row = self._json()
        self.seconds.append(row["seconds"])
        self.rows.append(row)
        return row["seconds"]

    def end(self) -> None:
        """Let it judge what it learnt; its summary."""
        self._go()
        self.summary = self._json()
        self.process.wait()


def linear_operations(tokens: float) -> float:
    """Of the products with weights: frozen ones cost one forward and one back, the adapter's three.

    The last layer is not counted, of which only keys and values are computed for every token.
    """
    frozen = 2 * HIDDEN * (HIDDEN + KEYS) + 3 * HIDDEN * WIDE
    adapter = RANK * (4 * HIDDEN + 2 * (HIDDEN + KEYS) + 3 * (HIDDEN + WIDE))
    return tokens * (LAYERS - 1) * (4 * frozen + 6 * adapter)


def other_operations(pairs: float, answers: float) -> float:
    """Of attention, two products forward and four back for each pair of tokens, and of the head for what is learnt."""
    return pairs * (LAYERS - 1) * 12 * HIDDEN + answers * 4 * HIDDEN * VOCABULARY


def main() -> None:
    """Read the options, run both sides, print the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer", choices=["trainer"])
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--side", choices=["ours", "trainer"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    prepared = prepare(options.data, options.steps)
    if options.side:
        with tempfile.TemporaryDirectory() as folder:
            {"ours": ours, "trainer": trainer}[options.side](prepared, options.steps, Path(folder))
        return
    sides = [Side("ours", options), *([Side(options.peer, options)] if options.peer else [])]
    useful = [
        sum(len(one.prompt) + len(one.answer) for one in prepared.train[at : at + BATCH])
        for at in range(0, options.steps * BATCH, BATCH)
    ]
    peaks = []
    for step in range(options.steps):
        peaks.append(matrix_peak())
        emit(
            {
                "step": step,
                "seconds": [round(side.step(), 2) for side in sides],
                "peak_gflops": peaks[-1] / 1e9,
            }
        )
    for side in sides:
        side.end()
    report(sides, useful, peaks)


def report(sides: list[Side], useful: list[int], peaks: list[float]) -> None:
    """The summary; the first step of each side is its warm-up and not counted."""
    figures: list[dict[str, Any]] = [
        {
            "tokens_per_s": round(sum(useful[1:]) / sum(side.seconds[1:]), 1),
            "tokens_per_s_best_step": round(
                max(u / s for u, s in zip(useful, side.seconds, strict=True)), 1
            ),
            "dev_loss": round(side.summary["dev_loss"], 4),
            "dev_loss_before": round(side.summary["dev_loss_before"], 4),
            "peak_mb": round(side.summary["peak_mb"]),
        }
        for side in sides
    ]
    ran = sum(sides[0].seconds[1:])
    computed, pairs, answers = (
        sum(row[key] for row in sides[0].rows[1:]) for key in ("computed", "pairs", "answers")
    )
    linear, other = linear_operations(computed), other_operations(pairs, answers)
    figures[0] |= {
        "computed_tokens_per_s": round(computed / ran, 1),
        "peak_share": round((linear + other) / ran / median(peaks), 3),
        "peak_share_of_best": round((linear + other) / ran / max(peaks), 3),
        "linear_share": round(linear / ran / median(peaks), 3),
        "peak_gflops_median": round(median(peaks) / 1e9),
    }
    summary: dict[str, Any] = {"benchmark": "tuning", "steps": len(useful), **figures[0]}
    if len(sides) > 1:
        steps = zip(sides[0].seconds[1:], sides[1].seconds[1:], strict=True)
        summary |= {
            "peer": figures[1],
            "ratio": round(figures[0]["tokens_per_s"] / figures[1]["tokens_per_s"], 2),
        }
        summary["ratio_median_step"] = round(median(peer / own for own, peer in steps), 2)
    emit(summary | {"machine": machine()})


if __name__ == "__main__":
    main()
