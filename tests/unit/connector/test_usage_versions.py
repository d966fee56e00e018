"""How many persons tell two contents of a real table apart."""

import pytest

from medspace.adapters.duckdb.source import TableSource, load
from medspace.connector.usage.versions import BUCKETS, WHO, compared, distances, packed, sums_of, unpacked, version_of
from medspace.core.dictionary import parse
from tests.admissions import admission

KEY = b"k" * 32
DICTIONARY = """\
title = "Visits"
person = "who"

[columns.who]
type = "code"

[columns.age]
type = "integer"

[columns.sex]
type = "code"

[columns.sick]
type = "flag"

[columns.seen]
type = "date"
"""
PERSONS = 40


def visits(person, age=50, sex="f", sick="true", seen="2026-01-01"):
    return [f"{person},{age},{sex},{sick},{seen}", f"{person},{age},{sex},{sick},2026-02-02"]


WHOLE = {f"p{number}": visits(f"p{number}", 30 + number) for number in range(PERSONS)}


@pytest.fixture
def told(tmp_path):
    """The sums of a table of these visits."""

    def sums(persons, dictionary=DICTIONARY, key=KEY):
        file = tmp_path / "visits.csv"
        lines = [line for lines in persons.values() for line in lines]
        file.write_text("\n".join(["who,age,sex,sick,seen", *lines]) + "\n")
        table = load(file, parse(dictionary))
        return sums_of(TableSource({"visits": table}).open(admission(asset="visits")), key)

    return sums


def test_the_order_of_rows_tells_nothing(told):
    turned = dict(reversed(WHOLE.items()))
    assert packed(told(WHOLE)) == packed(told({name: lines[::-1] for name, lines in turned.items()}))


def test_another_key_tells_nothing_of_the_first(told):
    one, other = told(WHOLE), told(WHOLE, key=b"x" * 32)
    assert set(one[WHO]) & set(other[WHO]) == {0}


def test_what_was_packed_comes_back(told):
    sums = told(WHOLE)
    assert unpacked(packed(sums)) == {name: tuple(one) for name, one in sums.items()}
    assert all(len(one) == BUCKETS for one in sums.values())


@pytest.mark.parametrize(
    ("column", "change"),
    [("age", {"age": 99}), ("sex", {"sex": "m"}), ("sick", {"sick": "false"}), ("seen", {"seen": "2025-01-01"})],
)
@pytest.mark.parametrize("persons", [1, 3])
def test_a_value_that_changed_is_seen_in_its_column_and_in_no_other(told, column, change, persons):
    changed = {f"p{number}": visits(f"p{number}", **{"age": 30 + number} | change) for number in range(persons)}
    found = distances(told(WHOLE), told(WHOLE | changed))
    assert found == dict.fromkeys(("", "age", "sex", "sick", "seen"), 0) | {column: persons}


def test_who_came_and_who_went_are_seen(told):
    without = {name: lines for name, lines in WHOLE.items() if name != "p7"}
    assert distances(told(WHOLE), told(without))[WHO] == 1
    assert distances(told(without), told(WHOLE))[WHO] == 1
    assert distances(told(WHOLE), told(without | {"new": visits("new")}))[WHO] == 2


def test_one_visit_more_is_seen(told):
    more = WHOLE | {"p3": [*WHOLE["p3"], WHOLE["p3"][0]]}
    assert set(distances(told(WHOLE), told(more)).values()) == {1}


def test_a_column_more_is_no_difference_of_the_others(told):
    more = told(WHOLE)
    fewer = {name: one for name, one in more.items() if name != "age"}
    assert set(distances(fewer, more).values()) == {0}


def test_a_question_is_compared_where_it_looks(told):
    before = told(WHOLE)
    after = told(WHOLE | {"p1": visits("p1", 99)})
    version = version_of(packed(before))
    content = compared(after, version_of(packed(after)), [(version, packed(before))])
    assert content.alike(10, lambda: {"age"}) == {version}
    assert content.alike(10, lambda: {"sex"}) == frozenset()
    assert content.alike(1, lambda: {"age"}) == frozenset()


def test_where_no_column_names_the_persons_a_row_that_changed_is_one(told):
    nameless = DICTIONARY.replace('person = "who"\n', "")
    before = told(WHOLE, nameless)
    assert list(before) == [WHO]
    changed = dict(WHOLE)
    for number in range(9):
        changed[f"p{number}"] = [WHOLE[f"p{number}"][0].replace(",f,", ",m,"), WHOLE[f"p{number}"][1]]
    assert 0 < distances(before, told(changed, nameless))[WHO] <= 9
