"""Hidden words of text documents: left out and counted, or kept in elements of their own that are marked."""

import zipfile

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor

from acclimate.documents.parsers import parse

OFFICE = "urn:oasis:names:tc:opendocument:xmlns:"


def said(document, hidden=False):
    return [
        document.text[one.start : one.end]
        for one in document.elements
        if ("hidden" in one.metadata) == hidden
    ]


@pytest.fixture
def word(tmp_path):
    """word(fill) → the file of a Word document that a function filled."""

    def make(fill):
        opened = docx.Document()
        fill(opened)
        opened.save(str(tmp_path / "made.docx"))
        return tmp_path / "made.docx"

    return make


def hide(run, value="1"):
    run.font.hidden = value == "1"
    return run


def test_hidden_runs_of_word_by_themselves_and_by_style(word):
    def fill(opened):
        styles = opened.styles
        styles.add_style("Secret", WD_STYLE_TYPE.CHARACTER).font.hidden = True
        below = styles.add_style("Secret below", WD_STYLE_TYPE.CHARACTER)
        below.base_style = styles["Secret"]
        styles.add_style("Notes", WD_STYLE_TYPE.PARAGRAPH).font.hidden = True
        paragraph = opened.add_paragraph("The pump costs ")
        hide(paragraph.add_run("400 euro for friends, "))
        paragraph.add_run("by style ", style="Secret")
        paragraph.add_run("and below ", style="Secret below")
        paragraph.add_run("900 euro.")
        opened.add_paragraph("A note to ourselves.", style="Notes")
        shown = opened.add_paragraph(style="Notes").add_run("Shown after all.")
        shown.font.hidden = False

    document = parse(word(fill), "a.docx")
    assert said(document) == ["The pump costs 900 euro.", "Shown after all."]
    assert document.hidden == {"text": 2}
    marked = parse(word(fill), "a.docx", hidden="mark")
    assert said(marked) == said(document)
    assert said(marked, hidden=True) == [
        "400 euro for friends, by style and below",
        "A note to ourselves.",
    ]


def test_letters_that_nobody_sees(word):
    def fill(opened):
        def run(said, paragraph=None, white=True):
            made = (paragraph or opened.add_paragraph()).add_run(said)
            if white:
                made.font.color.rgb = RGBColor(255, 255, 255)
            return made

        run("White on white.")
        run("Tiny.", white=False).font.size = Pt(1)
        shaded = run("White on blue.")
        shaded._r.get_or_add_rPr().append(
            parse_xml(f'<w:shd {nsdecls("w")} w:val="clear" w:fill="203040"/>')
        )
        cell = opened.add_table(1, 2, style="Table Grid").rows[0].cells
        run("White in a styled table.", cell[0].paragraphs[0])
        run("beside", cell[1].paragraphs[0], white=False)
        run("Plain.", white=False)

    document = parse(word(fill), "a.docx")
    assert said(document)[0] == "White on blue."
    assert "White in a styled table." in document.text
    assert "White on white." not in document.text
    assert "Tiny." not in document.text
    assert document.hidden == {"text": 2}


