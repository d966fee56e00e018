"""The messages of an amendment fit the official schemas: `dct:replaces` is one more member of a policy."""

import pytest

from medspace.connector.negotiation.messages import message_offer
from medspace.policy import templates
from tests.protocol import schemas

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
PIDS = {"consumerPid": "urn:uuid:1", "providerPid": "urn:uuid:2"}
OFFER = message_offer(templates.build("train-only", count=3), "urn:asset:1", "urn:agreement:1")
PARTIES = {"assigner": "did:web:clinic.example", "assignee": "did:web:user.example"}
AGREEMENT = (
    OFFER | PARTIES | {"@type": "Agreement", "@id": "urn:agreement:2", "timestamp": "2026-12-01T00:00:00.000Z"}
)
MESSAGES = {
    "ContractRequestMessage": {
        "consumerPid": "urn:uuid:1",
        "offer": OFFER,
        "callbackAddress": "https://u.example/dsp",
    },
    "ContractOfferMessage": {"providerPid": "urn:uuid:2", "offer": OFFER, "callbackAddress": "https://c.example/dsp"},
    "ContractAgreementMessage": {**PIDS, "agreement": AGREEMENT},
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_of_an_amendment_is_valid(kind):
    message = {"@context": CONTEXT, "@type": kind, **MESSAGES[kind]}
    assert "dct:replaces" in str(message)
    assert not schemas.faults(message)
    assert schemas.faults({**message, "@type": kind, "offer": {}, "agreement": {}})  # the schema looks
