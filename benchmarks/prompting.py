"""Ways of prompting on word problems: GSM8K, SVAMP and MultiArith, in one table.

    python -m benchmarks.prompting --data FOLDER [--model PATH] [--limit 50] [--minutes 30]

The recipes' own templates and code: zero-shot; few-shot (four solved problems, answers only); cot (reasoning asked
for); few-shot+cot (the four problems with their reasoning, as Wei et al., arXiv 2201.11903); zero-shot-cot (two stages,
Kojima et al., arXiv 2205.11916); self-consistency (majority of five samples, Wang et al., arXiv 2203.11171). All answer
the same problems, drawn by a fixed seed; the solved ones are the shortest of 50 of GSM8K's train split. The answer is
the last number written. `cot_against_direct` says for each set whether reasoning helps or hurts: cot less zero-shot,
with its 95 % interval.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acclimate.evaluation.statistics import difference, mean_interval
from acclimate.files import jsonlines
from acclimate.models.fetch import resolve
from acclimate.models.openvino import OpenVINOEngine
from acclimate.models.store import cache_folder
from acclimate.prompting.demonstrations import Demonstration, with_demonstrations
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.prompting.techniques import write
from acclimate.prompting.templates import load_template
from acclimate.types import Generation
from benchmarks.harness import emit, machine

WAYS = ("zero-shot", "few-shot", "cot", "few-shot+cot", "zero-shot-cot", "self-consistency")
SHOTS, SHORT_OF = 4, 50
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_WORKING = re.compile(r"<<[^>]*>>")


@dataclass(frozen=True, slots=True)
class Problem:
    """A word problem and its number; `reasoning` leads to it where the set tells."""

    text: str
    number: float
    reasoning: str = ""


@dataclass(slots=True)
class Tally:
    """What one way did on one set."""

    right: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)


def read(folder: Path) -> dict[str, list[Problem]]:
    """The three test sets and GSM8K's train split."""

    def gsm8k(name: str) -> Iterator[Problem]:
        for _, row in jsonlines.read_rows(folder / name):
            reasoning, _, number = row["answer"].partition("####")
            yield Problem(
                row["question"], float(number.replace(",", "")), _WORKING.sub("", reasoning).strip()
            )

    svamp = json.loads((folder / "SVAMP.json").read_text(encoding="utf-8"))
    multi = json.loads((folder / "MultiArith.json").read_text(encoding="utf-8"))
    return {
        "gsm8k": [*gsm8k("gsm8k-test.jsonl")],
        "svamp": [
            Problem(f"{row['Body'].strip().rstrip('.')}. {row['Question']}", row["Answer"])
            for row in svamp
        ],
        "multiarith": [Problem(row["sQuestion"].strip(), row["lSolutions"][0]) for row in multi],
        "train": [*gsm8k("gsm8k-train.jsonl")],
    }


def last_number(text: str) -> float | None:
    """The last number in a text; None where there is none."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def solved(problem: Problem, *, reasoned: bool) -> Demonstration:
    """A problem with its answer, as the model is to write it."""
    answer = f"{problem.number:g}"
    return Demonstration(
        problem.text, f"{problem.reasoning}\nAnswer: {answer}" if reasoned else answer
    )


def solve(
    way: str, problem: Problem, shown: list[Problem], engine: OpenVINOEngine
) -> tuple[float | None, int]:
    """The number that one way comes to, and the tokens it wrote."""
    reasoned = way.endswith("cot")
    recipe = Recipe(way, reasoning="inline") if way == "few-shot+cot" else find_recipe(way)
    template = load_template(recipe.template)
    values = {"question": problem.text} | (
        {"reasoning": ""} if recipe.reasoning == "two-stage" else {}
    )
    messages = template.render(values)
    if way.startswith("few-shot"):
        turns = [
            (template.render({"question": one.text})[-1], solved(one, reasoned=reasoned))
            for one in shown
        ]
        messages = with_demonstrations(messages, turns)
    written = write(recipe, messages, engine.generate, Generation(max_tokens=48, seed=0))
    return last_number(written.text), written.completion_tokens


def report(tallies: dict[tuple[str, str], Tally], sets: list[str]) -> dict[str, Any]:
    """Accuracy with its interval by set and way, and what reasoning did."""
    rows, gains = [], {}
    for name in sets:
        for way in WAYS:
            tally = tallies[name, way]
            place = mean_interval(tally.right, range(len(tally.right)))
            low, high = wilson(sum(tally.right), len(tally.right))
            rows.append(
                {
                    "set": name,
                    "recipe": way,
                    "n": len(tally.right),
                    "accuracy": round(place.mean, 4),
                    "low": round(low, 4),
                    "high": round(high, 4),
                    "tokens": round(statistics.mean(tally.tokens), 1),
                    "seconds": round(statistics.median(tally.seconds), 2),
                }
            )
        cot, direct = tallies[name, "cot"].right, tallies[name, "zero-shot"].right
        gap = difference(cot, direct, range(len(cot)))
        verdict = (
            "no measurable difference"
            if gap.p >= 0.05
            else "hurts"
            if gap.interval.mean < 0
            else "helps"
        )
        gains[name] = {
            "difference": round(gap.interval.mean, 4),
            "low": round(gap.interval.low, 4),
            "high": round(gap.interval.high, 4),
            "p": round(gap.p, 4),
            "cot": verdict,
        }
    return {"rows": rows, "cot_against_direct": gains}


def wilson(right: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: it says something where none or all are right. Source: Wilson, 1927."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    spread = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(0.0, middle - spread), min(1.0, middle + spread)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="a GGUF file; default: the default model")
    parser.add_argument("--limit", type=int, default=50, help="problems of each set")
    parser.add_argument("--minutes", type=float, help="begin no problem after so many")
    options = parser.parse_args()
    model = resolve(str(options.model or "smollm2-135m-instruct"), "language")
    engine = OpenVINOEngine(
        model.weights, cache_folder() / "openvino", sha256=model.sha256, name=model.name
    )
    problems = read(options.data)
    shown = sorted(
        random.Random(0).sample(problems.pop("train"), SHORT_OF), key=lambda one: len(one.reasoning)
    )[:SHOTS]
    drawn = {
        name: random.Random(0).sample(rows, min(options.limit, len(rows)))
        for name, rows in problems.items()
    }
    tallies = {(name, way): Tally() for name in drawn for way in WAYS}
    started = time.monotonic()
    for place in range(options.limit):
        if options.minutes and time.monotonic() - started > options.minutes * 60:
            break
        for name, rows in drawn.items():
            for way in WAYS if place < len(rows) else ():
                before = time.perf_counter()
                number, tokens = solve(way, rows[place], shown, engine)
                tally = tallies[name, way]
                tally.seconds.append(time.perf_counter() - before)
                tally.right.append(
                    float(number is not None and abs(number - rows[place].number) < 1e-6)
                )
                tally.tokens.append(tokens)
        print(f"{place + 1} of {options.limit} problems of each set", file=sys.stderr, flush=True)
    result = report(tallies, list(drawn))
    emit(
        {
            "benchmark": "prompting",
            "model": engine.name,
            "shots": SHOTS,
            **result,
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
