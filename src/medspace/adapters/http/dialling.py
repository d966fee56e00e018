"""Making connections: the first address of a host that answers wins (RFC 8305), directly or through a proxy.

Every address of a host is checked by the guard before the first is tried, and the checked ones are connected to. A
proxy is asked for a checked address, not for a name: what a name points to would otherwise be its decision. Where the
operator leaves that to the proxy (`Proxy.resolves`), names of private networks are refused, and so are addresses that
we know ourselves; for the rest, TLS with a certificate of that name is what holds.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from itertools import zip_longest
from pathlib import Path
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, socket
from typing import TypeVar

from medspace.adapters.http.connection import Connection
from medspace.adapters.http.guard import Address, Guard, ParsedUrl, is_address, is_loopback
from medspace.adapters.http.patience import patient
from medspace.adapters.http.proxy import Proxy, ProxyError, tunnel
from medspace.adapters.oswords import why
from medspace.connector.errors import NotSentError
from medspace.core.text import Fact, Text, msgid

# Host name and port to the texts of its addresses.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
Way = socket | asyncio.Transport  # to the other side, without anything of ours said yet
W = TypeVar("W", bound=Way)

STAGGER = 0.25  # seconds between two attempts (RFC 8305 8, Connection Attempt Delay)
LOOKUP = 1.0  # seconds for our own look at a name that a proxy looks up
PATIENCE = 5.0  # seconds for resolving, connecting and TLS


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The addresses that the operating system gives for a host, of both families, in its order (RFC 6724)."""
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
class Dialler:
    """Makes connections; `tls` is the system's where none is given, `proxy` is for all but this machine."""

    guard: Guard
    tls: ssl.SSLContext | None = None
    resolve: Resolver = system_resolver
    patience: float = PATIENCE
    stagger: float = STAGGER
    proxy: Proxy | None = None

    async def dial(self, url: str, target: ParsedUrl) -> Connection:
        """A connection to the target of a URL.

        Raises:
            ForbiddenAddressError: an address of the host must not be called; none was.
            NotSentError: there is no connection, for another reason.
        """
        try:
            async with patient(self.patience):
                return await self._dial(url, target)
        except TimeoutError:
            raise NotSentError(address=url, reason=Text(msgid("no connection in time"))) from None
        except ssl.SSLError as error:
            reason = Text(msgid("TLS failed ({reason})"), {"reason": error.reason or "?"})
            raise NotSentError(address=url, reason=reason) from error  # what is wrong with a certificate
        except ProxyError as error:
            raise NotSentError(address=url, reason=error.reason) from None
        except OSError as error:
            raise NotSentError(address=url, reason=_reason(error)) from None

    async def _dial(self, url: str, target: ParsedUrl) -> Connection:
        tls = self._context() if target.secure else None
        proxy = self.proxy
        named = proxy is not None and self._by_name(proxy, target)
        if proxy is not None and named and not proxy.direct.has(target.host, await self._named(url, target)):
            way = await self._tunnel(proxy, f"{target.host}:{target.port}")
            return await _through(way, tls, target.host)
        addresses = self.guard.check_addresses(url, target.host, await self._addresses(target.host, target.port))
        if self.proxy is None or is_loopback(target.host) or self.proxy.direct.has(target.host, addresses):
            reach = partial(reached, port=target.port)
            sock = await first_of([partial(reach, address) for address in interleaved(addresses)], self.stagger)
            name, loop = target.host if tls else None, asyncio.get_running_loop()
            _, connection = await loop.create_connection(Connection, sock=sock, ssl=tls, server_hostname=name)
            return connection
        asked = [_authority(address, target.port) for address in interleaved(addresses)]
        ways = [partial(self._tunnel, self.proxy, authority) for authority in asked]
        return await _through(await first_of(ways, self.stagger), tls, target.host)

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        return (host,) if is_address(host) else await self.resolve(host, port)

    @staticmethod
    def _by_name(proxy: Proxy, target: ParsedUrl) -> bool:
        named = proxy.resolves and target.secure and not is_address(target.host) and not is_loopback(target.host)
        return named and not proxy.direct.has_name(target.host)

    async def _named(self, url: str, target: ParsedUrl) -> Sequence[Address]:
        """The addresses of a name that the proxy looks up, where we know them too; they and the name are checked.

        Whoever answers must have a certificate of that name: it is of nobody else.
        """
        self.guard.check_name(url, target.host)
        try:
            async with patient(LOOKUP):
                found = await self._addresses(target.host, target.port)
        except (OSError, TimeoutError):  # only the proxy knows it
            return ()
        return self.guard.check_addresses(url, target.host, found)

    async def _tunnel(self, proxy: Proxy, authority: str) -> asyncio.Transport:
        """A way to an address, or a name, and port through the proxy."""
        try:
            found = await self._addresses(proxy.host, proxy.port)
            sock = await first_of([partial(reached, ip_address(one), proxy.port) for one in found], self.stagger)
        except OSError as error:
            facts: dict[str, Fact | Text] = {"proxy": f"{proxy.host}:{proxy.port}", "reason": _reason(error)}
            raise ProxyError(Text(msgid("the proxy {proxy} cannot be reached: {reason}"), facts)) from error
        return await tunnel(sock, proxy, authority, self._context() if proxy.secure else None)

    def _context(self) -> ssl.SSLContext:
        if self.tls is None:  # reading the system's authorities takes 50 ms
            self.tls = tls_context()
        return self.tls


