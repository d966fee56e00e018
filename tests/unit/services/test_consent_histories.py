"""Random histories under consent: nothing is counted outside of it, and replay finds what a connector hides."""

import pytest

from tests.unit.services.consent_histories import History


@pytest.mark.parametrize("seed", range(3))
async def test_no_answer_counts_anybody_outside_consent(seed):
    told = await History(seed).run(40)
    assert told.answered > 15
    assert told.withdrawals > 3
    assert told.outside == []
    assert told.invented == set()


@pytest.mark.parametrize("seed", range(3))
async def test_replay_finds_each_use_of_a_connector_without_the_condition_and_no_other(seed):
    told = await History(seed, planted=True).run(60)
    assert told.outside == []
    assert (told.missed, told.invented) == (set(), set())
    assert told.wrong
