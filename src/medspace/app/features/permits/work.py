"""The background work: tell the other side of each case what is new, until it has taken it."""

import asyncio
from contextlib import suppress

from medspace.adapters.logs import logger
from medspace.app.features.permits.door import CASES_DOOR
from medspace.app.node.node import Node
from medspace.connector.errors import UnreachableError
from medspace.core.errors import MedspaceError
from medspace.core.paging import each
from medspace.services.permits.model import CASES, SEND, PermitCase
from medspace.trust.did import base_url
from medspace.trust.errors import DidError

SOON, LATER, OK = 1.0, 60.0, 200


async def work(node: Node) -> None:
    """Until cancelled."""
    log, pause = logger(participant=node.did), SOON
    with node.changes.listening(CASES.topic()) as woken:
        while True:
            woken.clear()
            try:
                left = await send_all(node)
            except MedspaceError as error:  # a full disk: again later
                log.warning("permits.stalled", code=error.code)
                left = True
            pause = min(2 * pause, LATER) if left else SOON
            with suppress(TimeoutError):
                async with asyncio.timeout(pause if left else LATER):
                    await woken.wait()


async def send_all(node: Node) -> bool:
    """Send what the other sides have not heard; whether something is left."""
    owed = await node.database.read(lambda tx: list(each(tx, CASES, {"step": SEND})))
    return any([not await _send(node, one) for one in owed])


async def _send(node: Node, case: PermitCase) -> bool:
    from medspace.services.permits import service  # noqa: PLC0415 - not at the start

    try:
        reply = await node.transport.post(base_url(case.other) + CASES_DOOR, service.message_of(case), case.other)
    except (UnreachableError, DidError):
        return False
    if reply.status != OK:
        code = reply.body.get("code", "") if isinstance(reply.body, dict) else ""
        logger(participant=node.did).warning("permits.refused", case=case.id, code=str(code)[:100])
        return False
    await node.database.write(lambda tx: service.sent(tx, case.id, case.own))
    return True
