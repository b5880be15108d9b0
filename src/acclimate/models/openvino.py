"""Language models on OpenVINO GenAI: the default engine on a CPU.

The graph is built once from a GGUF file (with the adapter merged in, see `merge`), kept in the
cache, and loaded from there compiled. Prompts are tokenised by us and passed as numbers, so that
what is counted is what is sent and text in a document can never become a control token. One engine
holds one adapter; nothing is shared between two.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import openvino as ov
import openvino_genai as genai
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from acclimate.errors import EngineError, ModelError
from acclimate.models.adapters import layers_of, served_by, weights_file
from acclimate.models.base import OnText
from acclimate.models.chat import ChatFormat
from acclimate.models.gguf import ModelInfo, read_info, read_tokenizer
from acclimate.models.grammar import grammar
from acclimate.models.graph import extend
from acclimate.models.local import Loaded, LocalEngine
from acclimate.models.merge import needs_rewrite, rewrite
from acclimate.models.store import save_time, writing_cache
from acclimate.models.streaming import TextStream
from acclimate.system import ending
from acclimate.system.hardware import cpu_flags
from acclimate.system.platforms import link_or_copy, thread_limit
from acclimate.types import Completion, Generation, Message

_FORMAT = 2  # raise when what is built below changes, so that old builds are not used
# Measured for one user: SDPA decodes faster than paged attention, and only it loads compiled from
# the cache.
_PROPERTIES = {"ATTENTION_BACKEND": "SDPA"}


class OpenVINOEngine(LocalEngine):
    """See `LocalEngine`; a tuned folder is merged in, a bottleneck adapter is put into the graph."""

    def _open(self, model: Path, cache: Path, adapter: Path | None, sha256: str | None) -> Loaded:
        folder = build(model, cache, adapter, sha256)
        info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._pipeline: genai.LLMPipeline | None = _load(folder)
        chat = ChatFormat(self._tokenizer, info["chat_template"], info["bos"])
        return Loaded(info["name"], int(info["context_tokens"]), chat, set(info["stop_ids"]))

    def count(self, messages: Sequence[Message]) -> int:
        """See `Engine`."""
        return len(self._chat.encode(messages))

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """See `Engine`."""
        ids = self._encode(messages, options)
        decoder, tokenizer = DecodeStream(skip_special_tokens=True), self._tokenizer
        stream = TextStream(
            lambda token: decoder.step(tokenizer, token) or "",
            self._stop_ids,
            options.stop,
            on_text,
        )
        streamer = _Streamer(stream)
        # An exception between two tokens would leave the pipeline busy, and C++ aborts where a busy
        # one is freed.
        with self._lock, ending.held():
            if self._pipeline is None:
                raise EngineError(f"{self._name} was closed.")
            inputs = genai.TokenizedInputs(_row(ids), _row([1] * len(ids)))
            try:
                result = self._pipeline.generate(inputs, self._config(options), streamer)
            except RuntimeError as error:
                raise EngineError(
                    f"{self._name} failed: {error}", hint="acclimate doctor", retryable=True
                ) from error
        if streamer.error is not None:
            raise streamer.error
        read = result.perf_metrics.get_num_input_tokens()
        if read != len(ids):
            raise EngineError(
                f"{self._name} read {read} tokens of a prompt of {len(ids)}.",
                hint="Report this as a bug.",
            )
        return stream.completion(len(ids), options.max_tokens)

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._pipeline = None

    def _config(self, options: Generation) -> genai.GenerationConfig:
        config = genai.GenerationConfig()
        config.max_new_tokens = options.max_tokens
        config.stop_token_ids = self._stop_ids
        config.eos_token_id = min(self._stop_ids)
        config.apply_chat_template = False
        if options.schema:
            rules = grammar(options.schema, options.max_tokens)
            config.structured_output_config = genai.StructuredOutputConfig(grammar=rules)
        config.do_sample = options.temperature > 0
        if config.do_sample:
            config.temperature = options.temperature
            config.top_p = options.top_p
            config.rng_seed = (
                options.seed
                if options.seed is not None
                else int.from_bytes(os.urandom(4), "little")
            )
        return config


class _Streamer(genai.StreamerBase):  # type: ignore[misc] # the package has no types
    """Hands the pipeline's tokens to a `TextStream`, and the end of the generation back."""

    def __init__(self, stream: TextStream) -> None:
        super().__init__()
        self._stream = stream
        self.error: BaseException | None = None

    def write(self, token: int | Sequence[int]) -> genai.StreamingStatus:
        """Take the next token or tokens."""
        try:
            ending.check()
            for one in token if isinstance(token, Sequence) else [token]:
                self._stream.take(one)
        except BaseException as error:  # C++ would swallow it; raised again by `generate`
            self.error = error
            return genai.StreamingStatus.CANCEL
        return genai.StreamingStatus.STOP if self._stream.finish else genai.StreamingStatus.RUNNING

    def end(self) -> None:
        """Send what was held back."""
        if self.error is None:
            self._stream.end()


