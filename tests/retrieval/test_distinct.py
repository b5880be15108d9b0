"""Equal passages take one place, and of two versions the newer one ranks first."""

import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.indexes.filters import Among
from acclimate.indexes.library import Library
from acclimate.indexes.same import near_copies, same_key, share_of, sketch_of
from acclimate.indexes.versions import Dated, date_in, newer_of, same_family
from acclimate.ingest import ingest
from acclimate.retrieval.distinct import DistinctRetriever, distinct
from acclimate.retrieval.documents import DocumentRetriever
from acclimate.retrieval.search import TextRetriever
from acclimate.retrieval.versions import NewestFirstRetriever
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Chunk, Document, Element, Hit

NOTE = (
    "When the fuse of the sauna heater blows, ask the desk to change the fuse of the sauna heater."
)
WIRING = "The sauna is protected by box F7."
POLICY = (
    "A private buyer may send goods back within {} days of delivery. The buyer pays the return freight. Goods must be "
    "unused and in their box. The refund goes to the card that was used for the order, five days after the goods came."
)


def hit(text, document, rank=1, title="", headings=(), header=""):
    return Hit(
        Chunk(document, document, 0, len(text), text, title, headings, header=header),
        1 / rank,
        rank,
    )


class Listed:
    """Gives the first hits of a list, and counts what it was asked for."""

    def __init__(self, hits):
        self.hits, self.asked = hits, []

    def retrieve(self, query, k):
        self.asked.append(k)
        return self.hits[:k]


@pytest.fixture
def library(tmp_path):
    """Six copies of a note, two of them for the desk only, and what else answers."""
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(4):
        (documents / f"note {number}.txt").write_text(NOTE)
    (documents / "desk").mkdir()
    for number in (4, 5):
        (documents / "desk" / f"note {number}.txt").write_text(NOTE)
    (documents / "wiring.txt").write_text(WIRING)
    with closing(Library(tmp_path / ".acclimate")) as opened:
        yield opened, read(documents, opened)


def read(folder, library):
    embedder = HashEmbedder()
    cut = Cut(max_tokens=200, tokenizer="t")
    chunker = make_chunker("structure", embedder.token_spans, embedder.embed_passages, cut)
    return ingest(folder, library, parse, chunker, embedder)


def parse(file, path):
    text = file.read_text()
    return Document(path, text, (Element("paragraph", 0, len(text)),), file.stem)


def test_copies_take_one_place_and_are_named(library):
    opened, _ = library
    found = DistinctRetriever(
        TextRetriever(opened.texts, opened.fetch), opened.record.copies.holding
    ).retrieve("sauna fuse", 2)
    assert [one.chunk.text for one in found] == [NOTE, WIRING]
    assert [one.rank for one in found] == [1, 2]
    others = {"desk/note 4.txt", "desk/note 5.txt", *(f"note {number}.txt" for number in range(4))}
    assert set(found[0].also) == others - {found[0].chunk.document}
    assert found[1].also == ()


def test_a_document_that_may_not_be_seen_is_not_named(library):
    opened, _ = library
    seen = [path for path in opened.record.files() if not path.startswith("desk/")]
    among = opened.among(seen)
    text = TextRetriever(opened.texts, opened.fetch, among)
    found = DistinctRetriever(text, opened.record.copies.holding, among).retrieve("sauna fuse", 2)
    assert {found[0].chunk.document, *found[0].also} == {
        f"note {number}.txt" for number in range(4)
    }
    nobody = DistinctRetriever(
        Listed(found), opened.record.copies.holding, Among(np.array([], np.int64))
    )
    assert all(
        set(one.also) <= set(before.also)
        for one, before in zip(nobody.retrieve("x", 2), found, strict=True)
    )


def test_it_looks_deeper_only_where_copies_crowd():
    listed = Listed([*(hit("a", f"a{n}") for n in range(50)), hit("b", "b"), hit("c", "c")])
    found = DistinctRetriever(listed, lambda keys: {}).retrieve("x", 3)
    assert [one.chunk.text for one in found] == ["a", "b", "c"]
    assert listed.asked == [7, 28, 112]
    listed = Listed([hit(str(n), str(n)) for n in range(50)])
    assert len(DistinctRetriever(listed, lambda keys: {}).retrieve("x", 3)) == 3
    assert listed.asked == [7]


def test_the_same_words_in_other_unicode_forms_are_the_same_passage():
    assert len(distinct([hit("The oﬃce is  closed.", "a"), hit("The office is closed.", "b")])) == 1


def test_under_another_heading_or_table_header_the_same_words_say_something_else():
    one = hit("A thread of 14 mm.", "a", headings=("Valve A",))
    for other in (replace(one.chunk, headings=("Valve B",)), replace(one.chunk, header="| inch |")):
        assert same_key(one.chunk) != same_key(other)
    assert same_key(one.chunk) == same_key(replace(one.chunk, title="copy", document="c"))


def test_whole_documents_that_are_equal_are_shown_once(library):
    opened, _ = library
    paths = sorted(opened.record.files())
    whole = DocumentRetriever(Listed([]), paths, opened.record.document, count=len, limit=230)
    found = whole.retrieve("x", 1)
    assert [one.chunk.text for one in found] == [NOTE, WIRING]
    assert len(found[0].also) == 5
    assert whole.fitting(230) == sum(
        len(f"[1] {one.chunk.title}\n{one.chunk.text}\n\n") for one in found
    )


