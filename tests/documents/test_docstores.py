"""Stores of other programs, in the forms that they are written in."""

import json

import pytest

from acclimate.documents.docstores import read_docstore
from acclimate.errors import SettingsError

TEXT = "The boiler weighs 84 kg. Its filter is changed every six months. The pump costs 230 euros."


def write(folder, name, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def node(name, text, source=None, start=None, kind="1", **metadata):
    """A node as LlamaIndex writes it."""
    related = {"1": {"node_id": source, "node_type": "4", "metadata": {}}} if source else {}
    data = {
        "id_": name,
        "embedding": None,
        "metadata": metadata,
        "relationships": related,
        "start_char_idx": start,
        "end_char_idx": None if start is None else start + len(text),
        "class_name": "TextNode",
    }
    return name, {"__data__": data | {"text": text}, "__type__": kind}


def test_a_storage_folder_of_llamaindex_gives_whole_documents(tmp_path):
    nodes = dict(
        [
            node("b", TEXT[20:70], "d1", 20, file_path="/data/boiler.md", page=2),
            node("a", TEXT[:30], "d1", 0, file_path="/data/boiler.md", page=1),
            node("c", TEXT[65:], "d1", 65, file_path="/data/boiler.md", page=2),
            node("alone", "A note.", author="Ada"),
        ]
    )
    nodes["alone"]["__data__"]["text"] = None
    nodes["alone"]["__data__"]["text_resource"] = {"text": "A note."}  # since 0.12
    write(tmp_path, "docstore.json", {"docstore/metadata": {}, "docstore/data": nodes})
    write(tmp_path, "default__vector_store.json", {"embedding_dict": {"a": [0.1]}})
    first, second = read_docstore(tmp_path)
    assert (first.name, first.text) == ("boiler", TEXT)
    assert first.metadata == {"file_path": "/data/boiler.md"}  # pages differ from piece to piece
    assert (second.text, second.metadata) == ("A note.", {"author": "Ada"})


def test_a_whole_document_wins_over_its_pieces(tmp_path):
    nodes = dict([node("x", TEXT[:30], "d1", 0), node("d1", TEXT, kind="4")])
    path = write(tmp_path, "docstore.json", {"docstore/data": nodes})
    (found,) = read_docstore(path)
    assert found.text == TEXT


@pytest.mark.parametrize(
    "content",
    [
        [{"page_content": TEXT, "metadata": {"source": "a/boiler.txt"}, "type": "Document"}],
        {"1": {"id": "1", "vector": [0.5], "text": TEXT, "metadata": {"source": "a/boiler.txt"}}},
        [
            {
                "lc": 1,
                "type": "constructor",
                "id": ["langchain", "schema", "document", "Document"],
                "kwargs": {"page_content": TEXT, "metadata": {"source": "a/boiler.txt"}},
            }
        ],
        {
            "bm25_algorithm": "BM25L",
            "index": "default",
            "documents": [{"id": "1", "content": TEXT, "meta": {"source": "a/boiler.txt"}}],
        },
        [{"id": "1", "content": TEXT, "meta": {"source": "a/boiler.txt"}, "embedding": None}],
    ],
)
def test_documents_of_langchain_and_haystack(tmp_path, content):
    (found,) = read_docstore(write(tmp_path, "store.json", content))
    assert (found.name, found.text) == ("boiler", TEXT)
    assert found.metadata == {"source": "a/boiler.txt"}


def test_lines_of_pieces_are_joined_without_what_they_repeat(tmp_path):
    def line(text, source, **more):
        return json.dumps({"page_content": text, "metadata": {"source": source, **more}})

    lines = [
        line(TEXT[:60], "a.md"),
        line("Another\u2028document.", "b.md"),
        line(TEXT[30:], "a.md"),
        line("Elsewhere.", "a.md"),
        line(TEXT[50:], "c.md", start_index=50),
        line(TEXT[:55], "c.md", start_index=0),
    ]
    first, second, third = read_docstore(write(tmp_path, "docs.jsonl", "\n".join(lines) + "\n"))
    assert first.text == f"{TEXT}\n\nElsewhere."
    assert second.text == "Another\u2028document."
    assert (third.text, third.metadata) == (TEXT, {"source": "c.md"})


def test_places_that_are_counted_by_page_are_not_taken_for_places_in_the_document(tmp_path):
    rows = [
        {"page_content": text, "metadata": {"source": "a.pdf", "page": page, "start_index": 0}}
        for page, text in enumerate(("First page.", "Second page."))
    ]
    (found,) = read_docstore(write(tmp_path, "a.json", rows))
    assert found.text == "First page.\n\nSecond page."


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("index.pkl", "x", "pickle.*could run code"),
        ("index.faiss", "x", "pickle or a binary index"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "7", "holds no documents"),
        ("a.json", [], "holds no documents"),
        ("a.json", [{"vector": [1]}], "document 1 has no text"),
        ("a.jsonl", '{"page_content": "a"}\n{"page_content"\n', "line 2"),
        ("a.json", {"docstore/data": {"n": 7}}, "node n has no '__data__'"),
    ],
)
def test_what_is_no_store_is_refused(tmp_path, name, content, error):
    with pytest.raises(SettingsError, match=error):
        read_docstore(write(tmp_path, name, content))


def test_a_folder_without_a_store_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"there is no .*docstore\.json"):
        read_docstore(tmp_path)
