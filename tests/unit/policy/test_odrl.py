import json
from dataclasses import replace

import pytest
from hypothesis import given as generate
from hypothesis import settings
from hypothesis import strategies as st

from medspace.core.errors import InvalidInputError
from medspace.policy import odrl
from medspace.policy.errors import InvalidPolicyError, UnenforceablePolicyError
from medspace.policy.model import Atomic, Logical, PolicyKind
from tests.examples import most
from tests.shared_data import DATA
from tests.unit.policy.given import ASSET, USER, compare, offer, policy, rule

DSP = DATA / "dsp"
HOSPITAL = "did:web:hospital.example"


def agreement(**more):
    return offer(**({"@type": "Agreement", "target": ASSET, "assigner": HOSPITAL, "assignee": USER} | more))


def test_an_offer_is_read():
    read = policy(rule(compare("count", "lteq", "3"), action="medspace:train"), target=ASSET)
    (permission,) = read.permissions
    (constraint,) = permission.constraints
    assert (read.id, read.kind, read.target, read.flaws) == ("urn:uuid:offer", PolicyKind.OFFER, ASSET, ())
    assert (permission.action, permission.clause) == ("medspace:train", "/permission/0")
    assert isinstance(constraint, Atomic)
    assert (constraint.value, constraint.clause) == (3, "/permission/0/constraint/0")


@pytest.mark.parametrize(
    "written",
    [
        {"odrl:permission": {"odrl:action": {"@id": "odrl:use"}}},
        {"permission": [{"action": "odrl:use"}]},
        {"permission": {"action": ["use"]}},
        {"permission": {"@list": [{"action": {"@id": "http://www.w3.org/ns/odrl/2/use"}}]}},
        {"http://www.w3.org/ns/odrl/2/permission": [{"http://www.w3.org/ns/odrl/2/action": "use"}]},
        {"permission": [{"action": "use", "constraint": []}], "prohibition": [], "obligation": []},
        {"permission": [{"action": "use", "@type": "Permission", "dct:title": "All\nof it"}]},
        {"@type": "odrl:Offer", "permission": [{"action": "use"}], "edc:created": 1, "conflict": "odrl:prohibit"},
        {"@type": ["Offer"], "permission": [{"action": "use"}], "@context": ["https://w3id.org/dspace/2025/1"]},
    ],
)
def test_many_spellings_are_one_policy(written):
    read = odrl.parse({"@id": "urn:uuid:offer", **written})
    assert read == policy()
    assert read.flaws == ()


@pytest.mark.parametrize(
    "right",
    ["DE", ["DE"], {"@id": "DE"}, {"@value": "DE"}, {"@value": "DE", "@type": "xsd:string"}, {"@list": ["DE"]}],
)
def test_many_spellings_are_one_right_operand(right):
    (permission,) = policy(rule(compare("odrl:spatial", {"@id": "odrl:eq"}, right))).permissions
    assert permission.constraints == (policy(rule(compare("spatial", "eq", "DE"))).permissions[0].constraints)


def test_a_whole_number_and_its_text_mean_the_same():
    assert policy(rule(compare("count", "lteq", 5))) == policy(rule(compare("count", "lteq", {"@value": "5"})))


def test_nested_constraints_are_read_with_their_pointers():
    inner = {"or": [compare("spatial", "eq", "DE"), compare("spatial", "eq", "FR")]}
    (permission,) = policy(rule({"odrl:and": {"@list": [inner]}})).permissions
    (outer,) = permission.constraints
    assert isinstance(outer, Logical)
    (within,) = outer.parts
    assert isinstance(within, Logical)
    assert [part.clause for part in within.parts] == [f"/permission/0/constraint/0/and/0/or/{at}" for at in (0, 1)]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "policy",
        {},
        {"@id": "x"},
        offer() | {"@id": None},
        offer() | {"@id": ""},
        offer() | {"@id": ["a", "b"]},
        offer() | {"@type": "Set"},
        offer() | {"@type": "offer"},
        offer() | {"permission": None},
        offer() | {"permission": "use"},
        offer() | {"permission": []},
        offer({}),
        offer(rule(action=None)),
        offer(rule(action={"rdf:value": "use", "refinement": []})),
        offer(rule(constraint=None)),
        offer(rule("spatial eq DE")),
        offer(rule(target=["urn:a", "urn:b"])),
        offer(rule({"leftOperand": "spatial", "operator": "eq"})),
        offer(rule({"leftOperand": "spatial", "rightOperand": "DE"})),
        offer(rule({"operator": "eq", "rightOperand": "DE"})),
        offer(rule({"and": []})),
        offer(rule({"and": [], "or": [compare("spatial", "eq", "DE")]})),
        offer(rule({"or": [compare("spatial", "eq", "DE")], **compare("spatial", "eq", "DE")})),
        offer(profile={"unknown": 1}),
        agreement(target=None),
        {key: value for key, value in agreement().items() if key != "assignee"},
        offer() | {"odrl:permission": [rule()]},
        offer(uid="urn:other"),
        offer(description="x" * 5000),
        offer(count=2**60),
    ],
)
def test_what_is_not_a_policy_is_refused_with_a_place(document):
    with pytest.raises(InvalidPolicyError) as raised:
        odrl.parse(document)
    assert isinstance(raised.value, InvalidInputError)
    assert raised.value.code == "policy.malformed"
    assert str(raised.value).startswith("policy.malformed: The policy cannot be read at /")


