"""Trains a tiny network: `python sharded_run.py FOLDER SHARD`, the base spread over the processes or not. Run by a
test, also by two processes together."""

import json
import os
import sys
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from acclimate.tuning.packing import Example, pack
from acclimate.tuning.trainer import Trainer, TrainSettings


def train(folder, *, shard, checkpointing):
    """Three steps; the losses before and after, and how many of the base's numbers this process holds."""
    torch.manual_seed(1)
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    network = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=4))
    settings = TrainSettings(
        steps=3, r=2, alpha=4, batch=2, learning_rate=1e-2, shard=shard, checkpointing=checkpointing
    )
    trainer = Trainer(network, "tiny", folder, settings)
    dev = [pack([Example((1, 2, 5), (3, 4))], 99)]
    before = trainer.dev_loss(dev)

    def sample(rng):
        words = rng.choices(range(60), k=8)
        return pack([Example(tuple(words[:5]), tuple(words[5:]))], 99)

    trainer.run(sample, dev)
    held = sum(
        one.to_local().numel() if hasattr(one, "to_local") else one.numel()
        for one in network.model.layers.parameters()
        if not one.requires_grad
    )
    return {"before": before, "after": trainer.dev_loss(dev), "held": held}


if __name__ == "__main__":
    found = {
        str(checkpointing): train(
            Path(sys.argv[1]) / str(checkpointing),
            shard=sys.argv[2] == "shard",
            checkpointing=checkpointing,
        )
        for checkpointing in (False, True)
    }
    rank = os.environ.get("RANK", "0")
    (Path(sys.argv[1]) / f"found-{rank}.json").write_text(json.dumps(found))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
