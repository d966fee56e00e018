"""The connector's records: offered datasets, negotiations, agreements, transfers, messages still to be delivered.

Invariants: a process belongs to one authenticated counterparty for its whole life; it has at most one message in
flight (its `Intent`, which shares the process's identity); an `Agreement` is stored once its negotiation is FINALIZED
and never changes.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import TypeVar

from medspace.core.canonical import JsonObject
from medspace.core.store import Collection
from medspace.privacy.figures import DatasetFigures


class Role(StrEnum):
    """The side of a process that a participant is on."""

    PROVIDER = "provider"
    CONSUMER = "consumer"

    @property
    def other(self) -> "Role":
        """The role of the counterparty."""
        return Role.CONSUMER if self is Role.PROVIDER else Role.PROVIDER


class ProcessKind(StrEnum):
    """The two kinds of process of the Dataspace Protocol."""

    NEGOTIATION = "negotiation"
    TRANSFER = "transfer"


class NegotiationState(StrEnum):
    """The states of a contract negotiation (DSP 2025-1).

    INITIAL is our addition: before the first acknowledgement.
    """

    INITIAL = "INITIAL"
    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"


class TransferState(StrEnum):
    """The states of a transfer process (DSP 2025-1). INITIAL is our addition: before the first acknowledgement."""

    INITIAL = "INITIAL"
    REQUESTED = "REQUESTED"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"


@dataclass(frozen=True, slots=True)
class ProcessFailure:
    """Why a process ended or is stuck: a code, sentences, and their origin."""

    code: str
    reason: tuple[str, ...]
    source: str  # "us", "peer" (the counterparty said so) or "delivery" (it could not be reached)
    clause: str | None = None  # of the policy or label, as a JSON pointer or a named rule


@dataclass(frozen=True, slots=True)
class Reaction:
    """What we do next: a sequence of actions, each taken once the one before is acknowledged.

    Negotiation: offer, agree, finalize, accept, counter, verify, terminate. Transfer: start, suspend, complete,
    terminate. Without actions the process is held, for the counterparty or for a person. `delay` is the number of
    seconds before each action; `code`, `reason` and `clause` go with a termination or a suspension; `offer` goes with
    an offer or a counter-offer (without one, the offer on the table is repeated) and with an agreement (it is then
    its terms). `by` is the person or the token that asked for it (`core.actors`), "" where neither did.
    """

    actions: tuple[str, ...] = ()
    delay: float = 0.0
    code: str | None = None
    reason: tuple[str, ...] = ()
    clause: str | None = None
    offer: JsonObject | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An asset in the catalogue. `offers` are ODRL policies as on the wire, without target; `label` is a digest.

    `dictionary` describes its columns (`core.dictionary.describe`) and `digest` identifies its exact content, if it
    has any. `body` is the dcat:Dataset as JSON text, built once when it is published. `described` is the digest of
    everything but the content that `dictionary` was built from; empty where an older connector published it.
    `figures` is what its holder publishes of its size and its missing values (`catalogue.figures`).
    """

    id: str
    title: str
    description: str
    keywords: tuple[str, ...]
    offers: tuple[JsonObject, ...]
    formats: tuple[str, ...]  # kinds of use, one distribution each
    label: str
    published: str  # RFC 3339
    body: str = ""
    dictionary: JsonObject | None = None
    digest: str = ""
    described: str = ""
    figures: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class KeptFigures:
    """The figures of a dataset as they were last rounded: the next ones hold to them. `id` is the dataset.

    They outlive a withdrawal, so that nobody gets fresh ones by having it offered anew. `reached` are the patients
    whom a purpose reaches by their consent, in steps; each purpose by its name.
    """

    id: str
    figures: DatasetFigures
    reached: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Process:
    """The record of a process of either kind. Times are RFC 3339 in UTC."""

    id: str  # our pid
    role: Role
    state: StrEnum
    counterparty: str  # DID
    address: str  # base URL of the counterparty's messages, without trailing slash
    peer_pid: str | None  # None until the counterparty has named it
    created: str
    updated: str
    _: KW_ONLY
    failure: ProcessFailure | None = None
    seen: tuple[str, ...] = ()  # identities of the counterparty's last messages
    trouble: ProcessFailure | None = None  # why our message has not been accepted yet; it is being repeated
    asked_by: str = ""  # which actor here began it (`core.actors`); "" where the counterparty did
    moved_by: str = ""  # which actor here last changed it; "" where the connector itself or the counterparty did


P = TypeVar("P", bound=Process)


