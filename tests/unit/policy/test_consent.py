"""Consents: FHIR R4 and R5 in one tree, and what they answer; published examples as the oracle."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.errors import MedspaceError
from medspace.policy.consent import deciding
from medspace.policy.consent.model import ConsentAnswer, ConsentParty, ConsentRequest, Element, Stance, seconds
from medspace.policy.consent.reading import read
from tests.shared_data import public

RESEARCH = "ehds:HealthcareScientificResearch"
CARE = "DUO:0000043"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
LEVEL = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
NOW = seconds(datetime(2026, 12, 1, tzinfo=UTC))


def at(year, month=1, day=1):
    return seconds(datetime(year, month, day, tzinfo=UTC))


ANY = (Element(),)


def request(purpose=RESEARCH, user=(), holder=(), needs="use", elements=ANY, period=None):
    names = {ConsentParty.USER: frozenset(user), ConsentParty.HOLDER: frozenset(holder)}
    return ConsentRequest(purpose, frozenset({needs}), frozenset({needs, "access"}), elements, names, period)


def at_level(level):
    return (Element(labels=frozenset({f"{LEVEL}|{level}"})),)


def answer(consents, asked, now=NOW):
    read_ones = [one if not isinstance(one, dict) else read(one) for one in consents]
    (found,) = deciding.findings(read_ones, now, asked)
    return found


def coding(code, system=REASON):
    return {"system": system, "code": code}


def r4(provision=None, base="", status="active", identity="c", **more):
    made = {"resourceType": "Consent", "id": identity, "status": status, "patient": {"reference": "Patient/p"}}
    made["scope"] = {"coding": [coding("research", "http://terminology.hl7.org/CodeSystem/consentscope")]}
    if provision is not None:
        made["provision"] = provision
    if base:
        made["policyRule"] = {"coding": [coding(base, "http://terminology.hl7.org/CodeSystem/v3-ActCode")]}
    return made | more


def r5(decision="permit", *provisions, **more):
    made = {"resourceType": "Consent", "id": "c5", "status": "active", "subject": {"reference": "Patient/p"}}
    made |= {"provision": list(provisions)} if provisions else {}
    return made | ({"decision": decision} if decision else {}) | more


PERMIT = {"type": "permit", "purpose": [coding("HRESCH")]}


@pytest.fixture(scope="module")
def examples():
    archive = ZipFile(public("fhir-r4-examples/fhir_r4_4.0.1_examples_subset.zip"))
    found = [json.loads(archive.read(name)) for name in archive.namelist() if "Consent-" in name]
    consents = {one["id"].removeprefix("consent-example-"): one for one in found if one["resourceType"] == "Consent"}
    assert len(consents) == 12
    return consents


# What each of the examples answers: to whom, for what, when. `own` is the custodian Organization/f001.
OWN, NURSE = ("Organization/f001",), ("Practitioner/f204",)
READ = [
    ("Emergency", request("DUO:0000043", holder=OWN), NOW, ConsentAnswer.NONE),  # only about emergencies
    ("Out", request(holder=OWN), NOW, ConsentAnswer.DENY),
    ("Out", request(holder=("Organization/other",)), NOW, ConsentAnswer.NONE),
    ("basic", request(), at(2015), ConsentAnswer.ALLOW),
    ("basic", request(), NOW, ConsentAnswer.NONE),  # it is over
    ("grantor", request(user=("example",), holder=OWN, needs="access"), NOW, ConsentAnswer.DENY),
    ("notAuthor", request(holder=OWN), NOW, ConsentAnswer.ALLOW),
    ("notOrg", request(user=OWN, needs="access"), NOW, ConsentAnswer.DENY),
    ("notOrg", request(user=NURSE, needs="access"), NOW, ConsentAnswer.NONE),
    ("notThem", request(user=NURSE, needs="access"), NOW, ConsentAnswer.ALLOW),  # by its policy rule and no type
    ("notThem", request(user=OWN, needs="access"), NOW, ConsentAnswer.NONE),
    ("notThis", request(), NOW, ConsentAnswer.ABSTAIN),  # which data it is about, a person has to see
    ("notTime", request(), at(2015, 1, 15), ConsentAnswer.ALLOW),
    ("notTime", request(), at(2015, 2, 2), ConsentAnswer.NONE),
    (
        "pkb",
        request(user=OWN, needs="access", elements=at_level("N")),
        NOW,
        ConsentAnswer.DENY,
    ),
    ("signature", request(user=("Practitioner/13",)), at(2016), ConsentAnswer.ALLOW),
    ("signature", request(user=("Practitioner/14",)), at(2016), ConsentAnswer.NONE),
    ("smartonfhir", request(needs="access"), at(2016, 6, 23) + 7 * 3600 + 300, ConsentAnswer.ALLOW),
    ("smartonfhir", request(needs="access"), at(2016, 6, 24), ConsentAnswer.NONE),
]


@pytest.mark.parametrize(("name", "asked", "now", "expected"), READ)
def test_the_examples_of_release_4(examples, name, asked, now, expected):
    assert answer([examples[name]], asked, now).answer is expected


def test_a_type_that_is_missing_in_an_exception_leaves_a_denial_and_no_permission(examples):
    assert read(examples["pkb"]).tree.stance is Stance.DENY
    permitting = json.loads(json.dumps(examples["pkb"]))
    permitting["provision"]["type"] = "permit"
    found = read(permitting)
    assert (found.tree, found.why) == (None, "provision/provision/0")


PCF = [
    ("basic-research", request(), ConsentAnswer.ALLOW),
    ("basic-research", request("dpv:Marketing"), ConsentAnswer.NONE),
    ("basic-reject", request(CARE), ConsentAnswer.DENY),
    ("basic-reject", request(), ConsentAnswer.NONE),
    ("intermediate-timeframe", request(CARE, period=(at(2022, 3), at(2022, 4))), ConsentAnswer.ALLOW),
    ("intermediate-timeframe", request(CARE, period=(at(2021, 3), at(2021, 4))), ConsentAnswer.NONE),
    ("intermediate-timeframe", request(CARE), ConsentAnswer.ABSTAIN),  # when the data are from is unknown
    ("advanced-normal-not-restricted", request(CARE, elements=at_level("N")), ConsentAnswer.ALLOW),
    ("advanced-normal-not-restricted", request(CARE, elements=at_level("R")), ConsentAnswer.NONE),
    ("advanced-normal-not-restricted", request(CARE), ConsentAnswer.ABSTAIN),
]


@pytest.mark.parametrize(("name", "asked", "expected"), PCF)
def test_the_examples_of_ihe_privacy_consent_on_fhir(name, asked, expected):
    document = json.loads(public(f"consent/ihe-pcf/json/ex-consent-{name}.json").read_text("utf-8"))
    assert answer([document["consent"]], asked).answer is expected


def test_a_purpose_that_nobody_knows_goes_to_a_person():
    document = json.loads(public("consent/ihe-pcf/json/ex-consent-intermediate-purpose.json").read_text("utf-8"))
    consent = document["consent"]
    researcher = [one["reference"]["reference"] for one in consent["provision"]["actor"]]
    assert answer([consent], request(user=researcher)).answer is ConsentAnswer.ABSTAIN
    assert answer([consent], request(user=("somebody",))).answer is ConsentAnswer.NONE


def test_release_5_flips_at_each_level():
    inside = {"purpose": [coding("HRESCH")], "provision": [{"action": [{"coding": [coding("use", "a")]}]}]}
    document = r5("deny", inside)
    assert answer([document], request()).answer is ConsentAnswer.DENY  # permitted but for this action
    assert answer([document], request(needs="disclose")).answer is ConsentAnswer.ALLOW
    assert answer([document], request("dpv:Marketing")).answer is ConsentAnswer.DENY
    assert answer([r5("permit", inside)], request(needs="disclose")).answer is ConsentAnswer.DENY
    assert answer([r5("permit", inside)], request("dpv:Marketing")).answer is ConsentAnswer.ALLOW


def test_release_5_has_grantee_controller_and_a_period_of_the_whole():
    document = r5(
        "permit",
        grantee=[{"identifier": {"value": "did:web:user.example"}}],
        controller=[{"reference": "Organization/h"}],
        period={"start": "2026", "end": "2027-03"},
    )
    asked = request(user=("did:web:user.example",), holder=("Organization/h",))
    assert answer([document], asked).answer is ConsentAnswer.ALLOW
    assert answer([document], asked, at(2027, 3, 31)).answer is ConsentAnswer.ALLOW  # a month is all of it
    assert answer([document], asked, at(2027, 4)).answer is ConsentAnswer.NONE
    assert answer([document], request(user=("other",), holder=("Organization/h",))).answer is ConsentAnswer.NONE


@pytest.mark.parametrize(
    "document",
    [
        r4({"purpose": [coding("HRESCH")]}),  # neither type nor policy rule
        r4(PERMIT, status="inactive"),
        r4(PERMIT, scope={"coding": [coding("adr", "s")]}),
        r4(PERMIT, base="", status=None),
        r4({"type": "maybe"}, base="OPTIN"),
        r5("", {"purpose": [coding("HRESCH")]}),
        r5("permit") | {"status": "draft"},
        r4({"purpose": [coding("HRESCH")]}, base="IMPLIED"),
    ],
)
def test_what_lacks_its_base_is_no_consent(document):
    assert answer([document], request()).answer is ConsentAnswer.NONE


def test_a_request_without_a_purpose_is_denied():
    found = answer([r4({"type": "permit"})], request(None))
    assert (found.answer, found.clause) == (ConsentAnswer.DENY, "purpose")


def test_deny_overrides_between_consents_and_not_between_a_rule_and_its_exception():
    denying = r4({"type": "deny"}, identity="no")
    assert answer([r4(PERMIT), denying], request()).answer is ConsentAnswer.DENY
    assert answer([denying, r4(PERMIT)], request()).consent == "no"
    inside = r4({"type": "deny", "provision": [PERMIT]})
    found = answer([inside], request())
    assert (found.answer, found.clause) == (ConsentAnswer.ALLOW, "/provision/provision/0")
    both = r4({"type": "deny", "provision": [PERMIT, PERMIT | {"type": "deny"}]})
    assert answer([both], request()).answer is ConsentAnswer.DENY


def test_an_unknown_criterion_of_a_denial_takes_the_permission_of_another_consent_to_a_person():
    unknown = r4({"type": "deny", "purpose": [coding("X", "urn:mine")]}, identity="odd")
    assert answer([r4(PERMIT), unknown], request()).answer is ConsentAnswer.ABSTAIN
    narrower = r4(
        {
            "type": "deny",
            "purpose": [coding("TrainTestAndEvaluateAISystemsAlgorithms", "https://w3id.org/dpv/legal/eu/ehds")],
        }
    )
    assert answer([r4(PERMIT), narrower], request()).answer is ConsentAnswer.ABSTAIN  # a study may well do that


def test_purposes_of_duo_and_dpv():
    for code in (coding("DUO_0000042", "http://purl.obolibrary.org/obo/"), coding("DUO:0000042", "x")):
        assert (
            answer([r4({"type": "permit", "purpose": [code]})], request("DUO:0000016")).answer is ConsentAnswer.ALLOW
        )
    dpv = coding("ResearchAndDevelopment", "https://w3id.org/dpv")
    assert answer([r4({"type": "permit", "purpose": [dpv]})], request()).answer is ConsentAnswer.ALLOW
    assert answer([r4({"type": "permit", "purpose": [dpv]})], request("dpv:Marketing")).answer is ConsentAnswer.NONE


def test_confidentiality_is_ordered_and_unlabelled_data_are_the_most_sensitive():
    def labelled(level):
        return request(elements=at_level(level))

    normal = r4({"type": "permit", "securityLabel": [coding("N", LEVEL)]})
    assert [answer([normal], labelled(one)).answer is ConsentAnswer.ALLOW for one in "ULMNRV"] == [True] * 4 + [
        False
    ] * 2
    kept = r4({"type": "permit", "provision": [{"type": "deny", "securityLabel": [coding("R", LEVEL)]}]})
    assert [answer([kept], labelled(one)).answer is ConsentAnswer.ALLOW for one in "ULMNRV"] == [True] * 4 + [
        False
    ] * 2
    assert answer([kept], request()).answer is ConsentAnswer.ABSTAIN


def test_a_label_that_has_no_order_is_met_by_itself_and_one_that_has_needs_one_of_the_data():
    other = "http://example.org/sensitivity"
    named = r4({"type": "permit", "securityLabel": [coding("GENETIC", other)]})
    genetic = request(elements=(Element(labels=frozenset({f"{other}|GENETIC"})),))
    assert answer([named], genetic).answer is ConsentAnswer.ALLOW
    assert answer([named], request(elements=at_level("N"))).answer is ConsentAnswer.NONE
    normal = r4({"type": "permit", "securityLabel": [coding("N", LEVEL)]})
    assert answer([normal], genetic).answer is ConsentAnswer.ABSTAIN  # nobody knows how confidential they are


def test_a_use_that_may_be_the_one_denied_goes_to_a_person():
    narrow = r4({"type": "permit", "provision": [{"type": "deny", "purpose": [coding("HRESCH")]}]})
    assert answer([narrow], request(RESEARCH)).answer is ConsentAnswer.DENY
    assert answer([narrow], request("dpv:ScientificResearch")).answer is ConsentAnswer.ABSTAIN


def test_an_element_that_is_denied_leaves_the_others_open():
    psychiatry, heart = Element(codes=frozenset({"x|psy"})), Element(codes=frozenset({"x|heart"}))
    document = r4(PERMIT | {"provision": [{"type": "deny", "code": [{"coding": [coding("psy", "x")]}]}]})
    found = deciding.findings([read(document)], NOW, request(elements=(psychiatry, heart)))
    assert [one.answer for one in found] == [ConsentAnswer.DENY, ConsentAnswer.ALLOW]
    assert found[0].clause == "/provision/provision/0"


def test_what_somebody_else_has_given_is_known():
    assert not read(r4(PERMIT)).guardian
    assert not read(r4(PERMIT, performer=[{"reference": "Patient/p"}])).guardian
    assert read(r4(PERMIT, performer=[{"reference": "RelatedPerson/mother"}])).guardian
    assert read(r5(grantor=[{"reference": "RelatedPerson/mother"}])).guardian


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"resourceType": "Patient"},
        r4(PERMIT) | {"patient": {}},
        r4(PERMIT) | {"id": 7},
        r4("yes"),
        r4({"type": "permit", "period": "2026"}),
        r4({"type": "permit", "period": {"end": "soon"}}),
        r4({"type": "permit", "period": {"start": 2026}}),
        r4({"type": "permit", "period": {"end": "2026-13"}}),
        r4({"type": "permit", "period": {"end": "2026-12-31T12:00:00"}}),  # no zone
        r4({"type": "permit", "purpose": "HRESCH"}),
        r4({"type": "permit", "purpose": [{"system": "a|b", "code": "c"}]}),
        r4([PERMIT]) | {"decision": None, "subject": None},
        r4({"type": "permit", "provision": [{"type": "deny"}] * 501}),
    ],
)
def test_bad_documents_are_refused(document):
    with pytest.raises(MedspaceError) as caught:
        read(document)
    assert caught.value.code == "consent.document"


def test_deep_documents_are_refused():
    rule = {"type": "deny"}
    for _ in range(30):
        rule = {"type": "permit", "provision": [rule]}
    with pytest.raises(MedspaceError):
        read(r4(rule))


rules = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["permit", "deny"])},
        optional={
            "purpose": st.lists(st.sampled_from(["HRESCH", "TREAT", "odd"]).map(coding), max_size=2),
            "securityLabel": st.lists(st.sampled_from("NRV").map(lambda one: coding(one, LEVEL)), max_size=2),
            "period": st.sampled_from([{"start": "2026"}, {"end": "2025"}, {}]),
            "dataPeriod": st.sampled_from([{"start": "2020"}, {"end": "2019"}]),
            "code": st.just([{"coding": [coding("psy", "x")]}]),
        },
    ),
    lambda inner: st.builds(lambda rule, more: rule | {"provision": more}, inner, st.lists(inner, max_size=2)),
    max_leaves=5,
)
elements = st.builds(
    Element,
    codes=st.sampled_from([None, frozenset({"x|psy"}), frozenset({"x|heart"})]),
    labels=st.sampled_from([None, frozenset({f"{LEVEL}|N"}), frozenset({f"{LEVEL}|R"})]),
)
periods = st.sampled_from([None, (at(2018), at(2019)), (at(2021), at(2022))])


def _stricter(one):
    return {ConsentAnswer.ALLOW: 0, ConsentAnswer.ABSTAIN: 1}.get(one, 2)


@given(st.lists(rules, min_size=1, max_size=3), elements, periods)
def test_another_consent_that_denies_never_widens(found, element, period):
    asked = request(elements=(element,), period=period)
    consents = [read(r4(rule, identity=str(at))) for at, rule in enumerate(found)]
    before = answer(consents, asked).answer
    after = answer([*consents, read(r4({"type": "deny"}, identity="no"))], asked).answer
    assert after is ConsentAnswer.DENY
    assert _stricter(after) >= _stricter(before)
    assert answer(consents[::-1], asked).answer is before  # the order says nothing


@given(rules, elements, periods)
def test_what_is_learned_of_the_data_never_overturns_what_was_sure(rule, element, period):
    """If it is allowed (or denied) with unknowns, so it is whatever they turn out to be."""
    consent = read(r4(rule))
    vague = answer([consent], request(elements=(element,), period=period)).answer
    labels = [element.labels] if element.labels is not None else [frozenset({f"{LEVEL}|{one}"}) for one in "ULMNRV"]
    codes = [element.codes] if element.codes is not None else [frozenset({"x|psy"}), frozenset({"x|heart"})]
    times = [period] if period is not None else [(at(2018), at(2019)), (at(2021), at(2022)), (at(2019), at(2021))]
    for label, code, time in product(labels, codes, times):
        known = replace(element, labels=label, codes=code)
        exact = answer([consent], request(elements=(known,), period=time)).answer
        if vague is ConsentAnswer.ALLOW:
            assert exact is ConsentAnswer.ALLOW
        if vague in (ConsentAnswer.DENY, ConsentAnswer.NONE):
            assert exact is not ConsentAnswer.ALLOW


@given(rules, elements, periods)
def test_effects_of_trees_are_those_of_whole_consents(rule, element, period):
    consent, asked = read(r4(rule)), request(elements=(element,), period=period)
    found = deciding.effect(consent.tree, deciding.marks(consent.spans, NOW, period), asked)
    assert deciding.together([found])[0] is answer([consent], asked).answer
