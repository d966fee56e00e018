"""What a running connector of another make was seen to send and answer, where the recording is at hand.

MEDSPACE_CASES (by default ../shared/cases) names the folder that holds `edc/edc-0.15.1.json`. The same shapes stand
in `test_scripted_peer.py`.
"""

import json
import os
from pathlib import Path

import msgspec
import pytest

from medspace.connector import wire
from medspace.connector.catalogue import query
from medspace.connector.catalogue.finding import listed, protocol_path
from medspace.connector.dispatch.rules import DeliveryResult, meaning
from medspace.connector.ports import Reply
from medspace.policy import odrl

RECORDING = Path(os.environ.get("MEDSPACE_CASES", "../shared/cases"), "edc", "edc-0.15.1.json")
pytestmark = pytest.mark.skipif(
    not RECORDING.exists(), reason=f"MEDSPACE_CASES names no folder with {RECORDING.name}"
)


@pytest.fixture(scope="module")
def recorded():
    return json.loads(RECORDING.read_text(encoding="utf-8"))


def sent(recorded):
    """Every message that it sent."""
    messages = [one["body"] for one in recorded["as_consumer"]]
    return messages + [one["body"] for one in recorded["as_provider"] if one["from"] == "EDC provider"]


def test_every_message_is_read(recorded):
    messages = sent(recorded)
    for body in messages:
        read = wire.read(msgspec.json.encode(body), body["@type"])
        if "offer" in body:
            odrl.parse(wire.offer(read.body))
        if "agreement" in body:
            odrl.parse(wire.agreement(read.body))
        if body["@type"] == "CatalogRequestMessage":
            assert query.read(body["filter"]) == query.Query(limit=50)
    assert messages


def test_every_answer_means_what_it_should(recorded):
    answers = [one["answer"] for one in recorded["as_provider"] if "answer" in one]
    found = {answer["status"]: meaning(Reply(answer["status"], answer["body"])) for answer in answers}
    assert found == {200: DeliveryResult.TAKEN, 404: DeliveryResult.NOT_YET, 409: DeliveryResult.BUSY}


def test_its_catalogue_and_its_versions_are_read(recorded):
    catalogue = next(one["answer"]["body"] for one in recorded["as_provider"] if one["to"] == "POST /catalog/request")
    shown = [listed("did:web:peer.example", dataset) for dataset in wire.listed(catalogue["dataset"])]
    assert [one["title"] for one in shown] == ["asset 0"]
    assert [one["unusable"] for one in shown] == [[]]
    assert protocol_path(recorded["version_document"]) == "/2025-1"
