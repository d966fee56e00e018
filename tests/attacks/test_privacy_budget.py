"""Who wants more answers than a privacy budget pays for: many uses at once, more rounds, early ends, a full disk."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from medspace.adapters.memory import MemoryDatabase
from medspace.adapters.sql import create, open_database
from medspace.app.compose.connector import COLLECTIONS
from medspace.connector.ports import TransferEvent
from medspace.connector.usage import accounts
from medspace.connector.usage.errors import NotAdmittedError
from medspace.core.engine import StepLimits
from medspace.core.errors import MedspaceError, StorageFullError
from medspace.core.usage import Brakes
from tests.postgres import postgres  # a fixture
from tests.unit.connector.budgeted import ONE, Budgeted, Noisy, budgeted, limits

__all__ = ["postgres"]
OFF = Brakes(budget=False)
MANY = 16  # as many of one user may wait at a time


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


async def answers(house: Budgeted, rho: int, uses: int, rounds: int = 1) -> int:
    """How many answers so many uses get, all of them asking at once."""
    jobs = [f"urn:job:{number}" for number in range(2, uses + 2)]
    tokens = [await house.start(job) for job in jobs]

    async def one(at: int, token: str, job: str) -> int:
        given = 0
        for number in range(rounds):
            try:
                await house.ask(token, (rho,), job=job, round=at * rounds + number + 1)
            except MedspaceError:
                continue
            given += 1
        return given

    return sum(await asyncio.gather(*(one(at, *who) for at, who in enumerate(zip(tokens, jobs, strict=True)))))


async def test_of_many_uses_at_once_only_those_get_answers_that_the_budget_has_room_for(database, attack_report):
    house, _ = await budgeted(limits(), database)
    got = await answers(house, ONE // 3, MANY)
    assert (got, (await house.account()).taken) == (3, 3 * (ONE // 3))
    attack_report("privacy budget: answers to uses that ask at once", got=got, of=MANY, unit="answers")


async def test_without_the_brake_all_of_them_get_answers(attack_report):
    house, _ = await budgeted(limits(), brakes=OFF)
    control = await answers(house, ONE // 3, MANY)
    assert control == MANY
    attack_report("privacy budget: answers to uses that ask at once", control=control, of=MANY, unit="answers")


@pytest.mark.parametrize(("brakes", "given"), [(Brakes(), 1), (OFF, 10)])
async def test_a_use_that_asks_on_gets_no_more_than_it_paid_for(brakes, given, attack_report):
    house, _ = await budgeted(limits(), brakes=brakes)
    got = await answers(house, 10, 1, rounds=10)
    assert got == given
    name = "privacy budget: answers to one use that paid for one, to average the noise"
    attack_report(name, **{"got" if given == 1 else "control": got}, of=10, unit="answers")


class Opening(Noisy):
    """Its totals are let out by a step of their own, which gets no rows."""

    def answer(self, admission, step, workplace):
        if step.name == "mean":
            return self.output
        return super().answer(admission, step, workplace)


@pytest.mark.parametrize("counted", [True, False])
async def test_ending_uses_early_gives_back_only_what_was_not_let_out(counted, monkeypatch, attack_report):
    """Ask, have the total opened, end the use, and ask again with what comes back."""
    if not counted:  # the control
        monkeypatch.setattr(accounts, "let_out", lambda *_: None)
    house, _ = await budgeted(limits())
    house.engine = Opening(opens=frozenset({"mean"}), limits=StepLimits(rowless=frozenset({"mean"})))
    got = 0
    for number in range(2, MANY):
        job = f"urn:job:{number}"
        token = await house.start(job)
        try:
            await house.ask(token, (ONE // 2,), job=job, round=number)
        except NotAdmittedError as refusal:
            assert refusal.facts["decision"] == "budget.year"  # noqa: PT017 - after some that are admitted
            break
        await house.ask(token, (ONE // 2,), job=job, round=number, name="mean")
        got += 1
        await house.tell(TransferEvent.TERMINATED, job)
        await house.control._settling.sweep()
    assert got == (2 if counted else MANY - 2)
    name = "privacy budget: totals at half of the year each, of uses that are ended at once"
    attack_report(name, **{"got" if counted else "control": got}, of=MANY - 2, unit="totals")


async def test_a_full_disk_lets_nothing_out(tmp_path, attack_report):
    """No room for the debit: nothing is admitted, and the reason is said; once there is room, it is paid for."""
    url = f"sqlite:///{tmp_path}/connector.db"
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as opened:
        house, token = await budgeted(limits(), opened)
        pages: list[Any] = [None]

        def begin(connection):
            now = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages[0] or now + 10_000}").close()

        event.listen(opened._writing_engine, "begin", begin)
        got = 0
        filler = "x" * 3000
        pages[0] = 1  # no more than there are
        for number in range(1, 40):
            try:
                await house.ask(token, (ONE // 40,) * 40, round=number, inputs={"filling": filler})
            except StorageFullError:
                break
            got += 1
        else:
            pytest.fail("there was always room")
        debit = await house.debit()
        paid = debit.asked if debit else 0
        assert got <= len(house.engine.asked) <= paid  # what is not paid for is not worked on
        pages[0] = None
        await house.ask(token, (ONE // 40,) * 40, round=41, inputs={"filling": filler})
        assert (await house.debit()).asked == paid + 1
    attack_report("privacy budget: answers when the disk is full", got=0, of=1, unit="answers")


async def test_a_year_that_passes_gives_nothing_by_itself(attack_report):
    house, _ = await budgeted(limits(agreement=3.0), until=None)
    await answers(house, ONE, 1)
    house.clock.advance(timedelta(days=800).total_seconds())
    token = await house.start("urn:job:77")
    with pytest.raises(NotAdmittedError) as refusal:
        await house.ask(token, (1,), job="urn:job:77", round=99)
    assert refusal.value.facts["decision"] in ("budget.period", "budget.year")
    account = await house.account()
    await house.database.write(
        lambda tx: accounts.renew(tx, house.local, account, "")
    )  # the control: a person's word
    await house.ask(token, (1,), job="urn:job:77", round=99)
    attack_report("privacy budget: answers after a year without a renewal", got=0, control=1, of=1, unit="answers")
