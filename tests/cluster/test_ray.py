"""A Ray cluster on this machine: work is done once, whoever dies, and as it would be done here."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing, contextmanager
from functools import partial

import psutil
import pytest

from acclimate import Project
from acclimate.cluster.nodes import Share, nodes
from acclimate.cluster.pool import LostError, Pool, result
from acclimate.cluster.session import joined
from acclimate.errors import AcclimateError, EngineError, PromptTooLongError
from acclimate.indexes.library import Library
from acclimate.ingest import ingest
from acclimate.ingest_reading import reader_name
from acclimate.ingest_report import NoProgress
from acclimate.models.openvino import OpenVINOEngine
from acclimate.settings import Settings
from acclimate.settings_cluster import ClusterSettings
from acclimate.settings_library import DocumentsSettings
from acclimate.testing.clusters import (
    make_desk,
    make_desk_but_once,
    make_echo,
    make_hash_reading,
    simulated_cluster,
)
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.models import check_engine
from acclimate.testing.states import STATE_S, wait_until
from acclimate.tuning.knobs import Knobs
from acclimate.types import Message
from acclimate.workflows.cluster_engine import ClusterEngine
from acclimate.workflows.cluster_ingest import ClusterReader, Wanted
from acclimate.workspace.parsing import open_chunker, open_sandbox, parser_name
from acclimate.workspace.workspace import Workspace

EMBEDDER = HashEmbedder()


@pytest.fixture(scope="module")
def cluster():
    with (
        simulated_cluster(3) as started,
        joined(ClusterSettings(engine="ray", address=started.address)),
    ):
        yield started


@pytest.fixture
def pool(cluster):
    with Pool(make_desk, Share(), nodes=nodes) as pool:
        yield pool


def test_calls_are_answered_and_errors_come_back(pool):
    assert [result(call) for call in [pool.submit("double", n) for n in range(20)]] == [
        2 * n for n in range(20)
    ]
    with pytest.raises(PromptTooLongError, match="too long") as error:
        result(pool.submit("fail", PromptTooLongError("too long.", hint="Ask less.")))
    assert error.value.hint == "Ask less."
    with pytest.raises(EngineError, match=r"on node 127\.0\.0\.1: KeyError"):
        result(pool.submit("fail", KeyError("x")))
    family = [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
    ]
    heard = [
        one.laddr.ip
        for process in family
        for one in process.net_connections("tcp")
        if one.status == "LISTEN"
    ]
    assert heard
    assert set(heard) <= {"127.0.0.1", "::ffff:127.0.0.1"}
    told = [process.environ() for process in family if "raylet" in process.name()]
    assert told
    assert {one["RAY_USAGE_STATS_ENABLED"] for one in told} == {"0"}


def elsewhere(code, **environment):
    """What another process says on stdout and stderr."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=STATE_S,
    )


def test_without_the_token_nobody_joins(cluster):
    code = f"""
from acclimate.cluster.session import joined
from acclimate.errors import AcclimateError
from acclimate.settings_cluster import ClusterSettings
try:
    with joined(ClusterSettings(engine="ray", address={cluster.address!r})):
        print("joined")
except AcclimateError as error:
    print(error, error.hint)
"""
    done = elsewhere(code, RAY_AUTH_TOKEN="0" * 32)
    assert "it wants another token" in done.stdout, done
    assert "auth_token" in done.stdout


def test_whoever_joins_an_open_cluster_is_warned():
    code = """
from acclimate.cluster.nodes import Share, nodes
from acclimate.cluster.pool import Pool, result
from acclimate.cluster.session import joined
from acclimate.settings_cluster import ClusterSettings
from acclimate.testing.clusters import make_desk, simulated_cluster
with simulated_cluster(0, token=False) as cluster:
    with joined(ClusterSettings(engine="ray", address=cluster.address)):
        with Pool(make_desk, Share(), nodes=nodes) as pool:
            print(result(pool.submit("double", 21)))
"""
    done = elsewhere(code)
    assert done.stdout.split() == ["42"], done
    assert "asks for no token" in done.stderr


def test_a_call_that_ends_its_actors_is_given_up_and_costs_no_other(pool):
    bad = pool.submit("end")
    good = [pool.submit("double", n) for n in range(12)]
    assert [result(call) for call in good] == [2 * n for n in range(12)]
    with pytest.raises(LostError, match="3 actors ended"):
        result(bad)
    assert result(pool.submit("double", 21)) == 42


def test_a_node_that_cannot_do_the_work_takes_no_part(cluster, tmp_path, caplog):
    with Pool(partial(make_desk_but_once, tmp_path / "refused"), Share(), nodes=nodes) as pool:
        assert result(pool.submit("double", 2)) == 4
        wait_until(lambda: "takes no part" in caplog.text, "the refusal")
    assert "the folder is not there. Mount it." in caplog.text


