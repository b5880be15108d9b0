"""Chunks are exact spans within the limit, whatever the text; headings and structure are followed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.chunking.chunkers import make_chunker
from acclimate.documents.builder import TextBuilder
from acclimate.testing.chunking import check_chunks, word_spans

KINDS = st.sampled_from(["heading", "paragraph", "list_item", "table", "code"])
TEXTS = st.text(max_size=300) | st.lists(st.sampled_from(["one", "two.", "three!\n", "żółć", "🙂", "a,b"])).map(
    " ".join
)


def build(elements):
    builder = TextBuilder()
    for kind, text, level in elements:
        builder.add(kind, text, level)
    return builder.build("d.md", "text/markdown")


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(KINDS, TEXTS, st.integers(1, 6)), max_size=12), st.integers(1, 40), st.booleans())
def test_any_document_keeps_the_contract(elements, limit, fixed):
    chunker = make_chunker("fixed" if fixed else "structure", word_spans, limit, overlap_tokens=limit // 3)
    check_chunks(chunker, build(elements), word_spans, limit)


def test_sections_are_not_mixed_when_they_fill_a_chunk():
    document = build(
        [("heading", "A", 1), ("paragraph", "one " * 9, 0), ("heading", "B", 1), ("paragraph", "two " * 9, 0)]
    )
    chunks = make_chunker("structure", word_spans, 12).split(document)
    assert [chunk.text.split()[0] for chunk in chunks] == ["A", "B"]


def test_small_sections_are_joined():
    document = build([("heading", "A", 1), ("paragraph", "one", 0), ("heading", "B", 1), ("paragraph", "two", 0)])
    assert len(make_chunker("structure", word_spans, 50).split(document)) == 1


def test_the_path_of_headings_is_known():
    document = build(
        [
            ("heading", "Top", 1),
            ("heading", "Under", 2),
            ("paragraph", "x " * 30, 0),
            ("heading", "Next", 2),
            ("paragraph", "y", 0),
        ]
    )
    chunks = make_chunker("structure", word_spans, 10).split(document)
    assert chunks[0].headings == ()  # it begins with the heading itself
    assert chunks[1].headings == ("Top", "Under")
    assert chunks[-1].headings == ("Top",)
    assert chunks[1].heading_path == "Top › Under"


def test_long_text_is_cut_at_sentences():
    document = build([("paragraph", "One two three. Four five six. Seven eight nine.", 0)])
    chunks = make_chunker("structure", word_spans, 9).split(document)
    assert [chunk.text for chunk in chunks] == ["One two three. Four five six.", "Seven eight nine."]


def test_a_table_is_cut_between_rows():
    builder = TextBuilder()
    builder.add_table([["Model", "Price"], ["AX", "1"], ["BX", "2"], ["CX", "3"]])
    for chunk in make_chunker("structure", word_spans, 14).split(builder.build("t.md", "text/markdown")):
        assert all(line.startswith("|") and line.endswith("|") for line in chunk.text.split("\n"))


def test_fixed_windows_overlap_as_asked():
    document = build([("paragraph", " ".join(f"w{number}" for number in range(10)), 0)])
    texts = [chunk.text for chunk in make_chunker("fixed", word_spans, 4, overlap_tokens=1).split(document)]
    assert texts == ["w0 w1 w2 w3", "w3 w4 w5 w6", "w6 w7 w8 w9"]


@pytest.mark.parametrize("change", [{"max_tokens": 9}, {"tokenizer": "other"}, {"method": "fixed"}])
def test_the_fingerprint_changes_with_the_settings(change):
    base = {"method": "structure", "tokens": word_spans, "max_tokens": 8, "tokenizer": "words"}
    assert make_chunker(**base).fingerprint != make_chunker(**(base | change)).fingerprint
