"""The page of opt-outs in a real browser: a hospital asks anew, the authority sees who asked."""

import pytest

from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import ASSET, hospital, staged


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("optouts")) as stage:
        authority = stage.add("authority").did
        stage.add("clinic", hospital(credentials=[f"DataPermit@{authority}"], route="permit"))
        stage.open()
        stage.admit()
        yield stage


def test_a_hospital_sees_until_when_it_knows_and_asks_anew(stage):
    authority, clinic = stage.space("authority"), stage.space("clinic")
    clinic.follow_opt_outs(ASSET, "person", {f"p1-{number}": f"id {number}" for number in range(60)})
    authority.opt_persons_out(["id 1", "id 2"])
    with browsing() as browser:
        with visiting(browser, stage.nodes["clinic"].private_url.replace("127.0.0.1", "localhost")) as officer:
            officer.enter(clinic.portal_link()["url"])
            confirm(officer)
            officer.open("/optouts")
            officer.sees(ASSET)
            officer.suits()
            with officer.page.expect_navigation():
                officer.button("Ask anew").click()
            officer.suits()
        with visiting(browser, stage.nodes["authority"].private_url.replace("127.0.0.1", "localhost")) as keeper:
            keeper.enter(authority.portal_link()["url"])
            keeper.open("/optouts")
            keeper.sees("Opted out: 2; version 2")
            keeper.sees("Clinic")
            keeper.suits()
    (found,) = clinic.followed_opt_outs()
    assert found["out"] == 2
