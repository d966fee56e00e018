"""What goes wrong while a run is led is said in the log, and a run whose database failed goes on by itself."""

import asyncio
import logging

import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase
from medspace.app.features.training.service import LONGEST_PAUSE, PAUSE, Training
from medspace.core.errors import DuplicateRecordError, StaleRecordError, StorageError, StorageFullError
from medspace.runs.errors import RunUnknownError, SiteAwayError
from tests.unit.learning.simulated import SimulatedSites, coordinator, did, seats

TASK = {"family": "gaussian", "target": "y", "features": [{"name": "x"}], "purpose": "research"}
TABLES = {did(index): {"x": [1.0, 2.0, 4.0, 7.0], "y": [2.0 + index, 3.0, 5.5, 8.0]} for index in range(2)}


class FailingDatabase(MemoryDatabase):
    """Fails its next writes, one error each."""

    def __init__(self):
        super().__init__()
        self.errors = []

    async def write(self, work):
        if self.errors:
            raise self.errors.pop(0)
        return await super().write(work)


class Led:
    """A stored run, led by a `Training` on a database that fails."""

    def __init__(self, caplog):
        self.clock, self.database = ManualClock(), FailingDatabase()
        self.coordinator = coordinator(SimulatedSites(TABLES), database=self.database, clock=self.clock)
        self.training = Training("did:web:user", self.coordinator, self.database, lambda _tx, _did: None, self.clock)
        self.caplog = caplog

    async def begin(self, *errors):
        run = await self.coordinator.create(TASK, seats(TABLES))
        self.database.errors = list(errors)
        await self.training.resume()
        await settled()
        return run.id

    def said(self):
        return [(record.getMessage(), record.facts.get("code")) for record in self.caplog.records]


async def settled():
    for _ in range(500):
        await asyncio.sleep(0)


@pytest.fixture
def led(caplog):
    caplog.set_level(logging.INFO, "medspace")
    return Led(caplog)


async def test_a_run_goes_on_when_the_database_is_back(led):
    run = await led.begin(StorageFullError(), StorageError(reason="gone"))
    assert led.said() == [("run.stalled", "storage.full")]
    assert led.caplog.records[0].facts["run"] == run
    assert "no room left" in led.caplog.records[0].facts["reason"]
    led.clock.advance(PAUSE)
    await settled()
    assert led.said()[1:] == [("run.stalled", "storage.failed")]
    led.clock.advance(PAUSE)  # the second pause is longer
    await settled()
    assert len(led.said()) == 2
    led.clock.advance(PAUSE)
    await settled()
    assert led.said()[2:] == [("run.ended", None)]
    assert (await led.coordinator.run(run)).state == "finished"


async def test_pauses_grow_to_the_longest_and_stopping_ends_them(led):
    await led.begin(*[StorageFullError() for _ in range(30)])
    for _ in range(20):
        led.clock.advance(LONGEST_PAUSE)
        await settled()
    assert len(led.said()) == 21
    assert led.clock.sleepers == 1
    await led.training.stop()
    assert led.clock.sleepers == 0


@pytest.mark.parametrize("error", [StaleRecordError(id="run"), DuplicateRecordError(id="run")])
async def test_a_run_that_another_coordinator_leads_is_left_to_it(led, error):
    run = await led.begin(error)
    assert led.said() == [("run.left", error.code)]
    assert led.clock.sleepers == 0
    assert (await led.coordinator.run(run)).state == "created"


@pytest.mark.parametrize("error", [RunUnknownError(run="urn:uuid:none"), SiteAwayError(site=did(0))])
async def test_other_errors_are_said_and_end_it(led, error):
    await led.begin(error)
    assert led.said() == [("run.stopped", error.code)]
    assert led.clock.sleepers == 0
