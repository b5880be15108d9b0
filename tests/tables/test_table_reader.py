"""Whole tables behind passages: long ones, hidden cells, merged cells, and tables that disagree."""

from dataclasses import replace

import pytest
import xlsxwriter

from acclimate.documents.delimited import DelimitedParser
from acclimate.documents.hidden import census
from acclimate.documents.html import HtmlParser
from acclimate.documents.markdown import MarkdownParser
from acclimate.documents.sheets import SheetParser
from acclimate.tables.parse import read_tables
from acclimate.tables.reader import BY_RULE, TableReader
from acclimate.types import Chunk, Hit, Span


def hit(document, start=0, end=None, rank=1):
    end = len(document.text) if end is None else end
    chunk = Chunk(f"c{rank}", document.path, start, end, document.text[start:end], document.title)
    return Hit(chunk, 1.0, rank)


def parse(parser, name, text, tmp_path):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return parser.parse(file, name)


def ask(question, *documents):
    by_path = {one.path: one for one in documents}
    hits = [hit(one, rank=rank) for rank, one in enumerate(documents, 1)]
    return TableReader(by_path.get).read(question, hits)


@pytest.fixture
def long(tmp_path):
    rows = "".join(f"Part {n},{n % 7 + 1},{n} €\n" for n in range(1, 301))
    return parse(DelimitedParser(), "parts.csv", f"Name,Shelf,Price\n{rows}", tmp_path)


def test_a_sum_is_over_the_whole_table_and_not_the_passage(long):
    shown = hit(long, long.text.index("| Part 20 "), long.text.index("| Part 25 "))
    found = TableReader(lambda path: long).read("What is the sum of all prices?", [shown])
    assert (found.text, found.by) == ("45150 €", BY_RULE)
    assert "300 rows" in found.working
    assert found.citations[0].number == 1
    for citation in found.citations:
        assert long.text[citation.start : citation.end] == citation.quote


def test_a_count_over_a_long_table(long):
    found = ask("How many parts have a price of more than 250 €?", long)
    assert found.text == "50"


def test_a_passage_without_a_table_is_not_read(long):
    def fail(path):
        raise AssertionError(path)

    plain = Hit(Chunk("c", "a.md", 0, 5, "Hello", "A"), 1.0, 1)
    assert TableReader(fail).read("What is the sum of all prices?", [plain]) is None


def test_a_document_that_changed_since_the_search_is_not_read(long):
    stale = hit(long)
    newer = replace(long, text=long.text.replace("Part", "Item"))
    assert TableReader(lambda path: newer).read("What is the sum of all prices?", [stale]) is None


def book(tmp_path, mode, *, hide=False, merge=False):
    file = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(str(file)) as opened:
        sheet = opened.add_worksheet("Team")
        for row, values in enumerate([("Name", "Salary"), ("Ada", 100), ("Bo", 200), ("Cy", 400)]):
            sheet.write_row(row, 0, values)
        if hide:
            sheet.set_row(3, None, None, {"hidden": True})
        if merge:
            sheet.merge_range(1, 1, 2, 1, 150)
    with census(mode):
        return SheetParser().parse(file, "book.xlsx")


@pytest.mark.parametrize("mode", ["skip", "mark"])
def test_hidden_rows_are_not_counted(mode, tmp_path):
    document = book(tmp_path, mode, hide=True)
    assert ask("What is the sum of the salaries?", document).text == "300"
    assert ask("What is the salary of Cy?", document) is None


def test_merged_cells_are_not_counted_twice(tmp_path):
    assert ask("What is the sum of the salaries?", book(tmp_path, "skip")).text == "700"
    merged = book(tmp_path, "skip", merge=True)
    assert ask("What is the sum of the salaries?", merged) is None
    assert ask("What is the salary of Bo?", merged).text == "150"


def test_merged_cells_of_a_web_page(tmp_path):
    rows = "<tr><td>Ada</td><td rowspan=2>100</td></tr><tr><td>Bo</td></tr><tr><td>Cy</td><td>7</td></tr>"
    page = f"<table><tr><th>Name</th><th>Salary</th></tr>{rows}</table>"
    document = parse(HtmlParser(), "a.html", page, tmp_path)
    assert ask("What is the sum of the salaries?", document) is None
    assert ask("What is the salary of Cy?", document).text == "7"


PRICES = "# {}\n\n| Name | Price |\n| --- | --- |\n| Bench | {} |\n| Chair | 45 € |\n"


def test_two_tables_that_disagree_give_no_answer(tmp_path):
    old = parse(MarkdownParser(), "a.md", PRICES.format("Prices", "120 €"), tmp_path)
    new = parse(MarkdownParser(), "b.md", PRICES.format("Prices", "130 €"), tmp_path)
    same = parse(MarkdownParser(), "c.md", PRICES.format("Prices", "120 €"), tmp_path)
    assert ask("What is the price of the bench?", old, new) is None
    assert ask("What is the price of the bench?", old, same).text == "120 €"


def test_a_table_over_two_pages_is_one(tmp_path):
    head = "| Name | Price |\n| --- | --- |\n"
    text = f"{head}| Bench | 120 € |\n| Chair | 45 € |\n\n{head}| Table | 300 € |\n"
    document = parse(MarkdownParser(), "a.md", text, tmp_path)
    assert ask("What is the sum of the prices?", document).text == "465 €"


def test_a_row_of_totals_without_a_name_is_not_added(tmp_path):
    text = "| Name | Price |\n| --- | --- |\n| Bench | 100 |\n| Chair | 50 |\n| Both | 150 |\n"
    document = parse(MarkdownParser(), "a.md", text, tmp_path)
    assert ask("What is the sum of the prices?", document) is None


def test_spans_are_those_of_the_cells(tmp_path):
    text = "| Name | A \\| B |\n| --- | --- |\n| **Bench** | 1 \\| 2 |\n"
    document = parse(MarkdownParser(), "a.md", text, tmp_path)
    table = read_tables(document, [Span(0, len(document.text))])[0]
    assert table.header == ("Name", "A | B")
    cell = table.rows[0].cells[1]
    assert cell.text == "1 | 2"
    assert document.text[cell.span.start : cell.span.end] == "1 \\| 2"
