"""The contract that every parser must keep, and small real files to hold it to, made without any
other package."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import get_args

from acclimate.errors import DocumentError
from acclimate.types import Document, ElementKind

Parse = Callable[[Path, str], Document]
_HEADING, _PARAGRAPH, _ITEM = "Delivery rules", "A pump is delivered within nine days.", "unpack it"
_ROWS = (("Model", "Price"), ("AX-2", "1,250"), ("AX-3", "1,480"))
_BAD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\u2028\u2029]")


def check_parser(
    parse: Parse, folder: Path, formats: Collection[str], plain: Collection[str] = ()
) -> None:
    """Hold a parser to the contract with a file of each of `formats`, keys of SAMPLES, made in
    `folder`.

    Of the formats in `plain` only text and pages are asked for: where a parser sees no headings,
    lists and tables. Raises AssertionError with the format and the rule that is broken.
    """
    for name in formats:
        file = folder / f"sample.{name}"
        SAMPLES[name](file)
        before = file.read_bytes()
        document = parse(file, f"inside/sample.{name}")
        check_document(document, f"inside/sample.{name}")
        _require(file.read_bytes() == before, name, "the file is left as it was")
        _require(
            parse(file, f"inside/sample.{name}") == document,
            name,
            "the same file gives the same document",
        )
        _check_content(document, name, structure=name not in plain)
        _check_damage(parse, folder, name)


def check_document(document: Document, path: str) -> None:
    """Raises AssertionError where a document breaks the rule of spans, pages and text."""
    _require(document.path == path, path, "the document has the path that was given")
    _require(not document.sha256, path, "the hash is left to the caller")
    _require(
        not _BAD.search(document.text),
        path,
        "the text has no control characters, and \\n ends its lines",
    )
    _require(
        bool(document.title.strip()) and "\n" not in document.title, path, "the title is one line"
    )
    starts = document.page_starts
    _require(list(starts) == sorted(starts), path, "pages are in order")
    _require(
        all(0 <= start <= len(document.text) for start in starts),
        path,
        "pages begin inside the text",
    )
    end = 0
    for element in document.elements:
        _require(
            element.kind in get_args(ElementKind), path, f"{element.kind!r} is a kind of element"
        )
        _require(
            end <= element.start < element.end <= len(document.text),
            path,
            "elements follow without overlap",
        )
        end = element.end
        body = document.text[element.start : element.end]
        _require(body == body.strip(), path, "elements have no white space at their ends")
        _require(
            element.kind != "heading" or 1 <= element.level <= 6,
            path,
            "headings have levels from 1 to 6",
        )
        _require(
            element.page == document.page_at(element.start),
            path,
            "an element is on the page where it begins",
        )
        box = element.box
        _require(
            box is None or (box.left <= box.right and box.top <= box.bottom),
            path,
            "boxes have corners in order",
        )
        if element.kind == "table":
            widths = {len(re.split(r"(?<!\\)\|", line)) for line in body.split("\n")}
            _require(len(widths) == 1, path, "rows of a table have as many cells as each other")


def _check_content(document: Document, name: str, structure: bool) -> None:
    flat = " ".join(document.text.split())
    if name != "csv":
        for wanted in (_HEADING, _PARAGRAPH, _ITEM):
            _require(wanted in flat, name, f"the text holds {wanted!r}")
    for row in _ROWS:
        _require(all(cell in flat for cell in row), name, f"the text holds {row}")
    if name == "pdf":
        _require(len(document.page_starts) == 2, name, "there are two pages")
        _require(document.page_at(document.text.index("AX-3")) == 2, name, "the table is on page 2")
        _require(
            document.page_at(document.text.index("nine")) == 1, name, "the paragraph is on page 1"
        )
    if not structure:
        return
    kinds = [
        (element.kind, document.text[element.start : element.end]) for element in document.elements
    ]
    if name != "csv":
        titles = [text for kind, text in kinds if kind in ("heading", "title")]
        _require(any(_HEADING in text for text in titles), name, "the heading is one")
        _require(
            any(kind == "list_item" and _ITEM in text for kind, text in kinds),
            name,
            "the item of a list is one",
        )
    tables = [text.split("\n") for kind, text in kinds if kind == "table"]
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for table in tables for line in table
    ]
    _require(all(list(row) in rows for row in _ROWS), name, "the table has its rows of cells")


def _check_damage(parse: Parse, folder: Path, name: str) -> None:
    """Formats that can be damaged are refused by name and reason."""
    if name not in ("docx", "pdf"):
        return
    file = folder / f"damaged.{name}"
    file.write_bytes((folder / f"sample.{name}").read_bytes()[: 40 if name == "docx" else 12])
    try:
        parse(file, file.name)
    except DocumentError as error:
        _require(file.name in str(error), name, "a refusal names the file")
    else:
        _require(False, name, "a damaged file is refused")


def _require(holds: bool, place: str, rule: str) -> None:
    if not holds:
        raise AssertionError(f"{place}: the parser breaks a rule: {rule}.")


def _html(file: Path) -> None:
    cells = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in _ROWS)
    body = f"<h1>{_HEADING}</h1><p>{_PARAGRAPH}</p><ul><li>{_ITEM}</li><li>keep it dry</li></ul><table>{cells}</table>"
    file.write_text(
        f"<!DOCTYPE html><html><head><title>T</title></head><body>{body}</body></html>",
        encoding="utf-8",
    )


def _markdown(file: Path) -> None:
    table = "\n".join(f"| {row[0]} | {row[1]} |" for row in _ROWS).replace("\n", "\n|---|---|\n", 1)
    file.write_text(
        f"# {_HEADING}\n\n{_PARAGRAPH}\n\n- {_ITEM}\n- keep it dry\n\n{table}\n", encoding="utf-8"
    )


def _csv(file: Path) -> None:
    file.write_text("\n".join(";".join(row) for row in _ROWS) + "\n", encoding="utf-8")


def _docx(file: Path) -> None:
    main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"

    def paragraph(text: str, style: str = "") -> str:
        mark = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f'<w:p>{mark}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'

    item = '<w:pPr><w:pStyle w:val="ListBullet"/><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr>'
    items = "".join(
        f"<w:p>{item}<w:r><w:t>{text}</w:t></w:r></w:p>" for text in (_ITEM, "keep it dry")
    )
    cell = '<w:tc><w:tcPr><w:tcW w:w="2000" w:type="dxa"/></w:tcPr>'
    rows = "".join(
        f"<w:tr>{''.join(f'{cell}{paragraph(text)}</w:tc>' for text in row)}</w:tr>"
        for row in _ROWS
    )
    grid = '<w:tblPr/><w:tblGrid><w:gridCol w:w="2000"/><w:gridCol w:w="2000"/></w:tblGrid>'
    body = f"{paragraph(_HEADING, 'Heading1')}{paragraph(_PARAGRAPH)}{items}<w:tbl>{grid}{rows}</w:tbl>{paragraph('')}"
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{key}"><w:name w:val="{name}"/></w:style>'
        for key, name in (("Heading1", "heading 1"), ("ListBullet", "List Bullet"))
    )
    level = '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="•"/></w:lvl>'
    numbers = (
        f'<w:abstractNum w:abstractNumId="0">{level}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    )
    parts = {"document": f"<w:body>{body}</w:body>", "styles": styles, "numbering": numbers}
    overrides = "".join(
        f'<Override PartName="/word/{name}.xml" '
        f'ContentType="{kind}.{"document.main" if name == "document" else name}'
        '+xml"/>'
        for name in parts
    )
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.'
            f'openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            f'ContentType="application/xml"/>'
            f"{overrides}</Types>",
        )
        links = f'<Relationships xmlns="{package}/relationships">%s</Relationships>'
        link = f'<Relationship Id="r%d" Type="{office}/%s" Target="%s"/>'
        archive.writestr("_rels/.rels", links % (link % (1, "officeDocument", "word/document.xml")))
        others = link % (1, "styles", "styles.xml") + link % (2, "numbering", "numbering.xml")
        archive.writestr("word/_rels/document.xml.rels", links % others)
        for name, content in parts.items():
            archive.writestr(f"word/{name}.xml", f'<w:{name} xmlns:w="{main}">{content}</w:{name}>')


def _pdf(file: Path) -> None:
    def show(x: int, y: int, size: int, text: str) -> str:
        return f"BT /F {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET"

    first = [
        show(72, 720, 22, _HEADING),
        show(72, 680, 11, _PARAGRAPH),
        show(72, 640, 11, f"- {_ITEM}"),
    ]
    second = [
        show(72 + 150 * at, 720 - 20 * line, 11, row[at])
        for line, row in enumerate(_ROWS)
        for at in (0, 1)
    ]
    rules = [f"0.5 w 70 {735 - 20 * line} m 350 {735 - 20 * line} l S" for line in range(4)]
    streams = ["\n".join(first), "\n".join([*second, *rules])]
    page = "<< /Type /Page /Parent 2 0 R /Contents %d 0 R /MediaBox [0 0 595 842] /Resources %s >>"
    fonts = "<< /Font << /F 5 0 R >> >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Count 2 /Kids [3 0 R 4 0 R] >>",
        page % (6, fonts),
        page % (7, fonts),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        *(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream" for stream in streams),
    ]
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(
        f"{at:010} 00000 n \n" for at in places
    )
    end = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF"
    file.write_bytes(body + (table + end).encode())


SAMPLES: dict[str, Callable[[Path], None]] = {
    "html": _html,
    "md": _markdown,
    "csv": _csv,
    "docx": _docx,
    "pdf": _pdf,
}
