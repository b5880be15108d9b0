"""Language models on llama.cpp, in this process: any GGUF file that it reads.

Weights are in memory once, shared by the engines of a process; each engine has one adapter, applied
while it runs, and its own memory of what it read last. The next prompt is read from where it
differs, so that a second question about the same documents is read in a fraction of the time; what
was read with one adapter is never used with another.
"""

from __future__ import annotations

import codecs
import ctypes
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from acclimate.errors import EngineError, ModelError
from acclimate.models.base import OnText
from acclimate.models.chat import ChatTemplate
from acclimate.models.grammar import grammar
from acclimate.models.llama_library import Library, TokenData, TokenDataArray, library, threads
from acclimate.models.llama_model import (
    LlamaModel,
    acquire,
    gguf_adapters,
    release,
    require_loadable,
)
from acclimate.models.local import Loaded, LocalEngine
from acclimate.models.sampling import Logits, Sampler
from acclimate.models.store import hash_file
from acclimate.models.streaming import TextStream
from acclimate.system import ending
from acclimate.types import Completion, Generation, Message

log = logging.getLogger(__name__)
# Tokens of a prompt that are read at once. What is kept is kept in whole blocks: a token's keys and
# values differ in the last bits by how many were computed with it, and the same question must be
# answered from the same numbers.
_BLOCK = 64
# tokens; doubled until a prompt fits, since keys and values of a whole window can be gigabytes
_LEAST_CONTEXT = 2048
_FIRST = 64  # likeliest tokens that are held to a grammar before all are


class LlamaCppEngine(LocalEngine):
    """See `LocalEngine`; adapters are LoRA folders.

    The cache keeps which files were found loadable, and adapters as llama.cpp reads them.
    """

    def _open(self, model: Path, cache: Path, adapter: Path | None, sha256: str | None) -> Loaded:
        library()  # what is missing is said before anything is hashed
        sha256 = sha256 or (hash_file(model) if model.is_file() else "")
        require_loadable(model, cache, sha256)
        files = gguf_adapters(adapter, model, cache, sha256) if adapter else []
        with ending.held():
            self._model: LlamaModel | None = acquire(model)
        try:
            return self._set_up(self._model, model, files)
        except BaseException:
            self.close()
            raise

    def _set_up(self, loaded: LlamaModel, file: Path, adapters: Sequence[Path]) -> Loaded:
        self._reader = _Reader(loaded, [loaded.adapter(one) for one in adapters])
        template = loaded.template()
        if not template:
            raise ModelError(
                f"{file.name} has no chat template, so it is no chat model.",
                hint="Use an '-Instruct' or '-chat' model.",
            )
        chat = ChatTemplate(loaded.encode, loaded.special(), template, loaded.bos, loaded.eos)
        return Loaded(loaded.name(file.stem), loaded.context_tokens, chat, loaded.stop_ids())

    def count(self, messages: Sequence[Message]) -> int:
        """See `Engine`."""
        with self._lock:
            self._require_open()
            return len(self._chat.encode(messages))

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """See `Engine`."""
        with self._lock:
            model = self._require_open()
            ids = self._encode(messages, options)
            characters = codecs.getincrementaldecoder("utf-8")("replace")
            stream = TextStream(
                lambda token: characters.decode(model.piece(token)),
                self._stop_ids,
                options.stop,
                on_text,
            )
            sampler = _held_to(options, model) if options.schema else Sampler(options)
            self._write(ids, options, sampler, stream)
            return stream.completion(len(ids), options.max_tokens)

    def _write(
        self, ids: Sequence[int], options: Generation, sampler: Sampler, stream: TextStream
    ) -> None:
        logits = self._reader.read(ids, len(ids) + options.max_tokens)
        for number in range(options.max_tokens):
            ending.check()
            token = sampler.choose(logits)
            stream.take(token)
            if stream.finish or number + 1 == options.max_tokens:
                break
            logits = self._reader.read_on([token])
        stream.end()

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            model, self._model = self._model, None
            if model is None:
                return
            if hasattr(self, "_reader"):
                self._reader.close()
            release(model)

    def _require_open(self) -> LlamaModel:
        if self._model is None:
            raise EngineError(f"{self._name} was closed.")
        return self._model


