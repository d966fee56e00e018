"""Addresses and networks as a configuration names them."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from medspace.core.text import Text, msgid


def is_address_of_web(url: str) -> bool:
    """Whether an address can be parsed at all; an empty one can."""
    try:
        return not url or (urlsplit(url).port or 1) > 0
    except ValueError:
        return False


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a bind address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def bad_networks(setting: str, networks: tuple[str, ...]) -> Iterator[Text]:
    """What is wrong with the networks of a setting."""
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            reason = msgid("{setting}: {network} is not a network such as 10.1.0.0/16")
            yield Text(reason, {"setting": setting, "network": network})
