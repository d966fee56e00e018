"""The one HTTP client of a connector, set up from its configuration."""

from dataclasses import replace

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.dialling import Resolver, system_resolver, tls_context
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.proxy import Direct, Proxy
from medspace.adapters.keys import read_secret
from medspace.app.node.config import Config
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid


class ProxyPasswordError(InvalidInputError):
    """The password for the proxy contains characters that cannot be sent."""

    code = "config.proxy_password"
    sentence = msgid("The file {file} holds no password that can be sent to a proxy.")
    next_step = msgid("Write the password into its first line, at most 256 characters, and nothing else.")


def guard_of(config: Config) -> Guard:
    """Which addresses this connector may call."""
    return Guard.of(config.network.allow, loopback=not config.in_production)


def client_of(config: Config, resolve: Resolver = system_resolver) -> HttpClient:
    """A client that only calls allowed addresses, by the route that the configuration names."""
    network = config.network
    tls = tls_context(config.path(network.certificates)) if network.certificates else None
    return HttpClient(guard_of(config), tls=tls, resolve=resolve, proxy=proxy_of(config))


def proxy_of(config: Config) -> Proxy | None:
    """The proxy that the configuration names, with the password from its file.

    Raises:
        SecretFileError, SecretExposedError: the file is missing or readable by others.
        ProxyPasswordError: it contains no password that can be sent.
    """
    network = config.network
    if not network.proxy:
        return None
    file = config.path(network.proxy_password) if network.proxy_password else None
    password = read_secret(file).decode("utf-8", "replace").rstrip("\r\n") if file else ""
    try:
        proxy = Proxy.of(network.proxy, network.proxy_user, password)
        return replace(proxy, direct=Direct.of(network.no_proxy), resolves=network.proxy_resolves)
    except ValueError:
        raise ProxyPasswordError(file=str(file)) from None
