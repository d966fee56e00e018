"""What must hold once two killed connectors have come to rest: read from their databases, not from their answers."""

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from medspace.adapters.sql import open_database
from medspace.app.compose.connector import COLLECTIONS
from medspace.connector.model import (
    AGREEMENTS,
    INTENTS,
    NEGOTIATIONS,
    TRANSFERS,
    Agreement,
    Intent,
    Negotiation,
    Transfer,
)
from medspace.core.store import Collection, Transaction
from medspace.ledger.model import Entry, decode
from medspace.ledger.service import root

PAGE = 1000
WALK = re.compile(
    "requested( terminated| started( suspended started)*( suspended( terminated)?| completed| terminated)?)?"
)


@dataclass(frozen=True)
class Kept:
    """Everything that one connector keeps."""

    negotiations: dict[str, Negotiation]
    transfers: dict[str, Transfer]
    agreements: dict[str, Agreement]
    intents: dict[str, Intent]
    entries: list[Entry]

    def steps(self, pid: str) -> list[str]:
        """What the log says of one process, in order."""
        return [entry.kind.partition(".")[2] for entry in self.entries if entry.facts.get("pid") == pid]


async def kept(url: str) -> Kept:
    """Read a database that no connector has open; its log must verify."""
    async with open_database(url, COLLECTIONS) as database:

        def read(tx: Transaction) -> Kept:
            entries = [bytes(entry) for entry in tx.log.entries(0, tx.log.size())]
            assert root_of(entries) == root(tx.log, tx.log.size())
            return Kept(
                everything(tx, NEGOTIATIONS),
                everything(tx, TRANSFERS),
                everything(tx, AGREEMENTS),
                everything(tx, INTENTS),
                [decode(entry) for entry in entries],
            )

        return await database.read(read)


def everything(tx: Transaction, collection: Collection[Any]) -> dict[str, Any]:
    """All records of a collection, by their identity."""
    found: dict[str, Any] = {}
    while page := tx.find(collection, after=max(found, default=None), limit=PAGE):
        found |= {record.id: record for record in page}
    return found


def root_of(entries: list[bytes]) -> bytes:
    """The Merkle root by the words of RFC 9162 2.1.1 alone."""
    if len(entries) < 2:
        return sha256(b"\x00" + entries[0]).digest() if entries else sha256(b"").digest()
    half = 1 << ((len(entries) - 1).bit_length() - 1)
    return sha256(b"\x01" + root_of(entries[:half]) + root_of(entries[half:])).digest()


def owed(url: str) -> list[str]:
    """The bodies of the messages that a running connector owes, as its SQLite file holds them now."""
    return _column(url, "SELECT body FROM intents")


def _column(url: str, statement: str) -> list[str]:
    connection = sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)
    try:
        return [str(value) for (value,) in connection.execute(statement)]
    finally:
        connection.close()


def rest(urls: list[str], seconds: float) -> None:
    """Wait until the connectors, which run on undisturbed, owe each other nothing.

    Stories end when what was confirmed to them has come true. Messages may be owed then all the same: those of a
    process that was begun twice, since the first answer was lost with a kill, and which nobody watches; and those
    whose answer was lost and which fit no longer, which are repeated until they are answered.
    """
    deadline = time.monotonic() + seconds
    before: list[list[str]] = []
    while True:
        # What one side took while the other was looked at has made its log longer at the second look.
        sizes = [_column(url, "SELECT count(*) FROM log") for url in urls]
        left = [body for url in urls for body in owed(url)]
        if not left and sizes == before:
            return
        before = [] if left else sizes
        assert time.monotonic() < deadline, f"still owed after {seconds:.0f} s: {left}"
        time.sleep(0.05)


def check_nothing_is_owed(sides: Iterable[Kept]) -> None:
    """Every message was delivered."""
    assert [list(side.intents) for side in sides] == [[], []]


def check_processes_match(one: Kept, other: Kept) -> None:
    """Each process has one counterpart, in the same state, and both logs tell the same story of it, step by step."""
    for mine, theirs in ((one.negotiations, other.negotiations), (one.transfers, other.transfers)):
        assert len(mine) == len(theirs)
        for process in mine.values():
            twin = theirs[process.peer_pid]
            assert (twin.peer_pid, twin.state) == (process.id, process.state)
            assert same_story(one.steps(process.id), other.steps(twin.id))


def same_story(one: list[str], other: list[str]) -> bool:
    """Whether two logs tell the same steps.

    One side may lack the step before a termination: its own message, whose acknowledgement died with a process, when
    the other side's termination came, which is legal with and without that step.
    """
    longer, shorter = sorted((one, other), key=len, reverse=True)
    return longer == shorter or (longer[-1:] == ["terminated"] and [*longer[:-2], "terminated"] == shorter)


def check_negotiations_happened_once(side: Kept) -> None:
    """No step of a negotiation is doubled or skipped in the log, and each finalised one has exactly one agreement."""
    for negotiation in side.negotiations.values():
        assert side.steps(negotiation.id) == ["requested", "agreed", "verified", "finalized"]
    made = Counter(agreement.negotiation for agreement in side.agreements.values())
    assert made == Counter(side.negotiations.keys())


def check_transfers_are_legal(side: Kept) -> None:
    """The log tells of every transfer a walk through the states, from the request on, nothing doubled or skipped."""
    for transfer in side.transfers.values():
        steps = side.steps(transfer.id)
        assert WALK.fullmatch(" ".join(steps)), steps
        assert steps[-1].upper() == transfer.state.value


def check_agreements_are_the_same(one: Kept, other: Kept) -> None:
    """Both sides keep the same agreements, and both logs name their digests."""
    digests = [{agreement.id: agreement.digest for agreement in side.agreements.values()} for side in (one, other)]
    assert digests[0] == digests[1]
    for side in (one, other):
        finalized = [entry.facts for entry in side.entries if entry.kind == "negotiation.finalized"]
        assert {facts["agreement"]: facts["agreement_digest"] for facts in finalized} == digests[0]
