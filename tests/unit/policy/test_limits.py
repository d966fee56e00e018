from datetime import UTC, datetime

from medspace.policy import odrl, templates
from medspace.policy.limits import UseLimits, limits, most_uses, protection
from medspace.policy.points import Point
from medspace.policy.rules import decide
from tests.unit.policy.given import compare, policy, request, rule
from tests.unit.policy.test_templates import TERMS


def test_the_limits_of_the_permission_that_allows_it():
    terms = odrl.parse(templates.build("train-only", **TERMS))
    found = limits(terms, request(output=None, cohort=None))
    end = datetime(2027, 1, 1, tzinfo=UTC)
    expected = UseLimits("/permission/0", ("evaluation", "glm.moments"), 10, 3, end, 1, "masked-sums")
    assert found == expected


def test_a_permission_without_conditions_sets_no_limits():
    assert limits(policy(), request()) == UseLimits("/permission/0", None, 0, 0, None)


def test_what_is_not_permitted_has_no_limits():
    assert limits(policy(rule(compare("spatial", "eq", "CN"))), request()) is None
    assert limits(policy(prohibition=[rule()]), request()) is None


def test_another_permission_lends_nothing():
    closed = rule(compare("spatial", "eq", "CN"), compare("medspace:minCohort", "gteq", "2"))
    opened = rule(compare("medspace:minCohort", "gteq", "50"))
    found = limits(policy(closed, opened), request())
    assert found is not None
    assert (found.clause, found.min_cohort) == ("/permission/1", 50)


def test_alternatives_are_read_strictly():
    either = [compare("medspace:minCohort", "gteq", size) for size in ("5", "20")]
    outputs = [compare("medspace:output", "isAnyOf", kinds) for kinds in (["a", "b"], ["b", "c"])]
    ends = [compare("dateTime", "lt", f"20{year}-01-01T00:00:00Z") for year in (28, 27)]
    found = limits(policy(rule({"or": either}, {"or": outputs}, {"or": ends})), request(output=None))
    assert found == UseLimits("/permission/0", ("b",), 20, 0, datetime(2027, 1, 1, tzinfo=UTC))


def test_what_was_decided_on_the_only_permission_is_not_decided_again():
    terms = policy(rule(compare("spatial", "eq", "CN"), compare("medspace:minCohort", "gteq", "20")))
    for asked, found in ((request(region="CN"), 20), (request(region="DE"), None)):
        decided = decide(terms, asked, Point.COMPUTE)
        known = limits(terms, asked, decided=decided)
        assert known == limits(terms, asked)
        assert (known and known.min_cohort) == found


def test_of_several_permissions_the_one_that_allows_it_sets_the_limits_whatever_was_decided_on_all():
    closed = rule(compare("spatial", "eq", "CN"), compare("medspace:minCohort", "gteq", "2"))
    terms = policy(closed, rule(compare("medspace:minCohort", "gteq", "50")))
    found = limits(terms, request(), decided=decide(terms, request(), Point.COMPUTE))
    assert found is not None
    assert (found.clause, found.min_cohort) == ("/permission/1", 50)


def test_a_protection_is_told_only_where_every_permission_names_the_same():
    masked = rule(compare("medspace:protection", "eq", "masked-sums"))
    assert protection(policy(masked, masked)) == "masked-sums"
    assert protection(policy(masked, rule())) == ""


def test_how_many_uses_a_policy_allows():
    assert most_uses(policy()) is None
    assert most_uses(policy(rule(compare("count", "lteq", "5")))) == 5
    assert most_uses(policy(rule(compare("count", "lt", "5"), compare("count", "lteq", "9")))) == 4
    assert most_uses(policy(rule(compare("count", "lteq", "5")), rule(compare("count", "lteq", "7")))) == 7
    assert most_uses(policy(rule(compare("count", "lteq", "5")), rule())) is None
