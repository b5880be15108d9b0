"""Trains a tiny network: `python tiny_run.py FOLDER STEPS PAUSE_S`. Run by tests, also in processes that they kill."""

import sys
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from acclimate.tuning.packing import Example, pack
from acclimate.tuning.trainer import Trainer, TrainSettings


def train(folder, steps, pause=0.0):
    """A checkpoint is written after every step."""
    torch.manual_seed(1)
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    network = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=4))
    chosen = TrainSettings(steps=steps, r=2, alpha=4, batch=2, checkpoint_minutes=0, patience=99)
    trainer = Trainer(network, "tiny", folder, chosen)

    def sample(rng):
        time.sleep(pause)
        return pack([Example(tuple(rng.choices(range(60), k=5)), tuple(rng.choices(range(60), k=3)))], 99)

    trainer.run(sample, [pack([Example((1, 2), (3,))], 99)])
    return trainer


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
