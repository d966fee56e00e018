"""Privacy budgets: paid for whole and once, never overdrawn, given back where nothing was let out."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.app.compose.conditions import CONDITIONS
from medspace.connector.ports import TransferEvent
from medspace.connector.usage import accounts
from medspace.connector.usage.conditions import Neutral, concerned
from medspace.connector.usage.errors import NotAdmittedError
from medspace.connector.usage.model import ACCOUNTS, DEBITS, JOBS, DebitState
from medspace.core.errors import StorageFullError
from medspace.core.usage import Brakes
from tests.unit.connector.budgeted import ONE, Budgeted, budgeted, limits
from tests.unit.connector.uses import ASSET

OFF = Brakes(budget=False)
JOB_2 = "urn:job:2"


async def code(asking):
    """Why a step was not admitted."""
    with pytest.raises(NotAdmittedError) as refusal:
        await asking
    return refusal.value.facts["decision"]


async def until(seen):
    """Wait for what is done beside."""
    async with asyncio.timeout(20):
        while not (await seen() if asyncio.iscoroutinefunction(seen) else seen()):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


# --- taking --------------------------------------------------------------------------------------------------------


async def test_a_use_is_paid_for_whole_at_its_first_question_and_never_again():
    house, token = await budgeted()
    await house.ask(token, (10, 20))
    assert ((await house.account()).taken, await house.agreed(), (await house.debit()).asked) == (30, 30, 1)
    await house.ask(token, (10, 20), round=2)
    assert ((await house.account()).taken, await house.agreed(), (await house.debit()).asked) == (30, 30, 2)
    noted = [entry for entry in await house.log() if entry.kind == "budget.debited"]
    assert [(entry.facts["rho"], entry.facts["rounds"]) for entry in noted] == [("30", 2)]
    kinds = [kind for kind in await house.kinds() if kind.startswith(("budget", "use"))]
    assert kinds[:3] == ["budget.set", "budget.debited", "use.admitted"]


@pytest.mark.parametrize("gaussian", [True, False])
async def test_what_is_not_known_to_be_gaussian_noise_is_kept_apart(gaussian):
    """A budget in zCDP counts both alike; how closely an epsilon can be told differs."""
    house, token = await budgeted()
    await house.ask(token, (10, 20), task={"gaussian": gaussian})
    account = await house.account()
    assert (account.taken, account.other, (await house.debit()).gaussian) == (30, 0 if gaussian else 30, gaussian)
    await house.over()  # the second total never left
    account = await house.account()
    assert (account.taken, account.other) == (20, 0 if gaussian else 20)
    house.clock.advance(timedelta(days=366).total_seconds())
    await house.database.write(lambda tx: accounts.renew(tx, house.local, account, ""))
    assert ((await house.account()).taken, (await house.account()).other) == (0, 0)


async def test_a_use_has_as_many_questions_as_it_pays_for_and_not_one_more():
    house, token = await budgeted()
    await house.ask(token, (10, 20))
    await house.ask(token, (10, 20), round=2)
    assert await code(house.ask(token, (10, 20), round=3)) == "budget.rounds"


async def test_a_question_that_came_to_nothing_is_not_held_against_the_use():
    house, token = await budgeted()
    house.engine.error = RuntimeError()
    with pytest.raises(Exception, match=r"use\.failed"):
        await house.ask(token, (10,))
    house.engine.error = None
    await house.ask(token, (10,))
    assert ((await house.account()).taken, (await house.debit()).asked) == (10, 2)
    assert await code(house.ask(token, (10,), round=2)) == "budget.rounds"


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        (limits(), "budget.year"),
        (limits(2.0, agreement=1.0), "budget.agreement"),
        (limits(2.0, task=1.0), "budget.task"),
    ],
)
async def test_what_does_not_fit_is_refused_to_the_last_unit(budget, why):
    house, token = await budgeted(budget)
    assert await code(house.ask(token, (ONE + 1,))) == why
    assert ((await house.account()).taken, await house.debit(), house.source.opened) == (0, None, [])
    await house.ask(token, (ONE,))  # just as much as there is
    assert (await house.account()).taken == ONE


async def test_with_the_brake_off_nothing_of_it_is_enforced_or_counted():
    house, token = await budgeted(None, brakes=OFF, epsilon=0.5)
    await house.ask(token, (9 * ONE,))
    await house.ask(token, (9 * ONE,), round=2)
    await house.ask(await house.start(JOB_2), job=JOB_2)
    assert ((await house.account()).taken, await house.debit()) == (0, None)


async def test_the_same_question_of_another_use_is_answered_with_the_same_noise_for_nothing():
    house, token = await budgeted()
    first = await house.ask(token, (ONE,))
    again = await house.ask(await house.start(JOB_2), (ONE,), job=JOB_2)
    assert again.values == first.values
    assert ((await house.account()).taken, await house.debit(JOB_2)) == (ONE, None)


async def test_a_step_that_is_asked_again_gets_the_very_bytes_that_left_and_costs_nothing():
    house, token = await budgeted()
    sent = await house.ask(token, (10, 20))
    house.build()  # as after a kill between the release and its arrival
    house.engine.asked.clear()
    again = await house.ask(token, (10, 20))
    assert (again.id, again.digest, house.engine.asked) == (sent.id, sent.digest, [])
    debit = await house.debit()
    assert ((await house.account()).taken, debit.asked, debit.let_out) == (30, 1, 1)


async def test_what_was_thought_to_be_known_is_paid_for_once_the_rows_show_that_it_is_new():
    house, token = await budgeted()
    await house.ask(token, (10,))
    house.source.said = tuple(range(100, 150))
    house.build()
    await house.ask(await house.start(JOB_2), (10,), job=JOB_2)
    assert ((await house.account()).taken, (await house.debit(JOB_2)).asked) == (20, 1)


async def test_what_turns_out_to_be_new_and_cannot_be_paid_for_is_refused_unseen():
    house, token = await budgeted()
    await house.ask(token, (ONE,))
    house.source.said = tuple(range(100, 150))
    house.build()
    house.engine.asked.clear()
    assert await code(house.ask(await house.start(JOB_2), (ONE,), job=JOB_2)) == "budget.year"
    assert ((await house.account()).taken, house.engine.asked) == (ONE, [])


async def test_of_many_at_once_one_gets_the_last_piece():
    house, _ = await budgeted()
    jobs = [f"urn:job:{number}" for number in range(2, 12)]
    tokens = [await house.start(job) for job in jobs]
    asked = (
        house.ask(token, (ONE - 1,), job=job, round=at)
        for at, (token, job) in enumerate(zip(tokens, jobs, strict=True))
    )
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in done) == 1
    assert (await house.account()).taken == ONE - 1


class Full(MemoryDatabase):
    """Has no room for a debit."""

    full = False

    async def write(self, work):
        def limited(tx):
            done = work(tx)
            if self.full and tx.find(DEBITS):
                raise StorageFullError
            return done

        return await super().write(limited)


async def test_where_there_is_no_room_for_the_debit_nothing_is_let_out():
    database = Full()
    house, token = await budgeted(None, database)
    database.full = True
    with pytest.raises(StorageFullError):
        await house.ask(token, (10,))
    assert ((await house.account()).taken, await house.debit(), house.engine.asked) == (0, None, [])
    database.full = False
    await house.ask(token, (10,))
    assert (await house.account()).taken == 10


# --- what may be had at all ----------------------------------------------------------------------------------------


async def test_an_asset_with_a_budget_gives_no_exact_answers_unless_its_holder_says_so():
    house, token = await budgeted()
    assert await code(house.ask(token)) == "budget.exact"
    await house.set(limits(exact=True))
    await house.ask(token)
    assert (await house.account()).taken == 0


@pytest.mark.parametrize("term", ["epsilon", "epsilon_per_task"])
async def test_a_contract_that_names_an_epsilon_gets_noisy_answers_only(term):
    house, token = await budgeted(limits(exact=True), **{term: 1.0})
    assert await code(house.ask(token)) == "policy.noise"
    await house.ask(token, (10,))


async def test_a_contract_with_an_epsilon_counts_where_its_own_policy_is_taken_for_silent(monkeypatch):
    house, token = await budgeted(limits(exact=True), epsilon=1.0)
    monkeypatch.setattr(house.control._door.__class__, "_noise", lambda *_: "noisy")
    assert await code(house.ask(token)) == "budget.exact"


async def test_noise_without_an_account_claims_nothing():
    house = Budgeted(epsilon=1.0)
    await house.agree()
    token = await house.start()
    assert await code(house.ask(token, (10,))) == "budget.none"
    await house.set(limits())
    await house.ask(token, (10,))
    await house.set(None)  # what has its debit goes on
    assert (await house.kinds())[-1] == "budget.dropped"
    other = await house.start(JOB_2)
    assert await code(house.ask(other, (10,), job=JOB_2, round=2)) == "budget.none"
    await house.set(limits())
    assert (await house.account()).taken == 10


async def test_without_a_budget_anywhere_exact_answers_are_what_they_were():
    house = Budgeted()
    await house.agree()
    await house.ask(await house.start())
    assert await house.account() is None


@pytest.mark.parametrize(
    ("terms", "why"), [({"epsilon": 1.0}, "budget.agreement"), ({"epsilon_per_task": 1.0}, "budget.task")]
)
async def test_of_contract_and_configuration_the_smaller_number_holds(terms, why):
    house, token = await budgeted(limits(3.0), **terms)
    assert await code(house.ask(token, (ONE + 1,))) == why
    await house.ask(token, (ONE,))
    other, token = await budgeted(limits(), **dict.fromkeys(terms, 3.0))
    assert (await code(other.ask(token, (ONE + 1,)))).startswith("budget.")


async def test_noise_for_single_rows_needs_a_holder_and_a_contract_that_say_so():
    events = {"unit": "event"}
    for budget, terms, ok in (
        (limits(unit="event"), {"epsilon": 1.0, "unit": "event"}, True),
        (limits(unit="event"), {"epsilon": 1.0}, False),
        (limits(unit="event"), {}, False),
        (limits(), {"epsilon": 1.0, "unit": "event"}, False),
    ):
        house, token = await budgeted(budget, **terms)
        if ok:
            await house.ask(token, (10,), task=events)
        else:
            assert await code(house.ask(token, (10,), task=events)) == "budget.unit"
        await house.ask(await house.start(JOB_2), (10,), job=JOB_2, round=2)  # patients are more than rows


# --- what noise buys back ------------------------------------------------------------------------------------------


async def test_what_guards_exact_answers_does_not_refuse_noisy_ones():
    house, token = await budgeted(limits(exact=True), limit=0)
    house.numbers = 0
    house.build()
    await house.ask(token, (10, 10))
    house.source.said = (99, *range(1, 50))  # of fifty persons, one has changed
    house.build()
    await house.ask(token, (10, 10), round=2)
    other = await house.start(JOB_2)
    assert await code(house.ask(other, job=JOB_2, round=3)) in ("use.questions", "use.numbers", "use.changed")
    assert [entry.kind for entry in await house.log()].count("use.released") == 2


async def test_one_person_changed_and_exact_answers_stay_refused():
    house, token = await budgeted(limits(exact=True))
    await house.ask(token)
    house.source.said = (99, *range(1, 50))
    house.build()
    other = await house.start(JOB_2)
    assert await code(house.ask(other, job=JOB_2, name="mean")) == "use.changed"
    await house.ask(await house.start("urn:job:3"), (10,), job="urn:job:3")


def test_one_rule_says_who_guards_exact_answers():
    conditions = [make(Budgeted().grounds) for make in CONDITIONS]
    asked = concerned(conditions, bounded=True)
    assert concerned(conditions, bounded=False) == conditions
    silent = {type(one).__name__ for one in conditions if one not in asked}
    assert silent == {"SitesCondition", "QuestionsCondition", "NumbersCondition"}


# --- giving back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [TransferEvent.COMPLETED, TransferEvent.TERMINATED])
async def test_what_was_never_let_out_is_given_back_once_the_use_is_over_and_its_key_gone(event):
    house, token = await budgeted(opens=frozenset({"mean"}))
    rho = (10, 20, 30)
    await house.ask(token, rho)
    await house.ask(token, rho, name="mean")
    await house.ask(token, rho, round=2)
    house.keys.make("urn:job:1")
    assert (await house.account()).taken == 60
    await house.tell(event)
    assert ((await house.debit()).state, (await house.account()).taken) == (DebitState.OVER, 60)
    await house.control._settling.sweep()
    debit = await house.debit()
    assert (debit.state, debit.let_out, debit.refunded) == (
        DebitState.SETTLED,
        1,
        30,
    )  # the dearest counts as let out
    assert ((await house.account()).taken, await house.agreed()) == (30, 30)
    assert house.keys.key("urn:job:1") is None
    assert (await house.log())[-1].facts["rho"] == "30"
    await house.control._settling.sweep()
    assert (await house.account()).taken == 30


async def test_a_key_that_cannot_be_deleted_keeps_the_refund_back(caplog):
    house, token = await budgeted(opens=frozenset({"mean"}))
    await house.ask(token, (10,))
    house.keys.forget = lambda use: (_ for _ in ()).throw(StorageFullError())
    await house.tell(TransferEvent.COMPLETED)
    with pytest.raises(StorageFullError):
        await house.control._settling.sweep()
    assert ((await house.account()).taken, (await house.debit()).state) == (10, DebitState.OVER)
    work = asyncio.create_task(house.control._settling.work())
    await until(lambda: "budget.unsettled" in caplog.text)
    del house.keys.forget

    async def settled():
        house.clock.advance(60)
        return not (await house.account()).taken

    await until(settled)
    work.cancel()


async def test_what_was_let_out_is_not_given_back():
    house, token = await budgeted()
    await house.ask(token, (10, 20))
    await house.ask(token, (10, 20), round=2)
    await house.over()
    assert ((await house.account()).taken, (await house.debit()).refunded) == (30, 0)
    assert "budget.refunded" not in await house.kinds()


async def test_a_use_that_is_suspended_keeps_what_it_has_taken():
    house, token = await budgeted(opens=frozenset({"mean"}))
    await house.ask(token, (10,))
    await house.tell(TransferEvent.SUSPENDED)
    await house.control._settling.sweep()
    assert ((await house.account()).taken, (await house.debit()).state) == (10, DebitState.OPEN)


async def test_a_refund_goes_to_the_period_that_it_was_taken_in():
    house, token = await budgeted(opens=frozenset({"mean"}))
    await house.ask(token, (10,))
    house.clock.advance(timedelta(days=366).total_seconds())
    account = await house.account()
    await house.database.write(lambda tx: accounts.renew(tx, house.local, account, ""))
    await house.over()
    assert ((await house.account()).taken, await house.agreed(), await house.debit()) == (0, 0, None)
    (total,) = await house.database.read(lambda tx: accounts.periods(tx, ASSET))
    assert (total.since, total.taken, total.refunded) == (account.since, 10, 10)


# --- the year ------------------------------------------------------------------------------------------------------


async def test_the_end_of_a_period_alone_renews_nothing_and_ends_no_use_that_has_paid():
    house, token = await budgeted(until=None)
    await house.ask(token, (10, 10))
    house.clock.advance(timedelta(days=365).total_seconds())
    assert await code(house.ask(await house.start(JOB_2), (10,), job=JOB_2)) == "budget.period"
    await house.ask(token, (10, 10), round=2)
    account = await house.account()
    renewed = await house.database.write(lambda tx: accounts.renew(tx, house.local, account, ""))
    assert (renewed.taken, renewed.since) == (0, house.local.now())
    assert (await house.log())[-1].kind == "budget.renewed"
    assert await house.agreed() == 20  # an agreement's own is for all its time


async def test_a_use_that_is_paid_for_goes_on_in_the_year_after_and_takes_nothing_of_it():
    house, token = await budgeted(until=None)
    await house.ask(token, (10, 10, 10))
    house.clock.advance(timedelta(days=365).total_seconds())
    account = await house.account()
    await house.database.write(lambda tx: accounts.renew(tx, house.local, account, ""))
    await house.ask(token, (10, 10, 10), round=2)
    assert ((await house.account()).taken, (await house.debit()).asked, await house.agreed()) == (0, 2, 30)
    await house.over()  # what it never let out belongs to the year before, and its debit is put into that one's total
    (year,) = await house.database.read(lambda tx: accounts.periods(tx, account.id))
    assert ((await house.account()).taken, year.refunded, await house.agreed()) == (0, 10, 20)


async def test_limits_that_change_count_from_the_next_use_on():
    house, token = await budgeted()
    await house.ask(token, (ONE - 1, 1))
    await house.set(limits(0.1))
    await house.ask(token, (ONE - 1, 1), round=2)
    other = await house.start(JOB_2)
    assert await code(house.ask(other, (1,), job=JOB_2, round=3)) == "budget.year"
    await house.set(limits(2.0))
    await house.ask(other, (1,), job=JOB_2, round=3)
    said = [entry.facts["epsilon"] for entry in await house.log() if entry.kind == "budget.set"]
    assert said == ["1", "0.1", "2"]
    assert {entry.facts["by"] for entry in await house.log() if entry.kind == "budget.set"} == {"configuration"}
    await house.set(limits(2.0))
    assert [kind for kind in await house.kinds() if kind == "budget.set"] == ["budget.set"] * 3


async def test_the_holder_is_told_once_a_period_that_little_is_left():
    house, token = await budgeted()
    near = []
    house.control._settling._holder = replace(house.control._settling._holder, near_end=near.append)
    await house.ask(token, (ONE // 2,))
    await house.control._settling.sweep()
    assert near == []
    await house.ask(await house.start(JOB_2), (ONE // 2 - 5,), job=JOB_2, round=2)
    await house.control._settling.sweep()
    await house.control._settling.sweep()
    assert (near, (await house.account()).warned) == ([ASSET], True)


# --- a backup that was restored ------------------------------------------------------------------------------------


async def frozen():
    house, token = await budgeted(opens=frozenset({"mean"}))
    await house.ask(token, (10, 10))
    house.clock.advance(1)
    await house.database.write(lambda tx: accounts.freeze(tx, house.local, "sha256:0", 99))
    return house, token


async def test_after_a_backup_was_restored_everything_counts_as_spent_and_open_uses_are_closed():
    house, token = await frozen()
    assert (await house.account()).frozen == "budget.restored"
    assert (await house.log())[-1].facts["code"] == "budget.restored"
    assert not (await house.job()).open
    with pytest.raises(Exception, match="job"):
        await house.ask(token, (10, 10), round=2)
    assert await code(house.ask(await house.start(JOB_2), (10,), job=JOB_2)) == "budget.frozen"
    await house.change(open=True)  # as if it had not been closed
    assert await code(house.ask(token, (10, 10), round=2)) == "budget.frozen"
    debits = await house.database.read(accounts.frozen_uses)
    assert [debit.id for debit in debits] == ["urn:job:1"]


async def test_it_is_noted_once_and_a_new_period_ends_it_for_new_agreements():
    house, _ = await frozen()
    await house.database.write(lambda tx: accounts.freeze(tx, house.local, "sha256:0", 99))
    assert (await house.kinds()).count("budget.frozen") == 1
    account = await house.account()
    await house.database.write(lambda tx: accounts.renew(tx, house.local, account, ""))
    await house.database.write(lambda tx: accounts.freeze(tx, house.local, "sha256:0", 99))  # the next start
    assert (await house.account()).frozen == ""
    assert await code(house.ask(await house.start(JOB_2), (10,), job=JOB_2)) == "budget.restored"
    await house.over()  # nobody knows what left
    assert await house.agreed() == 20
    assert await house.database.read(accounts.frozen_uses) == []


async def test_a_clock_that_was_ahead_before_the_backup_gives_nothing_back():
    house, token = await budgeted()
    await house.ask(token, (10, 10))
    house.clock.advance(-3600)  # it was an hour ahead
    await house.database.write(lambda tx: accounts.freeze(tx, house.local, "sha256:0", 99))
    account = await house.account()
    assert account.restored_at >= (await house.debit()).time
    await house.over()
    assert (await house.debit()).refunded == 0


async def test_a_use_without_a_job_is_closed_already():
    house, _ = await budgeted()
    await house.ask(await house.start(JOB_2), (10,), job=JOB_2)
    await house.database.write(lambda tx: tx.delete(JOBS, tx.get(JOBS, JOB_2)))
    await house.database.write(lambda tx: accounts.freeze(tx, house.local, "sha256:0", 99))
    assert (await house.account()).frozen


# --- what cannot be reached by asking ----------------------------------------------------------------------


async def test_without_an_account_nothing_is_taken_and_what_is_gone_is_not_settled():
    house, token = await budgeted()
    await house.ask(token, (10,))
    account = await house.account()
    await house.database.write(lambda tx: tx.delete(ACCOUNTS, account))
    await house.over()  # what it never let out would go nowhere
    assert (await house.debit()).state is DebitState.SETTLED

    def work(tx):
        assert accounts.settle(tx, "urn:job:1", "did:web:x", "") == 0  # settled already
        assert accounts.settle(tx, "nothing", "did:web:x", "") == 0
        accounts.warned(tx, ASSET)
        accounts.debit(tx, "did:web:x", seen[0], seen[0].cost)
        return tx.get(DEBITS, JOB_2)

    seen = []
    house.more = [lambda _: Seeing(seen)]
    house.build()
    await house.set(limits())
    await house.ask(await house.start(JOB_2), (10,), job=JOB_2, round=2)
    kept, debit = await house.account(), await house.debit(JOB_2)
    await house.database.write(lambda tx: (tx.delete(ACCOUNTS, kept), tx.delete(DEBITS, debit)))
    assert await house.database.write(work) is None


class Seeing(Neutral):
    """Keeps what is asked."""

    def __init__(self, seen):
        self.seen = seen

    def judge(self, tx, asking):
        self.seen.append(asking)
        return super().judge(tx, asking)
