"""`kill -9` while two connectors negotiate and transfer: nothing confirmed is lost, nothing happens twice.

MEDSPACE_CRASH_RUNS=100 runs the first test a hundred times, each time with other kills.
"""

import os
from collections.abc import Iterator

import pytest

from medspace.app.node.config import read_config
from tests.e2e import settled
from tests.e2e.business import Business, members
from tests.e2e.crash import PATIENCE, Crowd, kill_at_random, told

RUNS = int(os.environ.get("MEDSPACE_CRASH_RUNS", "1"))


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
    urls = [read_config(node.config).database_url for node in crowd.nodes]
    settled.rest(urls, PATIENCE)
    assert [node.stop() for node in crowd.nodes] == [0, 0]
    check(business, *[await settled.kept(url) for url in urls])


def check(business: Business, holder: settled.Kept, user: settled.Kept) -> None:
    """What must hold once both connectors have come to rest."""
    settled.check_nothing_is_owed((holder, user))
    settled.check_processes_match(user, holder)
    settled.check_agreements_are_the_same(user, holder)
    for side in (holder, user):
        settled.check_negotiations_happened_once(side)
        settled.check_transfers_are_legal(side)
    assert business.negotiations <= set(user.negotiations)
    assert {pid: user.transfers[pid].state.value for pid in business.transfers} == business.transfers


@pytest.mark.parametrize("seed", range(1, RUNS + 1))
async def test_killed_connectors_keep_their_word(crowd, seed):
    await live_and_check(crowd, kills=120, seed=seed)


@pytest.mark.slow
async def test_killed_connectors_keep_their_word_for_long(crowd):
    await live_and_check(crowd, kills=2000, seed=2, stories=8)
