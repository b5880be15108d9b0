"""Running an encoder over pairs of texts with OpenVINO: a question with each of several passages.

Shapes: B pairs, S tokens. As with the embedder, one stream a core: each core works through batches
of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import InferRequest, Model
from tokenizers import Encoding

from acclimate.embeddings.batches import Batch, make_batches
from acclimate.embeddings.bert import IDS, MASK, TYPES
from acclimate.embeddings.openvino import Precision, compile_model
from acclimate.embeddings.tokens import load_tokenizer
from acclimate.errors import EngineError, ModelError
from acclimate.system.platforms import usable_cpus

Rows = NDArray[np.float32]
_BATCH_TOKENS = 1024
_LEAST_TOKENS = 64


@dataclass(frozen=True, slots=True)
class PairOutput:
    """What the encoder says of one pair: its tokens, and a row of each of the model's outputs."""

    encoding: Encoding
    rows: tuple[Rows, ...]


class PairEncoder:
    """Runs `model`, whose inputs are input_ids, attention_mask and, where it has it,
    token_type_ids.

    Pairs have at most `max_tokens` tokens; the second text is cut where they would have more, the
    first only where it alone fills them. Safe to call from several threads. Raises ModelError where
    the tokenizer makes no pairs.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: Path,
        max_tokens: int,
        *,
        precision: Precision = "auto",
        threads: int | None = None,
    ) -> None:
        if max_tokens < _LEAST_TOKENS // 2:
            raise ModelError(
                f"a pair may have {max_tokens} tokens, which holds no question with a passage."
            )
        self._tokenizer = load_tokenizer(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens, strategy="longest_first")
        self._names = {name for node in model.inputs for name in node.get_names()}
        threads = threads or usable_cpus()
        compiled = compile_model(model, precision, threads)
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="pairs")
        self._requests: SimpleQueue[InferRequest] = SimpleQueue()
        for _ in range(threads):
            self._requests.put(compiled.create_infer_request())
        self._threads = threads

    def run(self, question: str, texts: Sequence[str]) -> list[PairOutput]:
        """The question paired with each text, in their order."""
        encodings = self._tokenizer.encode_batch([(question, text) for text in texts])
        total = sum(len(encoding.ids) for encoding in encodings)
        # A few passages are spread over the cores rather than put into one batch.
        budget = max(_LEAST_TOKENS, min(_BATCH_TOKENS, -(-total // self._threads)))
        batches = list(make_batches([encoding.ids for encoding in encodings], budget))
        found: dict[int, PairOutput] = {}
        outputs = self._workers.map(lambda batch: self._infer(batch, encodings), batches)
        for batch, arrays in zip(batches, outputs, strict=True):
            for line, row in enumerate(batch.rows):
                found[int(row)] = PairOutput(encodings[row], tuple(array[line] for array in arrays))
        return [found[row] for row in range(len(encodings))]

    def _infer(self, batch: Batch, encodings: Sequence[Encoding]) -> list[Rows]:
        inputs: dict[str, Any] = {IDS: batch.ids, MASK: batch.mask}
        if TYPES in self._names:
            types = np.zeros_like(batch.ids)
            for line, row in enumerate(batch.rows):
                types[line, : len(encodings[row].ids)] = encodings[row].type_ids
            inputs[TYPES] = types
        request = self._requests.get()
        try:
            outputs = request.infer(inputs, share_inputs=True)
            return [np.array(outputs[at]) for at in range(len(outputs))]
        except RuntimeError as error:
            raise EngineError(f"reading {len(batch.rows)} pairs failed: {error}.") from error
        finally:
            self._requests.put(request)
