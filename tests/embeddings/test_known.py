"""Prefixes and pooling: what a user says, then what the model's files say, then what is known of it."""

import json
import logging
from pathlib import Path

import pytest

from acclimate.embeddings.known import KNOWN, known
from acclimate.embeddings.spec import Wishes, read_spec
from acclimate.errors import SettingsError
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.store import LocalModel
from acclimate.settings_sections import EmbedderSettings
from acclimate.workspace.encoders import open_embedder

SEARCH = "Represent this sentence for searching relevant passages: "


@pytest.mark.parametrize(
    ("name", "query", "passage", "pooling"),
    [
        ("intfloat/multilingual-e5-small", "query: ", "passage: ", "mean"),
        ("intfloat/e5-base-v2", "query: ", "passage: ", "mean"),
        ("BAAI/bge-small-en-v1.5", SEARCH, "", "cls"),
        ("BAAI/bge-m3", "", "", "cls"),
        ("thenlper/gte-small", "", "", "mean"),
        ("Alibaba-NLP/gte-modernbert-base", "", "", "cls"),
        ("MongoDB/mdbr-leaf-ir", SEARCH, "", "mean"),
        ("ibm-granite/granite-embedding-97m-multilingual-r2", "", "", "cls"),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: ", "mean"),
        ("Snowflake/snowflake-arctic-embed-m", SEARCH, "", "cls"),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", "", "cls"),
        ("mixedbread-ai/mxbai-embed-large-v1", SEARCH, "", "cls"),
        ("sentence-transformers/all-MiniLM-L6-v2", "", "", "mean"),
        ("all-minilm-l6-v2", "", "", "mean"),
    ],
)
def test_what_is_known_is_used_without_a_warning(tmp_path, caplog, name, query, passage, pooling):
    spec = read_spec(tmp_path, name)
    assert (spec.query_prefix, spec.passage_prefix, spec.pooling) == (query, passage, pooling)
    copy = tmp_path / name.rpartition("/")[2]
    copy.mkdir()
    assert read_spec(copy) == read_spec(copy, str(copy)) == spec
    assert read_spec(tmp_path, f"{name}:onnx/model.onnx") == spec
    assert not caplog.records


def test_names_that_only_look_alike_are_not_known():
    assert known("somebody/my-e5-small-of-recipes") is None
    assert known("bge-reranker-base") is None
    assert known("e5") is None


def test_each_row_names_its_source_and_each_embedder_of_the_catalogue_has_a_row():
    assert all(row.source for row in KNOWN)
    embedders = [name for name, entry in CATALOGUE.items() if entry.kind == "embedder"]
    assert [name for name in embedders if known(name) is None] == []


def put_prompts(folder: Path, **prompts: str) -> None:
    content = json.dumps({"prompts": prompts})
    (folder / "config_sentence_transformers.json").write_text(content)


def test_a_models_own_prompts_come_before_the_table_and_a_users_before_both(tmp_path):
    put_prompts(tmp_path, query="ask: ", corpus="text: ")
    spec = read_spec(tmp_path, "intfloat/e5-small")
    assert (spec.query_prefix, spec.passage_prefix) == ("ask: ", "text: ")
    wished = read_spec(tmp_path, "intfloat/e5-small", Wishes(query_prefix=""))
    assert (wished.query_prefix, wished.passage_prefix) == ("", "text: ")
    both = Wishes("q ", "p ", "cls")
    wished = read_spec(tmp_path, "intfloat/e5-small", both)
    assert (wished.query_prefix, wished.passage_prefix, wished.pooling) == ("q ", "p ", "cls")
    put_prompts(tmp_path, query="", document="")  # what is written where nobody said anything
    assert read_spec(tmp_path, "intfloat/e5-small").passage_prefix == "passage: "


def test_a_model_that_nobody_knows_is_warned_of_once_it_is_not_settled(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert read_spec(tmp_path, "somebody/finder").query_prefix == ""
        assert "somebody/finder does not say" in caplog.text
        assert "query_prefix" in caplog.text
        caplog.clear()
        read_spec(tmp_path, "somebody/finder", Wishes(query_prefix=""))
        put_prompts(tmp_path, query="", document="")
        read_spec(tmp_path, "somebody/finder")
        assert caplog.text == ""


def test_settings_reach_the_vectors(tiny):
    def find(name, kind):
        file = Path(name) / "model.safetensors"
        return LocalModel("tiny", Path(name), file, "0" * 64)

    def vectors(**settings):
        chosen = EmbedderSettings(model=str(tiny.folder), **settings)
        embedder = open_embedder(chosen, tiny.folder, find)
        return embedder, embedder.embed_queries(["the cat"])[0], embedder.embed_passages(["mat"])[0]

    plain, _, _ = vectors(query_prefix="", passage_prefix="")
    _, query, passage = vectors(query_prefix="notice: ", passage_prefix="day ")
    assert plain.embed_queries(["notice: the cat"])[0] @ query == pytest.approx(1, abs=1e-3)
    assert plain.embed_queries(["the cat"])[0] @ query < 0.999
    assert plain.embed_passages(["day mat"])[0] @ passage == pytest.approx(1, abs=1e-3)
    first, query, _ = vectors(query_prefix="", pooling="cls")
    assert plain.embed_queries(["the cat"])[0] @ query < 0.999
    assert first.fingerprint != plain.fingerprint


@pytest.mark.parametrize("engine", ["openai", "sentence-transformers"])
@pytest.mark.parametrize(
    ("key", "value"), [("pooling", "cls"), ("dense", ("2_Dense",)), ("dimensions", 64)]
)
def test_what_an_engine_cannot_follow_is_refused(tmp_path, engine, key, value):
    chosen = EmbedderSettings(
        engine=engine, model="m", base_url="http://127.0.0.1:9", **{key: value}
    )
    with pytest.raises(SettingsError, match=f"embedder.{key}"):
        open_embedder(chosen, tmp_path, lambda *_: pytest.fail("looked for the model"))


def test_a_server_gets_the_prefixes(tmp_path):
    chosen = EmbedderSettings(engine="openai", model="m", base_url="http://127.0.0.1:9")
    plain = open_embedder(chosen, tmp_path, lambda *_: None)
    prefixed = chosen.model_copy(update={"query_prefix": "query: "})
    assert open_embedder(prefixed, tmp_path, lambda *_: None).fingerprint != plain.fingerprint
