"""A GGUF model loaded by llama.cpp: its words, what it says of itself, the adapters put on it.
Shared by engines.

llama.cpp ends its process on some damaged files, so a file that was never loaded here is first
loaded in a process of its own.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import numpy as np

from acclimate.errors import ModelError
from acclimate.models.adapters import layers_of, served_by, weights_file
from acclimate.models.foreign_adapters import read_config
from acclimate.models.gguf_lora import write_gguf_lora
from acclimate.models.llama_library import Library, Opaque, library
from acclimate.models.store import hash_file, save_time, writing_cache
from acclimate.system import ending

_CONTROL, _USER_DEFINED, _UNKNOWN = 1 << 3, 1 << 4, 1 << 0  # llama_token_attr
_PIECE = 512  # bytes; longer than any token
_MAGIC = b"GGUF"
_SAID = 400  # characters of what a process said, in a message

_models: dict[
    tuple[str, int, int], tuple[LlamaModel, int]
] = {}  # with the number of those that use it
_lock = threading.Lock()


class LlamaModel:
    """The weights and the vocabulary."""

    def __init__(self, file: Path) -> None:
        self._library = library()
        self._library.complaints.clear()
        handle = self._library.model_load_from_file(
            os.fsencode(file), self._library.model_settings()
        )
        if not handle:
            raise ModelError(
                f"llama.cpp cannot read {file.name}: "
                f"{' '.join(self._library.complaints) or 'it says nothing'}.",
                hint="acclimate models verify, or use another model.",
            )
        self.handle = handle
        self._vocab = self._library.model_get_vocab(handle)
        self._adapters: dict[Path, int] = {}
        self.size = int(self._library.vocab_n_tokens(self._vocab))
        self.context_tokens = int(self._library.model_n_ctx_train(handle))

    @property
    def vocabulary(self) -> int:
        """The handle of its vocabulary."""
        return int(self._vocab)

    @property
    def bos(self) -> str:
        """The text of the token before every prompt; "" where the model wants none."""
        wanted = self._library.vocab_get_add_bos(self._vocab)
        return self._text(self._library.vocab_bos(self._vocab)) if wanted else ""

    @property
    def eos(self) -> str:
        """The text of the token that ends a message."""
        return self._text(self._library.vocab_eos(self._vocab))

    def name(self, default: str) -> str:
        """`general.name`."""
        buffer = ctypes.create_string_buffer(_PIECE)
        found = self._library.model_meta_val_str(self.handle, b"general.name", buffer, _PIECE)
        return buffer.value.decode(errors="replace") if found > 0 else default

    def template(self) -> str:
        """Its chat template; "" where it has none."""
        found: bytes | None = self._library.model_chat_template(self.handle, None)
        return (found or b"").decode(errors="replace")

    def stop_ids(self) -> set[int]:
        """The tokens that end an answer."""
        return {
            token for token in range(self.size) if self._library.vocab_is_eog(self._vocab, token)
        }

    def special(self) -> list[str]:
        """The texts of the tokens that stand beside the ordinary vocabulary."""
        kinds = _CONTROL | _USER_DEFINED | _UNKNOWN
        look = self._library.vocab_get_attr
        return [self._text(token) for token in range(self.size) if look(self._vocab, token) & kinds]

    def encode(self, text: str) -> list[int]:
        """The token ids of a rendered prompt."""
        data = text.encode()
        # A token is at least a byte, but for a space put first.
        ids = np.zeros(len(data) + 8, np.int32)
        count = self._library.tokenize(
            self._vocab, data, len(data), ids.ctypes.data, len(ids), False, True
        )
        if count < 0:
            raise ModelError(
                f"a text of {len(data)} bytes would be {-count} tokens.",
                hint="Report this as a bug.",
            )
        found: list[int] = ids[:count].tolist()
        return found

    def piece(self, token: int) -> bytes:
        """The bytes that a token adds to a text; none for special ones."""
        buffer = ctypes.create_string_buffer(_PIECE)
        length = self._library.token_to_piece(self._vocab, token, buffer, _PIECE, 0, False)
        return buffer.raw[: max(length, 0)]

    def adapter(self, file: Path) -> int:
        """The handle of a GGUF adapter; loaded once, freed with the model."""
        with _lock:
            if file not in self._adapters:
                loaded = self._library.adapter_lora_init(self.handle, os.fsencode(file))
                if not loaded:
                    said = " ".join(self._library.complaints)
                    raise ModelError(f"llama.cpp cannot use the adapter {file.name}: {said}")
                self._adapters[file] = int(loaded)
            return self._adapters[file]

    def free(self) -> None:
        """Give the memory back; no context may be left."""
        self._library.model_free(self.handle)

    def _text(self, token: int) -> str:
        text: bytes | None = self._library.vocab_get_text(self._vocab, token) if token >= 0 else b""
        return (text or b"").decode(errors="replace")


def acquire(file: Path) -> LlamaModel:
    """The model in `file`; the same one for all engines of this process, until each has called
    `release`."""
    stat = file.stat()
    key = (str(file.resolve()), stat.st_size, stat.st_mtime_ns)
    with _lock:
        model, users = _models.get(key) or (LlamaModel(file), 0)
        _models[key] = (model, users + 1)
        return model


def release(model: LlamaModel) -> None:
    """Free the model once nobody uses it."""
    with _lock:
        key = next(key for key, (other, _) in _models.items() if other is model)
        users = _models[key][1] - 1
        if users:
            _models[key] = (model, users)
            return
        del _models[key]
        model.free()


def require_loadable(file: Path, cache: Path, sha256: str) -> None:
    """Load a file in a process of its own, where this was not done before. Raises ModelError where
    that fails."""
    if not file.is_file():
        raise ModelError(f"there is no model file {file}.", hint="acclimate models fetch")
    with file.open("rb") as opened:
        if opened.read(len(_MAGIC)) != _MAGIC:
            raise ModelError(f"{file.name} is no GGUF file.", hint="acclimate models verify")
    key = hashlib.sha256(f"{version('xllamacpp')}\n{sha256}".encode()).hexdigest()[:24]
    note = cache / "loadable" / key
    if note.is_file():
        return
    done = ending.run([sys.executable, "-m", "acclimate.models.llama_model", str(file.resolve())])
    if done.returncode:
        raise ModelError(
            f"llama.cpp cannot use {file.name}: {_why(done)}",
            hint="acclimate models verify, or use another model.",
        )

    def write() -> None:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()

    save_time(note, write)


def gguf_adapters(adapter: Path, model: Path, cache: Path, sha256: str) -> list[Path]:
    """A PEFT LoRA folder, and the one that it stands on, as GGUF adapters; written once.

    Raises ModelError for other kinds, with the engine that can serve them.
    """
    layers = layers_of(adapter)
    for layer in layers:
        if reason := unfit(layer):
            engine = "transformers" if served_by(layer) == "transformers" else "openvino"
            raise ModelError(
                f"{adapter.name} {reason}, which llama.cpp cannot apply.",
                hint=f'Use [model] engine = "{engine}".',
            )
    return [_gguf_adapter(layer, model, cache, sha256) for layer in layers]


def unfit(layer: Path) -> str:
    """Why llama.cpp cannot apply a folder; "" where it can."""
    if (layer / "model.safetensors").is_file():
        return "replaces every weight"
    config = read_config(layer)
    if config.get("use_dora"):
        return "has DoRA's magnitudes"
    kind = config.get("peft_type")
    return "" if kind == "LORA" else f"is of kind {kind}"


def _gguf_adapter(layer: Path, model: Path, cache: Path, sha256: str) -> Path:
    parts = [sha256, hash_file(layer / "adapter_config.json"), hash_file(weights_file(layer))]
    file = cache / "adapters" / f"{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:24]}.gguf"
    if not file.is_file():
        with writing_cache(), ending.scratch(file.parent, "writing-") as scratch:
            write_gguf_lora(layer, model, scratch / file.name)
            (scratch / file.name).replace(file)
    return file


def _why(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"its process was ended by signal {-done.returncode}. {done.stderr.strip()[-_SAID:]}"
    try:
        return str(json.loads(done.stdout)["error"])
    except (ValueError, KeyError):
        return done.stderr.strip()[-_SAID:] or f"its process ended with code {done.returncode}."


def _try(file: Path) -> str:
    """Load a model and have it read one token; what is wrong with it, or ""."""
    try:
        model = LlamaModel(file)
    except ModelError as error:
        return str(error)
    functions: Library = library()
    if functions.model_has_encoder(model.handle):
        return "it has an encoder: it is no chat model."
    context = functions.init_from_model(model.handle, functions.context_settings(64, 64))
    if not context:
        return " ".join(functions.complaints) or "there is no memory for it."
    ids = np.zeros(1, np.int32)
    batch: Opaque = functions.batch_get_one(ids.ctypes.data, 1)
    return "" if functions.decode(context, batch) == 0 else "it cannot read a token."


if __name__ == "__main__":
    wrong = _try(Path(sys.argv[1]))
    sys.stdout.write(json.dumps({"error": wrong}))
    sys.stdout.flush()
    os._exit(1 if wrong else 0)
