"""A context that changes what the words of a policy mean: with a policy that permits by its letters, never a permit.

What is hidden is always the same: who processes the context reads a prohibition, or nothing, where we read a
permission without a condition.
"""

import copy

import pytest
from hypothesis import given as generate
from hypothesis import strategies as st

from medspace.connector import wire
from medspace.connector.catalogue.finding import listed
from medspace.connector.errors import MessageError
from medspace.policy import contexts, odrl
from medspace.policy.contexts import DSPACE, KNOWN
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.points import ROAD
from medspace.policy.rules import decide, enforceable
from tests.unit.policy.given import compare, offer, request, rule

ODRL = "http://www.w3.org/ns/odrl/2/"
EDC = "https://w3id.org/edc/dspace/v0.0.1"
FORBID = {"permission": f"{ODRL}prohibition"}
HIDING = {
    "remote": "https://evil.example/context.jsonld",
    "remote beside a known one": [DSPACE, "https://evil.example/context.jsonld"],
    "another version": [DSPACE, "https://w3id.org/dspace/v0.8/context.json"],
    "known with a query": [f"{DSPACE}?v=2"],
    "known in capitals": [DSPACE.upper()],
    "relative": ["context.jsonld"],
    "data": ["data:application/ld+json,{}"],
    "null clears": [DSPACE, None],
    "permission becomes prohibition": [FORBID],
    "by a definition": [{"permission": {"@id": f"{ODRL}prohibition"}}],
    "of another container": [{"permission": {"@id": f"{ODRL}permission", "@container": "@graph"}}],
    "reversed": [{"permission": {"@reverse": f"{ODRL}prohibition"}}],
    "use becomes another": [{"use": f"{ODRL}delete"}],
    "action becomes another": [{"action": f"{ODRL}remedy"}],
    "terms are dropped": [{"permission": None}],
    "alias of @type": [{"allow": "@type"}],
    "alias of @id": [{"name": "@id"}],
    "alias of @graph": [{"description": "@graph"}],
    "alias of @none": [{"x": "@none"}],
    "vocabulary": [{"@vocab": "https://evil.example/"}],
    "vocabulary of ODRL": [{"@vocab": ODRL}],
    "base": [{"@base": "https://evil.example/"}],
    "import": [{"@import": "https://evil.example/context.jsonld"}],
    "protected": [{"@protected": True, "permission": f"{ODRL}prohibition"}],
    "propagated": [{"@propagate": False}],
    "version": [{"@version": 1.1}],
    "language": [{"@language": "de"}],
    "scoped": [{"permission": {"@id": f"{ODRL}permission", "@context": {"action": f"{ODRL}remedy"}}}],
    "typed": [{"Offer": {"@id": f"{ODRL}Offer", "@context": FORBID}}],
    "prefix redefined": [{"odrl": "https://evil.example/"}],
    "prefix of an identifier": [{"urn": "https://evil.example/"}],
    "scheme": [{"http": "https://evil.example/"}],
    "number": [1],
    "more terms than are read": [{f"x{number}": "https://other.example/" for number in range(65)}],
    "longer than is read": [{"x": f"https://other.example/{'a' * 2048}"}],
    "nested list": [[FORBID]],
    "in a list object": {"@list": [FORBID]},
    "in a set object": {"@set": [FORBID]},
    "in a graph": [{"@graph": [FORBID]}],
}


def permitted(document):
    try:
        policy = odrl.parse(document)
    except InvalidPolicyError:
        return False
    return enforceable(policy).permitted and all(decide(policy, request(), point).permitted for point in ROAD)


def permitted_of(read, message):
    """Whether what a message brings could be agreed to; some of it is no message at all."""
    try:
        return enforceable(odrl.parse(read(message))).permitted
    except (MessageError, InvalidPolicyError):
        return False


def hidden():
    """How many of the contexts hide a rule of a policy that is permitted all the same."""
    odrl._policy_of_bytes.cache_clear()
    return sum(permitted(offer(rule(), **{"@context": context})) for context in HIDING.values())


def test_what_contexts_hide_in_all(monkeypatch, attack_report):
    got = hidden()
    monkeypatch.setattr(contexts, "_harmless", lambda *_: True)
    try:
        control = hidden()
    finally:
        odrl._policy_of_bytes.cache_clear()
    attack_report(
        "contexts: policies permitted with a hidden rule", got=got, control=control, of=len(HIDING), unit="policies"
    )
    assert (got, control) == (0, len(HIDING))


def test_the_plain_policy_is_permitted():
    assert permitted(offer(rule()))


@pytest.mark.parametrize("context", HIDING.values(), ids=HIDING)
def test_no_context_hides_a_rule(context):
    assert not permitted(offer(rule(), **{"@context": context}))


