"""Bad input over real HTTP: a clear error of the protocol, and the connector goes on."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.protocol import wire
from tests.protocol.callback import CallbackServer
from tests.protocol.cases import ALL
from tests.protocol.exchange import Target

HTTP = httpx.Client(timeout=20, trust_env=False, verify=False)


@pytest.fixture(scope="module", autouse=True)
def _closed_at_the_end() -> Iterator[None]:
    yield
    HTTP.close()


PIDS = {"consumerPid": "urn:uuid:0", "providerPid": "urn:uuid:1"}
CASE = ALL["X_CN:01"]
NEGOTIATION_PATHS = {kind.path: kind for kind in wire.NEGOTIATION.values()}
TRANSFER_PATHS = {kind.path: kind for name, kind in wire.TRANSFER.items() if name != "request"}


@pytest.fixture(scope="module")
def callbacks():
    with CallbackServer() as server:
        yield server


def negotiation_request(callbacks, **changes):
    request = wire.message(
        "ContractRequestMessage",
        consumerPid=uuid4().urn,
        offer=wire.offer("offer" + CASE.dataset, CASE.dataset),
        callbackAddress=callbacks.address,
    )
    return {name: value for name, value in {**request, **changes}.items() if value is not None}


def transfer_request(callbacks, **changes):
    request = wire.message(
        "TransferRequestMessage",
        consumerPid=uuid4().urn,
        agreementId=ALL["X_TP:01"].agreement,
        format="HTTP-PULL",
        callbackAddress=callbacks.address,
    )
    return {name: value for name, value in {**request, **changes}.items() if value is not None}


def post(url: str, message) -> httpx.Response:
    content = message if isinstance(message, bytes) else json.dumps(message).encode()
    return HTTP.post(url, content=content, headers={"content-type": "application/json"})


def assert_protocol_error(answer: httpx.Response, status: int, type_: str) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["@type"] == type_
    assert isinstance(body["code"], str)
    assert body["reason"]
    assert all(isinstance(reason, str) for reason in body["reason"])


def assert_alive(sut: Target) -> None:
    assert HTTP.get(f"{sut.root}/.well-known/dspace-version").status_code == 200


@pytest.mark.parametrize("path", sorted(NEGOTIATION_PATHS))
def test_an_unknown_negotiation_is_404(sut, path):
    kind = NEGOTIATION_PATHS[path]
    body = wire.message(kind.type, **PIDS, **({"eventType": kind.event} if kind.event else {}))
    if path in {"request", "offers"}:
        body["offer"] = wire.offer("o", "t")
    if path == "agreement":
        body["agreement"] = wire.agreement("o", "t", "a", "b")
    assert_protocol_error(post(f"{sut.base}/negotiations/urn:uuid:1/{path}", body), 404, "ContractNegotiationError")


@pytest.mark.parametrize("path", sorted(TRANSFER_PATHS))
def test_an_unknown_transfer_is_404(sut, path):
    body = wire.message(TRANSFER_PATHS[path].type, **PIDS)
    assert_protocol_error(post(f"{sut.base}/transfers/urn:uuid:1/{path}", body), 404, "TransferError")


def test_an_unknown_process_cannot_be_looked_at(sut):
    assert HTTP.get(f"{sut.base}/negotiations/urn:uuid:1").status_code == 404
    assert HTTP.get(f"{sut.base}/transfers/urn:uuid:1").status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"1e999",
        b'{"@context": NaN}',
        b"\xff\xfe{}",
        b"[" * 5000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "\\ud800"}',
    ],
    ids=["empty", "cut", "null", "list", "text", "infinite", "nan", "not-utf8", "deep-open", "deep", "surrogate"],
)
def test_what_is_no_message_is_refused(sut, content):
    assert_protocol_error(post(f"{sut.base}/negotiations/request", content), 400, "ContractNegotiationError")
    assert_protocol_error(post(f"{sut.base}/transfers/request", content), 400, "TransferError")
    assert_protocol_error(post(f"{sut.base}/catalog/request", content), 400, "CatalogError")


@pytest.mark.parametrize(
    "context", ["https://example.org/context", [], ["https://w3id.org/dspace/v0.8/context.json"], 1, None]
)
def test_a_message_of_another_vocabulary_is_refused(sut, callbacks, context):
    message = negotiation_request(callbacks, **{"@context": context})
    assert_protocol_error(post(f"{sut.base}/negotiations/request", message), 400, "ContractNegotiationError")


@pytest.mark.parametrize(
    "context", [wire.CONTEXT, [wire.CONTEXT, "https://www.w3.org/ns/odrl.jsonld"], [wire.CONTEXT, {"x": "urn:x:"}]]
)
def test_a_context_may_stand_alone_or_with_others(sut, callbacks, context):
    message = negotiation_request(callbacks, **{"@context": context})
    assert post(f"{sut.base}/negotiations/request", message).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"@type": "ContractOfferMessage"},
        {"@type": None},
        {"@type": ["ContractRequestMessage"]},
        {"consumerPid": None},
        {"consumerPid": 7},
        {"consumerPid": ""},
        {"offer": None},
        {"offer": []},
        {"offer": {"@type": "Offer", "permission": [{"action": "use"}]}},
        {"callbackAddress": None},
        {"callbackAddress": "no address"},
        {"callbackAddress": "file:///etc/passwd"},
        {"callbackAddress": "http://169.254.169.254/latest/meta-data"},
        {"callbackAddress": "http://user:secret@127.0.0.1/"},
    ],
    ids=str,
)
def test_a_request_with_a_bad_member_is_refused(sut, callbacks, changes):
    message = negotiation_request(callbacks, **changes)
    assert_protocol_error(post(f"{sut.base}/negotiations/request", message), 400, "ContractNegotiationError")


@pytest.mark.parametrize(
    "changes",
    [
        {"@type": "TransferStartMessage"},
        {"consumerPid": None},
        {"agreementId": None},
        {"agreementId": ["a"]},
        {"format": None},
        {"callbackAddress": None},
        {"callbackAddress": "http://169.254.169.254/latest/meta-data"},
        {"dataAddress": "text"},
        {"dataAddress": {"@type": "DataAddress", "endpointType": "x", "endpointProperties": [7]}},
    ],
    ids=str,
)
def test_a_transfer_request_with_a_bad_member_is_refused(sut, callbacks, changes):
    message = transfer_request(callbacks, **changes)
    assert_protocol_error(post(f"{sut.base}/transfers/request", message), 400, "TransferError")


def test_a_transfer_under_an_unknown_agreement_is_refused(sut, callbacks):
    answer = post(f"{sut.base}/transfers/request", transfer_request(callbacks, agreementId="urn:nobody"))
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"]
    assert answer.json()["reason"]


def test_members_that_nobody_knows_are_ignored(sut, callbacks):
    message = negotiation_request(callbacks, **{"x:unknown": {"deep": [1, 2.5, None]}})
    assert post(f"{sut.base}/negotiations/request", message).status_code == 201


@pytest.mark.parametrize("pid", ["consumerPid", "providerPid"])
def test_a_message_with_the_pid_of_another_process_is_refused(sut, callbacks, pid):
    process = post(f"{sut.base}/negotiations/request", negotiation_request(callbacks)).json()
    pids = {name: process[name] for name in PIDS}
    url = f"{sut.base}/negotiations/{pids['providerPid']}"
    wrong = wire.message("ContractNegotiationTerminationMessage", **{**pids, pid: "urn:uuid:9"}, code="1")
    assert 400 <= post(f"{url}/termination", wrong).status_code < 500
    assert HTTP.get(url).json()["state"] == "REQUESTED"


def test_a_second_request_with_the_same_pid_and_another_offer_changes_nothing(sut, callbacks):
    first = negotiation_request(callbacks)
    process = post(f"{sut.base}/negotiations/request", first).json()
    other = {**first, "offer": wire.offer("offer" + ALL["X_CN:03"].dataset, ALL["X_CN:03"].dataset)}
    again = post(f"{sut.base}/negotiations/request", other)
    assert again.json().get("providerPid", process["providerPid"]) == process["providerPid"]


def test_requests_that_race_with_one_pid_make_one_process(sut, callbacks):
    message = negotiation_request(callbacks)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(f"{sut.base}/negotiations/request", message), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json()["providerPid"] for answer in answers}) == 1


def test_a_body_that_is_too_large_is_refused(sut, callbacks):
    message = negotiation_request(callbacks, padding="x" * 20_000_000)
    try:
        status = post(f"{sut.base}/negotiations/request", message).status_code
    except httpx.TransportError:
        status = 413  # the connector closed the door before everything was said
    assert status == 413
    assert_alive(sut)


def test_a_body_without_end_is_refused(sut):
    def endless():
        for _ in range(400):
            yield b" " * 100_000

    try:
        headers = {"content-type": "application/json"}
        status = HTTP.post(f"{sut.base}/catalog/request", content=endless(), headers=headers).status_code
    except httpx.TransportError:
        status = 413
    assert status == 413
    assert_alive(sut)


def test_slow_clients_keep_nobody_waiting(sut):
    address = httpx.URL(sut.root)
    slow = [socket.create_connection((address.host, address.port)) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(
                b"POST /dsp/2025-1/catalog/request HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"
            )
        started = time.monotonic()
        assert_alive(sut)
        assert time.monotonic() - started < 2
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.parametrize(
    "path", ["/", "/dsp", "/dsp/2025-1", "/dsp/2025-1/negotiations", "/dsp/2025-1/unknown", "/docs", "/openapi.json"]
)
def test_there_is_nothing_else(sut, path):
    assert HTTP.get(sut.root + path).status_code in {404, 405}
