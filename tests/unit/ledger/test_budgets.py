"""An audit adds up what a log says of privacy budgets: honest accounts verify, and each lie has its own words."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.connector.usage.accounts import taken_by
from medspace.core.clock import stamp
from medspace.ledger.model import Entry
from medspace.ledger.report import BUDGET, PAID, AuditOutcome
from tests.unit.connector.budgeted import ONE
from tests.unit.ledger.budget_story import ASSET, Accounts, audited, codes, dropped, edited, limits
from tests.unit.ledger.story import BEGIN, NORTH

SECOND = "urn:agreement:2"


async def year():
    """A year with two uses, one of which gives back, a lower limit, and a new period with another use."""
    house = Accounts()
    await house.set(limits(1.0, agreement=0.9, task=0.8))
    first = await house.begin((10, 20, 30))
    await house.ask(first, step="open")
    await house.end(first)
    house.later(days=10)
    await house.set(limits(0.9, agreement=0.9, task=0.8))
    second = await house.begin((100,), SECOND)
    await house.ask(second, SECOND, step="open")
    house.later(days=366)
    await house.renew(stamp(house.time))
    await house.end(second, SECOND)
    third = await house.begin((7,), SECOND)
    await house.ask(third, SECOND, step="open")
    return await house.log()


@pytest.fixture(scope="module")
def log():
    return asyncio.run(year())


def test_an_honest_log_verifies_and_says_what_was_spent(log):
    report = audited(log)
    assert report.findings == ()
    assert (report.count(BUDGET).outcome, report.count(PAID).verified) == (AuditOutcome.VERIFIED, 3)
    (spent,) = report.budgets
    assert (spent.origin, spent.asset) == (NORTH, ASSET)
    assert [(one.taken, one.refunded, one.debits) for one in spent.periods] == [(130, 30, 2), (7, 0, 1)]
    assert [one.epsilon for one in spent.periods] == ["0.9", "0.9"]
    assert [one.vouched for one in spent.periods] == [None, stamp(BEGIN + timedelta(days=376))]
    assert [(one.agreement, one.taken) for one in spent.agreements] == [("urn:agreement:1", 30), (SECOND, 107)]


def test_entries_of_a_version_that_said_less_are_held_to_what_they_say(log):
    for number in range(3):
        log = edited(log, "budget.debited", number, without=("each", "opens", "since", "limit", "taken"))
    for number in range(2):
        log = edited(log, "budget.set", number, without=("agreement_rho", "task_rho"))
    assert codes(log) == []
    assert codes(edited(log, "budget.debited", rho=str(ONE + 1)))[0] == "budget.kept.year"
    assert codes(edited(log, "budget.refunded", rho="61")) == ["budget.kept.let_out"]


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        (lambda log: edited(log, "budget.debited", rho=str(ONE + 1), each=[str(ONE + 1)], rounds=1), "year"),
        (lambda log: edited(log, "budget.debited", without=("taken",), rho="61"), "amount"),
        (lambda log: edited(log, "budget.debited", rho="-60"), "amount"),
        (lambda log: edited(log, "budget.debited", rho="9" * 31), "amount"),
        (lambda log: edited(log, "budget.set", rho="none"), "amount"),
        (lambda log: edited(log, "budget.set", agreement_rho="59"), "agreement"),
        (lambda log: edited(log, "budget.set", task_rho="59"), "task"),
        (lambda log: edited(log, "budget.debited", 1, taken="100"), "other_total"),
        (lambda log: dropped(log, "budget.set", 1), "other_limit"),
        (lambda log: dropped(log, "budget.renewed"), "ended"),
        (lambda log: edited(log, "budget.debited", 2, since=stamp(BEGIN)), "other_period"),
        (lambda log: edited(log, "budget.set", 1, until=stamp(BEGIN + timedelta(days=400))), "other_period"),
        (lambda log: edited(log, "budget.renewed", since=stamp(BEGIN)), "early"),
        (lambda log: edited(log, "budget.set", until=stamp(BEGIN + timedelta(days=364))), "short"),
        (lambda log: edited(log, "budget.refunded", rho="31"), "let_out"),
        (lambda log: edited(log, "budget.refunded", rho="x"), "amount"),
        (lambda log: edited(log, "budget.refunded", asset="lungs"), "other_use"),
        (lambda log: edited(log, "budget.refunded", transfer="urn:transfer:9"), "no_debit"),
        (lambda log: dropped(log, "transfer.completed"), "not_over"),
        (lambda log: dropped(dropped(log, "budget.set", 0), "budget.set", 0), "none"),
    ],
)
def test_what_does_not_fit_is_found_by_its_own_words(log, lie, told):
    assert codes(log) == []
    found = codes(lie(log))
    assert f"budget.kept.{told}" in found, found


def again(log, kind, number=0):
    """The log with one entry twice."""
    return [*log, [entry for entry in log if entry.kind == kind][number]]


def test_a_debit_and_a_refund_are_there_once(log):
    assert codes(again(log, "budget.refunded")) == ["budget.kept.refunded_twice"]
    assert codes(again(log, "budget.debited", 2)) == ["budget.kept.twice"]


def test_each_total_that_was_let_out_gives_less_back(log):
    assert codes(edited(log, "budget.refunded", rho="30")) == []
    assert "budget.kept.let_out" in codes(edited(log, "use.admitted", 0, step="open"))


@pytest.mark.parametrize("kind", ["budget.dropped", "budget.renewed", "budget.frozen"])
def test_what_is_said_of_a_budget_that_was_never_set_is_found(kind):
    facts = {
        "budget.renewed": {"since": stamp(BEGIN), "until": stamp(BEGIN + timedelta(days=365))},
        "budget.frozen": {"code": "budget.restored", "size": 9},
    }.get(kind, {})
    assert codes([Entry(kind, stamp(BEGIN), NORTH, {"asset": ASSET} | facts)]) == ["budget.kept.unset"]


# --- answers without a debit ---------------------------------------------------------------------------------------


def test_an_answer_with_noise_and_no_debit_is_found(log):
    assert codes(dropped(log, "budget.debited", 2)) == ["budget.paid.missing"]


def test_it_is_found_where_the_holder_hides_that_it_was_noisy_but_asked_the_same_elsewhere(log):
    hidden = edited(dropped(log, "budget.debited", 2), "use.admitted", 4, without=("rho",))
    assert codes(hidden) == ["budget.paid.missing"]


def test_a_debit_of_another_task_does_not_pay_and_one_pays_for_no_more_than_it_says(log):
    assert codes(edited(log, "budget.debited", 2, task="sha256:" + "0" * 64)) == ["budget.paid.other_use"]
    noisy = edited(log, "use.admitted", 5, rho="7")
    assert set(codes(noisy)) == {"budget.paid.rounds"}


async def test_the_same_answer_again_is_paid_for_already():
    house = Accounts()
    await house.set(limits())
    use = await house.begin((10,))
    for other in ("urn:transfer:8", "urn:transfer:9"):
        await house.ask(other, rho="10")
    log = await house.log()
    said = next(entry for entry in log if entry.kind == "use.released").facts["digest"]
    assert codes(log) == ["budget.paid.missing"] * 2
    for number in (1, 2):
        log = edited(log, "use.released", number, digest=said)
    assert codes(log) == []
    assert use


def test_a_release_of_nothing_that_was_admitted_is_no_matter_of_budgets(log):
    assert codes(edited(log, "use.released", 5, admission="urn:admission:99")) == []


# --- a backup that was restored ------------------------------------------------------------------------------------


async def restored():
    house = Accounts()
    await house.set(limits())
    use = await house.begin((10, 10))
    house.later(seconds=1)
    await house.freeze("sha256:0")
    return house, use


async def test_after_a_restored_backup_nothing_is_taken_or_given_back():
    house, use = await restored()
    await house.end(use)
    log = await house.log()
    assert codes(log) == []
    back = {"asset": ASSET, "agreement": "urn:agreement:1", "transfer": use, "rho": "10"}
    assert codes([*log, Entry("budget.refunded", stamp(house.time), NORTH, back)]) == ["budget.kept.let_out"]
    await house.begin((10,))  # which no connector admits
    assert codes(await house.log()) == ["budget.kept.frozen"]


# --- whatever an honest holder does --------------------------------------------------------------------------------

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.lists(st.integers(0, ONE // 6), min_size=1, max_size=4), st.booleans()),
        st.tuples(st.just("ask"), st.integers(0, 9), st.sampled_from(["sum", "open"])),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(st.just("set"), st.sampled_from([0.2, 0.6, 1.0, 3.0, None])),
        st.tuples(st.just("wait"), st.integers(1, 400)),
        st.tuples(st.just("renew"), st.booleans()),
        st.tuples(st.just("freeze"), st.integers(0, 3)),
    ),
    max_size=30,
)


async def lived(actions):
    """The log of a holder to whom that happens, in so far as it lets it happen."""
    house, live, started = Accounts(), {}, 0
    await house.set(limits())
    for name, *said in actions:
        account = await house.account()
        until, now = account.until, stamp(house.time)
        if name == "begin":
            rho, agreement = said[0], f"urn:agreement:{1 + said[1]}"
            fits = account.limits and account.taken + sum(rho) <= account.limits.year
            taken = await house.database.read(lambda tx, of=agreement: taken_by(tx, of))
            fits = fits and taken + sum(rho) <= account.limits.agreement and sum(rho) <= account.limits.task
            if fits and now < until and not account.frozen:
                live[await house.begin(rho, agreement)] = agreement
                started += 1
        elif name == "ask" and live:
            use = sorted(live)[said[0] % len(live)]
            await house.ask(use, live[use], step=said[1]) if said[1] == "open" else None
        elif name == "end" and live:
            use = sorted(live)[said[0] % len(live)]
            await house.end(use, live.pop(use))
        elif name == "set":
            await house.set(None if said[0] is None else limits(said[0]))
        elif name == "wait":
            house.later(days=said[0])
        elif name == "renew" and now >= until:
            await house.renew(now if said[0] else "")
        elif name == "freeze":
            await house.freeze(f"sha256:{said[0]}")
    return await house.log(), await house.account(), started


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_whatever_an_honest_holder_does_verifies_and_adds_up_to_its_account(actions):
    log, account, started = asyncio.run(lived(actions))
    report = audited(log)
    assert report.findings == ()
    (spent,) = report.budgets
    assert spent.periods[-1].taken == account.taken
    assert sum(one.debits for one in spent.periods) == started


@settings(max_examples=40, deadline=None)
@given(ACTIONS, st.data())
def test_a_debit_that_is_taken_out_of_it_is_always_found(actions, data):
    log, _, started = asyncio.run(lived([("begin", [5, 5], False), *actions]))
    gone = data.draw(st.integers(0, started - 1))
    assert "budget.paid.missing" in codes(dropped(log, "budget.debited", gone))