def _authority(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"  # noqa: PLR2004


def _reason(error: OSError) -> Text | str:
    """Why there is no connection; asyncio's own errors say no more than their name."""
    return why(error) if error.errno else error.strerror or type(error).__name__


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Addresses of the two families in turn, beginning with the family that the resolver prefers (RFC 8305 4)."""
    known = list(addresses)
    first = [address for address in known if address.version == known[0].version]
    second = [address for address in known if address.version != known[0].version]
    return [address for pair in zip_longest(first, second) for address in pair if address is not None]


async def _through(way: asyncio.Transport, tls: ssl.SSLContext | None, host: str) -> Connection:
    """A connection over a tunnel, with TLS to the other side within it."""
    connection, transport = Connection(), way
    try:
        if tls is None:
            way.set_protocol(connection)
        else:
            started = await asyncio.get_running_loop().start_tls(way, connection, tls, server_hostname=host)
            assert started is not None  # noqa: S101 - for the type checker: None is for pipes that are closing
            transport = started
    except BaseException:
        way.abort()
        raise
    connection.connection_made(transport)
    transport.resume_reading()
    return connection


async def first_of(attempts: Sequence[Callable[[], Awaitable[W]]], stagger: float) -> W:
    """The first way that connects; another attempt begins every `stagger` seconds, or when one fails (RFC 8305 5).

    Raises:
        OSError: all failed; the failure that came last.
    """
    waiting, running = deque(attempts), set[asyncio.Future[W]]()
    failure = OSError(0, "no address")
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(waiting.popleft()()))
            pause = stagger if waiting else None
            done, _ = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                running.discard(attempt)
                try:
                    return attempt.result()
                except OSError as error:
                    failure = error
        raise failure
    finally:
        await _let_go(running)


async def _let_go(attempts: set["asyncio.Future[W]"]) -> None:
    """Nobody wants them any more, connected or not."""
    for attempt in attempts:
        attempt.cancel()
    for ended in await asyncio.gather(*attempts, return_exceptions=True):
        if not isinstance(ended, BaseException):
            ended.close()


async def reached(address: Address, port: int) -> socket:
    """A socket that is connected to an address.

    Raises:
        OSError: it cannot be.
    """
    # asyncio turns Nagle's algorithm off only where TCP is named.
    sock = socket(AF_INET if address.version == 4 else AF_INET6, SOCK_STREAM, IPPROTO_TCP)  # noqa: PLR2004 - IPv4
    try:
        sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
        await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock
