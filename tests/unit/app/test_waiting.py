"""How far a hospital is within a round is told to who watches that run, and to nobody else."""

from contextlib import ExitStack

from medspace.adapters.memory import ManualClock
from medspace.app.features.training.waiting import AtWork, Waiting
from medspace.app.node.changes import Changes
from medspace.runs.model import RUNS

SITE = "did:web:clinic.example"


def test_each_hundredth_is_told_once_under_its_run():
    changes = Changes()
    waiting = Waiting(ManualClock(), changes.tell)
    topics = (RUNS.topic("one"), RUNS.topic("two"), RUNS.topic())
    with ExitStack() as stack:
        one, two, every = (stack.enter_context(changes.listening(topic)) for topic in topics)
        waiting.works("one", SITE, 7, None)
        assert (one.is_set(), two.is_set(), every.is_set()) == (True, False, True)
        one.clear()
        waiting.works("one", SITE, 7, None)
        assert not one.is_set()
        waiting.works("one", SITE, 8, None)
        assert one.is_set()
        assert waiting.at_work("one", SITE) == AtWork(8)
