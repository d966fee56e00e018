"""The catalogue in a real browser: facets, without JavaScript too; what may be done with the data of others."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from medspace.core.errors import WaitingError
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import ASSET, PATIENCE, hospital, staged

DATASET = "/catalogue/dataset?participant={did}&dataset={dataset}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("catalogue")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(1))
        stage.add("other", hospital(2))
        stage.add("user")
        stage.open()
        stage.admit()
        publish(stage.space("clinic"), ["size", "missing"])
        yield stage


def publish(space, figures):
    """What a holder does at the terminal, who says yes to all."""
    before = space.change_offer(ASSET, dry=True, publish=figures)
    looser = [one["term"] for one in before["changes"] if one["loosens"]]
    space.change_offer(ASSET, publish=figures, loosen=looser, seen=before["seen"])


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def origin(stage):
    return f"http://localhost:{stage.nodes['user'].config.private.port}"


@pytest.fixture(scope="module")
def user(stage, browser):
    with visiting(browser, origin(stage)) as user:
        user.enter(stage.space("user").portal_link()["url"])
        confirm(user)
        yield user


def found(visitor, said):
    expect(visitor.page.locator("#found")).to_have_text(said)


def offered(stage, key="clinic"):
    (one,) = stage.space("user").catalog(stage.nodes[key].did)
    return quote(one["participant"]), one["id"]


def test_facets_narrow_down_and_widen_again_without_javascript(stage, browser):
    with visiting(browser, origin(stage), java_script_enabled=False) as reader:
        reader.enter(stage.space("user").portal_link()["url"])
        reader.open("/catalogue")
        found(reader, "2 datasets")
        facets = reader.page.get_by_role("navigation", name="Narrow down")
        held = facets.locator("details", has_text="Held by")
        expect(held.locator("li")).to_have_count(2)
        held.get_by_role("link").first.click()
        found(reader, "1 dataset")
        facets.locator("details", has_text="For which purpose").get_by_role("link", name="health research").click()
        found(reader, "1 dataset")
        reader.page.get_by_label("Title, keyword, column or holder").fill("nothing that is there")
        reader.page.get_by_role("button", name="Search").click()
        found(reader, "0 datasets")
        reader.page.locator("main form").get_by_role("link", name="Show all").click()
        found(reader, "2 datasets")
        reader.page.get_by_role("link", name="Ask them again").click()
        found(reader, "2 datasets")


def test_datasets_are_found_by_the_size_that_their_holder_publishes(stage, user):
    user.open("/catalogue")
    facets = user.page.get_by_role("navigation", name="Narrow down")
    sizes = facets.locator("details", has_text="How many patients")
    sizes.locator("summary").click()
    sizes.get_by_role("link", name="at least 50 patients").click()
    found(user, "1 dataset")
    expect(user.page.locator("#found ~ ul")).to_contain_text("About 50 patients")
    user.page.locator("#found ~ ul").get_by_role("link").first.click()
    told = user.page.locator("dl.facts").first
    expect(told).to_contain_text("in steps of 50.")
    expect(told).not_to_contain_text("not published")
    user.page.get_by_text("Shares of patients without any value are given in steps of").wait_for()
    expect(user.page.get_by_text("missing for about", exact=False).first).to_be_attached()
    card = user.page.locator("section", has=user.page.get_by_role("heading", name="Not published"))
    expect(card).to_contain_text("A price")
    expect(card).not_to_contain_text("How many patients")
    found_by = stage.space("user").catalog(size=["50"])
    assert [one["participant"] for one in found_by] == [stage.nodes["clinic"].did]
    assert found_by[0]["figures"]["persons_step"] == 50
    assert stage.space("user").catalog(size=["100000"]) == []


def test_what_may_be_done_with_the_data_of_others_is_tried_before_anything_is_agreed(stage, user):
    participant, dataset = offered(stage)
    user.open(DATASET.format(did=participant, dataset=dataset))
    user.page.get_by_role("heading", name="Not published").wait_for()
    user.page.get_by_role("link", name="What may I do with this?").click()
    user.page.get_by_label("For what").select_option("ehds:HealthcareScientificResearch")
    user.page.get_by_role("button", name="Look").click()
    user.page.get_by_text("It would be allowed.").wait_for()
    user.page.get_by_text("Only its holder knows the label of the data").wait_for()
    user.page.get_by_label("For what").select_option("dpv:Marketing")
    user.page.get_by_role("button", name="Look").click()
    user.page.get_by_text("It would not be allowed.").wait_for()
    assert user.violations() == []
    assert not stage.space("user").negotiations()


def test_what_an_agreement_allows_is_tried_from_its_page(stage, user):
    agreement = stage.agree("user", "clinic")
    user.open(f"/contracts/agreement?id={agreement}")
    user.page.get_by_role("link", name="What may I do with this?").click()
    user.page.get_by_label("For what").select_option("ehds:HealthcareScientificResearch")
    user.page.get_by_role("button", name="Look").click()
    user.page.get_by_text("It would be allowed.").wait_for()
    user.page.get_by_label("Does what").select_option("HttpData-PULL")
    user.page.get_by_role("button", name="Look").click()
    user.page.get_by_text("It would not be allowed.").wait_for()
    user.page.get_by_text("What would change it:").wait_for()


def test_what_changed_since_the_last_contract_stands_where_it_is_signed_and_kept(stage, user):
    holder = stage.space("other")
    before = stage.agree("user", "other")
    holder.end_agreement(before)
    changed = holder.change_offer(ASSET, dry=True, until="2029-01-31")
    holder.change_offer(ASSET, until="2029-01-31", seen=changed["seen"])
    with pytest.raises(WaitingError):  # after one that was ended a person decides
        stage.agree("user", "other", wait=0.2)
    (waits,) = [one["id"] for one in holder.negotiations() if one["owner"] == "us"]
    holder.answer(waits, approve=True)
    asked = next(one["id"] for one in stage.space("user").negotiations() if one["agreement"] != before)
    agreement = [now["agreement"] for now in stage.space("user").watch_negotiation(asked, wait=PATIENCE)][-1]
    for path in (f"/contracts/negotiation?id={quote(asked)}", f"/contracts/agreement?id={quote(agreement)}"):
        user.open(path)
        card = user.page.locator("section", has=user.page.get_by_role("heading", name="What changed since"))
        expect(card.locator("del")).to_contain_text("2030")
        expect(card.locator("li").first).to_contain_text("2029")
        expect(card.get_by_role("link")).to_have_attribute("href", re.compile(quote(before, safe="")))
        user.suits()
    user.open(f"/contracts/agreement?id={quote(before)}")
    expect(user.page.get_by_role("heading", name="What changed since")).to_have_count(0)


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_pages_are_accessible_and_fit(stage, browser, language, theme):
    participant, dataset = offered(stage)
    asked = f"participant={participant}&dataset={dataset}"
    silent, quiet = offered(stage, "other")  # publishes nothing of its content
    paths = (
        f"/catalogue/dataset?participant={silent}&dataset={quiet}",
        "/catalogue?size=50&size=77",
        "/catalogue",
        "/catalogue?region=DE&purpose=dpv:Marketing",
        "/catalogue?holder=" + participant,
        f"/catalogue/dataset?{asked}",
        f"/catalogue/try?{asked}&format=HttpData-PULL&purpose=dpv:Marketing",
    )
    with visiting(browser, origin(stage), locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        for path in paths:
            assert owner.open(path) == 200, path
            owner.suits()


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_rulebook_says_what_holds_and_what_does_not(stage, browser, language, scheme):
    with visiting(browser, origin(stage), locale=language, color_scheme=scheme) as reader:
        reader.enter(stage.space("user").portal_link()["url"])
        assert reader.open("/rulebook") == 200
        text = reader.page.locator("main").inner_text()
        told = ("no connector sees it", "Article 54") if language == "en-GB" else ("任何连接器都看不到", "Article 54")
        assert all(one in text for one in told)
        assert reader.page.locator("main tbody tr").count() == 21 + 25 + sum(
            len(law["rules"]) for law in stage.space("user").rule_packs()
        )
        reader.suits()
