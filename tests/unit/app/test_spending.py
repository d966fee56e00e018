"""How privacy budgets stand, as JSON and in words; numbers never flatter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from medspace.app.features.budget.clipping import clipping_checks
from medspace.app.features.budget.spending import bar, budget_checks, budget_left, counted, uncovered
from medspace.app.features.budget.statements import CONVERTS, debit_shown, period_shown, shown
from medspace.app.node.budgets import AssetBudgetError, check_delta, limits_of, offered
from medspace.app.node.config import Asset, Offer, PrivacyBudget
from medspace.app.node.lists import PageError, PageRequest
from medspace.connector.usage.model import Debit, PeriodTotal, PrivacyAccount
from medspace.core.clock import stamp
from medspace.privacy.noise.accounting import epsilon_of, rho_of
from medspace.privacy.noise.composition import PLD, EpsilonBound
from tests.unit.connector.budgeted import DELTA, ONE, limits

NOW = datetime(2026, 11, 29, tzinfo=UTC)
ACCOUNT = PrivacyAccount("hearts", stamp(NOW), stamp(NOW + timedelta(days=365)), limits())


def states(**changes):
    return shown(replace(ACCOUNT, **changes), NOW)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "open"),
        ({"taken": ONE}, "spent"),
        ({"until": stamp(NOW)}, "ended"),
        ({"frozen": "budget.restored"}, "frozen"),
        ({"limits": None}, "dropped"),
    ],
)
def test_each_state_is_said(changes, state):
    found = states(**changes)
    assert found["state"] == state
    assert str(budget_left(found)).startswith("hearts")
    (check, *_) = budget_checks([found])
    assert (check.ok, check.next_step is not None) == (state != "frozen", state in ("ended", "frozen", "spent"))


def test_what_was_spent_is_rounded_up_and_what_is_left_down():
    for taken in (0, 1, ONE // 3, ONE - 1, ONE):
        found = states(taken=taken)
        assert found["spent"] >= (epsilon_of(taken, DELTA) if taken else 0)
        left = ONE - taken
        assert found["left"] == 0 or rho_of(max(found["left"] - 1e-9, 1e-9), DELTA) <= left
        assert 0 <= found["share"] <= 1
    assert states(taken=2 * ONE)["left"] == 0.0  # limits were lowered
    assert states(taken=2 * ONE)["share"] == states(limits=replace(limits(), year=0))["share"] == 1.0


class Half:
    """Reads half of what zCDP says."""

    def reading(self, spent, delta):
        return (
            EpsilonBound(epsilon_of(spent.gaussian, delta) / 2, PLD)
            if not spent.other
            else CONVERTS.reading(spent, delta)
        )


def test_what_was_spent_is_read_by_the_accountant_and_the_limit_stays_in_zcdp():
    plain, closer = states(taken=ONE // 2), shown(replace(ACCOUNT, taken=ONE // 2), NOW, Half())
    assert (plain["counted"], closer["counted"]) == ("zcdp", "pld")
    assert plain["spent"] == plain["spent_zcdp"] == closer["spent_zcdp"] > closer["spent"] > 0
    same = ("left", "share", "state", "near", "rho", "epsilon")
    assert all(plain[name] == closer[name] for name in same)
    other = shown(replace(ACCOUNT, taken=ONE // 2, other=1), NOW, Half())
    assert (other["counted"], other["spent"]) == ("zcdp", plain["spent"])
    assert shown(replace(ACCOUNT, limits=None), NOW, Half())["counted"] is None


def test_it_is_said_how_what_was_spent_was_worked_out():
    plain, closer = states(taken=ONE // 2), shown(replace(ACCOUNT, taken=ONE // 2), NOW, Half())
    assert "as the limit counts" not in str(budget_left(plain))
    assert f"epsilon {closer['spent']} (as the limit counts, {closer['spent_zcdp']})" in str(budget_left(closer))
    (zcdp,) = counted(["zcdp", None, "zcdp"])
    assert 'pip install "medspace[dp]"' in str(zcdp)
    assert [str(one) != str(zcdp) for one in counted(["zcdp", "pld"])] == [True, False]
    assert not list(counted([None]))


def test_a_bar_shows_the_least_that_was_spent():
    assert bar(0.0) == "░" * 20 + " 0 %"
    assert bar(0.0001) == "█" + "░" * 19 + " 0 %"
    assert bar(1.0) == "█" * 20 + " 100 %"
    assert bar(None) == ""


def test_exact_answers_besides_are_said():
    assert uncovered(states()) is uncovered(states(limits=None)) is None
    assert "does not cover" in str(uncovered(states(limits=limits(exact=True))))
    assert len(list(budget_checks([states(limits=limits(exact=True))]))) == 2


def test_a_debit_says_what_came_back():
    debit = Debit(
        "u", "hearts", "a", "did:web:x", "sha256:0", stamp(NOW), "", (ONE // 2, ONE // 2), refunded=ONE // 2
    )
    found = debit_shown(debit, DELTA)
    assert (found["questions"], found["asked"], found["settled"]) == (2, 1, False)
    assert found["epsilon"] == found["refunded"] > 0
    assert found["counted"] == "zcdp"
    closer = debit_shown(debit, DELTA, Half())
    assert (closer["counted"], closer["epsilon"] < found["epsilon"]) == ("pld", True)
    assert debit_shown(replace(debit, gaussian=False), DELTA, Half()) == found


def test_a_page_ends_where_a_cursor_says():
    with pytest.raises(PageError):
        PageRequest(10, "nowhere").cursor()
    assert PageRequest().cursor() is None


# --- the configuration ---------------------------------------------------------------------------------------------


def asset(template="train-only", terms=None, **budget):
    offer = Offer(template, terms or {})
    said = PrivacyBudget(**budget) if budget else None
    made = Asset(id="hearts", title="", source="", dictionary="", label={}, offers=(offer,), budget=said)
    return made, offer


@pytest.mark.parametrize(
    ("template", "terms", "budget", "said"),
    [
        ("train-only", {}, {}, {}),
        ("train-only", {}, {"epsilon": 2.0}, {"epsilon": "2", "delta": "0.00001"}),
        (
            "train-only",
            {"count": 3},
            {"epsilon": 2.0, "agreement": 1.0, "task": 0.5, "delta": 1e-6, "unit": "event"},
            {"count": 3, "epsilon": "1", "epsilon_per_task": "0.5", "delta": "0.000001", "unit": "event"},
        ),
        ("train-only", {"epsilon": 0.1}, {"epsilon": 2.0}, {"epsilon": 0.1, "delta": "0.00001"}),
        ("train-only", {}, {"epsilon": 2.0, "exact": True}, {}),
        (
            "train-only",
            {"epsilon_per_task": 1, "unit": "patient"},
            {"epsilon": 2.0, "exact": True, "unit": "event"},
            {"epsilon_per_task": 1, "unit": "patient", "delta": "0.00001"},
        ),
        ("download", {}, {"epsilon": 2.0}, {}),
        ("no-such", {}, {"epsilon": 2.0}, {}),
    ],
)
def test_offers_name_what_the_budget_says_where_they_leave_it_open(template, terms, budget, said):
    assert offered(*asset(template, terms, **budget)) == said


def test_what_is_left_out_is_as_much_as_there_is():
    assert limits_of(asset()[0]) is None
    made = limits_of(asset(epsilon=1.0)[0])
    assert (made.of_agreement, made.of_task, made.year) == (1.0, 1.0, made.task)
    made = limits_of(asset(epsilon=1.0, agreement=0.5)[0])
    assert (made.of_agreement, made.of_task) == (0.5, 0.5)
    assert made.agreement < made.year
    made = limits_of(asset(epsilon=1.0, task=0.5)[0])
    assert (made.of_agreement, made.of_task) == (1.0, 0.5)


def test_a_delta_must_not_allow_to_tell_everything_of_one():
    made = limits_of(asset(epsilon=1.0, delta=0.01)[0])
    check_delta("hearts", made, 100)
    check_delta("hearts", None, 10**9)
    with pytest.raises(AssetBudgetError):
        check_delta("hearts", made, 101)
    for wrong in (
        {"epsilon": float("nan")},
        {"epsilon": -1.0},
        {"epsilon": 0.0},
        {"epsilon": 1e9},
        {"epsilon": float("inf")},
        {"epsilon": 1.0, "agreement": -0.5},
        {"epsilon": 1.0, "task": 1e300},
        {"epsilon": 1.0, "task": float("nan")},
        {"epsilon": 1.0, "delta": 1.0},
        {"epsilon": 1.0, "delta": float("nan")},
        {"epsilon": 1.0, "delta": 0.0},
        {"epsilon": 1.0, "warn": 2.0},
    ):
        with pytest.raises(AssetBudgetError):
            limits_of(asset(**wrong)[0])


# --- what only the holder is told -----------------------------------------------------------------------------------
def clipped_states(*shares):
    told = [
        {
            "use": "urn:1",
            "time": "2026-11-29T08:00:00Z",
            "task": "sha256:abcdef0123456789",
            "told": "outside",
            "column": f"c{at}",
            "count": one,
            "of": 90,
        }
        for at, one in enumerate(shares)
    ]
    earlier = {
        "use": "urn:0",
        "time": "2026-11-28T08:00:00Z",
        "task": "sha256:00",
        "told": "shortened",
        "column": "",
        "count": 80,
        "of": 90,
    }
    return [states() | {"clipped": [*told, earlier]}]


def test_the_doctor_says_what_was_clipped_most_in_the_use_that_was_last():
    found = list(clipping_checks(clipped_states(1, 9, 3, 4, 5, 6)))
    said = [str(check.found) for check in found]
    assert len(said) == 5
    assert said[0] == (
        "On 2026-11-29, in the task abcdef012345, 9 of 90 values of c1 lie outside of the range that it states (10.0 "
        "%): they count as its edge."
    )
    assert all(check.ok and check.next_step for check in found)
    assert not any("shortened" in one or "c0" in one for one in said)
    assert list(clipping_checks([states() | {"clipped": []}])) == []


def test_a_period_that_is_over_is_one_line():
    total = PeriodTotal("hearts 1", "hearts", "1", 4, ONE, ONE // 2)
    found = period_shown(total, DELTA)
    assert (found["uses"], found["rho"]) == (4, {"taken": str(ONE), "refunded": str(ONE // 2)})
    assert found["epsilon"] >= epsilon_of(ONE - ONE // 2, DELTA)
