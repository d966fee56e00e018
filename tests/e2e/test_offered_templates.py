"""Every template that a connector lists can be offered, agreed to and used, and keeps its clauses; no other can."""

import re
from pathlib import Path

import pytest

from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.app.node.asset_checks import unopened_checks
from medspace.policy.errors import UnservedTemplateError
from medspace.policy.templates import TEMPLATES, offerable
from tests.e2e.counting import Counting
from tests.e2e.space import ASSET, PURPOSE, TASK, Holding, staged, step, table

TRAIN, STATISTICS = "medspace:train", "medspace:statistics"
DOCS = Path(__file__).parents[2] / "docs"
PLAIN = ConnectorParts()
COUNTING = ConnectorParts(engines={**ENGINES, (STATISTICS, "count"): Counting})
COUNT = {"task": "count", "column": "sex", "purpose": PURPOSE, "min_sites": 1}


def kinds(parts):
    return frozenset(kind for kind, _ in parts.engines)


# Each connector, by the name of its participant: what it is made of, and the template that it offers.
OFFERED = {
    f"{wired}{at}": (parts, name)
    for wired, parts in (("plain", PLAIN), ("counting", COUNTING))
    for at, name in enumerate(offerable(kinds(parts)))
}


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("templates")) as stage:
        stage.add("authority")
        for seed, (key, (parts, name)) in enumerate(OFFERED.items()):
            holding = Holding(table(seed), name, kinds=(TRAIN, STATISTICS))
            stage.add(key, holding, parts=parts)
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def test_there_is_something_to_offer():
    assert {name for parts, name in OFFERED.values() if parts is PLAIN} == {"train-only", "open-use"}
    assert {name for parts, name in OFFERED.values() if parts is COUNTING} == set(TEMPLATES) - {"download"}


@pytest.mark.parametrize("key", OFFERED)
def test_a_template_that_is_listed_is_offered_agreed_to_and_used(space, key):
    parts, name = OFFERED[key]
    user, template = space.space("user"), TEMPLATES[name]
    (offered,) = user.catalog(space.nodes[key].did)
    permitted = kinds(parts) if name == "open-use" else set(template.permits)
    assert set(offered["formats"]) == permitted
    outcome = user.negotiate(space.nodes[key].did, ASSET)
    assert "You may not download the data." in outcome["contract"]
    if TRAIN in permitted:
        run = user.train(TASK, [outcome["agreement"]], wait=60)
        assert run["state"] == "finished", run
    if STATISTICS in permitted:
        started = user.request(outcome["agreement"], STATISTICS)
        answer = space.ask("user", key, started["id"], step("counts", task=COUNT))
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("key", OFFERED)
def test_what_a_template_does_not_permit_is_refused_with_the_clause_that_it_states(space, key):
    parts, name = OFFERED[key]
    user = space.space("user")
    agreement = space.agree("user", key)
    with pytest.raises(SpaceError) as refused:
        user.download(space.nodes[key].did, ASSET)
    assert refused.value.problem["clause"] == "/prohibition/0"
    other = TASK | {"purpose": "dpv:Marketing"}
    if TRAIN in TEMPLATES[name].permits or name == "open-use":
        with pytest.raises(SpaceError) as refused:
            user.train(other, [agreement], wait=60)
        assert "/permission/" in str(refused.value.problem), refused.value.problem
    for kind in kinds(parts) - set(TEMPLATES[name].permits) if name != "open-use" else ():
        with pytest.raises(SpaceError) as refused:
            user.request(agreement, kind)
        assert refused.value.problem["clause"] == "/permission"


@pytest.mark.parametrize(("parts", "name"), [(p, n) for p in (PLAIN, COUNTING) for n in TEMPLATES])
def test_no_other_template_is_taken_and_those_that_are_listed_are_these(space, parts, name):
    known = offerable(kinds(parts))
    if name in known:
        return
    key = f"other-{name}-{len(known)}"
    space.add(key, Holding(table(3), name, kinds=(TRAIN, STATISTICS)), parts=parts)
    try:
        with pytest.raises(UnservedTemplateError) as refused:
            space.open(key)
        (check,) = unopened_checks(space.nodes[key].config, kinds(parts))
        assert not check.ok  # the doctor says the same, before anything is started
        assert str(check.next_step) == str(refused.value.advice)
    finally:
        del space.nodes[key]
    listed = re.fullmatch(r"Choose one of these: (.+)\.", str(refused.value.advice))
    assert listed
    assert set(listed[1].split(", ")) == set(known)


