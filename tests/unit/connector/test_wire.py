"""Reading messages: lenient in form, strict in meaning."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.connector import wire
from medspace.connector.errors import MessageError
from tests.examples import most
from tests.unit.connector.parties import CONTEXT

TYPE = "ContractRequestMessage"
RULE = {"action": "use"}


def message(**members):
    return msgspec.json.encode({"@context": CONTEXT, "@type": TYPE, **members})


def offer(**members):
    return {"offer": {"@id": "urn:o", "@type": "Offer", "target": "urn:a", "permission": [RULE], **members}}


@pytest.mark.parametrize("context", [CONTEXT[0], CONTEXT, ["https://example.org/more", CONTEXT[0], {"x": "y"}]])
def test_a_context_may_be_a_text_or_a_list_with_others(context):
    read = wire.read(msgspec.json.encode({"@context": context, "@type": TYPE, "consumerPid": "urn:c"}), TYPE)
    assert read.consumer_pid == "urn:c"
    assert read.provider_pid is None


def test_unknown_members_are_ignored_and_references_are_read():
    read = wire.read(
        message(consumerPid={"@id": "urn:c"}, providerPid="urn:p", color="blue", **{"@id": "urn:m"}), TYPE
    )
    assert (read.id, read.provider_pid, read.consumer_pid) == ("urn:m", "urn:p", "urn:c")
    assert wire.read(message(**{"@id": "has space"}), TYPE).id is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 5000,
        b'{"a":' * 5000,
        b"{}",
        msgspec.json.encode({"@type": TYPE}),
        msgspec.json.encode({"@context": ["https://w3id.org/dspace/2024/1/context.json"], "@type": TYPE}),
        msgspec.json.encode({"@context": {"a": "b"}, "@type": TYPE}),
        msgspec.json.encode({"@context": CONTEXT}),
        msgspec.json.encode({"@context": CONTEXT, "@type": "TransferRequestMessage"}),
        msgspec.json.encode({"@context": CONTEXT, "@type": [TYPE]}),
        message(consumerPid=""),
        message(consumerPid=7),
        message(consumerPid="two words"),
        message(consumerPid="x" * 257),
        message(providerPid=["urn:p"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(content):
    with pytest.raises(MessageError) as refused:
        wire.read(content, TYPE)
    assert refused.value.code == "message.invalid"
    assert str(refused.value.text)


@settings(max_examples=most(100))
@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(content):
    with pytest.raises(MessageError):
        wire.read(content, TYPE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["@id", "@type", "target", "permission", "prohibition", "profile", "action", "constraint"])


@settings(max_examples=most(100))
@given(st.dictionaries(MEMBERS, JSON | st.just([RULE]) | st.just("urn:x"), max_size=6))
def test_any_policy_is_read_or_refused(policy):
    for read, name in ((wire.offer, "offer"), (wire.agreement, "agreement")):
        try:
            made = read({name: policy})
        except MessageError:
            continue
        assert made == read({name: made}), "reading is idempotent, so both parties see the same digest"


def test_one_rule_stands_for_a_list_and_terms_may_be_references():
    read = wire.offer(
        offer(
            permission={
                "action": {"@id": "use"},
                "constraint": {
                    "and": {"leftOperand": {"@id": "dateTime"}, "operator": "odrl:lteq", "rightOperand": "2030"}
                },
                "duty": {"action": "inform"},
            },
            profile={"@id": "urn:profile"},
            prohibition=[],
        )
    )
    (rule,) = read["permission"]
    assert rule["action"] == "use"
    assert rule["constraint"][0]["and"] == [{"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2030"}]
    assert rule["duty"] == [{"action": "inform"}]
    assert read["profile"] == ["urn:profile"]
    assert "prohibition" not in read


def test_what_we_do_not_know_stays_for_the_evaluator_to_see():
    assert wire.offer(offer(conflict="perm"))["conflict"] == "perm"
    assert wire.offer(offer(permission=[{**RULE, "constraints": []}]))["permission"] == [{**RULE, "constraints": []}]


def nested(depth):
    inner = {"leftOperand": "a", "operator": "eq", "rightOperand": "b"}
    for _ in range(depth):
        inner = {"and": [inner]}
    return [{**RULE, "constraint": [inner]}]


@pytest.mark.parametrize(
    "bad",
    [
        {"offer": None},
        {"offer": "urn:o"},
        {"offer": ["x"]},
        offer(**{"@id": None}),
        offer(target=None),
        offer(**{"@type": "Set"}),
        offer(permission=[]),
        offer(permission=["use"]),
        offer(permission=[{}]),
        offer(permission=[{"action": ["use", "read"]}]),
        offer(permission=[{"action": {"@id": "use", "refinement": []}}]),
        offer(permission=[{**RULE, "constraint": ["x"]}]),
        offer(permission=[{**RULE, "constraint": [{"leftOperand": "a"}]}]),
        offer(permission=nested(40)),
        offer(permission=[{**RULE, "limit": 0.5}]),
        offer(permission=[{**RULE, "limit": 2**60}]),
        offer(assigner=7),
    ],
)
def test_an_offer_that_says_too_little_or_cannot_be_hashed_is_refused(bad):
    with pytest.raises(MessageError):
        wire.offer(bad)


def test_an_agreement_names_its_parties():
    made = {"@id": "urn:g", "target": "urn:a", "permission": [RULE], "assigner": "did:a", "assignee": "did:b"}
    assert wire.agreement({"agreement": made})["@type"] == "Agreement"
    for name in ("assigner", "assignee"):
        with pytest.raises(MessageError):
            wire.agreement({"agreement": {key: value for key, value in made.items() if key != name}})


def test_a_data_address_is_read_strictly():
    told = {
        "endpointType": {"@id": "urn:type"},
        "endpoint": "https://x",
        "endpointProperties": {"name": "a", "value": "b"},
        "more": 1,
    }
    assert wire.data_address(told) == {
        "@type": "DataAddress",
        "endpointType": "urn:type",
        "endpoint": "https://x",
        "endpointProperties": [{"@type": "EndpointProperty", "name": "a", "value": "b"}],
    }
    assert wire.data_address({"endpointType": "t"}) == {"@type": "DataAddress", "endpointType": "t"}
    assert wire.data_address(None) is None
    for bad in ("x", {}, {"endpointType": 1}, {"endpointType": "t", "endpointProperties": ["x"]}):
        with pytest.raises(MessageError):
            wire.data_address(bad)


def test_reasons_of_others_are_bounded_and_cleaned():
    told = wire.stated_reason(
        {"code": "policy.purpose", "reason": ["a" * 900, {"@value": "b"}, {"message": "c"}, 7, {"x": 1}, "d\0"]}
    )
    assert told.code == "policy.purpose"
    assert told.reason == ("a" * 500, "b", "c", "d")
    assert told.source == "peer"
    for body in (None, [], {"code": "two words"}, {"code": 5}, {"code": "x" * 65}):
        assert wire.stated_reason(body).code == "peer.unspecified"
    assert wire.stated_reason({"clause": "/prohibition/0"}).clause == "/prohibition/0"
    assert wire.stated_reason({"clause": "a b"}).clause is None


NS = "https://w3id.org/edc/v0.0.1/ns/"


def prop(name, value="x"):
    return {"@type": "EndpointProperty", "name": name, "value": value}


def test_an_address_that_stands_only_in_endpoint_properties_is_read():
    told = {
        "@type": "DataAddress",
        "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
        "endpointProperties": [
            prop(f"{NS}endpoint", "http://127.0.0.1:1/public"),
            prop(f"{NS}authorization", "secret"),
            prop(f"{NS}authType", "bearer"),
            prop(f"{NS}expiresIn", "300"),
        ],
    }
    read = wire.data_address(told)
    assert read["endpoint"] == "http://127.0.0.1:1/public"
    names = {item["name"]: item["value"] for item in read["endpointProperties"]}
    assert (names["authorization"], names["authType"], names[f"{NS}expiresIn"]) == ("secret", "bearer", "300")
    assert wire.data_address(read) == read


def test_what_stands_in_its_place_comes_before_endpoint_properties():
    told = {
        "endpointType": "t",
        "endpoint": "http://127.0.0.1:1/a",
        "endpointProperties": [
            prop(f"{NS}endpoint", "http://127.0.0.1:1/b"),
            prop("authorization", "own"),
            prop(f"{NS}authorization", "other"),
            prop(f"{NS}endpointType", "other"),
        ],
    }
    read = wire.data_address(told)
    assert (read["endpoint"], read["endpointType"]) == ("http://127.0.0.1:1/a", "t")
    assert [item["value"] for item in read["endpointProperties"] if item["name"] == "authorization"] == ["own"]


def test_the_type_of_an_address_may_stand_in_a_property_too():
    told = {"endpointType": None, "endpointProperties": prop(f"{NS}endpointType", "https://w3id.org/idsa/v4.1/HTTP")}
    assert wire.data_address(told)["endpointType"] == "https://w3id.org/idsa/v4.1/HTTP"
