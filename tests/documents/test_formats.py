"""Each format: its text, structure and places, through the process that parses."""

import pytest

from acclimate.documents.parsers import PARSERS, detect, parse
from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.types import Document

EXPECTED = {
    "pptx": [
        ("heading", "Roadmap"),
        ("list_item", "- First the pump"),
        ("quote", "Say it slowly."),
        ("table", "| Model | Weight |\n| --- | --- |\n| Fjell | 98 kg |"),
        ("table", "|  | Sales |\n| --- | --- |\n| 2024 | 3.5 |\n| 2025 | 4.25 |"),
    ],
    "xlsx": [
        ("heading", "Prices"),
        ("table", "| Article | Price |\n| --- | --- |\n| Pump | 1200 |\n| Tank | 80.5 |"),
        ("table", "| Colour | Code |\n| --- | --- |\n| red | R |"),
        ("table", "| Valid from | 2026 |\n| --- | --- |"),
    ],
    "odt": [
        ("heading", "Rules"),
        ("paragraph", "Keep it dry."),
        ("list_item", "- two"),
        ("table", "| A | B |\n| --- | --- |\n| 1 | 2 |"),
    ],
    "epub": [("heading", "First"), ("paragraph", "It began."), ("heading", "Last")],
    "eml": [
        ("title", "Late delivery"),
        ("paragraph", "the pump comes on Friday."),
        ("heading", "prices.csv"),
        ("table", "| Article | Price |\n| --- | --- |\n| Pump | 1200 |"),
    ],
    "csv": [("table", "| Name | Town |\n| --- | --- |\n| Ada | Graz |\n| Bo | Porto |")],
    "json": [("paragraph", "name: Ada\ntags: a, b\nat.town: Graz"), ("paragraph", "name: Bo")],
    "jsonl": [("paragraph", "name: Ada"), ("paragraph", "name: Bo")],
    "rst": [("heading", "Title"), ("paragraph", "Some text."), ("list_item", "- one")],
    "rtf": [("paragraph", "The first line."), ("paragraph", "The second line.")],
    "tgz": [("heading", "one.md"), ("paragraph", "Inside the archive."), ("heading", "evil.txt")],
    "png": [("paragraph", "The tank holds 300 litres")],
    "pdf": [("paragraph", "The tank holds 300 litres"), ("paragraph", "The pump needs 16 ampere")],
}


@pytest.fixture(scope="module")
def sandbox():
    opened = Sandbox(Limits(seconds=90), workers=1)
    yield opened
    opened.close()


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_format_is_read_with_its_structure(kind, made, sandbox):
    file = made(kind)
    document = sandbox(file, file.name)
    found = [
        (element.kind, document.text[element.start : element.end]) for element in document.elements
    ]
    at = -1
    for wanted in EXPECTED[kind]:
        assert wanted in found[at + 1 :], found
        at = found.index(wanted, at + 1)
    assert isinstance(document, Document)
    assert document.title
    assert document == parse(file, file.name)


def test_slides_and_scans_have_pages(made, sandbox):
    slides, scan = (sandbox(made(kind), kind) for kind in ("pptx", "pdf"))
    assert slides.page_at(slides.text.index("98 kg")) == 2
    assert scan.page_at(scan.text.index("pump")) == 2
    assert "<script>" not in sandbox(made("rst"), "r.rst").text


def test_content_decides_not_the_name(made, tmp_path):
    for kind in ("pptx", "xlsx", "odt", "epub", "png", "pdf", "tgz", "rtf", "eml"):
        file = made(kind)
        renamed = tmp_path / "renamed.txt"
        renamed.write_bytes(file.read_bytes())
        assert detect(renamed) == detect(file) in PARSERS


def test_progress_is_told_by_page(made, sandbox):
    told = []
    sandbox(made("pdf"), "x.pdf", lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