def test_more_cpus_than_a_node_has_are_refused(cluster):
    said = r"no node .* has the 7 CPUs .* one has is 1"
    with Pool(make_desk, Share(7), nodes=nodes) as pool, pytest.raises(EngineError, match=said):
        result(pool.submit("double", 2))


def test_an_engine_on_nodes_keeps_the_contract(cluster):
    with (
        Pool(make_echo, Share(), depth=1, nodes=nodes) as pool,
        closing(ClusterEngine(pool)) as echo,
    ):
        assert (echo.name, echo.context_tokens) == ("echo", 2048)
        assert echo.count([Message("user", "one two")]) == 3
        assert echo.peak_mb() > 10
        check_engine(echo)


@pytest.fixture
def project(tmp_path):
    """A folder of documents, and settings with a limit that one of them breaks."""
    folder = tmp_path / "project"
    (folder / "documents").mkdir(parents=True)
    for number in range(30):
        text = f"# Note {number}\n\nWord{number} is here.\n\nAnd there is word{number % 5}."
        (folder / "documents" / f"{number}.md").write_text(text)
    (folder / "documents" / "bad.txt").write_bytes(b"\0\1")
    (folder / "documents" / "long.txt").write_text("word " * 400)
    return folder


def settings(**files):
    return Settings(documents=DocumentsSettings(max_characters=1000, **files))


def contents(record):
    held = {path: (record.document(path), []) for path in record.files()}
    keys = record.keys()
    vectors = record.vectors(keys, record.embedder)
    for chunk, (_, vector) in zip(record.chunks(keys), vectors, strict=True):
        held[chunk.document][1].append((chunk, vector.tobytes()))
    return held


@contextmanager
def reading(folder, chosen):
    """What reads a project's files with the embedder of tests, by actors as well."""
    workspace = Workspace(folder, chosen, embedder=EMBEDDER)
    chunker = open_chunker(chosen, EMBEDDER, workspace.layout.templates, workspace.write)
    parser = parser_name(chosen.documents, None)
    wanted = Wanted(parser, chunker.fingerprint, EMBEDDER.fingerprint)
    make = partial(make_hash_reading, folder, chosen, wanted)
    with (
        closing(open_sandbox(chosen.documents, pictures=False)) as sandbox,
        Pool(make, Share(), nodes=nodes) as pool,
    ):

        def run(library, *, by_actors):
            name = reader_name(parser, chunker)
            reader = ClusterReader(name, lambda: pool, library.record, EMBEDDER, NoProgress())
            return ingest(
                workspace.documents, library, sandbox, chunker, EMBEDDER, parser=parser,
                reader=reader if by_actors else None,
            )  # fmt: skip

        yield run


def test_an_ingest_by_actors_is_that_of_one_process(cluster, project, tmp_path):
    """Also what was changed, removed and could not be read; the driver computes no vector."""
    with (
        closing(Library(tmp_path / "one")) as one,
        closing(Library(tmp_path / "many")) as many,
        reading(project, settings()) as run,
    ):
        for version in range(2):
            if version:
                (project / "documents" / "3.md").unlink()
                (project / "documents" / "4.md").write_text("Changed.")
                os.utime(project / "documents" / "5.md", ns=(1, 1))
            alone = run(one, by_actors=False)
            before = EMBEDDER.passages
            report = run(many, by_actors=True)
            assert EMBEDDER.passages == before
            assert contents(many.record) == contents(one.record)
            assert many.check() == []
            for name in ("added", "changed", "removed", "unchanged", "documents", "chunks"):
                assert getattr(report, name) == getattr(alone, name), name
            assert report.embedded == alone.embedded
            reasons = sorted(failure.reason for failure in report.failures)
            assert reasons == sorted(failure.reason for failure in alone.failures)
            assert any("has more than 1,000 characters" in reason for reason in reasons)


