"""What usage control needs from outside: where engines run, and word that something has changed.

A `Runner` does one admitted step. Both kinds have a bounded number of places; a place is taken before a step is
admitted, so that nothing is admitted that cannot begin.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Collection as Names
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from medspace.connector.usage.rows import opened
from medspace.core.clock import Clock, Randomness
from medspace.core.engine import Engine, Peers, Workplace
from medspace.core.material import Source
from medspace.core.parts import Blobs
from medspace.core.store import Collection
from medspace.core.usage import Admission, Output, Step

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """One admitted step, with all that its engine may touch."""

    admission: Admission
    step: Step
    engine: Engine
    source: Source
    randomness: Randomness = field(repr=False)
    clock: Clock
    memory: bytes | None = field(default=None, repr=False)
    keys: Peers | None = field(default=None, repr=False)
    blobs: Blobs | None = None
    version: str = ""  # of the rows; "" where nothing compares them
    progress: Callable[[float, float], None] = lambda _done, _of: None  # may be called from another thread

    def done(self, cancelled: Callable[[], bool]) -> Output:
        """Open the material and have the engine answer. Blocking; raises whatever the engine raises."""
        material = opened(self.source, self.admission) if self.engine.forms else None
        workplace = Workplace(
            material,
            self.randomness,
            self.clock,
            self.memory,
            self.keys,
            self.blobs,
            cancelled=cancelled,
            progress=self.progress,
        )
        return self.engine.answer(self.admission, self.step, workplace)


class Place(Protocol):
    """A place where one step is worked on."""

    async def do(self, work: Work) -> Output:
        """What the engine makes of it. Asked again for the same admission, a runner that still has it goes on.

        Not so where it was made of other rows: what came of them is dropped, and the step is done anew.

        Whoever is cancelled here ends the work: its result is dropped.

        Raises:
            MedspaceError: what the engine raised of its own.
            UseFailedError: it broke, or was ended by a limit of the runner; the cause says how.
        """
        ...

    @property
    def rest(self) -> "asyncio.Future[Output] | None":
        """What is still being worked on though nobody waits for it any more; None where nothing is."""
        ...


class Runner(Protocol):
    """Does the steps of engines."""

    def free(self, member: str) -> bool:
        """Whether there is a place for a step of this member that comes now."""
        ...

    def place(self, member: str) -> AbstractAsyncContextManager[Place]:
        """Wait for a free place for a step of this member, and hold it."""
        ...

    async def holds(self, admission: str) -> bool:
        """Whether it still has the work of an admission, or its result, from before this connector started."""
        ...

    async def sweep(self, keep: Names[str]) -> None:
        """End and remove everything that it has from before, but for these admissions."""
        ...

    async def close(self) -> None:
        """End what it does, and let go of it."""
        ...


class Threads(Protocol):
    """Runs what blocks beside the event loop, apart from what the rest of the connector waits for."""

    async def call(self, use: str, work: Callable[[], T]) -> T:
        """What a function returns.

        Raises:
            MedspaceError: what it raised of its own.
            UseFailedError: it broke; what it raised is the cause.
        """
        ...


class Changes(Protocol):
    """Tells that something was written."""

    async def until(
        self, look: Callable[[], Awaitable[T | None]], seconds: float, of: tuple[Collection[Any], ...] = ()
    ) -> T | None:
        """What `look` sees, as soon as it sees something; None after so many seconds.

        It is asked now and after each write; where `of` names collections, after each that changes one of them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Runners:
    """Where engines run, by the name that their limits say, and the threads for everything else that blocks."""

    threads: Threads
    named: Mapping[str, Runner]

    def of(self, engine: Engine | None) -> Runner:
        """Where an engine runs; what no engine answers needs no more than a thread."""
        return self.named["thread" if engine is None else engine.limits.runner]

    async def close(self) -> None:
        """End whatever is being done."""
        for runner in self.named.values():
            await runner.close()
