"""Numbers as their format shows them, against what Excel shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.documents.number_format import BUILT_IN, general, number_format

NUMBERS = [
    ("0.0%", 0.075, "7.5%"),
    ("0%", 0.075, "8%"),
    ("0.00%", 1.2345, "123.45%"),
    ("#,##0.00", 1234.5, "1,234.50"),
    ("#,##0.00", 1234567.891, "1,234,567.89"),
    ("#,##0", 999.5, "1,000"),
    ("#,##0.00 [$€-407]", 1234.5, "1,234.50 €"),
    ("[$€-2] #,##0.00", 1234.5, "€ 1,234.50"),
    ("[$£-809]#,##0", -1234, "-£1,234"),
    ('"$"#,##0.00_);("$"#,##0.00)', -5.5, "($5.50)"),
    ("#,##0 ;[Red](#,##0)", -1200, "(1,200)"),
    ('0.00;-0.00;"none";@', 0, "none"),
    ("0;;", -5, ""),
    (";;;", 5, ""),
    ('0"kg"', 12.4, "12kg"),
    ("0.0 \\k\\g", 12.44, "12.4 kg"),
    ('#,##0.0,"K"', 12345, "12.3K"),
    ('0.0,,"M"', 12345678, "12.3M"),
    ("0.##", 5, "5."),
    ("0.##", 5.126, "5.13"),
    ("#.##", 0.5, ".5"),
    ("00000", 42, "00042"),
    ("000-00-0000", 123456789, "123-45-6789"),
    ("(000) 000-0000", 5551234567, "(555) 123-4567"),
    ("0.00E+00", 12345, "1.23E+04"),
    ("0.00E+00", 0.00012, "1.20E-04"),
    ("0.00E+00", 9999999, "1.00E+07"),
    ("##0.0E+0", 12345, "12.3E+3"),
    ("0E-0", 1500, "2E3"),
    ("# ?/?", 1.5, "1 1/2"),
    ("# ?/?", 0.25, "1/4"),
    ("# ?/?", 3, "3"),
    ("# ??/??", 3.1415926, "3 1/7"),
    ("# ?/8", 2.38, "2 3/8"),
    ("?/?", 1.5, "3/2"),
    ("[<1]0.00;[>=100]0;0.0", 0.5, "0.50"),
    ("[<1]0.00;[>=100]0;0.0", 250.4, "250"),
    ("[<1]0.00;[>=100]0;0.0", 50.46, "50.5"),
    ("[<0](0);0", -3, "(3)"),
    ("[>=1000]#,##0;0.00", -3, "-3.00"),
    ("General", 0.1 + 0.2, "0.3"),
    ('General" km"', 12.5, "12.5 km"),
    ("@", 12.5, "12.5"),
    ("0.0", -0.25, "-0.3"),
    ("0.00", 2.675, "2.68"),
    ("0.00", 1.005, "1.01"),
    ('"Yes";"Yes";"No"', 1, "Yes"),
    ('"Yes";"Yes";"No"', 0, "No"),
    ("#,##0", 0, "0"),
    ("#", 0, ""),
    ("* #,##0", 1200, "1,200"),
]
DATES = [
    ("yyyy-mm-dd", 45296, "2024-01-05"),
    ("dd.mm.yyyy", 45296, "05.01.2024"),
    ("d-mmm-yy", 45296, "5-Jan-24"),
    ("dddd, d mmmm yyyy", 45296, "Friday, 5 January 2024"),
    ("[$-407]d. mmmm yyyy", 45296, "5. January 2024"),
    ("m/d/yyyy h:mm", 45296.75, "1/5/2024 18:00"),
    ("h:mm AM/PM", 0.75, "6:00 PM"),
    ("h:mm a/p", 0.25, "6:00 A"),
    ("hh:mm:ss", 0.5 + 1 / 86400, "12:00:01"),
    ("mm:ss.0", 90.5 / 86400, "01:30.5"),
    ("[h]:mm", 1.5 + 10 / 1440, "36:10"),
    ("[h]:mm:ss", 2, "48:00:00"),
    ("[mm]:ss", 0.0625, "90:00"),
    ("[hh]\\h mm\\m", 0.125, "03h 00m"),
    ("yyyy-mm-dd", 1, "1900-01-01"),
    ("yyyy-mm-dd", 59, "1900-02-28"),
    ("yyyy-mm-dd", 61, "1900-03-01"),
    ("yyyy-mm-dd hh:mm", 45296 + 86399.7 / 86400, "2024-01-06 00:00"),
    ("mmm yyyy", 45296, "Jan 2024"),
    ("yyyy-mm-dd", -1, "-1"),
    ("[h]:mm:ss", 1e300, "1E+300"),
    ("[h]:mm", -0.5, "-12:00"),
]
GENERAL = [
    (0.1 + 0.2, "0.3"),
    (1 / 3, "0.333333333"),
    (2 / 3, "0.666666667"),
    (1200, "1200"),
    (4006381333931, "4006381333931"),
    (1234567.891, "1234567.891"),
    (123456.789012, "123456.789"),
    (-80.5, "-80.5"),
    (1e20, "1E+20"),
    (1.5e-10, "1.5E-10"),
    (0.000123456789, "0.000123457"),
    (0, "0"),
]


@pytest.mark.parametrize(("code", "number", "shown"), NUMBERS + DATES)
def test_a_number_is_shown_as_its_format_says(code, number, shown):
    assert " ".join(number_format(code).show(number).split()) == shown


@pytest.mark.parametrize(("number", "shown"), GENERAL)
def test_a_number_without_a_format_is_shown_as_excel_does(number, shown):
    assert general(float(number)) == shown


def test_days_from_1904_are_the_same_days():
    assert number_format("yyyy-mm-dd").show(45296 - 1462, from_1904=True) == "2024-01-05"


def test_text_goes_through_its_section():
    assert number_format('0;-0;0;"see "@').show_text("below") == "see below"
    assert number_format("0.00").show_text("below") == "below"
    assert number_format("0;0;0;").show_text("below") == ""


@given(
    st.text(alphabet='0#?.,%/E+-;@"\\_*[]hmsydAMP $€<>=1 G', max_size=30), st.floats(-1e12, 1e12)
)
def test_no_format_breaks(code, number):
    assert isinstance(number_format(code).show(number), str)
    assert isinstance(number_format(code).show_text("x"), str)


@given(
    st.sampled_from(sorted(set(BUILT_IN.values()))),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_built_in_formats_show_every_number(code, number):
    assert number_format(code).show(number).strip()
