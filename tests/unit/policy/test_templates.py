import json
from datetime import UTC, date, datetime, time

import pytest

from medspace.core.canonical import canonical
from medspace.policy import odrl, templates
from medspace.policy.actions import COMPUTED, LEAVES, last_point
from medspace.policy.errors import InvalidTermsError, UnknownTemplateError, UnservedTemplateError
from medspace.policy.points import ROAD, Point
from medspace.policy.rules import decide, enforceable
from medspace.policy.words import describe
from tests.shared_data import DATA
from tests.unit.policy.given import request

DSP = DATA / "dsp"
TERMS = {
    "purposes": ["ehds:HealthcareScientificResearch"],
    "not_before": "2026-01-01T00:00:00Z",
    "until": datetime(2027, 1, 1, tzinfo=UTC),
    "regions": ["EU", "CN"],
    "recipients": ["did:web:company.example"],
    "count": 5,
    "min_cohort": 10,
    "min_sites": 3,
    "holders": ["did:web:b.example", "did:web:c.example", "did:web:d.example"],
    "outputs": ["glm.moments", "evaluation"],
}
ABOUT_TRANSFER = {"not_before", "until", "regions", "recipients"}


def terms_of(template):
    computed = set(template.permits) <= COMPUTED | {"use"}
    return TERMS if computed else {name: TERMS[name] for name in ABOUT_TRANSFER}


@pytest.mark.parametrize("template", templates.TEMPLATES.values(), ids=templates.TEMPLATES)
@pytest.mark.parametrize("full", [True, False])
def test_every_template_can_be_enforced(template, full):
    policy = odrl.parse(templates.build(template.name, **(terms_of(template) if full else {})))
    last = max(last_point(action) if action != "use" else Point.RELEASE for action in template.permits)
    assert enforceable(policy, ROAD[: last + 1]).permitted
    assert not any("Untranslated" in line.msgid for line in describe(policy))
    assert template.title.endswith(".")


@pytest.mark.parametrize("template", templates.TEMPLATES.values(), ids=templates.TEMPLATES)
def test_every_template_permits_what_it_names_and_nothing_else(template):
    policy = odrl.parse(templates.build(template.name, **terms_of(template)))
    for action in LEAVES:
        decision = decide(policy, request(action=action), Point.RELEASE)
        named = action in template.permits or template.permits == ("use",)
        assert decision.permitted is (named and action not in template.forbids)


def test_train_only_says_what_it_forbids():
    policy = odrl.parse(templates.build("train-only", **TERMS))
    decision = decide(policy, request(action="medspace:download"), Point.TRANSFER)
    assert (decision.code, decision.failures[0].clause) == ("policy.prohibited", "/prohibition/0")
    assert str(decision.failures[0].remedy) == "These terms allow you to: train a model on the data."


def test_train_only_as_json():
    assert templates.build("train-only", offer_id="urn:o", purposes=["HealthcareScientificResearch"], count=5) == {
        "@id": "urn:o",
        "@type": "Offer",
        "profile": ["urn:medspace:profile:1"],
        "permission": [
            {
                "action": "medspace:train",
                "constraint": [
                    {
                        "leftOperand": "purpose",
                        "operator": "isAnyOf",
                        "rightOperand": ["https://w3id.org/dpv/legal/eu/ehds#HealthcareScientificResearch"],
                    },
                    {"leftOperand": "count", "operator": "lteq", "rightOperand": "5"},
                    {
                        "leftOperand": "medspace:protection",
                        "operator": "eq",
                        "rightOperand": "masked-sums",
                    },
                ],
            }
        ],
        "prohibition": [{"action": "medspace:download"}],
    }


def test_a_template_has_a_name_of_its_own_and_a_canonical_form():
    built = templates.build("open-use")
    assert built["@id"] == "urn:medspace:template:open-use"
    assert canonical(templates.build("train-only", **TERMS)) == canonical(templates.build("train-only", **TERMS))


