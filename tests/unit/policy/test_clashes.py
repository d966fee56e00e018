"""Clashes in offers: found with the fewest clauses, and never claimed where something is allowed after all."""

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings

from bench import _planted
from bench import clashes as bench
from medspace.policy import odrl
from medspace.policy.clashes import ALL_PROHIBITED, NEVER_USABLE, REDUNDANT, clashes
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide
from medspace.policy.templates import TEMPLATES, build
from tests.unit.policy import test_oracle as small
from tests.unit.policy.given import NOW, USER, compare, offer, rule

LOG = {"action": "medspace:log"}


def found(document, now=None):
    return [(clash.code, [clause for clause, _ in clash.clauses]) for clash in clashes(odrl.parse(document), now)]


def test_conditions_that_cannot_hold_together_are_named_and_no_others():
    late = compare("dateTime", "gteq", "2029-01-01T00:00:00Z")
    early = compare("dateTime", "lt", "2028-01-01T00:00:00Z")
    document = offer(rule(compare("count", "lteq", "5"), late, compare("spatial", "eq", "EU"), early))
    (clash,) = clashes(odrl.parse(document))
    assert clash.code == NEVER_USABLE
    assert [clause for clause, _ in clash.clauses] == ["/permission/0/constraint/1", "/permission/0/constraint/3"]
    assert [str(words) for _, words in clash.clauses] == [
        "from 2029-01-01 00:00:00 UTC on",
        "before 2028-01-01 00:00:00 UTC",
    ]


def test_of_several_reasons_the_smallest_is_named():
    china, europe = compare("spatial", "eq", "CN"), compare("spatial", "isPartOf", "EU")
    document = offer(rule(europe, china, compare("count", "lt", "1")))
    assert found(document) == [(NEVER_USABLE, ["/permission/0/constraint/2"])]
    document = offer(rule(compare("count", "lt", "1"), europe, china))
    assert found(document) == [(NEVER_USABLE, ["/permission/0/constraint/0"])]


def test_two_names_of_the_user_are_one_user():
    both = rule(compare("recipient", "eq", USER), compare("assignee", "eq", "did:web:other.example"))
    assert found(offer(both)) == [(NEVER_USABLE, ["/permission/0/constraint/0", "/permission/0/constraint/1"])]
    assert found(offer(rule(compare("recipient", "neq", USER)), assignee=USER)) == [
        (NEVER_USABLE, ["/permission/0/constraint/0", "/permission/0/assignee"])
    ]
    assert not found(offer(rule(compare("recipient", "neq", USER)), assignee="the hospital next door"))


def test_joined_conditions_are_tried_together():
    either = {"xone": [compare("spatial", "eq", "CN"), compare("count", "gteq", "1")]}
    assert found(offer(rule(either, compare("spatial", "eq", "CN")))) == [
        (NEVER_USABLE, ["/permission/0/constraint/0", "/permission/0/constraint/1"])
    ]


def test_an_offer_that_has_ended_cannot_be_used_any_more():
    document = offer(rule(compare("dateTime", "lteq", "2026-01-01T00:00:00Z")))
    assert found(document) == []
    (clash,) = clashes(odrl.parse(document), NOW)
    assert str(clash.sentence) == "The permission to use the data cannot be used any more: its time has passed."


def test_the_ends_of_time_are_no_reason_to_fail():
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"
    for comparison, moment in (("lt", first), ("gt", last)):
        assert found(offer(rule(compare("dateTime", comparison, moment)))) == [
            (NEVER_USABLE, ["/permission/0/constraint/0"])
        ]


def test_a_permission_of_which_a_prohibition_leaves_nothing_is_found_with_what_it_takes():
    europe, area = compare("spatial", "isPartOf", "EU"), compare("spatial", "isPartOf", "EEA")
    document = offer(
        rule(compare("count", "lteq", "5"), europe, action="medspace:train"),
        prohibition=[rule(action="medspace:download"), rule(area)],
    )
    assert found(document) == [(ALL_PROHIBITED, ["/permission/0", "/permission/0/constraint/1", "/prohibition/1"])]


