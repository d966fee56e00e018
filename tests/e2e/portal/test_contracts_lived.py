"""Pages of contracts as people live with them: what one could use, and an agreement renewed on what was seen."""

import pytest

from tests.e2e.portal.browser import WIDTHS, browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import ASSET, hospital, staged


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("lived")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(until="2029-06-30T00:00:00Z"))
        stage.add("user")
        stage.open()
        stage.admit()
        stage.agree("user", "clinic")
        file = stage.nodes["clinic"].file
        file.write_text(file.read_text().replace("2029-06-30", "2030-06-30"))
        clinic = stage.space("clinic")
        clinic.reload_offers(seen=clinic.reload_offers(dry=True)["seen"])
        yield stage


@pytest.fixture(scope="module")
def owner(stage):
    with browsing() as browser:
        address = f"http://localhost:{stage.nodes['user'].config.private.port}"
        with visiting(browser, address) as owner:
            owner.enter(stage.space("user").portal_link()["url"])
            confirm(owner)
            yield owner


def test_what_one_could_use_is_found_before_anybody_is_asked(owner):
    owner.open("/catalogue/could?use=medspace:train&place=SG")
    owner.page.get_by_role("heading", name="Heart patients").wait_for()
    assert owner.violations() == []
    owner.open("/catalogue/could?use=medspace:statistics")
    assert "policy.no_permission" in owner.page.locator("main").inner_text()
    for width in WIDTHS:
        owner.page.set_viewport_size({"width": width, "height": 900})
        owner.open("/catalogue/could?use=medspace:train")
        assert not owner.overflows(), width


def test_an_agreement_is_renewed_on_the_terms_that_were_shown(stage, owner):
    (agreement,) = stage.space("user").agreements()
    owner.open(f"/contracts/agreement?id={agreement['id']}")
    owner.page.get_by_role("link", name="Renew or amend it").click()
    owner.page.get_by_text("Only until 2030-06-30").wait_for()
    assert "allows more" in owner.page.locator("main").inner_text()
    assert owner.violations() == []
    with owner.page.expect_navigation():
        owner.page.get_by_role("button", name="Sign it beside").click()
    owner.page.get_by_text(ASSET).first.wait_for()
    found = stage.space("user")._wait(f"/negotiations/{stage.space('user').negotiations()[0]['id']}", 60, None)
    assert found["state"] == "FINALIZED"
    assert len(stage.space("user").agreements()) == 2


def test_an_amendment_is_proposed_and_the_agreement_before_refers_to_it(stage, owner):
    user = stage.space("user")
    first = next(one for one in user.agreements() if one["until"].startswith("2029"))
    owner.open(f"/contracts/renewal?id={first['id']}")
    with owner.page.expect_navigation():
        owner.page.get_by_role("button", name="Propose it in place").click()
    owner.page.get_by_role("heading", name="What it changes").wait_for()
    user._wait(f"/negotiations/{user.negotiations()[0]['id']}", 60, None)
    owner.open(f"/contracts/agreement?id={first['id']}")
    owner.page.get_by_text("Another agreement took its place").wait_for()
    assert owner.violations() == []
    owner.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    assert not owner.overflows()


def test_an_agreement_is_ended_for_a_cause(stage, owner):
    user = stage.space("user")
    one = next(one for one in user.agreements() if one["in_force"])
    owner.open(f"/contracts/agreement?id={one['id']}")
    owner.page.get_by_label("Cause").select_option("no-need")
    with owner.page.expect_navigation():
        owner.page.get_by_role("button", name="End this agreement").click()
    owner.page.get_by_text("The data are not needed any more.").wait_for()
    assert owner.violations() == []
