"""Engines in one process per step: limited in time and memory, killable, and surviving the connector.

The folder of a step is named after its admission. The process holds the lock in it, so a restarted
connector can see whether its work is running, is done, or died. The folder is removed when the step has ended.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from medspace.adapters.blobs.files import FileBlobs
from medspace.adapters.runner.line import answered
from medspace.adapters.runner.papers import LOCK, PRIVATE, RESULT, STDERR, Order, read_order, read_result, write_order
from medspace.adapters.runner.recipes import Recipe, recipe_of
from medspace.adapters.runner.thread import ThreadPool
from medspace.adapters.system import SystemClock
from medspace.connector.turns import TurnLimits, Turns
from medspace.connector.usage.errors import UseFailedError
from medspace.connector.usage.ports import Work
from medspace.core.errors import MedspaceError, StorageError
from medspace.core.usage import Output

KEPT_OF_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
PLACES = 2
GRACE = 2.0  # seconds of the machine between SIGTERM and SIGKILL
PAUSE = 0.05  # seconds between two looks, where the system does not tell when a process ends
BIRTH = 5.0  # seconds for a process to say its number
LARGEST_TRACE = 8192  # characters of what a process said before it died
SYSTEM_CLOCK = recipe_of(SystemClock)

Makers = Mapping[tuple[str, str], Callable[[], Any]]  # of engines, as they are wired
SourceOf = Callable[[str], Recipe]  # how to make the source of an asset


T = TypeVar("T")


class WorkerEndedError(RuntimeError):
    """The process of a step died without a result; with its last output."""


class ProcessRunner:
    """Steps in processes of their own (port `connector.usage.ports.Runner`). `folder` is made when it is needed."""

    def __init__(
        self,
        folder: Path,
        engines: Makers,
        source_of: SourceOf,
        clock: Recipe = SYSTEM_CLOCK,
        places: int = PLACES,
        grace: float = GRACE,
    ) -> None:
        self._folder, self._engines, self._source_of, self._clock = folder, engines, source_of, clock
        share = TurnLimits(
            at_once=places, member=max(places // 2, 1), waiting=sys.maxsize
        )  # usage control bounds who waits
        self._turns, self._threads = Turns(share), ThreadPool(places, "process")
        self.grace = grace

    def free(self, member: str) -> bool:
        """Whether there is a place for a step of this member that comes now."""
        return self._turns.free(member)

    @asynccontextmanager
    async def place(self, member: str) -> AsyncIterator["ProcessPlace"]:
        """Hold a place; what lies in the folder of its step goes at the end, but for what could not be noted."""
        async with self._turns.turn(member):
            place = ProcessPlace(self)
            try:
                yield place
            except StorageError:
                await place.leave()
                raise
            except BaseException:
                await place.clear()
                raise
            await place.clear()

    async def holds(self, admission: str) -> bool:
        """Whether its process lives, or has left a result."""
        folder = self.folder_of(admission)
        held = await self.beside(admission, lambda: (folder / RESULT).exists() or alive(folder))
        return bool(held)

    async def sweep(self, keep: Collection[str]) -> None:
        """End and remove all others."""
        kept = {self.folder_of(admission).name for admission in keep}
        await self.beside("-", lambda: _sweep(self._folder, kept))

    async def close(self) -> None:
        """Whoever holds a place has let it go before."""
        self._threads.close()

    # --- for its places ----------------------------------------------------------------------------------------
    def folder_of(self, admission: str) -> Path:
        """The folder of a step: no admission names a path."""
        return self._folder / sha256(admission.encode()).hexdigest()[:32]

    async def beside(self, use: str, work: Callable[[], T]) -> T:
        """Run what touches files in a thread, to its end even where nobody waits any more."""
        going = self._threads.submit(use, work)
        try:
            return await asyncio.shield(going)
        except asyncio.CancelledError:
            await asyncio.wait({going})
            raise

    def order(self, work: Work) -> Order:
        """What the process is told."""
        engine = recipe_of(self._engines[work.engine.kind, work.engine.task])
        source = self._source_of(work.admission.asset)
        blobs = work.blobs if isinstance(work.blobs, FileBlobs) else None  # others are not for another process
        return Order(
            work.admission,
            work.step,
            work.engine.limits,
            engine,
            source,
            self._clock,
            work.memory,
            blobs,
            work.version,
            None if work.keys is None else (tuple(work.keys.seats), work.keys.holder, work.keys.terms),
        )


class ProcessPlace:
    """A place for the process of one step."""

    def __init__(self, runner: ProcessRunner) -> None:
        self._runner = runner
        self._child: Child | None = None

    async def do(self, work: Work) -> Output:
        """What the engine makes of it, in a process that is there already, or in a new one."""
        runner, use = self._runner, work.admission.use
        try:
            await runner.beside(use, lambda: self._take(work))
            child = self._taken()
            async with answered(child.folder, work, runner.beside):
                await child.ended()
        except asyncio.CancelledError:
            if self._child is not None:
                await asyncio.shield(self._child.end(runner.grace))
            raise
        came = await runner.beside(use, child.result)
        if isinstance(came, str):
            raise UseFailedError(use=use) from WorkerEndedError(came)
        if isinstance(came, MedspaceError):
            raise came
        return came

    @property
    def rest(self) -> "asyncio.Future[Output] | None":
        """Nothing: a cancelled caller has waited for its end."""
        return None

    def _take(self, work: Work) -> None:
        folder = self._runner.folder_of(work.admission.id)
        if not of_rows(folder, work.version):
            drop(folder)
            if not work.engine.limits.repeatable:
                raise WorkerEndedError("the rows have changed since, and it is not done twice")
        self._child = found(folder) or launched(folder, self._runner.order(work))

    def _taken(self) -> "Child":
        if self._child is None:
            raise WorkerEndedError("there is none")
        return self._child

    async def clear(self) -> None:
        """The step has ended: remove its process and its folder."""
        child, self._child = self._child, None
        if child is not None:
            await asyncio.shield(child.end(0.0))
            await self._runner.beside("-", lambda: shutil.rmtree(child.folder, ignore_errors=True))

    async def leave(self) -> None:
        """The step has not ended: keep its result for the next start."""
        if self._child is not None:
            self._child.let_go()


class Child:
    """The process of a step, whoever started it; `own` is it as a child of this connector."""

    def __init__(self, folder: Path, pid: int, own: "subprocess.Popen[bytes] | None" = None) -> None:
        self.folder, self.pid, self._own = folder, pid, own
        self._handle = _handle(pid)

    async def ended(self) -> None:
        """Return once it has ended."""
        if self._handle is None:
            while not self._gone():  # noqa: ASYNC110 - the system tells nobody
                await asyncio.sleep(PAUSE)
            return
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._handle, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._handle)

    async def end(self, grace: float) -> None:
        """End it and its children: it gets so many seconds to finish, then it is killed."""
        if not self._gone():
            if grace:
                self._signal(signal.SIGTERM)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.ended(), grace)
            self._signal(signal.SIGKILL)
            await self.ended()
        self.let_go()

    def result(self) -> Output | MedspaceError | str:
        """What came of it, or the last that it said where nothing did."""
        try:
            return read_result(self.folder)
        except (OSError, ValueError, TypeError, KeyError):
            with suppress(OSError):
                return (self.folder / STDERR).read_text(errors="replace")[-LARGEST_TRACE:]
            return ""

    def let_go(self) -> None:
        """Release its system resources."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
        if self._own is not None:
            self._own.poll()

    def _gone(self) -> bool:
        return not alive(self.folder) if self._own is None else self._own.poll() is not None

    def _signal(self, number: int) -> None:
        if not self._gone():  # so the number is still its own
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)


