"""Embedding on this machine's CPU with OpenVINO: BERT-family weights (safetensors) or an ONNX file,
no PyTorch.

One stream a core: a core works through its own batch, which keeps the activations in its cache and
needs no barrier between cores. Batches of about 1,000 tokens are as fast as any (docs/decisions).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, cast

import numpy as np
from openvino import CompiledModel, Core, InferRequest, Model, Node
from openvino import opset15 as ops

from acclimate.embeddings.base import OnDone, Vectors
from acclimate.embeddings.batches import Batch, make_batches
from acclimate.embeddings.bert import IDS, MASK, pool
from acclimate.embeddings.encoder import (
    build_encoder,
    read_config,
    read_onnx,
    read_tensors,
    weights_file,
)
from acclimate.embeddings.layers import apply_layers
from acclimate.embeddings.spec import EmbedderSpec, position_offset
from acclimate.embeddings.tokens import TextTokenizer
from acclimate.embeddings.tuned import merge
from acclimate.embeddings.windows import Pooled
from acclimate.errors import EngineError, ModelError
from acclimate.system.hardware import computes_bf16
from acclimate.system.platforms import usable_cpus
from acclimate.types import Span

_WINDOW = 2048
"""Texts tokenised and sorted by length together."""

Precision = Literal["auto", "bf16", "f32"]


class OpenVINOEmbedder:
    """An `Embedder` over a folder with tokenizer.json and model.safetensors + config.json, or
    model.onnx.

    `weights_sha256` identifies the weights (the fetcher has verified it; hashing again would slow
    every start). `precision` "auto" is bf16 where the CPU computes it, else f32; `threads` None is
    every core that the process may use; `batch_tokens` bounds a batch, padding included; `adapter`
    is a tuned folder that is merged in. Raises ModelError where the folder's model is missing,
    damaged or of a family that is not supported.
    """

    def __init__(
        self,
        folder: Path,
        *,
        spec: EmbedderSpec,
        weights_sha256: str,
        precision: Precision = "auto",
        threads: int | None = None,
        batch_tokens: int = 1024,
        adapter: Path | None = None,
    ) -> None:
        self._spec = spec
        self._fingerprint = spec.fingerprint(weights_sha256)
        self._tokenizer = TextTokenizer(folder / "tokenizer.json", spec.max_tokens)
        self._batch_tokens = batch_tokens
        self._threads = threads or usable_cpus()
        compiled = compile_model(_load_model(folder, spec, adapter), precision, self._threads)
        self._dimensions = int(compiled.output(0).partial_shape[1].get_length())
        self._workers = ThreadPoolExecutor(self._threads, thread_name_prefix="embed")
        self._requests: SimpleQueue[InferRequest] = SimpleQueue()
        for _ in range(self._threads):
            self._requests.put(compiled.create_infer_request())

    @property
    def fingerprint(self) -> str:
        """See `Embedder`."""
        return self._fingerprint

    @property
    def dimensions(self) -> int:
        """See `Embedder`."""
        return self._dimensions

    @property
    def max_tokens(self) -> int:
        """See `Embedder`."""
        return self._spec.max_tokens

    def token_spans(self, text: str) -> list[Span]:
        """See `Embedder`."""
        return self._tokenizer.spans(text)

    def embed_passages(self, texts: Sequence[str], on_done: OnDone | None = None) -> Vectors:
        """See `Embedder`."""
        return self._embed(texts, self._spec.passage_prefix, on_done)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return self._embed(texts, self._spec.query_prefix, None)

    def _embed(self, texts: Sequence[str], prefix: str, on_done: OnDone | None) -> Vectors:
        pooled = Pooled(len(texts), self._dimensions)
        for batch, rows in self._run(self._batches(texts, prefix)):
            done = pooled.add(batch.rows, rows)
            if on_done is not None:
                on_done(done)
        return pooled.vectors()

    def _batches(self, texts: Sequence[str], prefix: str) -> Iterator[Batch]:
        """Batches of all texts, tokenised some thousands at a time while earlier batches are being
        computed."""
        for start in range(0, len(texts), _WINDOW):
            encoded = self._tokenizer.encode(texts[start : start + _WINDOW], prefix)
            whose = np.array(encoded.texts, np.int64) + start
            for batch in make_batches(encoded.ids, self._batch_tokens):
                yield Batch(whose[batch.rows], batch.ids, batch.mask)

    def _run(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Vectors]]:
        """Each batch with its vectors, in order, two batches a core in flight so that other callers
        get their turn."""
        pending: deque[tuple[Batch, Future[Vectors]]] = deque()
        for batch in batches:
            pending.append((batch, self._workers.submit(self._infer, batch)))
            if len(pending) >= 2 * self._threads:
                first, future = pending.popleft()
                yield first, future.result()
        for batch, future in pending:
            yield batch, future.result()

    def _infer(self, batch: Batch) -> Vectors:
        request = self._requests.get()
        try:
            outputs = request.infer({IDS: batch.ids, MASK: batch.mask}, share_inputs=True)
        except RuntimeError as error:
            raise EngineError(f"embedding {batch.ids.shape[0]} texts failed: {error}.") from error
        else:
            return cast("Vectors", outputs[0])
        finally:
            self._requests.put(request)


def _load_model(folder: Path, spec: EmbedderSpec, adapter: Path | None) -> Model:
    config = read_config(folder)
    positions = int(config.get("max_position_embeddings", spec.max_tokens)) - position_offset(
        config
    )
    if not 2 < spec.max_tokens <= positions:
        raise ModelError(
            f"max_tokens is {spec.max_tokens}, but the model in {folder} reads 3 to {positions}.",
            hint="Set the model's max_tokens within that.",
        )
    file = weights_file(folder)
    if file.suffix == ".onnx":
        return _load_onnx(file, folder, spec)
    tensors = read_tensors(file)
    model = build_encoder(config, merge(tensors, adapter) if adapter else tensors)
    tokens, mask = model.output(0).get_node().input_value(0), model.input(MASK).get_node()
    return _pooled(model, tokens, mask, folder, spec)


def _pooled(model: Model, tokens: Node, mask: Node, folder: Path, spec: EmbedderSpec) -> Model:
    after = partial(apply_layers, folder=folder, layers=spec.layers) if spec.layers else None
    return pool(model, tokens, mask, spec.pooling, spec.dimensions, after)


def _load_onnx(file: Path, folder: Path, spec: EmbedderSpec) -> Model:
    """The model in `file` with token types set to 0 and pooling added."""
    model = read_onnx(file)
    inputs = {node.get_friendly_name(): node for node in model.get_parameters()}
    tokens = [
        result.input_value(0)
        for result in model.get_results()
        if len(result.get_output_partial_shape(0)) == 3
    ]
    if not {IDS, MASK} <= inputs.keys() <= {IDS, MASK, "token_type_ids"} or not tokens:
        raise ModelError(
            f"{file} has the inputs {sorted(inputs)} and {len(tokens)} outputs of rank 3; "
            f"an encoder with {IDS}, {MASK} and token vectors is needed.",
            hint="Export the model for feature extraction.",
        )
    if (types := inputs.get("token_type_ids")) is not None:
        zeros = ops.broadcast(ops.constant(np.array(0, np.int64)), ops.shape_of(inputs[IDS]))
        types.output(0).replace(zeros.output(0))
        model.remove_parameter(types)
    return _pooled(model, tokens[0], inputs[MASK], folder, spec)


def compile_model(model: Model, precision: Precision, threads: int) -> CompiledModel:
    """`model` for the CPU with one stream a thread."""
    core = Core()
    if precision == "auto":
        able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        precision = "bf16" if able and computes_bf16() else "f32"
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": str(threads),
        "INFERENCE_NUM_THREADS": str(threads),
    }
    return core.compile_model(model, "CPU", settings)
