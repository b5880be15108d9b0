"""Words of a PDF that nobody sees are left out or marked; those of a scan that was read stay."""

import pypdfium2
import pytest

from acclimate.documents.parsers import parse


def pdf(path, content, rotate=0):
    """A PDF of one page of 400 by 300 points with a picture /Im and layers /On and /Off."""
    layers = "/OCProperties << /OCGs [7 0 R 8 0 R] /D << /ON [7 0 R] /OFF [8 0 R] >> >>"
    pixels = bytes(range(0, 256, 4))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {layers} >>".encode(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 300] /Rotate {rotate} /Contents 5 0 R /Resources << /Font "
        "<< /F1 4 0 R >> /XObject << /Im 6 0 R >> /Properties << /On 7 0 R /Off 8 0 R >> >> >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream".encode(),
        b"<< /Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 8 "
        b"/Length 64 >>"
        b"\nstream\n" + pixels + b"\nendstream",
        b"<< /Type /OCG /Name (On) >>",
        b"<< /Type /OCG /Name (Off) >>",
    ]
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n"
    path.write_bytes(out + f"{end}startxref\n{len(out)}\n%%EOF".encode())
    assert len(pypdfium2.PdfDocument(path)) == 1
    return path


def line(said, top=100, size=12, left=50, more="0 Tr 0 g"):
    return f"BT {more} /F1 {size} Tf {left} {300 - top} Td ({said}) Tj ET\n"


SEEN = {
    "white on a dark ground": "0.1 0.2 0.4 rg 40 190 300 30 re f\n"
    + line("quite secret", more="0 Tr 1 g"),
    "outlines of white letters": line("quite secret", size=30, more="1 Tr 1 g 0 G"),
    "a scan that was read": "q 300 0 0 200 40 60 cm /Im Do Q\n"
    + line("quite secret", more="3 Tr 0 g"),
    "a layer that is on": "/OC /On BDC\n" + line("quite secret") + "EMC\n",
    "small print": line("quite secret", size=3),
    "half on the page": line("quite secret", left=-20),
}
HIDDEN = {
    "white on white": line("quite secret", more="0 Tr 1 g"),
    "nearly white": line("quite secret", more="0 Tr 0.98 1 0.99 rg"),
    "invisible": line("quite secret", more="3 Tr 0 g"),
    "invisible beside a picture": "q 50 0 0 50 300 20 cm /Im Do Q\n"
    + line("quite secret", more="3 Tr 0 g"),
    "a layer that is off": "/OC /Off BDC\n" + line("quite secret") + "EMC\n",
    "no size": line("quite secret", size=0.3),
    "left of the page": line("quite secret", left=-300),
    "under the page": line("quite secret", top=340),
}


@pytest.mark.parametrize("name", SEEN)
def test_words_that_are_seen_are_read(tmp_path, name):
    file = pdf(tmp_path / "a.pdf", line("The pump costs 900 euro.", top=50) + SEEN[name])
    document = parse(file, "a.pdf")
    assert "secret" in document.text
    assert document.hidden == {}


@pytest.mark.parametrize("name", HIDDEN)
def test_words_that_nobody_sees_are_left_out_or_marked(tmp_path, name):
    file = pdf(tmp_path / "a.pdf", line("The pump costs 900 euro.", top=50) + HIDDEN[name])
    document = parse(file, "a.pdf")
    assert document.text == "The pump costs 900 euro."
    assert document.hidden == {"text": 1}
    marked = parse(file, "a.pdf", hidden="mark")
    assert marked.text == "The pump costs 900 euro.\n\nquite secret"
    assert marked.elements[-1].metadata == {"hidden": "text"}


@pytest.mark.parametrize("rotate", [0, 90])
def test_letters_on_their_side_are_looked_up_where_they_stand(tmp_path, rotate):
    content = "0.1 0.2 0.4 rg 180 40 30 220 re f\n"
    content += "BT 1 g /F1 12 Tf 0 1 -1 0 200 60 Tm (white words that climb the page) Tj ET\n"
    content += "BT 0 g /F1 12 Tf 0 1 -1 0 100 60 Tm (black words that climb the page) Tj ET\n"
    content += "BT 1 g /F1 12 Tf 0 1 -1 0 300 60 Tm (quite secret) Tj ET\n"
    document = parse(pdf(tmp_path / "a.pdf", content, rotate), "a.pdf")
    assert "white words" in document.text
    assert "secret" not in document.text
