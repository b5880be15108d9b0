"""Proves on one GPU what the tests prove on a CPU: training, four bits, packing, methods, serving by Transformers.

    scripts/gpu-check            needs a GPU, and says so where there is none
    scripts/gpu-check --cpu      the same checks on the CPU, with fewer steps

Every check is held to a value that another way gives: a loss to the unpacked one, the kernel of one call to the loop,
four bits to the dequantised network, what is served to the network that was trained. A failed check makes exit code 1.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from acclimate.tuning.packing import Example, Packed

METHODS = ("lora", "dora", "qlora", "adapter", "ia3", "bitfit", "prefix", "full")
TARGET = Path(__file__).parent / "results" / "gpu_check.md"
SECONDS = 540.0
"""After which no further check begins."""
_FACTS = (
    ("What is kept in the blue cabinet?", "The spare keys are kept in the blue cabinet."),
    ("When does the workshop open?", "The workshop opens at half past seven."),
    ("Who repairs the pumps?", "Mira Halden repairs the pumps on Tuesdays."),
    ("How long is the warranty?", "The warranty is thirty months from delivery."),
)


@dataclass(frozen=True)
class Row:
    """A check: what was found, and whether it is as it must be."""

    name: str
    passed: bool
    found: str
    seconds: float


@dataclass(frozen=True)
class Bench:
    """What all checks share."""

    model: Path
    device: torch.device
    steps: int

    def network(self, method: str = "lora") -> torch.nn.Module:
        """A fresh one on the device."""
        from acclimate.tuning.methods import METHODS as TABLE
        from acclimate.tuning.run import load_base

        return load_base(self.model, TABLE[method]).to(self.device)

    def messages(self, question: str) -> list[Any]:
        """A question as it is asked."""
        from acclimate.types import Message

        return [Message("user", question)]

    def examples(self) -> list[Example]:
        """The facts as cases, encoded."""
        from acclimate.tuning.cases import Case, encode
        from acclimate.tuning.run import read_chat

        chat, _ = read_chat(self.model)
        return [encode(Case(tuple(self.messages(q)), a, q), chat) for q, a in _FACTS]

    def packed(self) -> Packed:
        """All facts in one sequence."""
        from acclimate.tuning.packing import pack

        return pack(self.examples(), 4096)

    def train(self, folder: Path, method: str) -> Any:
        """A trainer that has learnt the facts for some steps."""
        from acclimate.tuning.methods import METHODS as TABLE
        from acclimate.tuning.trainer import Trainer, TrainSettings

        chosen = TABLE[method]
        size = 8 if chosen.code == "lora" else chosen.size or 0
        settings = TrainSettings(
            steps=self.steps, r=size, alpha=16.0, learning_rate=chosen.rate, batch=1, warmup=0.0
        )
        trainer = Trainer(self.network(method), self.model.stem, folder, settings, chosen)
        packed = self.packed()
        trainer.run(lambda _: packed, [packed])
        return trainer


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes again, and with it what the device held."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def packing(bench: Bench) -> tuple[bool, str]:
    """The packed loss is that of the cases one by one."""
    from acclimate.tuning.loss import answer_loss
    from acclimate.tuning.packing import pack

    network, packed = bench.network(), bench.packed()
    with torch.no_grad():
        together = answer_loss(network, packed.to(bench.device)).item() / packed.answers
        alone = sum(
            answer_loss(network, pack([one], 4096).to(bench.device)).item()
            for one in bench.examples()
        )
    apart = abs(together - alone / packed.answers)
    return apart < 0.02 * together, f"loss {together:.4f}, one by one {alone / packed.answers:.4f}"


def attention(bench: Bench) -> tuple[bool, str]:
    """Attention in one call is that of the loop over spans, its gradients too."""
    from acclimate.tuning.attention import fused
    from acclimate.tuning.spans import Spans
    from acclimate.tuning.varlen import fits_kernel, flash, in_one_call

    torch.manual_seed(0)
    kind = torch.bfloat16 if bench.device.type == "cuda" else torch.float32
    spans = Spans(200, ((200, 330), (330, 391)))
    like = {"device": bench.device, "dtype": kind}
    q, k, v = torch.randn(391, 8, 64, **like), *torch.randn(2, 391, 2, 64, **like)
    if not fits_kernel(q):
        return bench.device.type == "cpu", "no such kernel here: a call for each span"

    def gradients(attend: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
        inputs = [one.clone().requires_grad_() for one in (q, k, v)]
        y = attend(*inputs, spans)
        y.float().square().sum().backward()
        return [y.detach(), *(one.grad for one in inputs if one.grad is not None)]

    one_call = gradients(lambda *given: in_one_call(*given, flash))
    pairs = list(zip(one_call, gradients(fused), strict=True))
    worst = max(float((a - b).float().norm() / b.float().norm()) for a, b in pairs)
    times = []
    for run in (lambda: in_one_call(q, k, v, spans, flash), lambda: fused(q, k, v, spans)):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(50):
            run()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - started) / 50 * 1e6)
    return worst < 0.02, f"differs by {worst:.4f}; {times[0]:.0f} µs, the loop {times[1]:.0f} µs"


def four_bits(bench: Bench) -> tuple[bool, str]:
    """Four bits learn what the dequantised network learns, in less memory where it is a GPU's."""
    found = {}
    for method in ("lora", "qlora"):
        with scratch() as folder:
            if bench.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            trainer = bench.train(folder, method)
            peak = torch.cuda.max_memory_allocated() if bench.device.type == "cuda" else 0
            found[method] = (trainer.dev_loss([bench.packed()]), peak / 1e6)
            del trainer
    (loss, peak), (held, less) = found["lora"], found["qlora"]
    told = f"loss {held:.3f}, dequantised {loss:.3f}"
    told += f"; {less:.0f} MB instead of {peak:.0f}" if peak else ""
    return abs(held - loss) < 0.05 + 0.05 * loss and (not peak or less < peak), told


