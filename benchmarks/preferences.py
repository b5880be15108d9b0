"""What DPO and KTO do to abstention: the reader, and the reader trained on its own right and wrong answers.

    python -m benchmarks.preferences --data examples/halden [--minutes 4] [--seeds 3] [--rate R] [--project FOLDER]

As a user would: `acclimate compare rag --split train` first, for answers to learn from, then `acclimate tune dpo+rag`
and `kto+rag`, then all three on the test split: as they are served, and without the extractor beside the model, which
shows what the model has learnt. rag gives short answers, as adapters of one's own do. `abstention_f1` takes refusing
what has no answer as the positive case; `made_up` is the share of questions without an answer that got one, `wrong`
that of all questions that got an answer of F1 below 0.3, `refused` that of questions with an answer that got none. Each
figure is by seed. Stopped, the same command with `--project` goes on where it was.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acclimate.evaluation.comparison import Comparison
from acclimate.evaluation.metrics import Score, summarise
from acclimate.project import Project
from acclimate.tuning.allocator import use_large_blocks
from acclimate.tuning.knobs import Knobs
from benchmarks.harness import emit, machine
from benchmarks.internalise import opened

METHODS = ("dpo+rag", "kto+rag")
SERVED = ("rag[style=short]", *METHODS)
ALONE = (
    "rag[style=short,second_reader=none]",
    *(f"{method}[second_reader=none]" for method in METHODS),
)
_WRONG = 0.3  # F1 below which an answer is wrong, as where they are learnt


def figures(scores: Sequence[Score]) -> dict[str, float]:
    """What is told of a run's answers."""
    found = summarise(scores)
    with_answer = [one for one in scores if one.answerable]
    without = [one for one in scores if not one.answerable]
    wrong = sum(not one.abstained and one.f1 < _WRONG for one in scores)
    return {
        "f1": round(found.f1, 4),
        "abstention_f1": round(found.abstention_f1 or 0.0, 4),
        "made_up": round(sum(not one.abstained for one in without) / len(without), 4),
        "refused": round(sum(one.abstained for one in with_answer) / len(with_answer), 4),
        "wrong": round(wrong / len(scores), 4),
    }


def by_seed(compared: Comparison) -> dict[str, list[dict[str, float]]]:
    """`figures` of each recipe, of each of its seeds."""
    runs: dict[str, dict[int | None, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for one in (*compared.outcomes, *compared.repeats):
        runs[one.recipe][one.seed].append(one.score)
    return {recipe: [figures(some) for some in runs[recipe].values()] for recipe in runs}


def trained(project: Project, recipe: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train, where its adapter is not here yet, and say how long that took."""
    if (project.layout.adapters / recipe).exists():
        return {"recipe": recipe, "trained": "before"}
    clock = time.monotonic()
    knobs = Knobs(seeds=options.seeds)
    tuned = project.tune(recipe, minutes=options.minutes, rate=options.rate, knobs=knobs)
    return {
        "recipe": recipe,
        "cases": tuned.trained.cases,
        "steps": tuned.trained.steps,
        "rate": tuned.trained.settings.learning_rate,
        "minutes": round((time.monotonic() - clock) / 60, 1),
    }


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4, help="of each seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=float, help="peak learning rate")
    parser.add_argument("--model", help="a catalogue name or a path")
    parser.add_argument("--project", type=Path, help="keep everything here, and go on from it")
    parser.set_defaults(articles=None, limit=None)  # of `opened`
    return parser.parse_args()


def main() -> None:
    """Answer the train split, train both, compare."""
    options = parse()
    use_large_blocks("benchmarks.preferences")
    with opened(options) as project:
        project.compare(("rag",), split="train")
        for recipe in METHODS:
            emit(trained(project, recipe, options))
        compared = by_seed(project.compare((*SERVED, *ALONE)))
    emit({"benchmark": "preferences", "data": options.data.name, "machine": machine()} | compared)


if __name__ == "__main__":
    main()