class _Reader:
    """What a model has read last, with one set of adapters: keys and values of `_held`, and room
    for more."""

    def __init__(self, model: LlamaModel, adapters: Sequence[int]) -> None:
        self._model, self._adapters = model, adapters
        self._library: Library = library()
        self._context: int | None = None
        self._room = 0
        self._held: list[int] = []
        self._whole = 0  # tokens held that were read in whole blocks

    def read(self, ids: Sequence[int], room: int) -> Logits:
        """Read a prompt, from where it differs from what is held; `room` tokens must fit. The
        logits after it."""
        self._make_room(room)
        same = 0
        for one, other in zip(
            ids[:-1], self._held[: self._whole], strict=False
        ):  # the last is read for its logits
            if one != other:
                break
            same += 1
        same = self._forget_from(same - same % _BLOCK)
        self._whole = len(ids) - len(ids) % _BLOCK
        logits = self.read_on(ids[same:])
        read = self._library.memory_seq_pos_max(self._memory, 0) + 1
        if read != len(ids):
            raise EngineError(
                f"llama.cpp read {read} tokens of a prompt of {len(ids)}.",
                hint="Report this as a bug.",
            )
        return logits

    def read_on(self, ids: Sequence[int]) -> Logits:
        """Read more tokens. The logits after the last, valid until more is read."""
        for start in range(0, len(ids), _BLOCK):
            ending.check()
            part = np.array(ids[start : start + _BLOCK], np.int32)
            code = self._library.decode(
                self._context, self._library.batch_get_one(part.ctypes.data, len(part))
            )
            if code:
                self._forget_from(0)
                raise EngineError(
                    f"llama.cpp failed with code {code}.", hint="acclimate doctor", retryable=True
                )
            self._held += part.tolist()
        found = self._library.get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(found, (self._model.size,))

    def close(self) -> None:
        """Free keys and values."""
        if self._context is not None:
            self._library.free(self._context)
        self._context, self._held = None, []

    @property
    def _memory(self) -> int:
        return int(self._library.get_memory(self._context))

    def _forget_from(self, place: int) -> int:
        """Forget what is held from `place` on; the place from which to read, 0 where only all can
        be forgotten."""
        if place < len(self._held) and not self._library.memory_seq_rm(self._memory, 0, place, -1):
            place = 0  # a recurrent state cannot go back
        if place == 0:
            self._library.memory_clear(self._memory, False)
        del self._held[place:]
        return place

    def _make_room(self, tokens: int) -> None:
        if tokens <= self._room and self._context is not None:
            return
        room = _LEAST_CONTEXT
        while room < tokens:
            room *= 2
        room = max(tokens, min(room, self._model.context_tokens))
        self.close()
        context = self._library.init_from_model(
            self._model.handle, self._library.context_settings(room, _BLOCK)
        )
        if not context:
            raise EngineError(
                f"there is no memory for {room} tokens: {' '.join(self._library.complaints)}",
                hint="Show fewer passages ([retrieval] k), or use a smaller model.",
            )
        self._context, self._room = int(context), room
        self._library.set_n_threads(context, threads(), threads())
        if self._adapters:
            handles = (ctypes.c_void_p * len(self._adapters))(*self._adapters)
            scales = (ctypes.c_float * len(self._adapters))(*[1.0] * len(self._adapters))
            self._library.set_adapters_lora(context, handles, len(self._adapters), scales)


def _held_to(options: Generation, model: LlamaModel) -> Sampler:
    return _GrammarSampler(options, model, grammar(options.schema, options.max_tokens))


class _GrammarSampler(Sampler):
    """Chooses among the tokens that a GBNF grammar allows next."""

    def __init__(self, options: Generation, model: LlamaModel, rules: str) -> None:
        super().__init__(options)
        self._library: Library = library()
        self._handle = self._library.sampler_init_grammar(model.vocabulary, rules.encode(), b"root")
        if not self._handle:
            raise EngineError(
                "llama.cpp cannot read the grammar of this schema.", hint="Use a plainer schema."
            )

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.sampler_free(self._handle)

    def choose(self, logits: Logits) -> int:
        """See `Sampler`. To hold all tokens to the grammar takes long, so the one that is drawn is
        asked about first, then the likeliest; all only where none of those is allowed."""
        token = super().choose(logits)
        likeliest = np.argpartition(-logits, min(_FIRST, len(logits) - 1))[:_FIRST]
        for tokens in (np.array([token]), likeliest, np.arange(len(logits))):
            allowed = self._allowed(tokens, logits)
            if np.isfinite(allowed).any():
                break
        else:
            raise EngineError(
                "no token continues the JSON of this schema.", hint="Use a plainer schema."
            )
        token = super().choose(allowed)
        self._library.sampler_accept(self._handle, token)
        return token

    def _allowed(
        self, tokens: np.ndarray[tuple[int], np.dtype[np.int64]], logits: Logits
    ) -> Logits:
        """The logits of those `tokens` that the grammar allows, and no chance for all others."""
        data = np.zeros(
            len(tokens), np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        )
        data["id"], data["logit"] = tokens, logits[tokens]
        pointer = ctypes.cast(data.ctypes.data, ctypes.POINTER(TokenData))
        candidates = TokenDataArray(pointer, len(data), -1, False)
        self._library.sampler_apply(self._handle, ctypes.byref(candidates))
        kept: Logits = np.full(len(logits), -np.inf, np.float32)
        kept[data["id"]] = data["logit"]
        return kept
