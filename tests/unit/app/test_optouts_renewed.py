"""Hospitals ask the registry of opt-outs anew by themselves, well before an answer expires."""

from types import SimpleNamespace

from medspace.adapters.memory import ManualClock
from medspace.app.features.optouts.work import RENEW, renew
from medspace.core.clock import stamp
from medspace.services.optouts.errors import RegistryAwayError
from tests.unit.connector.uses import NOW


class Following:
    """What follows a registry; one that is away does not answer."""

    def __init__(self, *datasets, away=()):
        self.node = SimpleNamespace(did="did:web:clinic.example", clock=ManualClock(NOW))
        self.known, self.away, self.asked = dict(datasets), away, []

    async def datasets(self):
        return [{"dataset": name, "answered": time} for name, time in self.known.items()]

    async def refresh(self, dataset):
        self.asked.append(dataset)
        if dataset in self.away:
            raise RegistryAwayError(did="did:web:authority.example")
        self.known[dataset] = stamp(self.node.clock.now())


async def test_what_is_old_is_asked_about_and_what_was_not_answered_again_the_next_time():
    optouts = Following(("new", stamp(NOW)), ("old", stamp(NOW - RENEW)), ("never", None), away=("old",))
    await renew(optouts)
    assert optouts.asked == ["old", "never"]
    optouts.away = ()
    await renew(optouts)
    assert optouts.asked == ["old", "never", "old"]
    optouts.node.clock.advance(RENEW.total_seconds())
    await renew(optouts)
    assert sorted(optouts.asked[3:]) == ["never", "new", "old"]
