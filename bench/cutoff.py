"""From what ends uses to their cut-off, with a hundred running: a label, the end of a contract, a removed member.

Two connectors over real HTTP on loopback; the holder is the authority too, so that it has the members list at once. A
use is cut off once its job is closed: from then on its token is worth nothing, and a step that runs is ended.
"""

import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from medspace.connector.usage.model import JOBS
from medspace.core.clock import stamp
from medspace.core.paging import each
from tests.e2e.space import ASSET, PURPOSE, Stage, hospital, staged

USES = int(os.environ.get("CUTOFF_USES", "100"))
TRAIN = "medspace:train"
ALLOWED = {"purposes": [PURPOSE], "regions": ["World"], "kinds": [TRAIN]}
PATIENCE = 120.0
SET_UP = timedelta(seconds=int(os.environ.get("CUTOFF_SET_UP", "60")))  # until the contract ends


def measure() -> dict[str, dict[str, Any]]:
    """The time by which 95 of 100 uses are cut off, over three causes."""
    taken = {"label": _label(), "expiry": _expiry(), "membership": _membership()}
    told = ", ".join(f"{cause} {1000 * _p95(one):.0f} ms" for cause, one in taken.items())
    worst = max(map(_p95, taken.values()))
    return {
        "cutoff.p95_ms": {
            "value": 1000 * worst,
            "unit": "ms",
            "reference": f"the slowest of {told}; {USES} running uses",
            "target": "<= 1000",
        }
    }


def _p95(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20)[-1]


def _label() -> list[float]:
    with _running() as (stage, _):
        space, other = stage.space("clinic"), ALLOWED | {"kinds": ["medspace:statistics"]}
        told = space.set_label(ASSET, other, dry=True)
        looser = [one["term"] for one in told["changes"] if one["loosens"]]
        began = time.time()
        space.set_label(ASSET, other, loosen=looser, seen=str(told["seen"]))
        return _closed(stage, began)


def _membership() -> list[float]:
    with _running() as (stage, _):
        began = time.time()
        stage.space("clinic").remove(stage.nodes["user"].did)
        return _closed(stage, began)


def _expiry() -> list[float]:
    end = datetime.now(UTC).replace(microsecond=0) + SET_UP
    with _running(until=stamp(end)) as (stage, _):
        assert _open(stage) == USES, "setting up took too long"
        return _closed(stage, end.timestamp())


class _running:  # noqa: N801 - used as a function
    """A stage with so many uses of the holder's data by the user, all of them started."""

    def __init__(self, **terms: Any) -> None:  # noqa: ANN401 - those of a template
        self._terms = terms

    def __enter__(self) -> tuple[Stage, str]:
        self._folder = tempfile.TemporaryDirectory()
        self._staged = staged(Path(self._folder.name))
        stage = self._staged.__enter__()
        more = "[quotas]\ntransfers = 1000\nnegotiations = 1000\n"
        stage.add("clinic", hospital(**self._terms), more=more)
        stage.add("user", more=more)
        stage.open()
        stage.admit()
        agreement = stage.agree("user", "clinic")
        user = stage.space("user")
        for _ in range(USES):
            user.request(agreement, TRAIN)
        end = time.monotonic() + PATIENCE
        while _open(stage) < USES and time.monotonic() < end:
            time.sleep(0.05)
        return stage, agreement

    def __exit__(self, *error: object) -> None:
        self._staged.__exit__(None, None, None)
        self._folder.cleanup()


def _open(stage: Stage) -> int:
    connector = stage.nodes["clinic"].connector
    assert connector is not None
    return stage.run(connector.node.database.read(lambda tx: sum(job.open for job in each(tx, JOBS, {}))))


def _closed(stage: Stage, began: float) -> list[float]:
    """Seconds from `began` to the cut-off of each use."""
    taken: list[float] = []
    end = time.time() + PATIENCE
    while len(taken) < USES and time.time() < end:
        closed = USES - _open(stage)
        taken += [time.time() - began] * (closed - len(taken))
        time.sleep(0.005)
    return taken + [PATIENCE] * (USES - len(taken))
