"""A connector whose clock is wrong is not believed: that is said, and it passes once the clock is right."""

import re
import time

import pytest

from medspace.app.compose.connector import ConnectorParts
from medspace.app.doors.protocol.endpoints import BASE
from medspace.app.doors.sdk import SpaceError
from medspace.connector.catalogue.finding import listed
from tests.e2e.space import ASSET, hospital, staged
from tests.unit.app.test_clocks import Shifted

AHEAD = 20
AHEAD_TOLD = r"Our clock is (20|21|22) s ahead"  # an answer has whole seconds, and takes its time


class Settable(Shifted):
    """It runs, and can be set."""

    async def sleep(self, seconds):
        await ConnectorParts().clock.sleep(seconds)

    def set(self, seconds):
        self.by = type(self)(seconds).by


@pytest.fixture
def stage(tmp_path):
    with staged(tmp_path) as stage:
        stage.add("authority", hospital(1))
        stage.add("user", parts=ConnectorParts(clock=Settable(0)))
        stage.open()
        stage.admit()
        yield stage


def seen_until(space, pid, condition):
    """The negotiation, as the user's connector shows it, once the condition holds."""
    deadline = time.monotonic() + 60
    shown = space._get(f"/negotiations/{pid}")
    while not condition(shown):
        assert time.monotonic() < deadline, shown
        shown = space._get(f"/negotiations/{pid}", seen=shown["version"], wait=5)
    return shown


def test_a_refusal_by_the_clock_is_said_and_passes(stage):
    user, holder, space = stage.nodes["user"], stage.nodes["authority"], stage.space("user")
    terms, clock = user.connector.of("terms"), user.parts.clock
    offer = listed(holder.did, stage.run(terms.finder.dataset(holder.did, ASSET)))["offers"][0]

    clock.set(AHEAD)
    with pytest.raises(SpaceError, match=AHEAD_TOLD) as refused:
        space.negotiate(holder.did, ASSET)
    assert refused.value.code == "find.clock"
    address = holder.connector.config.base_url + BASE
    begun = stage.run(terms.node.negotiations.request_negotiation(holder.did, address, offer, ASSET))
    shown = seen_until(space, begun.id, lambda one: one["trouble"])
    assert (shown["state"], shown["problem"]) == ("INITIAL", None)
    assert shown["trouble"]["code"] == "peer.clock"
    assert re.search(AHEAD_TOLD, shown["trouble"]["sentence"])
    assert "doctor" in shown["trouble"]["next_step"]

    clock.set(0)
    ended = seen_until(space, begun.id, lambda one: one["state"] == "FINALIZED")
    assert (ended["trouble"], ended["problem"]) == (None, None)