@pytest.mark.parametrize("context", HIDING.values(), ids=HIDING)
def test_nor_does_the_context_of_the_message_around_it(context):
    around = [DSPACE, *(context if isinstance(context, list) else [context])]
    document = {**offer(rule()), "target": "urn:uuid:d", "@id": "urn:uuid:o"}
    message = {"@context": around, "offer": document, "agreement": document | {"@type": "Agreement"}}
    message["agreement"] |= {"assigner": "did:web:a", "assignee": "did:web:b"}
    assert not permitted_of(wire.offer, message)
    assert not permitted_of(wire.agreement, message)
    dataset = contexts.governed({"@id": "d", "hasPolicy": [offer(rule())]}, around)
    (shown,) = listed("did:web:a", dataset)["offers"]
    assert not permitted(shown)


def test_more_contexts_than_are_read_are_not_passed_over():
    assert permitted(offer(rule(), **{"@context": [DSPACE] * contexts.MOST_CONTEXTS}))
    assert not permitted(offer(rule(), **{"@context": [DSPACE] * (contexts.MOST_CONTEXTS + 1)}))


@pytest.mark.parametrize("context", HIDING.values(), ids=HIDING)
def test_without_the_look_at_contexts_each_would_be_permitted(context, monkeypatch):
    monkeypatch.setattr(contexts, "_harmless", lambda *_: True)
    try:
        odrl._policy_of_bytes.cache_clear()
        assert permitted(offer(rule(), **{"@context": context}))
    finally:
        odrl._policy_of_bytes.cache_clear()


@pytest.mark.parametrize("place", ["permission", "action", "constraint", "duty", "unknown", "right", "target"])
def test_a_context_inside_is_refused_where_it_stands(place):
    document = copy.deepcopy(offer(rule()))
    (inner,) = document["permission"]
    hidden = {"@context": FORBID}
    match place:
        case "permission":
            inner |= hidden
        case "action":
            inner["action"] = {"@id": inner["action"], **hidden}
        case "constraint" | "right":
            limit = {"leftOperand": "count", "operator": "lteq", "rightOperand": 3}
            limit |= hidden if place == "constraint" else {"rightOperand": {"@value": 3, **hidden}}
            inner["constraint"] = [limit]
        case "duty":
            inner["duty"] = [{"action": "attribute", **hidden}]
        case "target":
            document["target"] = {"@id": "urn:d", **hidden}
        case _:
            document["x:y"] = [{"z": hidden}]
    assert not permitted(document)


@pytest.mark.parametrize("keyword", ["@graph", "@included", "@reverse", "@nest", "@import", "@index", "@context"])
def test_a_keyword_that_moves_statements_is_refused_below_an_unknown_name_too(keyword):
    assert not permitted(offer(rule(), **{"x:y": {keyword: {"x:z": 1}}}))


@pytest.mark.parametrize("kind", ["Prohibition", "odrl:Prohibition", f"{ODRL}Duty", ["Permission", "Prohibition"], 1])
def test_a_permission_does_not_say_that_it_is_something_else(kind):
    assert not permitted(offer(rule(**{"@type": kind})))
    assert permitted(offer(rule(**{"@type": "odrl:Permission"})))


@pytest.mark.parametrize(
    "context", [*sorted(KNOWN), [DSPACE, EDC], [DSPACE, {"edc": "https://w3id.org/edc/v0.0.1/ns/"}]]
)
def test_contexts_that_are_known_and_prefixes_that_are_not_used_change_nothing(context):
    assert permitted(offer(rule(), **{"@context": context}))
    assert permitted(offer(rule(compare("count", "lteq", 3)), **{"@context": [{"x": "urn:x:", "odrl": ODRL}]}))


def test_what_a_running_edc_sends_is_read():
    made = {"@id": "offerD1", "@type": "Offer", "permission": [{"action": "use"}], "target": "D1"}
    message = {"@context": [DSPACE, EDC], "offer": made | {"assigner": "did:web:127.0.0.1%3A19181"}}
    read = wire.offer(message)
    assert "@context" not in read
    assert enforceable(odrl.parse(read)).permitted


NAMES = st.sampled_from(
    ["permission", "action", "use", "odrl", "x", "edc", "@vocab", "@base", "name", "Offer", "urn"]
)
MEANINGS = st.one_of(
    st.sampled_from(["@type", "@id", None, "urn:x:", f"{ODRL}prohibition", ODRL, "https://w3id.org/edc/v0.0.1/ns/"]),
    st.dictionaries(st.sampled_from(["@id", "@type", "@context"]), st.just("urn:x:"), max_size=2),
)


@generate(context=st.dictionaries(NAMES, MEANINGS, min_size=1, max_size=3))
def test_only_names_that_the_policy_does_not_use_may_be_defined(context):
    document = offer(rule(), **{"@context": [context]})
    used = {"permission", "action", "use", "Offer", "urn", "@vocab", "@base"}
    if permitted(document):
        assert not used & context.keys()
        assert all(isinstance(meaning, str) and not meaning.startswith("@") for meaning in context.values())
        assert context.get("odrl", ODRL) == ODRL
