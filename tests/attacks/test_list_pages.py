"""Lists come by pages: what is read at once does not grow with the table, and a page misses and repeats nothing."""

import json
from types import SimpleNamespace

import httpx
import pytest

from medspace.app.node.lists import LARGEST_PAGE, PageError, PageRequest
from medspace.connector.negotiation.rules import NegotiationMessage
from medspace.sdk import Space
from medspace.trust.model import Caller
from tests.routers import management
from tests.unit.connector.parties import Network, Party
from tests.unit.connector.test_negotiation import request

MANY = 2 * LARGEST_PAGE + 7


class Counted:
    """A database that says the largest number of records that was read at once."""

    def __init__(self, database):
        self._database, self.most = database, 0

    async def read(self, view):
        found = await self._database.read(view)
        self.most = max(self.most, len(found) if isinstance(found, list) else 1)
        return found

    def __getattr__(self, name):
        return getattr(self._database, name)


@pytest.fixture
async def hospital():
    """A hospital with many negotiations, all begun in one instant."""
    party = Party("hospital", Network())
    party.negotiating.reactions = {}
    for number in range(MANY):
        await party.negotiations.open(
            Caller("did:web:c.example", "t"), request(f"urn:c:{number}"), NegotiationMessage.REQUEST
        )
    return party


@pytest.fixture
def client(hospital):
    async def negotiations(page):
        return await hospital.negotiations.recent(after=page.cursor(), limit=page.limit)

    transport = httpx.ASGITransport(management(SimpleNamespace(negotiations=negotiations)))
    return httpx.AsyncClient(transport=transport, base_url="http://x")


async def test_pages_hold_everything_once_also_what_is_of_one_instant(client):
    seen, after = [], ""
    while True:
        page = (await client.get("/negotiations", params={"after": after, "limit": 50})).json()
        seen += [one["id"] for one in page["negotiations"]]
        assert len(page["negotiations"]) <= 50
        after = page["next"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == MANY


@pytest.mark.parametrize("limit", [0, -1, LARGEST_PAGE + 1, 10**9])
async def test_a_page_is_no_larger_than_the_largest(client, limit):
    assert (await client.get("/negotiations", params={"limit": limit})).status_code == 400
    assert len((await client.get("/negotiations")).json()["negotiations"]) == LARGEST_PAGE


@pytest.mark.parametrize("after", ["x", " ", "2026-01-01T00:00:00Z", "\0"])
async def test_what_names_no_place_is_said(client, after):
    answered = await client.get("/negotiations", params={"after": after})
    code = "request.invalid" if after == "\0" else PageError.code  # no address has that character
    assert (answered.status_code, answered.json()["code"]) == (400, code)
    with pytest.raises(PageError):
        PageRequest(after=after).cursor()


async def test_what_is_read_at_once_is_a_page(hospital, attack_report):
    counted = Counted(hospital.database)
    object.__setattr__(hospital.negotiations, "database", counted)
    await hospital.negotiations.recent(limit=LARGEST_PAGE)
    got = counted.most
    assert got == LARGEST_PAGE
    await hospital.negotiations.recent(limit=10**6)  # the control: without a page, everything
    attack_report("lists: records read at once", got=got, control=counted.most, of=MANY, unit="records")
    assert counted.most == MANY


def test_the_sdk_follows_the_pages_as_far_as_it_is_asked():
    asked = []

    def answer(request_):
        after = int(request_.url.params.get("after", "0"))
        asked.append(after)
        found = [{"id": str(number)} for number in range(after, after + 10)]
        return httpx.Response(200, content=json.dumps({"negotiations": found, "next": str(after + 10)}))

    space = Space("http://127.0.0.1:1/", "secret")
    space._http.close()
    space._http = httpx.Client(base_url=space.url, transport=httpx.MockTransport(answer))
    assert [one["id"] for one in space.negotiations(most=25)] == [str(number) for number in range(25)]
    assert asked == [0, 10, 20]
