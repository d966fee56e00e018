"""Negotiations and uses with a connector of another make: what share ends well on both sides.

The other one (`tests/protocol/scripted_peer.py`) acknowledges a message before it has noted it, and refuses whatever
comes meanwhile with 409, for 0.1 to 0.6 seconds. Both are real servers; the product runs in a process of its own.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle, islice
from typing import Any

import httpx

from tests.protocol.exchange import Target
from tests.protocol.process import system_under_test
from tests.protocol.scripted_peer import FINAL, Process, Served

NEGOTIATIONS = 200
USES = 50
BESIDE = 25  # at once
PATIENCE = 90.0  # seconds for one of them
LOOK = 0.05  # seconds
SLOW = (0.1, 0.6)  # seconds until the other one has noted a state
FORMAT = "HttpData-PULL"
LEADING = ["suspend", "start", "complete"]
SCRIPT = {
    "datasets": {"D": {"request": ["agree"], "verified": ["finalize"], "agreement": ["verify"]}},
    "agreements": {
        "we-provide-and-lead": {"request": ["start", *LEADING]},
        "we-consume-and-lead": {"start": LEADING},
        "we-provide": {"request": ["start"]},
        "we-consume": {},
    },
}
OFFER = {"@id": "offerD", "@type": "Offer", "permission": [{"action": "use"}], "target": "D"}

Finals = tuple[str, str]
Way = Callable[["_Road"], Awaitable[Finals]]


def measure() -> dict[str, dict[str, Any]]:
    """The share that ends well."""
    with system_under_test(SCRIPT) as target:
        well, refusals = asyncio.run(_all(target))
    assert refusals, "the other one refused nothing: nothing was measured"
    return {
        "interop.edc_final": {
            "value": well / (NEGOTIATIONS + USES),
            "unit": "share",
            "reference": f"{NEGOTIATIONS} negotiations, {USES} resumed uses, {refusals} refusals by 409",
            "target": ">= 1.0",
        }
    }


async def _all(target: Target) -> tuple[int, int]:
    chance = random.Random(1)
    async with (
        Served("did:web:peer.example", lambda: chance.uniform(*SLOW)) as provider,
        Served("did:web:peer.example", lambda: chance.uniform(*SLOW)) as consumer,
        httpx.AsyncClient(timeout=20, trust_env=False) as client,
    ):
        for served in (provider, consumer):
            served.peer.customer = "did:tck:TCK_PARTICIPANT"
            served.peer.as_provider["we-consume"] = ["start", "suspension", "start", "completion"]
        road = _Road(target, client, provider, consumer)
        places = asyncio.Semaphore(BESIDE)

        async def one(way: Way) -> Finals:
            async with places:
                return await way(road)

        ends = await asyncio.gather(*map(one, _ways()))
        return sum(ours == theirs != "TERMINATED" for ours, theirs in ends if theirs in FINAL), _refusals(road)


def _refusals(road: "_Road") -> int:
    return road.provider.peer.refusals + road.consumer.peer.refusals


def _ways() -> Iterator[Way]:
    yield from islice(cycle((_Road.negotiated_by_us, _Road.negotiated_by_the_other)), NEGOTIATIONS)
    uses = (_Road.used_by_us_led_by_us, _Road.used_by_the_other_led_by_us, _Road.used_by_the_other)
    yield from islice(cycle((*uses, _Road.used_by_us)), USES)


class _Road:
    """The product, and the other one as provider and as consumer (two servers, so that each may have its script)."""

    def __init__(self, target: Target, client: httpx.AsyncClient, provider: Served, consumer: Served) -> None:
        self.target, self.client = target, client
        self.provider, self.consumer = provider, consumer

    async def negotiated_by_us(self) -> Finals:
        """The product asks."""
        peer = self.provider.peer
        told = {"offerId": "offerD", "datasetId": "D", "connectorAddress": peer.address}
        pid = (await self.client.post(self.target.negotiation_trigger, json=told)).json()["id"]
        return await self._ended("negotiations", pid, lambda: self._theirs(self.provider, pid))

    async def negotiated_by_the_other(self) -> Finals:
        """The other one asks."""
        process = self.consumer.peer.negotiate(self.target.base, OFFER)
        return await self._ended("negotiations", "", lambda: process)

    async def used_by_us_led_by_us(self) -> Finals:
        """The product uses, suspends, resumes and completes."""
        return await self._used("we-consume-and-lead")

    async def used_by_us(self) -> Finals:
        """The product uses, and the other one suspends, resumes and completes."""
        return await self._used("we-consume")

    async def used_by_the_other_led_by_us(self) -> Finals:
        """The other one uses, and the product suspends, resumes and completes."""
        process = self.consumer.peer.request(self.target.base, "we-provide-and-lead", FORMAT)
        return await self._ended("transfers", "", lambda: process)

    async def used_by_the_other(self) -> Finals:
        """The other one uses, suspends, resumes and completes."""
        verbs = ("suspension", "start", "completion")
        process = self.consumer.peer.request(self.target.base, "we-provide", FORMAT, *verbs)
        return await self._ended("transfers", "", lambda: process)

    async def _used(self, agreement: str) -> Finals:
        peer = self.provider.peer
        told = {"agreementId": agreement, "format": FORMAT, "connectorAddress": peer.address}
        pid = (await self.client.post(self.target.transfer_trigger, json=told)).json()["id"]

        return await self._ended("transfers", pid, lambda: self._theirs(self.provider, pid))

    def _theirs(self, served: Served, pid: str) -> Process | None:
        return next((p for p in served.peer.processes.values() if p.other == pid), None)

    async def _ended(self, kind: str, pid: str, theirs: Callable[[], Process | None]) -> Finals:
        """Both states once both are final; as they are when patience ends."""
        states = ("", "")
        for _ in range(int(PATIENCE / LOOK)):
            process = theirs()
            own = pid or (process.other if process else "")
            answer = await self.client.get(f"{self.target.base}/{kind}/{own}") if own else None
            ours = answer.json().get("state", "") if answer is not None else ""
            states = (ours, process.state if process else "")
            if all(state in FINAL for state in states):
                break
            await asyncio.sleep(LOOK)
        return states
