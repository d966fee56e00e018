"""Notifications to a service manager: sd_notify(3) in a few lines, with its watchdog.

Without a manager, none are sent.

The variables are those that systemd sets for its own services; no others are read. A notification that cannot be sent
is dropped: a connector does not stop because its manager is gone.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

SOCKET, WATCHDOG, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
LONGEST_PATH = 107  # bytes of an address of AF_UNIX on Linux


@dataclass(frozen=True, slots=True)
class Notices:
    """Where to send notifications, empty for nowhere.

    And after how many seconds of silence we are considered dead.
    """

    address: str = ""
    watchdog: float = 0.0

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int | None = None) -> Self:
        """From the environment of a service."""
        address = environment.get(SOCKET, "")
        if not address.startswith(("/", "@")) or len(address.encode(errors="replace")) > LONGEST_PATH:
            return cls()
        said, whose = environment.get(WATCHDOG, ""), environment.get(WATCHDOG_PID, "")
        ours = whose in ("", str(os.getpid() if pid is None else pid))
        watched = ours and said.isascii() and said.isdigit()
        return cls(address, int(said) / 1_000_000 if watched else 0.0)

    def ready(self) -> None:
        """Everything answers."""
        self._say("READY=1")

    def stopping(self) -> None:
        """The connector is about to stop."""
        self._say("STOPPING=1")

    async def alive(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Report regularly that the event loop runs; returns at once where there is no watchdog."""
        while self.watchdog > 0:
            self._say("WATCHDOG=1")
            await sleep(self.watchdog / 2)  # sd_watchdog_enabled(3): half the time

    def _say(self, what: str) -> None:
        if not self.address:
            return
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
            sending.setblocking(False)  # noqa: FBT003 - the socket's own signature
            sending.sendto(what.encode(), name)
