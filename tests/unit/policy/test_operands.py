from datetime import timedelta

import pytest

from medspace.policy.operand import LISTED
from medspace.policy.operands import OPERANDS, PROTECTIONS, UnreadableConstraintError, atomic
from medspace.policy.points import Point
from medspace.policy.rules import decide
from tests.unit.policy.given import NOW, compare, policy, request, rule

RESEARCH = "ehds:HealthcareScientificResearch"
ALGORITHMS = "ehds:TrainTestAndEvaluateAISystemsAlgorithms"
AT = "2026-11-23T12:00:00Z"
LATER = {"time": NOW + timedelta(microseconds=1)}

YES, NO = "permit", "deny"


def answer(operand, operator, right, **facts):
    terms = policy(rule(compare(operand, operator, right)))
    assert terms.flaws == ()
    return decide(terms, request(**facts), Point.RELEASE).verdict.value


@pytest.mark.parametrize(
    ("operator", "right", "purpose", "expected"),
    [
        ("eq", RESEARCH, RESEARCH, YES),
        ("eq", RESEARCH, ALGORITHMS, NO),
        ("neq", RESEARCH, ALGORITHMS, NO),
        ("neq", RESEARCH, RESEARCH, NO),
        ("neq", "dpv:Marketing", RESEARCH, YES),
        ("isA", RESEARCH, ALGORITHMS, YES),
        ("isA", ALGORITHMS, RESEARCH, NO),
        ("isA", RESEARCH, "https://w3id.org/dpv/legal/eu/ehds#HealthcareScientificResearch", YES),
        ("isAnyOf", ["DUO:0000043", RESEARCH], ALGORITHMS, YES),
        ("isAnyOf", ["DUO:0000043", "dpv:Marketing"], ALGORITHMS, NO),
        ("isNoneOf", ["dpv:Marketing"], RESEARCH, YES),
        ("isNoneOf", ["dpv:Marketing"], "dpv:DirectMarketing", NO),
        ("isNoneOf", ["dpv:DirectMarketing"], "dpv:Marketing", NO),
        ("isNoneOf", ["dpv:Marketing"], "urn:unknown", NO),
        ("isAnyOf", [RESEARCH], None, NO),
    ],
)
def test_purpose(operator, right, purpose, expected):
    assert answer("purpose", operator, right, purpose=purpose) == expected


@pytest.mark.parametrize(
    ("operator", "now", "later"),
    [("eq", YES, NO), ("neq", NO, YES), ("lt", NO, NO), ("lteq", YES, NO), ("gt", NO, YES), ("gteq", YES, YES)],
)
def test_date_time_at_the_instant_and_just_after(operator, now, later):
    assert answer("dateTime", operator, AT) == now
    assert answer("dateTime", operator, AT, **LATER) == later
    assert answer("dateTime", operator, "2026-11-23T14:00+02:00") == now


@pytest.mark.parametrize(
    ("operator", "second", "third"), [("lt", NO, NO), ("lteq", YES, NO), ("gt", NO, YES), ("gteq", YES, YES)]
)
def test_count_is_the_number_of_this_use(operator, second, third):
    assert answer("count", operator, "2", count=1) == second
    assert answer("count", operator, "2", count=2) == third
    assert answer("count", operator, "2", count=None) == NO


@pytest.mark.parametrize(
    ("operator", "right", "germany", "china"),
    [
        ("eq", "EU", YES, NO),
        ("isPartOf", "EU", YES, NO),
        ("neq", "EU", NO, YES),
        ("isAnyOf", ["US", "EU"], YES, NO),
        ("isNoneOf", ["US", "EU"], NO, YES),
        ("eq", "World", YES, YES),
    ],
)
def test_spatial(operator, right, germany, china):
    assert answer("spatial", operator, right) == germany
    assert answer("spatial", operator, right, region="CN") == china
    assert answer("spatial", operator, right, region="ZZ") == NO


@pytest.mark.parametrize("operand", ["recipient", "assignee"])
@pytest.mark.parametrize(
    ("operator", "right", "named", "other"),
    [
        ("eq", "did:web:a.example", YES, NO),
        ("neq", "did:web:a.example", NO, YES),
        ("isAnyOf", ["did:web:b", "did:web:a.example"], YES, NO),
        ("isNoneOf", ["did:web:b", "did:web:a.example"], NO, YES),
    ],
)
def test_recipient(operand, operator, right, named, other):
    assert answer(operand, operator, right, assignee="did:web:a.example") == named
    assert answer(operand, operator, right, assignee="did:web:a.example.org") == other


