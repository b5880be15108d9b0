"""Conversations that people keep: whose they are, what is left of them without a label, and links."""

import json
import logging
import os
import stat
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from acclimate.errors import LibraryError
from acclimate.serving.conversation_store import (
    MOST_ANSWERS,
    ConversationStore,
    KeptAnswer,
    title_of,
)
from acclimate.serving.conversation_view import turns_for
from acclimate.serving.keys import Caller
from acclimate.testing.serving import asked

LOGIN = {
    "engine": "header",
    "trusted_proxies": ["127.0.0.1"],
    "scopes": ["staff = ask"],
    "labels": ["hr = hr", "boss = *"],
}
KEPT = {"serve": {"conversations": "kept"}, "login": LOGIN}
PAY, FILTER = "What does the director earn?", "What does a filter cost?"
SECRET = "4711"


class Person:
    """Somebody who comes by the proxy."""

    def __init__(self, client, name, groups="staff"):
        self.client, self.name = client, name
        own = {"Origin": str(client.base_url).rstrip("/")}
        self.headers = {"X-Forwarded-User": name, "X-Forwarded-Groups": groups, **own}

    def with_groups(self, groups):
        """The same person after their groups have changed."""
        return Person(self.client, self.name, groups)

    def call(self, method, path, status=200, **options):
        answer = self.client.request(method, path, headers=self.headers, **options)
        assert answer.status_code == status, (method, path, answer.text)
        return answer

    def begin(self):
        return self.call("POST", "/v1/conversations", 201).json()["id"]

    def ask(self, number, question, status=200, turn=None, **fields):
        where = [f"path={'hr/*' if PAY in question else 'prices.md'}"]
        own = {"conversation": number, "turn": turn, "where": where}
        body = asked(question, acclimate=own, **fields)
        return self.call("POST", "/v1/chat/completions", status, json=body)

    def list(self):
        return self.call("GET", "/v1/conversations").json()["data"]

    def open(self, number, status=200):
        return self.call("GET", f"/v1/conversations/{number}", status).json()


@pytest.fixture
def team(serve):
    """Gives people of one server."""
    client = serve(**KEPT)
    return lambda name, groups="staff": Person(client, name, groups)


def texts(conversation):
    return [[one["text"] for one in turn["answers"]] for turn in conversation["turns"]]


def test_a_conversation_is_kept_listed_renamed_exported_and_deleted(team):
    ann = team("ann")
    number = ann.begin()
    assert ann.list()[0]["title"] == ""
    for stream, turn in ((False, None), (True, "x"), (False, "x")):
        ann.ask(number, f"  {FILTER}\n", stream=stream, turn=turn)
    held = ann.open(number)
    assert [turn["question"] for turn in held["turns"]] == [FILTER, FILTER]
    assert texts(held) == [["12 euros"], ["12 euros", "12 euros"]]
    first = held["turns"][0]["answers"][0]
    assert first["citations"][0]["path"] == "prices.md"
    assert first["passages"]
    assert held["turns"][0]["where"] == ["path=prices.md"]
    assert first["id"].startswith("chatcmpl-")
    assert ann.list()[0]["title"] == FILTER
    ann.call("PUT", f"/v1/conversations/{number}", json={"title": " What\nit costs "})
    assert ann.list()[0]["title"] == "What it costs"
    told = ann.call("GET", f"/v1/conversations/{number}/export")
    assert told.headers["content-disposition"] == 'attachment; filename="conversation.md"'
    assert told.text.startswith(
        f"# What it costs\n\n{held['created'][:10]}\n\n## {FILTER}\n\n12 euros"
    )
    assert "> [1] prices.md: “A filter costs 12 euros.”" in told.text
    whole = ann.call("GET", f"/v1/conversations/{number}/export?format=json").json()
    assert (whole["title"], whole["turns"]) == ("What it costs", held["turns"])
    ann.call("DELETE", f"/v1/conversations/{number}")
    ann.open(number, 404)
    assert ann.list() == []


