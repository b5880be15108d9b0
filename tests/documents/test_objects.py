"""Documents on object storage, on a local S3 server and on others that fsspec reaches."""

import pickle
import subprocess
import sys
import threading
import uuid
from contextlib import closing

import boto3
import pytest

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.changes import follow, look
from acclimate.documents.objects import Storage, StoredFile, open_place
from acclimate.documents.parsers import parse
from acclimate.documents.walk import LocalFolder
from acclimate.errors import (
    DocumentError,
    MissingExtraError,
    ProjectError,
    SettingsError,
)
from acclimate.indexes.library import Library
from acclimate.ingest import ingest
from acclimate.ingest_reading import Reader
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.servers import s3_server
from acclimate.testing.states import STATE_S

ALL = (("**/*",), ())
BIG = 1_000_000
NOWHERE = {"endpoint_url": "http://127.0.0.1:9"}  # the port of the discard service


class Bucket:
    """A bucket of the server, written as its owner does."""

    def __init__(self, client, name):
        self.client, self.name = client, name

    def put(self, key, text):
        self.client.put_object(Bucket=self.name, Key=key, Body=text.encode())

    def remove(self, key):
        self.client.delete_object(Bucket=self.name, Key=key)


@pytest.fixture(scope="module")
def server():
    with s3_server() as url:
        yield url


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """As on a machine whose user may use the storage."""
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    values = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret"}
    values |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1"}
    for key, value in values.items():
        monkeypatch.setenv(key, value)


@pytest.fixture
def place(server):
    """A bucket, and the place that is a folder of it."""
    client = boto3.client("s3", endpoint_url=server)
    name = f"test-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=name)
    return Bucket(client, name), Storage(f"s3://{name}/docs", {"endpoint_url": server}, BIG)


def ingested(place, library, **options):
    chunker = make_chunker("structure", word_spans, no_embedder, Cut(20))
    return ingest(place, library, parse, chunker, HashEmbedder(), parallel=4, **options)


def counts(report):
    return report.added, report.changed, report.removed, report.unchanged, len(report.failures)


@pytest.fixture
def library(tmp_path):
    with closing(Library(tmp_path / "library")) as opened:
        yield opened


def test_a_bucket_is_ingested_and_only_what_changes_is_fetched_again(
    place, library, monkeypatch, tmp_path
):
    bucket, storage = place
    for number in range(9):
        bucket.put(f"docs/{number % 3}/deep/{number}.md", f"# Note {number}\n\nWord{number}.")
    bucket.put("docs/.hidden/x.md", "hidden")
    bucket.put("docs/folder/", "")
    bucket.put("elsewhere/y.md", "not among them")
    fetched = []
    fetch = Storage._fetch
    monkeypatch.setattr(
        Storage, "_fetch", lambda self, path, to: (fetched.append(path), fetch(self, path, to))[1]
    )
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    report = ingested(storage, library)
    assert counts(report) == (9, 0, 0, 0, 0)
    assert library.record.document("1/deep/4.md").text == "# Note 4\n\nWord4."
    assert not list(tmp_path.glob("acclimate-fetch-*")), "fetched files are removed"
    assert len(fetched) == 9
    fetched.clear()

    assert counts(ingested(storage, library)) == (0, 0, 0, 9, 0)
    assert fetched == []
    bucket.put("docs/0/deep/0.md", "# Note 0\n\nWord9.")  # of the same size
    bucket.remove("docs/1/deep/1.md")
    bucket.put("docs/2/deep/2.md", "# Note 2\n\nWord2.")  # the same content
    bucket.put("docs/new.md", "New.")
    assert counts(ingested(storage, library)) == (1, 1, 1, 7, 0)
    assert sorted(fetched) == ["0/deep/0.md", "new.md"]
    assert library.record.document("0/deep/0.md").text.endswith("Word9.")
    fetched.clear()
    assert counts(ingested(storage, library, check_all=True)) == (0, 0, 0, 9, 0)
    assert len(fetched) == 9


def test_what_cannot_be_read_costs_that_file_and_says_why(place, library):
    bucket, _ = place
    storage = Storage(f"s3://{bucket.name}/docs", place[1]._options, 100)
    bucket.put("docs/a.md", "Good.")
    bucket.put("docs/large.md", "x" * 101)
    bucket.put("docs/a//b.md", "An empty name.")
    bucket.put("docs/../c.md", "A way out.")
    report = ingested(storage, library)
    assert counts(report)[0] == 1
    reasons = {failure.path: failure.reason for failure in report.failures}
    assert set(reasons) == {"large.md", "a//b.md", "../c.md"}
    assert "large.md has 0 MB; 0 are allowed." in reasons["large.md"]
    assert "no path of a file" in reasons["../c.md"]


def test_a_file_that_is_replaced_while_it_is_fetched_is_fetched_again(place, monkeypatch):
    bucket, storage = place
    bucket.put("docs/a.md", "one")
    (file,) = storage.walk(*ALL).files.values()
    texts = iter(["two", "three"])
    fetch = Storage._fetch

    def fetched(self, path, target):
        fetch(self, path, target)
        if (text := next(texts, None)) is not None:
            bucket.put("docs/a.md", text)

    monkeypatch.setattr(Storage, "_fetch", fetched)
    with file.at_hand() as here:
        assert here.file.read_text() == "three"
        assert here.stamp == storage.file("a.md").stamp()
    texts = iter("abcdefgh")
    with pytest.raises(DocumentError, match="was replaced each time"), file.at_hand():
        pass


