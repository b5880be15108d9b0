"""What vLLM asks of a LoRA that it is to serve: https://docs.vllm.ai, `vllm.lora.peft_helper`."""

from __future__ import annotations

import json
from pathlib import Path

from acclimate.errors import SettingsError
from acclimate.models.foreign_adapters import read_config

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values of `--max-lora-rank`."""


def max_rank(folder: Path) -> int:
    """The least `--max-lora-rank` for an adapter. Raises SettingsError for a rank above all."""
    r = int(read_config(folder)["r"])
    fitting = [rank for rank in RANKS if rank >= r]
    if not fitting:
        raise SettingsError(f"the adapter's rank is {r}; vLLM takes {RANKS[-1]} at most.")
    return fitting[0]


def require_servable(folder: Path, base: str) -> None:
    """Raises SettingsError for what vLLM does not serve."""
    config = read_config(folder)
    if config.get("use_dora") or config.get("target_parameters"):
        what = "magnitudes (DoRA)" if config.get("use_dora") else "updates of experts' parameters"
        raise SettingsError(f"vLLM serves no {what} of an adapter.", hint="--to merged")
    if not base:
        raise SettingsError(
            "the base's hub id is not known, by which vLLM is to load it.",
            hint="--base ORG/NAME: the unquantised model that yours was made from.",
        )
    max_rank(folder)


def as_vllm_reads(folder: Path) -> None:
    """Write alpha as a whole number, as vLLM declares it, where it is one."""
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    if float(config["lora_alpha"]).is_integer():
        config["lora_alpha"] = int(config["lora_alpha"])
    file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def command(name: str, base: str, folder: Path) -> str:
    """How it is served."""
    return (
        f"vllm serve {base} --enable-lora --max-lora-rank {max_rank(folder)} "
        f"--lora-modules {name}=."
    )
