"""What was tuned, in the formats that others run: each is loaded again and compared with what is
served, then kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino_genai as genai

from acclimate.errors import EngineError, MissingExtraError, ModelError, SettingsError
from acclimate.models.adapters import OWN_TEMPLATE, layers_of, served_by
from acclimate.models.base_ids import name_base
from acclimate.models.chat import ChatFormat
from acclimate.models.foreign_adapters import read_config
from acclimate.models.gguf import read_info, read_tokenizer
from acclimate.models.gguf_lora import write_gguf_lora
from acclimate.models.merge import Precision, rewrite
from acclimate.models.openvino import build
from acclimate.models.transformers import read_model
from acclimate.system import ending
from acclimate.tuning.export import ollama, vllm
from acclimate.tuning.export.parity import (
    Parity,
    ParitySample,
    Runtime,
    distance,
    measure_parity,
    rows,
)
from acclimate.tuning.export.runtimes import PRECISE, Graph, LlamaCpp, Network, has_llamacpp
from acclimate.types import Message

ANSWER_TOKENS = 24
"""Most tokens of an answer that is compared."""
LEAST_EFFECT = 0.2
"""Mean |Δ log p| that the tuning must make, for a check to tell it from none."""

# Digits, spaces, accents, other scripts: where tokenizers are known to differ.
_PROBE = "A pump\u2019s naïve 1,085 °C: 30\u202f% \u2013 東京\n\n  def f(x): return x**2"


@dataclass(frozen=True, slots=True)
class ExportSource:
    """What is exported: a tuned folder and the main file of the model that it was trained for;
    `cache` is that of the engine. `base` is the hub id of its unquantised weights ("" where it is
    not known), `system` the message that all prompts begin with."""

    model: Path
    adapter: Path
    cache: Path
    precision: Precision = "Q8_0"
    base: str = ""
    system: str = ""

    @property
    def gguf(self) -> bool:
        """Whether the base is a GGUF file, else a folder of safetensors."""
        return self.model.suffix == ".gguf"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how it compares with what is served; `pushed` is the address of what
    was uploaded, if it was."""

    path: Path
    form: str
    adapter: str
    size_mb: float
    parity: Parity
    pushed: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A format: `kinds` are what it can hold, `alone` whether a single adapter only, `extra` what
    must be installed, `folders` whether a base of safetensors can be written so."""

    kinds: tuple[str, ...]
    alone: bool
    extra: str
    write: Callable[[ExportSource, Path], None]
    run: Callable[[ExportSource, Path, int], Runtime]
    folders: bool = False


def _write_peft(source: ExportSource, target: Path) -> None:
    target.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors", OWN_TEMPLATE):
        if (source.adapter / name).exists():
            shutil.copyfile(source.adapter / name, target / name)
    name_base(target, source.base)


def _write_vllm(source: ExportSource, target: Path) -> None:
    vllm.require_servable(source.adapter, source.base)
    _write_peft(source, target)
    vllm.as_vllm_reads(target)


def _write_ollama(source: ExportSource, target: Path) -> None:
    target.mkdir()
    info = read_info(source.model)
    chat = ChatFormat(read_tokenizer(source.model), info.chat_template, info.bos)
    alone = _plain_lora(source)
    text = ollama.modelfile(chat, info, source.system, adapter=alone)
    (target / "Modelfile").write_text(text, encoding="utf-8")
    if alone:
        ollama.place_model(source.model, target)
        write_gguf_lora(source.adapter, source.model, target / ollama.ADAPTER)
    else:
        FORMS["gguf"].write(source, target / ollama.MODEL)


def _run_ollama(_: ExportSource, target: Path, tokens: int) -> Runtime:
    """What Ollama runs: llama.cpp, with these files."""
    adapter = target / ollama.ADAPTER
    return LlamaCpp(target / ollama.MODEL, adapter if adapter.exists() else None, tokens)


def _plain_lora(source: ExportSource) -> bool:
    """Whether it is one LoRA that llama.cpp can put on its base."""
    folders = layers_of(source.adapter)
    alone = len(folders) == 1 and _kind(folders[0]) == "LORA"
    return alone and not read_config(source.adapter).get("use_dora")


def _write_merged(source: ExportSource, target: Path) -> None:
    import transformers  # the extra `tune`

    with closing(Network(source.model, source.adapter)) as network:
        network.save(target)
    make: Any = transformers.PreTrainedTokenizerFast
    if not source.gguf:
        own: Any = transformers.AutoTokenizer.from_pretrained(source.model.parent)
        own.save_pretrained(target)
        return
    info, tokenizer = read_info(source.model), read_tokenizer(source.model)
    names = {"eos_token": tokenizer.id_to_token(min(info.stop_ids)), "bos_token": info.bos or None}
    kept = make(tokenizer_object=tokenizer, **names)
    kept.chat_template = info.chat_template
    kept.save_pretrained(target)


def _write_openvino(source: ExportSource, target: Path) -> None:
    folder = build(source.model, source.cache, source.adapter)
    shutil.copytree(
        folder, target, ignore=shutil.ignore_patterns("info.json", "tokenizer.json", "compiled")
    )


def _run_openvino(source: ExportSource, target: Path, _: int) -> Runtime:
    """The graph, once OpenVINO GenAI has loaded the folder. Raises ModelError where that reads text
    as other tokens."""
    expected = read_tokenizer(source.model).encode(_PROBE).ids
    try:
        pipeline = genai.LLMPipeline(target, "CPU")
        found = pipeline.get_tokenizer().encode(_PROBE, add_special_tokens=False).input_ids.data[0]
        pipeline.generate(_PROBE, max_new_tokens=1)
    except RuntimeError as error:
        raise ModelError(
            f"OpenVINO GenAI cannot run the export: {str(error).strip().splitlines()[-1]}"
        ) from error
    if list(found) != expected:
        raise ModelError(
            "OpenVINO GenAI's tokenizer reads a text as other tokens than the model's."
        )
    return Graph(target, {})


_ANY = ("LORA", "IA3", "BITFIT", "LN_TUNING", "FULL")
_VIRTUAL = ("PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING")
FORMS = {
    "peft": Form(
        ("LORA", "IA3", "BITFIT", "LN_TUNING", "BOTTLENECK", *_VIRTUAL),
        alone=True,
        extra="tune",
        write=_write_peft,
        run=lambda source, target, _: Network(source.model, target),
        folders=True,
    ),
    "vllm": Form(
        ("LORA",),
        alone=True,
        extra="tune",
        write=_write_vllm,
        run=lambda source, target, _: Network(source.model, target),
        folders=True,
    ),
    "ollama": Form(_ANY, alone=False, extra="export", write=_write_ollama, run=_run_ollama),
    "gguf-lora": Form(
        ("LORA",),
        alone=True,
        extra="export",
        write=lambda source, target: write_gguf_lora(source.adapter, source.model, target),
        run=lambda source, target, tokens: LlamaCpp(source.model, target, tokens),
    ),
    "gguf": Form(
        _ANY,
        alone=False,
        extra="export",
        write=lambda source, target: rewrite(
            source.model, target, source.adapter, source.precision, for_genai=False
        ),
        run=lambda _, target, tokens: LlamaCpp(target, None, tokens),
    ),
    "openvino": Form(
        (*_ANY, "BOTTLENECK"),
        alone=False,
        extra="",
        write=_write_openvino,
        run=_run_openvino,
    ),
    "merged": Form(
        ("LORA", "IA3", "LN_TUNING", "FULL"),
        alone=False,
        extra="tune",
        write=_write_merged,
        run=lambda _, target, __: Network(target),
        folders=True,
    ),
}


def export(
    source: ExportSource,
    name: str,
    target: Path,
    prompts: Sequence[Sequence[Message]],
    card: Callable[[Path, Parity], str] | None = None,
) -> Exported:
    """Write the format `name` to `target`, once it has answered `prompts` as what is served does;
    a folder gets the `card` that is written from it.

    Raises SettingsError where `target` is there already or cannot hold this method,
    MissingExtraError where nothing can run the format, ModelError where the adapter does not fit
    the model, and EngineError, leaving nothing behind, where the export differs from what is
    served, or the prompts cannot tell.
    """
    form = FORMS[name]
    if target.exists():
        raise SettingsError(f"{target} exists already.", hint="Remove it, or choose another place.")
    if form.extra == "export" and not has_llamacpp():
        raise MissingExtraError(f"checking a '{name}' export by llama.cpp", "export")
    _require_expressible(source, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with ending.scratch(target.parent, ".export-") as scratch:
        part = scratch / target.name
        form.write(source, part)
        parity = _check(source, form, part, prompts)
        if card is not None and part.is_dir():
            (part / "README.md").write_text(card(part, parity), encoding="utf-8")
        part.replace(target)
    files = [target] if target.is_file() else sorted(target.rglob("*"))
    return Exported(
        target, name, source.adapter.name, sum(file.stat().st_size for file in files) / 1e6, parity
    )


def _require_expressible(source: ExportSource, name: str) -> None:
    """Raises SettingsError where the format has no place for what was tuned."""
    form, folders = FORMS[name], layers_of(source.adapter)
    if not source.gguf and not form.folders:
        able = [other for other, one in FORMS.items() if one.folders]
        raise SettingsError(
            f"'{name}' is made from a GGUF file; {source.adapter.name} was tuned on a folder of "
            f"safetensors.",
            hint=f"--to {' or '.join(able)}. Or name the GGUF of the same model as [model] name.",
        )
    kinds = [_kind(folder) for folder in folders]
    fitting = [other for other, one in FORMS.items() if all(kind in one.kinds for kind in kinds)]
    fitting = [other for other in fitting if len(folders) == 1 or not FORMS[other].alone]
    if name == "gguf-lora" and kinds == ["LORA"] and read_config(source.adapter).get("use_dora"):
        fitting.remove(name)
    if name in fitting:
        return
    above = " above another adapter" if len(folders) > 1 and form.alone else ""
    raise SettingsError(
        f"'{name}' cannot hold {source.adapter.name}, a {kinds[-1]} adapter{above}.",
        hint=f"--to {' or '.join(fitting)}" if fitting else "acclimate serve",
    )


def _kind(folder: Path) -> str:
    if (folder / "model.safetensors").is_file():
        return "FULL"
    return str(read_config(folder).get("peft_type"))


def _check(
    source: ExportSource, form: Form, part: Path, prompts: Sequence[Sequence[Message]]
) -> Parity:
    read = read_model(source.model)
    stops = sorted(read.stop_ids)
    with closing(_served(source)) as served:
        samples = [_sample(served, read.chat.encode(prompt), stops) for prompt in prompts]
    effect = _effect(source, samples)
    longest = max(len(sample.prompt) + len(sample.answer) for sample in samples)
    with closing(form.run(source, part, longest + 8)) as runtime:
        parity = measure_parity(runtime, samples, effect)
    if not parity.holds:
        raise EngineError(
            f"the export differs from what is served: in {parity.runtime} {parity.same} of "
            f"{parity.answers} answers "
            f"are the same, log-probabilities differ by {parity.difference:.3f} (the adapter's "
            f"whole effect is "
            f"{effect:.3f}). It is not kept.",
            hint="Report this as a bug.",
        )
    return parity


def _served(source: ExportSource) -> Graph | Network:
    """What is served, in float32."""
    if not source.gguf or served_by(source.adapter) == "transformers":
        return Network(source.model, source.adapter)
    return Graph(build(source.model, source.cache, source.adapter), PRECISE)


def _base(source: ExportSource) -> Graph | Network:
    """The same without what was tuned."""
    if not source.gguf:
        return Network(source.model)
    return Graph(build(source.model, source.cache), PRECISE)


def _sample(
    served: Graph | Network, prompt: Sequence[int], stop_ids: Sequence[int]
) -> ParitySample:
    answer = served.greedy(prompt, ANSWER_TOKENS, stop_ids)
    return ParitySample(tuple(prompt), answer, served.log_probs(prompt, answer))


def _effect(source: ExportSource, samples: Sequence[ParitySample]) -> float:
    """How far the model is from its base. Raises EngineError where that is too little to tell
    anything by."""
    with closing(_base(source)) as base:
        found = [distance(one, rows(base.log_probs(one.prompt, one.answer))) for one in samples]
    effect = sum(found) / len(found)
    if effect < LEAST_EFFECT:
        raise EngineError(
            f"{source.adapter.name} changes the answers' log-probabilities by {effect:.3f} on "
            f"average, too little to "
            f"check an export by (at least {LEAST_EFFECT}).",
            hint="Train it longer, or ask questions like those that it was trained for.",
        )
    return effect
