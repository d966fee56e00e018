"""Each case can fail: with the check switched off that it is there for, it does."""

import pytest

from tests.protocol.dcp.cases import CASES
from tests.protocol.dcp.controls import CONTROLS
from tests.protocol.dcp.running import pair


def test_all_running_cases_of_the_kit_are_here():
    """88 less the three that are switched off upstream."""
    assert len({case.id for case in CASES}) == len(CASES) == 85


def test_every_handler_has_a_control():
    assert {case.control for case in CASES} == set(CONTROLS)
    assert {case.handler for case in CASES} == {
        *("query", "trigger", "offer", "store", "request", "status", "metadata", "discovery"),
    }


@pytest.mark.parametrize("control", CONTROLS)
def test_without_its_check_a_case_fails(control):
    passed = []
    with pair(CONTROLS[control]) as kit:
        for case in CASES:
            if case.control != control:
                continue
            try:
                case.run(kit)
            except (AssertionError, StopIteration):
                continue
            passed.append(case.id)
    assert passed == []
