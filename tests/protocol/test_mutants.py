"""The conformance cases can fail: each broken connector is found out, by the cases that are there for it."""

import pytest
from tests.protocol.cases import ALL, reactions
from tests.protocol.mutants import MUTANTS
from tests.protocol.process import system_under_test
from tests.protocol.runner import run

SHORT = 1.5  # what a broken connector does not do in this time it never does


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_connector_is_found_out(name):
    cases = [ALL[id_] for id_ in MUTANTS[name].killers]
    with system_under_test(reactions(*cases), wait=SHORT, mutant=name) as target:
        outcomes = run(cases, target)
    assert [case.id for case in cases if outcomes[case.id].fault is None] == []


def test_the_same_cases_pass_where_nothing_is_broken():
    cases = [ALL[id_] for id_ in sorted({id_ for mutant in MUTANTS.values() for id_ in mutant.killers})]
    with system_under_test(reactions(*cases), wait=SHORT * 4, mutant="") as target:
        outcomes = run(cases, target)
    assert [outcome.fault for outcome in outcomes.values() if outcome.fault] == []
