"""Policies tried out in a real browser: any ODRL policy for one request, and what clashes in terms."""

import json

import pytest
from playwright.sync_api import expect

from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.space import staged

EVIL = "<img src=x onerror=alert(1)>"
EXAMPLES = ("evaluate", "check")


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("policies")) as stage:
        stage.add("authority")
        stage.open()
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def visit(stage, browser, **settings):
    return visiting(browser, f"http://localhost:{stage.nodes['authority'].config.private.port}", **settings)


@pytest.fixture
def reader(stage, browser):
    with visit(stage, browser) as reader:
        reader.enter(stage.space("authority").portal_link()["url"])
        yield reader


def test_a_policy_is_evaluated_rule_by_rule_and_what_changes_it_is_seen(reader):
    page = reader.page
    reader.link("Policies").click()
    reader.link("Fill in an example").click()
    reader.button("Evaluate it").click()
    expect(page.get_by_role("heading", name="It would be allowed.")).to_be_visible()
    expect(page.locator(".story .state.ok")).to_have_count(5)
    reader.suits()
    reader.field("When").fill("2027-05-01")
    reader.button("Evaluate it").click()
    expect(page.get_by_role("heading", name="It would not be allowed.")).to_be_visible()
    expect(page.locator(".story li", has=page.locator(".state.bad"))).to_contain_text("dateTime")
    reader.field("When").fill("")
    reader.field("State of the world").fill("")
    reader.button("Evaluate it").click()
    expect(page.locator(".story .state.wait").first).to_have_text("not known")


def test_terms_that_clash_are_told_with_the_fewest_clauses(reader):
    page = reader.page
    reader.open("/policies?example=check")
    reader.button("Look for clashes").click()
    clauses = page.locator(".note.bad li code")
    expect(clauses).to_have_count(2)
    reader.suits()
    whole = json.loads(reader.field("Terms of an offer").input_value())
    whole["permission"][0]["constraint"].pop()
    reader.field("Terms of an offer").fill(json.dumps(whole))
    reader.button("Look for clashes").click()
    reader.sees("Nothing clashes in these terms.")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("{", "it is not JSON"), ("[]", "it is not one JSON object"), ('{"a": 1, "a": 2}', "policy.member_twice")],
)
def test_what_is_no_policy_is_said_above_the_form_with_what_was_typed_kept(reader, typed, said):
    reader.open("/policies")
    reader.field("Terms of an offer").fill(typed)
    reader.button("Look for clashes").click()
    expect(reader.page.locator("#problem")).to_contain_text(said)
    expect(reader.field("Terms of an offer")).to_have_value(typed)
    assert "status of 4" in reader.objections.pop()


def test_what_a_policy_says_is_text(reader):
    document = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "uid": f"urn:{EVIL}"}
    document["permission"] = [{"target": "urn:a", "assignee": EVIL, "action": "use"}]
    request = document | {"@type": "Request", "uid": "urn:request"}
    reader.open("/policies")
    reader.field("Policy").fill(json.dumps(document))
    reader.field("Request").fill(json.dumps(request))
    reader.button("Evaluate it").click()
    expect(reader.page.get_by_text(EVIL).first).to_be_visible()
    expect(reader.page.locator("main img")).to_have_count(0)
    reader.objections[:] = [one for one in reader.objections if "status of 4" not in one]


def test_without_javascript_a_policy_is_evaluated(stage, browser):
    with visit(stage, browser, java_script_enabled=False) as reader:
        reader.enter(stage.space("authority").portal_link()["url"])
        reader.open("/policies?example=evaluate")
        reader.button("Evaluate it").click()
        expect(reader.page.get_by_role("heading", name="It would be allowed.")).to_be_visible()


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_pages_are_accessible_and_fit(stage, browser, language, theme):
    with visit(stage, browser, locale=language, color_scheme=theme) as reader:
        reader.enter(stage.space("authority").portal_link()["url"])
        for example in ("", *EXAMPLES):
            assert reader.open(f"/policies?example={example}") == 200
            reader.suits()
        for example, button in zip(EXAMPLES, ("Evaluate it", "Look for clashes"), strict=True):
            reader.open(f"/policies?example={example}")
            reader.button(button).click()
            expect(reader.page.locator("main > .note")).to_have_count(1)
            reader.suits()
