"""Comparisons over the API: started, watched, stopped, resumed after a stop and after the server's end, gated."""

import json
import threading

import pytest

from acclimate.testing.serving import asked
from acclimate.testing.states import wait_until

SERVED = {"engine": "openai", "base_url": "http://127.0.0.1:9/v1", "name": "scripted"}


def state(client):
    return client.get("/v1/comparisons/run").json()["run"]


def ended(client, *states):
    wait_until(lambda: state(client)["state"] in states, f"one of {states}")
    return state(client)


@pytest.fixture
def slow(engine, monkeypatch):
    """The engine writes only while `go` is set; `written` counts its answers."""
    go, written, script = threading.Event(), [], engine._script

    def say(messages):
        go.wait(300)
        written.append(1)
        return script(messages)

    monkeypatch.setattr(engine, "_script", say)
    engine.go, engine.written = go, written
    return engine


def test_it_stops_goes_on_where_it_was_and_ends_in_a_report(
    serve, slow, make_project, open_project, tmp_path
):
    client = serve(model=SERVED)
    lines = (tmp_path / "questions.jsonl").read_text().splitlines()
    (tmp_path / "questions.jsonl").write_text(f"{lines[0]}\n{lines[2]}\n")
    assert state(client) is None
    order = {"recipes": ["rag", "zero-shot"]}
    started = client.post("/v1/comparisons", json=order)
    assert (started.status_code, started.json()["run"]["state"]) == (202, "running")
    again = client.post("/v1/comparisons", json=order)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "comparison_running")
    assert client.post("/v1/comparisons/run/stop").json()["run"]["state"] == "stopping"
    slow.go.set()
    assert ended(client, "stopped")["order"]["recipes"] == ["rag", "zero-shot"]
    before = len(slow.written)
    assert before < 4
    other = serve(open_project(tmp_path, model=SERVED))  # as after a restart
    assert state(other)["state"] == "stopped"
    assert other.post("/v1/comparisons/run/resume").status_code == 202
    done = ended(other, "done", "failed")
    assert done["error"] == ""
    assert done["answers"] == {name: {"done": 2, "total": 2} for name in ("rag", "zero-shot")}
    assert len(slow.written) == 4  # nothing was asked twice
    (row,) = other.get("/v1/comparisons").json()["data"]
    assert row["id"] == done["report"]
    assert other.post("/v1/comparisons/run/resume").status_code == 404

    address = f"/v1/comparisons/{row['id']}"
    found = other.get(f"{address}/disagreements", params={"first": "rag", "second": "zero-shot"})
    (one,) = [item for item in found.json()["data"] if item["id"] == "1"]
    assert one["sides"][0]["text"].startswith("4711 euros")
    marked = [part for side in one["sides"] for hit in side["passages"] for part in hit["parts"]]
    assert ["The director earns 4711 euros a month.", "cited"] in marked
    assert (
        other.get(f"{address}/disagreements", params={"first": "x", "second": "y"}).status_code
        == 400
    )
    made = other.post(f"{address}/gate", json={"recipe": "rag"}).json()
    kept = json.loads((tmp_path / "gates.json").read_text())
    assert kept["gates"] == made["gates"] == ["rag.f1>=0.666"]
    refused = other.post(f"{address}/gate", json={"recipe": "zero-shot"})
    assert (refused.status_code, "too few" in refused.text) == (400, True)
    assert made["command"] == "acclimate compare --gate gates.json"


def test_it_waits_while_people_wait(serve, slow):
    client = serve(model=SERVED)
    slow.go.set()
    client.post("/v1/comparisons", json={"recipes": ["rag"]})
    answer = client.post("/v1/chat/completions", json=asked("What does a filter cost?"))
    assert answer.status_code == 200
    assert ended(client, "done", "failed")["error"] == ""


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"recipes": []}, "recipes"),
        ({"recipes": ["ragg"]}, "ragg"),
        ({"recipes": ["rag"], "metric": "words"}, "words"),
        ({"recipes": ["rag"], "models": ["http://127.0.0.1:9/v1#x"]}, "not offered"),
        ({"recipes": ["rag@/etc/passwd"]}, "not offered"),
        ({"recipes": ["rag[api_key_env=HOME]"]}, "changes"),
        ({"recipes": ["lora+rag"]}, "nobody trained lora+rag yet"),
    ],
)
def test_what_cannot_run_is_refused_before_it_does(client, body, word):
    refused = client.post("/v1/comparisons", json=body)
    assert refused.status_code == 400
    assert word in refused.text
    assert state(client) is None


def test_what_fails_while_it_runs_is_told(client):
    client.post("/v1/comparisons", json={"recipes": ["rag"], "split": "dev"})
    assert "holds no question of the split 'dev'" in ended(client, "failed")["error"]


def test_only_who_manages_and_sees_all_compares(serve, add_key):
    asks, clerk = add_key("ann", "ask", labels=("*",)), add_key("clerk", "manage")
    chief = add_key("chief", "manage", labels=("*",))
    client = serve()
    for headers, status in ((asks, 403), (clerk, 403), (chief, 200), ({}, 401)):
        assert client.get("/v1/comparisons/run", headers=headers).status_code == status
        assert client.get("/v1/comparisons/options", headers=headers).status_code == status
    body = {"recipes": ["rag"]}
    assert client.post("/v1/comparisons", json=body, headers=clerk).status_code == 403
    shown = client.get("/v1/comparisons/options", headers=chief).json()
    assert shown["recipes"][0] == "rag"
    assert shown["splits"] == {"test": 3}
    assert "default" in shown["models"]
