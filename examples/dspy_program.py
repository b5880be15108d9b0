"""A DSPy program whose language models are Acclimate's recipes, measured by DSPy's own evaluation.

    acclimate serve                                               # in a project, on port 8080
    scripts/bench --setup                                         # once: makes .venv-dspy, among others
    .venv-dspy/bin/python examples/dspy_program.py --questions examples/halden/questions.jsonl

The server answers at /v1 as OpenAI's does, and each recipe is a model: `rag`, `extract`, `lora+rag`. A recipe
retrieves, cites and abstains by itself, and brings its own prompt; so the adapter below sends the question alone, where
DSPy's own would send field markers that a recipe takes for a part of the question. Demonstrations become earlier turns.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "LITELLM_LOCAL_MODEL_COST_MAP", "True"
)  # else it asks the network for a list of prices
import dspy
from dspy.evaluate.metrics import EM, F1

REFUSAL = "Not in the documents."


class Recipe(dspy.Adapter):
    """One input field is the question, one output field the answer."""

    def format(
        self, signature: Any, demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, str]]:
        """Messages for the server."""
        (asked,), (answered,) = signature.input_fields, signature.output_fields
        told = []
        for demo in demos:
            told += [
                {"role": "user", "content": demo[asked]},
                {"role": "assistant", "content": demo[answered]},
            ]
        return [*told, {"role": "user", "content": inputs[asked]}]

    def parse(self, signature: Any, completion: str) -> dict[str, str]:
        """The whole text is the answer."""
        (answered,) = signature.output_fields
        return {answered: completion.strip()}


class Ask(dspy.Module):
    """One recipe."""

    def __init__(self, model: dspy.LM) -> None:
        super().__init__()
        self.ask = dspy.Predict("question -> answer")
        self.ask.set_lm(model)

    def forward(self, question: str) -> dspy.Prediction:
        """Its answer."""
        return self.ask(question=question)


class FirstThatAnswers(dspy.Module):
    """Recipes in turn: the first that does not abstain gives the answer."""

    def __init__(self, models: list[dspy.LM]) -> None:
        super().__init__()
        self.asks = [Ask(model) for model in models]

    def forward(self, question: str) -> dspy.Prediction:
        """The first answer, else the refusal."""
        answers = (ask(question=question) for ask in self.asks)
        return next(
            (one for one in answers if one.answer != REFUSAL), dspy.Prediction(answer=REFUSAL)
        )


def read(file: Path, split: str) -> list[dspy.Example]:
    """The questions of a split; the answer to one that the documents do not answer is the refusal."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
    return [
        dspy.Example(question=row["question"], answers=row["answers"] or [REFUSAL]).with_inputs(
            "question"
        )
        for row in rows
        if row["split"] == split
    ]


def f1(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
    """The best F1 over the reference answers."""
    return float(F1(prediction.answer, example.answers))


def em(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
    """Whether the answer is one of the references."""
    return float(EM(prediction.answer, example.answers))


def main() -> None:
    """Choose on dev, tell on test: each recipe alone, and both in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--server", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--recipes", nargs="+", default=["rag", "extract"])
    parser.add_argument("--limit", type=int, help="so many questions of each split (default: all)")
    parser.add_argument("--key", default="none", help="API key, where the server has keys")
    chosen = parser.parse_args()
    plain = {"acclimate": {"footnotes": False}}  # the answer alone, without its citations below it
    options = {
        "api_base": chosen.server,
        "api_key": chosen.key,
        "extra_body": plain,
        "temperature": 0,
        "cache": False,
    }
    models = [dspy.LM(f"openai/{name}", max_tokens=64, **options) for name in chosen.recipes]
    dspy.configure(adapter=Recipe(), lm=models[0])
    programs = {name: Ask(model) for name, model in zip(chosen.recipes, models, strict=True)}
    if len(models) > 1:
        programs |= {" then ".join(chosen.recipes): FirstThatAnswers(models)}
        programs |= {" then ".join(reversed(chosen.recipes)): FirstThatAnswers(models[::-1])}
    dev, test = (read(chosen.questions, split)[: chosen.limit] for split in ("dev", "test"))
    scores = {name: evaluate(program, dev).score for name, program in programs.items()}
    best = max(scores, key=lambda name: scores[name])
    tested = evaluate(programs[best], test)
    exact = (
        100 * sum(em(example, prediction) for example, prediction, _ in tested.results) / len(test)
    )
    told = {
        "dev_f1": scores,
        "chosen": best,
        "n": len(test),
        "test_f1": tested.score,
        "test_em": round(exact, 1),
    }
    print(json.dumps(told))


def evaluate(program: dspy.Module, questions: list[dspy.Example]) -> Any:
    """DSPy's result, its score F1 in percent; one question at a time, as the server writes one answer at a time."""
    return dspy.Evaluate(devset=questions, metric=f1, num_threads=1, display_progress=False)(
        program
    )


if __name__ == "__main__":
    main()
