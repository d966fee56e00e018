"""Negotiations and transfers with a connector that is slow to note what it has acknowledged, in both roles."""

import random
from typing import Self

import msgspec
import pytest

from medspace.connector.catalogue.finding import listed
from medspace.connector.dispatch.rules import RetryPolicy
from medspace.connector.model import AGREEMENTS, INTENTS, Agreement
from medspace.connector.ports import Reply
from tests.protocol.scripted_peer import FINAL, ScriptedPeer
from tests.unit.connector.parties import Network, Party, settle

TARGET = "urn:asset:1"
OFFER = {"@id": "usable", "@type": "Offer", "permission": [{"action": "use"}]}
NO_PATIENCE = RetryPolicy(busy=-1.0)  # as it was: 409 is final


class Neighbour:
    """The scripted peer on the network of the unit tests: no HTTP, and the time of its clock."""

    def __init__(self, network: Network, slow: float, seed: int) -> None:
        chance = random.Random(seed)
        start = network.clock.now()
        self.network = network
        self.did, self.address = "did:web:peer.example", "https://peer.example/protocol/2025-1"
        self.peer = ScriptedPeer(
            self.did,
            self.address,
            now=lambda: (network.clock.now() - start).total_seconds(),  # noqa: PLW0108 - the clock is asked each time
            slow=lambda: slow * chance.uniform(0.3, 1.0),
            seed=seed,
        )
        network.parties[self.address] = self  # type: ignore[assignment]

    async def post(self, path: str, content: bytes, _did: str) -> Reply:
        return Reply(*self.peer.receive(path, msgspec.json.decode(content)))

    async def get(self, path: str, _did: str) -> Reply:
        return Reply(*self.peer.read(path))

    async def work(self) -> None:
        """Send what is due."""
        for sent in self.peer.due():
            reply = await self.network.carry("POST", sent.url, sent.message, self.did)
            self.peer.told(sent, reply.status, reply.body)


class Road:
    """The product on one side and the scripted peer on the other; time passes only here."""

    def __init__(self, slow: float = 0.5, patience: RetryPolicy | None = None, seed: int = 1) -> None:
        self.network = Network()
        self.ours = Party("ours", self.network, patience)
        self.neighbour = Neighbour(self.network, slow, seed)
        self.peer = self.neighbour.peer
        self.peer.customer = self.ours.did

    async def __aenter__(self) -> Self:
        self.ours.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.ours.stop()

    async def until(self, condition, seconds: float = 30.0) -> bool:
        """Let time pass until the condition holds; False where it never does."""
        for _ in range(int(seconds / 0.05)):
            await settle(self.network.clock, 20)
            await self.neighbour.work()
            await settle(self.network.clock, 20)
            if await condition():
                return True
            self.network.clock.advance(0.05)
        return False

    async def agree_on(self, consumer: str, provider: str) -> str:
        made = Agreement("urn:g:1", "none", provider, consumer, TARGET, {}, "sha256:0", "", "")
        await self.ours.database.write(lambda tx: tx.insert(AGREEMENTS, made))
        return made.id

    async def over(self, find) -> tuple[str, str]:
        """Both states once both are final, or as they are after half a minute."""
        states = ("", "")

        async def both() -> bool:
            nonlocal states
            states = await find()
            return all(state in FINAL for state in states)

        await self.until(both)
        return states


async def negotiated_by_us(road: Road) -> tuple[str, str]:
    begun = await road.ours.negotiations.request_negotiation(road.peer.did, road.peer.address, OFFER, TARGET)

    async def find() -> tuple[str, str]:
        mine = await road.ours.negotiation(begun.id)
        theirs = road.peer.processes.get(mine.peer_pid or "")
        return str(mine.state), theirs.state if theirs else ""

    return await road.over(find)


async def negotiated_by_the_peer(road: Road) -> tuple[str, str]:
    theirs = road.peer.negotiate(road.ours.address, {**OFFER, "target": TARGET, "assigner": road.ours.did})

    async def find() -> tuple[str, str]:
        mine = await road.ours.negotiation(theirs.other) if theirs.other else None
        return str(mine.state) if mine else "", theirs.state

    return await road.over(find)


NEGOTIATED = [negotiated_by_us, negotiated_by_the_peer]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("negotiated", NEGOTIATED)
async def test_a_negotiation_ends_well_although_the_peer_refuses_at_first(negotiated, seed):
    async with Road(seed=seed) as road:
        assert await negotiated(road) == ("FINALIZED", "FINALIZED")
        assert road.peer.refusals
        assert await road.ours.database.read(lambda tx: tx.find(INTENTS)) == []


@pytest.mark.parametrize("negotiated", NEGOTIATED)
async def test_without_patience_the_same_negotiation_does_not_end_well(negotiated):
    """The control: 409 taken for final, as it was."""
    async with Road(patience=NO_PATIENCE) as road:
        assert "FINALIZED" not in await negotiated(road)


