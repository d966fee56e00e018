"""The system under test as outside kits find it: addresses, unknown ids, triggers, many datasets, an orderly end."""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.protocol import wire
from tests.protocol.callback import CallbackServer
from tests.protocol.process import REPOSITORY, system_under_test

HTTP = httpx.Client(timeout=20, trust_env=False, verify=False)


@pytest.fixture(scope="module", autouse=True)
def _closed_at_the_end() -> Iterator[None]:
    yield
    HTTP.close()


MANY = 700


@pytest.fixture(scope="module")
def large():
    """Several hundred datasets and agreements, none with a reaction."""
    script = {
        "datasets": {f"DATASET{number}": {} for number in range(MANY)},
        "agreements": {f"AGREEMENT{number}": {} for number in range(MANY)},
    }
    with system_under_test(script) as target:
        yield target


def test_every_dataset_is_on_the_first_page(large):
    catalogue = HTTP.post(f"{large.base}/catalog/request", json=wire.message("CatalogRequestMessage")).json()
    assert len(catalogue["dataset"]) == MANY
    assert all(dataset["hasPolicy"][0]["permission"] == [{"action": "use"}] for dataset in catalogue["dataset"])


@pytest.mark.parametrize("authorization", [None, "", "Bearer anything", "Basic YTpi"])
def test_any_authorization_will_do(large, authorization):
    headers = {} if authorization is None else {"authorization": authorization}
    assert HTTP.get(f"{large.base}/catalog/datasets/DATASET0", headers=headers).status_code == 200


@pytest.mark.parametrize("format_", ["HTTP-PULL", "HttpData-PUSH", "anything:else"])
@pytest.mark.parametrize("agreement", ["AGREEMENT0", f"AGREEMENT{MANY - 1}"])
def test_an_agreement_serves_the_provider_with_any_format(large, agreement, format_):
    message = wire.message(
        "TransferRequestMessage",
        consumerPid=f"urn:{agreement}:{format_}",
        agreementId=agreement,
        format=format_,
        callbackAddress="http://127.0.0.1:59999/",
    )
    answer = HTTP.post(f"{large.base}/transfers/request", json=message)
    assert answer.status_code == 201
    assert answer.json()["state"] == "REQUESTED"


@pytest.mark.parametrize("address", ["", "/"])
def test_triggers_begin_as_consumer_towards_any_address(large, address):
    with CallbackServer() as callbacks:
        bodies = {
            "negotiations": {"offerId": "offerDATASET1", "datasetId": "DATASET1"},
            "transfers": {"agreementId": "AGREEMENT1", "format": "HTTP-PULL"},
        }
        for kind, body in bodies.items():
            expected = callbacks.expect(f"/kit/{kind}/request", lambda _: (200, {"providerPid": "urn:provider"}))
            told = {**body, "providerId": wire.RUNNER, "connectorAddress": f"{callbacks.address}/kit{address}"}
            assert HTTP.post(f"{large.root}/tck/{kind}/requests", json=told).is_success
            assert expected.arrived.wait(10)
            assert expected.message["callbackAddress"] == large.base


@pytest.mark.parametrize(
    "body", [{}, [], {"agreementId": "unknown", "format": "f", "connectorAddress": "http://127.0.0.1:59999"}]
)
def test_a_trigger_that_nothing_can_begin_with_is_refused(large, body):
    assert HTTP.post(f"{large.root}/tck/transfers/requests", json=body).status_code == 400


def test_a_script_that_is_not_there_is_a_failure():
    command = [sys.executable, "-m", "tests.protocol.sut", "--script", "/nowhere/reactions.json"]
    assert subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False).returncode != 0
