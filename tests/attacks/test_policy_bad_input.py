"""Policies that are evaluated as somebody sends them: built to be misread, to never end, or to be too much.

Each is refused with a code of its own. Without the one brake that refuses it, it is permitted as if what it hides
were not there, or evaluated at any length.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medspace.adapters.rdf import read_turtle
from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.policy.errors import PolicyCycleError
from medspace.policy.evaluation import documents, hierarchies, reading, values
from medspace.policy.evaluation.service import evaluated
from tests.examples import most
from tests.unit.policy import everything

ODRL = "http://www.w3.org/ns/odrl/2/"
MINE = {"action": "read", "target": "urn:heart", "assignee": "urn:bob"}
REQUEST = {"uid": "urn:request", "@type": "Request", "permission": [MINE]}
STATE = {"currentTime": "2026-11-30T00:00:00Z", "fact": {"count": 1}}
BARRED = {"action": "read"}


def policy(**more: Any) -> dict[str, Any]:
    return {"uid": "urn:policy", "@type": "Set", "conflict": "prohibit", "permission": [{"action": "use"}], **more}


def bound(*constraints: Any) -> dict[str, Any]:
    return policy(permission=[{"action": "use", "constraint": list(constraints)}])


def compare(operand: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": operand, "operator": operator, "rightOperand": right}


def permitted(document: Any, state: Any = STATE, request: Any = REQUEST) -> bool:
    return all(report.permitted for report in evaluated(document, request, state))


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(MedspaceError) as refused:
        act()
    return refused.value.code


def circle(member: str) -> list[dict[str, Any]]:
    return [{"@id": f"urn:{at}", member: [f"urn:{(at + 1) % 5}"]} for at in range(5)]


ALWAYS = compare("count", "lteq", 5)
BAD = {
    "@nest": (policy(**{"@nest": {"prohibition": [BARRED]}}), "policy.moved_meaning"),
    "@graph within": (policy(**{"@graph": [{"prohibition": [BARRED]}]}), "policy.moved_meaning"),
    "@included": (policy(**{"@included": [{"prohibition": [BARRED]}]}), "policy.moved_meaning"),
    "@reverse": (policy(**{"@reverse": {"x": BARRED}}), "policy.moved_meaning"),
    "@index": (bound({**ALWAYS, "@index": "x"}), "policy.moved_meaning"),
    "alias of a term": (
        policy(**{"@context": {"forbid": f"{ODRL}prohibition"}, "forbid": [BARRED]}),
        "policy.moved_meaning",
    ),
    "alias of a keyword": (policy(**{"@context": {"kind": "@type"}}), "policy.moved_meaning"),
    "prefix turned": (policy(**{"@context": {"odrl": "http://example.org/"}}), "policy.moved_meaning"),
    "context elsewhere": (policy(**{"@context": "https://example.org/c.jsonld"}), "policy.moved_meaning"),
    "context within": (policy(permission=[{"action": "use", "@context": {}}]), "policy.moved_meaning"),
    "10,000 constraints": (bound(*[ALWAYS] * 10_000), "policy.too_large"),
    "10,000 rules": (policy(permission=[{"action": "use"}] * 10_000), "policy.too_large"),
    "rules multiplied": (
        policy(permission=[{"action": ["use"] * 50, "target": ["urn:a"] * 50, "assignee": ["urn:b"] * 50}]),
        "policy.too_large",
    ),
    "unknown profile": (policy(profile="https://example.org/profile"), "policy.profile_unknown"),
    "huge number": (bound(compare("count", "lteq", 10**40)), "policy.number_too_large"),
    "huge exponent": (bound(compare("count", "lteq", "1e999999999")), "policy.number_too_large"),
    "infinite number": (bound(compare("count", "lteq", float("inf"))), "policy.number_too_large"),
    "long fraction": (bound(compare("count", "lteq", "0." + "3" * 400)), "policy.number_too_large"),
    "time without zone": (bound(compare("dateTime", "lt", "2030-01-01T00:00:00")), "policy.time_without_zone"),
    "day without zone": (
        bound(compare("dateTime", "lt", {"@value": "2030-01-01", "@type": "xsd:date"})),
        "policy.time_without_zone",
    ),
    "inherits from itself": (policy(inheritFrom="urn:policy"), "policy.inheritance_cycle"),
    "inherits in a circle": (
        [
            policy(inheritFrom="urn:b"),
            policy(uid="urn:b", inheritFrom="urn:c"),
            policy(uid="urn:c", inheritFrom="urn:policy"),
        ],
        "policy.inheritance_cycle",
    ),
    "inherits from nobody": (policy(inheritFrom="urn:elsewhere"), "policy.parent_unknown"),
    "collection in itself": (
        policy(target={"@type": "AssetCollection", "@id": "urn:all", "partOf": "urn:all"}),
        "policy.collection_cycle",
    ),
    "collections in a circle": ([policy(), *circle("partOf")], "policy.collection_cycle"),
    "action in itself": (
        policy(permission=[{"action": {"@id": "ex:a", "includedIn": {"@id": "ex:b", "includedIn": "ex:a"}}}]),
        "policy.action_cycle",
    ),
    "action implies itself": (
        policy(permission=[{"action": {"@id": "ex:a", "implies": "ex:a"}}]),
        "policy.action_cycle",
    ),
    "member nobody reads": (policy(prohibitions=[BARRED]), "policy.unsupported"),
    "prefixed rule": (policy(**{"edc:prohibition": [BARRED]}), "policy.unsupported"),
    "rule by another IRI": (policy(**{"https://example.org/ns#prohibition": [BARRED]}), "policy.unsupported"),
    "reference to fetch": (
        bound({"leftOperand": "count", "operator": "lteq", "rightOperandReference": "http://169.254.169.254/"}),
        "policy.unsupported",
    ),
    "unknown operator": (bound(compare("count", "about", 5)), "policy.unsupported"),
    "unknown strategy": (policy(conflict="whatever"), "policy.unsupported"),
    "both names": (policy(**{"odrl:permission": [{"action": "use"}]}), "policy.malformed"),
    "request as policy": (policy(**{"@type": "Request"}), "policy.malformed"),
    "remedy of a remedy": (
        policy(prohibition=[{"action": "sell", "remedy": {"action": "inform", "remedy": {"action": "delete"}}}]),
        "policy.unsupported",
    ),
    "text that turns the line": (policy(title="a\u202eb"), "policy.malformed"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_a_code_of_its_own(name):
    document, code = BAD[name]
    assert code_of(lambda: permitted(document)) == code


def test_a_member_that_is_there_twice_is_refused():
    twice = '{"uid": "urn:p", "permission": [{"action": "use"}], "conflict": "perm", "conflict": "prohibit"}'
    assert code_of(lambda: documents.decode(twice)) == "policy.member_twice"
    assert json.loads(twice)["conflict"] == "prohibit"  # the control: other readers take one of them, and say nothing


@pytest.mark.parametrize("depth", [70, 100_000])
def test_depth_is_bounded(depth):
    deep: Any = ALWAYS
    for _ in range(depth):
        deep = {"and": [deep]}
    assert code_of(lambda: permitted(bound(deep))) == "policy.too_large"


def test_a_state_of_the_world_is_held_to_the_same():
    for code, state in {
        "policy.collection_cycle": circle("partOf"),
        "policy.time_without_zone": {"currentTime": "2026-11-30T00:00:00"},
        "policy.number_too_large": {"currentTime": "2026-11-30T00:00:00Z", "fact": {"count": 10**30}},
        "policy.unsupported": {"currentTime": "2026-11-30T00:00:00Z", "facts": {}},
        "policy.too_large": {"performed": [{"action": "use", "time": "2026-01-01T00:00:00Z"}] * 10_001},
    }.items():
        assert code_of(lambda state=state: permitted(policy(), state)) == code


def test_a_document_is_bounded():
    assert code_of(lambda: permitted(policy(), [{}] * 200_001)) == "policy.too_large"
    assert code_of(lambda: permitted(policy(title="x" * 5_000))) == "policy.malformed"


def test_what_would_take_too_long_is_refused_before_it_begins():
    chain = [{"@id": f"urn:{at}", "partOf": f"urn:{at + 1}"} for at in range(2_000)]
    assert code_of(lambda: permitted(policy(), chain)) == "policy.too_large"
    events = [{"action": "use", "time": "2026-01-01T00:00:00Z"}] * 5_000
    duties = policy(obligation=[{"action": "inform"}] * 900)
    assert code_of(lambda: permitted(duties, {**STATE, "performed": events})) == "policy.too_large"
    many = [f"urn:{at}" for at in range(2_000)]
    wide = bound(compare("urn:tag", "isNoneOf", many))
    assert code_of(lambda: permitted(wide, {**STATE, "fact": {"urn:tag": [f"{one}x" for one in many]}})) == (
        "policy.too_large"
    )
    generations = [policy(uid=f"urn:{at}", inheritFrom=[f"urn:{at + 1}"]) for at in range(30)]
    assert code_of(lambda: permitted([*generations, policy(uid="urn:30")])) == "policy.too_large"


def test_a_policy_that_is_inherited_in_many_ways_is_read_once():
    levels = range(14)
    middle = [
        {"uid": f"urn:{at}{side}", "@type": "Set", "inheritFrom": [f"urn:{at + 1}a", f"urn:{at + 1}b"]}
        for at in levels
        for side in "ab"
    ]
    last = [policy(uid=f"urn:14{side}") for side in "ab"]
    top = {"uid": "urn:top", "@type": "Set", "inheritFrom": ["urn:0a", "urn:0b"]}
    (report,) = evaluated([top, *middle, *last], REQUEST, STATE)
    assert report.permitted
    assert len(report.rules) == 2


@pytest.mark.parametrize(
    "spelling",
    [
        {"odrl:prohibition": [BARRED]},
        {f"{ODRL}prohibition": [{f"{ODRL}action": [{"@id": f"{ODRL}read"}]}]},
        {"prohibition": {"@set": [BARRED]}},
        {"prohibition": {"@list": [BARRED]}},
        {"prohibition": [{"@list": [BARRED]}]},
        {"prohibition": BARRED},
    ],
)
def test_a_prohibition_in_any_spelling_of_json_ld_prohibits(spelling):
    assert permitted(policy())
    assert not permitted(policy(**spelling))
    assert not permitted({"@graph": [policy(**spelling)]})


# What refuses each of these, and how to go without it.
BRAKES = {
    "@nest": lambda patch: (patch.setattr(documents, "MOVING", frozenset()), patch.setattr(reading, "_POLICY", _ALL)),
    "unknown profile": lambda patch: patch.setattr(reading, "PROFILES", _ALL),
    "member nobody reads": lambda patch: patch.setattr(reading, "_POLICY", _ALL),
    "10,000 constraints": lambda patch: patch.setattr(reading, "MOST_CONDITIONS", 10**9),
    "huge number": lambda patch: patch.setattr(values, "_decimal", lambda text, _: values.Decimal(text)),
}


class _Everything(frozenset[str]):
    def __contains__(self, name: object) -> bool:
        return True


_ALL = _Everything()


def test_without_its_brake_bad_input_is_permitted(monkeypatch, attack_report):
    got = control = 0
    for name, off in BRAKES.items():
        document = BAD[name][0]
        with suppress(InvalidInputError):
            got += permitted(document)
        with monkeypatch.context() as patch:
            off(patch)
            control += permitted(document)
    assert (got, control) == (0, len(BRAKES))
    attack_report(
        "evaluation: bad policies that were evaluated", got=got, control=control, of=len(BRAKES), unit="policies"
    )


def test_without_a_look_for_circles_a_collection_contains_itself(monkeypatch):
    def careless(direct, _error):
        return {name: frozenset(above) for name, above in direct.items()}

    monkeypatch.setattr(hierarchies, "closed", careless)
    assert permitted([policy(), *circle("partOf")])


PREFIXES = "@prefix odrl: <http://www.w3.org/ns/odrl/2/> .\n"


def test_a_rule_that_is_its_own_duty_is_refused():
    turtle = (
        f"{PREFIXES}<urn:p> a odrl:Set ; odrl:permission <urn:r> . <urn:r> odrl:action odrl:use ; odrl:duty <urn:r> ."
    )
    assert code_of(lambda: read_turtle(turtle)) == "policy.cycle"
    with pytest.raises(PolicyCycleError):
        read_turtle(f"{PREFIXES}_:a odrl:and _:b . _:b odrl:and _:a .")


def test_turtle_that_unfolds_without_end_is_refused():
    steps = [f"<urn:{at}> odrl:duty <urn:{at + 1}>, [ odrl:duty <urn:{at + 1}> ] ." for at in range(30)]
    assert (
        code_of(lambda: read_turtle(PREFIXES + "\n".join([*steps, "<urn:30> odrl:action odrl:use ."])))
        == "policy.too_large"
    )
    assert code_of(lambda: read_turtle("#" * 1_000_001)) == "policy.too_large"


@pytest.mark.parametrize("text", ["<urn:a> <urn:b>", "{", "@prefix : .", "\x00", "<urn:a> a <urn:b", "[" * 5_000])
def test_what_is_no_turtle_has_a_code(text):
    assert code_of(lambda: read_turtle(text)) == "policy.turtle"


def test_a_long_chain_of_nodes_is_refused():
    chain = "\n".join(f"_:n{at} odrl:duty _:n{at + 1} ." for at in range(3_000))
    assert code_of(lambda: read_turtle(PREFIXES + chain)) == "policy.too_large"


def test_what_cannot_be_read_is_not_logged(caplog, capfd):
    with suppress(InvalidInputError):
        read_turtle(f'{PREFIXES}<urn:p> odrl:x "a patient"^^<http://www.w3.org/2001/XMLSchema#integer> .')
    assert "patient" not in caplog.text + "".join(capfd.readouterr())


NAMES = st.sampled_from(
    [
        "@id",
        "@type",
        "@context",
        "@graph",
        "@value",
        "@list",
        "@set",
        "uid",
        "permission",
        "prohibition",
        "obligation",
        "duty",
        "remedy",
        "consequence",
        "action",
        "target",
        "assignee",
        "constraint",
        "refinement",
        "leftOperand",
        "operator",
        "rightOperand",
        "and",
        "xone",
        "source",
        "partOf",
        "includedIn",
        "implies",
        "inheritFrom",
        "profile",
        "conflict",
        "currentTime",
        "fact",
        "performed",
        "time",
        "kindOf",
        "deonticState",
        "rule",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=most(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(JSON, JSON, JSON)
def test_any_json_is_evaluated_or_refused(document, request, state):
    with suppress(InvalidInputError):
        evaluated(document, request, state)
    with suppress(InvalidInputError):
        evaluated(policy(), REQUEST, state)
    with suppress(InvalidInputError):
        evaluated(document, REQUEST, STATE)


@settings(max_examples=most(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(everything.POLICIES, everything.ASKED, everything.STATES, JSON, st.randoms(use_true_random=False))
def test_any_policy_with_one_part_replaced_is_evaluated_or_refused(policies, asked, state, part, random):
    found = everything.documents(policies, asked, state)
    changed = json.loads(json.dumps(found))
    spot = changed[random.randrange(3)]
    while isinstance(spot, dict | list) and spot:
        key = random.choice(list(spot) if isinstance(spot, dict) else range(len(spot)))
        if not isinstance(spot[key], dict | list) or not spot[key] or random.random() < 0.3:
            spot[key] = part
            break
        spot = spot[key]
    with suppress(InvalidInputError):
        evaluated(*changed)
