"""Tables of plain text: the header is found by its rows, and what stands around a table is kept as text."""

import pytest

from acclimate.documents.parsers import parse

BANK = (
    "Kontoauszug;;;\nKonto:;AT61 1904 3002;;\nZeitraum;01.08.2026;31.08.2026;\n{blank}"
    "Datum;Empfänger;Zweck;Betrag\n"
    '03.08.2026;Müller GmbH;"Rechnung 881,\nzweite Zeile";1.250,50\n05.08.2026;Grün & Söhne;Rechnung 882;320,00\n'
    "Summe;;;1.570,50\nAlle Angaben ohne Gewähr\n"
)
BANK_TABLE = (
    "| Datum | Empfänger | Zweck | Betrag |\n| --- | --- | --- | --- |\n"
    "| 03.08.2026 | Müller GmbH | Rechnung 881, zweite Zeile | 1.250,50 |\n"
    "| 05.08.2026 | Grün & Söhne | Rechnung 882 | 320,00 |\n| Summe |  |  | 1.570,50 |"
)


def shown(tmp_path, content, name="a.csv", encoding="utf-8"):
    file = tmp_path / name
    file.write_bytes(content.encode(encoding))
    document = parse(file, name)
    assert all(element.start < element.end for element in document.elements)
    return [
        (element.kind, document.text[element.start : element.end]) for element in document.elements
    ]


def table(*rows):
    first, *others = ["| " + " | ".join(row) + " |" for row in rows]
    return "table", "\n".join([first, "|" + " --- |" * len(rows[0]), *others])


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("blank", ["", ";;;\n", "\n"])
def test_a_preamble_is_text_and_the_header_is_found_below_it(tmp_path, encoding, blank):
    found = shown(tmp_path, BANK.format(blank=blank), encoding=encoding)
    text = "\n".join(text for kind, text in found[:-2] if kind == "paragraph")
    assert text == "Kontoauszug\nKonto: AT61 1904 3002\nZeitraum: 01.08.2026, 31.08.2026"
    assert found[-2:] == [("table", BANK_TABLE), ("paragraph", "Alle Angaben ohne Gewähr")]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_the_first_line_may_name_the_delimiter(tmp_path, first):
    found = shown(tmp_path, f"{first}\nArticle;Stock, all halls\nTern 4;17\nTern 6;42\n")
    assert found == [table(("Article", "Stock, all halls"), ("Tern 4", "17"), ("Tern 6", "42"))]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a;1,5\nb;2,5\n", [("Column 1", "Column 2"), ("a", "1,5"), ("b", "2,5")]),
        ("x;1,5;2,5\n", [("Column 1", "Column 2", "Column 3"), ("x", "1,5", "2,5")]),
        (
            "Time;Temp\n08:15:00;3\n09:15:00;4\n",
            [("Time", "Temp"), ("08:15:00", "3"), ("09:15:00", "4")],
        ),
        (
            "Code;Text\nA1;x, y, z\nB2;p, q, r\n",
            [("Code", "Text"), ("A1", "x, y, z"), ("B2", "p, q, r")],
        ),
        ("Name|Town\nAda|Graz\n", [("Name", "Town"), ("Ada", "Graz")]),
        ("Name\tNote\nAda\ta, b\n", [("Name", "Note"), ("Ada", "a, b")]),
        ("1,2,3\na,b,c\na,b,c\n", [("1", "2", "3"), ("a", "b", "c"), ("a", "b", "c")]),
        ("Industry\nSales\nHealth/Care\n", [("Industry",), ("Sales",), ("Health/Care",)]),
        (
            "Name,Note\nAda,one\u2028two\nBo,x\x85y\n",
            [("Name", "Note"), ("Ada", "one two"), ("Bo", "x y")],
        ),
        ("a,b\r\r\n1,2\r\r\n3,4\r\r\n", [("a", "b"), ("1", "2"), ("3", "4")]),
        ('a,b\n\n"1\n\n2",3\n\n4,5\n\n6,7\n', [("a", "b"), ("1 2", "3"), ("4", "5"), ("6", "7")]),
    ],
)
def test_delimiters_are_told_from_what_stands_in_cells(tmp_path, content, rows):
    assert shown(tmp_path, content) == [table(*rows)]


def test_a_table_without_a_header_names_no_row_as_one(tmp_path):
    found = shown(tmp_path, "2026-08-03,Miller,12.5\n2026-08-04,Green,13.5\n")
    assert found == [
        table(
            ("Column 1", "Column 2", "Column 3"),
            ("2026-08-03", "Miller", "12.5"),
            ("2026-08-04", "Green", "13.5"),
        )
    ]


def test_years_may_name_columns(tmp_path):
    rows = [("Region", "2024", "2025"), ("North", "12", "13"), ("South", "1", "2")]
    assert shown(tmp_path, "\n".join(",".join(row) for row in rows)) == [table(*rows)]


def test_blank_lines_part_tables_and_not_the_rows_of_one(tmp_path):
    content = "Prices\nArticle,Price\nPump,1200\n\nTank,80\n\nStock\nHall,Article,Count\nHall 1,Pump,4\nHall 2,Tank,5\n"
    assert shown(tmp_path, content) == [
        ("paragraph", "Prices"),
        table(("Article", "Price"), ("Pump", "1200"), ("Tank", "80")),
        ("paragraph", "Stock"),
        table(("Hall", "Article", "Count"), ("Hall 1", "Pump", "4"), ("Hall 2", "Tank", "5")),
    ]


def test_comments_are_text_and_a_column_of_numbers_may_be_called_so(tmp_path):
    found = shown(tmp_path, "# exported by Ada\n#,Name,Town\n1,Ada,Graz\n2,Bo,Porto\n")
    assert found == [
        ("paragraph", "# exported by Ada"),
        table(("#", "Name", "Town"), ("1", "Ada", "Graz"), ("2", "Bo", "Porto")),
    ]


def test_rows_of_other_lengths_and_cells_of_any_length_are_read(tmp_path):
    long = "x" * 200_000
    found = shown(tmp_path, f'Id,Text\n1,"{long}"\n2\n3,c,more\n')
    assert found == [table(("Id", "Text", ""), ("1", long, ""), ("2", "", ""), ("3", "c", "more"))]


def test_a_quotation_mark_that_is_never_closed_takes_no_other_row(tmp_path):
    found = shown(tmp_path, 'Item,Size,Price\nPipe,"5,12\nTube,6,13\nRod,7,14\n')
    assert found == [
        table(
            ("Item", "Size", "Price"), ("Pipe", '"5', "12"), ("Tube", "6", "13"), ("Rod", "7", "14")
        )
    ]
