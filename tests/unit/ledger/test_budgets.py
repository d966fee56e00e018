"""An audit adds up what a log says of privacy budgets: honest accounts verify, and each lie has its own words."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.connector.usage.accounts import taken_by
from medspace.core.clock import stamp
from medspace.core.hashing import digest
from medspace.ledger import budgets
from medspace.ledger.membership import MembersList, Signed, signed
from medspace.ledger.model import Entry
from medspace.ledger.report import BUDGET, PAID, AuditOutcome
from medspace.ledger.statements import SKEW
from tests.examples import most
from tests.unit.connector.budgeted import ONE
from tests.unit.ledger.budget_story import ASSET, Accounts, audited, codes, dropped, edited, failed, limits, read_of
from tests.unit.ledger.story import BEGIN, COMPANY, NORTH, SOUTH

SECOND, AUTHORITY = "urn:agreement:2", "did:web:authority.example"
RENEWED, MOMENT = BEGIN + timedelta(days=376), timedelta(milliseconds=1)


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


async def test_what_comes_back_after_a_renewal_belongs_to_the_period_before():
    house = Accounts()
    await house.set(limits(1.0, agreement=0.9, task=0.8))
    use = await house.begin((10, 5))
    await house.ask(use, step="open")
    house.later(days=366)
    await house.renew(stamp(house.time))
    await house.end(use)
    report = audited(await house.log())
    assert report.findings == ()
    assert [(one.taken, one.refunded) for one in report.budgets[0].periods] == [(15, 5), (0, 0)]
    assert [one.taken for one in report.budgets[0].agreements] == [10]


async def test_a_budget_that_was_taken_back_gives_nothing_until_it_is_set_anew():
    house = Accounts()
    await house.set(limits(1.0))
    await house.set(None)
    assert codes(await house.log()) == []
    await house.begin((10,))
    assert "budget.kept.none" in codes(await house.log())


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
        (lambda log: edited(log, "budget.renewed", vouched=stamp(BEGIN + timedelta(days=364))), "vouched_early"),
        (lambda log: edited(log, "budget.renewed", vouched=stamp(RENEWED + SKEW + MOMENT)), "vouched_ahead"),
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
    assert failed(edited(log, "use.admitted", 0, step="open")) == ["budget.kept.let_out"]


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


def test_a_holder_that_hides_noise_where_its_own_log_names_it_of_the_same_question_is_not_proven(log):
    hidden = edited(dropped(log, "budget.debited", 2), "use.admitted", 4, without=("rho",))
    (found,) = audited(hidden).findings
    assert (found.outcome, found.code) == (AuditOutcome.UNVERIFIABLE, "budget.paid.named_noisy")
    assert f"{NORTH} names noise" in str(found.text)


def test_what_another_log_calls_noisy_counts_for_nothing_where_the_own_admission_says_it(log):
    exact = [entry for entry in log if entry.kind == "use.admitted"][5]  # in a use whose debit pays for one answer
    foreign = read_of(SOUTH, [Entry(exact.kind, exact.time, SOUTH, exact.facts | {"rho": "7"})])
    swapped = edited(
        edited(log, "use.admitted", 4, without=("rho",), step="open"), "use.admitted", 5, rho="7", step="sum"
    )
    assert failed(swapped, [foreign]) == []
    assert failed(log, [foreign]) == []
    found = audited(log, others=[foreign]).findings
    assert {(one.outcome, one.code) for one in found} == {(AuditOutcome.UNVERIFIABLE, "budget.paid.named_noisy")}
    assert all(f"{SOUTH} names noise" in str(one.text) for one in found)


async def test_noise_that_is_hidden_first_does_not_pay_for_the_same_answer_again():
    house = Accounts()
    await house.set(limits())
    for more in ({}, {"rho": "10"}):
        await house.ask("urn:transfer:8", **more)
    log = await house.log()
    said = next(entry for entry in log if entry.kind == "use.released").facts["digest"]
    found = audited(edited(log, "use.released", 1, digest=said)).findings
    assert [one.code for one in found] == ["budget.paid.named_noisy", "budget.paid.missing"]


def test_a_debit_of_another_task_does_not_pay_and_one_pays_for_no_more_than_it_says(log):
    assert codes(edited(log, "budget.debited", 2, task="sha256:" + "0" * 64)) == ["budget.paid.other_use"]
    noisy = edited(log, "use.admitted", 5, rho="7")
    assert failed(noisy) == ["budget.paid.rounds"]


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


# --- a time that vouches for a new period --------------------------------------------------------------------------


def test_a_period_that_nobody_here_can_vouch_for_is_not_proven(log):
    (found,) = audited(log, Signed()).findings
    assert (found.outcome, found.code) == (AuditOutcome.UNVERIFIABLE, "budget.kept.unsigned")
    assert stamp(RENEWED) in str(found.text)
    assert audited(edited(log, "budget.renewed", without=("vouched",)), Signed()).findings == ()  # told by itself


@pytest.mark.parametrize(("off", "outcome"), [(10, AuditOutcome.VERIFIED), (11, AuditOutcome.UNVERIFIABLE)])
def test_the_log_of_the_authority_shows_that_a_list_was_signed_then(log, off, outcome):
    listed = MembersList("members", AUTHORITY, BEGIN, BEGIN + timedelta(days=1), {})
    for time in (RENEWED + timedelta(seconds=off), RENEWED - timedelta(seconds=off)):
        noted = Entry("members.published", stamp(time), AUTHORITY, {"list": digest("another")})
        when = signed([listed], {AUTHORITY: read_of(AUTHORITY, [noted])})
        assert audited(log, when).count(BUDGET).outcome is outcome
        assert audited(log, signed([listed], {SOUTH: read_of(SOUTH, [noted])})).findings  # who is no authority
    came = Entry("member.admitted", stamp(RENEWED), AUTHORITY, {"member": NORTH})  # which is no list
    assert audited(log, signed([listed], {AUTHORITY: read_of(AUTHORITY, [came])})).findings
    listed = MembersList("members", AUTHORITY, RENEWED, RENEWED + timedelta(days=1), {})
    assert audited(log, signed([listed], {})).findings == ()


# --- a log that is made to be long to read -------------------------------------------------------------------------


class Unsearched(list):
    """Steps that may be read once, and not searched one by one."""

    def __contains__(self, step):
        raise AssertionError("searched for each release")


def test_many_refunds_of_one_use_look_at_it_once(monkeypatch):
    amounts, looks = [], []
    real, most = budgets._amount, budgets.Book._most_back
    monkeypatch.setattr(budgets, "_amount", lambda said: amounts.append(said) or real(said))
    monkeypatch.setattr(budgets.Book, "_most_back", lambda *all_of: looks.append(1) or most(*all_of))
    log = flood(refunds=300, each=1000)
    assert codes(log) == ["budget.kept.refunded_twice"] * 299
    assert len(looks) == 1
    assert len(amounts) < 5 * (1000 + 300)
    (spent,) = audited(log).budgets
    assert (spent.periods[0].taken, spent.periods[0].refunded) == (995, 5)  # once


def flood(refunds, each):
    """The log of a use that lets much out, and is given back again and again."""
    said, time = {"asset": ASSET, "agreement": "urn:agreement:1", "transfer": "urn:transfer:1"}, stamp(BEGIN)
    period = {"since": time, "until": stamp(BEGIN + timedelta(days=365))}
    cost = {"rho": str(each), "rounds": each, "each": ["1"] * each, "opens": Unsearched(["open"])}
    process = {"role": "provider", "pid": "urn:transfer:1", "counterparty": COMPANY, "format": "medspace:train"}
    limit = {"epsilon": "1", "delta": "0.00001", "unit": "patient", "rho": str(each)}
    facts = [
        ("budget.set", {"asset": ASSET, **limit, **period}),
        ("budget.debited", {**said, **cost, "user": COMPANY, "task": digest(1)}),
        *(one for number in range(each - 5) for one in let_out(said, number)),
        ("transfer.completed", {**process, "agreement": "urn:agreement:1"}),
        *[("budget.refunded", {**said, "rho": "5"})] * refunds,
    ]
    return [Entry(kind, time, NORTH, fact) for kind, fact in facts]


def let_out(said, number):
    asked = {"user": COMPANY, "use_kind": "medspace:train", "purpose": "research", "step": "open", "round": number}
    yield "use.admitted", {**said, **asked, "admission": f"a{number}", "task": digest(1), "question": digest(1)}
    told = {"release": f"r{number}", "admission": f"a{number}", "output": "sum", "round": number}
    yield "use.released", told | {"digest": digest(number)}


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


@settings(max_examples=most(60), deadline=None)
@given(ACTIONS)
def test_whatever_an_honest_holder_does_verifies_and_adds_up_to_its_account(actions):
    log, account, started = asyncio.run(lived(actions))
    report = audited(log)
    assert report.findings == ()
    (spent,) = report.budgets
    assert spent.periods[-1].taken == account.taken
    assert sum(one.debits for one in spent.periods) == started


@settings(max_examples=most(40), deadline=None)
@given(ACTIONS, st.data())
def test_a_debit_that_is_taken_out_of_it_is_always_found(actions, data):
    log, _, started = asyncio.run(lived([("begin", [5, 5], False), *actions]))
    gone = data.draw(st.integers(0, started - 1))
    assert "budget.paid.missing" in codes(dropped(log, "budget.debited", gone))
