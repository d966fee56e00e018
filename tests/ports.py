"""Ports for tests: whoever claims one has it until its process ends, whatever other runs of tests do on this machine.

A connector needs its port before it listens (it is in its DID), and again after a restart, so nobody can hold the
socket for it. What is held instead is a byte of one file, by number of the port: the system lets go of it when the
process ends, however it ends. The ports lie below those that the system gives to outgoing connections, and above
those that a demo picks by itself.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

LOWEST, HIGHEST = 15_000, 32_000
WRITTEN = frozenset({18_100, 18_101})  # those of configurations that tests write and never listen with
TRIES = 10_000
PLACE = Path(tempfile.gettempdir()) / f"medspace-test-ports.{os.getuid()}"
_claimed: dict[int, int] = {}  # port to the process that claimed it: a forked one holds none of its parent's locks
_handle: dict[int, int] = {}  # process to its descriptor: closing any would let go of all


def claim(count: int) -> list[int]:
    """So many ports in a row that nobody listens on, and that no other claim gets."""
    chance = random.SystemRandom()
    for _ in range(TRIES):
        first = chance.randrange(LOWEST, HIGHEST - count)
        found = list(range(first, first + count))
        if not WRITTEN.isdisjoint(found):
            continue
        took = [port for port in found if _take(port)]
        if took == found:
            return found
        for port in took:
            _let_go(port)
    raise RuntimeError(f"no {count} ports in a row are free between {LOWEST} and {HIGHEST}")


def _let_go(port: int) -> None:
    fcntl.lockf(_handle[os.getpid()], fcntl.LOCK_UN, 1, port)
    del _claimed[port]


def _take(port: int) -> bool:
    """Whether the port is ours now and was nobody's."""
    process = os.getpid()
    if _claimed.get(port) is not None:
        return False
    if process not in _handle:
        _handle[process] = os.open(PLACE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(_handle[process], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _claimed[port] = process
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            _let_go(port)
            return False
    return True
