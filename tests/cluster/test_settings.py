"""What is decided without a cluster: nodes' shares, errors as values, and what opens no connection."""

import subprocess
import sys

import pytest

from acclimate import Project
from acclimate.cluster.nodes import Node, Share, shares
from acclimate.cluster.place import Fault, UnfitError
from acclimate.cluster.session import joined
from acclimate.errors import (
    AcclimateError,
    EngineError,
    MissingExtraError,
    PromptTooLongError,
    SettingsError,
)
from acclimate.evaluation.halving import Budget, Trace, halve
from acclimate.settings_cluster import ClusterSettings
from acclimate.system import platforms


@pytest.mark.parametrize(
    ("node", "wanted", "found"),
    [
        (Node("n", "h", 8), Share(), [Share(8)]),
        (Node("n", "h", 8), Share(3), [Share(3, 0, 0), Share(3, 0, 1)]),
        (Node("n", "h", 2), Share(3), []),
        (Node("n", "h", 8, 2), Share(0, 1), [Share(4, 1, 0), Share(4, 1, 1)]),
        (Node("n", "h", 8, 1), Share(2, 0.5), [Share(2, 0.5, 0), Share(2, 0.5, 1), Share(2, 0, 2),
                                               Share(2, 0, 3)]),
        (Node("n", "h", 8), Share(0, 1), [Share(8)]),
        (Node("n", "h", 1, 4), Share(0, 1), [Share(1, 1, 0)]),
    ],
)  # fmt: skip
def test_a_node_has_room_for_so_many_actors(node, wanted, found):
    assert shares(node, wanted, without_gpus=True) == found
    with_theirs = [one for one in found if one.gpus or not wanted.gpus]
    assert shares(node, wanted) == with_theirs


@pytest.mark.parametrize(
    "error",
    [
        PromptTooLongError("too long.", hint="Ask less."),
        EngineError("busy.", retryable=True, wait_s=3.0),
        MissingExtraError("compare", "tune"),
    ],
)
def test_an_error_is_the_same_behind_a_connection(error):
    again = Fault.of(error).error("node")
    assert (type(again), str(again), again.hint) == (type(error), str(error), error.hint)
    assert (again.retryable, again.wait_s) == (error.retryable, error.wait_s)


def test_an_error_that_nobody_foresaw_names_its_node():
    found = Fault.of(KeyError("x")).error("10.0.0.7")
    assert isinstance(found, EngineError)
    assert str(found) == "on node 10.0.0.7: KeyError: 'x'."
    assert Fault.of(UnfitError("gone")).unfit
    assert isinstance(Fault.of(UnfitError("gone")).error("h"), AcclimateError)


def test_an_address_of_rays_client_is_refused():
    settings = ClusterSettings(engine="ray", address="ray://head:10001")
    with pytest.raises(SettingsError, match="ray://head:10001"), joined(settings):
        pass


def test_threads_are_no_more_than_an_actor_may_use(monkeypatch):
    before = platforms.usable_cpus()
    monkeypatch.setattr(platforms, "_share", [])
    assert platforms.thread_limit() is None
    platforms.use_at_most(1)
    assert (platforms.usable_cpus(), platforms.usable_cores()) == (1, 1)
    assert platforms.thread_limit() == 1
    platforms.use_at_most(before + 5)
    assert platforms.usable_cpus() == before


def test_a_worker_is_not_spread_again(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    Project.create(tmp_path, tmp_path / "docs").close()
    monkeypatch.setenv("ACCLIMATE_CLUSTER__ENGINE", "ray")
    with (
        Project.open(tmp_path) as project,
        pytest.raises(SettingsError, match="two ways to share an ingest"),
    ):
        project.work()


def test_without_a_cluster_nothing_of_it_is_loaded_or_opened(tmp_path):
    """No connection either: an audit hook would tell of any socket but a pair within the process."""
    code = """
import sys
opened = []
sys.addaudithook(lambda event, given: opened.append(event) if event in
                 ("socket.bind", "socket.connect", "socket.getaddrinfo") else None)
from pathlib import Path
from acclimate.settings import Settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.workflows.ingest import ingest_documents
from acclimate.workspace.workspace import Workspace
import acclimate.workflows.compare
root = Path(sys.argv[1])
(root / "documents").mkdir()
(root / "documents" / "one.md").write_text("# One\\n\\nA note.")
with Workspace(root, Settings(), embedder=HashEmbedder()) as workspace:
    assert ingest_documents(workspace).added == 1
print(opened, "ray" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]", "False"]


def test_a_search_announces_what_it_will_score_and_scores_the_same(tmp_path):
    names, items = ["a", "b", "c", "d", "e"], [str(at) for at in range(12)]

    def score(name, item):
        return names.index(name) + int(item) / 100

    announced = []
    with Trace() as trace:
        alone = halve(names, items, score, Budget(), trace)
    file = tmp_path / "trace.jsonl"
    with Trace(file) as trace:
        found = halve(names, items, score, Budget(), trace, announce=announced.append)
    assert (found.winner, found.scores, found.rounds) == (alone.winner, alone.scores, alone.rounds)
    asked = [(name, one) for some in announced for name, got in some.items() for one in got]
    assert sorted(asked) == sorted(
        (name, item) for name, got in found.scores.items() for item in got
    )
    with Trace(file) as trace:  # what the trace has is not announced again
        again = []
        halve(names, items, score, Budget(), trace, announce=again.append)
    assert not any(again)
