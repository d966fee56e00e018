"""Catalogues of others: pages followed, refusals told, odd datasets shown as far as they go."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from medspace.app.api.bodies import json_response
from medspace.app.finding import (
    AwayError,
    Budget,
    CatalogRefusedError,
    CatalogTooLargeError,
    Finder,
    NoConnectorError,
    catalog_base,
    listed,
    matching,
)
from medspace.connector.catalogue.rules import DICTIONARY
from medspace.connector.errors import UnknownDatasetError
from medspace.connector.ports import Reply

DID = "did:web:clinic.example"
BASE = "https://clinic.example/dsp"


class Peer:
    """Answers with the replies it was given, and serves as the documents of everybody."""

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    async def document(self, did):
        return SimpleNamespace(id=did, services=[SimpleNamespace(endpoint=f"{BASE}/catalog")])

    async def post(self, url, _message, _did):
        self.asked.append(url)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def get(self, url, did):
        return await self.post(url, {}, did)


def finder(*replies, budget=None):
    peer = Peer(*replies)
    return Finder(peer, peer, budget), peer


async def test_every_page_is_read():
    found, peer = finder(
        Reply(200, {"dataset": [{"@id": "a"}, "odd"]}, f"{BASE}/next"), Reply(200, {"dataset": {"@id": "b"}})
    )
    assert [d["id"] for d in await found.catalog(DID)] == ["a", "b"]
    assert peer.asked == [f"{BASE}/catalog/request", f"{BASE}/next"]


PAGE = {"dataset": [{"@id": "a"}, {"@id": "b"}]}


@pytest.mark.parametrize(
    "budget", [Budget(pages=2), Budget(total=25), Budget(datasets=5), Budget(pages=2, total=10**9)]
)
async def test_a_catalogue_without_end_is_read_so_far_and_no_farther(budget):
    found, peer = finder(*[Reply(200, PAGE, f"{BASE}/next", size=10)] * 5, Reply(200, PAGE), budget=budget)
    with pytest.raises(CatalogTooLargeError):
        await found.catalog(DID)
    assert len(peer.asked) <= 3
    datasets, problems = await finder(*[Reply(200, PAGE, f"{BASE}/next", size=10)] * 5, budget=budget)[0].everywhere(
        [DID]
    )
    assert (datasets, [p["code"] for p in problems]) == ([], ["find.too_large"])


async def test_within_the_budget_the_same_catalogue_is_read():
    found, _ = finder(*[Reply(200, PAGE, f"{BASE}/next", size=10)] * 5, Reply(200, PAGE))
    assert len(await found.catalog(DID)) == 12


async def test_a_catalogue_that_takes_for_ever_is_given_up():
    class Silent(Peer):
        async def post(self, url, _message, _did):
            await asyncio.Event().wait()

    peer = Silent()
    with pytest.raises(CatalogTooLargeError):
        await Finder(peer, peer, Budget(seconds=0.05)).catalog(DID)


async def test_what_is_kept_of_a_page_is_text():
    heavy = {"@id": "a", "hasPolicy": [{"@id": "o"}], DICTIONARY: {"@type": "@json", "@value": {"x": {}}}}
    (shown,) = await finder(Reply(200, {"dataset": [heavy]}))[0].catalog(DID)
    assert json.loads(json_response(shown).body) == listed(DID, heavy)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(503, {"code": "later"}), AwayError),
        (Reply(403, {"code": "no", "reason": ["No."]}), CatalogRefusedError),
        (Reply(200, ["odd"]), CatalogRefusedError),
    ],
)
async def test_who_shows_nothing_is_told_apart(reply, error):
    with pytest.raises(error):
        await finder(reply)[0].catalog(DID)


async def test_one_dataset():
    assert await finder(Reply(200, {"@id": "a"}))[0].dataset(DID, "a") == {"@id": "a"}
    with pytest.raises(UnknownDatasetError):
        await finder(Reply(404, {}))[0].dataset(DID, "a")


async def test_everywhere_goes_on_without_who_is_away_but_hides_no_bug():
    datasets, problems = await finder(Reply(200, {"dataset": [{"@id": "a"}]}))[0].everywhere([DID])
    assert ([d["id"] for d in datasets], problems) == (["a"], [])
    datasets, problems = await finder(Reply(503, {}))[0].everywhere([DID])
    assert (datasets, [p["code"] for p in problems]) == ([], ["find.away"])
    with pytest.raises(ZeroDivisionError):
        await finder(ZeroDivisionError())[0].everywhere([DID])


def test_odd_datasets_and_documents():
    shown = listed(DID, {"title": ["x"], "keyword": "one", "distribution": "odd", "hasPolicy": [1, {"@id": "o"}]})
    assert (shown["title"], shown["keywords"], shown["formats"], shown["offers"]) == ("", ["one"], [], [{"@id": "o"}])
    assert matching("ONE")(shown)
    assert not matching("one two")(shown)
    with pytest.raises(NoConnectorError):
        catalog_base(SimpleNamespace(id=DID, services=[SimpleNamespace(endpoint="https://x.example")]))
