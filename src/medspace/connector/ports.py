"""What the connector needs from outside: transport to the counterparty, and strategies that decide."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from medspace.connector.model import Agreement, Negotiation, Reaction, Transfer
from medspace.connector.states import DeliveryStateOf
from medspace.core.canonical import Json, JsonObject
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.trust.model import Facts


@dataclass(frozen=True, slots=True)
class Reply:
    """What the counterparty answered; `body` is decoded JSON, None where there was none or it could not be read.

    `following` is the URL of the next page, if any (RFC 8288, relation `next`). `readable` is False for an HTML page,
    `date` is the counterparty's clock (RFC 9110 6.6.1), `after` the number of seconds for which it asks not to be
    called again (RFC 9110 10.2.3). `size` is the decompressed size of the body in bytes. `packed` is the undecoded
    body, where that was asked for.
    """

    status: int
    body: Json = None
    following: str | None = None
    readable: bool = True
    date: datetime | None = None
    after: float | None = None
    size: int = field(default=0, compare=False)
    packed: bytes = b""


class Transport(Protocol):
    """Carries messages to other connectors, authenticated as us. It neither retries nor follows redirects.

    Both methods raise `connector.errors.UnreachableError` where no answer came, and its subclass `NotSentError` where
    the message was surely not delivered (no connection).
    """

    async def post(self, url: str, message: JsonObject, audience: str) -> Reply:
        """Send one JSON message to `url`, with a token for the DID `audience`."""
        ...

    async def get(self, url: str, audience: str) -> Reply:
        """Ask for the resource at `url`, with a token for the DID `audience`."""
        ...


class Pages(Transport, Protocol):
    """A transport that can also fetch content that is too large to decode at once."""

    async def page(self, url: str, message: JsonObject, audience: str) -> Reply:
        """As `post`, but a JSON body with status 200 is returned undecoded, in `Reply.packed`."""
        ...


class NegotiationEvent(StrEnum):
    """The events that a negotiation strategy reacts to."""

    # as provider
    REQUEST = "request"
    COUNTER = "counter"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    # as consumer
    REQUESTED = "requested"  # our request was acknowledged
    OFFER = "offer"
    AGREEMENT = "agreement"
    FINALIZED = "finalized"


class TransferEvent(StrEnum):
    """The events that a transfer strategy reacts to."""

    # as provider
    REQUEST = "request"
    STARTED = "started"  # whichever side started it
    SUSPENDED = "suspended"  # whichever side suspended it
    CLOSING = "closing"  # we are about to suspend, complete or terminate it; the strategy's answer is ignored
    # as consumer
    REQUESTED = "requested"  # our request was acknowledged
    START = "start"
    SUSPENSION = "suspension"
    # as either
    COMPLETED = "completed"
    TERMINATED = "terminated"


class NegotiationStrategy(Protocol):
    """Answers negotiations. It gets the record after the event; its answer is stored in the same transaction."""

    def react(self, tx: Transaction, negotiation: Negotiation, event: NegotiationEvent) -> Reaction:
        """What to do now; an empty reaction holds the negotiation."""
        ...

    def approve(self, tx: Transaction, negotiation: Negotiation, action: str) -> Reaction:
        """What to do when a person says yes to `action`: agree, finalize, accept or verify.

        `negotiation.approved_by` has all actors that have said yes, including this one if it counts; an empty
        reaction waits for one more.

        Raises:
            OfferError: these terms may not be agreed to, whoever says yes.
            UnknownDatasetError: the dataset is not offered (any more).
        """
        ...


class TransferStrategy(Protocol):
    """Decides on uses and answers transfers, inside the transaction of the message that asks."""

    def examine(self, tx: Transaction, agreement: Agreement, transfer: Transfer) -> Decision:
        """Whether the consumer may have this use; asked on the provider's side before the request is acknowledged.

        `transfer` is the process as it would be stored: INITIAL for a new request, SUSPENDED (see `suspended_by`)
        where the consumer asks to resume. Its counterparty is the authenticated consumer of the agreement. Anything
        but a permit is refused with the decision's code and the clauses of its failures.
        """
        ...

    def react(self, tx: Transaction, transfer: Transfer, event: TransferEvent) -> Reaction:
        """What to do now; an empty reaction holds the transfer."""
        ...

    def address(self, tx: Transaction, transfer: Transfer) -> JsonObject | None:
        """The dataAddress for our start message (provider), with `@type` and `endpointType`."""
        ...


class FinalisedAgreements(Protocol):
    """Finalised agreements, as transfers see them."""

    def usable(self, tx: Transaction, agreement_id: str, consumer: str, known: DeliveryStateOf) -> Agreement | None:
        """The agreement with this identity with that consumer.

        Raises:
            EarlyMessageError: the answer to our finalising message is still pending.
        """
        ...


# Raises an error of `medspace.core.errors` where a callback address must not be used.
CallbackCheck: TypeAlias = Callable[[str], None]

# Looks up what is known of a participant, by its DID.
FactsOf: TypeAlias = Callable[[Transaction, str], Facts]