def test_two_prohibitions_can_leave_nothing_together():
    bars = [rule(compare("spatial", "isPartOf", "EEA")), rule(compare("spatial", "neq", "EEA"))]
    (clash,) = found(offer(rule(action="medspace:train"), prohibition=bars))
    assert clash == (ALL_PROHIBITED, ["/permission/0", "/prohibition/0", "/prohibition/1"])


def test_a_prohibition_of_a_part_or_of_another_asset_leaves_something():
    assert not found(offer(rule(), prohibition=[rule(action="medspace:download")]))
    assert not found(offer(rule(), prohibition=[rule(target="urn:other")]))
    assert not found(
        offer(rule(compare("spatial", "isPartOf", "EU")), prohibition=[rule(compare("spatial", "eq", "DE"))])
    )


def test_what_says_nothing_new_is_found_once():
    five, ten = compare("count", "lteq", "5"), compare("count", "lteq", "10")
    assert found(offer(rule(five, ten))) == [
        (REDUNDANT, ["/permission/0/constraint/1", "/permission/0/constraint/0"])
    ]
    assert found(offer(rule(ten, five))) == [
        (REDUNDANT, ["/permission/0/constraint/0", "/permission/0/constraint/1"])
    ]
    assert found(offer(rule(five, five))) == [
        (REDUNDANT, ["/permission/0/constraint/1", "/permission/0/constraint/0"])
    ]
    assert found(offer(rule(), rule(five))) == [(REDUNDANT, ["/permission/1", "/permission/0"])]
    assert found(offer(rule(), rule())) == [(REDUNDANT, ["/permission/1", "/permission/0"])]
    bars = [rule(action="read"), rule(action="medspace:download")]
    assert found(offer(rule(action="medspace:train"), prohibition=bars)) == [
        (REDUNDANT, ["/prohibition/1", "/prohibition/0"])
    ]
    assert found(offer(obligation=[LOG, LOG])) == [(REDUNDANT, ["/obligation/0", "/obligation/1"])]


def test_a_permission_with_fewer_duties_says_something_new():
    assert not found(offer(rule(duty=[LOG], action="use"), rule(action="medspace:train")))
    assert found(offer(rule(duty=[LOG]), rule(action="medspace:train", duty=[LOG])))


def test_a_prohibition_that_never_applies_is_found():
    never = rule(compare("count", "lt", "1"), action="medspace:train")
    assert found(offer(rule(), prohibition=[never])) == [(REDUNDANT, ["/prohibition/0/constraint/0"])]


def test_noise_is_compared_by_its_numbers():
    def epsilon(number):
        return compare("medspace:epsilon", "lteq", number)

    assert found(offer(rule(epsilon("1"), epsilon("2.5"), action="medspace:train"))) == [
        (REDUNDANT, ["/permission/0/constraint/1", "/permission/0/constraint/0"])
    ]
    units = [compare("medspace:unit", "eq", unit) for unit in ("patient", "event")]
    assert found(offer(rule(*units, action="medspace:train")))[0][0] == NEVER_USABLE


def test_of_a_policy_with_a_flaw_nothing_is_told():
    assert not found(offer(rule(compare("weather", "eq", "fine"), compare("count", "lt", "1"))))


def test_other_permissions_and_duties_say_something_new():
    two = [rule(compare("spatial", "eq", place), action="medspace:train") for place in ("DE", "FR")]
    assert not found(offer(*two, obligation=[LOG, {"action": "inform"}]))


def test_a_clash_is_one_sentence_too():
    (clash,) = clashes(odrl.parse(offer(rule(compare("count", "lt", "1")))))
    assert str(clash.text) == (
        "The permission to use the data can never be used: these conditions cannot hold together. "
        "It is about: before use number 1."
    )


def test_a_check_ends_soon_whatever_it_is_given():
    parts = [
        {"xone": [compare("dateTime", "lt", f"2030-01-{day:02}T00:00:00Z"), compare("count", "gteq", str(day))]}
        for day in range(1, 29)
    ]
    assert isinstance(found(offer(rule(*parts, *parts))), list)
    apart = [compare("recipient", "neq", f"did:web:h{at}") for at in range(300)]
    assert not found(offer(rule(*apart)))


