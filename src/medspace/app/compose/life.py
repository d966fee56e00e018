"""The life of a connector from start to end: what its service manager and `/ready` are told, and how it is stopped.

On the first SIGTERM or SIGINT no new step is begun, and running steps get `grace` seconds to finish while both doors
keep answering; then everything is closed. On the second signal, everything is closed at once.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from medspace.app.doors.bodies import json_response
from medspace.app.node.notices import Notices
from medspace.core.text import Text, msgid

READY = "/ready"
NOBODY = Notices()
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OK, _UNAVAILABLE = 200, 503
_STOPS = msgid(
    "It stops: no step is begun any more, and those that run have {seconds} seconds to end. Ctrl-C again ends it at "
    "once."
)
_HURRIES = msgid("It ends at once: steps that run are taken up again at the next start.")


@dataclass(slots=True)
class Life:
    """The phase of one connector between its start and its end; `grace` is in seconds."""

    grace: float = 0.0
    notices: Notices = NOBODY
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    state: Literal["starting", "ready", "stopping"] = "starting"

    def heed(self, stop: asyncio.Event, announce: Callable[[Text], None] = lambda _: None) -> None:
        """Handle the process's signals, and say so: the first stops it with grace, the next at once."""

        def heard() -> None:
            if not stop.is_set():
                announce(Text(_STOPS, {"seconds": f"{self.grace:g}"}))
                stop.set()
            elif not self.hurry.is_set():
                announce(Text(_HURRIES))
                self.hurry.set()

        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, heard)

    def opened(self) -> None:
        """Both doors answer."""
        self.state = "ready"
        self.notices.ready()

    async def ends(self, drained: Awaitable[None]) -> None:
        """Wait until running work has finished, the grace period is over, or a second signal arrives."""
        self.state = "stopping"
        self.notices.stopping()
        work, hurry = asyncio.ensure_future(drained), asyncio.ensure_future(self.hurry.wait())
        try:
            await asyncio.wait({work, hurry}, timeout=self.grace, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (work, hurry):
                one.cancel()
                with suppress(asyncio.CancelledError):
                    await one

    def around(self, app: ASGIApp) -> ASGIApp:
        """The private application behind `GET /ready`, which needs no token since it reveals no secrets."""

        async def answering(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == READY and scope["method"] in ("GET", "HEAD"):
                ready = self.state == "ready"
                said = json_response({"ready": ready, "state": self.state}, _OK if ready else _UNAVAILABLE)
                await said(scope, receive, send)
                return
            await app(scope, receive, send)

        return answering
