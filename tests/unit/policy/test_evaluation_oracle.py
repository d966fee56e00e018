"""The evaluator of whole ODRL against a naive one that shares no code with it."""

import pytest
from hypothesis import HealthCheck, given, settings

from medspace.policy.evaluation import deciding, documents, reading, worlds
from tests.examples import most
from tests.unit.policy import everything, reference

NOTHING_KNOWN = {
    "now": "2026-01-01T00:00:00Z",
    "facts": {},
    "parts": {},
    "kinds": {},
    "properties": {},
    "events": [],
    "duties": {},
}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def evaluated(policies, asked, state):
    policy, request, world = map(documents.document, everything.documents(policies, asked, state))
    read = reading.policy(policy)
    (attempt,) = worlds.attempts(request)
    return deciding.evaluate(read, attempt, worlds.world(world, read.parts))


def agree(policies, asked, state):
    report = evaluated(policies, asked, state)
    # A fact that a request states of nothing is not stated at all.
    asked = {**asked, "fact": {name: one for name, one in asked.get("fact", {}).items() if one != []}}
    code, rules, obligations = reference.evaluate(policies, asked, state)
    assert report.code == code
    ruled = [rule for rule in report.rules if rule.rule.kind.value != "obligation"]
    told = [
        (rule.attempted, rule.active, rule.state.value, [premise.satisfied for premise in rule.premises])
        for rule in ruled
    ]
    assert told == rules
    bound = [rule for rule in report.rules if rule.rule.kind.value == "obligation" and rule.rule.action != "ex:share"]
    assert [rule.state.value for rule in bound] == obligations


@settings(max_examples=most(150), deadline=None, suppress_health_check=SLOW)
@given(everything.POLICIES, everything.ASKED, everything.STATES)
def test_the_evaluator_decides_as_the_naive_one(policies, asked, state):
    agree(policies, asked, state)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=SLOW)
@given(everything.POLICIES, everything.ASKED, everything.STATES)
def test_the_evaluator_decides_ten_thousand_policies_as_the_naive_one(policies, asked, state):
    agree(policies, asked, state)


def test_a_duty_that_is_inherited_and_said_again_is_decided_twice():
    duty = {"uid": "urn:duty:1", "action": "delete", "assignee": "urn:alice", "constraint": []}
    own = {"@type": "Set", "permission": [{"action": "use"}], "obligation": [duty]}
    policies = [{**own, "uid": "urn:policy", "inheritFrom": ["urn:parent"]}, {**own, "uid": "urn:parent"}]
    agree(policies, {"action": "use"}, NOTHING_KNOWN)


@settings(max_examples=most(60), deadline=None, suppress_health_check=SLOW)
@given(everything.POLICIES, everything.ASKED, everything.STATES)
def test_knowing_less_never_permits_more(policies, asked, state):
    for name in state["facts"]:
        less = {**state, "facts": {left: one for left, one in state["facts"].items() if left != name}}
        stated = {**asked, "fact": {left: one for left, one in asked.get("fact", {}).items() if left != name}}
        if evaluated(policies, stated, less).permitted:
            assert evaluated(policies, asked, state).permitted