def test_deletions_moves_comments_and_hidden_rows_of_word(word):
    def fill(opened):
        paragraph = opened.add_paragraph("The price is ")
        for tag, text in (("del", "700"), ("ins", "900"), ("moveFrom", "650")):
            inside = f"<w:r><w:{'delText' if tag == 'del' else 't'}>{text}</w:{'delText' if tag == 'del' else 't'}></w:r>"
            paragraph._p.append(
                parse_xml(f'<w:{tag} {nsdecls("w")} w:id="1" w:author="A">{inside}</w:{tag}>')
            )
        opened.add_comment(paragraph.runs[0], text="Is that so?", author="B")
        table = opened.add_table(3, 2)
        for at, text in enumerate(("Pump", "Price", "Tern", "900", "Gull", "100")):
            table.rows[at // 2].cells[at % 2].text = text
        table.rows[2]._tr.get_or_add_trPr().append(parse_xml(f"<w:hidden {nsdecls('w')}/>"))

    document = parse(word(fill), "a.docx")
    assert said(document) == ["The price is 900", "| Pump | Price |\n| --- | --- |\n| Tern | 900 |"]
    assert document.hidden == {"deletion": 2, "row": 1, "comment": 1}
    marked = parse(word(fill), "a.docx", hidden="mark")
    assert said(marked, hidden=True) == ["700", "650", "Gull | 100", "Is that so?"]


def box(text, left, top, hidden=False):
    names = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
        'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:v="urn:schemas-microsoft-com:vml"'
    )
    content = f"<w:txbxContent><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:txbxContent>"
    return (
        f'<w:r {names}><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wp:anchor>'
        f"<wp:positionH><wp:posOffset>{left}</wp:posOffset></wp:positionH>"
        f"<wp:positionV><wp:posOffset>{top}</wp:posOffset></wp:positionV>"
        f'<wp:extent cx="1000" cy="300"/><wp:docPr id="1" name="b" hidden="{int(hidden)}"/>'
        f"<wps:wsp><wps:txbx>{content}</wps:txbx></wps:wsp></wp:anchor></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:textbox>{content}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )


def test_text_boxes_of_word_are_read_once_and_as_they_stand(word):
    def fill(opened):
        paragraph = opened.add_paragraph("Two plants.")
        for text, left, top in (
            ("75 tonnes", 2000, 400),
            ("East", 0, 0),
            ("West", 2000, 0),
            ("40 tonnes", 0, 400),
        ):
            paragraph._p.append(parse_xml(box(text, left, top)))
        paragraph._p.append(parse_xml(box("Old: 12 tonnes", 0, 900, hidden=True)))

    document = parse(word(fill), "a.docx")
    assert said(document) == ["Two plants.", "East", "40 tonnes", "West", "75 tonnes"]
    assert document.hidden == {"shape": 1}


def odf(path, body, styles="", kind="text"):
    names = " ".join(
        f'xmlns:{name}="{OFFICE}{where}:1.0"'
        for name, where in (
            *((name, name) for name in ("office", "table", "text", "style", "presentation")),
            *(
                ("draw", "drawing"),
                ("fo", "xsl-fo-compatible"),
                ("svg", "svg-compatible"),
                ("dc", "dc"),
            ),
        )
    )
    content = (
        f"<office:document-content {names}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", content)
    return path


RTF = (
    r"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\colortbl;\red255\green255\blue255;\red10\green20\blue30;}"
    r"\pard The pump {\v for friends 400 }costs \cf2 900\cf0  euro.\par "
    r"It was {\deleted 700}800.\par \v A note\v0  Shown \'e4.\par {\cf1 White on white.}\par The end.\par}"
)


def test_hidden_words_of_rtf(tmp_path):
    file = tmp_path / "a.rtf"
    file.write_text(RTF)
    document = parse(file, "a.rtf")
    assert said(document) == ["The pump costs 900 euro.", "It was 800.", "Shown ä.", "The end."]
    assert document.hidden == {"text": 3, "deletion": 1}
    marked = parse(file, "a.rtf", hidden="mark")
    assert said(marked) == said(document)
    assert said(marked, hidden=True) == ["for friends 400", "700", "A note", "White on white."]
    file.write_text(RTF.replace("{\\cf1 White", "{\\cf1\\cb2 White"))
    assert "White on white." in parse(file, "a.rtf").text


ODT_STYLES = (
    '<style:style style:name="T1" style:family="text"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:name="T2" style:family="text" style:parent-style-name="T1"/>'
    '<style:style style:name="P1" style:family="paragraph"><style:text-properties fo:color="#ffffff"/></style:style>'
    '<style:style style:name="P2" style:family="paragraph"><style:text-properties fo:color="#FFFFFF" '
    'fo:background-color="#203040"/></style:style>'
)
ODT = (
    "<text:tracked-changes><text:changed-region><text:deletion><text:p>It cost 700.</text:p></text:deletion>"
    "</text:changed-region></text:tracked-changes>"
    '<text:p>The pump <text:span text:style-name="T2">for friends 400</text:span> costs <text:span>900</text:span>'
    " euro.<office:annotation><dc:creator>B</dc:creator><text:p>Is that so?</text:p></office:annotation></text:p>"
    '<text:p text:style-name="P1">White on white.</text:p><text:p text:style-name="P2">White on blue.</text:p>'
    '<text:p>A<text:hidden-text text:is-hidden="true" text:string-value="field 5"/> shown</text:p>'
    '<text:p>Gone.<text:hidden-paragraph text:is-hidden="true"/></text:p>'
    '<text:section text:display="none"><text:h>Inside</text:h></text:section>'
    '<text:section text:display="true"><text:p>The end.</text:p></text:section>'
)


def test_hidden_words_of_odt(tmp_path):
    file = odf(tmp_path / "a.odt", ODT, ODT_STYLES)
    document = parse(file, "a.odt")
    assert said(document) == ["The pump costs 900 euro.", "White on blue.", "A shown", "The end."]
    assert document.hidden == {"deletion": 1, "text": 4, "comment": 1, "field": 1}
    marked = parse(file, "a.odt", hidden="mark")
    assert said(marked) == said(document)
    assert said(marked, hidden=True) == [
        *(
            "It cost 700.",
            "for friends 400",
            "Is that so?",
            "White on white.",
            "field 5",
            "Gone.",
            "Inside",
        ),
    ]


def test_slides_of_odp_as_they_stand_with_notes_and_without_hidden_ones(tmp_path):
    def frame(text, left, top, more=""):
        place = f'svg:x="{left}cm" svg:y="{top}cm" svg:width="8cm" svg:height="1cm"'
        return f"<draw:frame {place} {more}><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"

    styles = (
        '<style:style style:name="dp1" style:family="drawing-page">'
        '<style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
    )
    shown = (
        frame("West 75", 12, 4.2) + f"<draw:g>{frame('East', 1, 3)}{frame('West', 12, 3)}</draw:g>"
    )
    shown += frame("East 40", 1, 4.2) + frame("Output", 1, 9, 'presentation:class="title"')
    notes = "<presentation:notes><draw:frame><draw:text-box><text:p>East stops.</text:p></draw:text-box></draw:frame>"
    body = f"<draw:page>{shown}{notes}</presentation:notes></draw:page>"
    body += f'<draw:page draw:style-name="dp1">{frame("Old: 12", 1, 1)}</draw:page>'
    file = odf(tmp_path / "a.odp", body, styles, "presentation")
    document = parse(file, "a.odp")
    assert said(document) == ["Output", "East", "East 40", "West", "West 75", "East stops."]
    assert document.hidden == {"slide": 1}
    assert said(parse(file, "a.odp", hidden="mark"), hidden=True) == ["Old: 12"]
