"""Duties of contracts: their deadlines, their words, and what is owed after which use."""

from datetime import timedelta

import pytest

from medspace.policy import duties, odrl, rules, templates, words
from medspace.policy.errors import InvalidTermsError
from medspace.policy.model import Rule

TRAIN = {"action": "medspace:train"}


def within(right, operand="elapsedTime", operator="lteq"):
    return {"leftOperand": operand, "operator": operator, "rightOperand": right}


def offer(*obligations, **permission):
    return odrl.parse(
        {"@id": "urn:o", "@type": "Offer", "permission": [TRAIN | permission], "obligation": list(obligations)}
    )


@pytest.mark.parametrize(
    ("length", "said"),
    [
        ("P1D", "within one day"),
        ("P30D", "within 30 days"),
        ("PT1H", "within one hour"),
        ("PT5H", "within 5 hours"),
        ("PT1S", "within one second"),
        ("PT90S", "within 90 seconds"),
    ],
)
def test_a_duty_is_said_with_its_time(length, said):
    policy = offer({"action": "delete", "constraint": [within(length)]})
    assert policy.flaws == ()
    assert f"models and cached parts, {said} of the end of each use." in str(words.describe(policy)[-1])


def test_every_duty_has_words_and_one_that_nobody_knows_is_said_by_its_action():
    told = [str(words.duty(Rule(action, "/obligation/0"))) for action in (*duties.OWED, "medspace:log")]
    assert len(set(told)) == len(told)
    assert duties.line(Rule("medspace:other", "/obligation/0")) is None
    assert "medspace:other" in str(words.duty(Rule("medspace:other", "/obligation/0")))


BAD = {
    "another operand": within("2026-12-31T00:00:00Z", "dateTime"),
    "another operator": within("P30D", operator="gteq"),
    "no duration": within("soon"),
    "several": within(["P1D", "P2D"]),
    "no time": within("P0D"),
    "a number": within(30),
    "joined": {"and": [within("P30D")]},
    "with more": within("P30D") | {"unit": "days"},
}


@pytest.mark.parametrize("condition", BAD.values(), ids=BAD)
def test_any_other_condition_makes_the_policy_unenforceable(condition):
    policy = offer({"action": "delete", "constraint": [condition]})
    assert [flaw.clause for flaw in policy.flaws] == ["/obligation/0/constraint/0"]
    assert not rules.enforceable(policy).permitted
    assert duties.owed(policy, "medspace:train") == ()


def test_the_holders_own_duties_have_no_deadline():
    assert offer({"action": "medspace:log", "constraint": [within("P1D")]}).flaws
    assert duties.owed(offer({"action": "medspace:log"}, {"action": "medspace:count"}), "medspace:train") == ()


def test_what_is_owed_depends_on_the_use():
    policy = offer({"action": "inform"}, duty=[{"action": "delete", "constraint": [within("P3D")]}])
    assert duties.owed(policy, "medspace:train") == (
        duties.OwedAction("/obligation/0", "inform", timedelta(days=1)),
        duties.OwedAction("/permission/0/duty/0", "delete", timedelta(days=3)),
    )
    assert [one.action for one in duties.owed(policy, "medspace:statistics")] == ["inform"]


def test_a_duty_is_written_as_it_was_read_and_its_time_is_a_term():
    policy = offer({"action": "delete", "constraint": [within("P30D")]})
    assert odrl.parse(odrl.write(policy)).obligations == policy.obligations
    assert odrl.same_terms(policy, offer({"action": "delete", "constraint": [within("PT720H")]}))
    assert not odrl.same_terms(policy, offer({"action": "delete", "constraint": [within("P31D")]}))


@pytest.mark.parametrize("days", [0, -1, 1.5, "x", True, 10**6, [3, 4]])
def test_a_term_of_a_template_is_a_whole_number_of_days(days):
    with pytest.raises(InvalidTermsError):
        templates.build("train-only", delete_within=days)


@pytest.mark.parametrize(
    ("terms", "days"),
    [
        ({"duties": ["delete"]}, 1),
        ({"delete_within": 30}, 30),
        ({"duties": ["delete", "medspace:log", "delete"], "delete_within": 30}, 30),
    ],
)
def test_a_duty_of_the_user_is_owed_once_however_it_was_named(terms, days):
    policy = odrl.parse(templates.build("train-and-statistics", **terms))
    for kind in ("medspace:train", "medspace:statistics"):
        assert duties.owed(policy, kind) == (duties.OwedAction("/obligation/0", "delete", timedelta(days=days)),)
    logged = [[one.action for one in rule.duties] for rule in policy.permissions]
    assert logged == [["medspace:log"] * ("medspace:log" in terms.get("duties", ()))] * 2


def test_a_template_writes_each_duty():
    terms = dict.fromkeys(templates.DUTY_TERMS, 7)
    policy = odrl.parse(templates.build("train-only", **terms))
    assert {one.action for one in duties.owed(policy, "medspace:train")} == set(duties.OWED)
    assert all(one.within == timedelta(days=7) for one in duties.owed(policy, "medspace:train"))
