"""One training run from cases to an adapter on the disk, with a record of how it came about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM

from acclimate.errors import ModelError
from acclimate.models.chat import ChatFormat
from acclimate.models.gguf import read_info, read_tokenizer
from acclimate.tuning.cases import Case, CaseSampler
from acclimate.tuning.curve import loss_curve
from acclimate.tuning.lora import load_adapter
from acclimate.tuning.trainer import OnStep, Trainer, TrainSettings
from acclimate.types import Message

_DEV = 12  # cases whose loss is watched


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run did. Losses are means over the answers' tokens of the dev cases; `seconds` is time spent training."""

    folder: Path
    base: str
    cases: int
    steps: int
    seconds: float
    parameters: int
    loss_before: float
    loss_after: float
    settings: TrainSettings


def train(
    model: Path,
    base: str,
    cases: Sequence[Case],
    dev: Sequence[Case],
    folder: Path,
    settings: TrainSettings,
    *,
    start: Path | None = None,
    on_step: OnStep | None = None,
) -> tuple[Trained, Trainer]:
    """Train a LoRA for the GGUF file `model` on `cases`, watching `dev`, in `folder`; it goes on where it was stopped.

    `start` is an adapter of the same shape to go on from. Raises ModelError where the model cannot be trained, and
    SettingsError for cases that cannot be learnt.
    """
    if model.suffix != ".gguf":
        raise ModelError(
            f"{model.name} is no GGUF file; only those can be tuned yet.", hint="Use the GGUF of the model."
        )
    info = read_info(model)
    chat = ChatFormat(read_tokenizer(model), info.chat_template, info.bos)
    sampler = CaseSampler(cases, chat, info.context_tokens)
    watched = CaseSampler(dev[:: max(1, len(dev) // _DEV)][:_DEV], chat, info.context_tokens).all()
    notes: Any = transformers.utils.logging
    notes.set_verbosity_error()  # its notes on loading are not for users
    notes.disable_progress_bar()
    network = AutoModelForCausalLM.from_pretrained(
        model.parent, gguf_file=model.name, dtype=torch.bfloat16, attn_implementation="sdpa"
    )
    trainer = Trainer(network, base, folder, settings)
    if start is not None and not trainer.step:
        load_adapter(network, start)
    trainer.run(sampler, watched, on_step)
    load_adapter(network, folder / "adapter")  # the best state, which need not be the last
    losses = [row["dev_loss"] for row in _log(folder) if "dev_loss" in row]
    done = Trained(
        folder=folder / "adapter",
        base=base,
        cases=len(cases),
        steps=trainer.step,
        seconds=trainer.seconds,
        parameters=sum(parameter.numel() for parameter in trainer.parameters),
        loss_before=losses[0],
        loss_after=min(losses),
        settings=settings,
    )
    (done.folder / "training.json").write_text(json.dumps(asdict(done), default=str, indent=2) + "\n", encoding="utf-8")
    (done.folder / "loss.svg").write_text(loss_curve(_log(folder)), encoding="utf-8")
    return done, trainer


def greedy(trainer: Trainer, model: Path, messages: Sequence[Message], max_tokens: int) -> str:
    """What the trained network itself answers, to hold the served adapter to."""
    info = read_info(model)
    chat = ChatFormat(read_tokenizer(model), info.chat_template, info.bos)
    step, cache = torch.tensor([chat.encode(messages)]), None
    written: list[int] = []
    with torch.inference_mode():
        while len(written) < max_tokens:
            output = trainer.model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache, token = output.past_key_values, int(output.logits[0, -1].argmax())
            if token in info.stop_ids:
                break
            written.append(token)
            step = torch.tensor([[token]])
    text: str = chat.tokenizer.decode(written, skip_special_tokens=True)
    return text


def _log(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
