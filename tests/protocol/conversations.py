"""The conversations of the cases: a negotiation or a transfer, with the runner as consumer or as provider."""

import threading
import time
from typing import Any
from uuid import uuid4

from tests.protocol import schemas, wire
from tests.protocol.callback import CallbackServer, Expectation, Reply
from tests.protocol.cases import Case
from tests.protocol.exchange import Wire, checked, demand

PAUSE = 0.1
POLL = 0.05


class Conversation:
    """One process between the runner and the system under test, as one case walks it."""

    kinds: dict[str, wire.Kind]
    folder: str  # negotiations | transfers
    process: str  # the type of the documents that describe the process
    consumer: bool  # whether the runner is the consumer

    def __init__(self, case: Case, wires: Wire, callbacks: CallbackServer) -> None:
        self.case = case
        self.wire = wires
        self.callbacks = callbacks
        # A base of its own, so that cases can run side by side.
        self.address = f"{callbacks.address}/{case.key}-{uuid4().hex[:8]}"
        self.own_pid = uuid4().urn
        self.peer_pid = ""
        self.peer_address = wires.target.base
        self.expected: dict[str, Expectation] = {}
        self.first: wire.Message = {}
        self.begun = threading.Event()  # both pids are known

    def run(self) -> None:
        """Walk the steps."""
        verbs = {">": self.send, "!": self.reject, "?": self.expect, "<": self.await_, "=": self.check}
        for step in self.case.steps.split():
            verbs[step[0]](step[1:])

    @property
    def pids(self) -> dict[str, str]:
        """Both process ids, by the names that they have in messages."""
        own, peer = ("consumerPid", "providerPid") if self.consumer else ("providerPid", "consumerPid")
        return {own: self.own_pid, peer: self.peer_pid}

    @property
    def url(self) -> str:
        """The process at the system under test."""
        return f"{self.peer_address.rstrip('/')}/{self.folder}/{self.peer_pid}"

    def path(self, name: str) -> str:
        """Where the system's message arrives: the first one has no pid in its path yet."""
        process = "request" if name == "request" else f"{self.own_pid}/{self.kinds[name].path}"
        return f"{self.address.removeprefix(self.callbacks.address)}/{self.folder}/{process}"

    # steps

    def expect(self, name: str) -> None:
        """Answer the message from now on, once."""
        self.expected[name] = self.callbacks.expect(self.path(name), lambda message: self.receive(name, message))

    def await_(self, name: str) -> None:
        """Wait until the message has arrived and was found good."""
        expectation = self.expected[name]
        demand(expectation.arrived.wait(self.wire.target.wait), f"{name} never came to {expectation.path}")
        demand(expectation.fault is None, str(expectation.fault))

    def send(self, name: str) -> None:
        """Send what must succeed."""
        if name in {"trigger", "again"} or not self.peer_pid:
            self.begin(name)
        else:
            self.pause(name)
            self.wire.post(f"{self.url}/{self.kinds[name].path}", self.compose(name))

    def reject(self, name: str) -> None:
        """Send what must be rejected."""
        self.pause(name)
        self.wire.post_rejected(f"{self.url}/{self.kinds[name].path}", self.compose(name))

    def check(self, state: str) -> None:
        """The state that the system says it is in."""
        raise NotImplementedError

    def begin(self, name: str) -> None:
        """The first message of the process, or the same one again, or the trigger of the system's first message."""
        if name == "trigger":
            self.wire.post(*self.trigger())
            return
        self.first = self.first or self.compose(name)
        path = "offers" if name == "first-offer" or self.first["@type"] == "ContractOfferMessage" else "request"
        process = checked(self.wire.post(f"{self.wire.target.base}/{self.folder}/{path}", self.first))
        demand(process["@type"] == self.process, f"a {self.process} was expected, not {process}")
        self.learn(process, again=name == "again")

    def learn(self, process: wire.Message, *, again: bool) -> None:
        """Take the system's pid from its first answer; a repeated request must bring the same one."""
        own, peer = self.pids
        demand(process[own] == self.own_pid, f"{own} is not ours in {process}")
        demand(not again or process[peer] == self.peer_pid, f"a second process was made: {process}")
        self.peer_pid = process[peer]
        self.begun.set()

    # messages

    def receive(self, name: str, message: wire.Message) -> Reply:
        """Judge a message of the system and answer it."""
        kind = self.kinds[name]
        faults = schemas.faults(message)
        if (message.get("@type"), message.get("eventType")) != (kind.type, kind.event) or faults:
            raise ValueError(f"no good {kind.type}: {faults}")
        if wire.CONTEXT not in message["@context"]:
            raise ValueError("not of this protocol")
        if name == "request":
            self.peer_pid = message["consumerPid"]
            self.peer_address = message["callbackAddress"]
            self.begun.set()
        self.begun.wait(self.wire.target.wait)  # a push may overtake the reply that it follows
        pids = {
            pid: message[pid] for pid in (("consumerPid",) if name == "request" else ("consumerPid", "providerPid"))
        }
        if pids != {pid: self.pids[pid] for pid in pids}:
            raise ValueError(f"wrong pids: {pids} are not {self.pids}")
        return self.reply(name, message)

    def document(self, state: str) -> wire.Message:
        """The process as the runner describes it."""
        return wire.message(self.process, **self.pids, state=state)

    def pause(self, name: str) -> None:
        """What the runner waits before a message of its own."""

    def trigger(self) -> tuple[str, wire.Message]:
        """The address and the body by which the system is asked to begin."""
        raise NotImplementedError

    def compose(self, name: str) -> wire.Message:
        """A message of the runner."""
        raise NotImplementedError

    def reply(self, name: str, message: wire.Message) -> Reply:
        """The runner's answer to a good message."""
        raise NotImplementedError


