"""Ends uses that their asset's label no longer allows, on both sides, with the clause as the reason.

They are ended after the transaction that refused the step, since a message must not be sent from inside a
transaction. If the connector is killed in between, nothing is answered either; the next step is refused again, and
ends the use.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from medspace.connector.errors import CrossedError, TransitionError, UnknownProcessError
from medspace.connector.reasons import sentences
from medspace.connector.usage.labelling import CLAUSE
from medspace.core.decision import Decision
from medspace.core.errors import StorageError

_LOGGER = logging.getLogger("medspace.usage")


class Terminations:
    """The pending terminations.

    `terminate` takes the pid of the transfer, a code, and sentences for the other side.
    """

    def __init__(self, terminate: Callable[..., Awaitable[object]]) -> None:
        self._terminate = terminate
        self._due: dict[str, Decision] = {}
        self._wake = asyncio.Event()

    def ask(self, use: str, decision: Decision) -> None:
        """Request the termination of a use, with the reasons; from the event loop."""
        self._due[use] = decision
        self._wake.set()

    async def run(self) -> None:
        """Carry out the requested terminations; until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                await self._end(*self._due.popitem())

    async def _end(self, use: str, decision: Decision) -> None:
        code = next((one.clause for one in decision.failures if one.clause.startswith(CLAUSE)), decision.code)
        try:
            await self._terminate(use, code, *sentences(decision))
        except (CrossedError, TransitionError, UnknownProcessError, StorageError) as error:
            # It is over or about to be, or storage failed: the next step, if any, ends it.
            _LOGGER.warning("termination.failed", extra={"facts": {"process": use, "code": error.code}})