@pytest.mark.parametrize(("negotiated", "verb"), [(negotiated_by_us, "verification")])
async def test_what_the_peer_refuses_for_good_ends_on_both_sides(negotiated, verb):
    async with Road() as road:
        road.peer.never = {verb}
        await negotiated(road)

        async def ended() -> bool:
            return all(process.state == "TERMINATED" for process in road.peer.processes.values())

        assert await road.until(ended, 120)
        (theirs,) = road.peer.processes.values()
        mine = await road.ours.negotiation(theirs.other)
        assert (mine.state, mine.failure.code, mine.failure.source) == ("TERMINATED", "409", "peer")
        assert "Cannot process" in theirs.reason[0]


async def walk(road: Road, pid: str, theirs, verbs) -> tuple[str, str]:
    """We suspend, resume and complete, each as soon as the state allows it."""

    async def reached(state: str):
        async def there() -> bool:
            return (await road.ours.transfer(pid)).state == state

        return await road.until(there, 20)

    for state, act in verbs:
        if not await reached(state):
            break
        await act(pid)

    async def find() -> tuple[str, str]:
        return str((await road.ours.transfer(pid)).state), theirs().state

    return await road.over(find)


def our_walk(road: Road):
    uses = road.ours.transfers
    return [
        ("STARTED", lambda pid: uses.suspend(pid, "us.pause")),
        ("SUSPENDED", uses.resume),
        ("STARTED", uses.complete),
    ]


async def used_by_us(road: Road) -> tuple[str, str]:
    agreement = await road.agree_on(road.ours.did, road.peer.did)
    begun = await road.ours.transfers.request_transfer(agreement, "HttpData-PULL", address=road.peer.address)
    return await walk(road, begun.id, lambda: next(iter(road.peer.processes.values())), our_walk(road))


async def used_by_the_peer_and_led_by_us(road: Road) -> tuple[str, str]:
    agreement = await road.agree_on(road.peer.did, road.ours.did)
    theirs = road.peer.request(road.ours.address, agreement, "HttpData-PULL")

    async def begun() -> bool:
        return bool(theirs.other)

    assert await road.until(begun)
    return await walk(road, theirs.other, lambda: theirs, our_walk(road))


async def used_and_led_by_the_peer(road: Road) -> tuple[str, str]:
    agreement = await road.agree_on(road.peer.did, road.ours.did)
    theirs = road.peer.request(road.ours.address, agreement, "HttpData-PULL", "suspension", "start", "completion")

    async def begun() -> bool:
        return bool(theirs.other)

    assert await road.until(begun)
    return await walk(road, theirs.other, lambda: theirs, [])


async def used_by_us_and_led_by_the_peer(road: Road) -> tuple[str, str]:
    agreement = await road.agree_on(road.ours.did, road.peer.did)
    road.peer.as_provider[agreement] = ["start", "suspension", "start", "completion"]
    begun = await road.ours.transfers.request_transfer(agreement, "HttpData-PULL", address=road.peer.address)
    return await walk(road, begun.id, lambda: next(iter(road.peer.processes.values())), [])


USED = [used_by_us, used_by_the_peer_and_led_by_us, used_and_led_by_the_peer, used_by_us_and_led_by_the_peer]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("used", USED)
async def test_a_use_that_is_suspended_and_resumed_ends_well(used, seed):
    async with Road(seed=seed) as road:
        assert await used(road) == ("COMPLETED", "COMPLETED")
        assert await road.ours.database.read(lambda tx: tx.find(INTENTS)) == []


@pytest.mark.parametrize("used", USED[:2])
async def test_without_patience_the_same_use_does_not_end_well(used):
    async with Road(patience=NO_PATIENCE) as road:
        assert await used(road) != ("COMPLETED", "COMPLETED")


async def test_the_address_of_a_pull_is_found_in_endpoint_properties():
    async with Road(slow=0.0) as road:
        agreement = await road.agree_on(road.ours.did, road.peer.did)
        begun = await road.ours.transfers.request_transfer(agreement, "HttpData-PULL", address=road.peer.address)

        async def started() -> bool:
            return (await road.ours.transfer(begun.id)).state == "STARTED"

        assert await road.until(started)
        found = (await road.ours.transfer(begun.id)).data_address
        assert found["endpoint"] == f"{road.peer.address}/public"
        assert {"@type": "EndpointProperty", "name": "authorization", "value": "token"} in found["endpointProperties"]


def test_its_catalogue_is_shown_with_the_offer_that_nobody_can_agree_to():
    peer = ScriptedPeer("did:web:peer.example", "https://peer.example", lambda: 0.0, lambda: 0.0)
    (shown,) = [listed(peer.did, dataset) for dataset in [peer.receive("catalog/request", {})[1]["dataset"]]]
    assert (shown["id"], shown["title"], shown["formats"]) == ("asset", "An asset", ["HttpData-PULL"])
    assert [offer["@id"] for offer in shown["offers"]] == ["bare", "usable"]
    (flaw,) = shown["unusable"]
    assert (flaw["offer"], flaw["code"]) == ("bare", "find.ruleless")


async def test_messages_that_cross_or_come_twice_change_nothing():
    async with Road(slow=0.2) as road:
        road.network.fault = lambda method, url, message: "twice"
        assert await negotiated_by_us(road) == ("FINALIZED", "FINALIZED")
        kinds = await road.ours.kinds()
        assert kinds == [f"negotiation.{step}" for step in ("requested", "agreed", "verified", "finalized")]
