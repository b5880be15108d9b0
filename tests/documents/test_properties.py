"""Documents say who wrote them, when and in what language, under the same keys; captions and margins are told apart."""

import zipfile

import docx
import pytest
import xlsxwriter
from fpdf import FPDF

from acclimate.documents.parsers import parse
from acclimate.documents.properties import iso_date, properties

CORE = {"author": "Ada Lovelace", "language": "de-AT"}


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("D:20250607081502+02'00'", "2025-06-07T08:15:02+02:00"),
        ("D:20260623041319Z00'00'", "2026-06-23T04:13:19"),
        ("D:2025", "2025"),
        ("Fri, 06 Jun 2025 08:15:02 +0200", "2025-06-06T08:15:02+02:00"),
        ("2025-06-07T08:15:02Z", "2025-06-07T08:15:02+00:00"),
        ("2025-06-07", "2025-06-07"),
        ("last spring", "last spring"),
    ],
)
def test_dates_of_every_format_become_one(written, iso):
    assert iso_date(written) == iso


def test_what_is_no_language_is_left_out():
    assert properties("", "", "English (US)") == {}
    assert properties(" A \n B ", "", "en_GB") == {"author": "A B", "language": "en-GB"}


def _word(path):
    document = docx.Document()
    document.core_properties.author, document.core_properties.language = (
        CORE["author"],
        CORE["language"],
    )
    document.sections[0].header.paragraphs[0].text = "Internal: draft of 2025"
    document.sections[0].footer.paragraphs[0].text = "7"
    document.add_paragraph("Text.")
    document.save(str(path))


def _pdf(path):
    pdf = FPDF()
    pdf.set_author(CORE["author"])
    pdf.set_lang(CORE["language"])
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    pdf.cell(text="Text.")
    pdf.output(str(path))


def _sheet(path):
    book = xlsxwriter.Workbook(str(path))
    book.set_properties({"author": CORE["author"]})
    sheet = book.add_worksheet("Prices")
    sheet.merge_range(0, 0, 0, 2, "All prices of 2025")
    sheet.write_column(1, 0, ["Kind", "", "Pump", "Tank"])
    sheet.merge_range(1, 0, 2, 0, "Kind")
    sheet.merge_range(1, 1, 1, 2, "Price")
    for at, row in enumerate((("net", "gross"), (1, 2), (3, 4)), start=2):
        sheet.write_row(at, 1, row)
    book.close()


def _html(path):
    path.write_text(
        '<html lang="de-AT"><meta name="author" content="Ada Lovelace"><body><p>Text.</p>'
        '<figure><img alt="A pump" src="x.png"><figcaption>The pump, opened</figcaption></figure></body></html>'
    )


def _markdown(path):
    path.write_text("---\nauthor: Ada Lovelace\nlang: de-AT\ndate: 2025-06-07\n---\nText.\n")


def _rst(path):
    path.write_text(":Author: Ada Lovelace\n:Language: de-AT\n\nText.\n")


def _rtf(path):
    path.write_text(r"{\rtf1\ansi{\info{\author Ada Lovelace}{\creatim\yr2025\mo6\dy7}}Text.\par}")


def _epub(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml", '<c><rootfiles><rootfile full-path="b.opf"/></rootfiles></c>'
        )
        said = "<title>B</title><creator>Ada Lovelace</creator><language>de-AT</language><date>2025-06-07</date>"
        items = (
            '<manifest><item id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/></spine>'
        )
        archive.writestr("b.opf", f"<package><metadata>{said}</metadata>{items}</package>")
        archive.writestr("a.xhtml", "<html><body><p>Text.</p></body></html>")


def _odt(path):
    office = "urn:oasis:names:tc:opendocument:xmlns:"
    names = f'xmlns:o="{office}office:1.0" xmlns:t="{office}text:1.0" xmlns:b="{office}table:1.0"'
    caption = '<t:p>Figure <t:sequence t:name="Figure">1</t:sequence>: the pump</t:p>'
    table = (
        '<b:table><b:table-row><b:table-cell b:number-columns-spanned="2"><t:p>Price</t:p></b:table-cell>'
        "<b:covered-table-cell/></b:table-row><b:table-row><b:table-cell><t:p>net</t:p></b:table-cell>"
        "<b:table-cell><t:p>gross</t:p></b:table-cell></b:table-row></b:table>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        body = f"<o:body><o:text><t:p>Text.</t:p>{caption}{table}</o:text></o:body>"
        archive.writestr("content.xml", f"<o:document-content {names}>{body}</o:document-content>")
        dc = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
        said = "<dc:creator>Ada Lovelace</dc:creator><dc:language>de-AT</dc:language><dc:date>2025-06-07</dc:date>"
        archive.writestr(
            "meta.xml", f"<o:document-meta {names} {dc}><o:meta>{said}</o:meta></o:document-meta>"
        )


MAKERS = {
    "docx": _word,
    "pdf": _pdf,
    "xlsx": _sheet,
    "html": _html,
    "md": _markdown,
    "rst": _rst,
    "rtf": _rtf,
    "epub": _epub,
    "odt": _odt,
}
SILENT = {
    "xlsx": {"language"},
    "rtf": {"language"},
}  # the format has no place for it, or the writer no way


@pytest.mark.parametrize("kind", MAKERS)
def test_a_format_tells_its_author_date_and_language(kind, tmp_path):
    file = tmp_path / f"a.{kind}"
    MAKERS[kind](file)
    metadata = parse(file, file.name).metadata
    wanted = {key: value for key, value in CORE.items() if key not in SILENT.get(kind, ())}
    assert wanted.items() <= metadata.items()
    if kind in ("md", "rtf", "epub", "odt"):
        assert metadata["date"] == "2025-06-07"
    elif kind in ("docx", "pdf", "xlsx"):
        assert metadata["date"][:2] == "20"


def shown(kind, tmp_path):
    file = tmp_path / f"a.{kind}"
    MAKERS[kind](file)
    document = parse(file, file.name)
    return [
        (element.kind, document.text[element.start : element.end]) for element in document.elements
    ]


def test_captions_are_told_apart(tmp_path):
    assert ("caption", "The pump, opened") in shown("html", tmp_path)
    assert ("caption", "Figure 1: the pump") in shown("odt", tmp_path)
    assert ("caption", "All prices of 2025") in shown("xlsx", tmp_path)


def test_headers_are_kept_and_page_numbers_are_not(tmp_path):
    assert shown("docx", tmp_path) == [
        ("header", "Internal: draft of 2025"),
        ("paragraph", "Text."),
    ]


def test_merged_cells_are_repeated(tmp_path):
    assert ("table", "| Price | Price |\n| --- | --- |\n| net | gross |") in shown("odt", tmp_path)
    rows = "| Kind | Price | Price |\n| --- | --- | --- |\n| Kind | net | gross |\n| Pump | 1 | 2 |\n| Tank | 3 | 4 |"
    assert ("table", rows) in shown("xlsx", tmp_path)
    source = docx.Document()
    table = source.add_table(rows=2, cols=2)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "Price"
    table.cell(1, 0).text, table.cell(1, 1).text = "net", "gross"
    source.save(str(tmp_path / "m.docx"))
    document = parse(tmp_path / "m.docx", "m.docx")
    assert document.text == "| Price | Price |\n| --- | --- |\n| net | gross |"
