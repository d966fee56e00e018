"""The process of one step: limited, without the connector's secrets, alive when the connector is killed.

    python -P -m medspace.adapters.runner.child LOCK    (in the folder of the step; LOCK is a descriptor)

It has the rights of the connector's user: only the limits below confine it; it is not sandboxed.
"""

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from math import ceil
from pathlib import Path
from types import FrameType

from medspace.adapters.runner.line import LineClient, LinePeers
from medspace.adapters.runner.papers import LARGEST_RESULT, Order, read_order, write_result
from medspace.adapters.system import SystemRandomness
from medspace.connector.usage.errors import StepTooLargeError
from medspace.connector.usage.ports import Work
from medspace.core.engine import StepLimits
from medspace.core.errors import MedspaceError
from medspace.core.usage import Output

MOST_FILES = 256
LATE = 60  # seconds after which it ends itself, if its connector is gone


def limit(limits: StepLimits, largest: int = LARGEST_RESULT) -> None:
    """Limit memory, processor time, files (`largest` bytes each); disable core dumps."""
    processors = os.cpu_count() or 1
    seconds = ceil(limits.seconds)
    for which, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.megabytes << 20),
        (resource.RLIMIT_CPU, seconds * processors),
        (resource.RLIMIT_FSIZE, largest),
        (resource.RLIMIT_NOFILE, MOST_FILES),
    ):
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)  # noqa: PLW2901 - never above what is allowed
        resource.setrlimit(which, (most, most))
    signal.alarm(seconds + LATE)


def do(order: Order, cancelled: Callable[[], bool], line: LineClient) -> Output | MedspaceError:
    """Do the work; other errors are raised and end the process."""
    work = Work(
        order.admission,
        order.step,
        order.engine.made(),
        order.source.made(),
        SystemRandomness(),
        order.clock.made(),
        order.memory,
        None if order.seats is None else LinePeers(*order.seats, line),
        blobs=order.blobs,
        progress=line.tell,
    )
    try:
        return work.done(cancelled)
    except MedspaceError as error:
        return error
    except MemoryError:
        return StepTooLargeError(use=order.admission.use)


def main() -> None:
    """Run the work of this folder and write its result."""
    folder, lock = Path.cwd(), int(sys.argv[1])
    os.set_inheritable(lock, False)  # noqa: FBT003 - its only way; it is alive as long as this process, whatever an engine starts
    os.write(lock, f"{os.getpid()}\n".encode())
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the connector, which ends this process
    order = read_order(folder)
    limit(order.limits, LARGEST_RESULT if order.blobs is None else max(LARGEST_RESULT, order.blobs.most))
    came = do(order, ended.is_set, LineClient(folder, ended.is_set))
    if not ended.is_set():
        write_result(folder, came)


if __name__ == "__main__":
    main()
