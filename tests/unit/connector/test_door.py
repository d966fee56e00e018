"""The protocol over HTTP (in one process): statuses, error bodies, authentication, and strict output."""

import asyncio

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from medspace.app.doors.protocol.endpoints import BASE, ProtocolEndpoints, protocol_routes
from medspace.connector.catalogue.service import Catalogue, publish
from medspace.connector.errors import CallbackError
from medspace.connector.model import AGREEMENTS, Agreement, Dataset, Reaction
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.errors import StorageError, StorageFullError
from medspace.core.text import Text
from medspace.trust.errors import TokenMissingError
from medspace.trust.model import Caller
from tests.protocol import schemas
from tests.unit.connector.parties import CONTEXT, OFFER, settle, until

ASSET = "urn:asset:1"
ME = "did:web:c.example"
needs_schemas = pytest.mark.skipif(not schemas.available(), reason=schemas.MISSING)


async def authenticate(header):
    if header is None:
        raise TokenMissingError
    return Caller(header.removeprefix("Bearer "), "t")


def app_of(party):
    door = ProtocolEndpoints(
        authenticate,
        Catalogue(party.database, party.local),
        party.negotiations,
        party.transfers,
        party.dispatcher,
    )
    return Starlette(routes=protocol_routes(door))


@pytest.fixture
async def client(provider):
    provider.negotiating.reactions = {}
    transport = httpx.ASGITransport(app_of(provider))
    headers = {"Authorization": f"Bearer {ME}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
        yield client


def body(kind, **members):
    return {"@context": CONTEXT, "@type": kind, **members}


def request(**members):
    fields = {
        "consumerPid": "urn:c:1",
        "offer": {**OFFER, "target": ASSET},
        "callbackAddress": "https://nowhere.example",
    }
    return body("ContractRequestMessage", **{**fields, **members})


def use(**members):
    fields = {
        "consumerPid": "urn:c:1",
        "agreementId": "urn:g:1",
        "format": "medspace:train",
        "callbackAddress": "https://nowhere.example",
    }
    return body("TransferRequestMessage", **{**fields, **members})


async def agree(party):
    made = Agreement("urn:g:1", "none", party.did, ME, ASSET, {}, "sha256:0", "", "")
    await party.database.write(lambda tx: tx.insert(AGREEMENTS, made))


def fine(answer, status):
    assert answer.status_code == status, answer.text
    assert schemas.faults(answer.json()) == []
    return answer.json()


async def test_the_version_document_needs_no_token(client):
    answer = await client.get("/.well-known/dspace-version", headers={"Authorization": ""})
    (version,) = answer.json()["protocolVersions"]
    assert (version["version"], version["path"], version["binding"]) == ("2025-1", BASE, "HTTPS")


PATHS = [
    ("POST", "/catalog/request"),
    ("GET", "/catalog/datasets/urn:asset:1"),
    ("POST", "/negotiations/request"),
    ("POST", "/negotiations/offers"),
    ("GET", "/negotiations/x"),
    *[
        ("POST", f"/negotiations/x/{end}")
        for end in ("request", "offers", "events", "agreement", "agreement/verification", "termination")
    ],
    ("POST", "/transfers/request"),
    ("GET", "/transfers/x"),
    *[("POST", f"/transfers/x/{end}") for end in ("start", "suspension", "completion", "termination")],
]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_nobody_unknown_gets_an_answer(provider, method, path):
    transport = httpx.ASGITransport(app_of(provider))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as stranger:
        answer = await stranger.request(method, BASE + path, json=request() if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.json()["code"] == "identity.missing"
    assert await provider.negotiations.recent() == []


async def test_a_request_is_answered_with_201_once(client):
    first = fine(await client.post(f"{BASE}/negotiations/request", json=request()), 201)
    again = fine(await client.post(f"{BASE}/negotiations/request/", json=request()), 200)
    assert first == again
    assert first["state"] == "REQUESTED"
    shown = fine(await client.get(f"{BASE}/negotiations/{first['providerPid']}"), 200)
    assert shown == first


async def test_errors_have_code_and_reason_and_both_pids(client):
    made = (await client.post(f"{BASE}/negotiations/request", json=request())).json()
    pid = made["providerPid"]
    pids = {"providerPid": pid, "consumerPid": "urn:c:1"}
    event = body("ContractNegotiationEventMessage", eventType="ACCEPTED", **pids)
    told = fine(await client.post(f"{BASE}/negotiations/{pid}/events", json=event), 400)
    assert told["@type"] == "ContractNegotiationError"
    assert (told["code"], told["providerPid"], told["consumerPid"]) == ("process.transition", pid, "urn:c:1")
    assert all(told["reason"])
    unknown = fine(await client.get(f"{BASE}/negotiations/urn:none"), 404)
    assert (unknown["code"], unknown["providerPid"]) == ("process.unknown", "urn:none")
    for content in (b"", b"[]", b"\xff", b'{"providerPid": 7}'):
        broken = fine(await client.post(f"{BASE}/transfers/{pid}/start", content=content), 400)
        assert (broken["@type"], broken["code"]) == ("TransferError", "message.invalid")


async def test_a_foreign_caller_sees_nothing(client):
    made = (await client.post(f"{BASE}/negotiations/request", json=request())).json()
    pid = made["providerPid"]
    foreign = {"Authorization": "Bearer did:web:else.example"}
    fine(await client.get(f"{BASE}/negotiations/{pid}", headers=foreign), 404)
    end = body("ContractNegotiationTerminationMessage", providerPid=pid, consumerPid="urn:c:1")
    fine(await client.post(f"{BASE}/negotiations/{pid}/termination", json=end, headers=foreign), 404)
    assert (await client.get(f"{BASE}/negotiations/{pid}")).json()["state"] == "REQUESTED"


async def test_large_bodies_are_refused(client):
    answer = await client.post(f"{BASE}/negotiations/request", json=request(more="x" * (1 << 20)))
    told = fine(answer, 413)
    assert told["code"] == "message.too_large"


@pytest.mark.parametrize("error", [StorageFullError(), StorageError(reason="broken")])
async def test_a_full_or_broken_database_is_said_with_503(client, provider, error):
    async def write(work):
        raise error

    provider.database.write = write
    told = fine(await client.post(f"{BASE}/negotiations/request", json=request()), 503)
    assert told["code"] == error.code


async def test_a_callback_address_that_must_not_be_used_is_refused(client, provider):
    def refuse(url):
        raise CallbackError(address=url, reason="it is ours")

    for service in (provider.negotiations, provider.transfers):
        object.__setattr__(service, "check_callback", refuse)
    await agree(provider)
    for path, message in (("negotiations", request()), ("transfers", use())):
        told = fine(await client.post(f"{BASE}/{path}/request", json=message), 400)
        assert told["code"] == "callback.refused"


async def test_a_use_that_is_not_allowed_is_refused_with_its_clause(client, provider):
    await agree(provider)
    premise = Premise("/prohibition/0", Text("Do not download."), Text("You asked to."), satisfied=False)
    provider.transferring.decision = Decision(Verdict.DENY, "policy.prohibited", (premise,))
    told = fine(await client.post(f"{BASE}/transfers/request", json=use()), 400)
    assert (told["code"], told["clause"]) == ("policy.prohibited", "/prohibition/0")
    assert any("Do not download." in reason for reason in told["reason"])


async def test_the_reply_goes_out_before_what_it_causes(client, provider, network):
    provider.negotiating.reactions = {"request": "agree"}
    await client.post(f"{BASE}/negotiations/request", json=request())
    assert network.sent == []
    await settle(provider.clock)
    assert [message["@type"] for _, message in network.sent] == ["ContractAgreementMessage"]


async def test_what_is_owed_leaves_even_if_the_client_went_away(provider, network):
    provider.negotiating.reactions = {"request": "agree"}
    content = msgspec.json.encode(request())
    sent = iter([{"type": "http.request", "body": content, "more_body": False}])

    async def receive():
        return next(sent)

    async def send(_):
        raise OSError("gone")

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{BASE}/negotiations/request",
        "headers": [(b"authorization", f"Bearer {ME}".encode())],
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("x", 80),
    }
    with pytest.raises(OSError, match="gone"):
        await app_of(provider)(scope, receive, send)
    await settle(provider.clock)
    assert len(network.sent) == 1


async def test_the_catalogue_is_paged_packed_and_linked(client, provider):
    offer = {"@id": "urn:o:1", "@type": "Offer", "permission": [{"action": "medspace:train"}]}

    def fill(tx):
        for number in range(120):
            one = Dataset(f"urn:a:{number:03}", "T", "", (), (offer,), ("medspace:train",), "sha256:" + "0" * 64, "")
            publish(tx, provider.local, one, ("medspace:train",))

    await provider.database.write(fill)
    ask = body("CatalogRequestMessage")
    answer = await client.post(f"{BASE}/catalog/request", json=ask, headers={"Accept-Encoding": "gzip;q=0.5, br"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(fine(answer, 200)["dataset"]) == 100
    following = answer.links["next"]["url"].partition("?")[2]
    rest = await client.post(f"{BASE}/catalog/request?{following}", json=ask, headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in rest.headers
    assert next(one["@id"] for one in fine(rest, 200)["dataset"]) == "urn:a:100"
    assert set(rest.links) == {"previous"}
    single = await client.get(f"{BASE}/catalog/datasets/urn:a:007", headers={"Accept-Encoding": "br"})
    assert fine(single, 200)["@id"] == "urn:a:007"
    assert fine(await client.get(f"{BASE}/catalog/datasets/none"), 404)["@type"] == "CatalogError"
    refused = fine(
        await client.post(f"{BASE}/catalog/request", json=body("CatalogRequestMessage", filter=["x"])), 400
    )
    assert (refused["@type"], refused["code"]) == ("CatalogError", "catalog.filter")


@needs_schemas
async def test_everything_that_we_send_is_valid_under_the_published_schemas(network, provider, consumer):
    await agree(provider)
    steps = Reaction(("start", "suspend", "start", "terminate"), delay=0.1, code="use.over", reason=("Enough.",))
    provider.transferring.reactions = {"request": steps}
    for reactions in (
        {"request": "offer", "accepted": "agree", "verified": "finalize"},
        {"request": "offer", "counter": "agree", "verified": "finalize"},
        {"request": Reaction(("terminate",), code="a.b", reason=("No.",), clause="/permission/0")},
    ):
        provider.negotiating.reactions = reactions
        consumer.negotiating.reactions["offer"] = "accept" if "accepted" in reactions else "counter"
        begun = await consumer.negotiations.request_negotiation(provider.did, provider.address, OFFER, ASSET)
        await until(consumer.clock, lambda pid=begun.id: over(consumer, pid))
    await provider.negotiations.offer_to(consumer.did, consumer.address, OFFER, ASSET)
    (known, *_) = await consumer.negotiations.agreements()
    push = {"endpointType": "https", "endpoint": "https://c.example"}
    used = await consumer.transfers.request_transfer(known.id, "HttpData-PUSH", push)

    async def ended():
        return (await consumer.transfer(used.id)).state == "TERMINATED"

    await until(consumer.clock, ended)
    types = {message["@type"] for _, message in network.sent}
    assert len(types) >= 9
    for _, message in network.sent:
        assert schemas.faults(message) == []


async def over(party, pid):
    return (await party.negotiation(pid)).state in ("FINALIZED", "TERMINATED")


async def test_two_equal_requests_at_once_make_one_process(client, provider):
    answers = await asyncio.gather(*(client.post(f"{BASE}/negotiations/request", json=request()) for _ in range(8)))
    assert len({answer.json()["providerPid"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len(await provider.negotiations.recent()) == 1


async def test_processes_are_told_and_ended_over_the_same_paths(client, provider):
    await agree(provider)
    provider.transferring.reactions = {}
    for kind, message, ending in (
        ("negotiations", request(), "ContractNegotiationTerminationMessage"),
        ("transfers", use(), "TransferTerminationMessage"),
    ):
        made = fine(await client.post(f"{BASE}/{kind}/request", json=message), 201)
        pid = made["providerPid"]
        assert fine(await client.get(f"{BASE}/{kind}/{pid}/"), 200) == made
        end = body(ending, providerPid=pid, consumerPid="urn:c:1", code="1")
        assert fine(await client.post(f"{BASE}/{kind}/{pid}/termination/", json=end), 200)["state"] == "TERMINATED"


async def test_a_process_that_has_not_begun_is_not_told(client, provider, network):
    network.fault = lambda method, url, message: "404"
    begun = await provider.negotiations.offer_to(ME, "https://c.example", OFFER, ASSET)
    fine(await client.get(f"{BASE}/negotiations/{begun.id}"), 404)
    mine = Agreement("urn:g:2", "none", ME, provider.did, ASSET, {}, "sha256:0", "", "")
    await provider.database.write(lambda tx: tx.insert(AGREEMENTS, mine))
    used = await provider.transfers.request_transfer("urn:g:2", "medspace:train", address="https://c.example")
    fine(await client.get(f"{BASE}/transfers/{used.id}"), 404)