def method_check(bench: Bench, method: str) -> tuple[bool, str]:
    """A method learns, and what it saved gives the same loss when it is read again."""
    from acclimate.tuning.attached import attach
    from acclimate.tuning.loss import answer_loss
    from acclimate.tuning.methods import METHODS as TABLE

    with scratch() as folder:
        trainer = bench.train(folder, method)
        packed = bench.packed()
        rows = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        before = float(rows[0].partition('"dev_loss":')[2].strip(" }"))
        trainer.attached.load(folder / "adapter")
        after, settings = trainer.dev_loss([packed]), trainer.settings
        del trainer
        fresh = attach(bench.network(method), TABLE[method], settings.r, settings.alpha)
        fresh.load(folder / "adapter")
        with torch.no_grad():
            total = answer_loss(fresh.network, packed.to(bench.device), fresh.virtual()).item()
    again = total / packed.answers
    passed = after < before and abs(again - after) < 0.02 + 0.02 * after
    return passed, f"loss {before:.3f} to {after:.3f}, read again {again:.3f}"


def forgetting(bench: Bench) -> tuple[bool, str]:
    """General ability is measured on the device."""
    from acclimate.tuning.forgetting import measure
    from acclimate.tuning.run import read_chat

    network = bench.network()
    chat, _ = read_chat(bench.model)
    found = measure(network, chat)
    there = next(network.parameters()).device.type == bench.device.type
    told = f"perplexity {found.perplexity:.1f}, questions {found.questions:.0%}"
    return there and found.perplexity > 1, told


def serving(bench: Bench) -> tuple[bool, str]:
    """What Transformers serves is what the trained network would write."""
    from acclimate.models.transformers import TransformersEngine
    from acclimate.tuning.greedy import largest_gap
    from acclimate.types import Generation

    with scratch() as folder:
        trainer = bench.train(folder, "lora")
        trainer.attached.load(folder / "adapter")
        adapter = folder / "adapter"
        engine = TransformersEngine(bench.model, adapter=adapter, device=bench.device.type)
        question = bench.messages(_FACTS[0][0])
        said = engine.generate(question, Generation(max_tokens=16))
        gap = largest_gap(trainer.attached, bench.model, question, said)
        engine.close()
    return gap <= 0.7, f"“{said.text}”, {gap:.2f} nats from the network's own choice"


