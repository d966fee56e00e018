"""Whole connectors with real identities: nobody gets anything that is not proven to be theirs."""

import base64
import json
import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from medspace.adapters.keys import load_key
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.doors.protocol.endpoints import BASE
from medspace.app.node.config import Config, read_config
from medspace.trust.service import Identity
from tests.e2e.business import Business, members
from tests.e2e.crash import Crowd, until
from tests.protocol import schemas, wire
from tests.protocol.calls import HTTP


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> Iterator[Crowd]:
    with members(tmp_path_factory.mktemp("parties"), "user", "other") as crowd:
        yield crowd


@pytest.fixture(scope="module")
def configs(crowd) -> list[Config]:
    return [read_config(node.config) for node in crowd.nodes]


def identity(config: Config) -> Identity:
    signer = load_key(config.path(config.participant.key))
    return Identity(config.did, signer, SystemClock(), SystemRandomness())


@pytest.fixture(scope="module")
def negotiation(crowd, configs) -> dict:
    """A negotiation between the user and the holder, as the holder knows it."""
    holder, user, _ = crowd.nodes
    business = Business(holder, user)
    with user.space() as space:
        agreement = business.agree(space)
    with holder.space() as space:
        return next(n for n in space.negotiations() if n["agreement"] == agreement)


class Caller:
    """One participant calls another, with a fresh token each time unless one is given."""

    def __init__(self, caller: Config, called: Config) -> None:
        self.identity = identity(caller)
        self.called = called
        self.base = called.base_url + BASE

    def token(self) -> str:
        return self.identity.token_for(self.called.did)

    def get(self, path: str, token: str | None = None) -> httpx.Response:
        return HTTP.get(self.base + path, headers={"authorization": f"Bearer {token or self.token()}"})

    def post(self, path: str, message: object, token: str | None = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {token or self.token()}"}
        return HTTP.post(self.base + path, json=message, headers=headers)


@pytest.fixture
def user(configs) -> Caller:
    return Caller(configs[1], configs[0])


@pytest.fixture
def other(configs) -> Caller:
    return Caller(configs[2], configs[0])


def test_the_counterparty_sees_its_process(user, negotiation):
    answer = user.get(f"/negotiations/{negotiation['id']}")
    assert answer.status_code == 200
    assert answer.json()["state"] == "FINALIZED"
    assert schemas.faults(answer.json()) == []


def test_a_process_of_another_party_looks_as_if_it_were_not_there(other, negotiation):
    mine, nobodys = (other.get(f"/negotiations/{pid}") for pid in (negotiation["id"], "urn:uuid:0"))
    assert mine.status_code == nobodys.status_code == 404
    assert mine.json()["code"] == nobodys.json()["code"]


@pytest.mark.parametrize(
    "kind", [kind for name, kind in wire.NEGOTIATION.items() if name in {"accepted", "termination"}]
)
def test_another_party_cannot_move_a_process(user, other, negotiation, kind):
    consumer = user.get(f"/negotiations/{negotiation['id']}").json()["consumerPid"]
    event = {"eventType": kind.event} if kind.event else {}
    message = wire.message(kind.type, providerPid=negotiation["id"], consumerPid=consumer, **event)
    answer = other.post(f"/negotiations/{negotiation['id']}/{kind.path}", message)
    assert answer.status_code == 404
    assert user.get(f"/negotiations/{negotiation['id']}").json()["state"] == "FINALIZED"


def test_another_party_cannot_use_an_agreement(other, negotiation, configs):
    message = wire.message(
        "TransferRequestMessage",
        consumerPid=uuid4().urn,
        agreementId=negotiation["agreement"],
        format="medspace:train",
        callbackAddress=configs[2].base_url + BASE,
    )
    answer = other.post("/transfers/request", message)
    assert answer.status_code in {400, 403, 404}
    assert answer.json()["code"] == "agreement.unknown"


def test_a_download_under_an_agreement_to_train_is_refused_with_the_clause(user, negotiation, configs):
    message = wire.message(
        "TransferRequestMessage",
        consumerPid=uuid4().urn,
        agreementId=negotiation["agreement"],
        format="HttpData-PULL",
        callbackAddress=configs[1].base_url + BASE,
    )
    answer = user.post("/transfers/request", message)
    assert answer.status_code in {400, 403}
    assert answer.json()["@type"] == "TransferError"
    assert "prohibition" in json.dumps(answer.json())


def test_a_push_carries_its_data_address(user, negotiation, configs):
    """What a holder makes of an address to push to is its business; it is read strictly."""
    message = wire.message(
        "TransferRequestMessage",
        consumerPid=uuid4().urn,
        agreementId=negotiation["agreement"],
        format="medspace:train",
        callbackAddress=configs[1].base_url + BASE,
        dataAddress={"@type": "DataAddress", "endpointType": "urn:example", "endpointProperties": "text"},
    )
    assert user.post("/transfers/request", message).status_code == 400


@pytest.mark.parametrize("path", ["/negotiations/urn:uuid:0", "/transfers/urn:uuid:0", "/catalog/datasets/heart"])
@pytest.mark.parametrize(
    "header", [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Basic YTpi"}]
)
def test_nobody_in_particular_is_answered_nothing(configs, path, header):
    answer = HTTP.get(configs[0].base_url + BASE + path, headers=header)
    assert answer.status_code == 401
    assert "heart" not in answer.text


@pytest.mark.parametrize("path", ["/catalog/request", "/negotiations/request", "/transfers/request"])
def test_nobody_in_particular_begins_anything(configs, path):
    assert HTTP.post(configs[0].base_url + BASE + path, json={}).status_code == 401


def test_a_token_is_good_once(user):
    token = user.token()
    assert user.get("/catalog/datasets/heart", token).status_code == 200
    again = user.get("/catalog/datasets/heart", token)
    assert again.status_code == 401
    assert again.json()["code"] == "identity.replayed"


def test_a_token_for_somebody_else_is_not_for_us(user, configs):
    answer = user.get("/catalog/datasets/heart", user.identity.token_for(configs[2].did))
    assert answer.status_code == 401


def test_a_token_that_was_changed_is_refused(user, configs):
    head, claims, signature = user.token().split(".")
    read = json.loads(base64.urlsafe_b64decode(claims + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**read, "iss": configs[2].did, "sub": configs[2].did}).encode())
    answer = user.get("/catalog/datasets/heart", ".".join((head, forged.decode().rstrip("="), signature)))
    assert answer.status_code == 401


def test_a_stranger_is_refused(configs):
    stranger = identity(configs[1])
    stranger.did = "did:web:127.0.0.1%3A9"
    caller = Caller(configs[1], configs[0])
    caller.identity = stranger
    assert caller.get("/catalog/datasets/heart").status_code == 401


def test_the_version_and_the_document_are_there_for_everybody(configs):
    for config in configs:
        for path in ("/.well-known/dspace-version", "/.well-known/did.json"):
            assert HTTP.get(config.base_url + path).status_code == 200


def test_what_a_connector_publishes_is_valid(user):
    catalogue = user.post("/catalog/request", wire.message("CatalogRequestMessage")).json()
    dataset = user.get("/catalog/datasets/heart").json()
    assert schemas.faults(catalogue) == []
    assert schemas.faults(dataset) == []
    formats = {distribution["format"] for distribution in dataset["distribution"]}
    assert formats == {"medspace:train"}


def test_both_sides_of_a_provider_initiated_negotiation(user, configs):
    """The user's connector is offered what it never asked for: it holds the offer for a person."""
    holder = Caller(configs[0], configs[1])
    pid = uuid4().urn
    message = wire.message(
        "ContractOfferMessage",
        providerPid=pid,
        offer=wire.offer("urn:offer:1", "heart"),
        callbackAddress=configs[0].base_url + BASE,
    )
    answer = holder.post("/negotiations/offers", message)
    assert answer.status_code == 201
    assert answer.json()["state"] == "OFFERED"
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", answer.json()["consumerPid"])
    state = holder.get(f"/negotiations/{answer.json()['consumerPid']}").json()["state"]
    assert state == "OFFERED"


def test_a_started_use_brings_a_job_and_a_token_to_its_user_only(crowd, other, negotiation):
    _, user, _ = crowd.nodes
    with user.space() as space:
        agreements = [a["id"] for a in space.agreements()]
        assert negotiation["agreement"] in agreements
        begun = space._post(
            "/transfers", {"agreement": negotiation["agreement"], "format": "medspace:train", "address": None}
        )
        started = until(lambda: space._get(f"/transfers/{begun['id']}"), "STARTED", "TERMINATED")
    assert started["state"] == "STARTED"
    job = started["endpoint"]
    assert "/jobs/" in job
    assert HTTP.post(job, json={}).status_code == 401
    step = {"task": {}, "round": 1, "name": "moments", "inputs": {}}
    headers = {"authorization": f"Bearer {other.token()}", "medspace-job": "0" * 64}
    assert HTTP.post(job, json=step, headers=headers).status_code in {403, 404}
