"""The system under test in a thread of this process, with some of its parts replaced where a control wants that."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue

from tests.protocol.dcp.counterpart import Counterpart
from tests.protocol.dcp.system import System, serve


@contextmanager
def system_for(counterpart: Counterpart, change: Callable[[System], None] = lambda _: None) -> Iterator[Counterpart]:
    """Serve a system that believes the counterpart's issuer; it ends with the block."""
    told: Queue[dict[str, str] | BaseException] = Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    made: list[System] = []

    def changed(system: System) -> None:
        made.append(system)
        change(system)

    def run() -> None:
        try:
            loop.run_until_complete(serve("127.0.0.1", 0, [counterpart.issuer.did], told.put, stop, changed))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            told.put(error)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        ready = told.get(timeout=20)
        if isinstance(ready, BaseException):
            raise ready
        counterpart.ready = ready
        counterpart.forget = made[0].forget
        yield counterpart
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def pair(change: Callable[[System], None] = lambda _: None) -> Iterator[Counterpart]:
    """A counterpart and its system."""
    with Counterpart() as counterpart, system_for(counterpart, change):
        yield counterpart
