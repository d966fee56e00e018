"""The portal without its connector, in a real browser: a page says so, and nothing of anybody's is kept."""

import pytest
from playwright.sync_api import expect

from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.space import hospital, staged

PAGES = ("/", "/contracts", "/catalogue", "/accounts", "/preferences", "/training")
KEPT = """async () => {
  const found = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      found.push([new URL(request.url).pathname, await (await cache.match(request)).text()]);
    }
  }
  return found;
}"""
READY = "navigator.serviceWorker.ready.then((found) => found.active.state)"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("offline")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital())
        stage.add("user")
        stage.open()
        stage.admit()
        stage.agree("user", "clinic")
        yield stage


@pytest.fixture
def owner(stage):
    origin = f"http://localhost:{stage.nodes['user'].config.private.port}"
    with browsing() as browser, visiting(browser, origin) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        owner.page.evaluate(READY)
        yield owner


def foreign(kept):
    """What is in a cache and is neither a file nor the page for everybody."""
    return [path for path, _ in kept if not path.startswith("/portal/static/") and path != "/portal/offline"]


def test_no_page_behind_the_sign_in_is_in_any_cache(stage, owner):
    token = owner.page.locator("meta[name='form-token']").get_attribute("content")
    for path in PAGES:
        owner.open(path)
    owner.page.reload()
    kept = owner.page.evaluate(KEPT)
    assert len(kept) > 5
    assert foreign(kept) == []
    secrets = [token, stage.nodes["clinic"].did, *(one["value"] for one in owner.context.cookies())]
    assert not any(secret in text for _, text in kept for secret in secrets)
    owner.page.evaluate("caches.open('x').then((cache) => cache.add('/portal/contracts'))")
    assert foreign(owner.page.evaluate(KEPT)) == ["/portal/contracts"], "a control: it would be found"


def test_without_a_connection_a_page_says_so_and_with_one_all_is_as_before(owner):
    owner.open("/contracts")
    owner.context.set_offline(True)
    owner.page.goto(f"{owner.url}/portal/catalogue")
    owner.page.get_by_role("heading", name="The connector cannot be reached").wait_for()
    expect(owner.page.get_by_text("无法连接到连接器")).to_be_visible()
    assert owner.page.evaluate("getComputedStyle(document.querySelector('.button.main')).fontWeight") == "600"
    assert owner.violations() == []
    owner.context.set_offline(False)
    owner.page.get_by_role("link", name="Try again").click()
    owner.page.get_by_role("heading", name="Now").wait_for()
    owner.objections[:] = [one for one in owner.objections if "ERR_INTERNET_DISCONNECTED" not in one]


def test_signing_out_leaves_no_worker_and_no_cache(owner):
    owner.page.get_by_role("button", name="Sign out").click()
    owner.page.wait_for_url("**/portal/sign-in*")
    assert owner.page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    assert owner.page.evaluate(KEPT) == []


def test_the_portal_can_be_installed(owner):
    found = owner.context.new_cdp_session(owner.page).send("Page.getAppManifest")
    assert (found["errors"], '"display":"standalone"' in found["data"].replace(" ", "")) == ([], True)
