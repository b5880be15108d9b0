"""Each format's text, elements and places; damaged and hostile files cost themselves only, with a reason."""

import contextlib
import zipfile

import docx
import pptx
import pytest
from fpdf import FPDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acclimate.documents.parsers import detect, parse
from acclimate.errors import DocumentError


def write(tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def parsed(tmp_path, name, content):
    return checked(parse(write(tmp_path, name, content), name))


def checked(document):
    end = 0
    for element in document.elements:
        assert end <= element.start < element.end <= len(document.text)
        end = element.end
    return document


def shown(document):
    return [
        (element.kind, document.text[element.start : element.end]) for element in document.elements
    ]


def make_pdf(tmp_path, pages, table=None):
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    for page in pages:
        pdf.add_page()
        for line, size in page:
            pdf.set_font_size(size)
            pdf.multi_cell(0, 8, line, new_x="LMARGIN", new_y="NEXT")
            pdf.ln(4)
        if table:
            with pdf.table(rows=table):
                pass
    file = tmp_path / "d.pdf"
    pdf.output(str(file))
    return file


def test_text_is_cut_at_blank_lines(tmp_path):
    document = parsed(tmp_path, "my-notes.txt", "One\ntwo\n\n  \nThree\r\n")
    assert shown(document) == [("paragraph", "One\ntwo"), ("paragraph", "Three")]
    assert document.title == "my notes"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path, encoding):
    assert (
        parsed(tmp_path, "a.txt", "Zürich kostet 5 Fränkli".encode(encoding)).text
        == "Zürich kostet 5 Fränkli"
    )


def test_markdown_keeps_its_source_as_text(tmp_path):
    front = "---\ntitle: Rules\nowner: Me\n---\n"
    source = f"{front}# One\n\nText *x*.\n\n- a\n- b\n\n| A | B |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n"
    document = parsed(tmp_path, "a.md", source)
    assert (document.title, document.metadata["owner"]) == ("Rules", "Me")
    assert [kind for kind, _ in shown(document)] == [
        "heading",
        "paragraph",
        "list_item",
        "list_item",
        "table",
        "code",
    ]
    assert document.text in source


def test_html_shows_what_a_reader_sees(tmp_path):
    page = (
        "<html><head><title>T | Site</title><script>bad()</script></head><body><nav>Menu</nav><main><h1>Rules</h1>"
        "<p>A <b>bold</b>&nbsp;word &amp; more.</p><ul><li>x</li><li>y</li></ul>loose text"
        "<table><tr><th>K</th><th>V</th></tr><tr><td>a|b</td><td>2</td></tr></table></main><footer>Foot</footer></body>"
    )
    document = parsed(tmp_path, "a.html", page)
    assert document.title == "Rules"
    assert shown(document) == [
        ("heading", "Rules"),
        ("paragraph", "A bold word & more."),
        ("list_item", "- x"),
        ("list_item", "- y"),
        ("paragraph", "loose text"),
        ("table", "| K | V |\n| --- | --- |\n| a\\|b | 2 |"),
    ]


def test_docx_headings_lists_and_tables_in_order(tmp_path):
    source = docx.Document()
    source.add_heading("Rules", 1)
    source.add_paragraph("First.")
    table = source.add_table(rows=0, cols=2)
    for row in (("K", "V"), ("a", "1")):
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    source.add_paragraph("item", style="List Bullet")
    file = tmp_path / "a.docx"
    source.save(str(file))
    document = checked(parse(file, "a.docx"))
    assert [kind for kind, _ in shown(document)] == ["heading", "paragraph", "table", "list_item"]
    assert document.title == "Rules"


def test_pdf_pages_headings_paragraphs_and_tables(tmp_path):
    text = "A paragraph that is long enough to go over more than one line of the page, so that its lines must be joined."
    rows = [["Model", "Price"], ["AX-2", "1,250"], ["AX-3", "1,480"]]
    document = checked(
        parse(
            make_pdf(tmp_path, [[("Title", 20), (text, 11)], [("Second page.", 11)]], rows), "d.pdf"
        )
    )
    assert ("heading", "Title") in shown(document)
    assert ("paragraph", text) in shown(document)
    assert (
        "table",
        "| Model | Price |\n| --- | --- |\n| AX-2 | 1,250 |\n| AX-3 | 1,480 |",
    ) in shown(document)
    assert document.page_at(document.text.index("A paragraph")) == 1
    assert document.page_at(document.text.index("Second page")) == 2


