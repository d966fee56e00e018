"""A column that is not there is named with those that are: no more than the catalogue shows, and not without end."""

from medspace.core.columns import LONGEST_NAME, MOST_NAMED, ColumnUnknownError

PUBLISHED = [
    {"name": "patient", "type": "code"},
    {"name": "age", "type": "integer"},
    {"name": "sex", "type": "code"},
    {"name": "crp", "type": "number"},
    {"name": "ill", "type": "flag"},
]


def said(column, *, coded=False, described=PUBLISHED):
    return str(ColumnUnknownError(column, coded=coded).among(described, "patient").text)


def test_the_most_alike_column_of_the_kind_comes_first():
    assert said("agee") == "The data have no numeric column agee, but age, crp, ill."
    assert said("sexx", coded=True) == "The data have no coded column sexx, but sex, ill."


def test_where_nothing_is_published_nothing_else_is_said():
    for described in ([], PUBLISHED[:1]):
        assert said("agee", described=described) == "The data have no numeric column agee."


def test_names_of_others_are_bounded_and_drive_no_terminal():
    many = [{"name": f"\x1b[2J{'x' * 200}{number}", "type": "number"} for number in range(500)]
    told = said("x", described=many)
    assert "\x1b" not in told
    assert len(told) < MOST_NAMED * (LONGEST_NAME + 2) + 100
    assert f"and {500 - MOST_NAMED} more" in told


def test_the_code_stays_what_it_was():
    error = ColumnUnknownError("x", coded=True)
    assert (error.code, error.among(PUBLISHED, None).code) == ("learning.column_unknown",) * 2
