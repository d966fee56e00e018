"""What usage control needs from outside: a place where engines run, and notice of changes.

A `Runner` does one admitted step. Both kinds have a bounded number of places; a place is taken before a step is
admitted, so that nothing is admitted that cannot start.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Collection as Names
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from medspace.connector.usage.rows import opened
from medspace.core.clock import Clock, Randomness
from medspace.core.engine import Engine, Peers, Workplace
from medspace.core.material import Source
from medspace.core.parts import Blobs
from medspace.core.store import Topic
from medspace.core.usage import Admission, Output, Step

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """One admitted step, with everything that its engine may access."""

    admission: Admission
    step: Step
    engine: Engine
    source: Source
    randomness: Randomness = field(repr=False)
    clock: Clock
    memory: bytes | None = field(default=None, repr=False)
    keys: Peers | None = field(default=None, repr=False)
    blobs: Blobs | None = None
    version: str = ""  # of the rows; "" where they are not compared
    opens: bool = True  # whether the step gets rows
    progress: Callable[[float, float], None] = lambda _done, _of: None  # thread-safe

    def done(self, cancelled: Callable[[], bool]) -> Output:
        """Open the material and have the engine answer. Blocking; raises whatever the engine raises."""
        material = opened(self.source, self.admission) if self.opens and self.engine.forms else None
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


class StepPlace(Protocol):
    """A place in which one step is worked on."""

    async def do(self, work: Work) -> Output:
        """The output of the engine. Asked again for the same admission, a runner that still has it resumes it.

        If it was made of other rows, the earlier result is dropped and the step is repeated.

        Cancelling this call ends the work and drops its result.

        Raises:
            MedspaceError: as raised by the engine.
            UseFailedError: the engine failed, or was ended by a limit of the runner; the cause says how.
        """
        ...

    @property
    def rest(self) -> "asyncio.Future[Output] | None":
        """Work that still runs although nobody waits for it any more; None where there is none."""
        ...


class Runner(Protocol):
    """Does the steps of engines."""

    def free(self, member: str) -> bool:
        """Whether a place is free for a step of this member now."""
        ...

    def place(self, member: str) -> AbstractAsyncContextManager[StepPlace]:
        """Wait for a free place for a step of this member, and hold it."""
        ...

    async def holds(self, admission: str) -> bool:
        """Whether it still has the work of an admission, or its result, from before this connector started."""
        ...

    async def sweep(self, keep: Names[str]) -> None:
        """End and remove all earlier work, except that of these admissions."""
        ...

    async def close(self) -> None:
        """End its work, and release its resources."""
        ...


class Threads(Protocol):
    """Runs blocking functions off the event loop, separately from what the rest of the connector waits for."""

    async def call(self, use: str, work: Callable[[], T]) -> T:
        """The result of a function.

        Raises:
            MedspaceError: as raised by the function.
            UseFailedError: it failed otherwise; the cause is what it raised.
        """
        ...


class ChangeSignal(Protocol):
    """Signals that something was written."""

    async def until(self, look: Callable[[], Awaitable[T | None]], seconds: float, *topics: Topic) -> T | None:
        """The result of `look`, as soon as it returns one; None after so many seconds.

        It is called now, and again after each change of these topics.
        """
        ...


@dataclass(frozen=True, slots=True)
class Runners:
    """The runners of engines, by the name in their limits, and the threads for all other blocking work."""

    threads: Threads
    named: Mapping[str, Runner]

    def of(self, engine: Engine | None) -> Runner:
        """The runner of an engine; a step that no engine answers only needs a thread."""
        return self.named["thread" if engine is None else engine.limits.runner]

    async def close(self) -> None:
        """End all work."""
        for runner in self.named.values():
            await runner.close()
