"""Thumbs over the API: who may give them, what is kept, what they become."""

import json
import logging
import re

import pytest

from acclimate.errors import SettingsError
from acclimate.testing.serving import asked


def rows(folder, name):
    file = folder / name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def thumb(client, question, headers=None, **words):
    answer = client.post("/v1/chat/completions", json=asked(question), headers=headers).json()
    body = {"id": answer["id"], "right": False, **words}
    return client.post("/v1/feedback", json=body, headers=headers), answer


def accept(client, one, **changes):
    kept = {name: one[name] for name in ("version", "question", "answers", "answerable")}
    return client.put(f"/v1/feedback/{one['id']}", json=kept | {"status": "accepted"} | changes)


def test_a_correction_becomes_a_test_question_a_label_and_a_pair(client, tmp_path, make_project):
    given, answer = thumb(client, "When was the pump Fjell 9 tested?", correction="2024")
    assert given.status_code == 201, given.text
    (kept,) = rows(tmp_path, "feedback.jsonl")
    assert kept["given"]["text"] == answer["choices"][0]["message"]["content"].split(" [")[0]
    assert len(kept["given"]["template"]) >= 8
    shown = answer["acclimate"]["passages"]
    assert [one["document"] for one in kept["given"]["passages"]] == [one["path"] for one in shown]
    (one,) = client.get("/v1/feedback").json()["data"]
    assert (one["document"], one["evidence"]) == ("pump.md", "It was tested in 2024.")
    assert (one["split"], one["known"], one["answers"]) == ("test", None, ["2024"])
    done = accept(client, one).json()
    assert done["question"]["id"] == rows(tmp_path, "questions.jsonl")[-1]["id"]
    assert (
        rows(tmp_path, "questions.jsonl")[-1]
        | {
            "question": "When was the pump Fjell 9 tested?",
            "answers": ["2024"],
            "split": "test",
            "status": "accepted",
        }
        == rows(tmp_path, "questions.jsonl")[-1]
    )
    (label,) = rows(tmp_path, "labels.jsonl")
    assert (label["question"], label["right"]) == (done["question"]["id"], False)
    assert client.get("/v1/feedback").json()["data"] == []
    assert accept(client, one).status_code == 409  # it was reviewed meanwhile


@pytest.fixture
def free(client, tmp_path):
    """No question of the set is about the pump."""
    kept = [row for row in rows(tmp_path, "questions.jsonl") if row["document"] != "pump.md"]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))


@pytest.mark.usefixtures("free")
def test_the_pairs_show_the_passages_of_then(client, tmp_path, open_project):
    thumb(client, "When was the pump Fjell 9 tested?", correction="2024")
    (one,) = client.get("/v1/feedback").json()["data"]
    assert accept(client, one, split="train").json()["question"]["split"] == "train"
    with open_project(tmp_path) as project:
        assert project.write_pairs(tmp_path / "pairs.jsonl").rows == 1
        assert project.write_pairs(tmp_path / "labels2.jsonl", "label").rows == 2
        (pair,) = rows(tmp_path, "pairs.jsonl")
        assert pair["chosen"][0]["role"] == "assistant"
        assert re.fullmatch(r"2024 \[\d\]", pair["chosen"][0]["content"])
        assert re.fullmatch(r"4711 euros \[\d\]", pair["rejected"][0]["content"])
        assert "It was tested in 2024." in pair["prompt"][-1]["content"]
        assert [row["label"] for row in rows(tmp_path, "labels2.jsonl")] == [False, True]
        (tmp_path / "documents" / "pump.md").write_text("# Pumps\n\nNothing of then.\n")
        project.ingest()
        with pytest.raises(Exception, match="none of 1 accepted rows"):
            project.write_pairs(tmp_path / "pairs.jsonl")


@pytest.mark.usefixtures("free")
def test_what_comparisons_ask_makes_no_pair_and_a_document_keeps_its_side(
    client, tmp_path, open_project
):
    thumb(client, "When was the pump Fjell 9 tested?", correction="2024")
    (one,) = client.get("/v1/feedback").json()["data"]
    assert one["splits"] == ["test", "train", "dev"]
    accept(client, one)
    with open_project(tmp_path) as project:
        with pytest.raises(SettingsError, match="1 of them are asked by comparisons") as caught:
            project.write_pairs(tmp_path / "pairs.jsonl")
        assert "split train" in caught.value.hint
        thumb(client, "Which year was the Fjell 9 tested in?", correction="2024")
        (other,) = project.proposals()
        assert (other.document, other.splits) == ("pump.md", ("test",))
        with pytest.raises(SettingsError, match=r"other questions about pump\.md are there"):
            project.review_feedback(other.feedback.id, accepted=True, split="train")
        with pytest.raises(SettingsError, match="no split 'exam'"):
            project.review_feedback(other.feedback.id, accepted=True, split="exam")
    body = client.get("/v1/feedback").json()["data"][0]
    refused = accept(client, body, split="train")
    assert refused.status_code == 400
    assert "stays in test" in refused.text


