"""Runs that are killed, spread over processes, or no longer get better."""

import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from acclimate.testing.states import STATE_S
from acclimate.tuning.parallel import World

SCRIPT = Path(__file__).parent / "tiny_run.py"
train = runpy.run_path(str(SCRIPT))["train"]


def steps_done(folder):
    file = folder / "log.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [row["step"] for row in rows if "loss" in row]


def same(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=0, atol=0)


def test_each_step_is_judged_once(tmp_path):
    train(tmp_path, 3)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "dev_loss" in row] == [0, 1, 2, 3]


def test_a_run_killed_with_9_goes_on_exactly(tmp_path):
    with held_run(tmp_path / "stopped") as running:
        running.kill()
    assert steps_done(tmp_path / "stopped") == [1, 2, 3]
    goes_on_exactly(tmp_path)


def test_a_run_that_is_told_to_end_finishes_its_step_and_goes_on_exactly(tmp_path):
    with held_run(tmp_path / "stopped") as running:
        running.send_signal(signal.SIGTERM)
        running.stdin.write("go on\n")
        running.stdin.close()
        assert running.wait(STATE_S) == 143
    assert steps_done(tmp_path / "stopped") == [1, 2, 3, 4]
    with safe_open(tmp_path / "stopped" / "checkpoint.safetensors", "pt") as checkpoint:
        assert checkpoint.metadata()["step"] == "4"
    goes_on_exactly(tmp_path)


def held_run(folder):
    """A run that waits for its input in its fourth step."""
    command = [sys.executable, SCRIPT, folder, "8", "4"]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "held\n"
    return running


def goes_on_exactly(folder):
    train(folder / "stopped", 8)
    train(folder / "whole", 8)
    assert steps_done(folder / "stopped") == list(range(1, 9))
    for file in ("checkpoint.safetensors", "adapter/adapter_model.safetensors"):
        same(load_file(folder / "stopped" / file), load_file(folder / "whole" / file))


def test_two_processes_train_what_one_would(tmp_path):
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--master-port=29517",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*launcher, SCRIPT, tmp_path / "two", "4", "0"],
        check=True,
        env=environment,
        capture_output=True,
    )
    train(tmp_path / "one", 4)
    assert steps_done(tmp_path / "two") == [1, 2, 3, 4]
    one, two = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], rtol=1e-4, atol=1e-5)


def test_a_run_that_no_longer_gets_better_ends(tmp_path):
    module = runpy.run_path(str(SCRIPT))
    network, pack, example = module["LlamaForCausalLM"], module["pack"], module["Example"]
    torch.manual_seed(1)
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    chosen = module["TrainSettings"](
        steps=50, r=2, alpha=4, batch=1, learning_rate=1e-12, checkpoint_minutes=0, patience=2
    )
    trainer = module["Trainer"](
        network(module["LlamaConfig"](**sizes, num_attention_heads=4)), "tiny", tmp_path, chosen
    )
    one = pack([example((1, 2), (3,))], 99)
    trainer.run(lambda rng: one, [one])
    assert trainer.step == 2


def test_processes_share_a_step_by_what_its_sequences_cost() -> None:
    costs = [900, 100, 800, 200, 50]
    shares = [
        World(rank, 2, torch.device("cpu")).share(["a", "b", "c", "d", "e"], costs)
        for rank in range(2)
    ]
    assert shares == [["c", "d", "e"], ["a", "b"]]
    assert World(0, 1, torch.device("cpu")).share(["a", "b"], [1, 2]) == ["a", "b"]
