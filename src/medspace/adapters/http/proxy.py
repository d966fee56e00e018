"""A forward proxy: one tunnel for each connection (CONNECT, RFC 9110 9.3.6), in plain TCP or TLS, with a password.

Through the tunnel goes TLS to the other side, whatever the way to the proxy is. User and password go to the proxy
alone (Basic, RFC 7617), in the head of CONNECT: nothing shows them.
"""

import asyncio
import re
import ssl
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from socket import socket
from typing import Self

from medspace.adapters.http.guard import LARGEST_PORT, Address, Network
from medspace.core.text import Text, msgid

LARGEST_HEAD = 8 * 1024  # bytes of a proxy's answer
LONGEST_USER = 256  # characters, of the password as well
_STATUS = re.compile(rb"HTTP/1\.[01] (?P<status>[1-5][0-9]{2})(?: [^\r\n]*)?\r\n")
_PROXY = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,253}):(?P<port>[1-9][0-9]{0,4})/?"
)
_NAME = re.compile(r"\.?(?=.{1,253}\Z)([A-Za-z0-9-]{1,63}\.)*[A-Za-z][A-Za-z0-9-]{0,62}")
_NO_ANSWER = msgid("the proxy does not answer CONNECT")


@dataclass(frozen=True, slots=True)
class Direct:
    """Which hosts are called without the proxy: names, `.domain` for all below a domain, networks."""

    names: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Read from texts such as `pacs.hospital.cn`, `.hospital.cn` and `10.1.2.0/24`.

        Raises:
            ValueError: one is neither.
        """
        names, networks = list[str](), list[Network]()
        for entry in entries:
            if _NAME.fullmatch(entry):
                names.append(entry.lower())
            else:
                networks.append(ip_network(entry))
        return cls(tuple(names), tuple(networks))

    def has_name(self, host: str) -> bool:
        """Whether a host is called directly by its name."""
        return any(host == name or (name[0] == "." and host.endswith(name)) for name in self.names)

    def has(self, host: str, addresses: Sequence[Address]) -> bool:
        """Whether a host is called directly, by its name or since all its addresses are."""
        return self.has_name(host) or (
            bool(addresses) and all(any(one in network for network in self.networks) for one in addresses)
        )


class ProxyError(OSError):
    """The proxy gave no way to the other side; `reason` says how it answered."""

    def __init__(self, reason: Text) -> None:
        super().__init__()
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy; the operator names it, so it is not guarded. `secure` is TLS to the proxy itself.

    `direct` are the hosts that are called without it. With `resolves` it is asked for names, which it looks up.
    """

    host: str
    port: int
    secure: bool = False
    authorization: str = field(default="", repr=False)
    direct: Direct = Direct()
    resolves: bool = False

    @classmethod
    def of(cls, url: str, user: str = "", password: str = "") -> Self:
        """Read from `http://host:port` or `https://host:port`.

        Raises:
            ValueError: it is something else; user and password do not stand in it, and hold no controls, the user no
                colon. The error repeats nothing of them.
        """
        read = _PROXY.fullmatch(url)
        if read is None or int(read["port"]) > LARGEST_PORT:
            raise ValueError("not http://host:port")
        if not user and password:
            raise ValueError("a password without a user")
        if ":" in user or not all(one.isprintable() and len(one) <= LONGEST_USER for one in (user, password)):
            raise ValueError("a user or a password that cannot be sent")
        basic = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
        return cls(read["host"].strip("[]").lower(), int(read["port"]), read["scheme"] == "https", basic)

    def head(self, authority: str) -> bytes:
        """What asks for a tunnel to an address and port."""
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        lines += [f"Proxy-Authorization: {self.authorization}"] if self.authorization else []
        return "\r\n".join([*lines, "", ""]).encode()


async def tunnel(sock: socket, proxy: Proxy, authority: str, tls: ssl.SSLContext | None) -> asyncio.Transport:
    """Have the proxy at the other end of a socket open a tunnel; `tls` is for a proxy that wants it.

    Nothing is read of the tunnel until it has another protocol.

    Raises:
        ProxyError: it does not. OSError: the connection broke.
    """
    loop, name = asyncio.get_running_loop(), proxy.host if tls else None
    try:
        transport, asking = await loop.create_connection(_Asking, sock=sock, ssl=tls, server_hostname=name)
    except ssl.SSLError as error:
        reason = Text(msgid("TLS with the proxy failed ({reason})"), {"reason": error.reason or "?"})
        raise ProxyError(reason) from None
    try:
        if tls is not None:
            # Before 3.11.8 and 3.12.2 asyncio calls it wrongly where TLS within fails (python/cpython#113214).
            setattr(transport, "_force_close", lambda _error: transport.abort())  # noqa: B010 - no public name
        transport.write(proxy.head(authority))
        _check(await asking.answered)
    except BaseException:
        transport.abort()
        raise
    return transport


class _Asking(asyncio.Protocol):
    """Waits for the head of the proxy's answer; a head that is too long or cut off counts as it stands."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._head = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" in self._head or len(self._head) > LARGEST_HEAD:
            if self._transport is not None:
                self._transport.pause_reading()
            self._end()

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self.answered.done():
            self.answered.set_result(self._head)


def _check(head: bytes) -> None:
    """Whether there is a tunnel; what comes behind the head would be taken for the other side's words."""
    read = _STATUS.match(head)
    if read is None or len(head) > LARGEST_HEAD or not head.endswith(b"\r\n\r\n") or head.count(b"\r\n\r\n") > 1:
        raise ProxyError(Text(_NO_ANSWER))
    if not read["status"].startswith(b"2"):
        status = {"status": read["status"].decode()}
        raise ProxyError(Text(msgid("the proxy refuses with status {status}"), status))