def test_praise_and_silence_propose_what_was_said(client):
    thumb(client, "What does a filter cost?", right=True)
    thumb(client, "Who owns the moon?", right=True)
    thumb(client, "What does the pump Fjell 9 weigh?", unanswerable=True)
    cost, moon, pump = client.get("/v1/feedback").json()["data"]
    assert (cost["answers"], cost["known"]) == (["4711 euros"], "2")
    assert (moon["known"], moon["split"]) == (None, "test")
    assert (pump["answers"], pump["answerable"]) == ([], False)
    assert accept(client, cost).json()["question"]["id"] == "2"
    kept = accept(client, pump).json()["question"]
    assert (kept["answerable"], kept["kind"]) == (False, "unanswerable")
    assert pump["id"] not in {one["id"] for one in client.get("/v1/feedback").json()["data"]}


def test_a_thumb_can_be_changed_until_it_is_reviewed(client):
    given, answer = thumb(client, "What does a filter cost?", right=True)
    body = {"id": answer["id"], "right": False}
    assert client.post("/v1/feedback", json=body).json()["id"] == given.json()["id"]
    (one,) = client.get("/v1/feedback").json()["data"]
    assert (one["right"], one["answers"], one["answerable"]) == (False, [], True)
    refused = accept(client, one)
    assert refused.status_code == 400
    assert "needs an answer" in refused.text
    wrong = {"version": one["version"], "question": "?", "answers": [], "answerable": False}
    put = client.put(f"/v1/feedback/{one['id']}", json=wrong | {"status": "rejected"})
    assert (put.json()["status"], put.json()["question"]) == ("rejected", None)
    assert client.post("/v1/feedback", json=body).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "chatcmpl-none", "right": True}, 404),
        ({"right": True}, 400),
        ({"id": "x", "right": False, "correction": "a" * 10_001}, 400),
        ({"id": "x", "right": False, "more": 1}, 400),
    ],
)
def test_what_cannot_be_kept_is_refused(client, tmp_path, body, status):
    assert client.post("/v1/feedback", json=body).status_code == status
    assert not (tmp_path / "feedback.jsonl").exists()


def test_who_asks_gives_thumbs_and_who_manages_sees_what_it_may(serve, add_key, caplog):
    ann, bob = add_key("ann", "ask", labels=("*",)), add_key("bob", "ask")
    chief = add_key("chief", "ask", "manage", labels=("*",))
    clerk = add_key("clerk", "ask", "manage")
    client = serve()
    caplog.set_level(logging.DEBUG)
    secret = "the director's real pay is 9 euros"
    given, answer = thumb(client, "What does the director earn?", ann, correction=secret)
    assert given.status_code == 201
    body = {"id": answer["id"], "right": True}
    assert client.post("/v1/feedback", json=body, headers=bob).status_code == 404  # not his answer
    assert client.get("/v1/feedback", headers=ann).status_code == 403
    (one,) = client.get("/v1/feedback", headers=chief).json()["data"]
    assert (one["by"], one["correction"]) == ("ann", secret)
    assert client.get("/v1/feedback", headers=clerk).json()["data"] == []
    kept = {name: one[name] for name in ("version", "question", "answers", "answerable")}
    address = f"/v1/feedback/{one['id']}"
    accepted = kept | {"status": "accepted"}
    assert client.put(address, json=accepted, headers=clerk).status_code == 404
    assert client.put(address, json=accepted, headers=ann).status_code == 403
    assert secret not in caplog.text


def test_a_follow_up_keeps_what_was_said_before(client, tmp_path):
    before = [
        {"role": "user", "content": "What does the pump Fjell 9 weigh?"},
        {"role": "assistant", "content": "117 kg"},
    ]
    body = asked("When was it tested?")
    body["messages"] = [*before, *body["messages"]]
    answer = client.post("/v1/chat/completions", json=body).json()
    client.post("/v1/feedback", json={"id": answer["id"], "right": False, "correction": "2024"})
    (one,) = client.get("/v1/feedback").json()["data"]
    accept(client, one)
    kept = rows(tmp_path, "questions.jsonl")[-1]
    assert kept["turns"] == [{"question": before[0]["content"], "answer": "117 kg"}]
    assert kept["kind"] == "follow-up"
