"""A hospital is lost in the middle of a masked fit: waited for, then the end, unless its own contract lets it go.

That is so whatever the user says: sums with a hospital and sums without it differ by its own numbers.
"""

import threading

import pytest

from medspace.app.compose.connector import ConnectorParts
from medspace.policy.outputs import DEPARTURE
from medspace.sdk import SpaceError
from tests.e2e.house.pausing import KIND, Pausing
from tests.e2e.space import MASKED, Holding, staged, table

KEYS = ("north", "south", "west", "east", "lost")
RESULTS = ["glm.model", "glm.progress", "glm.quality"]
ROWS = 400  # so many that nobody weighs much at any question of the two fits
PATIENCE = 10.0  # seconds; a hospital on a loaded machine may be late, and is not to be taken for gone


class Leaving(Pausing):
    """The engine of a hospital that nobody reaches any more once it is to contribute for the second time."""

    def __init__(self):
        super().__init__(round=0)
        self.gone = threading.Event()

    def answer(self, admission, step, workplace):
        if step.name == "contribute" and step.round > 2:
            self.gone.set()
        return self._engine.answer(admission, step, workplace)

    def wrap(self, app):
        """Nothing of this hospital's answers arrives once it is gone."""

        async def wrapped(scope, receive, send):
            async def lost(message):
                if self.gone.is_set() and message["type"] == "http.response.start":
                    message = {**message, "status": 503, "headers": [(b"content-length", b"0")]}
                elif self.gone.is_set() and message["type"] == "http.response.body":
                    message = {"type": "http.response.body", "body": b""}
                await send(message)

            await app(scope, receive, lost if scope["type"] == "http" else send)

        return wrapped


def lost_in_the_middle(folder, outputs, **wish):
    """How the run ends, and the stage's log entries of the hospitals that are left."""
    engine = Leaving()
    with staged(folder) as stage:
        stage.add("authority")
        for seed, key in enumerate(KEYS, 1):
            terms = {"min_sites": 3, "protection": None}
            if key == "lost":
                holding = Holding(table(seed, ROWS), terms=terms | {"outputs": outputs})
                stage.add(
                    key, holding, parts=ConnectorParts(engines={(KIND, "glm"): lambda: engine}), wrap=engine.wrap
                )
            else:
                stage.add(key, Holding(table(seed, ROWS), terms=terms))
        stage.add("user")
        stage.open()
        stage.admit()
        agreements = [stage.agree("user", key) for key in KEYS]
        run, error = None, None
        try:
            run = stage.space("user").train(MASKED, agreements, patience=PATIENCE, wait=180, **wish)
        except SpaceError as failed:
            error = failed
        (found,) = stage.space("user").runs()
        opened = [one["facts"]["round"] for one in stage.entries("north", "use.released")]
        return run, error, found, opened


@pytest.mark.parametrize("without", [False, True], ids=["as it is", "--without-missing"])
def test_the_run_stops_and_says_that_the_contract_decides(tmp_path, without):
    run, error, found, opened = lost_in_the_middle(tmp_path, RESULTS, without_missing=without)
    assert (run, error.code, found["state"]) == (None, "run.departure", "failed")
    assert "its contract decides" in str(error.text)
    assert "Lost" in str(error.text)  # who it was, and that it was waited for
    assert "run.departure" in str(error.advice)
    assert max(opened) == 6  # nothing was opened of the second question: step 6 is its contribution


def test_it_goes_on_where_the_own_contract_of_the_hospital_lists_its_departure(tmp_path):
    run, error, found, _ = lost_in_the_middle(tmp_path, [*RESULTS, DEPARTURE], without_missing=True)
    assert error is None, error.text
    assert (run["state"], found["state"]) == ("finished", "finished")
    told = {site["name"]: site["status"] for site in run["sites"]}
    assert told == dict.fromkeys(("North", "South", "West", "East"), "took_part") | {"Lost": "away"}
