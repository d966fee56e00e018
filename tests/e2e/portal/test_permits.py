"""The pages of data permits and credentials in a real browser: applied for, granted, read by the public, shown."""

import time

import pytest

from medspace.app.doors.sdk import SpaceError
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import ASSET, PURPOSE, staged

PATIENCE = 60.0
ASKED = {
    "Title": "What predicts heart disease",
    "Summary, in words for the public": "A model from the records of several hospitals.",
    "Dataset": ASSET,
    "People who will work with the data, one a line": "Ada Example",
    "Purpose, such as ehds:HealthcareScientificResearch": PURPOSE,
    "First day, such as 2027-01-01": "2026-01-01",
    "Last day, such as 2027-12-31": "2029-12-31",
    "How the data are protected": "Only sums leave.",
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("permits")) as stage:
        stage.add("body")  # the authority too
        stage.add("user")
        stage.open()
        stage.admit()
        stage.space("body").believe("DataPermit", [stage.nodes["body"].did])
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def seen(look):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if found := look():
                return found
        except SpaceError:
            pass
        assert time.monotonic() < end
        time.sleep(0.1)


def entered(stage, browser, key):
    return visiting(browser, f"http://localhost:{stage.nodes[key].config.private.port}")


def test_a_researcher_applies_and_the_access_body_grants(stage, browser):
    body = stage.nodes["body"].did
    with entered(stage, browser, "user") as person:
        person.enter(stage.space("user").portal_link()["url"])
        confirm(person)
        person.open("/permits/apply")
        for name, text in {
            **ASKED,
            "Access body, by DID": body,
            "Data holder, by DID": stage.nodes["user"].did,
        }.items():
            person.page.get_by_label(name, exact=True).fill(text)
        person.suits()
        with person.page.expect_navigation():
            person.button("Apply").click()
        person.sees("the access body decides")
        person.suits()
        person.open("/permits")
        person.sees("What predicts heart disease")
        person.suits()
    (case,) = [one["id"] for one in seen(stage.space("body").permits)]
    with entered(stage, browser, "body") as officer:
        officer.enter(stage.space("body").portal_link()["url"])
        confirm(officer)
        officer.open(f"/permits/case?case={case}")
        officer.page.get_by_label("Reasons, in words for the public").fill("It serves science.")
        officer.suits()
        with officer.page.expect_navigation():
            officer.button("Grant").click()
        officer.sees("It serves science.")
        officer.open("/permits/register")
        officer.sees("It serves science.")
        officer.suits()
        seen(lambda: stage.space("user").received_credentials())
        officer.open("/credentials")
        officer.sees("DataPermit")
        officer.suits()
    assert stage.space("body").permit(case)["state"] == "granted"