def test_running_headers_stand_once_and_page_numbers_not_at_all(tmp_path):
    pages = [
        [("Company manual", 9), (f"Content of part {'xyz'[n]}.", 11), (f"Page {n}", 9)]
        for n in range(3)
    ]
    document = parse(make_pdf(tmp_path, pages), "d.pdf")
    assert [text for kind, text in shown(document) if kind == "header"] == ["Company manual"]
    assert "Content of part z." in document.text
    assert document.text.count("Company manual") == 1
    assert "Page" not in document.text


def test_fifty_pages_keep_their_numbers_and_lines_that_differ_only_in_figures(tmp_path):
    pages = [
        [("Load tests", 9), (f"Load of beam: {n * n + 7} kN.", 11), (f"{n + 4} of 60", 9)]
        for n in range(50)
    ]
    document = checked(parse(make_pdf(tmp_path, pages), "d.pdf"))
    for n in range(50):
        assert document.page_at(document.text.index(f"Load of beam: {n * n + 7} kN.")) == n + 1
    assert "of 60" not in document.text


def test_content_counts_more_than_the_name(tmp_path):
    assert detect(write(tmp_path, "a.txt", "<!DOCTYPE html><p>x")) == "text/html"
    assert detect(make_pdf(tmp_path, [[("x", 11)]]).rename(tmp_path / "a.md")) == "application/pdf"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.bin", b"\x00\x01\x02", "binary"),
        ("a.pdf", b"%PDF-1.4 nothing", "damaged"),
        ("a.docx", b"PK\x03\x04 nothing", "damaged zip"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, name, content, reason):
    with pytest.raises(DocumentError, match=reason) as caught:
        parse(write(tmp_path, name, content), name)
    assert name in str(caught.value)


def test_an_encrypted_pdf_says_so(tmp_path):
    pdf = FPDF()
    pdf.add_page()
    pdf.set_encryption(owner_password="o", user_password="u")
    pdf.output(str(tmp_path / "e.pdf"))
    with pytest.raises(DocumentError, match="encrypted"):
        parse(tmp_path / "e.pdf", "e.pdf")


def test_a_zip_bomb_is_refused(tmp_path):
    file = tmp_path / "b.docx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * 50_000_000)
    with pytest.raises(DocumentError, match="of 50,000,000 bytes, too much for its size"):
        parse(file, "b.docx")


def test_external_entities_are_not_read(tmp_path):
    secret = write(tmp_path, "secret.txt", "TOPSECRET")
    xml = (
        f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]><w:document xmlns:w="http://schemas.openxmlformats.org/'
        'wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>a&x;b</w:t></w:r></w:p></w:body></w:document>'
    )
    file = tmp_path / "x.docx"
    docx.Document().save(str(file))
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()} | {
            "word/document.xml": xml.encode()
        }
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(DocumentError, match="declares entities"):
        parse(file, "x.docx")


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from([".txt", ".md", ".html", ".pdf", ".docx"]),
    st.binary(max_size=400),
    st.text(max_size=300),
)
def test_any_bytes_are_parsed_or_refused(tmp_path, suffix, content, text):
    for body in (
        content,
        text.encode("utf-8", "surrogatepass"),
        b"%PDF-1.7\n" + content,
        b"PK\x03\x04" + content,
    ):
        file = write(tmp_path, f"f{suffix}", body)
        with contextlib.suppress(DocumentError):
            checked(parse(file, file.name))


def test_a_slide_with_a_shape_of_no_known_type_is_read(tmp_path):
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    shape = slide.shapes.add_shape(1, 0, 0, 100, 100)
    shape.text_frame.text = "Close the valve first."
    geometry = shape._element.spPr
    geometry.remove(
        geometry.find("{http://schemas.openxmlformats.org/drawingml/2006/main}prstGeom")
    )
    show.save(tmp_path / "a.pptx")
    assert parse(tmp_path / "a.pptx", "a.pptx").text == "Close the valve first."
