"""Language models on PyTorch and Transformers (extra `tune`): what the others are checked against,
and GPUs."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from acclimate.errors import EngineError, MissingExtraError, ModelError
from acclimate.models.adapters import layers_of, read_base, require_keys, served_by
from acclimate.models.base import OnText
from acclimate.models.chat import ChatFormat
from acclimate.models.gguf import read_info, read_tokenizer
from acclimate.models.grammar import grammar
from acclimate.models.local import ChatEngine, Loaded, require_room
from acclimate.types import Completion, Generation, Message

_NO_WINDOW = 131_072  # tokens

if TYPE_CHECKING:  # needs PyTorch
    from acclimate.models.virtual import Virtual


@dataclass(frozen=True, slots=True)
class Read(Loaded):
    """The same of files whose tokenizer is here as well."""

    chat: ChatFormat


class TransformersEngine(ChatEngine):
    """A GGUF file, or a folder with safetensors, config.json and tokenizer; optionally with a tuned
    folder.

    `device` None is the GPU where there is one, else the CPU; weights are of the type that it
    computes fastest (see `compute_type`), or float32 with `precise`.
    """

    _chat: ChatFormat

    def __init__(
        self,
        model: Path,
        *,
        adapter: Path | None = None,
        context_tokens: int | None = None,
        device: str | None = None,
        precise: bool = False,
    ) -> None:
        try:
            import torch  # the extra `tune`
            import transformers

            from acclimate.models.compute import compute_type
        except ImportError as error:
            raise MissingExtraError("the engine 'transformers'", "tune") from error
        self._torch = torch
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        gguf = model.suffix == ".gguf"
        where: dict[str, Any] = {"gguf_file": model.name} if gguf else {}
        folder = model.parent if model.is_file() else model
        dtype = torch.float32 if precise else compute_type(self._device)
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, **where
        )
        self._model = loaded
        self._virtual: Virtual | None = None
        for layer in layers_of(adapter) if adapter is not None else []:
            self._wear(layer)
        self._model.to(self._device).eval()
        read = read_model(model) if gguf else read_folder(folder)
        own = read.context_tokens
        self._chat, self._stop_ids = read.chat, set(read.stop_ids)
        self._context = min(context_tokens or own, own)
        self._name = (model.stem if gguf else folder.name) + (f"+{adapter.name}" if adapter else "")
        self._lock = threading.Lock()

    def _wear(self, adapter: Path) -> None:
        """Merge an adapter where it can be, else leave its layers in place, or keep its virtual
        tokens."""
        if (whole := adapter / "model.safetensors").is_file():
            from safetensors.torch import load_file

            require_keys(adapter, {name for name, _ in self._model.named_parameters()})
            self._model.load_state_dict(load_file(whole), strict=False)  # a tied head is not in it
            return
        import peft

        import acclimate.models.peft_tuners  # noqa: F401 -- makes them known to PEFT
        from acclimate.models.virtual import read_virtual

        dtype = next(self._model.parameters()).dtype
        with warnings.catch_warnings():
            # PEFT only warns of missing keys; the next line refuses them.
            warnings.simplefilter("ignore")
            worn = _load_peft(peft, self._model, adapter)
        wanted = peft.get_peft_model_state_dict(worn, save_embedding_layers=False)
        require_keys(adapter, set(wanted))
        if served_by(adapter) == "merged":
            self._model = worn.merge_and_unload()
            return
        with self._torch.inference_mode():
            found = read_virtual(worn.to(self._device, dtype).eval())
        self._virtual, self._model = found, worn.get_base_model()

    def count(self, messages: Sequence[Message]) -> int:
        """See `Engine`."""
        return len(self._chat.encode(messages))

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """See `Engine`."""
        ids = self._chat.encode(messages)
        require_room(self._name, len(ids), options.max_tokens, self._context)
        decoder, text, sent, written = DecodeStream(skip_special_tokens=True), "", 0, 0
        with self._lock, self._torch.inference_mode():
            for token in self.tokens(ids, options):
                written += 1
                if token in self._stop_ids:
                    return self._completion(text, sent, len(ids), written, on_text)
                text += decoder.step(self._chat.tokenizer, token) or ""
                ends = [place for stop in options.stop if (place := text.find(stop)) >= 0]
                if ends:
                    return self._completion(text[: min(ends)], sent, len(ids), written, on_text)
                # A stop string may have begun at the end of the text; that much is held back.
                ready = len(text) - max((len(stop) - 1 for stop in options.stop), default=0)
                if on_text is not None and ready > sent:
                    piece, sent = text[sent:ready], ready
                    if not on_text(piece):
                        return Completion(text[:sent], len(ids), written, "cancelled")
        done = self._completion(text, sent, len(ids), written, on_text)
        return Completion(done.text, done.prompt_tokens, written, "length")

    def close(self) -> None:
        """See `Engine`."""
        self._model = None

    def _completion(
        self, text: str, sent: int, read: int, written: int, on_text: OnText | None
    ) -> Completion:
        if on_text is not None and len(text) > sent:
            on_text(text[sent:])
        return Completion(text, read, written, "stop")

    def logits(self, prompt: Sequence[int], answer: Sequence[int]) -> Any:
        """[n, v] as float32: of every token, at each place of an answer of n tokens to a prompt,
        all as token ids."""
        ids = self._torch.tensor([[*prompt, *answer[:-1]]], device=self._device)
        with self._torch.inference_mode():
            output = self._model(**self._first_inputs(ids), logits_to_keep=len(answer))
        return output.logits[0].float().cpu().numpy()

    def save_network(self, folder: Path) -> None:
        """The network with what is merged into it, in bfloat16, as Transformers keeps models."""
        self._model.generation_config.eos_token_id = sorted(self._stop_ids)
        # It was dequantised, and Transformers refuses to save it all the same.
        self._model.hf_quantizer = None
        self._model.to(self._torch.bfloat16).save_pretrained(folder)

    def tokens(self, ids: list[int], options: Generation) -> Iterator[int]:
        """New tokens behind a prompt's one after another, at most `max_tokens`."""
        torch = self._torch
        generator = torch.Generator(self._device)
        if options.seed is not None:
            generator.manual_seed(options.seed)
        else:
            generator.seed()
        inputs = self._first_inputs(torch.tensor([ids], device=self._device))
        held = self._constraint(options) if options.schema else None
        for _ in range(options.max_tokens):
            with torch.inference_mode():
                output = self._model(**inputs, use_cache=True, logits_to_keep=1)
            logits = output.logits[0, -1].float()
            if held is not None:
                logits = held.mask(logits)
            token = (
                int(logits.argmax())
                if options.temperature == 0
                else _sample(torch, logits, options, generator)
            )
            if held is not None:
                held.take(token)
            yield token
            step = torch.tensor([[token]], device=self._device)
            inputs = {"input_ids": step, "past_key_values": output.past_key_values}

    def _first_inputs(self, ids: Any) -> dict[str, Any]:
        if self._virtual is None:
            return {"input_ids": ids}
        from acclimate.models.virtual import first_inputs

        return first_inputs(self._model, ids, self._virtual)

    def _constraint(self, options: Generation) -> _Constraint:
        return _Constraint(
            self._chat.tokenizer, min(self._stop_ids), grammar(options.schema, options.max_tokens)
        )