def test_the_page_lists_the_templates_that_can_be_offered():
    page = (DOCS / "policy.md").read_text()
    rows = page.split("## Templates")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)`", rows, re.MULTILINE)) == set(offerable(kinds(PLAIN)))


# --- the dry run of what is offered --------------------------------------------------------------------------------
def test_a_dry_run_without_a_place_says_that_it_is_missing_and_blames_no_clause(space):
    tried = space.space("plain0").try_policy(ASSET, purpose=PURPOSE)
    assert (tried["verdict"], tried["code"]) == ("deny", "label.regions")
    (remedy,) = tried["remedies"]
    assert "`medspace policy try` takes --place" in remedy
    assert "--as" in remedy


@pytest.mark.parametrize("given", [{"place": "DE"}, {"place": "EU"}, {"user": "member"}])
def test_with_a_place_or_a_member_it_is_decided(space, given):
    given = {name: space.nodes["user"].did if name == "user" else text for name, text in given.items()}
    tried = space.space("plain0").try_policy(ASSET, purpose=PURPOSE, **given)
    assert (tried["verdict"], tried["remedies"]) == ("permit", []), tried


@pytest.mark.parametrize("said", ["health research", "Health  Research", "健康研究", "HealthcareScientificResearch"])
def test_a_purpose_is_tried_in_the_words_that_contracts_show(space, said):
    assert space.space("plain0").try_policy(ASSET, purpose=said, place="DE")["verdict"] == "permit"


@pytest.mark.parametrize(("said", "verdict"), [("train", "permit"), ("download", "deny")])
def test_a_use_is_tried_by_its_last_word(space, said, verdict):
    tried = space.space("plain0").try_policy(ASSET, purpose=PURPOSE, place="DE", format=said)
    assert tried["verdict"] == verdict


def test_a_use_that_there_is_not_is_refused_with_all_that_there_are(space):
    with pytest.raises(SpaceError) as refused:
        space.space("plain0").try_policy(ASSET, purpose=PURPOSE, place="DE", format="trane")
    assert refused.value.code == "policy.use_unknown"
    assert "medspace:train" in refused.value.problem["next_step"]


def test_a_purpose_that_no_terms_could_name_is_refused_with_all_that_there_are(space):
    with pytest.raises(SpaceError) as refused:
        space.space("plain0").try_policy(ASSET, purpose="curiosity", place="DE")
    assert refused.value.code == "policy.purpose_unknown"
    assert "ehds:HealthcareScientificResearch (health research); " in refused.value.problem["next_step"]


@pytest.mark.parametrize("place", ["Germany", "de", "DEU"])
def test_a_place_that_no_terms_could_name_is_refused(space, place):
    with pytest.raises(SpaceError) as refused:
        space.space("plain0").try_policy(ASSET, purpose=PURPOSE, place=place)
    assert refused.value.code == "policy.place_unknown"


@pytest.mark.parametrize("at", ["2026-12-31T12:00", "tomorrow"])
def test_nor_is_an_instant_without_a_zone_guessed(space, at):
    with pytest.raises(SpaceError) as refused:
        space.space("plain0").try_policy(ASSET, purpose=PURPOSE, place="DE", at=at)
    assert refused.value.code == "request.instant"


def test_a_day_is_tried_at_its_beginning(space):
    over = space.space("plain0").try_policy(ASSET, purpose=PURPOSE, place="DE", at="2030-07-01")
    assert (over["verdict"], over["code"]) == ("deny", "policy.time")
    assert (
        space.space("plain0").try_policy(ASSET, purpose=PURPOSE, place="DE", at="2030-06-30")["verdict"] == "permit"
    )
