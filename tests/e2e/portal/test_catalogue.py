"""The catalogue in a real browser: facets, without JavaScript too; what may be done with the data of others."""

from urllib.parse import quote

import pytest

from tests.e2e.portal.browser import WIDTHS, browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import ASSET, hospital, staged

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


def found(visitor):
    return visitor.page.locator("#found").inner_text()


def offered(stage, key="clinic"):
    (one,) = stage.space("user").catalog(stage.nodes[key].did)
    return quote(one["participant"]), one["id"]


def test_facets_narrow_down_and_widen_again_without_javascript(stage, browser):
    with visiting(browser, origin(stage), java_script_enabled=False) as reader:
        reader.enter(stage.space("user").portal_link()["url"])
        reader.open("/catalogue")
        assert found(reader) == "2 datasets"
        facets = reader.page.get_by_role("navigation", name="Narrow down")
        held = facets.locator("details", has_text="Held by")
        assert held.locator("li").count() == 2
        held.get_by_role("link").first.click()
        assert found(reader) == "1 dataset"
        facets.locator("details", has_text="For which purpose").get_by_role("link", name="health research").click()
        assert found(reader) == "1 dataset"
        reader.page.get_by_label("Title, keyword, column or holder").fill("nothing that is there")
        reader.page.get_by_role("button", name="Search").click()
        assert found(reader) == "0 datasets"
        reader.page.locator("main form").get_by_role("link", name="Show all").click()
        assert found(reader) == "2 datasets"
        reader.page.get_by_role("link", name="Ask them again").click()
        assert found(reader) == "2 datasets"


def test_datasets_are_found_by_the_size_that_their_holder_publishes(stage, user):
    user.open("/catalogue")
    facets = user.page.get_by_role("navigation", name="Narrow down")
    sizes = facets.locator("details", has_text="How many patients")
    sizes.locator("summary").click()
    sizes.get_by_role("link", name="at least 50 patients").click()
    assert found(user) == "1 dataset"
    user.page.locator("#found ~ ul").get_by_role("link").first.click()
    told = user.page.locator("dl.facts").first.inner_text()
    assert "in steps of 50." in told
    assert "not published" not in told
    user.page.get_by_text("Shares of patients without any value are told in steps of").wait_for()
    assert user.page.get_by_text("missing for about", exact=False).count()
    card = user.page.locator("section", has=user.page.get_by_role("heading", name="Not published"))
    unpublished = card.inner_text()
    assert "How many patients" not in unpublished
    assert "A price" in unpublished
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


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_pages_are_accessible_and_fit(stage, browser, language, theme):
    participant, dataset = offered(stage)
    asked = f"participant={participant}&dataset={dataset}"
    silent, quiet = offered(stage, "other")  # publishes nothing of its content
    paths = (
        f"/catalogue/dataset?participant={silent}&dataset={quiet}",
        "/catalogue?size=50&size=77",
        "/catalogue?region=DE&purpose=dpv:Marketing",
        "/catalogue?holder=" + participant,
        f"/catalogue/dataset?{asked}",
        f"/catalogue/try?{asked}&format=HttpData-PULL&purpose=dpv:Marketing",
    )
    with visiting(browser, origin(stage), locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        for path in paths:
            assert owner.open(path) == 200, path
            assert owner.violations() == [], path
            for width in WIDTHS:
                owner.page.set_viewport_size({"width": width, "height": 900})
                assert not owner.overflows(), (path, width)


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
        assert reader.violations() == []
        for width in WIDTHS:
            reader.page.set_viewport_size({"width": width, "height": 900})
            assert not reader.overflows(), width
