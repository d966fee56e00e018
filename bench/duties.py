"""Broken duties that the holder was not told of, over random histories with kills and clock changes.

Each history is a holder with a database of its own on disk. Uses end, users prove what they did, or claim it with a
proof of something else, or do nothing; the clock jumps, the connector is killed in the middle of what it does and
starts again. What should have been told is counted apart, from the events alone, by what the holder could have known:
that a duty was not proven when a look of a running connector saw a time behind its deadline.
"""

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from medspace.adapters.sql import create, open_database
from medspace.app.compose.parts import COLLECTIONS
from medspace.app.features.duties.watching import Watching
from medspace.app.node.node import Node
from medspace.connector.duties import rules, service
from medspace.connector.duties.errors import DutyUnprovenError, DutyUntimelyError
from medspace.connector.duties.model import DUTIES, OwedDuty
from medspace.connector.model import Agreement, Role, Transfer, TransferState
from medspace.core.clock import stamp
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.ledger.entry_proof import EntryProof
from medspace.ledger.model import Entry, decode
from medspace.policy import templates

HISTORIES = int(os.environ.get("DUTIES_HISTORIES", "1000"))
EVENTS = 25  # of one history
HOLDER, USER = "did:web:clinic.example", "did:web:company.example"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
KIND = "medspace:train"
TERMS = {"delete_within": 30, "inform_within": 1, "report_within": 7}


Work = Callable[[Transaction], object]


class KilledError(BaseException):
    """The connector ends here."""


@dataclass
class History:
    """A holder, its clock, and what happened to it."""

    chance: random.Random
    url: str
    now: datetime = BEGIN
    uses: int = 0
    due: dict[str, datetime] = field(default_factory=dict)
    proven: set[str] = field(default_factory=set)
    must: set[str] = field(default_factory=set)  # that the holder has to be told
    database: Any = None

    async def run(self) -> tuple[int, int]:
        """How many duties were broken and not told, and how many were told that were not broken."""
        create(self.url, COLLECTIONS)
        self.database = open_database(self.url, COLLECTIONS)
        for _ in range(EVENTS):
            await self.chance.choice((self.end, self.end, self.prove, self.prove, self.lie, self.jump, self.look))()
        self.now = max((*self.due.values(), self.now)) + timedelta(days=1)
        await self.look(kill=False)
        told = await self.database.read(_told)
        await self.database.close()
        return len(self.must - told), len(told - self.must)

    async def write(self, work: Work, *, kill: bool = True) -> bool:
        """Do a unit of work; whether it was kept: a connector may be killed before it is, and starts again."""
        dies = kill and self.chance.random() < 0.25

        def unit(tx: Transaction) -> None:
            work(tx)
            if dies:
                raise KilledError

        try:
            await self.database.write(unit)
        except KilledError:
            await self.database.close()
            self.database = open_database(self.url, COLLECTIONS)
            return False
        return True

    async def end(self) -> None:
        """A use is over."""
        self.uses += 1
        use = f"urn:use:{self.uses}"
        if await self.write(lambda tx: service.begin(tx, HOLDER, transfer(use, self.now), AGREEMENT, self.now)):
            for duty in await self.database.read(lambda tx: list(each(tx, DUTIES, {"use": use}))):
                self.due[duty.id] = self.now + timedelta(days=TERMS[_TERM[duty.action]])

    async def prove(self) -> None:
        """The user proves something that it owes."""
        owed = [one for one in self.due if one not in self.proven]
        if owed:
            duty = await self.duty(self.chance.choice(owed))
            told = proof(duty, self.now)
            with suppress(DutyUntimelyError):  # this clock was set back: it is sent again
                if await self.write(lambda tx: service.accept(tx, HOLDER, duty.id, USER, told, self.now)):
                    self.proven.add(duty.id)

    async def lie(self) -> None:
        """The user claims one thing with the entry of another."""
        if len(self.due) > 1:
            mine, other = [await self.duty(one) for one in self.chance.sample(sorted(self.due), 2)]
            told = proof(other, self.now)
            try:
                await self.write(lambda tx: service.accept(tx, HOLDER, mine.id, USER, told, self.now))
            except DutyUnprovenError:
                return

    async def jump(self) -> None:
        """Time passes, or the clock is set, also back."""
        self.now += timedelta(hours=self.chance.choice((1, 12, 30, 200, 400, -2, -100, -700)))

    async def look(self, *, kill: bool = True) -> None:
        """The connector looks; it may be killed on the way, and then looks at its next start."""
        dies = kill and self.chance.random() < 0.25
        if not dies:
            self.must |= {one for one, due in self.due.items() if due < self.now and one not in self.proven}
        node = cast("Node", SimpleNamespace(database=_Dying(self.database) if dies else self.database, did=HOLDER))
        try:
            await Watching(node).overdue(self.now)
        except KilledError:
            await self.database.close()
            self.database = open_database(self.url, COLLECTIONS)

    async def duty(self, name: str) -> OwedDuty:
        """One duty."""
        return cast("OwedDuty", await self.database.read(lambda tx: tx.get(DUTIES, name)))


