"""A member whose callbacks take connections and never answer holds its own few places, and nobody else's.

The connectors are whole, the silent member is a real socket: hundreds of negotiations are opened in its name.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from medspace.adapters.http.client import ClientLimits, HttpClient
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.peers import DspClient
from medspace.adapters.memory import MemoryDatabase, SeededRandomness
from medspace.adapters.system import SystemClock
from medspace.connector.dispatch.fair_queue import Sharing
from medspace.connector.dispatch.service import Dispatcher
from medspace.connector.local import Local
from medspace.connector.model import INTENTS, NegotiationState, ProcessKind
from medspace.connector.negotiation.rules import NegotiationMessage
from medspace.connector.negotiation.service import Negotiations
from medspace.connector.negotiation.steps import NegotiationSteps
from medspace.connector.wire import encode
from medspace.trust.model import Caller
from tests.unit.connector.parties import AUTOMATIC, CONTEXT, OFFER, Script

HONEST, SILENT = "did:web:honest.example", "did:web:silent.example"
OPENED = 300
NO_LIMITS = Sharing(at_once=64, member=64, silent=64)


class Sender:
    """An identity that nobody checks here."""

    def token_for(self, _audience: str) -> str:
        return "token"


@asynccontextmanager
async def tarpit() -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """A server that accepts and never answers; the connections that it holds."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0, backlog=512)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/cb", held
    finally:
        for writer in held:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in held), return_exceptions=True)
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def answering() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """An honest member's callback: it takes everything; the event is set at the first message."""
    taken = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: "))
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: application/json\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        taken.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/cb", taken
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def hospital(sharing: Sharing) -> AsyncIterator[Negotiations]:
    """A provider that agrees to what it is asked for, with its real way out."""
    database, clock, chance = MemoryDatabase(), SystemClock(), SeededRandomness(1)
    local = Local("did:web:hospital.example", "http://127.0.0.1:1/dsp", clock, chance)
    steps = NegotiationSteps(local, Script(dict(AUTOMATIC)))
    client = HttpClient(Guard.of(loopback=True), limits=ClientLimits(connections=1000))
    transport, settlements = DspClient(client, Sender()), {ProcessKind.NEGOTIATION: steps}
    dispatcher = Dispatcher(database, transport, settlements, clock, chance, sharing=sharing)
    running = asyncio.create_task(dispatcher.run())
    try:
        yield Negotiations(database, steps, dispatcher, lambda _: None)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.close()


async def ask(hospital: Negotiations, did: str, callback: str, number: int) -> str:
    told = {
        "@context": CONTEXT,
        "@type": "ContractRequestMessage",
        "consumerPid": f"urn:c:{number}",
        "callbackAddress": callback,
        "offer": {**OFFER, "target": "urn:asset:1"},
    }
    outcome = await hospital.open(Caller(did, "t"), encode(told), NegotiationMessage.REQUEST)
    hospital.dispatcher.launch(outcome.intent)
    return outcome.process.id


async def under_attack(sharing: Sharing, silent_members: int) -> tuple[int, bool]:
    """Connections that the attackers got, and whether an honest member's agreement arrives all the same."""
    async with hospital(sharing) as holder, tarpit() as (pit, held), answering() as (callback, taken):
        for number in range(OPENED):
            await ask(holder, f"{SILENT}:{number % silent_members}", pit, number)
        deadline = asyncio.get_running_loop().time() + 10
        while len(held) < min(sharing.at_once, sharing.member * silent_members):
            assert asyncio.get_running_loop().time() < deadline, f"only {len(held)} messages are under way"
            await asyncio.sleep(0)
        pid = await ask(holder, HONEST, callback, OPENED)
        try:
            await asyncio.wait_for(taken.wait(), 3)
        except TimeoutError:
            return len(held), False
        agreed = await holder.find(pid)
        assert agreed.state in (NegotiationState.REQUESTED, NegotiationState.AGREED)
        owed = await holder.database.read(lambda tx: tx.find(INTENTS, where={"audience": f"{SILENT}:0"}))
        assert owed  # nothing of theirs was thrown away
        return len(held), True


TARPIT = "tarpit: of 64 places for messages, those that a silent member holds"


@pytest.mark.parametrize("silent_members", [1, 8])
async def test_an_honest_member_is_served_while_others_never_answer(silent_members, attack_report):
    held, served = await under_attack(Sharing(), silent_members)
    attack_report(TARPIT, got=held / silent_members, of=Sharing().at_once, unit="places")
    assert served
    assert held <= Sharing().member * silent_members


async def test_without_the_limits_nobody_else_is_served(attack_report):
    """The control: the same attack with the places of all in one pot."""
    held, served = await under_attack(NO_LIMITS, 1)
    attack_report(TARPIT, control=held, of=NO_LIMITS.at_once, unit="places")
    assert (held, served) == (64, False)
