"""Which addresses may be called: the defence against server-side request forgery (OWASP SSRF, CWE-918).

A counterparty chooses callback addresses, and DID documents live where a DID says. So a URL is read strictly, with
one spelling only, and what its host resolves to is checked at each connection, on the very address that is then
connected to: a name that points elsewhere a moment later (DNS rebinding) gains nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from medspace.adapters.http.errors import ForbiddenAddressError
from medspace.connector.errors import CallbackError
from medspace.core.text import Text, msgid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2048
KEPT = 256  # hosts that were read
LOWEST_OPEN_PORT = 1024
LARGEST_PORT = 65535

# IANA has given out only this part of IPv6 for unicast (RFC 4291 2.4); the rest is special, or nobody's yet.
GLOBAL_UNICAST = ip_network("2000::/3")

# The special-purpose registries of IANA (RFC 6890), written out: what Python's `is_global` says of them differs from
# version to version. Metadata services of clouds that look global stand among them.
CLOSED_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network (RFC 791 3.2)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared by carriers (RFC 6598), Alibaba's metadata
        "127.0.0.0/8",  # loopback (RFC 1122 3.2.1.3)
        "168.63.129.16/32",  # Azure's metadata and agent endpoint
        "169.254.0.0/16",  # link-local (RFC 3927), metadata of most clouds
        "172.16.0.0/12",  # private (RFC 1918)
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890 2.1), Oracle's metadata
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 (RFC 7535)
        "192.52.193.0/24",  # AMT (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private (RFC 1918)
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112 4), with the limited broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible (RFC 4291 2.5.5.1)
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291 2.5.5.2)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765 2.1)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # local NAT64 (RFC 8215)
        "100::/64",  # discard-only (RFC 6666)
        "100:0:0:1::/64",  # dummy prefix (RFC 9780)
        "2001::/23",  # IETF protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056)
        "2620:4f:8000::/48",  # AS112 (RFC 7534)
        "3ffe::/16",  # the former 6bone (RFC 3701)
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment routing identifiers (RFC 9602)
        "fc00::/7",  # unique local (RFC 4193), Amazon's metadata
        "fe80::/10",  # link-local (RFC 4291 2.5.6)
        "fec0::/10",  # site-local (RFC 3879)
        "ff00::/8",  # multicast (RFC 4291 2.7)
    )
)

LOOPBACK_NETWORKS: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

# What no setting opens: this machine under a name that is not its own, whatever answers on the link (the metadata
# service of a cloud), and what is no single host.
NEVER_OPENED: tuple[Network, ...] = (
    *LOOPBACK_NETWORKS,
    *(
        ip_network(network)
        for network in (
            "0.0.0.0/8",
            "100.100.100.200/32",
            "168.63.129.16/32",
            "169.254.0.0/16",
            "192.0.0.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/96",
            "::ffff:0:0/96",
            "::ffff:0:0:0/96",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2002::/16",
            "fd00:ec2::/32",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        )
    ),
)

# Names that no public DNS answers for: RFC 6761, 6762 and 8375, ICANN's `internal`, and what networks use besides.
PRIVATE_DOMAINS = tuple(
    f".{name}"
    for name in (
        *("local", "localhost", "internal", "home.arpa", "localdomain"),
        *("lan", "intranet", "corp", "home", "private"),
    )
)

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
class ParsedUrl:
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

    def target(self, url: str) -> ParsedUrl:
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
        return ParsedUrl(scheme, host, port, (read["path"] or "/") + (read["query"] or ""))

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
            allowed = is_public(address) or self._opened(address)
        if not allowed:
            raise _forbidden(url, msgid("{address} is not a public address"), address=str(address))

    def _opened(self, address: Address) -> bool:
        if isinstance(address, IPv6Address) and address.scope_id:
            return False
        return _within(address, self.networks) and not _within(address, NEVER_OPENED)

    def check_name(self, url: str, host: str) -> None:
        """Refuse a name that somebody else looks up, where it says by itself that it is of a network of its own.

        Raises:
            ForbiddenAddressError: it has one label only, or is below a domain of private networks.
        """
        if "." not in host or host.endswith(PRIVATE_DOMAINS):
            raise _forbidden(url, msgid("its name is one of a private network"))

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
    if isinstance(address, IPv6Address) and (address.scope_id or address not in GLOBAL_UNICAST):
        return False
    return address.is_global and not address.is_multicast and not _within(address, CLOSED_NETWORKS)


def is_loopback(host: str) -> bool:
    """Whether a host names this machine by itself."""
    literal = _literal(host)
    return host == "localhost" if literal is None else _on_this_machine(literal)


def is_address(host: str) -> bool:
    """Whether a host is an IP address already."""
    return _literal(host) is not None


def _on_this_machine(address: Address) -> bool:
    # Not `is_loopback`: newer Pythons count IPv4-mapped addresses in.
    return _within(address, LOOPBACK_NETWORKS)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


@lru_cache(maxsize=KEPT)
def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _forbidden(url: str, reason: str, **facts: str) -> ForbiddenAddressError:
    return ForbiddenAddressError(address=url[:LONGEST_URL], reason=Text(reason, facts))
