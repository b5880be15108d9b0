"""llama.cpp's own C interface (llama.h), as the wheel of xllamacpp carries and exports it.

The package's `Server` is not used: it opens a listening socket, takes SIGINT and SIGTERM for
itself, and wants text. The C interface needs none of that. Structures are passed through as they
are, so that hardly a field need be known: the first three of a context's settings are written,
which have been the first since there is such a structure, and how a model is loaded; the defaults
that stand there are looked at before.

Interface: https://github.com/ggml-org/llama.cpp/blob/master/include/llama.h
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Any

from acclimate.errors import ModelError
from acclimate.system.platforms import usable_cores

log = logging.getLogger(__name__)
_Pointer = ctypes.c_void_p
_Int = ctypes.c_int32
_WARNING, _ERROR, _GOES_ON = 3, 4, 5  # ggml_log_level
_DEFAULTS = (512, 2048, 512)  # n_ctx, n_batch, n_ubatch
# Of a model's settings, in words of 32 bits: two pointers, n_gpu_layers, split_mode, load_mode,
# lazy_mode.
_MODEL_DEFAULTS = (0, 0, 0, 0, -1, 1, -1, 1)
_LOAD_MODE, _READ = 6, 0
_KEPT = 8  # last warnings and errors, for messages
_INSTALL = "pip install 'xllamacpp>=2026.10'"


class Opaque(ctypes.Structure):
    """A structure of llama.h that is only passed on: longer than any of them, as what is too much
    is never read."""

    _fields_ = [("bytes", ctypes.c_uint8 * 512)]  # ctypes wants a list


class TokenData(ctypes.Structure):
    """llama_token_data."""

    _fields_ = [("id", _Int), ("logit", ctypes.c_float), ("p", ctypes.c_float)]


class TokenDataArray(ctypes.Structure):
    """llama_token_data_array."""

    _fields_ = [
        ("data", ctypes.POINTER(TokenData)),
        ("size", ctypes.c_size_t),
        ("selected", ctypes.c_int64),
        ("sorted", ctypes.c_bool),
    ]


_FLOATS = ctypes.POINTER(ctypes.c_float)
_TEXT, _BOOL = ctypes.c_char_p, ctypes.c_bool
_SIGNATURES: dict[str, tuple[Any, ...]] = {  # result, arguments
    "llama_backend_init": (None,),
    "llama_model_default_params": (Opaque,),
    "llama_context_default_params": (Opaque,),
    "llama_model_load_from_file": (_Pointer, _TEXT, Opaque),
    "llama_model_free": (None, _Pointer),
    "llama_model_get_vocab": (_Pointer, _Pointer),
    "llama_model_n_ctx_train": (_Int, _Pointer),
    "llama_model_chat_template": (_TEXT, _Pointer, _TEXT),
    "llama_model_meta_val_str": (_Int, _Pointer, _TEXT, _Pointer, ctypes.c_size_t),
    "llama_model_has_encoder": (_BOOL, _Pointer),
    "llama_init_from_model": (_Pointer, _Pointer, Opaque),
    "llama_free": (None, _Pointer),
    "llama_set_n_threads": (None, _Pointer, _Int, _Int),
    "llama_get_memory": (_Pointer, _Pointer),
    "llama_memory_seq_rm": (_BOOL, _Pointer, _Int, _Int, _Int),
    "llama_memory_seq_pos_max": (_Int, _Pointer, _Int),
    "llama_memory_clear": (None, _Pointer, _BOOL),
    "llama_batch_get_one": (Opaque, _Pointer, _Int),
    "llama_decode": (_Int, _Pointer, Opaque),
    "llama_get_logits_ith": (_FLOATS, _Pointer, _Int),
    "llama_adapter_lora_init": (_Pointer, _Pointer, _TEXT),
    "llama_set_adapters_lora": (_Int, _Pointer, _Pointer, ctypes.c_size_t, _Pointer),
    "llama_vocab_n_tokens": (_Int, _Pointer),
    "llama_vocab_get_text": (_TEXT, _Pointer, _Int),
    "llama_vocab_get_attr": (_Int, _Pointer, _Int),
    "llama_vocab_is_eog": (_BOOL, _Pointer, _Int),
    "llama_vocab_get_add_bos": (_BOOL, _Pointer),
    "llama_vocab_bos": (_Int, _Pointer),
    "llama_vocab_eos": (_Int, _Pointer),
    "llama_tokenize": (_Int, _Pointer, _TEXT, _Int, _Pointer, _Int, _BOOL, _BOOL),
    "llama_token_to_piece": (_Int, _Pointer, _Int, _Pointer, _Int, _Int, _BOOL),
    "llama_sampler_init_grammar": (_Pointer, _Pointer, _TEXT, _TEXT),
    "llama_sampler_apply": (None, _Pointer, ctypes.POINTER(TokenDataArray)),
    "llama_sampler_accept": (None, _Pointer, _Int),
    "llama_sampler_free": (None, _Pointer),
}
_LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class Library:
    """The functions of llama.h by their names without `llama_`, typed; `complaints` are its last
    warnings."""

    def __init__(self, file: Path) -> None:
        self.complaints: deque[str] = deque(maxlen=_KEPT)
        self._level = 0
        loaded = _open(file)
        try:
            for name, (result, *arguments) in _SIGNATURES.items():
                function = getattr(loaded, name)
                function.restype, function.argtypes = result, arguments
                setattr(self, name.removeprefix("llama_"), function)
            self._heard = _LogCallback(self._hear)  # kept: C holds it from now on
            loaded.llama_log_set.argtypes = [_LogCallback, _Pointer]
            loaded.llama_log_set(self._heard, None)
        except AttributeError as error:
            raise ModelError(f"this xllamacpp does not export {error}.", hint=_INSTALL) from error
        self.backend_init()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def context_settings(self, tokens: int, batch: int) -> Opaque:
        """Settings of a context with room for `tokens`, that reads up to `batch` of them at a
        time."""
        settings: Opaque = self.context_default_params()
        first = (ctypes.c_uint32 * 3).from_buffer(settings)
        if tuple(first) != _DEFAULTS:
            raise ModelError(
                "this xllamacpp orders a context's settings in another way.", hint=_INSTALL
            )
        first[:] = [tokens, batch, batch]
        return settings

    def model_settings(self) -> Opaque:
        """Settings that read a model's file instead of mapping it.

        Weights are put in another order for the CPU anyway; mapped, they would be in memory twice.
        """
        settings: Opaque = self.model_default_params()
        first = (ctypes.c_int32 * len(_MODEL_DEFAULTS)).from_buffer(settings)
        if tuple(first) != _MODEL_DEFAULTS:
            raise ModelError(
                "this xllamacpp orders a model's settings in another way.", hint=_INSTALL
            )
        first[_LOAD_MODE] = _READ
        return settings

    def _hear(self, level: int, text: bytes, _data: int | None) -> None:
        self._level = self._level if level == _GOES_ON else level
        line = text.decode(errors="replace").strip()
        if not line.strip("."):
            return
        log.debug("%s", line)
        if self._level in (_WARNING, _ERROR):
            self.complaints.append(line)


@lru_cache(maxsize=1)
def library() -> Library:
    """The library, loaded once. Raises ModelError where it is not installed."""
    spec = importlib.util.find_spec("xllamacpp")
    found = sorted(Path(spec.origin).parent.glob("xllamacpp*.so")) if spec and spec.origin else []
    if not found:
        raise ModelError("engine 'llamacpp' needs the package xllamacpp.", hint=_INSTALL)
    return Library(found[0])


def _open(file: Path) -> ctypes.CDLL:
    """Load it with threads that sleep while they wait for each other: those that spin take up to
    six times the time on a machine where others work too. OpenMP reads this when it is loaded, and
    never again."""
    name = "OMP_WAIT_POLICY"
    before = os.environ.get(name)
    os.environ.setdefault(name, "passive")
    try:
        return ctypes.CDLL(str(file))
    except OSError as error:
        raise ModelError(f"xllamacpp cannot be loaded: {error}.", hint=_INSTALL) from error
    finally:
        if before is None:
            del os.environ[name]


def threads() -> int:
    """Threads that are worth it: one for each core; a core's second thread only disturbs."""
    return usable_cores()
