"""Catalogues of others: pages followed, refusals told, odd datasets shown as far as they go."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from medspace.adapters.system import SystemClock
from medspace.app.doors.bodies import json_response
from medspace.connector.catalogue.facets import facts_of
from medspace.connector.catalogue.finding import (
    AwayError,
    Budget,
    CatalogRefusedError,
    CatalogTooLargeError,
    ClockError,
    Finder,
    NoConnectorError,
    UnreadyError,
    catalog_base,
    listed,
)
from medspace.connector.catalogue.pace import paced
from medspace.connector.catalogue.pages import MOST_VALUES, PeerPage, UnreadablePageError
from medspace.connector.catalogue.rules import DICTIONARY
from medspace.connector.errors import UnknownDatasetError, UnreachableError
from medspace.connector.ports import Reply

DID = "did:web:clinic.example"
BASE = "https://clinic.example/dsp"


class Peer:
    """Answers with the replies it was given, and serves as the documents of everybody."""

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    async def document(self, did):
        return SimpleNamespace(id=did, services=[SimpleNamespace(endpoint=f"{BASE}/catalog")])

    async def get(self, url, _did):
        self.asked.append(url)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def page(self, url, _message, did):
        reply = await self.get(url, did)
        return replace(reply, body=None, packed=json.dumps(reply.body).encode()) if reply.status == 200 else reply


def finder(*replies, budget=None):
    peer = Peer(*replies)
    return Finder(peer, peer, budget, clock=SystemClock()), peer


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
    assert (datasets, [error.code for _, error in problems]) == ([], ["find.too_large"])


async def test_within_the_budget_the_same_catalogue_is_read():
    found, _ = finder(*[Reply(200, PAGE, f"{BASE}/next", size=10)] * 5, Reply(200, PAGE))
    assert len(await found.catalog(DID)) == 12


async def test_a_catalogue_that_takes_for_ever_is_given_up():
    class Silent(Peer):
        async def page(self, url, _message, _did):
            await asyncio.Event().wait()

    peer = Silent()
    with pytest.raises(CatalogTooLargeError):
        await Finder(peer, peer, Budget(seconds=0.05), clock=SystemClock()).catalog(DID)


async def test_what_is_kept_of_a_page_is_text():
    heavy = {"@id": "a", "hasPolicy": [{"@id": "o"}], DICTIONARY: {"@type": "@json", "@value": {"x": {}}}}
    (shown,) = await finder(Reply(200, {"dataset": [heavy]}))[0].catalog(DID)
    assert json.loads(json_response(shown).body) == listed(DID, heavy)


@pytest.mark.parametrize(
    "odd", ["", "[", "null", '{"dataset": [{"@id": "a"}, {"@id" 1}]}', "[" * 100_000, '"\ud800"']
)
def test_a_page_that_is_no_catalogue_is_unreadable(odd):
    with pytest.raises(UnreadablePageError):
        list(PeerPage(odd.encode("utf-8", "surrogatepass")))


@pytest.mark.parametrize("member", ["dataset", "@context"])
async def test_what_takes_long_to_decode_is_not_decoded(member):
    heavy = {"@id": "a", "x": [[[]]] * (MOST_VALUES // 3)}
    with pytest.raises(CatalogTooLargeError):
        await finder(Reply(200, {member: heavy}))[0].catalog(DID)
    heavy["x"].pop()
    await finder(Reply(200, {member: heavy}))[0].catalog(DID)


async def test_no_dataset_but_those_that_are_objects():
    for none in ({}, {"dataset": None}, {"dataset": []}, {"dataset": ["odd", 1, None]}, {"dataset": "odd"}):
        assert await finder(Reply(200, none))[0].catalog(DID) == []
    for one in ({"dataset": {"@id": "a"}}, {"dcat:dataset": [{"@id": "a"}]}):
        assert [d["id"] for d in await finder(Reply(200, one))[0].catalog(DID)] == ["a"]


async def test_datasets_are_read_under_the_contexts_of_their_page():
    page = {
        "@context": [{"permission": "https://other.example/"}],
        "dataset": [{"@id": "a", "hasPolicy": {"permission": []}}],
    }
    (shown,) = await finder(Reply(200, page))[0].catalog(DID)
    assert json.loads(bytes(shown["offers"]))[0]["@context"] == page["@context"]


async def test_others_have_their_turn_while_a_large_page_is_read():
    turns = 0

    async def others():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    waiting = asyncio.create_task(others())
    page = {"dataset": [{"@id": str(number), "hasPolicy": [{"@id": "o"}]} for number in range(5_000)]}
    assert len(await finder(Reply(200, page))[0].catalog(DID)) == 5_000
    waiting.cancel()
    assert turns > 5  # the page takes more than ten turns of 2 ms


async def test_long_work_is_done_in_turns_and_in_order():
    resting = []

    def work():
        for number in range(5):
            resting.append(False)
            yield number

    async def others():
        while len(resting) < 5:
            resting.append(True)
            await asyncio.sleep(0)

    waiting = asyncio.create_task(others())
    assert await paced(work(), turn=0.0) == [0, 1, 2, 3, 4]
    await waiting
    assert resting[:2] == [False, True]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(503, {"code": "later"}), UnreadyError),
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
    assert (datasets, [error.code for _, error in problems]) == ([], ["find.unready"])
    with pytest.raises(ZeroDivisionError):
        await finder(ZeroDivisionError())[0].everywhere([DID])


def test_odd_datasets_and_documents():
    shown = listed(DID, {"title": ["x"], "keyword": "one", "distribution": "odd", "hasPolicy": [1, {"@id": "o"}]})
    assert (shown["title"], shown["keywords"], shown["formats"], shown["offers"]) == ("", ["one"], [], [{"@id": "o"}])
    with pytest.raises(NoConnectorError):
        catalog_base(SimpleNamespace(id=DID, services=[SimpleNamespace(endpoint="https://x.example")]))


VERSIONS = "https://clinic.example/some/path/.well-known/dspace-version"


class VersionedPeer(Peer):
    """Its DID document names a version document below a path, and no catalogue."""

    async def document(self, did):
        return SimpleNamespace(id=did, services=[SimpleNamespace(endpoint=VERSIONS)])


@pytest.mark.parametrize(
    ("entries", "base"),
    [
        ([{"version": "2025-1", "path": "/2025-1", "binding": "HTTPS"}], "/some/path/2025-1"),
        ({"version": "2025-1", "path": "/2025-1/", "binding": "HTTPS"}, "/some/path/2025-1"),
        ([{"version": "v0.8", "path": "/"}, {"version": "2025-1", "path": "/"}], "/some/path"),
        ([{"version": "2024/1", "path": "/2024/1"}, {"version": "2025-1", "path": ""}], "/some/path"),
    ],
)
async def test_the_protocol_is_found_by_a_version_document_below_a_path(entries, base):
    peer = VersionedPeer(Reply(200, {"protocolVersions": entries}))
    assert await Finder(peer, peer, clock=SystemClock()).address(DID) == f"https://clinic.example{base}"
    assert peer.asked == [VERSIONS]


@pytest.mark.parametrize(
    "entries",
    [
        None,
        [],
        "2025-1",
        [{"version": "2024/1", "path": "/2024/1"}],
        [{"version": "2025-1", "path": "/x", "binding": "GRPC"}],
        *[
            [{"version": "2025-1", "path": path}]
            for path in (
                "/../x",
                "//other.example/x",
                "@other.example/",
                ".other.example",
                "/x?y",
                "/x#y",
                "x",
                7,
                None,
            )
        ],
    ],
)
async def test_a_version_document_without_this_protocol_names_nobody(entries):
    peer = VersionedPeer(Reply(200, {"protocolVersions": entries}))
    with pytest.raises(NoConnectorError):
        await Finder(peer, peer, clock=SystemClock()).address(DID)


async def test_a_version_document_that_does_not_come_is_said():
    for reply, error in ((Reply(503), AwayError), (UnreachableError(address="x", reason="x"), AwayError)):
        peer = VersionedPeer(reply)
        with pytest.raises(error):
            await Finder(peer, peer, clock=SystemClock()).address(DID)


@pytest.mark.parametrize("rules", [{}, {"permission": []}, {"permission": None, "obligation": [{"action": "x"}]}])
def test_an_offer_without_a_rule_is_shown_with_its_flaw(rules):
    offers = [{"@id": "bare", **rules}, {"@id": "good", "permission": {"action": "use"}}]
    shown = listed(DID, {"@id": "a", "hasPolicy": offers})
    assert shown["offers"] == [offers[0], {"@id": "good", "permission": [{"action": "use"}]}]
    assert [(flaw["offer"], flaw["code"]) for flaw in shown["unusable"]] == [("bare", "find.ruleless")]
    assert "Nobody can agree" in shown["unusable"][0]["sentence"]


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"@id": {"x": "y"}, "keyword": {"a": 1}, "hasPolicy": [[]], "distribution": ["x", {"format": {"y": 1}}]},
        {"@id": None, "title": [], "description": {}, "dct:title": {"@language": "de"}, "hasPolicy": {"@id": []}},
        {"@id": "a", "hasPolicy": [{"permission": 7}, None, 3], "distribution": None, "keyword": [None, ["x"]]},
    ],
)
def test_no_dataset_is_so_odd_that_a_page_fails(odd):
    shown = listed(DID, odd)
    assert all(isinstance(shown[name], str) for name in ("id", "title", "description"))
    assert facts_of(shown).values["holder"] == (DID,)


def test_members_of_other_makes_are_read_where_ours_are_not_there():
    shown = listed(
        DID,
        {
            "id": "a",
            "edc:name": "An asset",
            "dct:description": {"@value": "Long", "@language": "en"},
            "dcat:keyword": "heart",
            "dcat:distribution": {"dct:format": {"@id": "HttpData-PULL"}},
            "odrl:hasPolicy": {"@id": "o", "permission": {"action": "use"}},
        },
    )
    assert (shown["id"], shown["title"], shown["description"]) == ("a", "An asset", "Long")
    assert (shown["keywords"], shown["formats"], shown["unusable"]) == (["heart"], ["HttpData-PULL"], [])


async def test_a_refusal_by_clocks_that_differ_says_by_how_much():
    behind = datetime.now(UTC) - timedelta(seconds=60)
    for reply in (Reply(401, {"code": "identity.premature"}, date=behind), Reply(403, None, date=behind)):
        with pytest.raises(ClockError, match=r"Our clock is \d+ s ahead") as refused:
            await finder(reply)[0].catalog(DID)
        assert "doctor" in str(refused.value.advice)
    with pytest.raises(CatalogRefusedError):
        await finder(Reply(401, {"code": "identity.key"}, date=datetime.now(UTC)))[0].catalog(DID)
