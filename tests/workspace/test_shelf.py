"""Models in memory once for several projects, and nothing else of one in another."""

import threading

import pytest

from acclimate.embeddings.tuned import EXTRACTOR
from acclimate.errors import EngineError, ModelError
from acclimate.project import Project
from acclimate.settings import make_settings
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.states import STATE_S
from acclimate.types import Generation, Message
from acclimate.workspace.engine import shipped_adapter
from acclimate.workspace.shelf import Shelf, stamp

ASKED = [Message("user", "What is the capital of France?")]
SHORT = Generation(max_tokens=4)


class Engine(ScriptedEngine):
    def __init__(self):
        super().__init__(lambda _: "yes")
        self.closed = 0

    def close(self):
        self.closed += 1


def test_one_name_is_loaded_once_and_freed_by_the_last():
    shelf, loaded = Shelf(), []

    def load():
        loaded.append(Engine())
        return loaded[-1]

    one, two, other = shelf.take("a", load), shelf.take("a", load), shelf.take("b", load)
    assert one is two
    assert other is not one
    shelf.give_back(one)
    assert one.closed == 0
    shelf.give_back(two)
    assert (one.closed, other.closed) == (1, 0)
    assert shelf.take("a", load) is not one
    own = Engine()
    shelf.give_back(own)
    assert own.closed == 1


def test_who_comes_while_it_loads_waits_for_it_and_others_do_not():
    shelf, begun, go, found = Shelf(), threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        assert go.wait(STATE_S)
        return Engine()

    threads = [threading.Thread(target=lambda: found.append(shelf.take("a", slow))) for _ in "12"]
    for thread in threads:
        thread.start()
    assert begun.wait(STATE_S)
    assert isinstance(shelf.take("b", Engine), Engine)
    assert not found
    go.set()
    for thread in threads:
        thread.join(STATE_S)
    assert found[0] is found[1]


def test_what_cannot_be_loaded_is_tried_again():
    def fail():
        raise ModelError("there is no such model.")

    shelf = Shelf()
    with pytest.raises(ModelError):
        shelf.take("a", fail)
    assert isinstance(shelf.take("a", Engine), Engine)


def test_a_folder_that_changed_is_another(tmp_path):
    (tmp_path / "weights").write_bytes(b"1")
    before = stamp(tmp_path)
    assert stamp(tmp_path) == before
    (tmp_path / "weights").write_bytes(b"12")
    assert stamp(tmp_path) != before


@pytest.fixture
def open_two(tmp_path):
    """Opens two projects over one shelf, each with settings of its own."""
    opened = []

    def start(first, second):
        shelf = Shelf()
        for name, values in (("a", first), ("b", second)):
            settings = make_settings(values, "test")
            opened.append(Project(tmp_path / name, settings, shelf=shelf))
        return opened

    yield start
    for project in opened:
        project.close()


def test_projects_with_the_same_settings_share_their_models(open_two):
    same = {"retrieval": {"rerank": EXTRACTOR}}
    one, two = open_two(same, same | {"serve": {"port": 0}})
    assert one.engine("rag") is two.engine("rag")
    assert one.embedder is two.embedder
    assert one.extractor.extractor.pairs is two.extractor.extractor.pairs
    assert one.cross_encoder.extractor is two.cross_encoder.extractor
    plain = two.engine("zero-shot")  # the same model without the reader's adapter
    assert plain is not one.engine("rag")
    engine = one.engine("rag")
    one.close()
    assert engine.generate(ASKED, SHORT).completion_tokens
    two.close()
    with pytest.raises(EngineError, match="closed"):
        engine.generate(ASKED, SHORT)


def test_another_adapter_or_window_is_another_engine(open_two, tmp_path):
    copy = tmp_path / "b" / "own"
    copy.mkdir(parents=True)
    one, two = open_two({}, {"model": {"context_tokens": 1024}})
    for file in shipped_adapter(one.settings.model, "reader").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert one.engine("rag") is not two.engine("rag")
    assert one.embedder is two.embedder
    two.settings = make_settings({"model": {"adapter": "own"}}, "test")
    two.free()
    assert one.engine("rag") is not two.engine("rag")


def test_what_llama_cpp_keeps_of_a_prompt_stays_with_its_project(open_two):
    here = {"model": {"engine": "llamacpp"}}
    one, two = open_two(here, here)
    first, second = one.engine("zero-shot"), two.engine("zero-shot")
    assert first is not second
    assert first._model is second._model
    first.generate(ASKED, SHORT)
    assert first._reader._held
    assert second._reader._held == []
