"""All methods of fine-tuning on one task, with the default model: E2E NLG in small.

    python -m benchmarks.methods --data ../shared/data/e2e-nlg --steps 60 --limit 60 [--only lora,full] [--rows FILE]

Restaurants are described from attributes: the dev split of the data is trained on, test attributes are written out and
held to their references (BLEU by sacrebleu, ROUGE-L by rouge-score). Every method sees the same examples for the same
number of steps at its own learning rate; LoRA has rank 4, under 1 % of the parameters. Latency is that of a greedy
answer of 32 tokens, in turns with the untuned model in the same engine. To compare: arXiv 2106.09685, table 3.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from acclimate.files import jsonlines
from acclimate.models.adapters import served_by
from acclimate.models.base import Engine
from acclimate.models.fetch import resolve
from acclimate.models.openvino import OpenVINOEngine
from acclimate.models.store import LocalModel
from acclimate.models.transformers import TransformersEngine
from acclimate.tuning.cases import Case
from acclimate.tuning.methods import METHODS
from acclimate.tuning.run import TuningJob, train
from acclimate.tuning.trainer import TrainSettings
from acclimate.types import Generation, Message
from benchmarks.harness import emit, machine

PARAMETERS = 134_515_008  # of the default model
RANK, TOKENS, ROUNDS = 4, 32, 24
PAPER = {
    "full": 68.2,
    "adapter": 67.3,
    "adapter-pfeiffer": 68.9,
    "prefix": 69.7,
    "lora": 70.4,
}  # BLEU, GPT-2 medium


@dataclass(frozen=True)
class Task:
    """What is learnt, what is watched, and test attributes with their references."""

    learnt: list[Case]
    dev: list[Case]
    test: list[tuple[tuple[Message, ...], list[str]]]


def read_task(folder: Path, limit: int) -> Task:
    """Attributes of the watched cases are not learnt; the test's are others by the data's own split."""
    learnt, dev, references = [], [], defaultdict(list)
    with (folder / "devset.csv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            wanted = dev if random.Random(row["mr"]).random() < 0.05 else learnt
            wanted.append(Case(ask(row["mr"]), row["ref"], str(number)))
    with (folder / "testset_w_refs.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            references[row["mr"]].append(row["ref"])
    chosen = random.Random(0).sample(sorted(references), min(limit, len(references)))
    return Task(learnt, dev, [(ask(mr), references[mr]) for mr in chosen])


def ask(attributes: str) -> tuple[Message, ...]:
    """The prompt."""
    return (Message("user", f"Describe the restaurant in one or two sentences: {attributes}"),)


def engine_for(
    model: LocalModel, cache: Path, adapter: Path | None, *, transformers: bool
) -> Engine:
    """The engine that serves an adapter."""
    if transformers:
        return TransformersEngine(model.weights, adapter=adapter)
    return OpenVINOEngine(
        model.weights, cache, adapter=adapter, sha256=model.sha256, name=model.name
    )


def score(engine: Engine, task: Task) -> dict[str, float]:
    """BLEU and ROUGE-L of greedy answers, 0 to 100."""
    texts = [
        engine.generate(messages, Generation(max_tokens=64)).text.strip()
        for messages, _ in task.test
    ]
    most = max(len(references) for _, references in task.test)
    columns = [
        [references[min(at, len(references) - 1)] for _, references in task.test]
        for at in range(most)
    ]
    scorer = RougeScorer(["rougeL"])
    rouge = [
        max(scorer.score(one, text)["rougeL"].fmeasure for one in references)
        for text, (_, references) in zip(texts, task.test, strict=True)
    ]
    return {
        "bleu": round(sacrebleu.corpus_bleu(texts, columns).score, 1),
        "rouge_l": round(100 * mean(rouge), 1),
    }


def latency(engine: Engine, base: Engine, task: Task) -> float:
    """How much longer an answer of as many tokens takes than from the untuned model, as a share; medians of turns."""
    seconds: dict[str, list[float]] = {"tuned": [], "base": []}
    both = [("tuned", engine), ("base", base)]
    for turn in range(ROUNDS):
        messages = task.test[turn % len(task.test)][0]
        for name, one in both[:: (1, -1)[turn % 2]]:
            started = time.perf_counter()
            done = one.generate(messages, Generation(max_tokens=TOKENS))
            seconds[name].append((time.perf_counter() - started) / done.completion_tokens)
    return round(median(seconds["tuned"]) / median(seconds["base"]) - 1, 3)


def run_method(
    name: str, model: LocalModel, task: Task, steps: int, work: Path, untuned: Path
) -> dict[str, Any]:
    """Train in the folder `work`, serve, score; `untuned` keeps what the untuned model needs for all methods."""
    method = METHODS[name]
    size = RANK if method.code == "lora" else None
    job = TuningJob(
        model.weights, model.name, task.learnt, task.dev, work / name, method, size=size
    )
    trained, _ = train(job, TrainSettings(steps=steps, batch=4, checkpoint_minutes=1e9))
    transformers = served_by(trained.folder) == "transformers"
    engine = engine_for(model, work / "cache", trained.folder, transformers=transformers)
    base = engine_for(model, untuned, None, transformers=transformers)
    before, after = trained.forgetting.before, trained.forgetting.after
    row = {
        "method": name,
        **score(engine, task),
        "paper_bleu": PAPER.get(name),
        "dev_loss": round(trained.loss_after, 3),
        "forgetting": round(after.perplexity / before.perplexity - 1, 3),
        "questions": [before.questions, after.questions],
        "parameters": trained.parameters,
        "share": round(trained.parameters / PARAMETERS, 5),
        "disk_mb": round(
            sum(file.stat().st_size for file in trained.folder.glob("*.safetensors")) / 1e6, 2
        ),
        "seconds": round(trained.seconds),
        "rate": trained.settings.learning_rate,
        "engine": type(engine).__name__.removesuffix("Engine"),
        "latency": latency(engine, base, task),
    }
    engine.close()
    base.close()
    return row


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The rows that an earlier run kept."""
    return [row for _, row in jsonlines.read_rows(file)]


def main() -> None:
    """Read the options, run the methods, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--limit", type=int, default=60, help="test attributes")
    parser.add_argument("--only", default="", help="names of methods, separated by commas")
    rows = "each method's row is kept here, and not measured again where it is there"
    parser.add_argument(
        "--rows", type=Path, default=Path(tempfile.gettempdir(), "methods.jsonl"), help=rows
    )
    options = parser.parse_args()
    model, task = (
        resolve("smollm2-135m-instruct", "language"),
        read_task(options.data, options.limit),
    )
    names = [name for name, method in METHODS.items() if method.data == "questions"]
    asked, table = {"steps": options.steps, "n": len(task.test)}, []
    known = {row["method"]: row for row in read_rows(options.rows) if row.items() >= asked.items()}
    with tempfile.TemporaryDirectory() as untuned:
        for name in options.only.split(",") if options.only else names:
            if name not in known:
                with tempfile.TemporaryDirectory() as work:
                    known[name] = (
                        run_method(name, model, task, options.steps, Path(work), Path(untuned))
                        | asked
                    )
                with options.rows.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(known[name]) + "\n")
            table.append(known[name])
            emit(known[name])
    emit({"benchmark": "methods", **asked, "rows": table, "machine": machine()})


if __name__ == "__main__":
    main()
