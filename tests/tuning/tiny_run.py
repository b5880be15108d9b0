"""Trains a tiny network: `python tiny_run.py FOLDER STEPS HELD`, waiting for a line of input in the step HELD (0: in
none). Run by tests, also in processes that they end."""

import sys
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from acclimate.cli.signals import Signals
from acclimate.system.ending import Interrupted
from acclimate.tuning.packing import Example, pack
from acclimate.tuning.trainer import Trainer, TrainSettings


def train(folder, steps, held=0):
    """A checkpoint is written after every step."""
    torch.manual_seed(1)
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    network = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=4))
    chosen = TrainSettings(steps=steps, r=2, alpha=4, batch=2, checkpoint_minutes=0, patience=99)
    trainer = Trainer(network, "tiny", folder, chosen)

    told = []

    def sample(rng):
        if trainer.step + 1 == held and not told:
            told.append("held")
            print("held", flush=True)
            sys.stdin.readline()
        return pack(
            [Example(tuple(rng.choices(range(60), k=5)), tuple(rng.choices(range(60), k=3)))], 99
        )

    trainer.run(sample, [pack([Example((1, 2), (3,))], 99)])
    return trainer


if __name__ == "__main__":
    with Signals() as signals:
        try:
            train(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
        except Interrupted:
            sys.exit(signals.code)
