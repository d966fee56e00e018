"""The evaluator against a naive one: plain JSON in, every unknown tried both ways, nothing shared with the rooms."""

from datetime import UTC, datetime
from itertools import product

from hypothesis import given as generate
from hypothesis import settings
from hypothesis import strategies as st

from medspace.policy import odrl
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide
from tests.examples import most
from tests.unit.policy.given import compare, offer, rule

# Every pair (narrow, wide) of the small world in which the oracle lives.
WITHIN = {
    ("ehds:HealthcareScientificResearch", "dpv:ScientificResearch"),
    ("DE", "EU"),
    ("FR", "EU"),
}
PURPOSES = ["ehds:HealthcareScientificResearch", "dpv:ScientificResearch", "dpv:Marketing"]
REGIONS = ["DE", "FR", "EU", "CN"]
TIMES = ["2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2027-01-01T00:00:00Z"]
DIDS = ["did:web:a", "did:web:b"]
INCLUDED = {
    "use": {"use", "read", "medspace:download", "medspace:train"},
    "read": {"read", "medspace:download"},
    "medspace:download": {"medspace:download"},
    "medspace:train": {"medspace:train"},
}


def kin(held, wanted):
    if held == wanted or (held, wanted) in WITHIN:
        return True
    return None if (wanted, held) in WITHIN else False


def exact(held, wanted):
    return True if held == wanted else (False if kin(held, wanted) is False else None)


def either(answers):
    answers = list(answers)
    return True if True in answers else (None if None in answers else False)


def flip(answer):
    return None if answer is None else not answer


def compared(constraint, facts):
    operand, operator, right = (constraint[name] for name in ("leftOperand", "operator", "rightOperand"))
    held = facts[operand]
    if held is None:
        return None
    if operand in ("dateTime", "count"):
        wanted = datetime.fromisoformat(right) if operand == "dateTime" else int(right)
        held = held + 1 if operand == "count" else held
        return {
            "lt": held < wanted,
            "lteq": held <= wanted,
            "gt": held > wanted,
            "gteq": held >= wanted,
            "eq": held == wanted,
            "neq": held != wanted,
        }[operator]
    if operator == "eq":
        return exact(held, right) if operand == "purpose" else kin(held, right)
    if operator == "neq":
        return flip(compared({**constraint, "operator": "eq"}, facts))
    if operator == "isNoneOf":
        return flip(either(kin(held, one) for one in right))
    return either(kin(held, one) for one in ([right] if isinstance(right, str) else right))


def leaves(constraint):
    for name in ("and", "or", "xone", "andSequence"):
        if name in constraint:
            return [leaf for part in constraint[name] for leaf in leaves(part)]
    return [constraint]


def filled(constraint, values):
    for name, join in (("and", all), ("andSequence", all), ("or", any), ("xone", lambda v: sum(v) == 1)):
        if name in constraint:
            return join([filled(part, values) for part in constraint[name]])
    return values.pop(0)


def held(constraint, facts):
    known = [compared(leaf, facts) for leaf in leaves(constraint)]
    tried = product(*([answer] if answer is not None else [True, False] for answer in known))
    outcomes = {filled(constraint, list(values)) for values in tried}
    return outcomes.pop() if len(outcomes) == 1 else None


def permitted(document, action, facts):
    for barred in document.get("prohibition", []):
        reached = action in INCLUDED[barred["action"]] or barred["action"] in INCLUDED[action]
        if reached and False not in [held(part, facts) for part in barred.get("constraint", [])]:
            return False
    return any(
        action in INCLUDED[allowed["action"]]
        and all(held(part, facts) is True for part in allowed.get("constraint", []))
        for allowed in document["permission"]
    )


ONE = ("eq", "neq")
MANY = ("isAnyOf", "isNoneOf")
ORDER = ("lt", "lteq", "gt", "gteq")
LISTS = {"purpose": PURPOSES, "spatial": REGIONS, "recipient": DIDS}


def terms(operand, single, values):
    one = st.builds(compare, st.just(operand), st.sampled_from(single), st.sampled_from(values))
    some = st.lists(st.sampled_from(values), min_size=1, max_size=3)
    return one | st.builds(compare, st.just(operand), st.sampled_from(MANY), some)


ATOMS = st.one_of(
    terms("purpose", (*ONE, "isA"), PURPOSES),
    terms("spatial", (*ONE, "isPartOf"), REGIONS),
    terms("recipient", ONE, DIDS),
    st.builds(compare, st.just("dateTime"), st.sampled_from((*ORDER, *ONE)), st.sampled_from(TIMES)),
    st.builds(compare, st.just("count"), st.sampled_from(ORDER), st.sampled_from(["0", "1", "2"])),
)
CONSTRAINTS = st.recursive(
    ATOMS,
    lambda inner: st.builds(
        lambda name, parts: {name: parts},
        st.sampled_from(["and", "or", "xone", "andSequence"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)
RULES = st.builds(
    lambda action, constraints: rule(*constraints, action=action),
    st.sampled_from(sorted(INCLUDED)),
    st.lists(CONSTRAINTS, max_size=3),
)
OFFERS = st.builds(
    lambda allowed, barred: offer(*allowed, **({"prohibition": barred} if barred else {})),
    st.lists(RULES, min_size=1, max_size=3),
    st.lists(RULES, max_size=1),
)
FACTS = st.fixed_dictionaries(
    {
        "purpose": st.sampled_from([*PURPOSES, None]),
        "spatial": st.sampled_from([*REGIONS, None]),
        "recipient": st.sampled_from([*DIDS, None]),
        "dateTime": st.sampled_from([datetime.fromisoformat(text) for text in TIMES] + [None]),
        "count": st.sampled_from([0, 1, None]),
    }
)


def asked(action, facts):
    return UseRequest(
        action=action,
        purpose=facts["purpose"],
        region=facts["spatial"],
        assignee=facts["recipient"],
        time=facts["dateTime"],
        count=facts["count"],
    )


@settings(max_examples=most(60), deadline=None)
@generate(OFFERS, st.sampled_from(sorted(INCLUDED)), FACTS)
def test_the_last_point_decides_as_the_naive_evaluator(document, action, facts):
    decision = decide(odrl.parse(document), asked(action, facts), Point.RELEASE)
    assert decision.permitted is permitted(document, action, facts)


@settings(max_examples=most(60), deadline=None)
@generate(OFFERS, st.sampled_from(sorted(INCLUDED)), FACTS)
def test_what_the_last_point_permits_every_earlier_point_let_pass(document, action, facts):
    policy = odrl.parse(document)
    request = asked(action, facts)
    if decide(policy, request, Point.RELEASE).permitted:
        assert all(decide(policy, request, point).permitted for point in Point)


@settings(max_examples=most(40), deadline=None)
@generate(OFFERS, FACTS)
def test_knowing_less_never_permits_more(document, facts):
    policy = odrl.parse(document)
    for forgotten in facts:
        less = decide(policy, asked("medspace:train", {**facts, forgotten: None}), Point.RELEASE)
        if less.permitted:
            assert decide(policy, asked("medspace:train", facts), Point.RELEASE).permitted


def test_the_oracle_is_not_the_evaluator():
    assert held(compare("spatial", "eq", "EU"), {"spatial": "DE"}) is True
    assert held({"xone": [compare("count", "lt", "2")] * 2}, {"count": 0}) is False
    assert held(compare("dateTime", "lt", TIMES[0]), {"dateTime": datetime(2026, 1, 1, tzinfo=UTC)}) is False
