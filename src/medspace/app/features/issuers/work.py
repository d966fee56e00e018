"""The background work: send credentials and new lists at once, renew lists, follow the trust list, notice ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from json import dumps

from medspace.adapters.logs import EventLogger, logger
from medspace.app.node.node import Node
from medspace.connector.errors import UnreachableError
from medspace.connector.model import CATALOGUE
from medspace.core.canonical import JsonObject
from medspace.core.errors import MedspaceError
from medspace.core.paging import each
from medspace.core.store import Topic, Transaction
from medspace.policy.credentials import CREDENTIAL, ROUTE
from medspace.services.issuers import facts
from medspace.services.issuers.model import (
    CURRENT,
    DELIVERIES,
    LISTS,
    NARROWED,
    RECEIVED,
    SEND,
    STATUSES,
    TRUST,
    OwedDelivery,
)
from medspace.services.issuers.places import RECEIVED_DOOR
from medspace.trust.did import base_url
from medspace.trust.errors import DidError
from medspace.trust.model import LISTS as MEMBERS

SOON, LATER = 1.0, 60.0  # seconds before a receiver is tried again; doubled in between
TRUST_EVERY, RENEW_EVERY = 60.0, 600.0  # seconds
BATCH = 16  # credentials in one message
OK = 200


async def work(node: Node) -> None:
    """Until cancelled."""
    sending = Sending(node)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(looking(node, sending.look, DELIVERIES.topic()))
        known = (RECEIVED.topic(), STATUSES.topic(), TRUST.topic(), NARROWED.topic())
        tasks.create_task(looking(node, Ends(node).look, *known))
        tasks.create_task(every(node, TRUST_EVERY, _trust))
        tasks.create_task(every(node, RENEW_EVERY, _renew))


async def looking(node: Node, look: Callable[[], Awaitable[float]], *topics: Topic) -> None:
    """Look now, after each change of these topics, and when `look` says that it is time."""
    log = logger(participant=node.did)
    with node.changes.listening(*topics) as woken:
        while True:
            woken.clear()
            try:
                seconds = await look()
            except MedspaceError as error:  # a full disk: again later
                log.warning("credentials.stalled", code=error.code)
                seconds = LATER
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await woken.wait()


async def every(node: Node, seconds: float, do: Callable[[Node], Awaitable[None]]) -> None:
    """Do something now and every so many seconds; what fails is tried again then."""
    log = logger(participant=node.did)
    while True:
        try:
            await do(node)
        except MedspaceError as error:
            log.warning("credentials.stalled", code=error.code)
        await node.clock.sleep(seconds)


async def _trust(node: Node) -> None:
    of_use = await node.database.read(lambda tx: node.config.credentials.dcp or _of_use(tx, node))
    if of_use and node.authority is None:
        from medspace.app.features.issuers.arriving import refresh_trust  # noqa: PLC0415 - not at the start

        await refresh_trust(node)
    elif of_use:
        from medspace.app.features.issuers.believing import renew_trust  # noqa: PLC0415

        await renew_trust(node)


def _of_use(tx: Transaction, node: Node) -> bool:
    """As the authority, whether it believes anybody; as a member, whether its offers ask, or something was proved.

    Else no list is signed or followed.
    """
    if node.authority is not None:
        return bool(node.config.credentials.believed) or tx.get(TRUST, CURRENT) is not None
    asking = (offer for one in each(tx, CATALOGUE, {}) for offer in one.offers)
    return bool(tx.count(RECEIVED, {}, 1)) or any(
        CREDENTIAL in (said := dumps(one)) or ROUTE in said for one in asking
    )


async def _renew(node: Node) -> None:
    if await node.database.read(lambda tx: tx.count(LISTS, {}, 1)):
        from medspace.app.features.issuers.believing import issuer_of_node  # noqa: PLC0415
        from medspace.services.issuers import issuing  # noqa: PLC0415

        issuer, now = issuer_of_node(node), node.clock.now()
        await node.database.write(lambda tx: issuing.renew(tx, issuer, now))


@dataclass(slots=True)
class Ends:
    """Tells those who watch running uses whenever what was proved has changed, or has ended."""

    node: Node

    async def look(self) -> float:
        """Tell it; returns in how many seconds the next proof ends."""
        # What is known of participants has another answer now, as after a new members list.
        self.node.changes.tell([MEMBERS.topic()])
        now = self.node.clock.now()
        soonest = await self.node.database.read(lambda tx: facts.next_end(tx, now))
        wait = LATER if soonest is None else (soonest - self.node.clock.now()).total_seconds()
        return max(min(wait, LATER), 0.01)


@dataclass(slots=True)
class Sending:
    """Sends what was issued here, with the lists that it is on; to each receiver in its own time."""

    node: Node
    pause: float = SOON
    log: EventLogger = field(init=False)

    def __post_init__(self) -> None:
        """The operators' log of this connector."""
        self.log = logger(participant=self.node.did)

    async def look(self) -> float:
        """Send everything that is due; returns in how many seconds to look again."""
        owed = await self.node.database.read(lambda tx: list(each(tx, DELIVERIES, {"step": SEND})))
        if not owed:
            self.pause = SOON
            return LATER
        by_receiver: dict[str, list[OwedDelivery]] = {}
        for one in owed:
            by_receiver.setdefault(one.receiver, []).append(one)
        left = await asyncio.gather(*(self._send(found) for found in by_receiver.values()))
        if not any(left):
            self.pause = SOON
            return 0.0  # what was issued meanwhile
        wait, self.pause = self.pause, min(2 * self.pause, LATER)
        return wait

    async def _send(self, owed: list[OwedDelivery]) -> bool:
        """Whether something is left."""
        left = False
        for start in range(0, len(owed), BATCH):
            batch = owed[start : start + BATCH]
            try:
                left |= not await self._batch(batch)
            except (UnreachableError, DidError):
                return True
        return left

    async def _batch(self, batch: list[OwedDelivery]) -> bool:
        from medspace.services.issuers import issuing  # noqa: PLC0415 - not at the start

        receiver = batch[0].receiver
        told: JsonObject = await self.node.database.read(lambda tx: issuing.message(tx, batch))
        if receiver == self.node.did:
            code = await self._own(told)
        else:
            reply = await self.node.transport.post(base_url(receiver) + RECEIVED_DOOR, told, receiver)
            body = reply.body if isinstance(reply.body, dict) else {}
            code = "" if reply.status == OK else str(body.get("code", f"http.{reply.status}"))[:100]
        if code:
            self.log.warning("credential.refused", receiver=receiver, code=code)
        lists = told["lists"]

        def settle(tx: Transaction) -> None:
            for one in batch:
                issuing.delivered(tx, one.id, lists.get(one.list, ""), code)

        await self.node.database.write(settle)
        return not code

    async def _own(self, told: JsonObject) -> str:
        """Keep what one has issued to oneself, or for one's own data."""
        from medspace.app.features.issuers.arriving import Arriving, Presented  # noqa: PLC0415

        try:
            await Arriving(self.node).take(Presented(told["credentials"], told["lists"]), self.node.did)
        except MedspaceError as error:
            return error.code
        return ""
