"""Running uses are cut off when a label, a contract or a membership ends, without anybody asking for a step."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from medspace.connector.usage.model import JOBS
from medspace.core.clock import stamp
from medspace.core.paging import each
from tests.e2e.space import PURPOSE, hospital, staged

TRAIN = "medspace:train"
ALLOWED = {"purposes": [PURPOSE], "regions": ["World"], "kinds": [TRAIN]}
PATIENCE = 60.0


@pytest.fixture
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("cut")) as stage:
        stage.add("clinic", hospital())  # the authority too: it has the members list at once
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def seen(look, wanted):
    end = time.monotonic() + PATIENCE
    while not wanted(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def begun(stage):
    """The user's pid of a started use."""
    use = stage.space("user").request(stage.agree("user", "clinic"), TRAIN)["id"]
    seen(lambda: jobs(stage), lambda found: found == [True])
    return use


def jobs(stage):
    """Which jobs of the clinic are open."""
    database = stage.nodes["clinic"].connector.node.database
    return stage.run(database.read(lambda tx: [job.open for job in each(tx, JOBS, {})]))


def ended(stage, use):
    """The code with which the user is told that its use is over."""
    found = seen(lambda: stage.space("user").use(use), lambda one: one["state"] == "TERMINATED")
    return found["problem"]["code"]


def test_a_label_that_narrows_ends_a_use_that_asks_nothing(stage):
    use = begun(stage)
    stage.relabel("clinic", ALLOWED | {"kinds": ["medspace:statistics"]})
    seen(lambda: jobs(stage), lambda found: found == [False])
    assert ended(stage, use) == "label.kinds"


def test_so_does_the_end_of_the_label_itself(stage):
    use = begun(stage)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    stage.relabel("clinic", ALLOWED | {"valid_until": stamp(soon)})
    seen(lambda: jobs(stage), lambda found: found == [False])
    assert datetime.now(UTC) >= soon
    assert ended(stage, use) == "label.valid_until"


def test_a_member_that_is_removed_uses_nothing_any_more(stage):
    begun(stage)
    stage.space("clinic").remove(stage.nodes["user"].did)
    seen(lambda: jobs(stage), lambda found: found == [False])
    (cut,) = seen(lambda: stage.entries("clinic", "transfer.terminated"), len) or [None]
    assert cut["facts"]["counterparty"] == stage.nodes["user"].did


def test_what_goes_on_goes_on(stage):
    begun(stage)
    stage.relabel("clinic", ALLOWED | {"regions": ["DE", "FR"]})
    watching = stage.nodes["clinic"].connector
    stage.run(asyncio.sleep(0.5))
    assert stage.run(watching.node.database.write(watching.usage.cut)) == []
    assert jobs(stage) == [True]