def build(model: Path, cache: Path, adapter: Path | None = None, sha256: str | None = None) -> Path:
    """The folder in `cache` with the IR, tokenizer and facts of `model` with `adapter`; built where
    it is not there."""
    if not model.is_file():
        raise ModelError(f"there is no model file {model}.", hint="acclimate models fetch")
    if adapter is not None and served_by(adapter) == "transformers":
        raise ModelError(
            f"{adapter.name} puts virtual tokens before the prompt, which this engine cannot.",
            hint='Use [model] engine = "transformers".',
        )
    folder = cache / _key(sha256 or _sha256(model), adapter)
    if (folder / "info.json").is_file():
        return folder
    with writing_cache(), ending.scratch(cache, "building-") as part:
        try:
            _build(model, adapter, part)
            part.replace(folder)
        except OSError:
            if not (
                folder / "info.json"
            ).is_file():  # else another process built the same meanwhile
                raise
    return folder


def _build(model: Path, adapter: Path | None, part: Path) -> None:
    info = read_info(model)
    tokenizer = read_tokenizer(model)
    source = part / "model.gguf"
    if adapter or needs_rewrite(model):
        rewrite(model, source, adapter)
    else:
        link_or_copy(model.resolve(), source)
    try:
        with _quiet():
            genai.LLMPipeline(source, "CPU", enable_save_ov_model=True, **_PROPERTIES)
    except RuntimeError as error:
        raise ModelError(
            f"OpenVINO cannot read {model.name} ({info.architecture}): "
            f"{str(error).strip().splitlines()[-1]}",
            hint='Serve it elsewhere and use [model] engine = "openai", or engine = '
            '"transformers".',
        ) from error
    source.unlink()
    for layer in layers_of(adapter) if adapter else []:
        if served_by(layer) == "graph":
            extend(part, layer)
    tokenizer.save(str(part / "tokenizer.json"))
    _write_info(part, info)


def _write_info(part: Path, info: ModelInfo) -> None:
    """Written last: a folder with this file is complete."""
    (part / "info.json").write_text(json.dumps(asdict(info)), encoding="utf-8")


def _load(folder: Path) -> genai.LLMPipeline:
    kept = {"CACHE_DIR": str(place)} if _is_kept(place := _compiled(folder)) else {}
    limit = thread_limit()  # unset, OpenVINO knows better
    threads = {} if limit is None else {"INFERENCE_NUM_THREADS": limit}
    with _quiet():
        return genai.LLMPipeline(folder, "CPU", **kept, **_PROPERTIES, **threads)


def _is_kept(compiled: Path) -> bool:
    """Whether a graph lies in `compiled`, or can be written there; else it is compiled each time,
    which takes a second more."""

    def make() -> None:
        compiled.mkdir(exist_ok=True)

    save_time(compiled, make)
    return compiled.is_dir() and (os.access(compiled, os.W_OK) or any(compiled.iterdir()))


def _compiled(folder: Path) -> Path:
    """Where the compiled graph is kept: on a shared disk each kind of processor has its own, as
    what was compiled for one may hold instructions that another lacks."""
    limits = [os.environ.get(name, "") for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")]
    told = "\n".join([platform.machine(), platform.system(), *sorted(cpu_flags()), *limits])
    return folder / f"compiled-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def _key(sha256: str, adapter: Path | None) -> str:
    parts = [str(_FORMAT), genai.get_version(), sha256]
    for layer in layers_of(adapter) if adapter is not None else []:
        config = layer / "adapter_config.json"
        parts += [
            _sha256(file)
            for file in (config, weights_file(layer))
            if file.exists() or file != config
        ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"{file} cannot be read: {error.strerror}.", hint="Give a PEFT adapter folder."
        ) from error


def _row(values: Sequence[int]) -> ov.Tensor:
    return ov.Tensor(np.array([values], dtype=np.int64))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the C++ side's notes on loading off the user's terminal."""
    saved = os.dup(1), os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in (null, *saved):
            os.close(descriptor)
