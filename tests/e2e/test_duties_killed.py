"""A holder is killed again and again while duties are due: no broken duty stays untold, and none is told twice."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

from bench import duties
from medspace.adapters.sql import create, open_database
from medspace.app.compose.parts import COLLECTIONS
from medspace.app.features.duties.watching import Watching
from medspace.connector.duties.model import DUTIES, OwedState
from medspace.ledger.model import decode

HOLDER = """
import asyncio, sys, random
from datetime import timedelta
from types import SimpleNamespace
from bench.duties import AGREEMENT, BEGIN, HOLDER, transfer
from medspace.adapters.sql import open_database
from medspace.app.compose.parts import COLLECTIONS
from medspace.app.features.duties.watching import Watching
from medspace.connector.duties import service

async def main(url, begun, seed):
    # Goes on with the history where the one before was killed, until it is killed itself.
    chance, database = random.Random(seed), open_database(url, COLLECTIONS)
    node = SimpleNamespace(database=database, did=HOLDER)
    print("up", flush=True)
    for number in range(begun, begun + 10_000):
        now = BEGIN + timedelta(hours=number)
        await database.write(lambda tx: service.begin(tx, HOLDER, transfer(f"urn:u:{number}", now), AGREEMENT, now))
        print(number, flush=True)
        await Watching(node).overdue(now + timedelta(days=chance.choice((0, 40, -3))))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


def killed(url, kills):
    """Holders, one after the other, on one database; each is killed in the middle of whatever it does."""
    chance, begun = random.Random(7), 0
    for kill in range(kills):
        command = [sys.executable, "-c", HOLDER, url, str(begun), str(kill)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as child:
            assert child.stdout.readline() == "up\n"
            for _ in range(chance.randint(2, 12)):
                begun = int(child.stdout.readline()) + 1
            time.sleep(chance.random() / 50)
            child.send_signal(signal.SIGKILL)
            begun = max([begun, *(int(line) + 1 for line in child.stdout if line.strip().isdecimal())])


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)], ids=["short", "long"])
async def test_a_holder_that_is_killed_at_any_instant_tells_each_broken_duty_once(tmp_path, kills):
    url = f"sqlite:///{tmp_path / 'holder.db'}"
    create(url, COLLECTIONS)
    killed(url, kills)
    database = open_database(url, COLLECTIONS)
    end = duties.BEGIN + timedelta(days=500)
    await Watching(SimpleNamespace(database=database, did=duties.HOLDER)).overdue(end)

    def look(tx):
        entries = [decode(one) for one in tx.log.entries(0, tx.log.size())]
        told = [one.facts["duty"] for one in entries if one.kind == "duty.broken"]
        owed = [one.facts["duty"] for one in entries if one.kind == "duty.owed"]
        states = {one.id: one.state for one in tx.find(DUTIES, limit=100_000)}
        return told, owed, states

    told, owed, states = await database.read(look)
    await database.close()
    assert len(owed) >= 3 * kills
    assert sorted(told) == sorted(owed) == sorted(states)  # each once, and all were overdue in the end
    assert set(states.values()) == {OwedState.BROKEN}
