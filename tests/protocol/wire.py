"""The messages and addresses of the Dataspace Protocol 2025-1, as the conformance runner writes them.

Nothing here comes from the product: a fault shared by both sides would not be seen.
"""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
RUNNER = "TCK_PARTICIPANT"
PROVIDER = "urn:runner:provider"
STAMP = "2026-01-01T00:00:00Z"

Message = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of message: where it is posted, its `@type`, and what else stands in it."""

    path: str
    type: str
    event: str | None = None


NEGOTIATION = {
    "request": Kind("request", "ContractRequestMessage"),
    "counter": Kind("request", "ContractRequestMessage"),
    "counter-elsewhere": Kind("request", "ContractRequestMessage"),
    "offers": Kind("offers", "ContractOfferMessage"),
    "accepted": Kind("events", "ContractNegotiationEventMessage", "ACCEPTED"),
    "agreement": Kind("agreement", "ContractAgreementMessage"),
    "verification": Kind("agreement/verification", "ContractAgreementVerificationMessage"),
    "finalized": Kind("events", "ContractNegotiationEventMessage", "FINALIZED"),
    "termination": Kind("termination", "ContractNegotiationTerminationMessage"),
}
TRANSFER = {
    "request": Kind("request", "TransferRequestMessage"),
    "start": Kind("start", "TransferStartMessage"),
    "suspension": Kind("suspension", "TransferSuspensionMessage"),
    "completion": Kind("completion", "TransferCompletionMessage"),
    "termination": Kind("termination", "TransferTerminationMessage"),
}


def message(type_: str, **members: Any) -> Message:
    """A message with the official context, a random `@id` (which nobody may refuse) and the given members."""
    return {"@context": [CONTEXT], "@id": uuid4().urn, "@type": type_, **members}


def offer(offer_id: str, target: str, assigner: str | None = None, assignee: str | None = None) -> Message:
    """A message offer of plain use. `constraints` is a key that the protocol does not know: to be ignored."""
    parties = {"assigner": assigner, "assignee": assignee}
    return {
        "@type": "Offer",
        "@id": offer_id,
        "target": target,
        **{name: party for name, party in parties.items() if party is not None},
        "permission": [{"action": "use", "constraints": []}],
    }


def agreement(offer_id: str, target: str, assigner: str, assignee: str) -> Message:
    """The agreement that the runner, as provider, makes of the requested offer."""
    return {
        **offer(offer_id, target, assigner, assignee),
        "@type": "Agreement",
        "@id": uuid4().urn,
        "timestamp": STAMP,
    }


def data_address() -> Message:
    """The data address of the runner's start messages."""
    return {
        "@type": "DataAddress",
        "endpoint": "http://example.com",
        "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
    }
