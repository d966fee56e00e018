"""Policies that look like a condition to a person and like nothing to a careless reader.

Whatever is done to a policy that forbids the request, the answer never becomes a permit: it is denied, or the
policy is unenforceable, or it cannot be read at all.
"""

import json
import sys

import pytest
from hypothesis import given as generate
from hypothesis import settings
from hypothesis import strategies as st

from medspace.policy import odrl, words
from medspace.policy.actions import LEAVES
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.points import ROAD, Point
from medspace.policy.rules import decide, enforceable
from tests.examples import most
from tests.unit.policy.given import USER, compare, offer, request, rule

CHINA_ONLY = compare("spatial", "eq", "CN")  # the user of `request()` is in Germany
BARRED = {"action": "medspace:train"}


def never_permitted(document, **facts):
    try:
        policy = odrl.parse(document)
    except InvalidPolicyError:
        return True
    points = ROAD if "time" not in facts else (Point.RELEASE,)
    return not any(decide(policy, request(**facts), point).permitted for point in points)


@pytest.mark.parametrize("key", ["constraints", "Constraint", "CONSTRAINT", "odrl:constraints", "condition"])
def test_a_constraint_under_another_key_is_not_overlooked(key):
    assert never_permitted(offer({"action": "use", key: [CHINA_ONLY]}))


@pytest.mark.parametrize(
    "key",
    [
        "prohibitions",
        "Prohibition",
        "PROHIBITION",
        "prohibited",
        "edc:prohibition",
        "prohibtion",
        "forbids",
        "edc:banned",
    ],
)
def test_a_prohibition_under_another_key_is_not_overlooked(key):
    assert never_permitted(offer(**{key: [BARRED]}))


@pytest.mark.parametrize("key", ["obligations", "Obligation", "duty", "rule", "inheritFrom", "constraint"])
def test_what_would_change_the_meaning_of_the_policy_is_not_overlooked(key):
    assert never_permitted(offer(**{key: [{"action": "delete"}]}))


def test_a_rule_that_somebody_else_would_grant_is_not_overlooked():
    assert never_permitted(offer(rule(assigner="did:web:other")))


@pytest.mark.parametrize("key", ["@graph", "@included", "@reverse", "@nest", "@import"])
def test_nothing_hides_behind_a_keyword_of_json_ld(key):
    assert never_permitted(offer(**{key: {"prohibition": [BARRED]}}))


@pytest.mark.parametrize("context", [{"permission": "odrl:prohibition"}, [{"use": "odrl:read"}], [None]])
def test_a_policy_does_not_bring_its_own_meaning_of_our_terms(context):
    assert never_permitted(offer(**{"@context": context}))


@pytest.mark.parametrize("place", ["rule", "constraint", "joint"])
@pytest.mark.parametrize("key", ["refinement", "unit", "dataType", "rightOperandReference", "status", "remedy", "x"])
def test_what_narrows_a_rule_or_a_constraint_is_not_overlooked(place, key):
    europe = compare("spatial", "eq", "EU")
    constraint = (
        {"and": [europe], key: 1} if place == "joint" else europe | ({key: 1} if place == "constraint" else {})
    )
    permission = rule(constraint, **({key: 1} if place == "rule" else {}))
    assert never_permitted(offer(permission))


@pytest.mark.parametrize(
    "action",
    [
        "Use",
        "USE",
        "use ",
        "odrl:odrl:use",
        "ODRL:use",
        "xodrl:use",
        "http://www.w3.org/ns/odrl/2/odrl:use",
        "https://www.w3.org/ns/odrl/2/use",
        "medspace:Train",
        "medspace:train#",
        "medspace:trainer",
        "urn:medspace:train",
        "train",
        "*",
        ["use", "read"],
        {"@id": "use", "refinement": [CHINA_ONLY]},
        {"rdf:value": {"@id": "use"}},
        {"@id": "use", "@value": "use"},
    ],
)
def test_an_action_is_the_action_itself(action):
    assert never_permitted(offer(rule(action=action)))


@pytest.mark.parametrize(
    "operator", ["EQ", "Eq", "eq ", "=", "equals", "odrl:odrl:eq", "isIn", "term-lteq", "hasPart"]
)
def test_an_operator_is_the_operator_itself(operator):
    assert never_permitted(offer(rule(compare("spatial", operator, "EU"))))


