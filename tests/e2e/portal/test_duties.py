"""The page of duties in a real browser: what is owed, what was kept; given up by the holder, done by the user."""

import time

import pytest

from tests.e2e.portal.browser import WIDTHS, browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import TASK, hospital, staged

PATIENCE = 60.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("duties")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(delete_within=30, report_within=7))
        stage.add("user")
        stage.open()
        stage.admit()
        agreement = stage.agree("user", "clinic")
        for number in (1.0, 2.0):
            stage.space("user").train(TASK | {"l2": number}, [agreement], wait=60)
        end = time.monotonic() + PATIENCE
        while len(stage.space("clinic").duties(state="kept")) < 2:
            assert time.monotonic() < end
            time.sleep(0.1)
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def entered(stage, browser, key):
    return visiting(browser, f"http://localhost:{stage.nodes[key].config.private.port}")


def test_the_holder_sees_what_was_kept_and_gives_up_what_it_likes(stage, browser):
    with entered(stage, browser, "clinic") as owner:
        owner.enter(stage.space("clinic").portal_link()["url"])
        confirm(owner)
        owner.open("/duties")
        told = owner.page.locator("main").inner_text()
        assert "within 30 days of the end of each use" in told
        assert told.count("kept") >= 2
        assert owner.violations() == []
        with owner.page.expect_navigation():
            owner.page.get_by_role("button", name="Waive").first.click()
        owner.page.get_by_text("waived").first.wait_for()
        assert len(stage.space("clinic").duties(state="waived")) == 1
        for width in WIDTHS:
            owner.page.set_viewport_size({"width": width, "height": 900})
            owner.open("/duties")
            assert not owner.overflows(), width


def test_the_user_does_it_now(stage, browser):
    with entered(stage, browser, "user") as user:
        user.enter(stage.space("user").portal_link()["url"])
        confirm(user)
        user.open("/duties?role=consumer")
        with user.page.expect_navigation():
            user.page.get_by_role("button", name="Do it now").first.click()
        done = [one for one in stage.space("user").duties(state="kept") if one["action"] == "delete"]
        assert len(done) == 1
        assert user.violations() == []
