"""What authors hid: counted, and left out or marked, from the file to the prompt and the citation."""

import json
from contextlib import closing

import pytest

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.cli.ingest import echo_report
from acclimate.documents.builder import TextBuilder
from acclimate.documents.hidden import census, count_unread, keep
from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.documents.wire import pack_document, unpack_document
from acclimate.indexes.library import Library
from acclimate.indexes.schema import dump_elements, load_elements
from acclimate.ingest import ingest
from acclimate.ingest_report import Count, IngestReport
from acclimate.prompting.passages import render_passages
from acclimate.retrieval.documents import whole
from acclimate.settings_library import DocumentsSettings
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder
from acclimate.text.hidden import HIDDEN, PARTLY_HIDDEN
from acclimate.types import Span
from acclimate.workspace.parsing import open_sandbox, parser_name


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


PAGE = '<h1>Prices</h1><p>A pump costs 900 euro.</p><p style="display:none">A pump costs 400 euro inside.</p>'


def ingested(tmp_path, mode):
    """The report and the library of a folder of one page, read in this mode."""
    (tmp_path / "docs").mkdir(exist_ok=True)
    (tmp_path / "docs" / "a.html").write_text(PAGE)
    library = Library(tmp_path / "lib")
    chunker = make_chunker("structure", word_spans, no_embedder, Cut(100))
    with closing(Sandbox(Limits(seconds=60), workers=1, hidden=mode)) as sandbox:
        report = ingest(tmp_path / "docs", library, sandbox, chunker, HashEmbedder(), parser=mode)
    return report, library


def test_an_ingest_counts_what_is_hidden_and_another_mode_reads_the_files_again(tmp_path):
    report, library = ingested(tmp_path, "skip")
    assert report.hidden == (Count("a.html", "element", 1),)
    assert "400" not in library.record.document("a.html").text
    library.close()
    report, library = ingested(tmp_path, "mark")
    assert (report.changed, report.hidden) == (1, (Count("a.html", "element", 1),))
    shown, hidden = library.record.chunks(library.record.keys())
    assert (shown.headings, hidden.headings) == ((), ("Prices", HIDDEN))
    both = library.record.cut(shown, Span(shown.start, hidden.end))
    assert both.headings == (PARTLY_HIDDEN,)
    assert library.record.cut(hidden, Span(shown.start, shown.end)).headings == ("Prices",)
    assert whole(library.record.document("a.html")).headings == (PARTLY_HIDDEN,)
    library.close()


@pytest.mark.parametrize(("mode", "kept"), [("skip", False), ("mark", True)])
def test_the_setting_reaches_the_parser_and_its_name(tmp_path, mode, kept):
    names = {parser_name(DocumentsSettings(hidden=one), None) for one in ("skip", "mark")}
    assert len(names) == 2
    (tmp_path / "a.html").write_text(PAGE)
    with closing(
        open_sandbox(DocumentsSettings(hidden=mode, workers=1), pictures=False)
    ) as sandbox:
        assert ("400" in sandbox(tmp_path / "a.html", "a.html").text) is kept


def test_the_command_line_tells_what_is_hidden_document_by_document(capsys):
    counts = tuple(Count(f"{number:02}.xlsx", "row", number + 1) for number in range(12))
    unread = (Count("00.xlsx", "formula", 2),)
    echo_report(
        IngestReport(
            12, 0, 0, 0, (), 12, 12, 12, 0, 1.0, (*counts, Count("00.xlsx", "sheet", 2)), unread
        )
    )
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        "hidden in the document: 00.xlsx: 1 row, 2 sheets",
        "hidden in the document: 01.xlsx: 2 rows",
    ]
    assert told[10:] == [
        "hidden in the document: 2 more documents (all of them: --json)",
        "without a value: 00.xlsx: 2 formulas",
    ]


def test_counts_of_a_file_inside_another_are_counted_with_it():
    with census("mark") as outer:
        assert keep("row", 2)
        with census("skip") as inner:
            assert not keep("row")
            count_unread("formula")
    assert (inner.hidden, outer.hidden, outer.unread) == ({"row": 1}, {"row": 3}, {"formula": 1})
    assert not keep("row")  # nobody counts
