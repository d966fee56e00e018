"""Which addresses may be called: the defence against server-side request forgery (OWASP SSRF, CWE-918).

A counterparty chooses callback addresses, and DID documents live where a DID says. So a URL is read strictly, with
one spelling only, and what its host resolves to is checked at each connection, on the very address that is then
connected to: a name that points elsewhere a moment later (DNS rebinding) gains nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from medspace.adapters.http.errors import ForbiddenAddressError
from medspace.connector.errors import CallbackError
from medspace.core.text import Text, msgid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2048
LOWEST_OPEN_PORT = 1024
LARGEST_PORT = 65535

# What `is_global` does not refuse in every Python, or what only looks global:
CLOSED_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's metadata and agent endpoint
        "192.0.0.0/24",  # IETF protocol assignments, Oracle's metadata
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "::/96",  # IPv4-compatible (RFC 4291 2.5.5.1)
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291 2.5.5.2)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # local NAT64 (RFC 8215)
        "2001::/32",  # Teredo (RFC 4380)
        "2002::/16",  # 6to4 (RFC 3056)
        "fec0::/10",  # site-local (RFC 3879)
    )
)

LOOPBACK_NETWORKS: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)"
    r"(:(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
    r"(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that was read: where to connect, and what to ask for there."""

    scheme: str
    host: str  # lower case, without brackets
    port: int
    path: str  # with the query

    @property
    def secure(self) -> bool:
        """Whether TLS is used."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """Host and port as they stand in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.secure else 80
        return host if self.port == usual else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one connector: `networks` are allowed besides the public internet.

    `loopback` lets this machine be called, and by plain http too, where the URL itself names it.
    """

    networks: tuple[Network, ...] = ()
    loopback: bool = False

    @classmethod
    def of(cls, networks: Iterable[str] = (), *, loopback: bool = False) -> "Guard":
        """The guard of a configuration. A loopback network among `networks` says the same as `loopback`.

        Raises:
            ValueError: not a network in CIDR form.
        """
        read = [ip_network(network) for network in networks]
        others = tuple(network for network in read if not network.is_loopback)
        return cls(others, loopback or len(others) < len(read))

    def target(self, url: str) -> Target:
        """Read a URL that may be called, as far as can be said without resolving its host.

        Raises:
            ForbiddenAddressError: with what is wrong in it.
        """
        read = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
        if read is None:
            raise _forbidden(url, msgid("it is not a plain http or https URL without user, password or fragment"))
        scheme, host = read["scheme"], read["host"].strip("[]").lower()
        port = int(read["port"] or (443 if scheme == "https" else 80))
        self._check_host(url, host)
        local = is_loopback(host)
        if scheme == "http" and not local:
            raise _forbidden(url, msgid("plain http is for this machine only"))
        if port > LARGEST_PORT or (port < LOWEST_OPEN_PORT and port != (443 if scheme == "https" else 80)):
            raise _forbidden(url, msgid("its port is not one for this protocol"))
        return Target(scheme, host, port, (read["path"] or "/") + (read["query"] or ""))

    def _check_host(self, url: str, host: str) -> None:
        literal = _literal(host)
        if literal is not None:
            self.check_address(url, host, literal)
        elif not _NAME.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2]):
            # WHATWG URL 3.5: what ends in a number is an IPv4 address in one of its other spellings.
            raise _forbidden(url, msgid("its host is neither a domain name nor an IP address in its usual form"))
        elif is_loopback(host) and not self.loopback:
            raise _forbidden(url, msgid("it names this machine"))

    def check_address(self, url: str, host: str, address: Address) -> None:
        """Refuse to connect to `address` for `host`.

        Raises:
            ForbiddenAddressError: the address is not public and not allowed by the configuration.
        """
        if is_loopback(host):
            # RFC 6761 6.3: localhost is this machine, whatever a resolver says.
            allowed = self.loopback and _on_this_machine(address)
        else:
            allowed = is_public(address) or any(address in network for network in self.networks)
        if not allowed:
            raise _forbidden(url, msgid("{address} is not a public address"), address=str(address))

    def check_addresses(self, url: str, host: str, addresses: Sequence[str]) -> tuple[Address, ...]:
        """All the addresses of a host; one bad address among good ones spoils them all.

        Raises:
            ForbiddenAddressError: an address is not allowed.
        """
        read = tuple(ip_address(address) for address in addresses)
        for address in read:
            self.check_address(url, host, address)
        return read


def check_callback(url: str, guard: Guard) -> None:
    """Whether a callback address that a counterparty gave may ever be called; nothing is resolved.

    Raises:
        CallbackError: it may not.
    """
    try:
        guard.target(url)
    except ForbiddenAddressError as error:
        raise CallbackError(address=url[:LONGEST_URL], reason=error.facts["reason"]) from None


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, and of one host, in no disguise."""
    if isinstance(address, IPv6Address) and address.scope_id:
        return False
    closed = any(address in network for network in CLOSED_NETWORKS)
    return address.is_global and not address.is_multicast and not closed


def is_loopback(host: str) -> bool:
    """Whether a host names this machine by itself."""
    literal = _literal(host)
    return host == "localhost" if literal is None else _on_this_machine(literal)


def is_address(host: str) -> bool:
    """Whether a host is an IP address already."""
    return _literal(host) is not None


def _on_this_machine(address: Address) -> bool:
    # Not `is_loopback`: newer Pythons count IPv4-mapped addresses in.
    return any(address in network for network in LOOPBACK_NETWORKS)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _forbidden(url: str, reason: str, **facts: str) -> ForbiddenAddressError:
    return ForbiddenAddressError(address=url[:LONGEST_URL], reason=Text(reason, facts))