def test_each_sees_changes_and_deletes_their_own_only(team):
    ann, bob = team("ann"), team("bob")
    number = ann.begin()
    ann.ask(number, FILTER)
    place = f"/v1/conversations/{number}"
    for method, path, more in (
        ("GET", place, {}),
        ("PUT", place, {"json": {"title": "mine"}}),
        ("DELETE", place, {}),
        ("GET", f"{place}/export", {}),
        ("POST", f"{place}/link", {}),
        ("DELETE", f"{place}/link", {}),
    ):
        bob.call(method, path, 404, **more)
    bob.ask(number, FILTER, 404)
    assert bob.call("DELETE", "/v1/conversations").json()["deleted"] == 0
    assert bob.list() == []
    assert texts(ann.open(number)) == [["12 euros"]]
    bob.begin()
    assert ann.call("DELETE", "/v1/conversations").json()["deleted"] == 1
    assert (len(ann.list()), len(bob.list())) == (0, 1)


class TestLabels:
    def test_without_the_label_what_was_read_is_gone_and_what_followed(self, team):
        ann = team("ann", "staff,hr")
        number = ann.begin()
        for question in (FILTER, PAY, FILTER):
            ann.ask(number, question)
        assert texts(ann.open(number)) == [["12 euros"], [f"{SECRET} euros"], ["12 euros"]]
        ann = ann.with_groups("staff")
        held = ann.open(number)
        assert texts(held) == [["12 euros"], [], []]
        assert [turn["withheld"] for turn in held["turns"]] == [False, True, True]
        assert [turn["question"] for turn in held["turns"]] == [FILTER, PAY, FILTER]
        exports = (f"/v1/conversations/{number}/export{form}" for form in ("", "?format=json"))
        for path in (f"/v1/conversations/{number}", *exports):
            told = ann.call("GET", path).text
            assert SECRET not in told
            assert "hr/pay.md" not in told
        assert "Not shown" in ann.call("GET", f"/v1/conversations/{number}/export").text
        ann = ann.with_groups("staff,boss")
        assert texts(ann.open(number))[1] == [f"{SECRET} euros"]

    def test_a_link_opens_for_each_what_they_may_see(self, team):
        ann, boss, bob = team("ann", "staff,hr"), team("carl", "staff,boss"), team("bob")
        number = ann.begin()
        ann.ask(number, f"{PAY} Is it {SECRET}?")
        link = ann.call("POST", f"/v1/conversations/{number}/link").json()["link"]
        assert boss.call("GET", f"/v1/shared/{link}").json()["turns"][0]["answers"]
        told = bob.call("GET", f"/v1/shared/{link}")
        assert told.json()["turns"] == [
            {"question": "", "where": [], "answers": [], "withheld": True}
        ]
        assert told.json()["title"] == ""
        assert SECRET not in told.text

    def test_what_no_passage_tells_of(self):
        """Names of other documents with the same passage, and recipes that know more than they are shown."""
        service = SimpleNamespace(
            rules=[1], sees=lambda caller, path: path[:3] != "hr/" or caller.labels != frozenset()
        )
        nobody, hr, everything = (
            Caller("ann", frozenset(("ask",)), labels, id="ann")
            for labels in (frozenset(), frozenset(("hr",)), None)
        )
        also = [{"path": "hr/pay.md"}, {"path": "b.md"}]
        body = {"text": "a", "citations": [{"also_in": also}], "passages": [{"also_in": also}]}
        plain = KeptAnswer("1", "q?", (), ("a.md",), (), body)
        for caller, seen in ((nobody, ["b.md"]), (hr, ["hr/pay.md", "b.md"])):
            answer = turns_for([plain], caller, service, own=True)[0].answers[0]
            for name in ("citations", "passages"):
                assert [one["path"] for one in answer[name][0]["also_in"]] == seen
        for needs, readers in (
            (("hr",), {"hr", "all"}),
            (("*",), {"all"}),
            ((), {"no", "hr", "all"}),
        ):
            one = replace(plain, needs=needs)
            people = {"no": nobody, "hr": hr, "all": everything}
            may = {
                name
                for name, caller in people.items()
                if not turns_for([one], caller, service, own=True)[0].withheld
            }
            assert may == readers


