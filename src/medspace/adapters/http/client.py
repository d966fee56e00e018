"""The one HTTP client of a connector: guarded, bounded in time and size, frugal.

Own code over asyncio and llhttp, for speed. CPU of the client for one small POST over a kept connection, measured on
two shared cores, one call at a time (ten at once): httpx 2.1 (4.1) ms, httpcore 1.6 (3.6) ms, this 0.4 (0.2) ms.
No proxy is used and no environment variable is read: a proxy would connect to what the guard has not seen.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import SOCK_STREAM

from medspace.adapters.http.connection import Answer, BrokenAnswerError, Connection, NoAnswerError
from medspace.adapters.http.errors import BadAnswerError
from medspace.adapters.http.guard import Guard, Target, is_address
from medspace.connector.errors import NotSentError, UnreachableError
from medspace.core.text import Text, msgid

# Host name and port to the texts of its addresses.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

_Key = tuple[str, str, int]  # scheme, host, port

USER_AGENT = "medspace"


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    total: float = 30.0  # for one call, everything included
    connect: float = 5.0  # for resolving, connecting and TLS
    idle: float = 4.0  # a connection is used again within; servers commonly close after 5
    answer: int = 8 * 1024 * 1024  # body, unpacked
    connections: int = 32  # at once to one origin


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The addresses that the operating system gives for a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def tls_context(authorities: Path | None = None) -> ssl.SSLContext:
    """Verifying TLS 1.2 or newer; `authorities` is a PEM file used instead of the system's authorities.

    Raises:
        OSError: the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context(cafile=None if authorities is None else str(authorities))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(slots=True)
class _Origin:
    """The connections to one scheme, host and port."""

    slots: asyncio.Semaphore
    idle: deque[tuple[Connection, asyncio.TimerHandle]] = field(default_factory=deque)
    users: int = 0


class HttpClient:
    """Sends requests over connections that are used again; to be closed at the end.

    `resolve` is injected by tests; the addresses that it gives are checked, and the checked ones are connected to.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolver = system_resolver,
        limits: Limits | None = None,
    ) -> None:
        self._guard = guard
        self._tls = tls
        self._resolve = resolve
        self._limits = limits or Limits()
        self._origins: dict[_Key, _Origin] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        limit: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - a bound of the call, kept inside
    ) -> Answer:
        """Send one request and read its whole answer. Redirects are answers like any other.

        `limit` (bytes) and `timeout` (seconds) override the client's.

        Raises:
            ForbiddenAddressError: the address must not be called; nothing was sent.
            NotSentError: there was no connection; nothing was sent.
            BadAnswerError: an answer came, but not as HTTP demands, or too large.
            UnreachableError: no answer in time; the request may have been delivered.
        """
        target = self._guard.target(url)
        head = _head(method, target, headers or {}, body)
        try:
            async with asyncio.timeout(timeout or self._limits.total), self._connection(url, target) as connection:
                return await connection.exchange(head + body, limit or self._limits.answer)
        except TimeoutError:
            raise UnreachableError(address=url, reason=Text(msgid("it took too long"))) from None
        except NoAnswerError:
            reason = Text(msgid("the connection ended before the answer was there"))
            raise UnreachableError(address=url, reason=reason) from None
        except BrokenAnswerError as error:
            raise BadAnswerError(address=url, reason=Text(str(error))) from None

    @asynccontextmanager
    async def _connection(self, url: str, target: Target) -> AsyncIterator[Connection]:
        key = (target.scheme, target.host, target.port)
        origin = self._origins.setdefault(key, _Origin(asyncio.Semaphore(self._limits.connections)))
        origin.users += 1
        try:
            async with origin.slots:
                connection = self._idle(origin) or await self._connect(url, target)
                yield connection
                self._keep(key, origin, connection)
        finally:
            origin.users -= 1
            self._forget(key, origin)

    def _idle(self, origin: _Origin) -> Connection | None:
        while origin.idle:
            connection, expiry = origin.idle.pop()
            expiry.cancel()
            if connection.usable:
                return connection
            connection.close()
        return None

    def _keep(self, key: _Key, origin: _Origin, connection: Connection) -> None:
        if not connection.usable:
            connection.close()
            return
        expiry = asyncio.get_running_loop().call_later(self._limits.idle, self._expire, key, origin)
        origin.idle.append((connection, expiry))

    def _expire(self, key: _Key, origin: _Origin) -> None:
        # The connection that was kept first expires first; a server cannot make us hold on to one.
        connection, _ = origin.idle.popleft()
        connection.close()
        self._forget(key, origin)

    def _forget(self, key: _Key, origin: _Origin) -> None:
        if not origin.users and not origin.idle:
            self._origins.pop(key, None)

    async def _connect(self, url: str, target: Target) -> Connection:
        try:
            async with asyncio.timeout(self._limits.connect):
                return await self._connect_any(url, target)
        except TimeoutError:
            raise NotSentError(address=url, reason=Text(msgid("no connection in time"))) from None
        except ssl.SSLError as error:
            reason = Text(msgid("TLS failed ({reason})"), {"reason": error.reason or "?"})
            raise NotSentError(address=url, reason=reason) from None
        except OSError as error:
            raise NotSentError(address=url, reason=error.strerror or type(error).__name__) from None

    async def _connect_any(self, url: str, target: Target) -> Connection:
        addresses = self._guard.check_addresses(url, target.host, await self._addresses(target))
        failure: OSError = OSError(0, "no address")
        for address in addresses:
            try:
                return await self._connect_to(str(address), target)
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
        raise failure

    async def _addresses(self, target: Target) -> Sequence[str]:
        return (target.host,) if is_address(target.host) else await self._resolve(target.host, target.port)

    async def _connect_to(self, address: str, target: Target) -> Connection:
        loop = asyncio.get_running_loop()
        tls, name = (self._context(), target.host) if target.secure else (None, None)
        _, connection = await loop.create_connection(Connection, address, target.port, ssl=tls, server_hostname=name)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # reading the system's authorities takes 50 ms
            self._tls = tls_context()
        return self._tls

    async def close(self) -> None:
        """Close the idle connections."""
        for origin in self._origins.values():
            while origin.idle:
                connection, expiry = origin.idle.pop()
                expiry.cancel()
                connection.close()
        self._origins.clear()


def _head(method: str, target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    fields = {
        "Host": target.authority,
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        **headers,
    }
    if body or method == "POST":
        fields |= {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    if not all(text.isascii() and text.isprintable() for field in fields.items() for text in field):
        # RFC 9110 5.5; a counterparty chooses the job token.
        raise NotSentError(address=target.authority, reason=Text(msgid("a header would hold odd characters")))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target.path} HTTP/1.1\r\n{lines}\r\n".encode()
