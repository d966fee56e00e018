"""The portal in a real browser: who comes in, how pages look in both languages and themes, what they may load."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.space import hospital, staged

PAGES = ("/", "/styleguide", "/keys", "/preferences", "/catalogue", "/contracts", "/members", "/accounts", "/doctor")


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("portal")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital())
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def link(stage, key):
    return stage.space(key).portal_link()["url"]


def origin(stage, key):
    return f"http://localhost:{stage.nodes[key].config.private.port}"


@pytest.fixture
def owner(stage, browser):
    with visiting(browser, origin(stage, "user")) as owner:
        owner.enter(link(stage, "user"))
        yield owner


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_pages_are_accessible_and_fit(stage, browser, path, language, theme):
    with visiting(browser, origin(stage, "user"), locale=language, color_scheme=theme) as owner:
        owner.enter(link(stage, "user"))
        assert owner.open(path) == 200
        expect(owner.page.locator("html")).to_have_attribute("lang", ("zh-Hans" if language == "zh-CN" else "en"))
        owner.suits()


def test_a_link_signs_in_once(stage, browser):
    made = link(stage, "user")
    with visiting(browser, origin(stage, "user")) as first:
        first.enter(made)
    with visiting(browser, origin(stage, "user")) as second:
        second.page.goto(made)
        second.page.locator("form[action$='/enter'] button").click()
        expect(second.page.locator("#problem")).to_be_visible()
        assert "403" in second.objections.pop()


def test_without_a_session_every_page_leads_to_signing_in(stage, browser):
    with visiting(browser, origin(stage, "user")) as nobody:
        for path in PAGES:
            nobody.open(path)
            expect(nobody.page).to_have_url(re.compile("/portal/sign-in"))
        assert nobody.violations() == []


def test_pages_work_without_javascript(stage, browser):
    with visiting(browser, origin(stage, "user"), java_script_enabled=False) as owner:
        owner.enter(link(stage, "user"))
        assert owner.open("/catalogue") == 200
        owner.page.get_by_role("link", name="Heart patients").click()
        owner.page.get_by_role("heading", name="Heart patients").wait_for()
        owner.page.get_by_text("You may train a model on the data.").first.wait_for()


def test_language_and_theme_are_remembered(owner):
    owner.open("/preferences")
    owner.page.get_by_label("Language").select_option("zh_Hans")
    owner.page.get_by_label("Colours").select_option("dark")
    owner.page.get_by_role("button", name="Save").click()
    expect(owner.page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(owner.page.locator("html")).to_have_attribute("data-theme", "dark")
    owner.page.locator("#language").select_option("")
    owner.page.locator("#theme").select_option("")
    owner.page.locator("main button.main").first.click()


def test_the_keyboard_opens_pages_and_can_be_switched_off(owner):
    owner.page.keyboard.press("g")
    owner.page.keyboard.press("c")
    owner.page.wait_for_url("**/portal/catalogue")
    owner.page.keyboard.press("/")
    expect(owner.page.locator("#search")).to_be_focused()
    owner.open("/preferences")
    owner.page.get_by_label("Single keys open pages").uncheck()
    owner.page.get_by_role("button", name="Save").click()
    owner.page.keyboard.press("/")
    expect(owner.page.locator("#search")).not_to_be_focused()
    owner.page.get_by_label("Single keys open pages").check()
    owner.page.get_by_role("button", name="Save").click()


def test_who_signs_out_is_out(owner):
    owner.page.get_by_role("button", name="Sign out").click()
    owner.open("/contracts")
    expect(owner.page).to_have_url(re.compile("/portal/sign-in"))


def test_a_passkey_is_added_and_signs_in(stage, owner):
    with_keys = owner.context.new_cdp_session(owner.page)
    with_keys.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    with_keys.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    owner.open("/preferences")
    owner.page.get_by_label("What to call it").fill("office computer")
    owner.page.get_by_role("button", name="Add a passkey").click()
    owner.page.get_by_role("rowheader", name="office computer").wait_for()
    owner.page.get_by_role("button", name="Sign out").click()
    owner.page.get_by_role("button", name="Sign in with a passkey").click()
    owner.page.wait_for_url(f"{origin(stage, 'user')}/portal/")
    kinds = [entry["kind"] for entry in stage.entries("user")]
    assert {"passkey.added", "session.opened", "session.closed"} <= set(kinds)
