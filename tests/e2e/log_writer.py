"""A process that does nothing but append to a log: what `test_crash_log` kills.

Each unit of work records one entry that names its writer and its number; once the database says that it is kept,
the writer adds the same words to a file, as one write, so that the file tells what had been acknowledged when
the process died.
"""

import asyncio
import os
from typing import Any

from medspace.adapters.sql import open_database
from medspace.core.store import Transaction
from medspace.ledger.model import COLLECTIONS, Entry
from medspace.ledger.service import record

ACTOR = "did:web:log.example"
TIME = "2026-01-01T00:00:00.000Z"


def entry(name: str) -> Entry:
    """The entry of one unit of work."""
    return Entry("offer.withdrawn", TIME, ACTOR, {"asset": name})


def run(setup: dict[str, Any]) -> None:
    """Append until killed."""
    asyncio.run(_append(setup["database"], setup["acknowledged"], setup["generation"], setup["writers"]))


async def _append(url: str, acknowledged: str, generation: int, writers: int) -> None:
    file = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with open_database(url, COLLECTIONS) as database, asyncio.TaskGroup() as tasks:
        for writer in range(writers):
            tasks.create_task(_write(database, file, f"{generation}-{writer}"))


async def _write(database: Any, file: int, writer: str) -> None:
    number = 0
    while True:
        name = f"{writer}-{number}"

        def unit(tx: Transaction, name: str = name) -> int:
            return record(tx, entry(name))

        index = await database.write(unit)
        os.write(file, f"{name} {index}\n".encode())
        number += 1