def test_a_term_may_be_one_text_and_a_preset_may_be_left_out():
    one = templates.build("train-only", purposes="DUO:0000042", regions="EU", protection=None)
    assert [part["rightOperand"] for part in one["permission"][0]["constraint"]] == [
        ["http://purl.obolibrary.org/obo/DUO_0000042"],
        ["EU"],
    ]


def test_an_unknown_template_names_those_that_are_known():
    with pytest.raises(UnknownTemplateError) as raised:
        templates.build("train_only")
    assert "train-only" in str(raised.value.advice)


@pytest.mark.parametrize(
    ("terms", "term"),
    [
        ({"purpose": ["DUO:0000042"]}, "purpose"),
        ({"purposes": ["healing"]}, "purposes"),
        ({"purposes": []}, "purposes"),
        ({"until": "2027-02-30"}, "until"),
        ({"until": "20270101"}, "until"),
        ({"until": "2027-01-01T00:00"}, "until"),
        ({"until": time(12)}, "until"),  # as a configuration file has it without quotes
        ({"until": ["2027-01-01"]}, "until"),
        ({"not_before": True}, "not_before"),
        ({"until": datetime(2027, 1, 1)}, "until"),  # noqa: DTZ001 - without a zone, as it may be written
        ({"count": {"most": 3}}, "count"),
        ({"purposes": [["DUO:0000042"]]}, "purposes"),
        ({"purposes": [date(2027, 1, 1)]}, "purposes"),
        ({"count": -1}, "count"),
        ({"count": True}, "count"),
        ({"count": "many"}, "count"),
        ({"regions": ["Europe"]}, "regions"),
        ({"outputs": ["*"]}, "outputs"),
        ({"protection": "masked"}, "protection"),
        ({"count": [1, 2]}, "count"),
    ],
)
def test_a_term_with_a_mistake_is_refused(terms, term):
    with pytest.raises(InvalidTermsError) as raised:
        templates.build("train-only", **terms)
    assert raised.value.facts["term"] == term


@pytest.mark.parametrize("day", ["2027-01-01", date(2027, 1, 1)])
def test_a_day_stands_in_the_contract_as_the_instant_that_it_begins_or_ends_with(day):
    built = templates.build("train-only", not_before=day, until=day)
    bounds = [(part["operator"], part["rightOperand"]) for part in built["permission"][0]["constraint"][:2]]
    assert bounds == [("gteq", "2027-01-01T00:00:00.000Z"), ("lteq", "2027-01-02T00:00:00.000Z")]


def test_only_what_is_served_can_be_offered():
    assert set(templates.offerable({"medspace:train"})) == {"open-use", "train-only"}
    assert set(templates.offerable({"medspace:statistics"})) == {"open-use", "statistics-only"}
    assert set(templates.offerable({"HttpData-PULL"})) == {"open-use", "download"}
    assert templates.offerable(COMPUTED | {"HttpData-PULL"}) == templates.TEMPLATES
    assert templates.offerable(()) == {}


@pytest.mark.parametrize("name", ["statistics-only", "train-and-statistics", "download"])
def test_a_template_for_what_nothing_serves_is_refused_with_those_that_can_be_kept(name):
    with pytest.raises(UnservedTemplateError) as raised:
        templates.check_offerable(name, {"medspace:train"})
    assert str(raised.value.advice) == "Choose one of these: open-use, train-only."


def test_an_unknown_template_is_refused_with_those_that_can_be_kept():
    with pytest.raises(UnknownTemplateError) as raised:
        templates.check_offerable("train_only", {"medspace:train"})
    assert str(raised.value.advice) == "Choose one of these: open-use, train-only."
    templates.check_offerable("open-use", {"medspace:train"})


@pytest.mark.skipif(not DSP.exists(), reason="the public DSP schemas are not on this machine")
@pytest.mark.parametrize("template", templates.TEMPLATES.values(), ids=templates.TEMPLATES)
def test_every_template_is_written_as_the_published_schema_demands(template):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((DSP / "schemas/negotiation/contract-schema.json").read_text())
    checked = jsonschema.Draft201909Validator({**schema, "allOf": [{"$ref": "#/definitions/Offer"}]})
    checked.validate(templates.build(template.name, **terms_of(template)))
