"""The time that policies are decided at: a clock that is set back revives nothing.

The latest time at which this connector decided on a use, or looked at those that go on, is a record of its database,
so that it survives restarts.
"""

from datetime import datetime, timedelta

from medspace.connector.model import LATEST, LatestTime
from medspace.core.clock import instant, stamp
from medspace.core.store import Transaction

_ID = "uses"
STEP = timedelta(seconds=1)  # written so often at most


def steady(tx: Transaction, now: datetime) -> datetime:
    """The later one of what the clock says and the latest time at which a use was decided on."""
    latest = tx.get(LATEST, _ID)
    return now if latest is None else max(now, instant(latest.time))


def advance(tx: Transaction, now: datetime) -> None:
    """Keep the time of a decision."""
    latest = tx.get(LATEST, _ID)
    if latest is None:
        tx.insert(LATEST, LatestTime(_ID, stamp(now)))
    elif now >= instant(latest.time) + STEP:
        tx.replace(LATEST, latest, LatestTime(_ID, stamp(now)))


def believe(tx: Transaction, now: datetime) -> None:
    """Forget every later time: whoever answers for the connector says that the clock had been wrong."""
    latest = tx.get(LATEST, _ID)
    if latest is not None:
        tx.replace(LATEST, latest, LatestTime(_ID, stamp(now)))
