"""Whether batching several clients' answers pays on this CPU: the engine as it is, one answer after another, beside
OpenVINO GenAI's continuous batching (paged attention) with all of them at once.

    python -m benchmarks.batching [--data DOMAINSET] [--answers 8] [--runs 2]

Both get the same prompts as token ids, greedy, from the same cached model with the reader merged in, interleaved.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai

from acclimate.files import jsonlines
from acclimate.models.openvino import OpenVINOEngine, build
from acclimate.models.store import cache_folder, locate
from acclimate.project import Project
from acclimate.prompting.recipes import find_recipe
from acclimate.types import Generation, Message
from benchmarks.harness import emit, machine
from benchmarks.serving import ROOT, copy_documents

_CACHE_GB = 2


def prompts_of(project: Project, questions: Sequence[str]) -> list[tuple[Message, ...]]:
    """The prompts of `rag` for these questions."""
    answerer = project.answerer("rag")
    return [
        answerer.prompt(q, answerer.retriever.retrieve(q, answerer.k)).messages for q in questions
    ]


def batched(folder: Path) -> tuple[genai.ContinuousBatchingPipeline, float]:
    """The same model for continuous batching, and the seconds that it took to load."""
    started = time.perf_counter()
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = _CACHE_GB
    pipeline = genai.ContinuousBatchingPipeline(
        str(folder), scheduler, "CPU", {"CACHE_DIR": str(folder / "paged")}
    )
    return pipeline, time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "examples" / "halden")
    parser.add_argument("--answers", type=int, default=8)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    rows = jsonlines.read_rows(options.data / "questions.jsonl")
    questions = [row["question"] for _, row in rows[: options.answers]]
    with tempfile.TemporaryDirectory() as kept:
        copy_documents(options.data, Path(kept))
        with Project.create(Path(kept), Path("documents")) as project:
            project.ingest()
            emit(compare(project, questions, options.runs) | {"machine": machine()})


def compare(project: Project, questions: Sequence[str], runs: int) -> dict[str, Any]:
    """Seconds for all the answers, either way, and how many of the texts are the same."""
    engine = project.engine("rag")
    assert isinstance(engine, OpenVINOEngine)
    model = locate(project.settings.model.name)
    assert model is not None
    folder = build(
        model.weights,
        cache_folder() / "openvino",
        project.adapter(find_recipe("rag")),
        model.sha256,
    )
    pipeline, load_s = batched(folder)
    prompts = prompts_of(project, questions)
    config = engine._config(Generation(max_tokens=64))
    ids = [ov.Tensor(np.array([engine._chat.encode(messages)], np.int64)) for messages in prompts]
    ours, theirs, same = [], [], 0
    for _ in range(runs):
        started = time.perf_counter()
        texts = [engine.generate(messages, Generation(max_tokens=64)).text for messages in prompts]
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        results = pipeline.generate(ids, [config] * len(ids))
        theirs.append(time.perf_counter() - started)
        decoded = [engine._chat.tokenizer.decode(one.m_generation_ids[0]) for one in results]
        same = sum(one.strip() == other.strip() for one, other in zip(texts, decoded, strict=True))
    return {
        "answers": len(questions),
        "prompt_tokens": round(statistics.mean(tensor.shape[1] for tensor in ids)),
        "one_by_one_s": round(min(ours), 2),
        "batched_s": round(min(theirs), 2),
        "batched_load_s": round(load_s, 2),
        "same_texts": same,
    }


if __name__ == "__main__":
    main()
