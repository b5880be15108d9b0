"""Full disks, kill -9 and several processes at once: the record survives, and the indexes come back equal to it."""

import signal
import subprocess
import sys
from contextlib import closing

import pytest

from acclimate.errors import LibraryError
from acclimate.indexes.library import Library
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.states import STATE_S

SCRIPT = """
import resource, sys
from pathlib import Path
from acclimate.errors import LibraryError
from acclimate.indexes.library import Library
from acclimate.indexes.base import FileState
from acclimate.text.embedded import embedded_hash
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Chunk, Document

embedder, (folder, job, name) = HashEmbedder(), sys.argv[1:]
library = Library(Path(folder))

def put(path, words):
    texts = [f"{word} in {path}" for word in words]
    starts = [sum(len(text) + 1 for text in texts[:at]) for at in range(len(texts))]
    chunks = [Chunk(f"{path}:{s}", path, s, s + len(t), t) for s, t in zip(starts, texts)]
    vectors = dict(zip(map(embedded_hash, chunks), embedder.embed_passages(texts)))
    with library.record.transaction():
        library.record.set_embedder(embedder.fingerprint)
        state = FileState(path, "0", 1, 0, "c")
        library.record.put(Document(path, "\\n".join(texts)), state, chunks, vectors, embedder.fingerprint)
        library.record.bump()

if job == "full":
    put(name, [f"word{n}" for n in range(300)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))
    try:
        library.catch_up()
    except LibraryError as error:
        print(error, error.hint)
elif job == "write":
    for turn in range(12):
        put(f"{name}{turn % 3}", [f"{name}{turn}", "shared"])
        library.catch_up()
elif job == "rebuild":
    def steps():
        while True:
            yield library.repair()
            for turn in range(3):
                yield put(name, [f"{name}{turn}", "shared"])
                yield library.catch_up()
            with library.record.transaction():
                library.record.remove(name)
                library.record.bump()
            yield library.catch_up()
    print("ready", flush=True)
    for _ in steps():
        print("done", flush=True)
"""


def start(folder, job, name):
    command = [sys.executable, "-c", SCRIPT, str(folder), job, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def found(library, words):
    chunks = library.fetch([match.key for match in library.texts.search(words, 1000)])
    return sorted(chunk.text for chunk in chunks)


def test_a_full_disk_is_told_and_made_good(tmp_path):
    with start(tmp_path, "full", "a") as process:
        told, errors = process.communicate(timeout=STATE_S)
    assert "could not be written" in told, errors
    assert "space" in told
    with closing(Library(tmp_path)) as library:
        assert library.check() == []
        assert found(library, "word7") == ["word7 in a"]
        assert len(library.vectors.search(HashEmbedder().embed_queries(["word7"])[0], 999)) == 300


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13])
def test_kill_9_at_any_time_leaves_a_library_that_opens_whole(tmp_path, steps):
    """The kill comes while the step after these is under way."""
    with start(tmp_path, "write", "kept") as process:
        assert process.wait(timeout=STATE_S) == 0, process.stderr.read()
    with start(tmp_path, "rebuild", "gone") as process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(steps):
            assert process.stdout.readline() == "done\n"
        process.send_signal(signal.SIGKILL)
    with closing(Library(tmp_path)) as library:
        assert library.check() == []
        kept = [f"kept{turn} in kept{turn % 3}" for turn in (9, 10, 11)]
        assert [text for text in found(library, "kept9 kept10 kept11") if "kept" in text] == sorted(
            kept
        )


def test_two_writers_and_a_reader(tmp_path):
    with start(tmp_path, "write", "first") as process:
        assert process.wait(timeout=STATE_S) == 0, process.stderr.read()
    query = HashEmbedder().embed_queries(["shared"])[0]
    with (
        closing(Library(tmp_path)) as reader,
        start(tmp_path, "write", "x") as one,
        start(tmp_path, "write", "y") as two,
    ):
        while one.poll() is None or two.poll() is None:
            assert len(reader.vectors.search(query, 3)) == 3
            try:
                seen = found(
                    reader, "shared"
                )  # what a writer committed meanwhile shows, whole chunks of it
            except (
                LibraryError
            ):  # a chunk went between search and record: as a server does, look again
                reader.catch_up()
                continue
            assert set(seen) <= {
                f"shared in {name}{n}" for name in ("first", "x", "y") for n in range(3)
            }
            assert len(set(seen)) == len(seen)
        assert (one.returncode, two.returncode) == (0, 0), (one.stderr.read(), two.stderr.read())
    with closing(Library(tmp_path)) as library:
        assert library.check() == []
        assert len(found(library, "shared")) == 9
        assert found(library, "x11 y11 first11") == ["first11 in first2", "x11 in x2", "y11 in y2"]
