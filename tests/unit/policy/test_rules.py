"""Each semantic of ODRL evaluation as its own case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from medspace.core.decision import Verdict
from medspace.policy.points import ROAD, Point
from medspace.policy.rules import decide, enforceable
from tests.unit.policy.given import ASSET, NOW, USER, compare, policy, request, rule

LOG = {"action": "medspace:log"}


def verdict(terms, point=Point.RELEASE, **facts):
    decision = decide(terms, request(**facts), point)
    return decision.verdict.value, decision.code


PERMIT = ("permit", "policy.permitted")


class TestMatching:
    def test_an_absent_target_and_assignee_match_all(self):
        assert verdict(policy()) == PERMIT
        assert verdict(policy(), target=None, assignee=None) == PERMIT

    def test_another_target_is_not_covered(self):
        assert verdict(policy(target=ASSET)) == PERMIT
        assert verdict(policy(target=ASSET), target="urn:uuid:other") == ("deny", "policy.target")
        assert verdict(policy(target=ASSET), target=None) == ("deny", "policy.target")

    def test_another_assignee_is_not_covered(self):
        assert verdict(policy(assignee=USER)) == PERMIT
        assert verdict(policy(assignee=USER), assignee=USER + ".evil") == ("deny", "policy.assignee")
        assert verdict(policy(assignee=USER), assignee=None) == ("deny", "policy.assignee")

    def test_a_rule_may_name_its_own_target_and_assignee(self):
        terms = policy(
            rule(target="urn:a", action="medspace:train"), rule(target="urn:b", assignee=USER), target=ASSET
        )
        assert verdict(terms, target="urn:a") == PERMIT
        assert verdict(terms, target="urn:b", assignee="did:web:other") == ("deny", "policy.target")
        assert verdict(terms, target=ASSET) == ("deny", "policy.target")

    def test_a_prohibition_for_somebody_else_does_not_count(self):
        terms = policy(prohibition=[rule(assignee="did:web:other")])
        assert verdict(terms) == PERMIT
        assert verdict(terms, assignee="did:web:other") == ("deny", "policy.prohibited")
        assert verdict(terms, assignee=None) == ("deny", "policy.prohibited")


class TestActions:
    def test_an_action_includes_its_parts_and_not_the_reverse(self):
        assert verdict(policy(rule(action="use"))) == PERMIT
        assert verdict(policy(rule(action="read")), action="medspace:download") == PERMIT
        assert verdict(policy(rule(action="read"))) == ("deny", "policy.no_permission")
        assert verdict(policy(rule(action="medspace:train")), action="use") == ("deny", "policy.no_permission")

    def test_a_prohibition_wins_over_a_permission(self):
        terms = policy(prohibition=[rule(action="medspace:train")])
        decision = decide(terms, request(), Point.COMPUTE)
        assert (decision.verdict, decision.code) == (Verdict.DENY, "policy.prohibited")
        assert decision.failures[0].clause == "/prohibition/0"
        assert str(decision.failures[0].asked) == "You may not train a model on the data."
        assert str(decision.failures[0].remedy) == "These terms allow you to: use the data."

    def test_a_prohibition_of_a_part_stops_a_request_for_the_whole(self):
        terms = policy(prohibition=[rule(action="medspace:download")])
        assert verdict(terms, action="use") == ("deny", "policy.prohibited")
        assert verdict(terms, action="read") == ("deny", "policy.prohibited")
        assert verdict(terms, action="medspace:train") == PERMIT

    def test_an_action_that_is_not_known_is_not_decided(self):
        assert verdict(policy(), action="medspace:sell") == ("unenforceable", "policy.action_unknown")

    def test_without_a_permission_nothing_is_permitted(self):
        terms = replace(policy(prohibition=[rule(action="read")]), permissions=())
        decision = decide(terms, request(), Point.COMPUTE)
        assert (decision.verdict, decision.code) == (Verdict.DENY, "policy.no_permission")
        assert str(decision.failures[0].remedy) == "Ask the data holder for other terms."
        assert verdict(terms, action=None) == ("deny", "policy.prohibited")

    def test_the_first_permission_that_holds_is_enough(self):
        terms = policy(rule(compare("spatial", "eq", "CN")), rule(compare("spatial", "eq", "EU")))
        decision = decide(terms, request(), Point.COMPUTE)
        assert [premise.clause for premise in decision.premises] == ["/permission/1/constraint/0"]

    def test_a_denial_names_the_nearest_permission_first(self):
        far = rule(compare("spatial", "eq", "CN"), compare("count", "lt", "1"))
        near = rule(compare("spatial", "eq", "EU"), compare("count", "lt", "1"))
        decision = decide(policy(far, near), request(), Point.COMPUTE)
        assert decision.code == "policy.count"
        assert decision.premises[0].clause == "/permission/1/constraint/1"
        assert len(decision.premises) == 4


class TestBeforeAUseIsChosen:
    def test_something_allowed_is_enough(self):
        terms = policy(rule(action="medspace:train"), prohibition=[rule(action="medspace:download")])
        assert verdict(terms, Point.NEGOTIATION, action=None) == PERMIT

    def test_use_without_download_is_something_allowed(self):
        terms = policy(rule(action="use"), prohibition=[rule(action="medspace:download")])
        assert verdict(terms, Point.CATALOGUE, action=None) == PERMIT

    def test_nothing_allowed_is_denied_with_its_reason(self):
        terms = policy(rule(compare("spatial", "eq", "CN"), action="medspace:train"))
        assert verdict(terms, Point.CATALOGUE, action=None) == ("deny", "policy.region")


class TestDuties:
    def test_a_duty_that_is_not_violated_leaves_the_rule_active(self):
        assert verdict(policy(rule(duty=[LOG]))) == PERMIT
        assert verdict(policy(obligation=[LOG])) == PERMIT

    def test_a_violated_duty_takes_its_permission_away(self):
        terms = policy(rule(duty=[LOG]), rule(compare("spatial", "eq", "CN")))
        violated = frozenset({"/permission/0/duty/0"})
        assert verdict(terms, violated=violated) == ("deny", "policy.duty_violated")
        assert verdict(terms, violated=violated, region="CN") == PERMIT

    def test_a_violated_obligation_closes_the_policy(self):
        assert verdict(policy(obligation=[LOG]), violated=frozenset({"/obligation/0"})) == (
            "deny",
            "policy.duty_violated",
        )


class TestConstraints:
    def test_several_constraints_hold_together(self):
        terms = policy(rule(compare("spatial", "eq", "EU"), compare("count", "lteq", "1")))
        assert verdict(terms) == PERMIT
        assert verdict(terms, region="CN") == ("deny", "policy.region")
        assert verdict(terms, count=1) == ("deny", "policy.count")

    def test_what_is_not_known_is_never_permitted(self):
        assert verdict(policy(rule(compare("spatial", "eq", "EU"))), region=None) == ("deny", "policy.region")
        assert verdict(policy(rule(compare("spatial", "neq", "EU"))), region=None) == ("deny", "policy.region")

    def test_what_is_not_known_never_lifts_a_prohibition(self):
        for operator in ("eq", "neq"):
            terms = policy(prohibition=[rule(compare("spatial", operator, "CN"))])
            assert verdict(terms, region=None) == ("deny", "policy.prohibited")

    def test_a_prohibition_that_is_not_met_is_a_satisfied_premise(self):
        terms = policy(prohibition=[rule(compare("spatial", "eq", "CN"))])
        decision = decide(terms, request(), Point.COMPUTE)
        assert decision.permitted
        assert [(premise.clause, premise.satisfied) for premise in decision.premises] == [
            ("/permission/0", True),
            ("/prohibition/0", True),
        ]

    @pytest.mark.parametrize(
        ("name", "regions", "expected"),
        [
            ("or", ("CN", "EU"), "permit"),
            ("or", ("CN", "US"), "deny"),
            ("xone", ("CN", "EU"), "permit"),
            ("xone", ("DE", "EU"), "deny"),
            ("and", ("DE", "EU"), "permit"),
            ("and", ("CN", "EU"), "deny"),
            ("andSequence", ("DE", "EU"), "permit"),
            ("andSequence", ("DE", "CN"), "deny"),
        ],
    )
    def test_constraints_are_joined(self, name, regions, expected):
        terms = policy(rule({name: [compare("spatial", "eq", region) for region in regions]}))
        assert verdict(terms)[0] == expected

    def test_a_joint_that_fails_shows_its_parts(self):
        joint = {"or": [compare("spatial", "eq", "CN"), {"and": [compare("count", "lt", "1")]}]}
        decision = decide(policy(rule(joint)), request(), Point.COMPUTE)
        assert decision.code == "policy.constraint"
        assert [(premise.clause, str(premise.held), premise.satisfied) for premise in decision.premises] == [
            ("/permission/0/constraint/0", "This does not hold.", False),
            ("/permission/0/constraint/0/or/0", "The user is in DE.", False),
            ("/permission/0/constraint/0/or/1", "This does not hold.", False),
            ("/permission/0/constraint/0/or/1/and/0", "This is use number 1.", False),
        ]

    def test_a_joint_says_whether_it_holds_is_open_or_comes_later(self):
        joint = {"or": [compare("spatial", "eq", "EU"), compare("purpose", "isA", "dpv:Marketing")]}
        here = decide(policy(rule(joint)), request(), Point.COMPUTE)
        later = decide(policy(rule(joint)), request(region="CN", purpose=None), Point.TRANSFER)
        open_ = decide(policy(rule(joint)), request(region="CN", purpose=None), Point.COMPUTE)
        assert [str(decision.premises[0].held) for decision in (here, later, open_)] == [
            "This holds.",
            "This is checked later.",
            "This cannot be decided.",
        ]
        assert [decision.permitted for decision in (here, later, open_)] == [True, True, False]


class TestPoints:
    def test_a_purpose_that_is_not_stated_yet_is_checked_when_the_use_begins(self):
        terms = policy(rule(compare("purpose", "isA", "dpv:ScientificResearch")))
        early = decide(terms, request(purpose=None), Point.NEGOTIATION)
        assert early.permitted
        assert (early.premises[0].satisfied, str(early.premises[0].held)) == (
            None,
            "This is checked when a use begins.",
        )
        assert not decide(terms, request(purpose=None), Point.COMPUTE).permitted

    def test_a_purpose_that_is_stated_early_is_decided_early(self):
        terms = policy(rule(compare("purpose", "isA", "dpv:ScientificResearch")))
        assert verdict(terms, Point.NEGOTIATION, purpose="dpv:Marketing") == ("deny", "policy.purpose")
        assert verdict(terms, Point.NEGOTIATION, purpose="urn:unknown") == ("deny", "policy.purpose")

    def test_what_no_later_point_checks_is_decided_at_once(self):
        terms = policy(rule(compare("purpose", "isA", "dpv:ScientificResearch")))
        facts = {"action": "medspace:download", "purpose": None}
        assert verdict(terms, Point.TRANSFER, **facts) == ("deny", "policy.purpose")
        assert verdict(terms, Point.NEGOTIATION, **facts) == ("deny", "policy.purpose")
        assert verdict(terms, Point.TRANSFER, action="medspace:download") == PERMIT

    @pytest.mark.parametrize(
        ("operator", "before", "after"),
        [
            ("lt", "permit", "deny"),
            ("lteq", "permit", "deny"),
            ("gt", "permit", "permit"),
            ("gteq", "permit", "permit"),
        ],
    )
    def test_early_on_only_what_time_cannot_change_is_final(self, operator, before, after):
        terms = policy(rule(compare("dateTime", operator, "2026-11-23T12:00:00Z")))
        second = timedelta(seconds=1)
        assert verdict(terms, Point.NEGOTIATION, time=NOW - second)[0] == before
        assert verdict(terms, Point.NEGOTIATION, time=NOW + second)[0] == after

    def test_an_exact_time_is_left_to_its_point(self):
        for operator in ("eq", "neq"):
            terms = policy(rule(compare("dateTime", operator, "2026-11-23T12:00:00Z")))
            assert verdict(terms, Point.NEGOTIATION) == PERMIT
        assert verdict(terms, Point.TRANSFER) == ("deny", "policy.time")

    def test_an_embargo_does_not_stop_the_agreement(self):
        terms = policy(prohibition=[rule(compare("dateTime", "lt", "2027-01-01T00:00:00Z"))])
        assert verdict(terms, Point.NEGOTIATION) == PERMIT
        assert verdict(terms, Point.TRANSFER) == ("deny", "policy.prohibited")

    def test_an_undecided_alternative_does_not_lift_a_prohibition_early(self):
        joint = {"or": [compare("count", "gt", "5"), compare("spatial", "eq", "CN")]}
        terms = policy(prohibition=[rule(joint)])
        assert verdict(terms, Point.TRANSFER, region=None, count=None) == ("deny", "policy.prohibited")
        assert verdict(terms, Point.TRANSFER, count=None) == PERMIT

    def test_an_exhausted_agreement_is_seen_at_the_transfer(self):
        terms = policy(rule(compare("count", "lteq", "2")))
        assert verdict(terms, Point.TRANSFER, count=1) == PERMIT
        assert verdict(terms, Point.TRANSFER, count=2) == ("deny", "policy.count")

    def test_the_whole_of_it_is_decided_again_at_the_release(self):
        terms = policy(rule(compare("spatial", "eq", "EU"), compare("medspace:minCohort", "gteq", "10")))
        assert verdict(terms, Point.COMPUTE, cohort=None) == PERMIT
        assert verdict(terms, Point.RELEASE, cohort=9) == ("deny", "policy.min_cohort")
        assert verdict(terms, Point.RELEASE, region="CN") == ("deny", "policy.region")


class TestEnforceable:
    def test_what_can_be_enforced_may_be_offered(self):
        decision = enforceable(policy(rule(compare("count", "lteq", "5"))))
        assert (decision.verdict, decision.code) == (Verdict.PERMIT, "policy.enforceable")

    @pytest.mark.parametrize(
        "terms",
        [
            policy(rule(compare("delayPeriod", "lteq", "P1D"))),
            policy(rule(compare("count", "isA", "5"))),
            policy(rule(action="odrl:sell")),
            policy(prohibition=[rule(action="distribute")]),
            policy(obligation=[{"action": "nextPolicy"}]),
            policy(obligation=[{"action": "medspace:log", "constraint": [compare("count", "gt", "1")]}]),
            policy(rule(duty=[{"action": "compensate"}])),
            policy(profile="https://other.example/profile"),
            policy(conflict="perm"),
            policy(inheritFrom="urn:other"),
        ],
    )
    def test_what_nobody_can_enforce_is_refused_when_offered_agreed_and_used(self, terms):
        assert enforceable(terms).code == "policy.unenforceable"
        for point in ROAD:
            decision = decide(terms, request(), point)
            assert (decision.verdict, decision.code) == (Verdict.UNENFORCEABLE, "policy.unenforceable")
            assert decision.failures
            assert decision.failures[0].clause.startswith("/")

    @pytest.mark.parametrize(
        ("terms", "clause"),
        [
            (policy(rule(duty=[{"action": "inform"}])), "/permission/0/duty/0"),
            (policy(rule(), obligation=[{"action": "inform"}]), "/obligation/0"),
        ],
    )
    def test_a_duty_that_nobody_keeps_is_refused_by_its_clause(self, terms, clause):
        decision = enforceable(terms, ROAD, {"medspace:log"})
        assert (decision.code, decision.failures[0].clause) == ("policy.unenforceable", clause)
        assert enforceable(terms, ROAD, {"medspace:log", "inform"}).permitted
        assert enforceable(terms).permitted  # who asks is not the one that keeps it

    def test_a_condition_of_the_use_cannot_be_kept_by_a_download(self):
        terms = policy(rule(compare("purpose", "isA", "dpv:ScientificResearch"), action="medspace:download"))
        decision = enforceable(terms)
        assert decision.verdict is Verdict.UNENFORCEABLE
        assert decision.failures[0].clause == "/permission/0/constraint/0"

    def test_a_condition_of_use_needs_points_that_see_it(self):
        terms = policy(rule({"or": [compare("count", "lteq", "5"), compare("spatial", "eq", "EU")]}))
        assert enforceable(terms).permitted
        assert not enforceable(terms, ROAD[:3]).permitted
        prohibited = policy(prohibition=[rule(compare("medspace:minSites", "gteq", "5"))])
        assert enforceable(prohibited).permitted
        assert not enforceable(prohibited, ROAD[:3]).permitted

    def test_a_prohibition_cannot_wait_for_a_result(self):
        decision = enforceable(policy(prohibition=[rule(compare("medspace:output", "isAnyOf", ["rows"]))]))
        assert decision.verdict is Verdict.UNENFORCEABLE
        assert str(decision.failures[0].held) == "A prohibition cannot wait for the result."


def test_a_naive_time_names_no_instant():
    terms = policy(rule(compare("dateTime", "lteq", "2027-01-01T00:00:00Z")))
    assert verdict(terms, time=datetime(2026, 11, 23)) == ("deny", "policy.time")  # noqa: DTZ001 - the attack
    assert verdict(terms, time=datetime(2026, 11, 23, tzinfo=UTC)) == PERMIT
