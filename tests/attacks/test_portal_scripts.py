"""What another participant writes is text on every page that shows it, in a browser."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from medspace.app.compose.features import FEATURES
from medspace.core.errors import WaitingError
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.space import ASSET, DICTIONARY, Holding, staged, table

SCRIPT = (
    "\"'><img src=x onerror=fell('M')><script>fell('M')</script>{{7777*7777}}</title></textarea>"
    "<a href=javascript:fell('M')>M"
)
PRODUCT = "60481729"  # what a template would make of it
SHOWN = {  # who is shown which words of somebody else
    "user": ("title", "description", "code", "keyword", "reason"),
    "clinic": ("name",),
    "authority": ("name",),
}
FIELDS = (  # of addresses
    *("search", "after", "id", "dataset", "participant", "agreement", "offer", "purpose", "place", "at", "format"),
    *("kind", "target", "feature", "group", "band_column", "bands", "thresholds", "layers", "time", "run", "example"),
)


def hostile(mark):
    return SCRIPT.replace("M", mark)


def quoted(mark):
    return hostile(mark).replace('"', '\\"')


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A clinic whose every text is an attack, and a user that looks at it."""
    told = DICTIONARY.replace("Invented heart patients", quoted("title"))
    told = told.replace("Age.", quoted("description")).replace('"female"', f'"{quoted("code")}"')
    more = f'description = "{quoted("description")}"\nkeywords = ["{quoted("keyword")}"]'
    with staged(tmp_path_factory.mktemp("scripts")) as stage:
        authority = stage.add("authority")
        manual = '[negotiations]\nanswers = "manual"'
        clinic = stage.add("clinic", Holding(table(1), dictionary=told, more=more), more=manual)
        clinic.file.write_text(clinic.file.read_text().replace('"Heart patients"', f'"{quoted("title")}"'))
        user = stage.add("user")
        stage.open()
        for node in (clinic, user):
            stage.space(authority.key).admit(node.did, name=hostile("name"), region="DE")
        for node in (clinic, user):
            stage.space(node.key).refresh()
        with pytest.raises(WaitingError):
            stage.space("user").negotiate(clinic.did, ASSET, wait=0.2)
        (waits,) = stage.space("clinic").negotiations()
        stage.space("clinic").answer(waits["id"], approve=False, reason=hostile("reason"))
        stage.space("clinic").new_account(hostile("name")[:100], ["steward"])
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def addresses(stage, key):
    """Every page, also with an attack in each field of its address, and those on what the clinic wrote."""
    paths = [page.path for feature in FEATURES if feature.pages for page in feature.pages().pages]
    paths = ["/", "/preferences", *(path for path in paths if "{" not in path)]
    query = "&".join(f"{name}={quote(hostile(name))}" for name in FIELDS)
    asked = [f"/catalogue/dataset?participant={quote(stage.nodes['clinic'].did)}&dataset={ASSET}"]
    asked += [f"/contracts/negotiation?id={quote(one['id'])}" for one in stage.space(key).negotiations()]
    return [*paths, *asked, *(f"{path}?{query}" for path in paths), "/" + quote(hostile("path"))]


@pytest.mark.parametrize("key", SHOWN)
def test_what_others_write_is_text(stage, browser, key):
    fallen, shown = [], ""
    with visiting(browser, f"http://localhost:{stage.nodes[key].config.private.port}") as seen:
        seen.context.expose_function("fell", lambda *said: fallen.append(said))
        seen.enter(stage.space(key).portal_link()["url"])
        for path in addresses(stage, key) if key == "user" else ["/", "/members", "/accounts", "/contracts"]:
            seen.open(path)
            page = seen.page.content()
            expect(seen.page.locator("main img, main script, [onerror], a[href^='javascript']"), path).to_have_count(
                0
            )
            assert PRODUCT not in page, path
            shown += page
        # that a page was refused stands on the console too
        seen.objections[:] = [one for one in seen.objections if not re.search("status of [45]..", one)]
    assert fallen == []
    for mark in SHOWN[key]:
        assert f"fell('{mark}')" in shown, mark


EVIL = "http://localhost:1"  # another port of this machine: browsers send the session there and from there
FORGED = """<form method="post" action="{portal}/portal/preferences"><input name="theme" value="dark"></form>
<iframe src="{portal}/portal/preferences"></iframe>"""


def test_a_page_of_another_port_neither_sends_a_form_nor_frames_a_page(stage, browser):
    portal = f"http://localhost:{stage.nodes['user'].config.private.port}"
    with visiting(browser, portal) as victim:
        victim.enter(stage.space("user").portal_link()["url"])
        body = FORGED.replace("{portal}", portal)
        victim.context.route(f"{EVIL}/", lambda route: route.fulfill(body=body, content_type="text/html"))
        victim.page.goto(f"{EVIL}/")
        framed = victim.page.frames[1]
        expect(framed.locator("form")).to_have_count(0)
        assert framed.url.startswith("chrome-error:")
        with victim.page.expect_response(f"{portal}/portal/preferences") as sent:
            victim.page.evaluate("document.forms[0].submit()")
        request = sent.value.request.all_headers()
        assert (sent.value.status, request["origin"]) == (403, EVIL)
        assert "__Host-medspace" in request["cookie"], "the cookie alone would have let it in"
        victim.page.get_by_text("portal.foreign_form").wait_for()
        victim.objections.clear()
        victim.open("/preferences")
        assert victim.page.locator("html").get_attribute("data-theme") is None
