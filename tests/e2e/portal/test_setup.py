"""The first visit of a new connector, in a real browser: what still is to do, until nothing is."""

import json

import pytest
from playwright.sync_api import expect

from medspace.app.main import main
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import hospital, staged


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("setup")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital())
        stage.open()
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def origin(stage):
    return f"http://localhost:{stage.nodes['clinic'].config.private.port}"


def link(stage, capsys):
    with pytest.raises(SystemExit):
        main(["portal", "--json", "-c", str(stage.nodes["clinic"].file)])
    return json.loads(capsys.readouterr().out)["url"]


def step(visitor, name):
    return visitor.page.get_by_role("listitem").filter(has=visitor.page.get_by_role("heading", name=name))


def test_the_first_visit_shows_what_is_left_until_nothing_is(stage, browser, capsys):
    made = link(stage, capsys)
    with visiting(browser, origin(stage)) as owner:
        owner.page.goto(made)
        owner.page.locator("form[action$='/enter'] button").click()
        owner.page.wait_for_url(f"{origin(stage)}/portal/setup")
        step(owner, "First passkey").get_by_text("to do").wait_for()
        admit = step(owner, "Authority").locator("pre").inner_text()
        assert admit.startswith(f"medspace admit {stage.nodes['clinic'].did} --name Clinic --region DE")
        step(owner, "Doctor").get_by_text("done", exact=True).wait_for()
        step(owner, "First dataset").get_by_text("done", exact=True).wait_for()
        owner.open("/")
        owner.page.get_by_role("link", name="2 steps of the set-up are left").wait_for()
        stage.admit()
        confirm(owner)
        owner.open("/setup")
        for name in ("Authority", "First passkey"):
            step(owner, name).get_by_text("done", exact=True).wait_for()
        assert stage.space("clinic").setup()["left"] == 0
        owner.open("/")
        expect(owner.page.get_by_text("of the set-up")).to_have_count(0)
    assert "next=" not in link(stage, capsys), "whoever has a passkey comes to the first page"


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_the_page_is_accessible_and_fits(stage, browser, language, theme):
    with visiting(browser, origin(stage), locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space("clinic").portal_link()["url"])
        assert owner.open("/setup") == 200
        owner.suits()
