"""However a policy is spelled, it is the same policy with the same digest, or it is refused; never a looser one."""

import copy
from collections.abc import Iterator

import pytest
from hypothesis import assume, settings
from hypothesis import given as generate
from hypothesis import strategies as st

from medspace.connector import wire
from medspace.connector.catalogue.finding import listed
from medspace.connector.errors import MessageError
from medspace.core.canonical import canonical
from medspace.policy import odrl
from medspace.policy.contexts import DSPACE
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.jsonld import items
from medspace.policy.spelling import respelled
from tests.examples import most
from tests.unit.policy.given import ASSET, compare, offer, policy, rule

ODRL = "http://www.w3.org/ns/odrl/2/"
PREFIXES = ("", "odrl:", ODRL)
LOGIC = ("and", "or", "xone", "andSequence")
TERMS = {"use", "read", "inform", "purpose", "spatial", "count", "recipient", "eq", "lteq", "isAnyOf", "isNoneOf"}
LIMITED = compare("spatial", "isAnyOf", ["DE", "FR"])
COUNTED = compare("count", "lteq", "3")
WHOLE = offer(
    rule(LIMITED, {"or": [COUNTED, {"and": [LIMITED, COUNTED]}]}, action="use", duty=[{"action": "medspace:log"}]),
    rule(compare("purpose", "isNoneOf", ["dpv:Marketing"]), action="medspace:train", assignee="did:web:user"),
    prohibition=[rule(action="medspace:download")],
    obligation=[{"action": "inform"}],
    target=ASSET,
    assigner="did:web:holder",
    profile=["urn:medspace:profile:1"],
)


# --- one respelling after another --------------------------------------------------------------------------------
def spelled(value, draw):
    """The policy as some other connector could have compacted it; `draw` chooses one of a list."""
    return {_name(key, draw): _member(key, member, draw) for key, member in value.items()}


def _name(key, draw):
    if key == "@id":
        return draw(["@id", "uid", "id", "odrl:uid"])
    if key == "@type":
        return draw(["@type", "type"])
    return draw(PREFIXES) + key


def _member(key, member, draw):
    if key in ("permission", "prohibition", "obligation", "duty", "constraint", *LOGIC):
        return _listed([spelled(one, draw) for one in member], draw)
    if key == "rightOperand":
        return _listed([draw(_ways(one)) for one in items(member)], draw)
    if key == "profile":
        return _listed([draw(_ways(one)) for one in member], draw)
    return _text(_term(key, member, draw), draw)


def _term(key, text, draw):
    return draw(PREFIXES) + text if text in TERMS or key == "@type" else text


def _listed(values, draw):
    ways = [values, {"@list": values}, {"@set": values}, [{"@list": values}]]
    return draw([*ways, values[0]] if len(values) == 1 else ways)


def _text(text, draw):
    return draw([*_ways(text), [text]])


def _ways(text):
    return [text, {"@id": text}, {"@value": text}, {"@value": text, "@type": "xsd:string"}]


def every_way() -> Iterator[dict]:
    """The whole policy with the n-th way of everything, for each n that any of them has."""
    for number in range(5):
        yield spelled(WHOLE, lambda ways, number=number: list(ways)[number % len(list(ways))])


# --- what must hold ------------------------------------------------------------------------------------------------
def as_sent(document):
    """What the wire makes of a policy in a message."""
    return wire.offer({"@context": [DSPACE], "offer": document})


@pytest.mark.parametrize("document", list(every_way()))
def test_each_way_to_write_it_is_the_same_policy(document):
    assert odrl.parse(document) == odrl.parse(WHOLE)
    assert odrl.parse(as_sent(document)) == odrl.parse(WHOLE)


@settings(max_examples=most(50), deadline=None)
@generate(st.data())
def test_any_mixture_is_the_same_policy_and_has_one_form(data):
    document = spelled(WHOLE, lambda ways: data.draw(st.sampled_from(list(ways))))
    sent = as_sent(document)
    assert odrl.parse(document) == odrl.parse(sent) == odrl.parse(WHOLE)
    assert canonical(as_sent(sent)) == canonical(sent)  # twice is the same as once, so both parties log one digest
    assert respelled(sent) == sent
    (shown,) = listed("did:web:a", {"@id": "d", "odrl:hasPolicy": document})["offers"]
    assert odrl.same_terms(odrl.parse(shown), odrl.parse(WHOLE))
    assert set(shown) == set(WHOLE)


def test_what_has_the_form_of_the_protocol_stays_as_it_is():
    assert respelled(WHOLE) == WHOLE
    noted = offer(rule(**{"dct:title": "All"}), **{"edc:created": 1, "odrl:comment": "x"})
    assert respelled(noted) == noted