def test_json_text_is_read_once_and_one_way_only():
    assert odrl.read(json.dumps(offer())) == policy()
    assert odrl.read(json.dumps(offer()).encode()) == policy()
    for text in ("", "{", '{"@id": "a", "@id": "b"}', '{"@id": NaN}', "[" * 100_000, b"\xff"):
        with pytest.raises(InvalidPolicyError):
            odrl.read(text)


def test_an_agreement_is_made_from_an_offer_and_names_its_parties():
    made = odrl.agreement_from(
        policy(rule(action="medspace:train")),
        agreement_id="urn:uuid:agreed",
        assigner=HOSPITAL,
        assignee=USER,
        timestamp="2026-11-23T12:00:00Z",
        target=ASSET,
    )
    assert odrl.write(made) == {
        "@id": "urn:uuid:agreed",
        "@type": "Agreement",
        "target": ASSET,
        "assigner": HOSPITAL,
        "assignee": USER,
        "timestamp": "2026-11-23T12:00:00Z",
        "permission": [{"action": "medspace:train"}],
    }
    assert odrl.parse(odrl.write(made)) == made


def test_an_offer_for_a_message_has_a_target_and_one_for_the_catalogue_has_none():
    terms = odrl.parse(agreement(timestamp="2026-11-23T12:00:00Z"))
    catalogue = odrl.write(odrl.offer_for(terms, offer_id="urn:o"))
    message = odrl.write(odrl.offer_for(terms, offer_id="urn:o", target=ASSET, assigner=HOSPITAL, assignee=USER))
    assert catalogue == {"@id": "urn:o", "@type": "Offer", "permission": [{"action": "use"}]}
    assert message == catalogue | {"target": ASSET, "assigner": HOSPITAL, "assignee": USER}


def test_a_flawed_policy_is_never_written():
    with pytest.raises(UnenforceablePolicyError) as raised:
        odrl.write(policy(rule(compare("delayPeriod", "lteq", "P1D"))))
    assert raised.value.facts["clause"] == "/permission/0/constraint/0"


