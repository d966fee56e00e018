"""The limits of a listener on its clients: sizes, times, places. The table in docs/operations.md lists them."""

import resource
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from medspace.core.errors import InvalidInputError, WaitingError
from medspace.core.text import msgid

Network = str  # CIDR
LOOPBACK: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
SPARE_FILES = 256  # for the database, for our own outgoing calls, for the data
_FEWEST = 32


class RequestRefusedError(InvalidInputError):
    """A request violates HTTP/1.1 or a limit of the listener; its connection is closed."""

    code = "http.refused"
    sentence = msgid("The request was refused: {reason}.")
    next_step = msgid("Send it as HTTP/1.1 has it and within the bounds of docs/operations.md.")


class StoppingError(WaitingError):
    """The connector stops while a request waits."""

    code = "connector.stopping"
    sentence = msgid("The connector is being stopped and does not wait for this any longer.")
    next_step = msgid("Ask again once it runs again: nothing that it has accepted is lost, and runs go on then.")


class CrowdedError(WaitingError):
    """Too many simultaneous connections or requests from one address."""

    code = "http.crowded"
    sentence = msgid("Too many requests at once come from your address.")
    next_step = msgid("Wait {seconds} seconds, then ask with fewer connections.")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Sizes in bytes, times in seconds. RFC 9112 leaves all of these limits to the server."""

    head: int = 32 * 1024
    head_seconds: float = 10.0  # from connecting, or from the first byte of a later request
    fields: int = 100  # of one head
    target: int = 8 * 1024
    body: int = 1 << 20
    body_seconds: float = 10.0  # from the end of the head
    rate: float = 256.0  # bytes a second on average while a head or body is awaited ...
    patience: float = 3.0  # ... after so many seconds
    flow: float = 16 * 1024.0  # the same for a large body or answer that a handler has allowed ...
    flow_window: float = 20.0  # ... in every such interval, instead of a limit on the total time
    chunks: int = 4_096
    framing: int = 64 * 1024  # of a chunked body: chunk sizes, extensions, line ends
    trailers: bool = False  # whether trailer fields are accepted (and dropped)
    unread: bool = False  # whether a connection is kept if its request was answered before the body arrived
    pipelined: int = 4  # pipelined requests that wait behind the one being answered
    idle: float = 30.0  # between two requests
    taking: float = 60.0  # for the client to read an answer
    farewell: float = 2.0  # for incoming data when the connection is being closed ...
    farewell_bytes: int = 1 << 20  # ... and at most this much of it
    handshake: float = 5.0  # TLS
    places: int = 1_000
    kept: int = 200  # of them, for addresses from which a member has authenticated
    share: int = 128  # per address (IPv6: per /64)
    known_share: int = 256  # the same, where a member has authenticated within `memory`
    memory: float = 3_600.0
    arrivals: float = 50.0  # new connections per second from one address ...
    burst: int = 2_000  # ... beyond a burst of this many
    refusals: float = 100.0  # 429 responses per second to one address; beyond that its connections are paused ...
    longest_rest: float = 5.0  # ... for this long at most
    looks: float = 1.0  # how often a waiting connection is checked


PUBLIC = Bounds()
PRIVATE = Bounds(places=256, kept=0, share=256)


def affordable(bounds: Bounds) -> Bounds:
    """The limits with no more places than the process may have open files.

    The soft limit is raised as far as the system allows, since running out of file descriptors affects everyone.
    """
    wanted = bounds.places + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 2 * wanted:
        soft = 2 * wanted if hard == resource.RLIM_INFINITY else min(hard, 2 * wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = bounds.places if soft == resource.RLIM_INFINITY else min(bounds.places, (soft - SPARE_FILES) // 2)
    places = max(most, _FEWEST)
    return replace(bounds, places=places, kept=min(bounds.kept, places // 4))


def neighbourhood(address: str) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 /64, since one subscriber has the whole /64."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        return str(mapped)
    return str(parsed) if parsed.version == 4 else str(ip_network((parsed, 64), strict=False))  # noqa: PLR2004 - IPv4


def within(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(plain in ip_network(network) for network in networks)


def forwarded(fields: list[tuple[bytes, bytes]], proxies: tuple[Network, ...]) -> str | None:
    """The address that our own proxy saw: the last one in X-Forwarded-For that is not one of our proxies.

    Everything before it was written by the caller and proves nothing.
    """
    named = [value for name, value in fields if name == b"x-forwarded-for"]
    for entry in reversed(b",".join(named).decode("latin-1").split(",")):
        address = entry.strip().removeprefix("[").removesuffix("]")
        try:
            ip_address(address)
        except ValueError:
            return None
        if not within(address, proxies):
            return address
    return None