def _handle(pid: int) -> int | None:
    if not pid or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:  # it has ended, and nobody waits for it
        return None


def alive(folder: Path) -> bool:
    """Whether the process of a folder lives: it holds the lock."""
    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def found(folder: Path) -> Child | None:
    """The process of a folder, if it lives or has left a result."""
    if (folder / RESULT).exists() and not alive(folder):
        return Child(folder, 0)
    until = time.monotonic() + BIRTH
    while alive(folder):
        number = (folder / LOCK).read_text().strip()
        if number:
            return Child(folder, int(number))
        if time.monotonic() > until:  # it holds the lock but has not written its number, so it cannot be killed
            raise WorkerEndedError("a process of this step has no number")
        time.sleep(PAUSE)
    return Child(folder, 0) if (folder / RESULT).exists() else None


def of_rows(folder: Path, version: str) -> bool:
    """Whether what lies in a folder, if anything, was ordered for this version of the rows."""
    try:
        return read_order(folder).version == version
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def drop(folder: Path) -> None:
    """End the process of a folder, if it lives, and remove both."""
    if alive(folder):
        child = found(folder)
        if child is not None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.let_go()
    shutil.rmtree(folder, ignore_errors=True)


def launched(folder: Path, order: Order) -> Child:
    """A new process for a step; what another one left in the folder goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    write_order(folder, order)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE)
    said = os.open(folder / STDERR, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes over to the process with the descriptor
        own = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [sys.executable, "-P", "-m", "medspace.adapters.runner.child", str(lock)],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            pass_fds=(lock,),
            start_new_session=True,
            umask=0o077,
        )
    finally:
        os.close(lock)
        os.close(said)
    return Child(folder, own.pid, own)


def environment() -> Mapping[str, str]:
    """The environment of a step's process: only what is named here, so no passphrase."""
    kept = {name: os.environ[name] for name in KEPT_OF_ENVIRONMENT if name in os.environ}
    own = (sys.prefix, sys.base_prefix)
    folders = [str(Path(place).resolve()) for place in sys.path if place and not place.startswith(own)]
    return kept | ({"PYTHONPATH": os.pathsep.join(folders)} if folders else {})


def _sweep(folder: Path, keep: Collection[str]) -> None:
    if not folder.is_dir():
        return
    for left in folder.iterdir():
        if left.name not in keep:
            drop(left)