@dataclass
class _Dying:
    """A database of a connector that is killed before its unit of work is kept."""

    database: Any

    async def write(self, work: Work) -> None:
        """Work that is lost."""

        def unit(tx: Transaction) -> None:
            work(tx)
            raise KilledError

        await self.database.write(unit)


_TERM = {"delete": "delete_within", "inform": "inform_within", "medspace:report": "report_within"}
_POLICY = templates.build_from("train-only", TERMS) | {
    "@id": "urn:agreement:1",
    "@type": "Agreement",
    "assigner": HOLDER,
    "assignee": USER,
    "target": "hearts",
}
AGREEMENT = Agreement("urn:agreement:1", "urn:n", HOLDER, USER, "hearts", _POLICY, "", stamp(BEGIN), stamp(BEGIN))


def transfer(use: str, now: datetime) -> Transfer:
    """A use that is over."""
    return Transfer(
        id=use,
        role=Role.PROVIDER,
        state=TransferState.COMPLETED,
        counterparty=USER,
        address="https://company.example/dsp",
        peer_pid="urn:peer",
        created=stamp(now),
        updated=stamp(now),
        agreement=AGREEMENT.id,
        dataset=AGREEMENT.dataset,
        format=KIND,
    )


def proof(duty: OwedDuty, now: datetime) -> dict[str, Any]:
    """What a user's log says of a duty; the door has checked its signature and its path."""
    time = max(now, datetime.fromisoformat(duty.since))
    facts = rules.facts_of(replace(duty)) | {"objects": []}
    entry = Entry(rules.FULFILLED, stamp(time), USER, facts).encode().decode()
    shown = EntryProof("medspace-entry-1", USER, 0, 1, entry, (), "", "")
    return cast("dict[str, Any]", msgspec.to_builtins(shown))


def _told(tx: Transaction) -> set[str]:
    """The duties that the holder's log says are overdue."""
    entries = [decode(one) for one in tx.log.entries(0, tx.log.size())]
    return {str(one.facts["duty"]) for one in entries if one.kind == "duty.broken"}


def measure() -> dict[str, dict[str, Any]]:
    """Broken duties that were not told, and duties that were told without being broken, over all histories."""
    missed = false = broken = 0
    shm = Path("/dev/shm")  # noqa: S108 - where there is one: what is measured is not the disk
    folder = tempfile.mkdtemp(dir=shm if shm.is_dir() else None)
    try:
        for seed in range(HISTORIES):
            history = History(random.Random(seed), f"sqlite:///{folder}/{seed}.db")
            lost, made_up = asyncio.run(history.run())
            missed, false, broken = missed + lost, false + made_up, broken + len(history.must)
            for file in Path(folder).glob(f"{seed}.db*"):
                file.unlink()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    told = f"of {broken} broken duties in {HISTORIES} histories"
    return {
        "duties.overdue_seen": {"value": missed, "unit": "not told", "reference": told, "target": "0"},
        "duties.false_alarms": {"value": false, "unit": "told in vain", "reference": told, "target": "0"},
    }