def test_without_the_folder_on_any_node_the_error_says_what_to_mount(cluster, project, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    make = partial(make_hash_reading, elsewhere, settings(), Wanted("p", "c", "e"))
    said = r"on node 127\.0\.0\.1: the documents folder .*elsewhere"
    with (
        Pool(make, Share(), nodes=nodes) as pool,
        pytest.raises(AcclimateError, match=said) as error,
    ):
        result(pool.submit("read", "0.md", project / "documents" / "0.md", None))
    assert "same path on every node" in error.value.hint


WORDS = "amber birch cedar delta ember fjord grove heath islet jetty kelpy larch".split()


@pytest.fixture
def asked(tmp_path, tiny_file, monkeypatch):
    """A project with questions, and a network that answers at random but always alike."""
    folder = tmp_path / "asked"
    (folder / "docs").mkdir(parents=True)
    rows = []
    for word in WORDS:
        text = f"The seat of {word} is {word}-town."
        (folder / "docs" / f"{word}.md").write_text(f"# {word}\n\n{text}\n")
        rows.append(
            {"id": word, "question": f"What is the seat of {word}?", "answers": [f"{word}-town"],
             "document": f"{word}.md", "evidence": text, "split": "test"}
        )  # fmt: skip
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("ACCLIMATE_MODEL__NAME", str(tiny_file(window=1024)))
    monkeypatch.setenv("ACCLIMATE_MODEL__ENGINE", "openvino")
    monkeypatch.setenv("ACCLIMATE_MODEL__MAX_TOKENS", "8")
    Project.create(folder, folder / "docs").close()
    with Project.open(folder) as project:
        project.ingest()
    return folder


def test_a_comparison_on_nodes_has_the_answers_and_the_verdict_of_one_here(
    cluster, asked, tmp_path, monkeypatch
):
    """Also on a copy of the project, whose answers nobody has kept."""
    recipes = ["zero-shot", "rag", "extract"]
    copied = tmp_path / "copied"
    shutil.copytree(asked, copied)
    with Project.open(asked) as project:
        alone = project.compare(recipes)
    monkeypatch.setenv("ACCLIMATE_CLUSTER__ENGINE", "ray")
    with Project.open(copied) as project:
        monkeypatch.setattr(
            OpenVINOEngine, "_open", lambda *_: pytest.fail("a model is loaded here")
        )
        found = project.compare(recipes)

    def told(compared):
        return {
            (one.recipe, one.question): (one.answer and one.answer.text, one.score, one.error)
            for one in compared.outcomes
        }

    assert told(found) == told(alone)
    assert len({text for text, _, _ in told(found).values()}) > len(WORDS)
    assert found.verdict.recommended == alone.verdict.recommended == "extract"
    # More, where a node that is gone by now was still thought to be there.
    assert all(row.parallel >= 2 for row in found.rows if row.recipe != "extract")
    assert all(row.peak_mb > 10 for row in found.rows)


def test_rates_and_seeds_on_nodes_learn_what_they_would_learn_here(
    cluster, tiny_file, tmp_path, one_thread
):
    from acclimate.tuning.cases import Case
    from acclimate.tuning.run import TuningJob
    from acclimate.tuning.sweep import SEGMENTS
    from acclimate.tuning.trainer import TrainSettings
    from acclimate.workflows.tune_choices import train_as_chosen

    cases = [
        Case((Message("user", f"What is the seat of {word}?"),), f"{word}-town", word)
        for word in WORDS
    ]
    settings = TrainSettings(steps=3, batch=1, minutes=1.0, checkpoint_minutes=1e9)
    found = {}
    for engine in ("local", "ray"):
        folder = tmp_path / engine
        note = folder / "seed-0" / "sweep" / "segment.json"
        note.parent.mkdir(parents=True)
        note.write_text('{"steps": 1}')
        knobs = Knobs(sweep=True, seeds=2, rank=2)
        job = TuningJob(tiny_file(), "tiny", cases, cases[:2], folder, knobs=knobs)
        where = ClusterSettings(engine=engine)
        found[engine] = train_as_chosen(job, settings, None, None, where)
    alone, many = found["local"], found["ray"]
    assert many.seeds == pytest.approx(alone.seeds, rel=1e-3)
    assert many.trained.plan.rate == alone.trained.plan.rate
    folders = [one.trained.folder.relative_to(tmp_path / name) for name, one in found.items()]
    assert folders[0] == folders[1]
    scores = []
    for engine in found:
        rows = (tmp_path / engine / "sweep" / "trace.jsonl").read_text().splitlines()
        trials = [one for one in map(json.loads, rows) if "item" in one]
        scores.append({(one["candidate"], one["item"]): one["score"] for one in trials})
    assert len(scores[0]) > SEGMENTS
    assert scores[1] == pytest.approx(scores[0], rel=1e-3)


def test_what_a_killed_node_had_is_done_by_others_and_a_new_one_takes_part(cluster, pool, tmp_path):
    """The last test: the cluster is another one after it."""
    wait_until(lambda: sum(one.ready for one in pool._actors) == 3, "an actor on each node")
    calls = [pool.submit("halt", tmp_path / f"{n}", n) for n in range(3)]
    wait_until(lambda: len(list(tmp_path.iterdir())) == 3, "a call on each")
    cluster.kill(0)
    cluster.add()
    wait_until(lambda: any(call.done() for call in calls), "the lost call's second try")
    cluster.kill(0)
    cluster.kill(0)
    assert sorted(call.result(STATE_S) for call in calls) == [0, 2, 4]
    assert result(pool.submit("double", 21)) == 42
