"""The published example messages: each of the 27 is understood, wherever in the product its kind is read."""

import json

import httpx
import pytest

from medspace.adapters.keys import create_key
from medspace.connector import wire
from medspace.connector.catalogue.finding import listed
from medspace.trust.did import build_document, parse_document
from tests.protocol import schemas

pytestmark = pytest.mark.skipif(not schemas.available(), reason=schemas.MISSING)

EXAMPLES = schemas.examples() if schemas.available() else {}
FOLDERS = {"Catalog": "catalog", "Contract": "negotiations", "Transfer": "transfers"}
PATHS = {
    "CatalogRequestMessage": "request",
    "ContractRequestMessage": "request",
    "ContractOfferMessage": "offers",
    "ContractAgreementMessage": "agreement",
    "ContractAgreementVerificationMessage": "agreement/verification",
    "ContractNegotiationEventMessage": "events",
    "ContractNegotiationTerminationMessage": "termination",
    "TransferRequestMessage": "request",
    "TransferStartMessage": "start",
    "TransferSuspensionMessage": "suspension",
    "TransferCompletionMessage": "completion",
    "TransferTerminationMessage": "termination",
}


def of(*types: str) -> list[str]:
    return [name for name, message in EXAMPLES.items() if message.get("@type") in types]


POSTED = of(*PATHS)
PROCESSES = of("ContractNegotiation", "TransferProcess")
ERRORS = of("CatalogError", "ContractNegotiationError", "TransferError")
DESCRIPTIONS = of("Catalog", "Dataset")
OTHERS = ["dataset-request-message.json", "protocol-version.json"]
SERVICES = ["catalogservice-did-service.json", "dataservice-did-service.json"]


def test_no_example_is_left_out():
    every = [*POSTED, *PROCESSES, *ERRORS, *DESCRIPTIONS, *OTHERS, *SERVICES]
    assert sorted(every) == sorted(EXAMPLES)
    assert len(every) == 27


@pytest.mark.parametrize("name", POSTED)
def test_a_message_is_never_called_unreadable(sut, name):
    """It is taken, or its process or agreement is called unknown, or its callback address refused."""
    message = EXAMPLES[name]
    type_ = message["@type"]
    folder = next(folder for word, folder in FOLDERS.items() if type_.startswith(word))
    process = f"/{message['providerPid']}" if "providerPid" in message and "callbackAddress" not in message else ""
    answer = httpx.post(f"{sut.base}/{folder}{process}/{PATHS[type_]}", json=message, timeout=20)
    codes = {"process.unknown", "agreement.unknown", "callback.refused"}
    assert answer.is_success or answer.json()["code"] in codes, answer.text


@pytest.mark.parametrize("name", POSTED)
def test_what_is_read_of_a_message_is_what_stands_in_it(name):
    message = EXAMPLES[name]
    read = wire.read(json.dumps(message).encode(), message["@type"])
    assert read.provider_pid == message.get("providerPid")
    assert read.consumer_pid == message.get("consumerPid")
    if "offer" in message:
        assert wire.offer(read.body) == message["offer"]
    if "agreement" in message:
        free = {"profile": None}  # one or a list of them
        assert wire.agreement(read.body) | free == message["agreement"] | free
    if "dataAddress" in message:
        assert wire.data_address(read.body["dataAddress"]) == message["dataAddress"]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_tells_its_pids_and_its_state(name):
    body = EXAMPLES[name]
    assert wire.identifier(body, "providerPid") == body["providerPid"]
    assert wire.identifier(body, "consumerPid") == body["consumerPid"]
    assert wire.identifier(body, "state") == "REQUESTED"


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_tells_its_code_and_its_reason(name):
    stated = wire.stated_reason(EXAMPLES[name])
    assert (stated.code, list(stated.reason)) == (EXAMPLES[name]["code"], EXAMPLES[name]["reason"])


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_catalogue_tells_its_datasets(name):
    body = EXAMPLES[name]
    for dataset in [body] if body["@type"] == "Dataset" else body.get("dataset", []):
        seen = listed("did:web:provider.example", dataset)
        assert seen["id"] == dataset["@id"]
        assert seen["offers"] == dataset["hasPolicy"]
        assert seen["formats"] == ["HttpData-PULL"]


def test_a_dataset_request_is_a_message_though_it_is_never_posted():
    body = EXAMPLES["dataset-request-message.json"]
    assert wire.identifier(wire.read(json.dumps(body).encode(), "DatasetRequestMessage").body, "dataset")


def test_our_version_document_has_the_form_of_the_example(sut):
    example = EXAMPLES["protocol-version.json"]["protocolVersions"][0]
    ours = httpx.get(f"{sut.root}/.well-known/dspace-version", timeout=20).json()["protocolVersions"][0]
    assert set(ours) <= set(example)
    assert ours["version"] == example["version"]
    assert ours["binding"] == example["binding"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_of_a_did_document_is_found_in_it(tmp_path, name):
    service = EXAMPLES[name]
    did = "did:web:provider.example"
    document = build_document(did, create_key(tmp_path / "key.pem").public_key, [])
    read = parse_document(json.dumps({**document, "service": [service]}).encode(), did)
    assert [(entry.type, entry.endpoint) for entry in read.services] == [
        (service["type"], service["serviceEndpoint"])
    ]
