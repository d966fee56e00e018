"""How cells are written in files, and what they say."""

import pytest

from medspace.core.dictionary import DictionaryError, describe, parse
from medspace.core.writing import canonical, date_writing, is_day, is_number_writing


@pytest.mark.parametrize(
    ("cell", "written", "said"),
    [
        (" 60 ", "padded", "60"),
        ("4,7", "1234,5", "4.7"),
        ("-4,7e3", "1234,5", "-4.7e3"),
        ("4.7", "1234,5", "4.7"),
        ("1,000", "1,234.5", "1000"),
        ("1,000.25", "1,234.5", "1000.25"),
        ("1,00", "1,234.5", "1,00"),
        ("1.234,5", "1.234,5", "1234.5"),
        ("1 234,5", "1 234,5", "1234.5"),
        ("1'234.5", "1'234.5", "1234.5"),
        ("10 %", "1234.5 %", "10"),
        ("10,5%", "1234,5 %", "10.5"),
        ("10", "1234.5 %", "10"),
        ("31.01.2023", "DD.MM.YYYY", "2023-01-31"),
        ("2023/1/31", "YYYY/MM/DD", "2023-01-31"),
        ("1/31/2023", "MM/DD/YYYY", "2023-01-31"),
        ("2023-01-31 00:00:00", "YYYY-MM-DD", "2023-01-31"),
        ("2023-01-31T23:59:59.5Z", "YYYY-MM-DD", "2023-01-31"),
        ("20230131", "YYYYMMDD", "2023-01-31"),
        ("2023131", "YYYYMMDD", "2023131"),
        ("31-Jan-2023", "DD-MON-YYYY", "2023-01-31"),
        ("31. März 2023", "DD. MON YYYY", "2023-03-31"),
        ("31-Foo-2023", "DD-MON-YYYY", "31-Foo-2023"),
        ("2023年1月31日", "YYYY年MM月DD日", "2023-01-31"),
        ("?", "DD.MM.YYYY", "?"),
        ("x", "nothing of the kind", "x"),
    ],
)
def test_a_cell_says_what_it_says_in_every_writing(cell, written, said):
    assert canonical(cell, written) == said


@pytest.mark.parametrize(
    ("year", "century", "said"),
    [("23", 2000, "2023"), ("23", 1930, "2023"), ("31", 1930, "1931"), ("30", 1930, "1930"), ("29", 1930, "2029")],
)
def test_two_digits_lie_in_the_century_that_was_said(year, century, said):
    assert canonical(f"31-Jan-{year}", "DD-MON-YY", century) == f"{said}-01-31"


def test_two_digits_without_a_century_say_nothing():
    assert canonical("31.01.23", "DD.MM.YY") == "31.01.23"


@pytest.mark.parametrize(
    ("cell", "limits", "said"),
    [
        ("<0.5", "missing", ""),
        ("< 0.5", "value", "0.5"),
        ("≥ 9", "value", "9"),
        ("0.5", "missing", "0.5"),
        ("<0.5", "", "<0.5"),
    ],
)
def test_a_limit_of_detection_is_missing_or_the_limit(cell, limits, said):
    assert canonical(cell, "", limits=limits) == said


@pytest.mark.parametrize("written", ["DD.MM", "YYYY-MM-DD-DD", "DD/MM/MON", "YYYY and MM and DD", "MM.DD.MON", ""])
def test_what_is_no_day_is_no_way_to_write_one(written):
    assert date_writing(written) is None
    assert not is_number_writing(written)


@pytest.mark.parametrize(
    ("text", "day"), [("2026-01-31", True), ("2026-02-31", False), ("20260131", False), ("", False)]
)
def test_a_day_is_one_of_the_calendar(text, day):
    assert is_day(text) is day


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('type = "code"\nwritten = "1234,5"', "cannot be written"),
        ('type = "number"\nwritten = "DD.MM.YYYY"', "cannot be written"),
        ('type = "date"\nwritten = "1234,5"', "cannot be written"),
        ('type = "date"\nwritten = "DD.MM.YY"', "century"),
        ('type = "date"\nwritten = "DD.MM.YY"\ncentury = 19', "century"),
        ('type = "date"\nwritten = "DD.MM.YYYY"\ncentury = 1930', "century"),
        ('type = "number"\ncentury = 1930', "century"),
        ('type = "number"\nlimits = "half"', "limits"),
        ('type = "code"\nlimits = "missing"', "limits"),
    ],
)
def test_a_dictionary_says_what_cannot_be_written_so(lines, reason):
    with pytest.raises(DictionaryError, match=reason):
        parse(f'title = "t"\n[columns.a]\n{lines}\n')


@pytest.mark.parametrize(
    "lines",
    [
        'type = "number"\nwritten = "1.234,5"\nlimits = "value"',
        'type = "date"\nwritten = "DD.MM.YY"\ncentury = 1930',
        'type = "code"\nwritten = "padded"',
    ],
)
def test_how_cells_are_written_is_not_published_but_what_limits_mean_is(lines):
    dictionary = parse(f'title = "t"\n[columns.a]\n{lines}\n')
    published = describe(dictionary)["columns"][0]
    assert dictionary.columns[0].rewritten
    assert "written" not in published
    assert "century" not in published
    assert published.get("limits", "") == dictionary.columns[0].limits