# --- what is added to a policy is never lost on the way ------------------------------------------------------------
STRANGE = st.sampled_from(
    [
        ("odrl:prohibition", [rule(action="use")]),
        (f"{ODRL}prohibition", {"action": "use"}),
        ("prohibition", {"@list": [rule(action="use")]}),
        ("odrl:permission", [rule()]),
        ("odrl:constraint", [compare("spatial", "eq", "CN")]),
        ("constraint", {"@list": [compare("spatial", "eq", "CN")]}),
        (f"{ODRL}constraint", compare("count", "lteq", 0)),
        ("odrl:assignee", "did:web:other"),
        ("odrl:target", {"@id": "urn:other"}),
        ("odrl:duty", [{"action": "compensate"}]),
        ("odrl:refinement", [compare("spatial", "eq", "CN")]),
        ("odrl:odrl:prohibition", [rule()]),
        ("odrl:profile", "urn:other"),
        ("odrl:conflict", {"@id": "odrl:perm"}),
        ("@graph", [{"prohibition": [rule()]}]),
        ("refinement", [compare("spatial", "eq", "CN")]),
        ("action", "odrl:odrl:use"),
        ("action", {"@id": "use", "odrl:refinement": [compare("spatial", "eq", "CN")]}),
        ("action", {"@id": "use", "@value": "read"}),
        ("leftOperand", {"@id": "odrl:spatial", "x": 1}),
        ("operator", "odrl:odrl:eq"),
        ("operator", {"@id": "odrl:isAnyOf", "odrl:unit": "x"}),
        ("rightOperand", {"@list": ["CN"], "@type": "x"}),
    ]
)


def places(value):
    """Every object in a policy."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from places(one)


def meaning(document):
    """What a policy comes to: the policy, or that it is refused or cannot be agreed to."""
    try:
        read = odrl.parse(document)
    except InvalidPolicyError:
        return None
    return None if read.flaws else read


@settings(max_examples=most(150), deadline=None)
@generate(st.data(), STRANGE)
def test_whatever_is_added_is_read_the_same_on_the_wire_or_refused(data, added):
    document = copy.deepcopy(WHOLE)
    place = data.draw(st.sampled_from(list(places(document))))
    name, member = added
    assume(place.get(name) != member)
    place[name] = member
    told = meaning(document)
    try:
        sent = meaning(as_sent(document))
    except MessageError:
        sent = None
    assert sent is None or sent == told
    try:
        (shown,) = listed("did:web:a", {"hasPolicy": [document]})["offers"]
    except InvalidPolicyError:
        return
    assert meaning(shown) in (None, told)


@pytest.mark.parametrize(
    "twice",
    [
        {"odrl:permission": [rule()]},
        {f"{ODRL}permission": {"action": "use"}},
        {"uid": "urn:uuid:other"},
        {"odrl:@id": "urn:uuid:other"},
        {"type": "Offer"},
        {"odrl:target": ASSET},
    ],
)
def test_one_thing_by_two_names_is_refused_and_an_offer_says_so(twice):
    document = {"@type": "Offer", "target": ASSET, **offer(rule()), **twice}
    with pytest.raises(InvalidPolicyError):
        respelled(document)
    with pytest.raises(MessageError, match="there twice"):
        as_sent(document)
    (unusable,) = listed("did:web:a", {"hasPolicy": [document]})["unusable"]
    assert unusable["code"] == "policy.malformed"


@pytest.mark.parametrize("place", ["rule", "constraint", "joined", "duty"])
def test_so_it_is_at_every_depth(place):
    constraint = compare("spatial", "eq", "DE")
    match place:
        case "rule":
            inner = rule(**{"odrl:action": "use"})
        case "constraint":
            inner = rule(constraint | {"odrl:operator": "eq"})
        case "joined":
            inner = rule({"and": [constraint], "odrl:and": [constraint]})
        case _:
            inner = rule(duty=[{"action": "inform", "odrl:action": "inform"}])
    with pytest.raises(InvalidPolicyError):
        respelled(offer(inner))
    with pytest.raises(MessageError):
        as_sent(offer(inner, target=ASSET))


def test_under_a_context_that_changes_names_nothing_is_respelled():
    document = {"uid": "urn:o", "odrl:permission": [rule()], "@context": [{"uid": "urn:evil:permission"}]}
    assert respelled(document) == document
    with pytest.raises(MessageError):
        as_sent(document)


def test_what_is_missing_is_left_out():
    sent = as_sent({**offer(rule()), "target": ASSET, "prohibition": None, "profile": None, "odrl:obligation": []})
    assert sent == {**offer(rule()), "@type": "Offer", "target": ASSET}


def test_too_much_is_refused_before_anything_walks_through_it():
    deep = compare("count", "lteq", 1)
    for _ in range(30):
        deep = {"odrl:and": [deep]}
    with pytest.raises(MessageError):
        as_sent(offer(rule(deep), target=ASSET))
    with pytest.raises(MessageError):
        as_sent(offer(rule(*[COUNTED] * 1000), target=ASSET))


def test_the_names_of_others_are_read_by_the_reader_as_before():
    assert policy(rule(action={"@id": f"{ODRL}use"})) == policy(rule())
