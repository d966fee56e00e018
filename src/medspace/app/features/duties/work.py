"""The background work: looks again whenever something changed that a use or a duty hangs on, and when it is time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from medspace.adapters.logs import logger
from medspace.app.features.duties.fulfilling import Fulfilling
from medspace.app.features.duties.watching import AGAIN, Watching, next_end
from medspace.app.node.node import Node
from medspace.connector.duties.model import DUTIES
from medspace.connector.model import TRANSFERS, Role, TransferState
from medspace.connector.usage.model import ENDED, LABELS
from medspace.core.errors import MedspaceError
from medspace.core.store import Topic
from medspace.runs.model import RUNS
from medspace.trust.model import LISTS

MEMBERS_EVERY = 30.0  # seconds, while uses of others run
A_MOMENT = 1.0  # seconds between two looks at which use ends next


async def work(node: Node) -> None:
    """Watch uses and duties, as holder and as user; until cancelled."""
    watching, fulfilling = Watching(node), Fulfilling(node)
    held = (LABELS.topic(), LISTS.topic(), ENDED.topic(), DUTIES.topic())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(looking(node, watching.look, *held))
        tasks.create_task(ends(node))
        tasks.create_task(members(node))
        tasks.create_task(looking(node, fulfilling.look, DUTIES.topic(), RUNS.topic()))


async def members(node: Node) -> None:
    """Fetch the members list often while others use data here: who was removed uses nothing any more."""
    open_uses = {"role": Role.PROVIDER, "state": TransferState.STARTED}
    while node.authority is None:
        await node.clock.sleep(MEMBERS_EVERY)
        if await node.database.read(lambda tx: tx.count(TRANSFERS, open_uses, 1)):
            with suppress(MedspaceError):  # the authority is away: what is known counts for as long as it is valid
                await node.book.refresh()


async def looking(node: Node, look: Callable[[], Awaitable[float]], *topics: Topic) -> None:
    """Look now, after each change of these topics, and when `look` says that it is time."""
    log, woken_up = logger(participant=node.did), False
    with node.changes.listening(*topics) as woken:
        while True:
            woken.clear()
            try:
                seconds = await look()
            except MedspaceError as error:  # a full disk: again later
                log.warning("duties.stalled", code=error.code)
                seconds = A_MOMENT
            woken_up = await _waited(woken, min(seconds, AGAIN) if woken_up else seconds)


async def _waited(woken: asyncio.Event, seconds: float) -> bool:
    """Whether something changed before the time had come."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
            return True
    return False


async def ends(node: Node) -> None:
    """Follow which use ends next; uses begin and end all the time, so not more than once a moment."""
    known = None
    with node.changes.listening(TRANSFERS.topic()) as woken:
        while True:
            woken.clear()
            soonest = await node.database.read(next_end)
            if soonest is not None and (known is None or soonest < known):
                node.changes.tell([DUTIES.topic()])
            known = soonest
            await asyncio.sleep(A_MOMENT)
            await woken.wait()
