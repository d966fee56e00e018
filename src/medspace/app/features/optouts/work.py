"""The background work: ask the registry anew about each dataset that follows it, well before its answer expires."""

from datetime import timedelta

from medspace.adapters.logs import logger
from medspace.app.features.optouts.service import OptOutsService
from medspace.core.clock import instant
from medspace.core.errors import MedspaceError

RENEW = timedelta(hours=6)  # since the last answer, which holds for three days
PAUSE = 900.0  # seconds


async def work(optouts: OptOutsService) -> None:
    """Until cancelled."""
    while True:
        await renew(optouts)
        await optouts.node.clock.sleep(PAUSE)


async def renew(optouts: OptOutsService) -> None:
    """Ask about each dataset whose answer is not new; one that is not answered is tried again the next time."""
    node, log = optouts.node, logger(participant=optouts.node.did)
    for one in await optouts.datasets():
        if one["answered"] and instant(one["answered"]) + RENEW > node.clock.now():
            continue
        try:
            await optouts.refresh(one["dataset"])
        except MedspaceError as error:
            log.warning("optouts.stalled", dataset=one["dataset"], code=error.code)
