"""Uses that may not go on: suspended where something is owed, ended for good otherwise, whoever asks for it."""

from datetime import UTC, datetime

from medspace.adapters.memory import ManualClock, MemoryDatabase
from medspace.connector.cutoff import OWED, CutOff
from medspace.connector.errors import UnknownProcessError
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def denied(code, clause="/permission/0"):
    premise = Premise(clause, Text("asked"), Text("held"), satisfied=False)
    return Decision(Verdict.DENY, code, (premise,))


FOUND = {
    "owed": denied(OWED),
    "label": denied("use.label", "label.purposes"),
    "rows": denied("use.rows_changed"),
    "gone": denied("use.rows_changed"),
    "last": denied("use.rows_changed"),
}


class Usage:
    """Usage control that has closed the jobs of these uses."""

    def cut(self, tx):
        return list(FOUND.items())


class Steering:
    """What was done with which use, and why; one of them is over already."""

    def __init__(self):
        self.done = {}

    async def suspend(self, use, code, *reasons):
        self.done[use] = ("suspended", code)

    async def terminate(self, use, code, *reasons):
        if use == "gone":
            raise UnknownProcessError(pid=use)
        self.done[use] = ("ended", code)


async def test_what_is_owed_can_still_be_done_and_all_else_is_over():
    steering = Steering()
    cutoff = CutOff(MemoryDatabase(), ManualClock(NOW), Usage(), steering)
    assert await cutoff.cut() == list(FOUND)
    assert steering.done == {
        "owed": ("suspended", OWED),
        "label": ("ended", "label.purposes"),
        "rows": ("ended", "use.rows_changed"),
        "last": ("ended", "use.rows_changed"),
    }
