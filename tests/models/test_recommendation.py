"""The recommendation follows memory, disk and speed, and its scores are those that were kept."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from acclimate.models import recommendation
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.choice import engine_for
from acclimate.models.recommendation import SCORES, Machine, measure_machine, recommend

RESULTS = Path(__file__).parents[2] / "benchmarks/results/answering.jsonl"
LAPTOP = Machine(
    cores=4,
    instructions="avx2",
    bf16=False,
    free_gb=16.0,
    disk_gb=100.0,
    gflops=400.0,
    gb_per_s=12.0,
)


@pytest.fixture(autouse=True)
def nothing_here(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))


def rows(machine, seconds=recommendation.SECONDS):
    return {row.name: row for row in recommend(machine, seconds).models}


def test_every_language_model_has_a_row_in_order_of_size():
    found = recommend(LAPTOP)
    names = [entry.name for entry in CATALOGUE.values() if entry.kind == "language"]
    assert {row.name for row in found.models} == set(names)
    sizes = [CATALOGUE[row.name].parameters for row in found.models]
    assert sizes == sorted(sizes)
    assert sizes[0] > 0
    by_size = sorted(rows(LAPTOP).values(), key=lambda row: CATALOGUE[row.name].size)
    assert [row.seconds for row in by_size[1:]] == sorted(row.seconds for row in by_size[1:])


@pytest.mark.parametrize(
    ("change", "seconds", "size_class", "said"),
    [
        ({}, 1000.0, "large", "16.0 GB"),
        ({"free_gb": None}, 1000.0, "large", "answers in 1000 s"),
        ({"free_gb": 3.7}, 1000.0, "medium", "qwen3-4b needs 3.4 GB of memory"),
        ({"free_gb": 2.0}, 1000.0, "small", "needs 1.6 GB of memory"),
        ({"disk_gb": 2.0}, 1000.0, "small", "needs 1.1 GB of disk"),
        ({"gflops": 4000.0, "gb_per_s": 100.0}, 20.0, "large", "answers in 20 s"),
        ({"gflops": 30.0}, 20.0, "tiny", "s an answer"),
        ({"gflops": 0.1}, 20.0, "tiny", "nothing fits"),
        ({"free_gb": 0.1}, 20.0, "tiny", "nothing fits: needs 0.6 GB of memory"),
    ],
)
def test_the_largest_class_that_fits_is_recommended_with_the_reason(
    change, seconds, size_class, said
):
    found = recommend(replace(LAPTOP, **change), seconds)
    assert CATALOGUE[found.name].size_class == size_class
    assert said in found.reason


def test_of_a_class_the_measured_model_comes_first(monkeypatch):
    small = [name for name, entry in CATALOGUE.items() if entry.size_class == "small"]
    for name in small:
        monkeypatch.setattr(recommendation, "SCORES", {name: 0.5})
        assert recommend(replace(LAPTOP, free_gb=2.5)).name == name


def test_a_faster_machine_answers_sooner():
    slow, fast = rows(LAPTOP), rows(replace(LAPTOP, gflops=800.0))
    assert all(fast[name].seconds < slow[name].seconds for name in slow)
    read = rows(replace(LAPTOP, gb_per_s=24.0))
    assert all(read[name].seconds < slow[name].seconds for name in slow)


def test_the_estimate_is_near_what_was_measured_here(monkeypatch):
    """CPU seconds of docs/models.md, on the machine whose rates these are."""
    monkeypatch.setattr(recommendation, "PROMPT_TOKENS", 850)
    machine = replace(LAPTOP, cores=1, bf16=True, gflops=135.0, gb_per_s=12.4)
    measured = {
        ("smollm2-135m-instruct", "openvino"): 1.1 + 60 * 0.060,
        ("smollm2-135m-instruct", "llamacpp"): 6.3 + 60 * 0.029,
        ("qwen2.5-coder-0.5b-instruct", "openvino"): 2.7 + 60 * 0.113,
        ("qwen2.5-coder-0.5b-instruct", "llamacpp"): 11.9 + 60 * 0.083,
    }
    for (name, engine), seconds in measured.items():
        guess = recommendation.estimate(CATALOGUE[name], machine, engine)
        assert seconds / 2 < guess < seconds * 2, (name, engine, guess, seconds)


def test_this_machine_is_measured():
    machine = measure_machine()
    assert machine.cores >= 1
    assert machine.gflops > 0.1
    assert 0.1 < machine.gb_per_s < 10_000
    assert machine.disk_gb > 0


def test_scores_are_those_that_were_kept():
    kept = {}
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if (row.get("data"), row.get("recipe")) == ("halden", "rag"):
            kept[row["model"].partition("+")[0]] = row["f1"]
    assert {name: value for name, value in kept.items() if name in CATALOGUE} == SCORES


@pytest.mark.parametrize(
    ("size", "bf16", "free", "engine"),
    [
        (98_362_432, False, 1.0, "openvino"),
        (491_400_064, True, 8.0, "openvino"),
        (491_400_064, True, 2.0, "llamacpp"),
        (491_400_064, True, None, "llamacpp"),
        (491_400_064, False, 8.0, "llamacpp"),
        (639_446_688, True, 8.0, "openvino"),
        (1_117_320_768, True, 64.0, "llamacpp"),
    ],
)
def test_the_engine_follows_size_processor_and_memory(size, bf16, free, engine):
    assert engine_for(size, bf16=bf16, free_gb=free) == engine