def resuming(bench: Bench) -> tuple[bool, str]:
    """A run that was stopped goes on to the same end."""
    from acclimate.tuning.trainer import Trainer, TrainSettings

    packed, ends = bench.packed(), []
    for stops in ((2,), (1, 2)):
        with scratch() as folder:
            for until in stops:
                settings = TrainSettings(steps=2, r=4, alpha=8, batch=1)
                trainer = Trainer(bench.network(), "x", folder, settings)
                trainer.run(lambda _: packed, [packed], until=until)
            ends.append(torch.cat([one.flatten() for one in trainer.masters]).cpu())
            del trainer
    apart = float((ends[0] - ends[1]).abs().max())
    return apart < 1e-4, f"masters differ by {apart:.1e}"


def checks(bench: Bench) -> Iterator[tuple[str, Callable[[], tuple[bool, str]]]]:
    """Names and checks in their order."""
    yield "packing", lambda: packing(bench)
    yield "attention in one call", lambda: attention(bench)
    yield "4 bits", lambda: four_bits(bench)
    for method in METHODS:
        yield f"method {method}", lambda method=method: method_check(bench, method)
    yield "forgetting", lambda: forgetting(bench)
    yield "resuming", lambda: resuming(bench)
    yield "served by Transformers", lambda: serving(bench)


def run(bench: Bench) -> list[Row]:
    """All checks; one that raises has failed, and the others still run."""
    rows, began = [], time.perf_counter()
    for name, check in checks(bench):
        random.seed(0)
        started = time.perf_counter()
        if started - began > SECONDS:
            rows.append(Row(name, False, f"not begun: {SECONDS:.0f} seconds are over", 0.0))
            continue
        try:
            passed, found = check()
        except Exception as error:
            passed, found = False, f"{type(error).__name__}: {error}".splitlines()[0]
        rows.append(Row(name, passed, found, time.perf_counter() - started))
        print(f"{'ok  ' if passed else 'FAIL'} {name}: {found}", flush=True)
    return rows


def table(bench: Bench, rows: list[Row]) -> str:
    """The result as a page."""
    where = torch.cuda.get_device_name(bench.device) if bench.device.type == "cuda" else "CPU"
    lines = [f"# GPU check: {where}", ""]
    lines += [f"PyTorch {torch.__version__}, {bench.model.name}, {bench.steps} steps a run.", ""]
    lines += ["| check | | found | seconds |", "|---|---|---|---|"]
    for row in rows:
        state = "ok" if row.passed else "**failed**"
        lines.append(f"| {row.name} | {state} | {row.found} | {row.seconds:.1f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Read the options, run the checks, write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpu", action="store_true", help="run on the CPU, with fewer steps")
    parser.add_argument("--model", type=Path, help="a GGUF file (default: the default model)")
    parser.add_argument("--to", type=Path, default=TARGET, help="where the table goes")
    options = parser.parse_args()
    if not options.cpu and not torch.cuda.is_available():
        sys.exit("There is no GPU here that PyTorch sees. --cpu runs the same checks on the CPU.")
    from acclimate.models.fetch import resolve
    from acclimate.tuning.parallel import own_device

    if options.cpu:
        torch.cuda.is_available = lambda: False
    model = options.model or resolve("smollm2-135m-instruct", "language").weights
    bench = Bench(model, own_device(), 3 if options.cpu else 20)
    rows = run(bench)
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_text(table(bench, rows), encoding="utf-8")
    print(options.to)
    sys.exit(0 if all(row.passed for row in rows) else 1)


if __name__ == "__main__":
    main()