class _Constraint:
    """Holds tokens to a grammar, by llguidance."""

    def __init__(self, tokenizer: Tokenizer, stop: int, rules: str) -> None:
        import llguidance
        from llguidance.gbnf_to_lark import gbnf_to_lark

        vocabulary = llguidance.LLTokenizer(tokenizer.to_str(), eos_token=stop)
        self._matcher = llguidance.LLMatcher(vocabulary, gbnf_to_lark(rules))
        self._stop, self._size = stop, vocabulary.vocab_size

    def mask(self, logits: Any) -> Any:
        """`logits` [v] with -inf where a token would break the grammar."""
        allowed = np.unpackbits(
            np.frombuffer(self._matcher.compute_bitmask(), np.uint8),
            count=self._size,
            bitorder="little",
        )
        if self._matcher.is_error():
            raise EngineError(f"the grammar cannot be kept to: {self._matcher.get_error()}")
        # Also what the vocabulary is padded with.
        forbidden = logits.new_ones(len(logits), dtype=bool)
        forbidden[: self._size] = logits.new_tensor(allowed == 0, dtype=bool)
        return logits.masked_fill(forbidden, float("-inf"))

    def take(self, token: int) -> None:
        """Go on after a token that was written."""
        if token != self._stop and not self._matcher.consume_token(token):
            raise EngineError(f"the grammar cannot be kept to: {self._matcher.get_error()}")


