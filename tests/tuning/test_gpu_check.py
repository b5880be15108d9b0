"""`scripts/gpu-check --cpu`: every check runs and passes on a tiny model; without a GPU it says so."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


def gpu_check(*arguments):
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.gpu_check", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_all_checks_pass_on_a_cpu(tiny_file, tmp_path):
    done = gpu_check("--cpu", "--model", tiny_file("llama"), "--to", tmp_path / "table.md")
    page = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert page.count("| ok |") == len(page.splitlines()) - 6
    for name in ("packing", "4 bits", "method qlora", "method full", "served by Transformers"):
        assert f"| {name} | ok |" in page


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    done = gpu_check()
    assert done.returncode == 1
    assert "no GPU here" in done.stderr
    assert "--cpu" in done.stderr
