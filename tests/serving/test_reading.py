"""A document's outline, places of words in it, and uploads into folders."""

import pytest

from acclimate.testing.states import wait_until

TEXT = """# Kilns

A **kiln** is hot.

## 1. [Firing](firing.md)

The kiln is fired at 1,000 °C 🔥. A firing
takes two days; “cold” kilns take three.

### Cooling

Wait – it is hot.
"""


@pytest.fixture
def kilns(serve, make_project):
    """A client of a server with one document, and the address of that."""
    with make_project() as project:
        (project.folder / "documents" / "kilns.md").write_text(TEXT)
        project.ingest()
    client = serve(make_project(empty=True))
    rows = client.get("/v1/documents").json()["data"]
    number = next(row["id"] for row in rows if row["path"] == "kilns.md")
    return client, f"/v1/documents/{number}"


def test_the_outline_has_the_headings_as_one_reads_them(kilns):
    client, address = kilns
    rows = client.get(f"{address}/outline").json()["data"]
    assert [(row["text"], row["level"], row["page"]) for row in rows] == [
        ("Kilns", 1, None),
        ("1. Firing", 2, None),
        ("Cooling", 3, None),
    ]
    assert [TEXT[row["start"] : row["end"]].strip("# \n") for row in rows] == [
        "Kilns",
        "1. [Firing](firing.md)",
        "Cooling",
    ]


def test_words_are_found_as_they_are_typed(kilns):
    client, address = kilns
    for typed, found in {
        "KILN": ["Kiln", "kiln", "kiln", "kiln"],
        "a  firing takes": ["A firing\ntakes"],
        '"cold"': ["“cold”"],
        "wait - it": ["Wait – it"],
        "1,000 °c 🔥": ["1,000 °C 🔥"],
        "k.ln": [],
        " ": [],
        "(": ["("],
    }.items():
        answer = client.get(f"{address}/find", params={"q": typed}).json()
        assert [TEXT[row["start"] : row["end"]] for row in answer["data"]] == found, typed
        assert answer["more"] is False


def test_a_thousand_places_are_told_and_that_there_are_more(serve, make_project):
    with make_project() as project:
        (project.folder / "documents" / "long.md").write_text("# Long\n\n" + "so " * 1001)
        project.ingest()
    client = serve(make_project(empty=True))
    rows = client.get("/v1/documents").json()["data"]
    number = next(row["id"] for row in rows if row["path"] == "long.md")
    answer = client.get(f"/v1/documents/{number}/find", params={"q": "so"}).json()
    assert (len(answer["data"]), answer["more"]) == (1000, True)


def test_what_a_key_may_not_see_has_no_outline_and_no_places(client, add_key):
    rows = client.get("/v1/documents").json()["data"]
    number = next(row["id"] for row in rows if row["path"] == "hr/pay.md")
    plain, hr = add_key("plain"), add_key("hr", labels=["hr"])
    for end in ("outline", "find?q=director"):
        assert client.get(f"/v1/documents/{number}/{end}", headers=plain).status_code == 404
        assert client.get(f"/v1/documents/{number}/{end}", headers=hr).json()["data"]


def upload(client, folder, name="new.md", content=b"# New\n\nA new page.\n", **options):
    files = {"file": (name, content)}
    return client.post("/v1/documents", params={"folder": folder, **options}, files=files)


def test_a_file_is_taken_into_a_folder_with_its_labels(client, add_key, tmp_path):
    assert upload(client, "a/b c").json()["data"][0]["path"] == "a/b c/new.md"
    assert (tmp_path / "documents" / "a" / "b c" / "new.md").read_bytes().startswith(b"# New")
    again = upload(client, "a/b c")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "document_exists")
    assert upload(client, "a/b c", content=b"# Newer", replace=True).status_code == 202
    assert (tmp_path / "documents" / "a" / "b c" / "new.md").read_bytes() == b"# Newer"
    job = upload(client, "").json()["job"]
    wait_until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "done", "the ingest")
    paths = {row["path"] for row in client.get("/v1/documents").json()["data"]}
    assert {"new.md", "a/b c/new.md"} <= paths
    key = add_key("plain", "ask", "manage", labels=[])
    refused = client.post(
        "/v1/documents", params={"folder": "hr"}, files={"file": ("x.md", b"# X")}, headers=key
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "label_missing")


def test_folders_lead_nowhere_else(client, tmp_path):
    (tmp_path / "outside").mkdir()
    documents = tmp_path / "documents"
    (documents / "link").symlink_to(tmp_path / "outside")
    (documents / "taken.md").mkdir()
    before = sorted(tmp_path.rglob("*.md"))
    for folder in (
        "..", "a/../../b", "/etc", "a//b", "a/", ".git", "a/.b", "a\\b", "C:\\x\ny", "a\u202eb", " ",
        "/".join("x" * 21), "x" * 300, "link", "link/deeper", "%2e%2e/%00\x00",
    ):  # fmt: skip
        refused = upload(client, folder)
        assert refused.status_code == 400, folder
        assert refused.json()["error"]["code"] == "bad_folder"
    for folder, name, code in (
        ("pump.md", "new.md", "file_exists"),
        ("pump.md/deeper", "new.md", "file_exists"),
    ):
        refused = upload(client, folder, name)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, code)
    assert upload(client, "", "taken.md").json()["error"]["code"] == "document_exists"
    refused = upload(client, "", "taken.md", replace=True)
    assert refused.json()["error"]["code"] == "folder_exists"
    assert sorted(tmp_path.rglob("*.md")) == before
    assert list((tmp_path / "outside").iterdir()) == []
    assert list(documents.glob(".upload-*")) == []