@dataclass(frozen=True, slots=True)
class Negotiation(Process):
    """One contract negotiation, as this connector sees it."""

    state: NegotiationState
    initiator: Role
    offer: JsonObject  # the offer on the table, with target
    asked: JsonObject | None  # the terms that the consumer last asked for
    agreement: JsonObject | None = None  # as on the wire, from AGREED on (on the provider's side: once it is sent)
    approved_by: tuple[str, ...] = ()  # the actors here that said yes to what is, or was last, on the table
    alone: bool = False  # one yes is stored, and another actor's is awaited

    @property
    def dataset(self) -> str:
        """The asset that is being negotiated."""
        return str(self.offer["target"])

    @property
    def agreement_id(self) -> str | None:
        """The identity of the agreement, once there is one."""
        return None if self.agreement is None else str(self.agreement["@id"])

    @property
    def initial(self) -> str | None:
        """The counterparty's pid where it began the process; makes its initial message idempotent."""
        return None if self.initiator is self.role else self.peer_pid

    @property
    def open_for(self) -> str | None:
        """The counterparty, where it began this process and it is still open: counts towards its quota."""
        over = self.state in (NegotiationState.FINALIZED, NegotiationState.TERMINATED)
        return None if over or self.initiator is self.role else self.counterparty


@dataclass(frozen=True, slots=True)
class LatestTime:
    """The latest time (RFC 3339) at which something was decided, whatever the clock says since."""

    id: str
    time: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """A finalised agreement.

    `policy` is the ODRL Agreement as on the wire, `digest` the digest of its canonical form.
    """

    id: str
    negotiation: str  # our pid of the negotiation it comes from
    provider: str  # DID
    consumer: str  # DID
    dataset: str
    policy: JsonObject
    digest: str
    agreed: str  # RFC 3339, the agreement's own timestamp
    finalized: str  # RFC 3339
    asked_by: str = ""  # which actor here asked for it (`core.actors`)
    approved_by: tuple[str, ...] = ()  # which actors here said yes to it; empty where the policy alone decided


@dataclass(frozen=True, slots=True)
class Transfer(Process):
    """One transfer process: one use of an agreement."""

    state: TransferState
    agreement: str
    dataset: str
    format: str
    data_address: JsonObject | None = (
        None  # the address of the data: given by the provider (pull) or the consumer (push)
    )
    suspended_by: Role | None = None

    @property
    def initial(self) -> str | None:
        """The consumer's pid where we are the provider; makes the request idempotent."""
        return self.peer_pid if self.role is Role.PROVIDER else None

    @property
    def open_for(self) -> str | None:
        """The consumer, where we are the provider and the transfer is still open: counts towards its quota."""
        over = self.state in (TransferState.COMPLETED, TransferState.TERMINATED)
        return None if over or self.role is Role.CONSUMER else self.counterparty


@dataclass(frozen=True, slots=True)
class Intent:
    """A message that we owe the counterparty, exactly as it is sent at every attempt.

    It is stored in the transaction that caused it and removed in the one that records the acknowledgement.
    """

    id: str  # the pid of the process: a process has at most one message in flight
    kind: ProcessKind
    action: str
    url: str
    audience: str  # DID
    message: JsonObject  # its @id distinguishes a repetition from a new message
    due: str  # RFC 3339: not to be sent before
    created: str
    then: Reaction | None = None  # what follows the acknowledgement
    by: str = ""  # which actor here asked for it; "" where none did


@dataclass(frozen=True, slots=True)
class TrafficAccount:
    """How many bytes of messages a member has sent since an instant; used for its quota."""

    id: str  # DID
    since: str  # RFC 3339
    received: int


CATALOGUE = Collection("datasets", Dataset)
FIGURES = Collection("figures", KeptFigures)
NEGOTIATIONS = Collection(
    "negotiations",
    Negotiation,
    keys=("role", "state", "counterparty", "initial", "agreement_id", "created", "open_for"),
    unique=(("role", "counterparty", "initial"),),
)
LATEST = Collection("latest_times", LatestTime)
AGREEMENTS = Collection("agreements", Agreement, keys=("provider", "consumer", "dataset", "finalized"))
TRANSFERS = Collection(
    "transfers",
    Transfer,
    keys=("role", "state", "counterparty", "initial", "agreement", "created", "open_for"),
    unique=(("role", "counterparty", "initial"),),
)
INTENTS = Collection("intents", Intent, keys=("audience",))

ACCOUNTS = Collection("accounts", TrafficAccount)

COLLECTIONS = (CATALOGUE, FIGURES, NEGOTIATIONS, LATEST, AGREEMENTS, TRANSFERS, INTENTS, ACCOUNTS)
