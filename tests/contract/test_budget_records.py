"""Debits whose period is over become one total, whatever the database; what a limit or a backup needs stays."""

import json
import sqlite3
from datetime import timedelta

import pytest
from alembic import command
from alembic.config import Config as Alembic

from medspace.adapters.memory import MemoryDatabase
from medspace.adapters.sql import create, engines, migration, open_database
from medspace.adapters.sql.errors import SchemaBehindError
from medspace.app.compose.connector import COLLECTIONS
from medspace.connector.usage import accounts
from medspace.connector.usage.model import DEBITS, PERIODS, DebitState
from tests.unit.connector.budgeted import ONE, Budgeted, budgeted, limits
from tests.unit.connector.uses import ASSET

OPENS = frozenset({"open"})
YEAR = timedelta(days=366).total_seconds()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def database(request, tmp_path):
    if request.param == "memory":
        yield MemoryDatabase()
        return
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/connector.db" if sqlite else request.getfixturevalue("postgres")()
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as opened:
        yield opened


async def uses(house, count, first=2, rho=(10, 20), *, over=True):
    """So many uses that ask the first of two questions: the cheaper one comes back, or both if nothing opened it."""
    for number in range(first, first + count):
        job = f"urn:job:{number}"
        await house.ask(await house.start(job), rho, job=job, round=number)
        if over:
            await house.over(job)


async def renew(house, after=YEAR):
    house.clock.advance(after)
    account = await house.account()
    await house.database.write(lambda tx: accounts.renew(tx, house.local, account, ""))


async def kept(house):
    """How many debits there are, and the totals."""

    def work(tx):
        return len(tx.find(DEBITS, limit=1000)), tx.find(PERIODS, order_by="since")

    return await house.database.read(work)


async def test_debits_of_a_period_that_is_over_become_one_total(database):
    house, _ = await budgeted(limits(), database, until=None)
    since = (await house.account()).since
    await uses(house, 5)
    assert await kept(house) == (5, [])
    await renew(house)
    before = await house.account()
    await house.control._settling.sweep()
    left, (total,) = await kept(house)
    assert (left, total.uses, total.taken, total.refunded, total.since) == (0, 5, 150, 50, since)
    account = await house.account()
    assert (account.taken, account.limits, account.until) == (0, before.limits, before.until)
    assert await house.agreed() == 100  # an agreement's own is for all its time
    await uses(house, 2, first=20)
    assert (await kept(house))[0] == 2


async def test_there_are_as_many_records_after_many_uses_as_after_few(database):
    house, _ = await budgeted(limits(), database, until=None)
    for year in range(3):
        await uses(house, 3, first=2 + 3 * year)
        await renew(house)
    await house.control._settling.sweep()
    left, totals = await kept(house)
    assert (left, [one.uses for one in totals]) == (0, [3, 3, 3])


async def test_pages_are_tidied_one_after_the_other(database):
    house, _ = await budgeted(limits(), database, until=None)
    await uses(house, 5)
    await renew(house)
    more = [await house.database.write(lambda tx: accounts.tidy(tx, ASSET, limit=2)) for _ in range(4)]
    assert more == [True, True, False, False]
    left, (total,) = await kept(house)
    assert (left, total.uses) == (0, 5)


async def test_a_use_that_goes_on_keeps_its_debit_and_its_refund(database):
    house, _ = await budgeted(limits(), database, until=None, opens=OPENS)
    since = (await house.account()).since
    await uses(house, 1, over=False)
    await uses(house, 1, first=3)
    await renew(house)
    await house.control._settling.sweep()
    assert (await kept(house))[0] == 1
    assert ((await house.debit("urn:job:2")).state, await house.agreed()) == (DebitState.OPEN, 30)
    await house.over("urn:job:2")
    left, (total,) = await kept(house)
    assert (left, total.uses, total.taken, total.refunded, total.since) == (0, 2, 60, 60, since)
    assert (await house.account()).taken == 0  # of the new period nothing comes back
    assert await house.agreed() == 0


async def test_the_check_of_a_restored_backup_finds_what_it_needs(database):
    house, _ = await budgeted(limits(), database, until=None, opens=OPENS)
    await uses(house, 1, over=False)
    await uses(house, 2, first=3)
    await renew(house)
    await house.control._settling.sweep()
    house.clock.advance(1)
    await house.database.write(lambda tx: accounts.freeze(tx, house.local, "sha256:0", 99))
    assert [one.id for one in await house.database.read(accounts.frozen_uses)] == ["urn:job:2"]
    assert not (await house.job("urn:job:2")).open
    await house.over("urn:job:2")
    _, (total,) = await kept(house)
    assert (total.uses, total.refunded) == (3, 60)  # of the one from before nobody knows what left
    assert await house.agreed() == 30


async def test_a_limit_of_the_period_that_runs_is_not_touched(database):
    house, _ = await budgeted(limits(), database)
    await uses(house, 1, rho=(ONE,))
    await house.control._settling.sweep()
    assert ((await kept(house))[0], (await house.account()).taken) == (1, ONE)
    with pytest.raises(Exception, match="budget"):
        await uses(house, 1, first=3, rho=(1,))


async def test_nothing_is_tidied_of_what_is_not_there():
    house = Budgeted()
    assert not await house.database.write(lambda tx: accounts.tidy(tx, ASSET))


async def test_a_step_without_noise_looks_for_no_debit(monkeypatch):
    looked = []
    monkeypatch.setattr(accounts, "let_out", lambda tx, use, step: looked.append(use))
    house, token = await budgeted(limits(exact=True))
    await house.ask(token)
    assert looked == []
    await house.ask(await house.start("urn:job:2"), (10,), job="urn:job:2", round=2)
    assert looked == ["urn:job:2"]


async def test_a_database_of_the_version_before_opens_and_is_tidied(tmp_path):
    """Its tables are those of revision 0010, its accounts say nothing of what is tidied."""
    file = tmp_path / "connector.db"
    url = f"sqlite:///{file}"
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as opened:
        house, _ = await budgeted(limits(), opened, until=None)
        await uses(house, 3)
        await renew(house)
        clock = house.clock
    as_before(file)
    with pytest.raises(SchemaBehindError):
        migration.check(engines.parse(url))
    assert [step[:4] for step in migration.upgrade(url)][:1] == ["0011"]
    async with open_database(url, COLLECTIONS) as opened:
        house = Budgeted(opened)
        house.clock = clock
        house.build()
        assert (await house.account()).tidied == ""
        await house.control._settling.sweep()
        left, (total,) = await kept(house)
        assert (left, total.uses, total.taken) == (0, 3, 90)
        assert await house.agreed() == 60


def as_before(file):
    """Put a database back into the form of the version before."""
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE budget_periods")
        connection.execute("DROP TABLE holder_notes")
        for table in ("ended_agreements", "access_tokens", "actors", "figures", "latest_times"):  # of 0012 to 0015
            connection.execute(f"DROP TABLE {table}")
        for name, body in connection.execute("SELECT id, body FROM budget_accounts").fetchall():
            old = {key: value for key, value in json.loads(body).items() if key != "tidied"}
            connection.execute("UPDATE budget_accounts SET body = ? WHERE id = ?", (json.dumps(old), name))
    connection.close()
    with migration._alone(engines.parse(f"sqlite:///{file}")) as connection:
        config = Alembic()
        config.set_main_option("script_location", str(migration.FOLDER))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.stamp(config, "0010")
