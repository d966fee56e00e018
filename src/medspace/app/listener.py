"""One listener: a socket, and a server that bounds what a client may send before it is anybody.

uvicorn bounds neither the size of a request's head nor the time that a client takes over it; a few slow or endless
heads would occupy every place (CWE-400, the "slow loris").
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

BACKLOG = 512
KEEP_ALIVE = 30  # seconds
MOST_CONNECTIONS = 1000
GRACE = 5  # seconds that open requests have when a connector stops
SLOWEST_HEAD = 10.0  # seconds from connecting, or from the first byte of a further request, to the end of its head
LARGEST_HEAD = 32 * 1024  # bytes


class AddressError(InvalidInputError):
    """An address cannot be listened on."""

    code = "listener.address"
    sentence = msgid("The connector cannot listen on {address}: {reason}.")
    next_step = msgid("Stop what listens there, or change host and port in the configuration.")


class _Bounded(HttpToolsProtocol):
    """The HTTP protocol with bounds on the head of each request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_size += len(data)
        super().data_received(data)
        if self._head_timer is not None and self._head_size > LARGEST_HEAD:
            self._head_arrived()
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_size = 0
        self._head_timer = asyncio.get_running_loop().call_later(SLOWEST_HEAD, self._too_slow)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        self.transport.abort()


class Listener(uvicorn.Server):
    """A uvicorn server that leaves signals to the process: several run in one event loop."""

    def __init__(self, app: Any, *, certificate: str = "", certificate_key: str = "") -> None:  # noqa: ANN401 - ASGI applications have no shared type
        settings = uvicorn.Config(
            app,
            http=_Bounded,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
            limit_concurrency=MOST_CONNECTIONS,
            ssl_certfile=certificate or None,
            ssl_keyfile=certificate_key or None,
        )
        super().__init__(settings)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        AddressError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where TCP is named; with it, each answer, sent as head and body,
    # waits 40 ms for a delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressError(address=f"{host}:{port}", reason=str(error.strerror)) from error
    listener.listen(BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listener
