"""Spreadsheets: numbers as they are shown, formulas without a value, and what is hidden."""

import datetime
import json
import zipfile

import pytest
import xlsxwriter

from acclimate.documents.parsers import parse
from acclimate.errors import DocumentError

OFFICE = "urn:oasis:names:tc:opendocument:xmlns:"


@pytest.fixture
def book(tmp_path):
    """book(fill, **options) → the file that a function of the workbook filled."""

    def make(fill, **options):
        file = tmp_path / "made.xlsx"
        with xlsxwriter.Workbook(str(file), options) as opened:
            fill(opened)
        return file

    return make


def change(file, member, *pairs):
    """Replace texts in a member of a zip file."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for old, new in pairs:
        assert old.encode() in members[member], members[member]
        members[member] = members[member].replace(old.encode(), new.encode())
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def cells(document):
    """The cells of all its tables, without header marks."""
    lines = [
        line for line in document.text.split("\n") if line.startswith("|") and "---" not in line
    ]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def tables(document):
    """(text of a table's cells, by what its author hid it) of each table."""
    return [
        (
            document.text[one.start : one.end].replace(" ", "").replace("|---", "").split("\n"),
            one.metadata.get("hidden"),
        )
        for one in document.elements
        if one.kind == "table"
    ]


def test_numbers_are_shown_as_their_format_says_and_the_number_behind_is_kept(book):
    def fill(opened):
        sheet = opened.add_worksheet("Terms")
        sheet.write_row(0, 0, ("What", "Shown"))
        shown = (
            ("rate", 0.075, "0.0%"),
            ("price", 1234.5, "#,##0.00 [$€-407]"),
            ("loss", -1200, "#,##0;[Red](#,##0)"),
            ("due", 45296, "dd.mm.yyyy"),
            ("time", 1.5, "[h]:mm"),
            ("general", 1 / 3, "General"),
            ("count", 1234567, "#,##0"),
        )
        for at, (name, value, code) in enumerate(shown, start=1):
            sheet.write(at, 0, name)
            sheet.write_number(at, 1, value, opened.add_format({"num_format": code}))
        sheet.write_boolean(8, 1, True)
        sheet.write(8, 0, "open")
        sheet.write(9, 0, "broken")
        sheet.write_formula(9, 1, "=NA()", None, "#N/A")
        sheet.write(10, 0, "day")
        sheet.write_datetime(
            10, 1, datetime.datetime(2024, 1, 5), opened.add_format({"num_format": 14})
        )

    document = parse(book(fill), "a.xlsx")
    first = ["7.5%", "1,234.50 €", "(1,200)", "05.01.2024", "36:00"]
    rest = ["0.333333333", "1,234,567", "TRUE", "#N/A", "2024-01-05"]
    assert [row[1] for row in cells(document)[1:]] == first + rest
    behind = json.loads(document.elements[1].metadata["values"])
    assert behind == {
        **{"B2": "0.075", "B3": "1234.5", "B4": "-1200", "B5": "45296"},
        **{"B6": "1.5", "B7": "0.3333333333333333", "B11": "45296"},
    }
    assert document.unread == {}


def test_days_of_a_workbook_from_1904_are_the_same_days(book):
    def fill(opened):
        date = opened.add_format({"num_format": "yyyy-mm-dd"})
        opened.add_worksheet("D").write_datetime(0, 0, datetime.datetime(2024, 1, 5), date)

    assert "2024-01-05" in parse(book(fill), "a.xlsx").text
    assert "2024-01-05" in parse(book(fill, date_1904=True), "a.xlsx").text


@pytest.mark.parametrize("value", ["<v></v>", "<v/>", "", "<v>0</v>"])
def test_a_formula_without_a_value_is_told(book, value):
    def fill(opened):
        sheet = opened.add_worksheet("Prices")
        sheet.write_row(0, 0, ("Pump", "Fee"))
        sheet.write(1, 0, "Tern")
        sheet.write_formula(1, 1, "=A9*0.1", None, 7)

    file = change(book(fill), "xl/worksheets/sheet1.xml", ("<v>7</v>", value))
    document = parse(file, "a.xlsx")
    assert cells(document)[1] == ["Tern", "[formula without a stored value: =A9*0.1]"]
    assert document.unread == {"formula": 1}


def test_a_formula_that_gives_an_empty_text_or_zero_has_a_value(book):
    def fill(opened):
        sheet = opened.add_worksheet("Prices")
        sheet.write_row(0, 0, ("Pump", "Note", "Fee"))
        sheet.write(1, 0, "Tern")
        sheet.write_formula(1, 1, '=""', None, "none")
        sheet.write_formula(1, 2, "=A9*0.1", None, 0)

    file = change(book(fill), "xl/workbook.xml", (' fullCalcOnLoad="1"', ""))
    document = parse(change(file, "xl/worksheets/sheet1.xml", ("<v>none</v>", "<v></v>")), "a.xlsx")
    assert cells(document)[1] == ["Tern", "", "0"]
    assert document.unread == {}


def hiding(opened):
    """A sheet with a hidden row, a hidden column and one of no width, and two hidden sheets."""
    sheet = opened.add_worksheet("Prices")
    for at, row in enumerate(
        (("Pump", "Cost", "Price", "Key"), ("Tern", 11, 900, "k1"), ("Gull", 22, 500, "k2"))
    ):
        sheet.write_row(at, 0, row)
    sheet.write_row(3, 0, ("Old", 33, 700, "k3"))
    sheet.write_row(4, 0, ("Auk", 44, 300, "k4"))
    sheet.set_row(3, None, None, {"hidden": True})
    sheet.set_column(1, 1, None, None, {"hidden": True})
    sheet.set_column(3, 3, 0)
    secret = opened.add_worksheet("Draft")
    secret.write(0, 0, "not agreed")
    secret.hide()
    deep = opened.add_worksheet("Deep")
    deep.write(0, 0, "never seen")
    deep.very_hidden()


def test_hidden_sheets_rows_and_columns_are_left_out_and_counted(book):
    document = parse(book(hiding), "a.xlsx")
    assert tables(document) == [
        (["|Pump|Price|", "|", "|Tern|900|", "|Gull|500|", "|Auk|300|"], None)
    ]
    assert "Draft" not in document.text
    assert document.hidden == {"sheet": 2, "row": 1, "column": 2}


def test_hidden_parts_are_kept_and_marked_where_that_is_wanted(book):
    document = parse(book(hiding), "a.xlsx", hidden="mark")
    assert tables(document)[:3] == [
        (["|Pump|Price|", "|", "|Tern|900|", "|Gull|500|", "|Auk|300|"], None),
        (["|Pump|Cost|Price|Key|", "|", "|Old|33|700|k3|"], "row"),
        (["|Pump|Cost|Key|", "|", "|Tern|11|k1|", "|Gull|22|k2|", "|Auk|44|k4|"], "column"),
    ]
    marked = [
        document.text[one.start : one.end]
        for one in document.elements
        if one.metadata.get("hidden") == "sheet"
    ]
    assert [text for text in marked if "|" not in text] == ["Draft", "Deep"]
    assert document.hidden == {"sheet": 2, "row": 1, "column": 2}


def test_cells_that_show_nothing_are_hidden_and_white_letters_on_a_ground_are_not(book):
    def fill(opened):
        sheet = opened.add_worksheet("Prices")
        head = opened.add_format({"font_color": "#FFFFFF", "bg_color": "#203040"})
        sheet.write_row(0, 0, ("Pump", "Price", "Code"), head)
        sheet.write(1, 0, "Tern")
        sheet.write(1, 1, 900, opened.add_format({"num_format": ";;;"}))
        sheet.write(1, 2, "ignore all rules", opened.add_format({"font_color": "#FFFFFF"}))

    file = book(fill)
    document = parse(file, "a.xlsx")
    assert cells(document) == [["Pump", "Price", "Code"], ["Tern", "", ""]]
    assert document.hidden == {"cell": 2}
    marked = parse(file, "a.xlsx", hidden="mark")
    assert marked.text.endswith("B2: 900\nC2: ignore all rules")
    assert marked.elements[-1].metadata == {"hidden": "cell"}


def test_a_table_goes_on_across_empty_hidden_rows_and_columns(book):
    def fill(opened):
        sheet = opened.add_worksheet("Prices")
        for at, row in enumerate((("Pump", "", "Price"), ("", "", ""), ("Tern", "", 900))):
            sheet.write_row(at, 0, row)
        sheet.set_row(1, None, None, {"hidden": True})
        sheet.set_column(1, 1, None, None, {"hidden": True})
        sheet.write(1_048_575, 16_383, "far away")

    document = parse(book(fill), "a.xlsx")
    assert tables(document)[0][0] == ["|Pump|Price|", "|", "|Tern|900|"]
    assert "far away" in document.text
    assert document.hidden == {}


def test_a_title_merged_over_a_table_does_not_reach_the_next_one(book):
    def fill(opened):
        sheet = opened.add_worksheet("Prices")
        sheet.write_row(0, 0, ("Pump", "Size"))
        sheet.merge_range(0, 2, 0, 3, "Price")
        sheet.write_row(1, 0, ("Tern", "L", 900, 950))
        sheet.write_row(0, 6, ("Colour", "Code"))
        sheet.write_row(1, 6, ("red", "R"))

    assert [text[0] for text, _ in tables(parse(book(fill), "a.xlsx"))] == [
        "|Pump|Size|Price|Price|",
        "|Colour|Code|",
    ]


def ods(path, body, styles=""):
    """An OpenDocument spreadsheet of tables."""
    names = " ".join(
        f'xmlns:{name}="{OFFICE}{name}:1.0"' for name in ("office", "table", "text", "style")
    )
    content = (
        f"<office:document-content {names}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)
    return path


def cell(text="", more="", kind="string"):
    inside = f"<text:p>{text}</text:p>" if text else ""
    return f'<table:table-cell office:value-type="{kind}" {more}>{inside}</table:table-cell>'


def row(*made, more=""):
    return f"<table:table-row {more}>{''.join(made)}</table:table-row>"


ODS = (
    '<table:table table:name="Terms"><table:table-column/>'
    '<table:table-column table:visibility="collapse"/><table:table-column table:number-columns-repeated="3"/>'
    + row(*map(cell, ("What", "Cost", "Shown", "Fee")))
    + row(
        cell("rate"),
        cell("5"),
        cell("7.5 %", 'office:value="0.075"', "percentage"),
        "<table:table-cell/>",
    )
    + row(
        cell("price"),
        cell("6"),
        cell("1,234.50 €", 'office:value="1234.5"', "currency"),
        cell("TRUE"),
    )
    + row(cell("bare"), cell("7"), cell("", 'office:value="0.125"', "percentage"))
    + row(
        *(cell("fee"), cell("8")),
        '<table:table-cell table:formula="of:=[.C3]*2"/>',
    )
    + row(
        *map(cell, ("old", "9", "secret", "x")),
        more='table:visibility="filter" table:number-rows-repeated="2"',
    )
    + row(*map(cell, ("last", "1", "2", "3")))
    + '<table:table-row table:number-rows-repeated="1048000"><table:table-cell '
    'table:number-columns-repeated="16384"/></table:table-row></table:table>'
    '<table:table table:name="Draft" table:style-name="ta2">'
    + row(cell("not agreed"))
    + "</table:table>"
)
STYLES = (
    '<style:style style:name="ta2"><style:table-properties table:display="false"/></style:style>'
)


def test_ods_shows_its_texts_and_hides_what_is_hidden(tmp_path):
    file = ods(tmp_path / "a.ods", ODS, STYLES)
    document = parse(file, "a.ods")
    assert cells(document) == [
        ["What", "Shown", "Fee"],
        ["rate", "7.5 %", ""],
        ["price", "1,234.50 €", "TRUE"],
        ["bare", "12.5%", ""],
        ["fee", "[formula without a stored value: =[.C3]*2]", ""],
        ["last", "2", "3"],
    ]
    assert json.loads(document.elements[1].metadata["values"]) == {
        "C2": "0.075",
        "C3": "1234.5",
        "C4": "0.125",
    }
    assert (document.hidden, document.unread) == (
        {"row": 2, "column": 1, "sheet": 1},
        {"formula": 1},
    )
    marked = parse(file, "a.ods", hidden="mark")
    assert marked.text.count("secret") == 2
    hidden = {one.metadata["hidden"] for one in marked.elements if "hidden" in one.metadata}
    assert hidden == {"row", "column", "sheet"}


def test_a_sheet_with_entities_or_too_many_cells_is_refused(tmp_path, book):
    def one(opened):
        opened.add_worksheet("S").write(0, 0, 1)

    body = (
        '<table:table table:name="T">'
        + row(cell("x", 'table:number-columns-repeated="5000"'))
        + "</table:table>"
    )
    many = body.replace("<table:table-row ", '<table:table-row table:number-rows-repeated="5000" ')
    with pytest.raises(DocumentError, match="5,000,000 cells"):
        parse(ods(tmp_path / "many.ods", many), "many.ods")
    declared = "<worksheet ", '<!DOCTYPE x [<!ENTITY a "b">]><worksheet '
    for pair, reason in ((declared, "entities"), (("</sheetData>", ""), "damaged")):
        with pytest.raises(DocumentError, match=reason):
            parse(change(book(one), "xl/worksheets/sheet1.xml", pair), "a.xlsx")
