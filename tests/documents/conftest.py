"""Small real files of every format, made on the spot."""

import email.message
import io
import json
import tarfile
import zipfile

import fpdf
import pptx
import pytest
import xlsxwriter
from PIL import Image, ImageDraw, ImageFont
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches


@pytest.fixture
def made(tmp_path):
    """make(kind) → the path of a file of that kind."""
    return lambda kind: MAKERS[kind](tmp_path / f"sample.{kind}")


def _pptx(path):
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Roadmap"
    frame = slide.placeholders[1].text_frame
    frame.text = "First the pump"
    frame.add_paragraph().text = "Then the tank"
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Figures"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for at, text in enumerate(("Model", "Weight", "Fjell", "98 kg")):
        table.cell(at // 2, at % 2).text = text
    data = CategoryChartData()
    data.categories = ["2024", "2025"]
    data.add_series("Sales", (3.5, 4.25))
    second.shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(3), Inches(4), Inches(2), data
    )
    show.save(str(path))
    return path


def _xlsx(path):
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet("Prices")
    for at, row in enumerate((("Article", "Price"), ("Pump", 1200), ("Tank", 80.5))):
        sheet.write_row(at, 0, row)
    sheet.write_row(5, 0, ("Valid from", "2026"))
    sheet.write_row(0, 4, ("Colour", "Code"))
    sheet.write_row(1, 4, ("red", "R"))
    book.add_worksheet("Empty")
    book.close()
    return path


def _odt(path):
    office = "urn:oasis:names:tc:opendocument:xmlns:"
    content = (
        f'<o:document-content xmlns:o="{office}office:1.0" xmlns:t="{office}text:1.0" xmlns:b="{office}table:1.0">'
        '<o:body><o:text><t:h t:outline-level="1">Rules</t:h><t:p>Keep<t:s/>it <t:span>dry</t:span>.</t:p>'
        "<t:list><t:list-item><t:p>one</t:p></t:list-item><t:list-item><t:p>two</t:p></t:list-item></t:list>"
        "<b:table><b:table-row><b:table-cell><t:p>A</t:p></b:table-cell><b:table-cell><t:p>B</t:p></b:table-cell>"
        "</b:table-row><b:table-row><b:table-cell><t:p>1</t:p></b:table-cell><b:table-cell><t:p>2</t:p></b:table-cell>"
        "</b:table-row></b:table></o:text></o:body></o:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", content)
    return path


def _epub(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            '<c><rootfiles><rootfile full-path="o/b.opf"/></rootfiles></c>',
        )
        spine = '<spine><itemref idref="two"/><itemref idref="one"/></spine>'
        items = (
            '<manifest><item id="one" href="1.xhtml"/><item id="two" href="2.xhtml"/></manifest>'
        )
        archive.writestr(
            "o/b.opf",
            f"<package><metadata><title>A Book</title></metadata>{items}{spine}</package>",
        )
        archive.writestr("o/1.xhtml", "<html><body><h1>Last</h1><p>The end.</p></body></html>")
        archive.writestr("o/2.xhtml", "<html><body><h1>First</h1><p>It began.</p></body></html>")
    return path


def _eml(path):
    message = email.message.EmailMessage()
    message["Subject"], message["From"], message["To"] = (
        "Late delivery",
        "ada@example.org",
        "bo@example.org",
    )
    message.set_content("Hello,\n\nthe pump comes on Friday.\n")
    message.add_attachment(
        b"Article,Price\nPump,1200\n", maintype="text", subtype="csv", filename="prices.csv"
    )
    path.write_bytes(bytes(message))
    return path


def _text(content):
    def make(path):
        path.write_text(content, encoding="utf-8")
        return path

    return make


def _tar(path):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in (
            ("a/one.md", b"# One\n\nInside the archive.\n"),
            ("../../evil.txt", b"Still only text."),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def picture(text="The tank holds 300 litres"):
    """A picture of a line of text."""
    image = Image.new("RGB", (900, 160), "white")
    ImageDraw.Draw(image).text((30, 50), text, fill="black", font=ImageFont.load_default(48))
    return image


def _png(path):
    picture().save(path)
    return path


def _scan(path):
    scan = fpdf.FPDF()
    for text in ("The tank holds 300 litres", "The pump needs 16 ampere"):
        scan.add_page()
        scan.image(picture(text), x=10, y=20, w=180)
    scan.output(str(path))
    return path


MAKERS = {
    "pptx": _pptx,
    "xlsx": _xlsx,
    "odt": _odt,
    "epub": _epub,
    "eml": _eml,
    "png": _png,
    "pdf": _scan,
    "tgz": _tar,
    "csv": _text("Name;Town\nAda;Graz\nBo;Porto\n"),
    "json": _text(
        json.dumps([{"name": "Ada", "tags": ["a", "b"], "at": {"town": "Graz"}}, {"name": "Bo"}])
    ),
    "jsonl": _text('{"name": "Ada"}\n{"name": "Bo"}\n'),
    "rst": _text(
        "Title\n=====\n\nSome *text*.\n\n.. raw:: html\n\n   <script>x</script>\n\n- one\n- two\n"
    ),
    "rtf": _text(r"{\rtf1\ansi The first line.\par The \b second\b0  line.\par}"),
}
