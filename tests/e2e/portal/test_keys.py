"""Keys in a real browser: a connector makes a new one and revokes it, its authority takes them up."""

import pytest
from playwright.sync_api import expect

from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import hospital, staged


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("keys")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(1))
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def visit(stage, browser, key, **settings):
    return visiting(browser, f"http://localhost:{stage.nodes[key].config.private.port}", **settings)


@pytest.mark.parametrize("key", ["authority", "clinic"])
@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_pages_are_accessible_and_fit(stage, browser, key, language, theme):
    with visit(stage, browser, key, locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space(key).portal_link()["url"])
        for path in ("/members/keys", "/members"):
            assert owner.open(path) == 200
            owner.page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
            owner.suits()


def test_a_new_key_is_made_taken_up_by_the_authority_and_revoked(stage, browser):
    space = stage.space("clinic")
    with visit(stage, browser, "clinic") as owner, visit(stage, browser, "authority") as authority:
        for visitor, key in ((owner, "clinic"), (authority, "authority")):
            visitor.enter(stage.space(key).portal_link()["url"])
            confirm(visitor)
        owner.link("Members").click()
        owner.link("Keys of this connector").click()
        expect(owner.page.locator("tbody tr")).to_have_count(1)
        owner.button("Make a new key").click()
        expect(owner.page.locator("tbody tr")).to_have_count(2)
        waiting = owner.page.locator("tbody tr", has_text=owner.said("not on the list yet"))
        expect(waiting).to_have_count(1)
        expect(owner.page.locator(".note.wait code")).to_contain_text("medspace keys take")
        authority.link("Members").click()
        authority.page.locator("tbody tr", has_text="Clinic").get_by_role("button", name="Take up its keys").click()
        row = authority.page.locator("tbody tr", has_text="Clinic")
        expect(row.get_by_text("Ed25519 and 2 of ML-DSA-65")).to_be_visible()
        space.refresh()
        owner.open("/members/keys")
        expect(waiting).to_have_count(0)
        owner.page.locator("tbody tr").last.get_by_role("button").click()
        expect(owner.page.locator("tbody .state.bad")).to_have_count(1)
    known = space.keys()
    assert [bool(one["revoked"]) for one in known].count(True) == 1
    assert stage.entries("clinic", "key.made")
    assert stage.entries("clinic", "key.revoked")


def test_who_has_not_the_scope_sees_no_form_and_is_refused(stage, browser):
    account = stage.space("clinic").new_account("Dr Li", ["steward"])["id"]
    with visit(stage, browser, "clinic") as steward:
        steward.enter(stage.space("clinic").account_link(account)["url"])
        assert steward.open("/members/keys") == 200
        expect(steward.page.locator("main form")).to_have_count(0)