@pytest.mark.parametrize(
    ("operand", "operator", "right", "facts", "expected"),
    [
        ("medspace:minCohort", "gteq", "10", {"cohort": 10}, YES),
        ("medspace:minCohort", "gteq", "10", {"cohort": 9}, NO),
        ("medspace:minSites", "gteq", "3", {"sites": 3}, YES),
        ("medspace:minSites", "gteq", "3", {"sites": 2}, NO),
        ("medspace:holders", "isAnyOf", ["did:web:b.example", "did:web:c.example", "did:web:d.example"], {}, YES),
        ("medspace:holders", "isAnyOf", ["did:web:b.example"], {}, NO),
        ("medspace:holders", "isAnyOf", ["did:web:d.example"], {"holders": ()}, YES),
        ("medspace:holders", "isAnyOf", ["did:web:b.example", "did:web:c.example"], {"holders": None}, NO),
        ("medspace:output", "isAnyOf", ["glm.moments"], {}, YES),
        ("medspace:output", "isAnyOf", ["glm"], {}, NO),
        ("medspace:protection", "eq", "masked-sums", {}, YES),
        ("medspace:protection", "eq", "coordinator-sees-sums", {}, NO),
        ("medspace:protection", "isAnyOf", ["coordinator-sees-sums"], {"protection": "none"}, NO),
    ],
)
def test_profile(operand, operator, right, facts, expected):
    assert answer(operand, operator, right, **facts) == expected


def test_the_size_of_a_small_cohort_is_never_said():
    decision = decide(policy(rule(compare("medspace:minCohort", "gteq", "10"))), request(cohort=3), Point.RELEASE)
    assert "3" not in str(decision.failures[0].held)


@pytest.mark.parametrize(
    ("operand", "value"),
    [
        ("purpose", "dpv:Nothing"),
        ("dateTime", "2026-11-23"),
        ("dateTime", "2026-11-23T12:00:00"),
        ("dateTime", "2026-11-23T24:00:00Z"),
        ("dateTime", "2026-02-30T12:00:00Z"),
        ("dateTime", "20261123T120000Z"),
        ("dateTime", "2026-W48-1T12:00:00Z"),
        ("dateTime", "9999-12-31T23:59:59-14:00"),
        ("dateTime", "0001-01-01T00:00:00+14:00"),
        ("dateTime", "２０２６-11-23T12:00:00Z"),
        ("dateTime", "2026-11-23T12:00:00+02:00:30"),
        ("dateTime", "NaN"),
        ("dateTime", "P1D"),
        ("count", "-1"),
        ("count", "1.5"),
        ("count", "1e3"),
        ("count", "٣"),
        ("count", "007"),
        ("count", "NaN"),
        ("count", "Infinity"),
        ("count", "9" * 10),
        ("spatial", "eu"),
        ("spatial", "http://example.org/EU"),
        ("recipient", "hospital"),
        ("recipient", "did:web:a b"),
        ("recipient", "did:web:a*"),
        ("medspace:minCohort", "ten"),
        ("medspace:output", "Glm Moments"),
        ("medspace:output", "*"),
        ("medspace:protection", "masked"),
    ],
)
def test_a_value_without_a_meaning_is_not_guessed(operand, value):
    row = OPERANDS[operand]
    for operator in row.tests:
        with pytest.raises(UnreadableConstraintError) as raised:
            atomic(operand, operator, (value,), "/x")
        assert value in str(raised.value.reason)


def test_every_operator_takes_the_number_of_values_that_it_can_compare():
    for row in OPERANDS.values():
        for operator in row.tests:
            with pytest.raises(UnreadableConstraintError):
                atomic(row.name, operator, (), "/x")
            if operator not in LISTED:
                with pytest.raises(UnreadableConstraintError):
                    atomic(row.name, operator, ("1", "2"), "/x")


def test_every_operator_of_every_operand_can_be_said():
    for row in OPERANDS.values():
        assert row.phrases.keys() == row.tests.keys()
        assert row.code.startswith("policy.")
        for sentence in (row.states, row.remedy):
            assert sentence.endswith(".")


def test_every_protection_has_words():
    assert all(str(words) for words in PROTECTIONS.values())


@pytest.mark.parametrize("text", ["2026-12-31", "2026-12-31T12:00", "2026-12-31T12:00:00", "20261231T120000Z"])
def test_a_peer_that_names_no_instant_is_told_how_to_write_one(text):
    with pytest.raises(UnreadableConstraintError) as raised:
        atomic("dateTime", "lteq", (text,), "/")
    assert str(raised.value) == f"{text} is not an instant with its zone, such as 2026-12-31T12:00:00Z"