def _sample(torch: Any, logits: Any, options: Generation, generator: Any) -> int:
    """Nucleus sampling (Holtzman et al., arXiv 1904.09751): the fewest likeliest tokens that reach
    `top_p`."""
    chances, order = (logits / options.temperature).softmax(-1).sort(descending=True)
    chances[(chances.cumsum(-1) - chances) >= options.top_p] = 0
    return int(order[torch.multinomial(chances, 1, generator=generator)])


def _load_peft(peft: Any, model: Any, adapter: Path) -> Any:
    """PEFT's own loading, its errors as ours. Raises ModelError where the adapter does not fit."""
    base = read_base(adapter)  # refuses pickles, which PEFT would open
    try:
        return peft.PeftModel.from_pretrained(model, str(adapter), autocast_adapter_dtype=False)
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{adapter.name}, which was trained for '{base or 'a model that it does not name'}', "
            f"does not fit "
            f"{model.config.name_or_path or type(model).__name__}: {reason}",
            hint="Use an adapter that was trained for this base model.",
        ) from error


def read_model(model: Path) -> Read:
    """What a GGUF file, or the folder around a safetensors file, says of its model. Raises
    ModelError where it has no chat template."""
    if model.suffix != ".gguf":
        return read_folder(model.parent)
    info = read_info(model)
    chat = ChatFormat(read_tokenizer(model), info.chat_template, info.bos)
    return Read(model.stem, info.context_tokens, chat, set(info.stop_ids))


def read_folder(folder: Path) -> Read:
    """What a folder of safetensors says of its model, read without its weights.

    Raises ModelError where its tokenizer has no chat template.
    """
    import transformers

    loaded: Any = transformers.AutoTokenizer.from_pretrained(folder)
    if not loaded.chat_template:
        raise ModelError(
            f"{folder} has no chat template.", hint="Use an '-Instruct' or '-chat' model."
        )
    config: Any = transformers.AutoConfig.from_pretrained(folder)
    generation: Any = transformers.GenerationConfig
    if (folder / "generation_config.json").is_file():
        ends = generation.from_pretrained(folder).eos_token_id
    else:
        ends = config.get_text_config().eos_token_id
    stops = {loaded.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    tokenizer: Tokenizer = loaded.backend_tokenizer
    # Of a folder the template alone writes the token that begins a text.
    begins = (loaded.bos_token or "") if "bos_token" in loaded.chat_template else ""
    return Read(
        folder.name,
        _window(config.get_text_config(), loaded.model_max_length),
        ChatFormat(tokenizer, loaded.chat_template, begins, loaded.eos_token or ""),
        stops,
    )


def _window(config: Any, told: int) -> int:
    """Most tokens that a model reads: by its positions, else (recurrent models have none) by its
    tokenizer's setting, else without limit."""
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        if found := getattr(config, name, None):
            return int(found)
    return min(told, _NO_WINDOW)
