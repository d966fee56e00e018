"""Two or more connectors in one process, over a network that can lose, repeat, delay and refuse."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.connector.dispatch.rules import RetryPolicy
from medspace.connector.dispatch.service import Dispatcher
from medspace.connector.errors import (
    NotSentError,
    UnknownProcessError,
    UnreachableError,
    UseRefusedError,
)
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, Dataset, Negotiation, ProcessKind, Reaction, Transfer
from medspace.connector.negotiation.messages import NEGOTIATION
from medspace.connector.negotiation.rules import NegotiationMessage as N
from medspace.connector.negotiation.service import Negotiations
from medspace.connector.negotiation.steps import NegotiationSteps
from medspace.connector.ports import Reply
from medspace.connector.transfer.messages import TRANSFER
from medspace.connector.transfer.rules import TransferMessage as T
from medspace.connector.transfer.service import Transfers
from medspace.connector.transfer.steps import TransferSteps
from medspace.connector.usage.ended import supersede
from medspace.core.decision import Decision, Verdict
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError
from medspace.trust.model import Caller

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
OFFER = {"@id": "urn:offer:1", "@type": "Offer", "permission": [{"action": "use"}]}
PULL = {"@type": "DataAddress", "endpointType": "urn:medspace:job:1", "endpoint": "http://127.0.0.1/jobs/1"}

NEGOTIATION_PATHS = {
    "request": (N.REQUEST,),
    "offers": (N.OFFER,),
    "agreement": (N.AGREEMENT,),
    "agreement/verification": (N.VERIFICATION,),
    "events": (N.ACCEPTED, N.FINALIZED),
    "termination": (N.TERMINATION,),
}
TRANSFER_PATHS = {
    "start": T.START,
    "suspension": T.SUSPENSION,
    "completion": T.COMPLETION,
    "termination": T.TERMINATION,
}


@dataclass
class Script:
    """A strategy for tests: what to do on each event."""

    reactions: dict[str, Any] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    decision: Decision = field(default_factory=lambda: Decision(Verdict.PERMIT, "permitted"))
    data_address: dict[str, Any] | None = field(default_factory=lambda: dict(PULL))

    def react(self, tx, process, event) -> Reaction:
        self.events.append(event.value)
        reaction = self.reactions.get(event.value, Reaction())
        return reaction if isinstance(reaction, Reaction) else Reaction(tuple(reaction.split()))

    def approve(self, tx, process, action) -> Reaction:
        return Reaction((action,))

    def examine(self, tx, agreement, transfer) -> Decision:
        return self.decision

    def address(self, tx, transfer) -> dict[str, Any] | None:
        return self.data_address


AUTOMATIC = {
    "request": "agree",
    "accepted": "agree",
    "verified": "finalize",
    "offer": "accept",
    "agreement": "verify",
}


class Party:
    """One connector without HTTP: `post` and `get` are its door."""

    def __init__(self, name: str, network: "Network", patience: RetryPolicy | None = None) -> None:
        self.did = f"did:web:{name}.example"
        self.address = f"https://{name}.example/dsp"
        self.database = MemoryDatabase()
        self.clock = network.clock
        self.network = network
        self.patience = patience or RetryPolicy()
        self.randomness = SeededRandomness(sum(name.encode()))
        self.negotiating = Script(dict(AUTOMATIC))
        self.transferring = Script({"request": "start"})
        self.strategy: Any = None
        self.task: asyncio.Task[None] | None = None
        self.build()
        network.parties[self.address] = self

    @property
    def local(self) -> Local:
        return Local(self.did, self.address, self.clock, self.randomness)

    def build(self) -> None:
        steps = NegotiationSteps(self.local, self.strategy or self.negotiating, supersede)
        uses = TransferSteps(self.local, self.transferring, steps)
        self.dispatcher = Dispatcher(
            self.database,
            Wire(self.network, self.did),
            {ProcessKind.NEGOTIATION: steps, ProcessKind.TRANSFER: uses},
            self.clock,
            self.randomness,
            self.patience,
        )
        self.negotiations = Negotiations(self.database, steps, self.dispatcher, lambda url: None)
        self.transfers = Transfers(self.database, uses, self.dispatcher, lambda url: None)

    def start(self) -> None:
        self.task = asyncio.ensure_future(self.dispatcher.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None

    async def restart(self) -> None:
        """Everything in memory is gone; the database stays."""
        await self.stop()
        self.build()
        self.start()

    async def post(self, path: str, content: bytes, did: str) -> Reply:
        caller, began = Caller(did, "token"), self.dispatcher
        launched = None
        try:
            body, status, launched = await self._take(path.strip("/").split("/"), content, caller)
            return Reply(status, body)
        except UnknownProcessError as error:
            return Reply(404, {"code": error.code})
        except UseRefusedError as error:
            return Reply(400, {"code": error.decision.code, "clause": error.clause, "reason": [str(error.text)]})
        except (InvalidInputError, RefusedError) as error:
            return Reply(400, {"code": error.code, "reason": [str(error.text)]})
        except MedspaceError as error:
            return Reply(503, {"code": error.code})
        finally:
            if self.dispatcher is not began:  # restarted meanwhile; a real one would have died with this message
                self.dispatcher.register(launched)
            self.dispatcher.launch(launched)

    async def _take(self, parts: list[str], content: bytes, caller: Caller):
        if parts[0] == "negotiations":
            if len(parts) == 2:
                outcome = await self.negotiations.open(caller, content, NEGOTIATION_PATHS[parts[1]][0])
            else:
                expected = NEGOTIATION_PATHS["/".join(parts[2:])]
                outcome = await self.negotiations.receive(caller, parts[1], content, *expected)
            return NEGOTIATION.shown(outcome.process), 200, outcome.intent
        if len(parts) == 2:
            outcome = await self.transfers.open(caller, content)
        else:
            outcome = await self.transfers.receive(caller, parts[1], content, TRANSFER_PATHS[parts[2]])
        return TRANSFER.shown(outcome.process), 200, outcome.intent

    async def get(self, path: str, did: str) -> Reply:
        kind, pid = path.strip("/").split("/")
        try:
            if kind == "negotiations":
                return Reply(200, NEGOTIATION.shown(await self.negotiations.get(Caller(did, "t"), pid)))
            return Reply(200, TRANSFER.shown(await self.transfers.get(Caller(did, "t"), pid)))
        except UnknownProcessError as error:
            return Reply(404, {"code": error.code})

    async def negotiation(self, pid: str) -> Negotiation:
        return await self.negotiations.find(pid)

    async def transfer(self, pid: str) -> Transfer:
        return await self.transfers.find(pid)

    async def log(self) -> list[dict[str, Any]]:
        return await self.database.read(
            lambda tx: [msgspec.json.decode(entry) for entry in tx.log.entries(0, tx.log.size())]
        )

    async def kinds(self) -> list[str]:
        return [entry["kind"] for entry in await self.log()]

    async def offer(self, dataset: Dataset) -> None:
        await self.database.write(lambda tx: tx.insert(CATALOGUE, dataset))


@dataclass
class Wire:
    """The transport of one party."""

    network: "Network"
    did: str

    async def post(self, url: str, message: dict[str, Any], audience: str) -> Reply:
        return await self.network.carry("POST", url, message, self.did)

    async def get(self, url: str, audience: str) -> Reply:
        return await self.network.carry("GET", url, {}, self.did)


@dataclass
class Network:
    """Delivers at once; `fault` may say otherwise for a call: lost, void, mute, late, twice, slow, 404, 500."""

    clock: ManualClock = field(default_factory=ManualClock)
    parties: dict[str, Party] = field(default_factory=dict)
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    fault: Callable[[str, str, dict[str, Any]], str | None] = lambda method, url, message: None
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    pause: Callable[[], int] = lambda: 1
    late: list[asyncio.Future[Reply]] = field(default_factory=list)

    async def carry(self, method: str, url: str, message: dict[str, Any], did: str) -> Reply:
        if method == "POST":
            self.sent.append((url, message))
        party = next((party for address, party in self.parties.items() if url.startswith(address)), None)
        fault = self.fault(method, url, message)
        if party is None or fault == "lost":
            raise NotSentError(address=url, reason="lost")
        if fault == "void":
            raise UnreachableError(address=url, reason="nobody knows")
        if fault is not None and fault.isdigit():
            return Reply(int(fault), {"code": "test.fault", "reason": ["made up"]})
        path = url[len(party.address) :]
        await self.ticks()
        if method == "GET":
            return await party.get(path, did)
        if fault == "late":  # the sender gives up waiting, the message arrives all the same
            self.late.append(
                asyncio.ensure_future(self.deliver(path, msgspec.json.encode(message), did, party, "late"))
            )
            raise UnreachableError(address=url, reason="late")
        reply = await self.deliver(path, msgspec.json.encode(message), did, party, fault)
        if fault == "mute":
            raise UnreachableError(address=url, reason="no answer")
        if fault in self.gates:
            await self.gates[fault].wait()
        await self.ticks()
        return reply

    async def deliver(self, path: str, content: bytes, did: str, party: Party, fault: str | None) -> Reply:
        if fault == "late":
            for _ in range(8):
                await self.ticks()
        # A receiver works on, even if the sender dies meanwhile.
        reply = await asyncio.shield(asyncio.ensure_future(party.post(path, content, did)))
        if fault == "twice":
            await asyncio.shield(asyncio.ensure_future(party.post(path, content, did)))
        if fault == "slow":
            for _ in range(5):
                await self.ticks()
        return reply

    async def ticks(self) -> None:
        for _ in range(self.pause()):
            await asyncio.sleep(0)


async def settle(clock: ManualClock, rounds: int = 40) -> None:
    """Let everything run that can run without time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def until(clock: ManualClock, condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Let time pass until the condition holds."""
    passed = 0.0
    while True:
        await settle(clock)
        held = condition()
        if asyncio.iscoroutine(held):
            held = await held
        if held:
            return
        assert passed < seconds, "it never came to hold"
        clock.advance(0.1)
        passed += 0.1