@pytest.mark.parametrize("operand", ["Spatial", "SPATIAL", "spatial ", "region", "xodrl:spatial", "medspace:spatial"])
def test_an_operand_is_the_operand_itself(operand):
    assert never_permitted(offer(rule(compare(operand, "eq", "EU"))))


@pytest.mark.parametrize(
    "right", [None, True, 1.5, [], {}, [[]], {"@value": None}, ["EU", None], {"@id": "EU", "x": 1}]
)
def test_a_right_operand_that_says_nothing_is_not_anything(right):
    for operator in ("eq", "neq", "isAnyOf", "isNoneOf"):
        assert never_permitted(offer(rule(compare("spatial", operator, right))))


@pytest.mark.parametrize(
    "did", ["did:web:company", "did:web:company.example.evil", "did:web:COMPANY.example", "did:web:company.example:a"]
)
def test_a_recipient_is_not_matched_by_a_part_of_its_name(did):
    assert never_permitted(offer(rule(compare("recipient", "eq", did))))
    assert never_permitted(offer(assignee=did))
    assert not never_permitted(offer(rule(compare("recipient", "eq", USER))))


@pytest.mark.parametrize(
    "purpose",
    ["", "research", "ehds:", "ehds:healthcarescientificresearch", "urn:x:ehds:HealthcareScientificResearch"],
)
def test_a_purpose_outside_the_vocabulary_fits_nothing(purpose):
    allowed = offer(rule(compare("purpose", "isA", "dpv:ResearchAndDevelopment")))
    barred = offer(prohibition=[rule(compare("purpose", "isA", "dpv:Marketing"))])
    assert never_permitted(allowed, purpose=purpose)
    assert never_permitted(barred, purpose=purpose)
    assert never_permitted(offer(rule(compare("purpose", "isNoneOf", ["dpv:Marketing"]))), purpose=purpose)


def test_a_broader_purpose_does_not_slip_past_a_narrower_prohibition():
    assert never_permitted(
        offer(prohibition=[rule(compare("purpose", "eq", "dpv:DirectMarketing"))]), purpose="dpv:Marketing"
    )


def test_a_narrower_purpose_does_not_slip_past_an_exact_prohibition():
    assert never_permitted(
        offer(prohibition=[rule(compare("purpose", "eq", "dpv:Marketing"))]), purpose="dpv:DirectMarketing"
    )


def test_a_download_does_not_hide_in_a_broader_or_unknown_request():
    document = offer(rule(action="use"), prohibition=[rule(action="medspace:download")])
    for action in ("use", "read", "medspace:download", "HttpData-PULL", "medspace:export"):
        assert never_permitted(document, action=action)


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "", "now", "9999-99-99T00:00:00Z", "2027-01-01", "2027-01-01T00:00:00"]
)
def test_a_date_that_is_no_instant_is_no_date(text):
    for operator in ("lt", "lteq", "gt", "gteq", "eq", "neq"):
        assert never_permitted(offer(rule(compare("dateTime", operator, text))))
        assert never_permitted(offer(prohibition=[rule(compare("dateTime", operator, text))]))


def test_a_deadline_is_the_same_instant_in_every_time_zone():
    noon = [
        "2026-11-23T12:00:00Z",
        "2026-11-24T02:00:00+14:00",
        "2026-11-22T22:00:00-14:00",
        "2026-11-23T12:00:00-00:00",
    ]
    for text in noon:
        assert never_permitted(offer(rule(compare("dateTime", "lt", text))), time=request().time)
        assert not never_permitted(offer(rule(compare("dateTime", "lteq", text))), time=request().time)


@pytest.mark.parametrize(
    "value", ["NaN", "inf", "1e9", "0x10", "-0", " 5", "5 ", 5.0, float("nan"), float("inf"), True]
)
def test_a_count_is_a_whole_number(value):
    assert never_permitted(offer(rule(compare("count", "lteq", value))))


def test_a_key_that_is_there_twice_is_refused():
    twice = '{"@id": "urn:o", "permission": [{"action": "use"}], "permission": [{"action": "use", "constraint": []}]}'
    with pytest.raises(InvalidPolicyError):
        odrl.read(twice)
    assert never_permitted(offer(**{"odrl:permission": [rule()]}))
    assert never_permitted(offer(rule(CHINA_ONLY, **{"odrl:constraint": []})))
    assert never_permitted(offer(rule(CHINA_ONLY | {"odrl:leftOperand": "count"})))


