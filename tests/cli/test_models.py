"""`acclimate models recommend`, and what `init --model` and `doctor` make of it."""

import json

import pytest

from acclimate.cli import doctor, init, models
from acclimate.cli.main import main
from acclimate.models.recommendation import Machine
from acclimate.settings import load_settings

MACHINE = Machine(2, "avx2", False, 4.0, 50.0, 2000.0, 40.0, load=9.0)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    for module in (doctor, init, models):
        monkeypatch.setattr(module, "measure_machine", lambda: MACHINE)

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return call


def test_a_table_and_a_reason_are_shown(call):
    code, out, _ = call("models", "recommend")
    assert code == 0
    assert "2 cores (avx2), 4.0 GB of memory free" in out
    assert "load 9" in out
    assert "not measured" in out
    (line,) = (line for line in out.splitlines() if line.endswith("← recommended"))
    name = line.split()[1]
    assert f"Recommended: {name}, the largest class" in out
    assert "estimated" in out


def test_json_says_the_same_and_the_limit_counts(call):
    found = json.loads(call("models", "recommend", "--json")[1])
    assert found["machine"]["gflops"] == 2000.0
    assert found["name"] in {row["name"] for row in found["models"]}
    quick = json.loads(call("models", "recommend", "--json", "--seconds", "0.1")[1])
    assert quick["name"] == "smollm2-135m-instruct"
    assert "nothing fits" in quick["reason"]
    assert call("models", "recommend", "--seconds", "0")[0] == 2


def test_init_writes_the_recommended_model_or_the_one_named(call, tmp_path):
    name = json.loads(call("models", "recommend", "--json")[1])["name"]
    code, _, err = call("init", "docs", "--model", "auto")
    assert code == 0
    assert f"Model: {name}, the largest class" in err
    assert load_settings(tmp_path / "acclimate.toml").model.name == name
    assert call("init", "docs", "-p", "other", "--model", "org/repo")[0] == 0
    assert load_settings(tmp_path / "other/acclimate.toml").model.name == "org/repo"


def test_doctor_has_a_line_of_it(call):
    name = json.loads(call("models", "recommend", "--json")[1])["name"]
    findings = json.loads(call("doctor", "--json")[1])
    (advice,) = (one for one in findings if one["check"] == "advice")
    assert advice["state"] == "ok"
    assert advice["detail"].startswith(f"{name} is recommended")
