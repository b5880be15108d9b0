"""JSON by nested schemas with the default model: how often it is valid, and what holding to the schema costs.

    python -m benchmarks.structured [--limit 300]

Each prompt has a schema of its own, drawn by a fixed seed: objects in lists in objects, options, ranges, formats and
references. The same messages are also written without a schema, to as many tokens, interleaved; `overhead` compares the
seconds a token over all prompts, first calls included.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from acclimate.errors import EngineError
from acclimate.models.fetch import resolve
from acclimate.models.openvino import OpenVINOEngine
from acclimate.models.store import cache_folder
from acclimate.prompting.structured import ask_for, read_shape, write_json
from acclimate.types import Completion, Generation, Message
from benchmarks.harness import emit, machine

_NAMES = "name title city owner price count active tags date email notes items address contact status parent".split()
_SUBJECTS = "a rental contract, a museum visit, a bicycle repair, a train journey, a school, a recipe".split(
    ", "
)


def draw(rng: random.Random, depth: int) -> dict[str, Any]:
    """A random schema with at most `depth` levels of objects and lists."""
    leaves: list[Callable[[], dict[str, Any]]] = [
        lambda: {"type": "string"},
        lambda: {"type": "string", "minLength": 1, "maxLength": rng.randint(5, 80)},
        lambda: {
            "type": "string",
            "enum": rng.sample(["low", "middle", "high", "none", 'a "b"', "c\\d"], 3),
        },
        lambda: {"type": "string", "format": rng.choice(["date", "date-time", "email", "uuid"])},
        lambda: {
            "type": "integer",
            "minimum": -rng.randint(0, 50),
            "maximum": rng.randint(1, 5000),
        },
        lambda: {"type": "number", "minimum": 0, "maximum": rng.choice([1, 9.5, 100])},
        lambda: {"type": ["integer", "null"]},
        lambda: {"type": "boolean"},
        lambda: {"const": rng.choice([1, "fixed", None])},
    ]
    if depth <= 0 or rng.random() < 0.4:
        return rng.choice(leaves)()
    kind = rng.choice(["object", "object", "array", "any", "ref"])
    if kind == "array":
        return {"type": "array", "items": draw(rng, depth - 1), "minItems": rng.randint(0, 2)}
    if kind == "any":
        return {"anyOf": [draw(rng, depth - 1), {"type": "null"}]}
    return {"$ref": "#/$defs/part"} if kind == "ref" else members(rng, depth)


def members(rng: random.Random, depth: int) -> dict[str, Any]:
    """A schema of an object with two to five members, some optional."""
    names = rng.sample(_NAMES, rng.randint(2, 5))
    required = [name for name in names if rng.random() < 0.7]
    made = {name: draw(rng, depth - 1) for name in names}
    return {
        "type": "object",
        "properties": made,
        "required": required,
        "additionalProperties": False,
    }


def schema(seed: int) -> dict[str, Any]:
    """The schema of one prompt: nested at least twice."""
    rng = random.Random(seed)
    inner = {"type": "array", "items": members(rng, 1), "minItems": 1, "maxItems": 4}
    whole = members(rng, 3)
    whole["properties"]["parts"], whole["required"] = inner, [*whole["required"], "parts"]
    return {**whole, "$defs": {"part": members(rng, 0)}}


class Timed:
    """An engine's calls with the seconds and tokens that they took."""

    def __init__(self, engine: OpenVINOEngine) -> None:
        self._engine = engine
        self.seconds, self.tokens, self.reading = 0.0, 0, 0.0

    def __call__(self, messages: Any, options: Generation) -> Completion:
        """One call; `reading` is the time to the first piece of text."""
        started, first = time.perf_counter(), [0.0]

        def note(_piece: str) -> bool:
            first[0] = first[0] or time.perf_counter() - started
            return True

        done = self._engine.generate(messages, options, note)
        self.seconds += time.perf_counter() - started
        self.reading += first[0]
        self.tokens += done.completion_tokens
        return done


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    model = resolve("smollm2-135m-instruct", "language")
    engine = OpenVINOEngine(model.weights, cache_folder() / "openvino", sha256=model.sha256)
    engine.generate([Message("user", "Hello.")], Generation(max_tokens=8))
    held, free = Timed(engine), Timed(engine)
    valid = first_try = 0
    faults = []
    for number in range(options.limit):
        shape = read_shape(schema(number))
        question = f"Describe {_SUBJECTS[number % len(_SUBJECTS)]}, number {number}."
        messages = [Message("user", ask_for(question, shape))]
        before = held.tokens
        try:
            written = write_json(messages, held, Generation(), shape)
            assert not shape.fault(json.loads(written.text))
            valid, first_try = valid + 1, first_try + (written.calls == 1)
            if options.show:
                emit({"schema": shape.schema, "text": written.text})
        except EngineError as error:
            faults.append(f"{number}: {error}")
        ask = partial(free, messages)
        ask(Generation(max_tokens=max(1, held.tokens - before)))
    per_token = [
        (one.seconds - one.reading) / max(1, one.tokens - options.limit) * 1000
        for one in (held, free)
    ]
    overall = [one.seconds / one.tokens * 1000 for one in (held, free)]
    emit(
        {
            "benchmark": "structured",
            "n": options.limit,
            "valid": round(valid / options.limit, 4),
            "valid_first": round(first_try / options.limit, 4),
            "faults": faults[:5],
            "tokens": [held.tokens, free.tokens],
            "ms_per_token": [round(value, 2) for value in overall],
            "ms_per_token_after_first": [round(value, 2) for value in per_token],
            "first_ms": [round(one.reading / options.limit * 1000, 1) for one in (held, free)],
            "overhead": round(overall[0] / overall[1] - 1, 4),
            "model": engine.name,
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
