"""What commands print of citations and of an ingest."""

import pytest

from acclimate.cli.ingest import echo_report
from acclimate.cli.output import echo_sources
from acclimate.cli.progress import IngestBar
from acclimate.indexes.same import NearCopy
from acclimate.ingest_report import IngestReport
from acclimate.types import Answer, Citation, Prompt, Timings, Usage


@pytest.mark.parametrize(
    ("also", "line"),
    [
        (("b.md",), "    also in: b.md"),
        (
            tuple(f"{n}.md" for n in range(8)),
            "    also in: 0.md, 1.md, 2.md, 3.md, 4.md and 3 more",
        ),
    ],
)
def test_the_other_documents_of_a_passage_stand_below_it(capsys, also, line):
    citation = Citation(1, "a.md", 0, 4, "text", verbatim=True, also=also)
    usage, timings = Usage(1, 1), Timings(0.0, 0.0, 0.0)
    echo_sources(
        Answer(
            "?", "text", "text [1]", False, (citation,), Prompt((), 0), usage, timings, "rag", "m"
        )
    )
    assert line in capsys.readouterr().out.splitlines()


def test_an_ingest_tells_copies_and_which_is_newer(capsys):
    copies = (
        NearCopy("b.md", "a.md", 1.0),
        NearCopy("v2.md", "v1.md", 0.87, "v2.md"),
        *(NearCopy(f"x{n}.md", "x.md", 0.6) for n in range(10)),
    )
    echo_report(IngestReport(14, 0, 0, 0, (), 14, 14, 14, 0, 1.0, near_copies=copies))
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "the same text: b.md and a.md"
    assert (
        told[1] == "near copies: v2.md and v1.md have about 87% in common, v2.md is the newer one"
    )
    assert told[-1] == "and 2 more near copies: --json names them all"


def test_a_bar_shows_the_name_of_a_file_as_it_is(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with IngestBar() as bar:
        bar.page("plans [/old] :x: [red].pdf", 2, 9)
    assert "plans [/old] :x: [red].pdf page 2 of 9" in capsys.readouterr().err
