"""Usage policy classes and codes of consent: complete, worded in both languages, enforceable where they say so."""

import csv

import pytest

from medspace.app.node.language import LANGUAGES, speaker
from medspace.policy import odrl, templates, words
from medspace.policy.actions import COMPUTED, DUTIES, points_of
from medspace.policy.classes import CLASSES
from medspace.policy.consents import CONSENTS, find, terms_of
from medspace.policy.errors import ConsentCodeError, ConsentValueError, InvalidTermsError
from medspace.policy.operands import OPERANDS
from medspace.policy.points import Point
from medspace.policy.purposes import PURPOSES, canonical
from medspace.policy.rules import enforceable
from tests.shared_data import public

VALUES = {
    "regions": ["EU"],
    "recipients": ["did:web:a.example"],
    "purposes": ["DUO:0000006"],
    "elapsed": "P180D",
    "disease": "I00-I99",
}
KEPT = {"medspace:log"}


def test_there_are_21_classes_with_names_of_their_own():
    assert len({one.name for one in CLASSES}) == len(CLASSES) == 21


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.name)
def test_a_class_is_enforced_as_it_says(one):
    decision = enforceable(one.policy, points_of(["medspace:train"]), KEPT)
    assert decision.permitted is one.enforced(KEPT)
    assert bool(one.why) is not one.enforced(KEPT)


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.name)
def test_a_class_is_said_in_each_language_and_nothing_of_it_is_hidden(one):
    for language in LANGUAGES:
        said = [text.render(speaker(language)) for text in one.said]
        assert all(said)
        if one.duty and one.duty not in DUTIES:  # shown as it stands, and marked
            assert any(one.duty in line and "/permission/0" in line for line in said)
    english, chinese = (one.place_words(KEPT).render(speaker(language)) for language in LANGUAGES)
    assert english != chinese


@pytest.mark.parametrize(
    "one", [one for one in CLASSES if one.duty not in DUTIES and one.duty], ids=lambda one: one.name
)
def test_a_duty_that_nobody_keeps_cannot_be_offered(one):
    with pytest.raises(InvalidTermsError) as refused:
        templates.build("train-only", duties=[one.duty])
    assert one.why in str(refused.value)


def test_a_duty_that_is_kept_is_offered_and_shown():
    offer = templates.build("train-only", duties="medspace:log")
    assert offer["permission"][0]["duty"] == [{"action": "medspace:log"}]
    assert "Every use is written to the log of the data holder." in [
        str(line) for line in words.describe(odrl.parse(offer))
    ]
    with pytest.raises(InvalidTermsError):
        templates.build("train-only", duties=["nonsense"])


def test_every_operand_names_the_places_that_can_enforce_it():
    for row in OPERANDS.values():
        assert row.places
        assert row.places[0] is row.since
    assert Point.AFTER in OPERANDS["dateTime"].places
    assert Point.AFTER not in OPERANDS["purpose"].places


def test_a_condition_that_no_place_of_a_download_can_enforce_is_refused_with_the_places():
    policy = odrl.parse(templates.build("download", purposes=["dpv:ScientificResearch"]))
    (premise,) = enforceable(policy, points_of(["HttpData-PULL"])).failures
    assert "when a use begins" in str(premise.held)
    assert "it passes when the catalogue is read" in str(premise.held)
    assert enforceable(
        odrl.parse(templates.build("train-only", purposes=["dpv:ScientificResearch"])), points_of(COMPUTED)
    )


# --- codes of consent -----------------------------------------------------------------------------------------------


def test_the_codes_are_those_of_the_ontology():
    with public("consent/duo/duo.csv").open(encoding="utf-8") as file:
        published = {row["id"]: row["shorthand"] for row in csv.DictReader(file)}
    assert {one.code: one.short for one in CONSENTS.values()} == published


@pytest.mark.parametrize("one", CONSENTS.values(), ids=lambda one: one.code)
def test_a_code_is_part_of_terms_or_refused_with_the_reason(one):
    if one.why:
        with pytest.raises(ConsentValueError, match=one.why):
            terms_of([one.code], VALUES)
        return
    offer = templates.build("train-only", **terms_of([one.code], VALUES))
    assert enforceable(odrl.parse(offer), points_of(["medspace:train"])).permitted
    if one.needs:
        with pytest.raises(ConsentValueError):
            terms_of([one.code], {})


@pytest.mark.parametrize("name", ["HMB", "DUO:0000006", "DUO_0000006", "http://purl.obolibrary.org/obo/DUO_0000006"])
def test_a_code_has_several_names(name):
    assert find(name).code == "DUO:0000006"


@pytest.mark.parametrize("name", ["", "hmb", "DUO:1", "0000006"])
def test_a_code_is_not_guessed(name):
    with pytest.raises(ConsentCodeError):
        find(name)


def test_codes_are_joined():
    assert terms_of(["NPUNCU", "NPOA", "NPU"], {}) == {
        "roles": ["non-profit"],
        "not_purposes": ["DUO:0000011", "dpv:CommercialResearch", "dpv:Marketing"],
    }


def test_broader_purposes_are_those_that_the_vocabulary_publishes():
    with public("consent/dpv/2.3/dpv/dpv.csv").open(encoding="utf-8") as file:
        parents = {row["term"]: row["hasbroader"] for row in csv.DictReader(file)}
    ours = [name for name in PURPOSES.ancestors if name.startswith("dpv:")]
    assert len(ours) > 10
    for name in ours:
        above = parents[name.partition(":")[2]]
        known = {canonical(one) for one in above.replace(",", ";").split(";")} - {None}
        assert known <= PURPOSES.ancestors[name] | {None}, name