ATOMS = st.sampled_from(
    [
        compare("purpose", "isAnyOf", ["dpv:ScientificResearch", "DUO:0000042"]),
        compare("purpose", "neq", "dpv:Marketing"),
        compare("dateTime", "lteq", "2027-01-01T00:00:00Z"),
        compare("dateTime", "gt", "2026-01-01T00:00+02:00"),
        compare("count", "lt", "7"),
        compare("spatial", "isNoneOf", ["CN", "EU"]),
        compare("recipient", "eq", "did:web:a.example%3A8101:unit"),
        compare("medspace:minCohort", "gteq", "10"),
        compare("medspace:output", "isAnyOf", ["glm.moments"]),
    ]
)
CONSTRAINTS = st.recursive(
    ATOMS,
    lambda inner: st.builds(
        lambda name, parts: {name: parts},
        st.sampled_from(["and", "or", "xone", "andSequence"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
RULES = st.builds(
    lambda action, constraints, more: rule(*constraints, action=action, **more),
    st.sampled_from(["use", "read", "medspace:train", "medspace:download"]),
    st.lists(CONSTRAINTS, max_size=3),
    st.sampled_from([{}, {"target": ASSET}, {"assignee": USER}]),
)
DUTIES = st.lists(st.just({"action": "medspace:log"}), max_size=1)
OFFERS = st.builds(
    lambda permitted, barred, owed, profile: offer(
        *[rule | ({"duty": owed} if owed else {}) for rule in permitted],
        **({"prohibition": barred} if barred else {}),
        **({"obligation": owed} if owed else {}),
        **({"profile": ["urn:medspace:profile:1"]} if profile else {}),
    ),
    st.lists(RULES, min_size=1, max_size=3),
    st.lists(RULES, max_size=2),
    DUTIES,
    st.booleans(),
)


@settings(max_examples=most(60), deadline=None)
@generate(OFFERS)
def test_what_is_written_is_read_as_it_was(document):
    read = odrl.parse(document)
    assert read.flaws == ()
    assert odrl.write(read) == document
    assert odrl.parse(odrl.write(read)) == read
    assert odrl.same_terms(read, read)


@settings(max_examples=most(40), deadline=None)
@generate(OFFERS, st.randoms(use_true_random=False))
def test_order_and_parties_are_not_terms(document, random):
    shuffled = json.loads(json.dumps(document))
    for name in ("permission", "prohibition"):
        random.shuffle(shuffled.get(name, []))
    other = replace(odrl.parse(shuffled), id="urn:other", assigner=HOSPITAL, assignee=USER, target=ASSET)
    assert odrl.same_terms(odrl.parse(document), other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rule(compare("count", "lteq", "5")), rule(compare("count", "lteq", "6"))),
        (rule(compare("count", "lteq", "5")), rule(compare("count", "lt", "5"))),
        (rule(compare("count", "lteq", "5")), rule()),
        (rule(action="medspace:train"), rule()),
        (rule(assignee=USER), rule()),
        (rule(target="urn:a"), rule(target="urn:b")),
        (rule(duty=[{"action": "medspace:log"}]), rule()),
        (rule(compare("partner", "eq", "gold")), rule(compare("partner", "eq", "silver"))),
        (rule(compare("partner", "eq", "gold")), rule()),
        (
            rule({"andSequence": [compare("spatial", "eq", "DE"), compare("count", "lt", "2")]}),
            rule({"andSequence": [compare("count", "lt", "2"), compare("spatial", "eq", "DE")]}),
        ),
        (
            rule({"xone": [compare("spatial", "eq", "DE"), compare("spatial", "eq", "DE")]}),
            rule({"xone": [compare("spatial", "eq", "DE")]}),
        ),
    ],
)
def test_other_terms_are_not_the_same(one, other):
    assert not odrl.same_terms(policy(one), policy(other))


def test_a_prohibition_left_out_is_a_difference():
    assert not odrl.same_terms(policy(prohibition=[rule(action="medspace:download")]), policy())
    assert not odrl.same_terms(policy(obligation=[{"action": "medspace:log"}]), policy())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            compare("purpose", "isA", "DUO:0000006"),
            compare("purpose", "isA", "http://purl.obolibrary.org/obo/DUO_0000006"),
        ),
        (compare("dateTime", "lt", "2027-01-01T00:00:00Z"), compare("dateTime", "lt", "2027-01-01T01:00+01:00")),
        (compare("spatial", "isAnyOf", ["DE", "FR"]), compare("spatial", "isAnyOf", ["FR", "DE", "FR"])),
        (
            {"or": [compare("spatial", "eq", "DE"), compare("count", "lt", "2")]},
            {"or": [compare("count", "lt", "2"), compare("spatial", "eq", "DE")]},
        ),
    ],
)
def test_other_spellings_are_the_same_terms(one, other):
    assert odrl.same_terms(policy(rule(one)), policy(rule(other)))


def test_terms_for_another_target_are_other_terms():
    assert odrl.same_terms(policy(target=ASSET), policy())
    assert odrl.same_terms(policy(rule(target=ASSET), target=ASSET), policy())
    assert not odrl.same_terms(policy(target=ASSET), policy(target="urn:uuid:other"))


@pytest.mark.skipif(not DSP.exists(), reason="the public DSP examples are not on this machine")
def test_the_published_examples_are_read_and_written_by_the_published_schema():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((DSP / "schemas/negotiation/contract-schema.json").read_text())
    found = 0
    for path in sorted((DSP / "examples/negotiation").glob("*.json")):
        message = json.loads(path.read_text())
        written = message.get("offer") or message.get("agreement")
        if written is None:
            continue
        read = odrl.parse(written)
        found += 1
        if not read.flaws:
            part = "Agreement" if read.kind is PolicyKind.AGREEMENT else "MessageOffer"
            checked = jsonschema.Draft201909Validator({**schema, "allOf": [{"$ref": f"#/definitions/{part}"}]})
            checked.validate(odrl.write(read))
            assert odrl.parse(odrl.write(read)) == read
    assert found >= 5
