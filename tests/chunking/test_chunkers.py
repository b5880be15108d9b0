"""Chunks are exact spans within the limit, whatever the text and the method; headings and structure are followed."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.chunking.chunkers import CHUNKERS, Cut, make_chunker
from acclimate.chunking.cuts import uncovered
from acclimate.documents.builder import TextBuilder
from acclimate.errors import DocumentError, SettingsError
from acclimate.testing.chunking import check_chunks, word_spans
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Span

KINDS = st.sampled_from(["heading", "paragraph", "list_item", "table", "code"])
TEXTS = st.text(max_size=300) | st.lists(
    st.sampled_from(["one", "two.", "three!\n", "żółć", "🙂", "a,b"])
).map(" ".join)
embed = HashEmbedder().embed_passages


def build(elements):
    builder = TextBuilder()
    for kind, text, level in elements:
        builder.add(kind, text, level)
    return builder.build("d.md", "text/markdown")


def split(document, method="structure", **cut):
    return make_chunker(method, word_spans, embed, Cut(**cut)).split(document)


# LangChain's splitters drop and repeat text as they like: where it repeats itself, their places are
# not known.
@pytest.mark.parametrize("method", sorted(CHUNKERS.keys() - {"langchain"}))
@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(KINDS, TEXTS, st.integers(1, 6)), max_size=12), st.integers(1, 40))
def test_any_document_keeps_the_contract(method, elements, limit):
    cut = Cut(
        limit, overlap=limit // 3, pattern="t", characters=30, child_tokens=max(1, limit // 2)
    )
    chunker, document = make_chunker(method, word_spans, embed, cut), build(elements)
    check_chunks(chunker, document, word_spans, limit)
    assert uncovered(document, chunker.split(document)) == 0


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.text(max_size=20), min_size=2, max_size=4), min_size=2, max_size=30),
    st.integers(8, 40),
)
def test_any_table_keeps_the_contract(rows, limit):
    builder = TextBuilder()
    builder.add_table(rows)
    document = builder.build("t.md", "text/markdown")
    check_chunks(
        make_chunker("structure", word_spans, embed, Cut(limit)), document, word_spans, limit
    )


def test_sections_are_not_mixed_when_they_fill_a_chunk():
    document = build(
        [
            ("heading", "A", 1),
            ("paragraph", "one " * 9, 0),
            ("heading", "B", 1),
            ("paragraph", "two " * 9, 0),
        ]
    )
    assert [chunk.text.split()[0] for chunk in split(document, max_tokens=12)] == ["A", "B"]


def test_small_sections_are_joined_unless_each_heading_begins_a_chunk():
    document = build(
        [("heading", "A", 1), ("paragraph", "one", 0), ("heading", "B", 1), ("paragraph", "two", 0)]
    )
    assert len(split(document, max_tokens=50)) == 1
    assert [chunk.text for chunk in split(document, "sections", max_tokens=50)] == [
        "A\n\none",
        "B\n\ntwo",
    ]


@pytest.mark.parametrize("method", ["structure", "sections"])
def test_each_message_of_a_mail_begins_a_chunk_and_is_named_in_all_of_its_chunks(method):
    said = "Quoted from Bo, 2026-05-04 10:12"
    mail = [
        ("title", "Price", 1),
        ("paragraph", "new", 0),
        ("message", said, 2),
        ("paragraph", "old " * 15, 0),
    ]
    first, second, *others = split(build(mail), method, max_tokens=12)
    assert first.text == "Price\n\nnew"
    assert second.text.startswith(said)
    assert others
    assert all(chunk.headings == ("Price", said) for chunk in others)


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
    chunks = split(document, max_tokens=10)
    assert chunks[0].headings == ()  # it begins with the heading itself
    assert chunks[1].headings == ("Top", "Under")
    assert chunks[-1].headings == ("Top",)
    assert chunks[1].heading_path == "Top › Under"


def test_long_text_is_cut_at_sentences():
    document = build([("paragraph", "One two three. Four five six. Seven eight nine.", 0)])
    for method in ("structure", "sentence", "recursive"):
        texts = [chunk.text for chunk in split(document, method, max_tokens=9)]
        assert texts == ["One two three. Four five six.", "Seven eight nine."]


@pytest.mark.parametrize("text", ["word " * 20_000, "One two. " * 20_000, "x" * 20_000])
def test_one_very_long_paragraph_is_cut_all_the_same(text):
    document = build([("paragraph", text, 0)])
    for method in ("structure", "recursive"):
        chunks = split(document, method, max_tokens=8)
        assert uncovered(document, chunks) == 0
        assert all(len(word_spans(chunk.text)) <= 8 for chunk in chunks)


def test_sentences_are_repeated_as_asked():
    document = build([("paragraph", "One two. Three four. Five six. Seven eight.", 0)])
    texts = [chunk.text for chunk in split(document, "sentence", max_tokens=6, overlap=3)]
    assert texts == ["One two. Three four.", "Three four. Five six.", "Five six. Seven eight."]


def test_a_table_is_cut_between_rows_and_its_header_goes_along():
    builder = TextBuilder()
    builder.add_table([["Model", "Price"], *([f"M{number}", str(number)] for number in range(12))])
    chunks = split(builder.build("t.md", "text/markdown"), max_tokens=40)
    assert len(chunks) > 2
    for chunk in chunks:
        assert all(line.startswith("|") and line.endswith("|") for line in chunk.shown.split("\n"))
        assert chunk.shown.startswith("| Model | Price |\n| --- | --- |\n| M")
    assert chunks[0].header == ""
    assert "Model" not in chunks[1].text


def test_fixed_windows_overlap_as_asked():
    document = build([("paragraph", " ".join(f"w{number}" for number in range(10)), 0)])
    texts = [chunk.text for chunk in split(document, "fixed", max_tokens=4, overlap=1)]
    assert texts == ["w0 w1 w2 w3", "w3 w4 w5 w6", "w6 w7 w8 w9"]
    texts = [chunk.text for chunk in split(document, "characters", max_tokens=90, characters=12)]
    assert texts == ["w0 w1 w2 w3", "w4 w5 w6 w7", "w8 w9"]


def test_a_pattern_begins_chunks():
    document = build([("paragraph", "§1 Scope. §2 Terms apply. §3 End.", 0)])
    texts = [chunk.text for chunk in split(document, "regex", max_tokens=50, pattern="§")]
    assert texts == ["§1 Scope.", "§2 Terms apply.", "§3 End."]
    with pytest.raises(SettingsError, match="not a regular expression"):
        split(document, "regex", max_tokens=50, pattern="(")


def test_semantic_cuts_where_the_subject_changes():
    cats = "The cat sat on the mat. The cat ate the fish on the mat. The mat is the cat's. "
    tax = (
        "Income tax is due in April. Tax on income is paid yearly. Income above a limit bears tax."
    )
    document = build([("paragraph", cats + tax, 0)])
    texts = [chunk.text for chunk in split(document, "semantic", max_tokens=500, percentile=80)]
    assert texts == [cats.strip(), tax]


def test_children_name_their_parents():
    document = build(
        [("heading", "A", 1), ("paragraph", "One two three. Four five six. Seven eight nine.", 0)]
    )
    children = split(document, "parent-child", max_tokens=40, child_tokens=4)
    assert [child.text for child in children[1:]] == [
        "One two three.",
        "Four five six.",
        "Seven eight nine.",
    ]
    assert {child.parent for child in children} == {Span(0, len(document.text))}


def test_langchains_splitters_work_where_they_keep_the_text():
    words = " ".join(f"word{number}{'.' if number % 9 == 0 else ''}" for number in range(300))
    document = build([("heading", "# A", 1), ("paragraph", words, 0)])
    for splitter in ("RecursiveCharacterTextSplitter", "CharacterTextSplitter"):
        chunker = make_chunker(
            "langchain", word_spans, embed, Cut(30, overlap=5, splitter=splitter)
        )
        check_chunks(chunker, document, word_spans, 30)
    chunker._splitter.split_text = lambda text: [text.upper()]
    with pytest.raises(DocumentError, match="changed the text"):
        chunker.split(document)
    with pytest.raises(SettingsError, match="takes no chunk_size"):
        split(document, "langchain", max_tokens=20, splitter="HTMLHeaderTextSplitter")
    with pytest.raises(SettingsError, match="NoSuchSplitter"):
        split(document, "langchain", max_tokens=20, splitter="NoSuchSplitter")


def test_chunks_know_the_pages_inside_them():
    builder = TextBuilder()
    for page in ("one two", "three four", "five six"):
        builder.start_page()
        builder.add("paragraph", page)
    document = builder.build("d.pdf", "application/pdf")
    (chunk,) = split(document, max_tokens=50)
    assert [chunk.page_at(document.text.index(word)) for word in ("one", "three", "six")] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("change", [{"max_tokens": 9}, {"tokenizer": "other"}, {"method": "fixed"}])
def test_the_fingerprint_changes_with_the_settings(change):
    def fingerprint(method="structure", **changed):
        cut = dataclasses.replace(Cut(8, tokenizer="words"), **changed)
        return make_chunker(method, word_spans, embed, cut).fingerprint

    assert fingerprint() != fingerprint(**change)