class Negotiation(Conversation):
    """A negotiation; its state is looked at once, after a pause."""

    kinds = {**wire.NEGOTIATION, "first-offer": wire.Kind("offers", "ContractOfferMessage")}  # noqa: RUF012 - a table
    folder = "negotiations"
    process = "ContractNegotiation"

    @property
    def offer_id(self) -> str:
        """The id that ties an offer to its dataset."""
        return "offer" + self.case.dataset

    def pause(self, name: str) -> None:
        if name in {"termination", "verification"}:
            time.sleep(PAUSE)

    def check(self, state: str) -> None:
        time.sleep(PAUSE)
        found = self.wire.get(self.url)
        demand(found["@type"] == self.process, f"a {self.process} was expected, not {found}")
        demand(found["state"] == state, f"{state} was expected, not {found['state']}")

    def compose(self, name: str) -> wire.Message:
        kind = self.kinds[name]
        pids = {name_: pid for name_, pid in self.pids.items() if pid}
        return wire.message(kind.type, **pids, **self.contents(name))

    def contents(self, name: str) -> dict[str, Any]:
        """What stands in a message besides its pids."""
        parties = (wire.PROVIDER, wire.RUNNER) if self.consumer else (wire.RUNNER, wire.PROVIDER)
        dataset = self.case.dataset
        address = {"callbackAddress": self.address}
        tables: dict[str, dict[str, Any]] = {
            "request": {"offer": wire.offer(self.offer_id, dataset), **address},
            "counter": {"offer": wire.offer(uuid4().urn, dataset, *parties)},
            "counter-elsewhere": {"offer": wire.offer("CD123:ACN0102:456", "ACN0102", *parties)},
            "offers": {"offer": wire.offer(self.offer_id, dataset, *parties)},
            "first-offer": {"offer": wire.offer(self.offer_id, dataset, *parties), **address},
            "agreement": {"agreement": wire.agreement(self.offer_id, dataset, *parties)},
            "termination": {"code": "1"},
        }
        event = self.kinds[name].event
        return {"eventType": event} if event else tables.get(name, {})

    def trigger(self) -> tuple[str, wire.Message]:
        return self.wire.target.negotiation_trigger, {
            "providerId": wire.RUNNER,
            "offerId": self.offer_id,
            "datasetId": self.case.dataset,
            "connectorAddress": self.address,
        }

    def reply(self, name: str, message: wire.Message) -> Reply:
        if name in {"request", "counter"}:
            offer = message["offer"]
            if offer["target"] != self.case.dataset or (name == "request" and offer["@id"] != self.offer_id):
                raise ValueError("not the offer that was to be asked for")
            return 200, self.document("REQUESTED")
        return (200, self.document("OFFERED")) if name == "offers" else (200, None)


class NegotiationAsConsumer(Negotiation):
    """The runner is the consumer (CN)."""

    consumer = True


class NegotiationAsProvider(Negotiation):
    """The runner is the provider (CN_C)."""

    consumer = False


class Transfer(Conversation):
    """A transfer; its state is looked at until it is the one that is due."""

    kinds = wire.TRANSFER
    folder = "transfers"
    process = "TransferProcess"

    def check(self, state: str) -> None:
        deadline = time.monotonic() + self.wire.target.wait
        while (found := self.wire.get(self.url))["state"] != state:
            demand(time.monotonic() < deadline, f"{state} was expected, not {found['state']}")
            time.sleep(POLL)
        demand(found["@type"] == self.process, f"a {self.process} was expected, not {found}")

    def compose(self, name: str) -> wire.Message:
        pids = {name_: pid for name_, pid in self.pids.items() if pid}
        return wire.message(self.kinds[name].type, **pids, **self.contents(name))

    def contents(self, name: str) -> dict[str, Any]:
        """What stands in a message besides its pids."""
        request = {"agreementId": self.case.agreement, "format": "HTTP-PULL", "callbackAddress": self.address}
        address = {} if self.consumer else {"dataAddress": wire.data_address()}
        code = {"code": "1"}
        return {"request": request, "start": address, "suspension": code, "termination": code}.get(name, {})

    def trigger(self) -> tuple[str, wire.Message]:
        return self.wire.target.transfer_trigger, {
            "providerId": wire.RUNNER,
            "agreementId": self.case.agreement,
            "format": "HTTP-PULL",
            "connectorAddress": self.address,
        }

    def reply(self, name: str, message: wire.Message) -> Reply:
        if name == "request" and (message["agreementId"], message["format"]) != (self.case.agreement, "HTTP-PULL"):
            raise ValueError("not the transfer that was to be asked for")
        states = {"request": "REQUESTED", "start": "STARTED", "suspension": "SUSPENDED", "completion": "COMPLETED"}
        return 200, self.document(states.get(name, "TERMINATED"))


class TransferAsConsumer(Transfer):
    """The runner is the consumer (TP)."""

    consumer = True


class TransferAsProvider(Transfer):
    """The runner is the provider (TP_C)."""

    consumer = False


CONVERSATIONS: dict[str, type[Conversation]] = {
    "CN": NegotiationAsConsumer,
    "CN_C": NegotiationAsProvider,
    "TP": TransferAsConsumer,
    "TP_C": TransferAsProvider,
}
