"""A connector's database in a process that will be killed. Run: `python -m tests.attacks.storage_victim URL`.

For each line on its input it forks a child, which opens the database and writes: unit N inserts the
record N and appends the entry N. It prints `pid P`, then `ack N INDEX` for each unit that was
acknowledged, until it is killed.
"""

import asyncio
import os
import sys
from itertools import count

from medspace.adapters.sql import open_database
from tests.contract.records import CASES, COLLECTIONS, Case

TASKS = 8


def unit(run, number):
    name = f"{run}-{number}"

    def work(tx):
        tx.insert(CASES, Case(name, rank=number))
        return tx.log.append(name.encode())

    return name, work


async def write_for_ever(url, run):
    database = open_database(url, COLLECTIONS)
    numbers = count()

    async def keep_writing():
        for number in numbers:
            name, work = unit(run, number)
            index = await database.write(work)
            os.write(1, f"ack {name} {index}\n".encode())

    await asyncio.gather(*(keep_writing() for _ in range(TASKS)))


def main(url):
    for run, _ in enumerate(sys.stdin):
        child = os.fork()
        if child == 0:
            os.write(1, f"pid {os.getpid()}\n".encode())
            asyncio.run(write_for_ever(url, run))
        os.waitpid(child, 0)
        os.write(1, b"end\n")


if __name__ == "__main__":
    main(sys.argv[1])
