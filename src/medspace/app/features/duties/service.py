"""Duties as people see them: what is owed to this participant and by it, what was done, and how that is proven."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from medspace.app.doors.views import Speak
from medspace.app.features.duties.fulfilling import do
from medspace.app.node.lists import PageRequest
from medspace.app.node.node import Node
from medspace.connector.duties import heads, service
from medspace.connector.duties.errors import DutySettledError, UnknownDutyError
from medspace.connector.duties.heads import SEEN_LOGS
from medspace.connector.duties.model import DUTIES, OwedDuty, OwedState
from medspace.connector.model import AGREEMENTS, Role
from medspace.connector.steady import steady
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.paging import newest
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.policy import duties, odrl
from medspace.policy.model import Policy, Rule

STATES: Mapping[str, str] = {
    "open": msgid("owed"),
    "kept": msgid("kept"),
    "broken": msgid("overdue"),
    "late": msgid("done late"),
    "waived": msgid("waived"),
}
_UNPROVEN = msgid("done here; the data holder does not have the proof yet")


@dataclass(frozen=True, slots=True)
class Duties:
    """The duties of one participant, as holder and as user."""

    node: Node

    async def page(self, page: PageRequest, speak: Speak, **wanted: str) -> list[JsonObject]:
        """A page of duties, newest first; `wanted` restricts them to a `role`, a `state` or an `agreement`."""
        where = {name: value for name, value in wanted.items() if value}
        found = await newest(self.node.database, DUTIES, where, page.cursor(), page.limit, by="since")
        return await self._shown(found, speak)

    async def of(self, duty: str, speak: Speak) -> JsonObject:
        """One duty, with the proof that the holder was given.

        Raises:
            UnknownDutyError: there is none.
        """
        found = await self.node.database.read(lambda tx: tx.get(DUTIES, duty))
        if found is None:
            raise UnknownDutyError(duty=duty)
        (shown,) = await self._shown([found], speak)
        return shown | {"proof": found.proof}

    async def fulfil(self, duty: str, speak: Speak, *, by: str = NOBODY) -> JsonObject:
        """As the user: do now what this connector would do by itself later, and prove it.

        Raises:
            UnknownDutyError: there is none.
            DutySettledError: it is owed to us, or the run that it is about goes on.
        """
        now, did = self.node.clock.now(), self.node.did

        def unit(tx: Transaction) -> OwedDuty:
            owed = tx.get(DUTIES, duty)
            if owed is None:
                raise UnknownDutyError(duty=duty)
            done = do(tx, did, owed, now, by) if owed.role is Role.CONSUMER else None
            if done is None:
                raise DutySettledError(duty=duty, state=owed.state.value)
            return done

        return (await self._shown([await self.node.database.write(unit)], speak))[0]

    async def waive(self, duty: str, speak: Speak, *, by: str = NOBODY) -> JsonObject:
        """As the holder: give up what is owed, for good.

        Raises:
            UnknownDutyError, DutySettledError: as `service.waive`.
        """
        now, did = self.node.clock.now(), self.node.did
        waived = await self.node.database.write(lambda tx: service.waive(tx, did, duty, now, by))
        return (await self._shown([waived], speak))[0]

    async def clock(self) -> JsonObject:
        """The latest time that was seen here, and whether the clock is behind it."""
        now = self.node.clock.now()
        latest = await self.node.database.read(lambda tx: steady(tx, now))
        return {"now": stamp(now), "latest": stamp(latest), "set_back": latest > now}

    async def reset_clock(self, *, by: str = NOBODY) -> JsonObject:
        """The owner says that the clock was wrong: what it says now counts from here on."""
        now, did = self.node.clock.now(), self.node.did
        await self.node.database.write(lambda tx: service.reset(tx, did, now, by))
        return await self.clock()

    async def logs(self, page: PageRequest) -> list[JsonObject]:
        """A page of the logs of users that were seen here, the newest first; `forked` with the proof of it."""
        found = await newest(self.node.database, SEEN_LOGS, {}, page.cursor(), page.limit, by="time")
        names = self.node.names()
        return [
            {
                "user": one.id,
                "name": names.get(one.id, ""),
                "size": one.size,
                "seen": one.time,
                "forked": bool(one.other),
                "checkpoints": [one.checkpoint, *([one.other] if one.other else [])],
            }
            for one in found
        ]

    async def forget_log(self, user: str, *, by: str = NOBODY) -> None:
        """The owner begins anew with the next log that this user shows.

        Raises:
            UnknownLogError: as `heads.forget`.
        """
        now, did = self.node.clock.now(), self.node.did
        await self.node.database.write(lambda tx: heads.forget(tx, did, user, now, by))

    async def _shown(self, found: list[OwedDuty], speak: Speak) -> list[JsonObject]:
        names = self.node.names()

        def look(tx: Transaction) -> list[JsonObject]:
            return [shown(tx, one, names.get(one.counterparty, ""), speak) for one in found]

        return await self.node.database.read(look)


def shown(tx: Transaction, duty: OwedDuty, name: str, speak: Speak) -> JsonObject:
    """A duty as people and programs see it."""
    made = tx.get(AGREEMENTS, duty.agreement)
    rule = None if made is None else _rule(odrl.parse(made.policy), duty.clause)
    sentence = None if rule is None else duties.line(rule)
    told = msgspec.to_builtins(duty)
    told = {key: told[key] for key in told.keys() - {"proof", "entry", "told", "by", "code"}}
    waits = duty.role is Role.CONSUMER and duty.entry >= 0 and not duty.delivered
    return {
        **told,
        "name": name,
        "sentence": duty.action if sentence is None else sentence.render(speak),
        "said": Text(_UNPROVEN if waits else STATES[duty.state.value]).render(speak),
        "done": duty.done or None,
        "told": duty.told or None,
        "problem": duty.code or None,
        "settled": duty.state in (OwedState.KEPT, OwedState.LATE, OwedState.WAIVED) and not waits,
    }


def _rule(policy: Policy, clause: str) -> Rule | None:
    rules = (*policy.obligations, *(duty for rule in policy.permissions for duty in rule.duties))
    return next((rule for rule in rules if rule.clause == clause), None)
