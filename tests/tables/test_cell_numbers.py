"""Numbers in cells, against what they are worth; and results in the form of their cells."""

from decimal import Decimal

import pytest

from acclimate.tables.numbers import alike, convention, read_value, show


@pytest.mark.parametrize(
    ("cell", "how", "number", "dimension"),
    [
        ("1,250.50", "point", "1250.50", ""),
        ("1.250,50", "comma", "1250.50", ""),
        ("1.250", "comma", "1250", ""),
        ("(7,227)", "point", "-7227", ""),
        ("$(2,935)", "point", "-2935", "usd"),
        ("$ 1,452.4", "point", "1452.4", "usd"),
        ("−12.5 %", "point", "-12.5", "percent"),
        ("45 €", "point", "45", "eur"),
        ("NOK 100", "point", "100", "nok"),
        ("1 200 kg", "point", "1200", "mass"),
        ("12 pcs", "point", "12", "pcs"),
        ("1'200.50 CHF", "point", "1200.50", "chf"),
        ("674 (1)", "point", "674", ""),
    ],
)
def test_a_number_with_its_unit(cell, how, number, dimension):
    value = read_value(cell, how)
    assert (value.number, value.dimension) == (Decimal(number), dimension)


RANGES_AND_DATES = ["10-15", "7:00–21:00", "2026-08-03", "03.08.2026", "1/2"]
BOUNDS = ["up to 500 NOK", "after 40,000 hours", "6 to 12 hours"]


@pytest.mark.parametrize("cell", ["", "–", "n/a", "one", "R290", "F7", *RANGES_AND_DATES, *BOUNDS])
def test_what_is_no_single_number(cell):
    assert read_value(cell) is None


def test_a_number_that_can_be_read_in_two_ways_is_none():
    assert read_value("1.250", "unsure") is None
    assert read_value("1250", "unsure").number == 1250


@pytest.mark.parametrize(
    ("cells", "how"),
    [
        (["1.250,50", "320,00"], "comma"),
        (["1.250", "80,5"], "comma"),
        (["1,250.50", "3"], "point"),
        (["1,250", "14"], "point"),
        (["0.114", "3.46"], "point"),
        (["1.250", "2.500"], "unsure"),
        (["1.5", "2,75"], "unsure"),
    ],
)
def test_a_column_is_read_by_one_convention(cells, how):
    assert convention(cells) == how


@pytest.mark.parametrize(
    ("number", "cells", "how", "text"),
    [
        ("1650.5", ["1.250,50", "400,00"], "comma", "1.650,50"),
        ("-12.6", ["44.1", "56.7"], "point", "-12.6"),
        ("-1234", ["$1,000", "$2,234"], "point", "-$1,234"),
        ("220", ["340 €", "120 €"], "point", "220 €"),
        ("0.3", ["1.5 kg", "1.2 kg"], "point", "0.3 kg"),
    ],
)
def test_a_result_has_the_form_of_its_cells(number, cells, how, text):
    assert show(Decimal(number), [read_value(cell, how) for cell in cells]) == text


def test_a_mean_has_two_decimals_where_it_needs_them():
    cells = [read_value("10"), read_value("11")]
    assert show(Decimal("10.5"), cells, least=2) == "10.5"
    assert show(Decimal(10) / 3, cells, least=2) == "3.33"
    assert show(Decimal(10), cells, least=2) == "10"


def test_values_of_unlike_units_are_not_added():
    assert alike([read_value("20 g"), read_value("30 g")])
    assert not alike([read_value("20 g"), read_value("1.5 kg")])
    assert not alike([read_value("20 €"), read_value("$20")])
    assert alike([read_value("$20"), read_value("30")])  # the sign on the first row only
    assert not alike([read_value("20 %"), read_value("30")])
