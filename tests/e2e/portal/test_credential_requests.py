"""The page of requests for credentials in a real browser: one granted, one refused, nobody waits after that."""

import pytest

from medspace.services.credentials.model import MADE
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import staged

TYPE = "ResearcherAccreditation"
DCP = "[credentials]\ndcp = true"
ISSUED = f'\n[[credentials.issued]]\ntype = "{TYPE}"\nstated = ["field"]\n'


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("requests")) as stage:
        stage.add("board", more=DCP + ISSUED)  # the authority too
        stage.add("user", more=DCP)
        stage.open()
        stage.admit()
        stage.space("board").believe(TYPE, [stage.nodes["board"].did])
        assert stage.space("user").refresh_issuers()["issuers"]
        yield stage


def settled(stage, request):
    node = stage.nodes["user"].connector.node

    async def look():
        found = await node.database.read(lambda tx: tx.get(MADE, request))
        return found if found.state != "RECEIVED" else None

    return stage.run(node.changes.until(look, 20, MADE.topic()))


def test_a_person_grants_one_request_and_refuses_another(stage):
    user, board = stage.space("user"), stage.nodes["board"]
    first, second = [user.request_credential(board.did, TYPE)["id"] for _ in range(2)]
    with browsing() as browser, visiting(browser, f"http://localhost:{board.config.private.port}") as officer:
        officer.enter(stage.space("board").portal_link()["url"])
        officer.sees("2 requests for credentials wait")
        confirm(officer)
        officer.open("/credentials/requests")
        officer.suits()
        officer.page.get_by_label("What the credential says of field").first.fill("cardiology")
        with officer.page.expect_navigation():
            officer.button("Grant").first.click()
        officer.page.get_by_label("Why not, in words for who asks").fill("The board meets in May.")
        with officer.page.expect_navigation():
            officer.button("Refuse").click()
        officer.sees("Nobody waits for a decision.")
        officer.suits()
    assert settled(stage, first).state == "ISSUED"
    refused = settled(stage, second)
    assert (refused.state, refused.reason) == ("REJECTED", "The board meets in May.")
    (entry,) = stage.entries("board", "credential.refused")
    assert entry["facts"]["by"].startswith("actor:")
