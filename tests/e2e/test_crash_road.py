"""`kill -9` while two connectors negotiate and transfer: nothing confirmed is lost, nothing happens twice."""

from collections.abc import Iterator

import pytest

from medspace.app.config import read_config
from tests.e2e import settled
from tests.e2e.business import Business, members
from tests.e2e.crash import Crowd, kill_at_random, told


@pytest.fixture
def crowd(tmp_path) -> Iterator[Crowd]:
    with members(tmp_path, "user") as crowd:
        yield crowd


async def live_and_check(crowd: Crowd, kills: int, seed: int, stories: int = 6) -> None:
    business = Business(*crowd.nodes)
    with told([business.turn] * stories, seed) as told_stories:
        kill_at_random(crowd.nodes, kills, seed)
    assert all(story.turns for story in told_stories)
    assert sum(node.kills for node in crowd.nodes) == kills
    for node in crowd.nodes:
        assert node.stop() == 0
    holder, user = [await settled.kept(read_config(node.config).database_url) for node in crowd.nodes]
    settled.check_nothing_is_owed((holder, user))
    settled.check_processes_match(user, holder)
    settled.check_agreements_are_the_same(user, holder)
    for side in (holder, user):
        settled.check_negotiations_happened_once(side)
        settled.check_transfers_are_legal(side)
    assert business.negotiations <= set(user.negotiations)
    assert {pid: user.transfers[pid].state.value for pid in business.transfers} == business.transfers


async def test_killed_connectors_keep_their_word(crowd):
    await live_and_check(crowd, kills=120, seed=1)


@pytest.mark.slow
async def test_killed_connectors_keep_their_word_for_long(crowd):
    await live_and_check(crowd, kills=2000, seed=2, stories=8)
