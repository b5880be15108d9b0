import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from acclimate.documents.numbering import Numbering
from acclimate.documents.parsers import parse
from acclimate.documents.safe import parse_xml as safe_xml

NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
LEVEL = '<w:lvl w:ilvl="{}"><w:start w:val="{}"/><w:numFmt w:val="{}"/><w:lvlText w:val="{}"/>{}</w:lvl>'


def numbering(
    levels, numbers='<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>', styles=None
):
    rows = "".join(LEVEL.format(*row, *[""] * (5 - len(row))) for row in levels)
    xml = f'<w:numbering {NAMESPACE}><w:abstractNum w:abstractNumId="0">{rows}</w:abstractNum>{numbers}</w:numbering>'
    made = safe_xml(f"<w:styles {NAMESPACE}>{styles}</w:styles>".encode()) if styles else None
    return Numbering(safe_xml(xml.encode()), made)


def numbered(number, level=0):
    return safe_xml(
        f'<w:numPr {NAMESPACE}><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'.encode()
    )


@pytest.mark.parametrize(
    ("form", "text", "wanted"),
    [
        ("decimal", "%1.", ["1.", "2.", "3."]),
        ("lowerLetter", "(%1)", ["(a)", "(b)", "(c)"]),
        ("upperRoman", "Article %1", ["Article I", "Article II", "Article III"]),
        ("decimalZero", "%1", ["01", "02", "03"]),
        ("bullet", "•", ["-", "-", "-"]),
    ],
)
def test_forms(form, text, wanted):
    marks = numbering([(0, 1, form, text)])
    assert [marks.mark("", numbered(1)) for _ in wanted] == [(mark, 0) for mark in wanted]


def test_letters_go_on_after_z():
    marks = numbering([(0, 27, "upperLetter", "%1")])
    assert marks.mark("", numbered(1)) == ("AA", 0)


def test_levels_count_under_their_parents():
    marks = numbering(
        [(0, 1, "decimal", "%1"), (1, 1, "decimal", "%1.%2"), (2, 1, "decimal", "%1.%2.%3")]
    )
    levels = [0, 1, 1, 2, 0, 2, 1]
    assert [marks.mark("", numbered(1, level))[0] for level in levels] == [
        *("1", "1.1", "1.2", "1.2.1", "2", "2.1.1", "2.2")
    ]


def test_a_list_goes_on_or_starts_anew():
    again = '<w:num w:numId="2"><w:abstractNumId w:val="0"/></w:num>'
    anew = again.replace("2", "3").replace(
        "</w:num>", '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
    )
    first = '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    marks = numbering([(0, 1, "decimal", "%1.")], first + again + anew)
    assert [marks.mark("", numbered(number))[0] for number in (1, 1, 2, 3, 3, 1)] == [
        *("1.", "2.", "3.", "1.", "2.", "3.")
    ]


def test_a_style_numbers_its_paragraphs_and_those_based_on_it():
    styles = (
        '<w:style w:styleId="Clause"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:styleId="Own"><w:basedOn w:val="Clause"/></w:style>'
    )
    levels = [(0, 1, "decimal", "%1"), (1, 1, "decimal", "§ %2", '<w:pStyle w:val="Clause"/>')]
    marks = numbering(levels, styles=styles)
    assert [marks.mark(style, None) for style in ("Clause", "Own", "Other")] == [
        ("§ 1", 1),
        ("§ 2", 1),
        None,
    ]
    assert marks.mark("Clause", numbered(0)) is None  # taken off by hand


def test_numbers_stand_in_the_text_of_a_document(tmp_path):
    document = docx.Document()
    document.add_heading("Scope", 1)
    for step in ("Close the valve.", "Drain the tank."):
        document.add_paragraph(step, "List Number")
    document.add_paragraph("Gloves", "List Bullet")
    part = document.part.numbering_part.element
    part.insert(0, parse_xml(f'<w:abstractNum {nsdecls("w")} w:abstractNumId="77">'
                             f'{LEVEL.format(0, 4, "decimal", "%1", "")}</w:abstractNum>'))  # fmt: skip
    part.append(
        parse_xml(f'<w:num {nsdecls("w")} w:numId="77"><w:abstractNumId w:val="77"/></w:num>')
    )
    document.paragraphs[0]._p.get_or_add_pPr().append(
        parse_xml(f'<w:numPr {nsdecls("w")}><w:ilvl w:val="0"/><w:numId w:val="77"/></w:numPr>')
    )
    document.save(tmp_path / "a.docx")
    text = parse(tmp_path / "a.docx", "a.docx").text
    assert text == "4 Scope\n\n1. Close the valve.\n2. Drain the tank.\n- Gloves"
