"""The knowledge graph: what the rules find, walks against the definition, filters, damage, a model's facts."""

import json
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.indexes.base import Change, Match
from acclimate.indexes.entities import Extraction, Mention, extract, name_of, names_in
from acclimate.indexes.graph import TELEPORT, SQLiteGraphIndex
from acclimate.indexes.library import Library
from acclimate.project import Project
from acclimate.prompting.templates import load_template
from acclimate.settings import load_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.graphs import check_graph_index
from acclimate.types import Chunk
from acclimate.workspace.graph import SCHEMA, open_graph, read_facts


def chunk_of(text, start=0, **more):
    return Chunk("id", "d.md", start, start + len(text), text, **more)


def test_contract(tmp_path):
    check_graph_index(lambda: SQLiteGraphIndex(tmp_path, extract, "rules"))


def test_names_codes_phrases_and_what_stands_between_them():
    chunk = chunk_of(
        "It is bought from Bank of Norway AS, which made the NK-45 (Fjell 12).", 7, title="Supply"
    )
    found = extract(chunk)
    shown = [mention.shown for mention in found.mentions if mention.certain]
    assert shown == ["Supply", "Bank of Norway AS", "NK-45", "Fjell 12"]
    said = [(relation.head, relation.predicate, relation.tail) for relation in found.relations]
    assert said == [
        (name_of("Bank of Norway AS"), ", which made the", name_of("NK-45")),
        (name_of("NK-45"), "(", name_of("Fjell 12")),
    ]
    assert "price list" in names_in("Is it in the price lists?")


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(0, 50))
def test_spans_hold_what_is_shown(text, start):
    for mention in extract(chunk_of(text, start)).mentions:
        assert text[mention.start - start : mention.end - start] == mention.shown
        assert mention.name == name_of(mention.shown) != ""


links = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from("abcd")), min_size=1, max_size=14, unique=True
)


@settings(deadline=None, max_examples=40)
@given(links, st.integers(1, 6))
def test_walks_are_those_of_personalised_pagerank(tmp_path_factory, pairs, begin):
    names = {key: [name for other, name in pairs if other == key] for key in range(1, 7)}

    def mentions(chunk):
        key = int(chunk.text)
        return Extraction(tuple(Mention(name, name, 0, 1) for name in names[key]))

    index = SQLiteGraphIndex(tmp_path_factory.mktemp("graph"), mentions, "given")
    index.update(Change((), range(1, 7), 1), [(key, chunk_of(str(key))) for key in range(1, 7)])
    found = {match.key: match.score for match in index.search("", [Match(begin, 2.0)], 9)}
    index.close()
    counts = {name: sum(name in some for some in names.values()) for name in "abcd"}
    nodes = [*range(1, 7), *"abcd"]
    step = np.zeros((10, 10))
    for row, node in enumerate(nodes):
        for column, other in enumerate(nodes):
            if isinstance(node, int) and other in names.get(node, ()):
                step[row, column] = np.log(1 + (6 - counts[other] + 0.5) / (counts[other] + 0.5))
            elif isinstance(other, int) and node in names[other]:
                step[row, column] = 1.0
        step[row] /= step[row].sum() or 1.0
    start = np.eye(10)[begin - 1]
    exact = TELEPORT * start @ np.linalg.inv(np.eye(10) - (1 - TELEPORT) * step)
    for key in range(1, 7):
        assert found.get(key, 0.0) == pytest.approx(exact[key - 1], abs=0.02)


def test_another_extractor_or_damage_builds_the_graph_again(tmp_path):
    def opened(name="one"):
        return lambda folder: SQLiteGraphIndex(folder, extract, name)

    project = tmp_path / "docs"
    project.mkdir()
    (project / "a.md").write_text("# Supply\n\nCompressors come from Norkomp.\n")
    made = Project.create(tmp_path, project)
    made.__dict__["embedder"] = HashEmbedder()
    made.ingest()
    made.close()
    for name in ("one", "two"):
        with closing(Library(tmp_path / ".acclimate", open_graph=opened(name))) as library:
            assert library.check() == []
            assert [
                match.key for match in library.graph.search("norkomp", [], 3)
            ] == library.record.keys()
    (file,) = (tmp_path / ".acclimate").rglob("graph.db")
    file.write_bytes(b"\0" * 5000)
    with closing(Library(tmp_path / ".acclimate", open_graph=opened("two"))) as library:
        assert library.check() == []
        assert len(library.graph.search("norkomp", [], 3)) == 1


def test_a_model_s_facts_stand_in_the_text_and_are_asked_for_once(tmp_path):
    asked = []

    def write(messages, max_tokens, schema):
        asked.append(messages[-1].content)
        assert json.loads(schema) == SCHEMA
        assert max_tokens > 0
        fact = {"subject": "halden", "relation": "buys from", "object": "Norkomp"}
        return json.dumps({"facts": [fact, fact | {"object": "Made Up Ltd"}]})

    template = load_template("triples")
    chunk = chunk_of("since then Halden gets compressors of norkomp.", 3)
    relations = read_facts(template, write, chunk).relations
    assert [(relation.predicate, relation.start, relation.end) for relation in relations] == [
        ("buys from", 14, 48)
    ]
    graph = open_graph(tmp_path, template, "m", write)
    for generation in (1, 2):
        graph.update(Change((), [generation], generation), [(generation, chunk)])
    assert len(asked) == 2, "once here, once for the graph"
    (edge,) = [edge for edge in graph.edges("Halden") if edge.key == 2]
    assert (edge.head, edge.predicate, edge.tail) == ("Halden", "buys from", "norkomp")
    graph.update(Change([1, 2], [], 3), [])
    graph.close()
    assert b"Halden" not in (tmp_path / "graph.db").read_bytes()
    assert read_facts(template, lambda *_: '{"facts": [{"sub', chunk) == extract(chunk)


def test_a_project_finds_by_its_graph(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text(
        "# Purchasing\n\nCompressors are bought under the agreement with Norkomp.\n"
    )
    (docs / "b.md").write_text("# Contracts\n\nNorkomp delivers in nine weeks.\n")
    for number in range(8):
        (docs / f"{number}.md").write_text(
            f"# Minutes {number}\n\nNothing was said about buying on day {number}.\n"
        )
    made = Project.create(tmp_path, docs)
    text = made.file.read_text()
    made.file.write_text(
        text.replace('# graph = "none"', 'graph = "rules"').replace(
            '# method = "hybrid"', 'method = "text"'
        )
    )
    with Project(tmp_path, load_settings(made.file)) as project:
        project.__dict__["embedder"] = HashEmbedder()
        project.ingest()
        found = [
            hit.chunk.document for hit in project.retrieve("Under what are compressors bought?", 3)
        ]
    assert found[:2] == ["a.md", "b.md"]
