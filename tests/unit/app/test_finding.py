"""Catalogues of others: pages followed, refusals told, odd datasets shown as far as they go."""

from types import SimpleNamespace

import pytest

from medspace.app.finding import (
    AwayError,
    CatalogRefusedError,
    Finder,
    NoConnectorError,
    catalog_base,
    listed,
    matching,
)
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


def finder(*replies):
    peer = Peer(*replies)
    return Finder(peer, peer), peer


async def test_every_page_is_read():
    found, peer = finder(
        Reply(200, {"dataset": [{"@id": "a"}, "odd"]}, f"{BASE}/next"), Reply(200, {"dataset": {"@id": "b"}})
    )
    assert [d["@id"] for d in await found.catalog(DID)] == ["a", "b"]
    assert peer.asked == [f"{BASE}/catalog/request", f"{BASE}/next"]


async def test_endless_pages_end(monkeypatch):
    monkeypatch.setattr("medspace.app.finding.MOST_PAGES", 2)
    found, peer = finder(*[Reply(200, {"dataset": []}, f"{BASE}/next")] * 3)
    assert await found.catalog(DID) == []
    assert len(peer.asked) == 2


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