def test_links_are_read_only_need_a_login_and_are_taken_back(team):
    ann, bob = team("ann"), team("bob")
    number = ann.begin()
    ann.ask(number, FILTER)
    made = ann.call("POST", f"/v1/conversations/{number}/link").json()
    ann.ask(number, FILTER)  # what is asked afterwards is not shared
    place = f"/v1/shared/{made['link']}"
    seen = bob.call("GET", place).json()
    assert (seen["by"], seen["title"], texts(seen)) == ("ann", FILTER, [["12 euros"]])
    assert number not in bob.call("GET", place).text
    for method in ("PUT", "POST", "DELETE"):
        bob.call(method, place, 403)  # there is no such route, so it would need "manage"
    for headers in ({}, {"X-Forwarded-User": "eve"}):
        assert bob.client.get(place, headers=headers).status_code in (401, 403)
    again = ann.call("POST", f"/v1/conversations/{number}/link").json()["link"]
    assert again == made["link"]
    assert len(bob.call("GET", place).json()["turns"]) == 2
    assert ann.call("DELETE", f"/v1/conversations/{number}/link").json()["link"] is None
    bob.call("GET", place, 404)
    other = ann.call("POST", f"/v1/conversations/{number}/link").json()["link"]
    assert other != made["link"]
    ann.call("DELETE", f"/v1/conversations/{number}")
    bob.call("GET", f"/v1/shared/{other}", 404)
    bob.call("GET", "/v1/shared/x", 404)


def test_nothing_of_a_conversation_is_logged_or_left_in_the_file(team, tmp_path, caplog):
    ann = team("ann")
    with caplog.at_level(logging.DEBUG, logger="acclimate"):
        number = ann.begin()
        ann.ask(number, f"{FILTER} Zanzibar?")
        link = ann.call("POST", f"/v1/conversations/{number}/link").json()["link"]
        ann.call("GET", f"/v1/shared/{link}")
        ann.call("PUT", f"/v1/conversations/{number}", json={"title": "Zanzibar"})
    told = "\n".join(caplog.messages)
    assert not any(word in told for word in ("Zanzibar", number, link, "12 euros"))
    assert "/v1/shared/{link}" in told
    file = tmp_path / ".acclimate" / "conversations.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"Zanzibar" in file.read_bytes()
    ann.call("DELETE", "/v1/conversations")
    left = b"".join(one.read_bytes() for one in file.parent.glob("conversations.db*"))
    assert b"Zanzibar" not in left
    assert link.encode() not in left


@pytest.mark.parametrize("kept", ["off", "tab"])
def test_where_they_are_not_kept_nothing_is(serve, tmp_path, kept):
    client = serve(serve={"conversations": kept})
    assert client.get("/v1/me").json()["conversations"] == kept
    refused = client.post("/v1/conversations")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "conversations_not_kept")
    body = asked(FILTER, acclimate={"conversation": "x"})
    assert client.post("/v1/chat/completions", json=body).status_code == 404
    assert client.get("/v1/shared/x").status_code == 404
    assert not (tmp_path / ".acclimate" / "conversations.db").exists()


class TestStore:
    @pytest.fixture
    def store(self, tmp_path):
        with closing(ConversationStore(tmp_path / "state" / "conversations.db")) as store:
            yield store

    def test_what_is_full_says_so_and_what_is_gone_keeps_nothing(self, store):
        answer = KeptAnswer("t", "q?", (), ("a.md",), ("hr",), {"text": "a"})
        number = store.create("ann", "Ann").id
        assert store.add("ann", number, answer)
        assert store.answers(number) == [answer]
        assert not store.add("bob", number, answer)
        for _ in range(MOST_ANSWERS - 1):
            store._db.execute(
                "INSERT INTO answers (conversation, turn, question, filters, documents, needs, body)"
                " VALUES (?, 't', '', '[]', '[]', '[]', '{}')",
                (number,),
            )
        assert not store.add("ann", number, answer)
        store.delete("ann", number)
        assert not store.add("ann", number, answer)
        assert store.count(number) == 0

    def test_a_newer_file_is_left_alone(self, store, tmp_path):
        store._db.execute("PRAGMA user_version = 2")
        with pytest.raises(LibraryError, match="newer version"):
            ConversationStore(tmp_path / "state" / "conversations.db")

    @pytest.mark.skipif(os.name != "posix", reason="folders are read-only by another way there")
    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setattr("acclimate.serving.conversation_store.can_write", lambda _: False)
        with pytest.raises(LibraryError, match="read-only"):
            ConversationStore(tmp_path / "conversations.db")

    def test_titles_are_short(self):
        assert title_of(" What \n is it? ") == "What is it?"
        assert len(title_of("x" * 300)) == 120
        assert json.dumps(title_of("x " * 300)).endswith('\\u2026"')
