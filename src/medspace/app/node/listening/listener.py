"""One listener: a socket, and a server that limits what a client may send before it is authenticated.

Connections are accepted here rather than by asyncio's server: a place is taken before anything else happens (TLS has
a cost too), and reaching the limit on open files costs one log line, not a traceback per attempt (CWE-400).
"""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from medspace.adapters.logs import logger
from medspace.adapters.oswords import why
from medspace.app.node.listening.http1 import Bounded, full
from medspace.app.node.listening.limits import PUBLIC, Bounds, Network, within
from medspace.app.node.listening.places import ConnectionPlace, ConnectionPlaces
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

BACKLOG = 512
GRACE = 5  # seconds that open requests get when a connector stops
PAUSE = 0.1  # seconds before retrying after a failed accept
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class ListenAddressError(InvalidInputError):
    """The listener cannot bind to an address."""

    code = "listener.address"
    sentence = msgid("The connector cannot listen on {address}: {reason}.")
    next_step = msgid("Stop what listens there, or change host and port in the configuration.")


class Listener(uvicorn.Server):
    """A uvicorn server with limits that leaves signals to the process, since several run in one loop.

    `proxies` are the networks from which X-Forwarded-For is believed.
    """

    def __init__(
        self,
        app: Any,  # noqa: ANN401 - ASGI applications have no shared type
        *,
        certificate: str = "",
        certificate_key: str = "",
        bounds: Bounds = PUBLIC,
        proxies: tuple[Network, ...] = (),
    ) -> None:
        settings = uvicorn.Config(
            app,
            http=Bounded,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # believed from `proxies` only
            timeout_keep_alive=bounds.idle,  # type: ignore[arg-type]  # any number will do
            timeout_graceful_shutdown=GRACE,
            ssl_certfile=certificate or None,
            ssl_keyfile=certificate_key or None,
        )
        super().__init__(settings)
        self.ready = asyncio.Event()
        self.bounds = bounds
        self.places = ConnectionPlaces(bounds)
        self._proxies = proxies
        self._log = logger()
        self._accepting: list[asyncio.Task[None]] = []
        self._greeting: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start answering."""
        self.servers = []
        self._accepting = [asyncio.create_task(self._accept(one)) for one in sockets or []]
        self.started = True
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, and close the existing ones."""
        tasks = [*self._accepting, *self._greeting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:
                await self._failed(error)
                continue
            place = self.places.take(address[0], proxy=within(address[0], self._proxies))
            if place is None:
                self._turn_away(connection)
            else:
                self._greet(connection, place)
            await asyncio.sleep(0)  # a flood must not monopolise the event loop

    async def _failed(self, error: OSError) -> None:
        if error.errno in EXHAUSTED:
            self.places.relieve()
            self._log.error("listener.exhausted", reason=error.strerror or "")
            await asyncio.sleep(PAUSE)

    def _turn_away(self, connection: socket.socket) -> None:
        self._log.warning("listener.full", places=self.places.taken)
        with connection, suppress(OSError):
            if self.config.ssl is None:
                connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
                connection.send(full())
                connection.shutdown(socket.SHUT_WR)

    def _greet(self, connection: socket.socket, place: ConnectionPlace) -> None:
        task = asyncio.create_task(self._stand(connection, place))
        place.evict = task.cancel  # type: ignore[assignment]  # what it returns is of no use
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)

    async def _stand(self, connection: socket.socket, place: ConnectionPlace) -> None:
        loop, tls = asyncio.get_running_loop(), self.config.ssl
        times: dict[str, float] = {}
        if tls is not None:
            times = {"ssl_handshake_timeout": self.bounds.handshake, "ssl_shutdown_timeout": self.bounds.farewell}
        try:
            await loop.connect_accepted_socket(lambda: self._protocol(place), connection, ssl=tls, **times)
        except OSError:  # TLS failed or timed out, or the client went away
            self.places.free(place)
            connection.close()
        except asyncio.CancelledError:
            self.places.free(place)
            connection.close()
            raise

    def _protocol(self, place: ConnectionPlace) -> Bounded:
        return Bounded(self.config, self.server_state, self.bounds, self.places, place, self._proxies)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free port.

    Raises:
        ListenAddressError: the address is in use or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where TCP is named explicitly; with it, each answer, sent as head and
    # body, waits 40 ms for a delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ListenAddressError(address=f"{host}:{port}", reason=why(error)) from error
    listener.listen(BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listener