def test_what_is_found_is_told_even_where_no_smaller_set_was_looked_for(monkeypatch):
    three = [{"or": [compare("spatial", "eq", one), compare("count", "lt", "1")]} for one in ("DE", "CN", "US")]
    assert len(found(offer(rule(*three)))[0][1]) == 2
    told = set()
    for steps in range(20, 2_000, 20):
        monkeypatch.setattr("medspace.policy.clashes.MOST_STEPS", steps)
        told |= {len(clauses) for code, clauses in found(offer(rule(*three))) if code == NEVER_USABLE}
    assert told <= {2, 3}


def test_what_is_too_involved_is_not_claimed():
    names = [f"did:web:h{at}.example" for at in range(12)]
    joined = [
        {
            "xone": [
                compare("recipient", "eq", name),
                compare("count", "gteq", str(at)),
                compare("spatial", "eq", "DE"),
            ]
        }
        for at, name in enumerate(names)
    ]
    assert isinstance(found(offer(rule(*joined))), list)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_templates_are_clean(name):
    terms = {"purposes": ["ehds:HealthcareScientificResearch"], "until": "2030-06-30", "regions": ["EU"], "count": 5}
    assert not found(build(name, **terms), NOW)


def test_every_planted_conflict_is_found_with_just_its_clauses_and_nothing_in_clean_offers():
    for one in _planted.several(_planted.planted, 60):
        assert bench.is_found(one, clashes(odrl.parse(one.offer))), one
    for one in _planted.several(_planted.clean, 60):
        assert not clashes(odrl.parse(one.offer)), one


# Requests that tell all conditions of the small world of the oracle apart.
REQUESTS = [
    UseRequest(action="medspace:train", purpose=purpose, region=region, assignee=did, time=time, count=count)
    for purpose, region, did, time, count in product(
        [*small.PURPOSES, "dpv:AcademicResearch", "dpv:ResearchAndDevelopment", "dpv:DirectMarketing"],
        [*small.REGIONS, "NO", "EEA", "World", "SG"],
        [*small.DIDS, "did:web:c"],
        [datetime(year, month, day, tzinfo=UTC) for year in (2026, 2027) for month, day in ((1, 1), (3, 1), (6, 1))]
        + [datetime(2025, 1, 1, tzinfo=UTC)],
        [0, 1, 2],
    )
]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(small.OFFERS)
def test_nothing_that_is_said_to_be_unusable_is_ever_permitted_and_the_rest_is(document):
    """Each permission alone, against requests decided one by one by the evaluator of agreements."""
    alone = [
        {
            **document,
            "permission": [{**one, "action": "medspace:train"}],
            "prohibition": document.get("prohibition", []),
        }
        for one in document["permission"]
    ]
    for one in alone:
        policy = odrl.parse(one)
        grave = [clash for clash in clashes(policy) if clash.code in (NEVER_USABLE, ALL_PROHIBITED)]
        permitted = any(decide(policy, request, Point.RELEASE).permitted for request in REQUESTS)
        assert permitted is not bool(grave)


def test_of_ranges_of_diseases_nothing_is_claimed():
    heart, lung = ("DUO:0000007/I00-I99", "DUO:0000007/J00-J99")
    terms = rule(compare("purpose", "isAnyOf", [heart]), compare("purpose", "isAnyOf", [lung]))
    assert clashes(odrl.parse(offer(terms))) == []


def test_demands_for_credentials_are_tried_too():
    approval, permit = "EthicsApproval@did:web:board.example?study=heart", "DataPermit"
    wanted = build("train-only", credentials=[approval, permit], count=5)
    assert not [one for one in found(wanted) if one[0] == NEVER_USABLE]
    (code, clauses), *_ = found(build("train-only", credentials=[approval], count=0))
    assert code == NEVER_USABLE
    assert len(clauses) == 1
