"""Tables as reports have them: several header rows, groups, totals, brackets, a scale."""

import pytest

from acclimate.documents.markdown import MarkdownParser
from acclimate.tables.reader import TableReader
from acclimate.types import Chunk, Hit

REPORT = """\
# Harbour Lines, annual report

|  |  | Years ended 30 June |  |
| --- | --- | --- | --- |
| (In thousands) | 2021 | 2020 | 2019 |
| Revenue: |  |  |  |
| Freight | $4,200 | $3,900 | $3,000 |
| Passengers | 1,050.5 | 400 | 2,100 |
| Other | 60 | 75 | 50 |
| Total revenue | $5,310.5 | $4,375 | $5,150 |
| Costs: |  |  |  |
| Fuel | (1,800) | (1,500) | (2,000) |
| Other | (700) | (650) | (600) |
| Total costs | (2,500) | (2,150) | (2,600) |
| Operating margin | 52.9% | 50.9% | 49.5% |

The margin grew because fuel was cheap. Passengers of the ferries came back in 2021.
"""

RATES = """\
|  | Domestic |  | Abroad |  |
| --- | --- | --- | --- | --- |
|  | 2021 | 2020 | 2021 | 2020 |
| Discount rate | 4.00% | 3.75% | 1.90% | 2.80% |
"""


def ask(text, question, tmp_path):
    """What the reader of tables makes of a report and a question."""
    file = tmp_path / "report.md"
    file.write_text(text, encoding="utf-8")
    document = MarkdownParser().parse(file, "report.md")
    chunk = Chunk("c", "report.md", 0, len(document.text), document.text, document.title)
    return TableReader(lambda path: document).read(question, [Hit(chunk, 1.0, 1)])


@pytest.mark.parametrize(
    ("question", "answer", "working"),
    [
        ("What was freight in 2020?", "$3,900 thousand", ""),
        (
            "What was the change in freight from 2019 to 2021?",
            "$1,200 thousand",
            "$4,200 − $3,000 = $1,200",
        ),
        (
            "What is the change in Fuel between 2020 and 2021?",
            "-300 thousand",
            "(-1,800) − (-1,500) = -300",
        ),
        (
            "What was the percentage change in passengers from 2020 to 2021?",
            "162.63%",
            "(1,050.5 − 400) / 400 × 100 = 162.63%",
        ),
        (
            "What is the average freight for 2019 and 2020?",
            "$3,450 thousand",
            "($3,000 + $3,900) / 2 = $3,450",
        ),
        ("What was the average freight between 2019 and 2021?", "$3,700 thousand", None),
        ("What was the total revenue in 2020?", "$4,375 thousand", ""),
        ("What is the sum of freight and passengers in 2019?", "$5,100 thousand", None),
        ("What was other revenue in 2021?", "60 thousand", ""),
        ("What were other costs in 2021?", "(700) thousand", ""),
        ("What was freight as a percentage of total revenue in 2019?", "58.25%", None),
        ("What was the operating margin in 2021?", "52.9%", ""),
        ("What is the change in the operating margin from 2020 to 2021?", "2.0%", None),
        ("In which year was freight the highest?", "2021", None),
        (
            "How many years did freight exceed $3,500 thousand?",
            "2",
            "2021, 2020 of 2021, 2020, 2019",
        ),
        ("How many years did freight exceed $3.5 million?", "2", None),
        ("What were freight and passengers in 2020?", "$3,900, 400 thousand", ""),
        ("What was freight in 2021 and 2019 respectively?", "$4,200, $3,000 thousand", ""),
    ],
)
def test_a_value_is_looked_up_or_worked_out(question, answer, working, tmp_path):
    found = ask(REPORT, question, tmp_path)
    assert found is not None
    assert found.text == answer
    assert working is None or found.working == working


@pytest.mark.parametrize(
    "question",
    [
        "What was other in 2021?",  # of two groups
        "What was freight in 2018?",
        "What was freight?",
        "What was the tax in 2021?",
        "Why did the margin grow in 2021?",
        "What was the increase in freight driven by?",
        "Who came back in 2021?",
        "What was freight of the Baltic lines in 2021?",
        "How many years did freight exceed 100 kg?",
        "What was the sum of freight and the operating margin in 2021?",
    ],
)
def test_where_it_is_not_clear_there_is_no_answer(question, tmp_path):
    assert ask(REPORT, question, tmp_path) is None


def test_columns_of_two_groups_are_told_apart(tmp_path):
    assert ask(RATES, "What is the abroad discount rate in 2020?", tmp_path).text == "2.80%"
    assert ask(RATES, "What is the discount rate in 2020?", tmp_path) is None


def test_a_citation_holds_the_cells_and_their_name(tmp_path):
    found = ask(REPORT, "What was the change in passengers from 2020 to 2021?", tmp_path)
    assert [citation.quote for citation in found.citations] == ["Passengers | 1,050.5 | 400"]
    assert not found.citations[0].verbatim  # what is worked out stands nowhere
    looked_up = ask(REPORT, "What was freight in 2020?", tmp_path)
    assert looked_up.citations[0].quote == "Freight | $4,200 | $3,900"
    assert looked_up.citations[0].verbatim


def test_a_count_of_none_cites_what_was_looked_at(tmp_path):
    text = "| Name | Price |\n| --- | --- |\n| Bench | 120 € |\n| Chair | 45 € |\n"
    found = ask(text, "How many items cost more than 500 €?", tmp_path)
    assert found.text == "0"
    assert [citation.quote for citation in found.citations] == ["Bench | 120 €", "Chair | 45 €"]