def test_an_ingest_tells_copies_and_versions_of_what_is_new(library, tmp_path):
    opened, report = library
    assert {(copy.other, copy.share, copy.newer) for copy in report.near_copies} == {
        ("desk/note 4.txt", 1.0, "")
    }
    assert len(report.near_copies) == 5
    documents = tmp_path / "documents"
    (documents / "returns-2023.txt").write_text(POLICY.format(14))
    assert read(documents, opened).near_copies == ()
    (documents / "returns-2024.txt").write_text(POLICY.format(30))
    (copy,) = read(documents, opened).near_copies
    assert (copy.path, copy.other, copy.newer) == (
        "returns-2024.txt",
        "returns-2023.txt",
        "returns-2024.txt",
    )
    assert 0.5 <= copy.share < 1
    assert read(documents, opened).near_copies == ()


def test_signatures_estimate_the_common_share():
    words = [f"word{number}" for number in range(400)]
    one, other = " ".join(words[:300]), " ".join(words[100:])
    assert share_of(sketch_of(one), sketch_of(other)) == pytest.approx(0.5, abs=0.15)
    assert share_of(sketch_of(one), sketch_of(one.upper())) == 1
    assert share_of(sketch_of(one), sketch_of(" ".join(words[300:]))) == 0
    assert share_of(sketch_of(""), sketch_of("")) == 0
    lines = [f"Hall {number} has a floor of {number}0 square metres." for number in range(9)]
    assert near_copies({line: sketch_of(line) for line in lines}, lines) == []


def test_the_cost_of_near_copies_does_not_grow_with_the_square():
    rng = np.random.default_rng(0)
    rows = {f"{n:05}": rng.integers(0, 1 << 32, 126, dtype=np.uint32) for n in range(4000)}
    rows |= {f"copy {n:05}": rows["00000"] for n in range(4000)}
    began = time.process_time()
    found = near_copies(rows, list(rows))
    assert len(found) == 4000
    assert {other for _, other, _ in found} == {"00000"}
    assert time.process_time() - began < 60, "a comparison of all pairs takes many minutes"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-05-01", (2024, 5, 1)),
        ("prices_2024-05.md", (2024, 5)),
        ("20240501", (2024, 5, 1)),
        ("1 May 2025", (2025, 5, 1)),
        ("May 1, 2025", (2025, 5, 1)),
        ("01.05.2025", (2025, 5, 1)),
        ("3. März 2024", (2024, 3, 3)),
        ("March 2024", (2024, 3)),
        ("page 4711 of 12", ()),
    ],
)
def test_dates_are_read(text, date):
    assert date_in(text) == date


def dated(path, head="", **metadata):
    return Dated(path, "", {key.replace("_", " "): value for key, value in metadata.items()}, head)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (dated("a.md", date="2023-01-01"), dated("b.md", date="2024-01-01")),
        (dated("b.md", valid_from="1 May 2023"), dated("a.md", valid_from="2024-05-01")),
        (dated("new.md", "Valid from 1 May 2023\nx"), dated("old.md", "Valid from 1 May 2024\nx")),
        (dated("terms-v2.pdf"), dated("terms-v10.pdf")),
        (dated("2023/terms.pdf"), dated("2024/terms.pdf")),
        (dated("x.md", version="1.9"), dated("y.md", version="1.10")),
    ],
)
def test_the_newer_version_is_told_by_what_documents_say(older, newer):
    assert newer_of(older, newer) == newer_of(newer, older) == newer.path


def test_where_documents_do_not_say_it_nothing_is_newer():
    assert newer_of(dated("a.md"), dated("b.md")) == ""
    assert newer_of(dated("a.md", date="2024"), dated("b.md")) == ""
    assert newer_of(dated("a.md", date="2024"), dated("b.md", date="2024-05-01")) == ""


def test_a_contract_with_another_customer_is_no_version():
    assert same_family(dated("2023/contract-huber.pdf"), dated("contract_huber_v2.pdf"))
    assert same_family(dated("terms old.txt"), dated("terms.txt"))
    assert not same_family(dated("contract-huber-2023.pdf"), dated("contract-meier-2024.pdf"))


@pytest.mark.parametrize(
    ("question", "paths", "order"),
    [
        ("How many days?", ("returns-2023.md", "returns-2024.md"), (1, 0)),
        ("How many days in 2023?", ("returns-2023.md", "returns-2024.md"), (0, 1)),
        ("How many days?", ("returns-2024.md", "returns-2023.md"), (0, 1)),
        ("How many days?", ("huber-2023.md", "meier-2024.md"), (0, 1)),
        ("How many days?", ("one.md", "two.md"), (0, 1)),
    ],
)
def test_the_newer_version_takes_the_better_place(question, paths, order):
    texts = [POLICY.format(14), POLICY.format(30)]
    hits = [
        hit(text, path, rank) for rank, (text, path) in enumerate(zip(texts, paths, strict=True), 1)
    ]
    sketches = {path: sketch_of(text) for path, text in zip(paths, texts, strict=True)}
    retriever = NewestFirstRetriever(
        Listed(hits), lambda wanted: sketches, lambda wanted: {path: dated(path) for path in wanted}
    )
    found = retriever.retrieve(question, 2)
    assert [one.chunk.document for one in found] == [paths[place] for place in order]
    assert [(one.rank, one.score) for one in found] == [(1, 1.0), (2, 0.5)]
