"""What computes log-probabilities for a check: OpenVINO's graph, llama.cpp, and Transformers with
PEFT."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from importlib.metadata import version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from acclimate.errors import EngineError
from acclimate.models.transformers import TransformersEngine
from acclimate.system import ending
from acclimate.tuning.export.parity import LogProbs, log_softmax, rows
from acclimate.types import Generation

PRECISE = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}


def has_llamacpp() -> bool:
    """Whether llama.cpp is installed (extra `export`)."""
    return find_spec("xllamacpp") is not None


class Graph:
    """The graph in an IR folder; `properties` are OpenVINO's."""

    def __init__(self, folder: Path, properties: Mapping[str, str]) -> None:
        self.name = f"OpenVINO {version('openvino')}"
        core = ov.Core()
        model = core.read_model(folder / "openvino_model.xml")
        self._request: Any = core.compile_model(
            model, "CPU", dict(properties)
        ).create_infer_request()

    def greedy(
        self, prompt: Sequence[int], max_tokens: int, stop_ids: Sequence[int]
    ) -> tuple[int, ...]:
        """The likeliest tokens one after another, a stop token at the end included."""
        written: list[int] = []
        step: Sequence[int] = prompt
        self._request.reset_state()
        while len(written) < max_tokens and not (written and written[-1] in stop_ids):
            past = len(prompt) + len(written) - len(step)
            written.append(int(self._logits(step, past)[-1].argmax()))
            step = written[-1:]
        return tuple(written)

    def log_probs(self, prompt: Sequence[int], answer: Sequence[int]) -> LogProbs:
        """[n, v]: of every token, at each of the answer's n places."""
        self._request.reset_state()
        return log_softmax(self._logits([*prompt, *answer[:-1]], 0)[-len(answer) :])

    def top(self, prompt: Sequence[int], answer: Sequence[int]) -> Sequence[Mapping[int, float]]:
        """See `Runtime`."""
        return rows(self.log_probs(prompt, answer))

    def close(self) -> None:
        """See `Runtime`."""
        self._request = None

    def _logits(self, ids: Sequence[int], past: int) -> Any:
        """[L, v] for L tokens behind `past` others."""
        length = len(ids)
        inputs = {
            "input_ids": np.array([ids]),
            "attention_mask": np.ones((1, past + length), np.int64),
        }
        inputs |= {
            "position_ids": np.arange(past, past + length)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        return self._request.infer(inputs)[0][0].astype(np.float32)


class Network:
    """A model in Transformers, in float32; what it wears is loaded by PEFT."""

    def __init__(self, model: Path, adapter: Path | None = None) -> None:
        self.name = "Transformers with PEFT" if adapter else "Transformers"
        with redirect_stderr(StringIO()):  # bars of Transformers' own, for each of its steps
            self._engine = TransformersEngine(model, adapter=adapter, device="cpu", precise=True)

    def greedy(
        self, prompt: Sequence[int], max_tokens: int, stop_ids: Sequence[int]
    ) -> tuple[int, ...]:
        """The likeliest tokens one after another, a stop token at the end included."""
        written: list[int] = []
        for token in self._engine.tokens(list(prompt), Generation(max_tokens=max_tokens)):
            written.append(token)
            if token in stop_ids:
                break
        return tuple(written)

    def log_probs(self, prompt: Sequence[int], answer: Sequence[int]) -> LogProbs:
        """[n, v]: of every token, at each of the answer's n places."""
        return log_softmax(self._engine.logits(prompt, answer))

    def save(self, folder: Path) -> None:
        """As Transformers keeps models, in bfloat16, with what it wears merged in."""
        with redirect_stderr(StringIO()):
            self._engine.save_network(folder)

    def top(self, prompt: Sequence[int], answer: Sequence[int]) -> Sequence[Mapping[int, float]]:
        """See `Runtime`."""
        return rows(self.log_probs(prompt, answer))

    def close(self) -> None:
        """See `Runtime`."""
        self._engine.close()


class LlamaCpp:
    """A GGUF model, optionally with a GGUF adapter, in llama.cpp; in a process of its own, as it
    may abort."""

    def __init__(self, model: Path, adapter: Path | None, context_tokens: int) -> None:
        self.name = f"llama.cpp (xllamacpp {version('xllamacpp')})"
        command = [
            sys.executable,
            "-m",
            "acclimate.tuning.export.llamacpp",
            str(model),
            str(context_tokens),
        ]
        command += [str(adapter)] if adapter else []
        self._notes = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 -- a pipe that nobody reads would fill up
        self._process: Any = ending.start(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._notes,
            encoding="utf-8",
        )

    def top(self, prompt: Sequence[int], answer: Sequence[int]) -> Sequence[Mapping[int, float]]:
        """See `Runtime`."""
        return [self._next([*prompt, *answer[:place]]) for place in range(len(answer))]

    def _next(self, ids: Sequence[int]) -> Mapping[int, float]:
        process, line = self._process, ""
        try:
            process.stdin.write(json.dumps(list(ids)) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            code = process.wait()
            self._notes.seek(0)
            said = self._notes.read()[-500:].split()
            raise EngineError(
                f"llama.cpp ended with {code}: {' '.join(said)}", hint="Report this as a bug."
            )
        return {int(token): float(value) for token, value in json.loads(line)}

    def close(self) -> None:
        """See `Runtime`."""
        ending.stop(self._process)
        self._notes.close()
