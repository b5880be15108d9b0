"""A folder for `ollama create`: Modelfile, the model's GGUF file, and the adapter or the merged
weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from acclimate.models.chat import ChatFormat
from acclimate.models.gguf import ModelInfo
from acclimate.tuning.export.go_template import go_template

MODEL, ADAPTER = "model.gguf", "adapter.gguf"
_WINDOW = 8192  # tokens, unless the model reads fewer: Ollama's own default is less


def modelfile(chat: ChatFormat, info: ModelInfo, system: str, *, adapter: bool) -> str:
    """The Modelfile: the model's template in Go's language, the tokens that end an answer, greedy
    answers. `system` is the message that the adapter was trained below ("" for none).

    Raises ModelError where the template has no such form.
    """
    lines = [f"FROM ./{MODEL}", *([f"ADAPTER ./{ADAPTER}"] if adapter else [])]
    lines.append(f'TEMPLATE """{go_template(chat, info.bos)}"""')
    if system:
        lines.append(f'SYSTEM """{system}"""')
    ends = [chat.tokenizer.id_to_token(one) for one in info.stop_ids]
    lines += [f'PARAMETER stop "{end}"' for end in ends if end]
    lines += ["PARAMETER temperature 0", f"PARAMETER num_ctx {min(_WINDOW, info.context_tokens)}"]
    return "\n".join(lines) + "\n"


def place_model(model: Path, folder: Path) -> None:
    """The base beside the Modelfile, without a second copy where the file system allows it."""
    try:
        os.link(model, folder / MODEL)
    except OSError:
        shutil.copyfile(model, folder / MODEL)
