"""A model card from what is known: how it was trained, how it is asked, how it did. What nobody
told is not made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate._version import __version__
from acclimate.tuning.export import vllm
from acclimate.tuning.export.parity import Parity
from acclimate.types import Message

_LIBRARY = {"peft": "peft", "vllm": "peft", "merged": "transformers", "openvino": "openvino"}
_RELATION = {"peft": "adapter", "vllm": "adapter", "gguf-lora": "adapter", "ollama": "adapter"}


@dataclass(frozen=True, slots=True)
class Known:
    """What a card is written from.

    `base` is the base's hub id ("" where it is not known) and `model` its name here; `licence` the
    base's, "" where it is not known. `prompt` is what the adapter is asked for an example. `results`
    are lines of a comparison.
    """

    name: str
    model: str
    base: str
    licence: str
    recipe: str
    adapter: Path
    prompt: Sequence[Message] = ()
    results: Sequence[str] = ()


def write_card(known: Known, form: str, folder: Path, parity: Parity) -> str:
    """The card of an export of `form` in `folder`, as Markdown with the hub's metadata."""
    parts = [
        _metadata(known, form),
        f"# {known.name}\n\n{_what(known, form)}",
        _use(known, form, folder),
        _asked(known),
        _training(known),
        _results(known),
        _checked(parity),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(known: Known, form: str) -> str:
    lines = ["---"]
    if known.base:
        lines.append(f"base_model: {known.base}")
        lines.append(f"base_model_relation: {_RELATION.get(form, 'finetune')}")
    if form in _LIBRARY:
        lines.append(f"library_name: {_LIBRARY[form]}")
    lines.append("pipeline_tag: text-generation")
    if known.licence:
        lines.append(f"license: {known.licence.lower()}")
    tags = ["acclimate", *(["lora"] if form in _RELATION else [])]
    return "\n".join([*lines, "tags:", *(f"- {tag}" for tag in tags), "---"])


def _what(known: Known, form: str) -> str:
    base = f"[{known.base}](https://huggingface.co/{known.base})" if known.base else known.model
    kind = "An adapter for" if form in _RELATION else "Made from"
    ends = (
        f" The base's licence is {known.licence}."
        if known.licence
        else " The base's licence is not known here."
    )
    return (
        f"{kind} {base}, tuned with Acclimate {__version__} (`acclimate tune "
        f"{known.adapter.name}`).{ends} Neither the documents nor the questions that it was "
        f"trained on are part of it."
    )


def _use(known: Known, form: str, folder: Path) -> str:
    code: dict[str, Callable[[], str]] = {
        "peft": lambda: _peft(known),
        "vllm": lambda: f"```bash\n{vllm.command(known.name, known.base, folder)}\n```",
        "ollama": lambda: (
            f"```bash\nollama create {known.name} -f Modelfile\nollama run {known.name}\n```"
        ),
        "merged": lambda: (
            "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            'model = AutoModelForCausalLM.from_pretrained(".")\n'
            'tokenizer = AutoTokenizer.from_pretrained(".")\n```'
        ),
    }
    return f"## Use\n\n{code[form]()}" if form in code else ""


def _peft(known: Known) -> str:
    base = known.base or known.model
    return (
        "```python\nfrom peft import PeftModel\nfrom transformers import AutoModelForCausalLM\n\n"
        f'base = AutoModelForCausalLM.from_pretrained("{base}")\n'
        'model = PeftModel.from_pretrained(base, ".")\n```'
    )


def _asked(known: Known) -> str:
    """An adapter that is asked otherwise than it was trained loses most of what it learnt."""
    if not known.prompt:
        return ""
    shown = json.dumps(
        [{"role": one.role, "content": _shortened(one.content)} for one in known.prompt],
        ensure_ascii=False,
        indent=2,
    )
    return f"## How it is asked\n\nAsk it as it was trained, for example:\n\n```json\n{shown}\n```"


def _shortened(text: str, most: int = 1200) -> str:
    return text if len(text) <= most else f"{text[:most]} …"


def _training(known: Known) -> str:
    trained, data = (_read(known.adapter / name) for name in ("training.json", "data.json"))
    if not trained:
        return ""
    plan, forgetting = trained.get("plan", {}), trained.get("forgetting", {})
    lines = [
        f"- {trained['cases']} cases ({_source(data)}), {trained['steps']} steps in "
        f"{trained['seconds'] / 60:.1f} minutes; {trained['parameters'] / 1e6:.2f} M parameters",
        f"- dev loss {trained['loss_before']:.3f} before, {trained['loss_after']:.3f} after",
    ]
    lines += [f"- {reason}" for reason in plan.get("reasons", ())]
    if before := forgetting.get("before"):
        after = forgetting["after"]
        lines.append(
            f"- general ability: perplexity {before['perplexity']:.1f} before, "
            f"{after['perplexity']:.1f} after; general questions {before['questions']:.0%} before, "
            f"{after['questions']:.0%} after"
        )
    return "## Training\n\n" + "\n".join(lines)


def _source(data: Mapping[str, Any]) -> str:
    """Where they came from, without the folders of somebody's machine."""
    return Path(str(data.get("source") or "questions")).name


def _read(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return read


def _results(known: Known) -> str:
    return "## Results\n\n" + "\n".join(known.results) if known.results else ""


def _checked(parity: Parity) -> str:
    return (
        f"## Checked\n\n{parity.same} of {parity.answers} answers are those of the model that was "
        f"tuned, in {parity.runtime}; log-probabilities differ by {parity.difference:.3f} on "
        f"average, where the tuning changes them by {parity.effect:.2f}."
    )
