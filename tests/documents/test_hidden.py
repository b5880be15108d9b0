"""What authors hid: counted, and left out or marked, from the file to the prompt and the citation."""

import json

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.builder import TextBuilder
from acclimate.documents.hidden import census, count_unread, keep
from acclimate.documents.wire import pack_document, unpack_document
from acclimate.indexes.schema import dump_elements, load_elements
from acclimate.prompting.passages import render_passages
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.types import HIDDEN, PARTLY_HIDDEN


def partly():
    builder = TextBuilder()
    builder.add("heading", "Prices", 1)
    builder.add("paragraph", "A pump costs 900 euro.")
    with builder.hidden("sheet"):
        builder.add("paragraph", "A pump costs 400 euro inside.")
    builder.add("paragraph", "A tank costs 70 euro.")
    return builder.build("a.md", "text/markdown")


def test_an_element_keeps_what_is_known_of_it_on_every_way():
    document = partly()
    assert [element.metadata for element in document.elements] == [{}, {}, {"hidden": "sheet"}, {}]
    assert load_elements(dump_elements(document)) == document.elements
    assert unpack_document(json.loads(json.dumps(pack_document(document)))) == document


def test_hidden_and_visible_text_share_no_passage_by_structure_and_both_are_told_apart():
    document = partly()
    chunks = make_chunker("structure", word_spans, no_embedder, Cut(100)).split(document)
    assert [(chunk.text, chunk.headings) for chunk in chunks] == [
        ("Prices\n\nA pump costs 900 euro.", ()),
        ("A pump costs 400 euro inside.", ("Prices", HIDDEN)),
        ("A tank costs 70 euro.", ("Prices",)),
    ]
    assert f"[2] Prices › {HIDDEN}\nA pump costs 400" in render_passages(chunks)
    whole = make_chunker("fixed", word_spans, no_embedder, Cut(100)).split(document)
    assert [chunk.headings for chunk in whole] == [(PARTLY_HIDDEN,)]


def test_counts_of_a_file_inside_another_are_counted_with_it():
    with census("mark") as outer:
        assert keep("row", 2)
        with census("skip") as inner:
            assert not keep("row")
            count_unread("formula")
    assert (inner.hidden, outer.hidden, outer.unread) == ({"row": 1}, {"row": 3}, {"formula": 1})
    assert not keep("row")  # nobody counts