def test_a_constraint_does_not_say_two_things():
    assert never_permitted(offer(rule(CHINA_ONLY | {"or": [compare("spatial", "eq", "EU")]})))
    assert never_permitted(offer(rule({"and": [CHINA_ONLY], "or": [compare("spatial", "eq", "EU")]})))


def test_an_empty_joint_is_not_a_yes():
    for name in ("and", "or", "xone", "andSequence"):
        for empty in ([], {"@list": []}, {}, None):
            assert never_permitted(offer(rule({name: empty})))


MOST_CALLS = 100_000


def calls_until_refused(document):
    """The work that a refusal takes, in calls of functions: the same on every machine, however busy."""
    calls = 0

    def tally(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(tally)
    try:
        with pytest.raises(InvalidPolicyError):
            odrl.parse(document)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("depth", [9, 30, 5_000])
def test_nesting_without_end_is_refused_quickly(depth):
    constraint = compare("spatial", "eq", "EU")
    for _ in range(depth):
        constraint = {"and": [constraint]}
    assert calls_until_refused(offer(rule(constraint))) < MOST_CALLS


@pytest.mark.parametrize(
    "document",
    [
        offer(*[rule()] * 5_000),
        offer(rule(*[CHINA_ONLY] * 5_000)),
        offer(rule(compare("spatial", "isAnyOf", ["CN"] * 5_000))),
        offer(title="x" * 10_000),
        offer(**{f"x{at}": 1 for at in range(5_000)}),
        offer(**{f"permissible{at}": 1 for at in range(2_000)}),
        offer(rule(compare("count", "lteq", 10**400))),
    ],
)
def test_a_policy_without_end_is_refused_quickly(document):
    assert calls_until_refused(document) < MOST_CALLS


@pytest.mark.parametrize("sign", ["\u202e", "\u200b", "\x1b[2K", "\x00", "\u2028", "\x85", "\ud800"])
def test_text_that_could_forge_what_a_person_reads_is_refused(sign):
    for document in (offer(target=f"urn:{sign}"), offer(rule(title=sign)), offer(**{f"x{sign}": 1})):
        with pytest.raises(InvalidPolicyError):
            odrl.parse(document)
    with pytest.raises(InvalidPolicyError):
        odrl.parse(offer(rule(target="urn:a\nYou may download the data.")))


def test_gaps_in_the_text_of_others_are_not_filled():
    (flaw,) = odrl.parse(offer(rule(compare("{name.__class__}", "eq", "{0}")))).flaws
    assert str(flaw.reason) == "the operand {name.__class__} is not known"
    policy = odrl.parse(offer(rule(target="urn:{clause}")))
    assert "urn:{clause}" in str(words.describe(policy)[1])


MEMBERS = ["@id", "@type", "profile", "target", "permission", "prohibition", "obligation", "constraint"]
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["use", "eq", "EU"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["@id", "@value", "@list", "and", "or", "leftOperand", "operator", "rightOperand", "action"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=most(100), deadline=None)
@generate(
    JUNK,
    st.sampled_from(MEMBERS),
)
def test_junk_anywhere_is_read_refused_or_unenforceable_and_never_breaks(junk, key):
    document = offer(rule(CHINA_ONLY))
    document = document | {key: junk} if key != "constraint" else offer(rule(CHINA_ONLY, junk))
    try:
        policy = odrl.parse(document)
    except InvalidPolicyError:
        return
    for action in (*LEAVES, None):
        decision = decide(policy, request(action=action), Point.RELEASE)
        assert not decision.permitted or key == "permission"
        assert all(str(line) for line in words.describe(policy))
    enforceable(policy)
    if not policy.flaws:
        assert odrl.parse(json.loads(json.dumps(odrl.write(policy)))) == policy


def test_a_long_list_of_values_or_conditions_is_read_and_said_and_nothing_breaks():
    many = [f"did:web:m{number}.example" for number in range(3000)]
    long = odrl.parse(offer(rule(compare("recipient", "isAnyOf", many))))
    assert str(words.describe(long)[1]).count(" or ") == len(many) - 1
    assert not decide(long, request(), Point.NEGOTIATION).permitted
    joined = [compare("spatial", "eq", "CN")] * 500
    for document in (
        offer(rule({"or": joined})),
        offer(rule(), prohibition=[rule(*joined, action="medspace:train")]),
    ):
        wide = odrl.parse(document)
        assert max(str(line).count("; ") for line in words.describe(wide)) == len(joined) - 1
        assert not decide(wide, request(region=None), Point.NEGOTIATION).permitted
