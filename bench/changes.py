"""Who is woken by a write: looks at the database for each write, where a hundred wait for a negotiation each.

Each of the writes is what an incoming call brings: the token that it came with, and one of the negotiations.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.negotiation import _figure
from medspace.adapters.sql import create, open_database
from medspace.app.compose.connector import COLLECTIONS
from medspace.app.node.changes import Changes
from medspace.connector.model import NEGOTIATIONS, Negotiation, NegotiationState, Role
from medspace.core.store import Topic, Transaction
from medspace.trust.model import SEEN, SeenToken

WAITERS = 100
CALLS = 500


def measure() -> dict[str, dict[str, Any]]:
    """Looks for each write: of those who wait for one record, and of those who wait for everything."""
    one = asyncio.run(_looks(lambda number: (NEGOTIATIONS.topic(f"urn:negotiation:{number}"),)))
    every = asyncio.run(_looks(lambda _: tuple(collection.topic() for collection in COLLECTIONS)))
    reference = f"{every:.3g} where each of {WAITERS} wakes at every write, as before"
    return {"changes.wakeups": _figure(one, "looks per write", reference, "<= 1")}


async def _looks(topics: Callable[[int], tuple[Topic, ...]]) -> float:
    """Looks for each write, of waiters who wait for these topics; every unit of work is a commit of its own."""
    changes, looks = Changes(), 0
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder, 'bench.db')}"
        create(url, COLLECTIONS)
        async with open_database(url, COLLECTIONS) as database:
            database.on_commit(changes.tell)

            async def look() -> None:
                nonlocal looks
                looks += 1
                await database.read(lambda tx: tx.get(NEGOTIATIONS, "urn:negotiation:0"))

            for number in range(WAITERS):
                await database.write(_put(number, 0))
            waiters = [asyncio.create_task(changes.until(look, 3600, *topics(n))) for n in range(WAITERS)]
            await database.read(lambda tx: tx.log.size())
            while looks < WAITERS:  # noqa: ASYNC110 - until all wait
                await asyncio.sleep(0.01)
            looks = 0
            for call in range(CALLS):
                await database.write(_seen(call))
                await database.write(_put(call % WAITERS, 1 + call // WAITERS))
            for one in waiters:
                one.cancel()
            await asyncio.gather(*waiters, return_exceptions=True)
    return looks / (2 * CALLS)


def _seen(call: int) -> Callable[[Transaction], None]:
    return lambda tx: tx.insert(SEEN, SeenToken(f"token-{call}", 0))


def _put(number: int, move: int) -> Callable[[Transaction], None]:
    """The negotiation of that number, after so many moves."""
    pid, state = f"urn:negotiation:{number}", NegotiationState.REQUESTED

    def work(tx: Transaction) -> None:
        old, updated = tx.get(NEGOTIATIONS, pid), f"2026-01-01T00:00:{move:02d}.000Z"
        offer = {"target": "urn:asset:1"}
        new = Negotiation(
            id=pid,
            role=Role.PROVIDER,
            state=state,
            counterparty="did:web:user.example",
            address="https://user.example",
            peer_pid=f"urn:peer:{number}",
            created="2026-01-01T00:00:00.000Z",
            updated=updated,
            initiator=Role.CONSUMER,
            offer=offer,
            asked=offer,
        )
        if old is None:
            tx.insert(NEGOTIATIONS, new)
        else:
            tx.replace(NEGOTIATIONS, old, new)

    return work
