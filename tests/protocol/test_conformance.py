"""The conformance cases of the Dataspace Protocol 2025-1 over real HTTP."""

import pytest

from tests.protocol import schemas
from tests.protocol.cases import BEYOND_THE_KIT, CASES, DISABLED_UPSTREAM, Case


def test_all_running_cases_of_the_official_kit_are_here():
    assert len(CASES) == 65


def test_every_id_stands_once():
    rows = [case.id for case in (*CASES, *DISABLED_UPSTREAM, *BEYOND_THE_KIT)]
    assert len(rows) == len(set(rows))


@pytest.mark.skipif(not schemas.available(), reason=schemas.MISSING)
def test_messages_are_held_against_the_published_schemas():
    assert schemas.faults({"@type": "TransferError", "providerPid": "p", "consumerPid": "c"})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, outcomes):
    assert outcomes[case.id].fault is None


@pytest.mark.parametrize("case", DISABLED_UPSTREAM, ids=lambda case: case.id)
def test_case_that_the_official_kit_leaves_out(case: Case, outcomes):
    assert outcomes[case.id].fault is None


@pytest.mark.parametrize("case", BEYOND_THE_KIT, ids=lambda case: case.id)
def test_case_beyond_the_official_kit(case: Case, outcomes):
    assert outcomes[case.id].fault is None
