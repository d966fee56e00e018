"""`medspace rulebook`: over a running connector, in both languages."""

import json

import pytest

from medspace.app.doors.sdk import SpaceError
from medspace.app.main import main
from tests.e2e.space import staged


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("rulebook")) as stage:
        stage.add("authority")
        stage.open()
        yield stage


@pytest.fixture
def said(stage, capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["rulebook", *arguments, "--config", str(stage.nodes["authority"].file)])
        shown = capsys.readouterr()
        return end.value.code, shown.out + shown.err

    return run


def test_the_classes_are_listed_with_where_they_hold(said):
    code, text = said("classes", "--json")
    found = {one["class"]: one for one in json.loads(text)["classes"]}
    assert (code, len(found)) == (0, 21)
    assert found["purpose-restricted"]["place"] == "Enforced when a use begins."
    assert not found["perpetual-sale"]["enforced"]
    code, text = said("classes", "--lang", "zh")
    assert code == 0
    assert "永久出售" in text


def test_codes_become_terms_or_are_refused(said):
    code, text = said("consents", "HMB", "GS", "--region", "EU")
    assert (code, "Only by users in the European Union." in text) == (0, True)
    code, text = said("consents", "HMB", "MOR")
    assert code != 0
    assert "consent.not_enforced" in text or "publishes" in text
    code, text = said("consents", "--json")
    assert len(json.loads(text)["consents"]) == 25


def test_laws_are_listed_by_article_and_are_no_advice(said):
    code, text = said("laws")
    assert code == 0
    assert "not legal advice" in text
    assert "Article 54" in text


def test_the_sdk_says_the_same(stage):
    space = stage.space("authority")
    assert len(space.usage_classes()) == 21
    assert len(space.consent_codes()) == 25
    assert space.consent_terms(["NCU"])["terms"]["not_purposes"]
    assert {one["law"] for one in space.rule_packs()} >= {"ehds", "gdpr-research"}
    with pytest.raises(SpaceError) as refused:
        space.consent_terms(["nonsense"])
    assert refused.value.code == "consent.unknown"
