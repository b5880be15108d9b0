"""What can be asked next: from documents that the caller may see, and only what would be answered."""

import json

import pytest

SETTERS = """# Setters

Setters are dogs that find birds.

## Feeding

A grown setter eats 400 grams of dry food a day, in two meals, and has fresh water at all times.

## Which coat does a setter have?

The coat is long and silky, and is brushed twice a week so that it does not mat behind the ears.

## Overview

These pages were written by the club and are read again each spring by two of its members.

| Breed | Weight | Colour |
|---|---|---|
| Gordon | 27 kg | black and tan |
| Irish | 30 kg | red |
"""
SERVED = {"engine": "openai", "base_url": "http://127.0.0.1:9/v1", "name": "scripted"}
PAY = """# Pay

Who works here is paid at the end of the month.

## Bonuses

The director has 4711 euros more in the month of May, and all of the others have half of that.
"""
SECTION = "What does “Setters” say about “Feeding”?"
ASKED = "What do setters find?"
ROWS = [
    {"id": "kept", "question": "How much dry food does a setter eat?", "split": "train"},
    {"id": "held out", "question": "How many meals has a setter?", "split": "test"},
    {"id": "no split", "question": "Has a setter fresh water?"},
    {"id": "typed", "question": "Does it eat grams?", "split": "train", "added": "2026-01-02"},
    {"id": "rejected", "question": "Is food dry?", "split": "train", "status": "rejected"},
    {"id": "gone", "question": "Who eats?", "split": "dev", "evidence": "No setter eats."},
]


@pytest.fixture
def kennel(make_project):
    """Opens a project with a document about setters and one about pay, of which one has a label."""

    def make(**serve):
        with make_project(empty=True) as project:
            for name in ("setters.md", "hr/pay.md"):
                file = project.folder / "documents" / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(SETTERS if name == "setters.md" else PAY)
            rows = [
                {"answers": ["400 grams"], "document": "setters.md", "answerable": True}
                | {"evidence": "eats 400 grams of dry food a day"}
                | row
                for row in ROWS
            ]
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (project.folder / "questions.jsonl").write_text(lines)
            project.ingest()
        return make_project(empty=True, serve=serve, model=SERVED)

    return make


def suggested(client, path="setters.md", asked=(ASKED,), **options):
    cited = [{"path": path, "start": 10, "end": 20}]
    body = {"asked": list(asked), "cited": cited, "model": "rag"}
    answer = client.post("/v1/follow-ups", json=body, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_they_come_from_the_set_headings_and_tables_of_the_cited_document(serve, kennel):
    client = serve(kennel())
    found = {row["source"]: row for row in reversed(suggested(client))}
    assert {source: row["question"] for source, row in found.items()} == {
        "set": "How much dry food does a setter eat?",
        "section": SECTION,
        "table": "Gordon: Weight?",
    }
    assert [found[source]["style"] for source in ("set", "section", "table")] == [
        None,
        "full",
        None,
    ]
    section = found["section"]
    assert section["path"] == "setters.md"
    assert SETTERS[section["start"] : section["end"]].startswith("## Feeding")
    asked = [row["question"] for row in found.values()]
    again = [row["question"] for row in suggested(client, asked=[*asked, ASKED])]
    assert again
    assert not set(again) & set(asked)


def test_nobody_is_told_of_documents_that_they_may_not_see(serve, kennel, add_key):
    client = serve(kennel())
    plain, hr = add_key("plain"), add_key("hr", labels=["hr"])
    assert suggested(client, "hr/pay.md", headers=plain) == []
    assert suggested(client, "nowhere.md", headers=hr) == []
    assert {row["path"] for row in suggested(client, headers=plain)} == {"setters.md"}
    assert {row["path"] for row in suggested(client, "hr/pay.md", headers=hr)} == {"hr/pay.md"}


def test_they_can_be_turned_off(serve, kennel):
    client = serve(kennel(follow_ups=False))
    assert suggested(client) == []
    assert client.get("/v1/me").json()["follow_ups"] is False
