"""Work that many who watch the same thing share: one look at all their sessions, one rendering of what all are shown.

Whoever watches is looked at again before each event, and loads a block of the page anew when it changed. All of them
do so at the same moment; what a hundred do at once is done once here, and kept for some seconds at most.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

from medspace.core.clock import Clock
from medspace.services.accounts.errors import SessionEndedError
from medspace.services.accounts.service import Visitor

MOST_BLOCKS = 64
KEPT = timedelta(seconds=10)  # a block
Seen: TypeAlias = Visitor | SessionEndedError
Looks: TypeAlias = Callable[[list[str]], Awaitable[list[Seen]]]  # `Accounts.look_together`


class LooksTogether:
    """Looks at sessions: all that are asked for in one turn of the event loop are read at once.

    The reading begins after the last of them was asked for, so nobody is shown what was so before they asked.
    """

    def __init__(self, look: Looks) -> None:
        self._look = look
        self._asked: list[str] = []
        self._reading: asyncio.Task[dict[str, Seen]] | None = None

    async def look(self, secret: str) -> Visitor:
        """Who is signed in with this secret.

        Raises:
            SessionEndedError: nobody.
            StorageError: it cannot be known at the moment.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())  # it begins in the next turn
        self._asked.append(secret)
        found = (await asyncio.shield(self._reading))[secret]
        if isinstance(found, SessionEndedError):
            raise found
        return found

    async def _read(self) -> dict[str, Seen]:
        asked, self._asked, self._reading = list(dict.fromkeys(self._asked)), [], None
        return dict(zip(asked, await self._look(asked), strict=True))


@dataclass(frozen=True, slots=True)
class Block:
    """A rendered block; only one that shows the version that was asked for is `current`, and kept."""

    text: str
    current: bool


class SharedBlocks:
    """The newest blocks of pages that were rendered for everybody who may see them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[datetime, asyncio.Task[Block]]] = OrderedDict()

    async def block(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, Block]]) -> str:
        """The block that was made under this key, or is being made now; otherwise what `make` makes.

        Nobody is shown a block that is not current and was begun before they asked: what has changed meanwhile would
        be missing there.

        Raises:
            ...: what `make` raises; then the next one makes it anew.
        """
        asked = self._task(key)
        if asked is not None:
            block = await asyncio.shield(asked)
            if block.current:
                return block.text
        task = self._task(key)  # those who waited with this one share what the first of them begins
        if task is None:
            task = asyncio.create_task(make())
            self._kept[key] = (self._clock.now(), task)
            self._kept.move_to_end(key)
            task.add_done_callback(partial(self._forget, key))
            while len(self._kept) > MOST_BLOCKS:
                self._kept.popitem(last=False)
        return (await asyncio.shield(task)).text

    def _task(self, key: Hashable) -> asyncio.Task[Block] | None:
        begun, task = self._kept.get(key, (None, None))
        return task if begun is not None and self._clock.now() - begun <= KEPT else None

    def _forget(self, key: Hashable, task: asyncio.Task[Block]) -> None:
        """Keep nothing that failed, or that is not what was asked for."""
        failed = task.cancelled() or task.exception() is not None
        if (failed or not task.result().current) and self._kept.get(key, (None, None))[1] is task:
            del self._kept[key]
