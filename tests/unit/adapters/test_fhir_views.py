"""SQL on FHIR: the given cases, our own, and the given FHIRPath expressions that views may use."""

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.fhir.errors import PathError, ViewError
from medspace.adapters.fhir.paths import MOST_STEPS, PathScope, compiled
from medspace.adapters.fhir.views import MOST_ROWS, compiled_view, read_view
from tests.fhirpath_cases import path_cases
from tests.shared_data import public
from tests.sof_cases import VIEW_CASES, columns, view

LEAST_PATHS = 0.98


@pytest.mark.parametrize("name", ["basic", "foreach", "where"])
def test_given_views_give_the_given_rows(name):
    said = json.loads(public(f"sql-on-fhir/tests/{name}.json").read_bytes())
    assert said["tests"]
    for case in said["tests"]:
        found = compiled_view(case["view"])
        names = [column.name for column in found.columns]
        rows = [dict(zip(names, row, strict=True)) for resource in said["resources"] for row in found.rows(resource)]
        assert sorted(map(_told, rows)) == sorted(map(_told, case["expect"])), case["title"]
        assert names == case.get("expectColumns", names)


def _told(row):
    return json.dumps(row, sort_keys=True)


def test_own_views():
    assert len(VIEW_CASES) >= 100
    assert len({case.title for case in VIEW_CASES}) == len(VIEW_CASES)
    assert [case.title for case in VIEW_CASES if not case.passes()] == []


def test_given_expressions_that_views_may_use():
    named = [case for case in path_cases() if case.named]
    assert len(named) > 200
    failed = [case.expression for case in named if not case.passes()]
    assert len(failed) <= (1 - LEAST_PATHS) * len(named), failed


def test_a_view_that_multiplies_rows_ends_with_a_reason():
    many = {"resourceType": "Patient", "name": [{"given": ["a"] * 300}]}
    loops = [{"forEach": "name.given", "column": [{"name": f"c{n}", "path": "$this"}]} for n in range(4)]
    with pytest.raises(PathError, match="more than 10000 rows"):
        compiled_view(view("Patient", *loops)).rows(many)


def test_endless_repeats_end_with_a_reason():
    for path in ("$this", "%resource", "item"):
        found = compiled_view(view("Patient", columns("id", repeat=[path])))
        with pytest.raises(PathError, match="more than 10000 rows"):
            found.rows({"resourceType": "Patient", "item": [{"n": n} for n in range(MOST_ROWS + 1)]})


def test_criteria_within_criteria_take_so_many_steps_at_most():
    many = {"resourceType": "Patient", "name": [{"use": "a"}] * 2000}
    with pytest.raises(PathError, match=f"{MOST_STEPS} steps"):
        compiled("name.where(%resource.name.where(%resource.name.exists(use = 'b')).exists())")(
            [many], PathScope(many, left=10_000)
        )


@pytest.mark.parametrize(
    "number", ["1e999999999", "-1e999999999", "1e-999999999", "9" * 4000, "0." + "0" * 4000 + "1"]
)
def test_huge_numbers_cost_nothing_and_are_never_rounded(number):
    said = Decimal(number)
    one = {"resourceType": "Observation", "n": said}
    assert compiled("n")([one], PathScope(one)) == [said]
    for path in ("n + 1", "n * n", "n / 3", "n.lowBoundary()", "n.highBoundary()", "n > 1", "n = 1"):
        compiled(path)([one], PathScope(one))


def test_a_view_that_is_not_json_is_refused():
    for text in (b"", b"{", b"[" * 100_000, b"\xff"):
        with pytest.raises(ViewError):
            read_view(text, "view.json")


@given(st.text(alphabet="ab.()[]'$%@=<>+-*/0123456789 {}|~&\\`\n,", max_size=40))
def test_whatever_is_written_is_an_expression_or_is_refused(text):
    one = {"resourceType": "Patient", "a": [{"b": 1}, {"b": "x"}], "b": Decimal("1.5")}
    with suppress(PathError):
        compiled(text)([one], PathScope(one))
