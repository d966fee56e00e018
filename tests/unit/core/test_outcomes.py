"""Outcomes that a dictionary declares, and the ranges of its numbers."""

from datetime import date

import pytest

from medspace.core.dictionary import (
    MOST_OUTCOMES,
    Column,
    ColumnType,
    Dictionary,
    DictionaryError,
    OutcomeDefinition,
    describe,
    outcome,
    parse,
)

TEXT = """\
title = "T"
outcomes = {outcomes}
[columns.num]
type = "integer"
[columns.sex]
type = "code"
"""


@pytest.mark.parametrize(
    ("text", "column", "comparison", "value"),
    [
        ("num > 0", "num", ">", 0.0),
        ("num>=1.50", "num", ">=", 1.5),
        (" blood pressure < 1e2 ", "blood pressure", "<", 100.0),
        ("num == -0", "num", "==", 0.0),
    ],
)
def test_an_outcome_is_read_and_written(text, column, comparison, value):
    found = outcome(text)
    assert found == OutcomeDefinition(column, comparison, value)
    assert outcome(str(found)) == found


@pytest.mark.parametrize("text", ["num", "num > x", "> 0", "num > 1e999", "num => 0", "num > 0 or age > 1"])
def test_what_is_no_outcome(text):
    with pytest.raises(DictionaryError):
        outcome(text)


def test_a_dictionary_publishes_its_outcomes_and_an_old_one_reads_as_before():
    declared = parse(TEXT.format(outcomes='["num > 0"]'))
    assert declared.outcomes == (OutcomeDefinition("num", ">", 0.0),)
    assert describe(declared)["outcomes"] == ["num > 0"]
    assert "outcomes" not in describe(parse(TEXT.format(outcomes="[]")))


@pytest.mark.parametrize("outcomes", ['["sex > 0"]', '["age > 0"]', str(["num > 0"] * (MOST_OUTCOMES + 1))])
def test_outcomes_that_a_dictionary_cannot_declare(outcomes):
    with pytest.raises(DictionaryError):
        parse(TEXT.format(outcomes=outcomes))


@pytest.mark.parametrize(
    ("column", "span", "binary"),
    [
        (Column("c", ColumnType.FLAG), (0.0, 1.0), True),
        (Column("c", ColumnType.INTEGER, minimum=0, maximum=1), (0.0, 1.0), True),
        (Column("c", ColumnType.NUMBER, minimum=0, maximum=1), (0.0, 1.0), False),
        (Column("c", ColumnType.INTEGER, minimum=0), None, False),
        (Column("c", ColumnType.INTEGER, maximum=9), None, False),
        (Column("c", ColumnType.CODE), None, False),
        (Column("c", ColumnType.DATE, minimum=date(1970, 1, 1), maximum=date(1970, 2, 1)), (0.0, 31.0), False),
    ],
)
def test_the_span_of_a_column_is_in_the_numbers_that_rows_tell(column, span, binary):
    assert (column.span, column.binary) == (span, binary)


def test_a_column_is_found_by_its_name():
    assert Dictionary("T", (Column("a", ColumnType.FLAG),)).column("a").binary
