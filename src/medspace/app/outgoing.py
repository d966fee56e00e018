"""The one HTTP client of a connector, as its configuration has it."""

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.dialling import Proxy, Resolver, system_resolver, tls_context
from medspace.adapters.http.guard import Guard
from medspace.app.config import Config


def guard_of(config: Config) -> Guard:
    """Which addresses this connector may call."""
    return Guard.of(config.network.allow, loopback=not config.in_production)


def client_of(config: Config, resolve: Resolver = system_resolver) -> HttpClient:
    """A client that goes where the connector may, on the way that the configuration names."""
    network = config.network
    tls = tls_context(config.path(network.certificates)) if network.certificates else None
    proxy = Proxy.of(network.proxy) if network.proxy else None
    return HttpClient(guard_of(config), tls=tls, resolve=resolve, proxy=proxy)