def test_what_is_gone_before_it_is_fetched_costs_nothing_else(place, library, monkeypatch):
    bucket, storage = place
    bucket.put("docs/a.md", "one")
    bucket.put("docs/b.md", "two")
    walk = Storage.walk

    def walked(self, *patterns):
        found = walk(self, *patterns)
        bucket.remove("docs/a.md")
        return found

    monkeypatch.setattr(Storage, "walk", walked)
    report = ingested(storage, library)
    assert (counts(report)[0], [failure.path for failure in report.failures]) == (1, ["a.md"])


def test_an_empty_or_missing_place_does_not_empty_the_library(place, library):
    bucket, storage = place
    bucket.put("docs/a.md", "one")
    ingested(storage, library)
    bucket.remove("docs/a.md")
    with pytest.raises(ProjectError, match=r"no document in s3://\S+/docs, but 1 are"):
        ingested(storage, library)
    gone = Storage("s3://no-such-bucket-here/docs", storage._options, BIG)
    with pytest.raises(ProjectError, match="does not exist"):
        ingested(gone, library)
    assert list(library.record.files()) == ["a.md"]
    assert counts(ingested(storage, library, allow_empty=True))[2] == 1


def test_errors_name_the_remedy(place, monkeypatch):
    bucket, storage = place
    bucket.put("docs/a.md", "one")
    with pytest.raises(ProjectError, match="is a file, not a folder"):
        Storage(f"s3://{bucket.name}/docs/a.md", storage._options, BIG).walk(*ALL)
    with pytest.raises(ProjectError, match=r"cannot be read: .*127\.0\.0\.1:9") as unreachable:
        Storage("s3://x/docs", NOWHERE, BIG).walk(*ALL)
    assert "storage answers" in unreachable.value.hint
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ProjectError, match="credentials") as unknown:
        Storage(f"s3://{bucket.name}/docs", storage._options, BIG).walk(*ALL)
    assert "AWS_ACCESS_KEY_ID" in unknown.value.hint
    with pytest.raises(SettingsError, match="Protocol not known: nope"):
        Storage("nope://x/docs", {}, BIG).walk(*ALL)
    assert Storage("ftp://me:secret@host/docs", {}, BIG).shown == "ftp://host/docs"
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match="needs the extra 'objects'"):
        Storage("s3://x/docs", {}, BIG).walk(*ALL)


def test_many_folders_are_listed_side_by_side(place):
    bucket, storage = place
    keys = {f"{number:02}/a/b/{number}.md" for number in range(18)} | {"top.md", "00/mid.md"}
    for key in keys:
        bucket.put(f"docs/{key}", key)
    assert set(storage.walk(*ALL).files) == keys
    assert set(storage.walk(("0*/**/*.md",), ("**/mid.md",)).files) == {
        key for key in keys if key.startswith("0") and "mid" not in key
    }
    assert storage.missing(["top.md", "none.md", "00/mid.md"]) == ["none.md"]
    copy = pickle.loads(pickle.dumps(storage.walk(*ALL).files["top.md"]))  # noqa: S301
    with copy.at_hand() as here:
        assert here.file.read_text() == "top.md"


def test_a_bucket_is_followed_by_looks(place):
    bucket, storage = place
    bucket.put("docs/a.md", "one")
    first, second, stop = threading.Event(), threading.Event(), threading.Event()

    def bring_up():
        (second if first.is_set() else first).set()
        return True

    thread = threading.Thread(
        target=lambda: follow(storage, *ALL, bring_up, seconds=0.05, stop=stop), daemon=True
    )
    thread.start()
    try:
        assert first.wait(STATE_S)
        bucket.put("docs/a.md", "two")
        assert second.wait(STATE_S)
    finally:
        stop.set()
        thread.join(STATE_S)


def test_other_storages_go_by_time_and_size(library):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe({"/shelf/a.md": b"Apples.", "/shelf/b/c.md": b"Bees."})
    try:
        storage = open_place("memory://shelf", {}, BIG)
        assert counts(ingested(storage, library)) == (2, 0, 0, 0, 0)
        before = look(storage, *ALL)
        memory.pipe("/shelf/a.md", b"Onions.")
        assert look(storage, *ALL).differs(before)
        assert counts(ingested(storage, library)) == (0, 1, 0, 1, 0)
        assert library.record.document("a.md").text == "Onions."
        memory.rm("/shelf", recursive=True)
        with pytest.raises(ProjectError):
            ingested(storage, library)
    finally:
        memory.store.clear()


def test_a_file_address_is_a_folder_of_this_machine(tmp_path):
    assert open_place(f"file://{tmp_path}", {}, BIG) == LocalFolder(tmp_path)


def test_a_storage_that_is_gone_is_no_fault_of_a_file(place):
    """The ingest ends, and the next one goes on: nothing is counted as not to be read."""
    bucket, storage = place
    bucket.put("docs/a.md", "one")
    (listed,) = storage.walk(*ALL).files.values()
    file = StoredFile(Storage("s3://x/docs", NOWHERE, BIG), "a.md", listed.listed)
    chunker = make_chunker("structure", word_spans, no_embedder, Cut(20))
    with pytest.raises(ProjectError, match="cannot be read"):
        list(Reader(parse, chunker, 1).read({"a.md": file}, {}))


def test_a_folder_of_this_machine_needs_no_package_of_storages(tmp_path):
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.md").write_text("one")
    code = f"""
import sys; from pathlib import Path
from acclimate.project import Project
from acclimate.workflows import ingest
with Project.create(Path({str(tmp_path)!r}), Path("documents")) as project:
    (file,) = project.place.walk(("**/*",), ()).files.values()
    with file.at_hand() as here:
        assert here.file == Path({str(tmp_path)!r}, "documents", "a.md")
assert not sys.modules.keys() & {{"fsspec", "s3fs", "acclimate.documents.objects"}}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
