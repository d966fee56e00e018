"""The doctor's checks of certificates and of the proxy in front of the connector."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from medspace.adapters.certificates import CertificateFacts, CertificateFileError, is_complete, read_file
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.dialling import tls_context
from medspace.app.doors.protocol.prefix import PATH, prefix_of
from medspace.app.features.reach.sight import Flaw, Sight, look
from medspace.app.node.checks import HealthCheck, failed
from medspace.app.node.config import Config
from medspace.app.node.outgoing import client_of
from medspace.connector.dispatch.rules import SKEW
from medspace.core.clock import Clock, instant
from medspace.core.errors import MedspaceError
from medspace.core.text import Fact, Text, counted, msgid
from medspace.trust.did import base_url

SOON = timedelta(days=30)
FILE, ADDRESS, AUTHORITY = msgid("certificate"), msgid("public address"), msgid("authority's address")
_FLAWS: dict[Flaw, str] = {
    "expired": msgid("The certificate that {url} shows has expired."),
    "early": msgid("The certificate that {url} shows is not valid yet, or a clock is wrong."),
    "self-signed": msgid("The certificate at {url} is self-signed, so other members reject it."),
    "name": msgid("The certificate that {url} shows is for another name."),
    "issuer": msgid("{url} does not show the intermediate certificates that lead to an authority known here."),
    "other": msgid("The certificate that {url} shows is refused."),
}
_ADVICE: dict[Flaw, str] = {
    "expired": msgid("Renew it, put the new one in place, and start what shows it again."),
    "early": msgid("Set the clocks by NTP, or wait until it is valid."),
    "self-signed": msgid("Get one from an authority that the members trust, or agree on [network] certificates."),
    "name": msgid("Get one for the name in [public] url, and show it for that name (SNI)."),
    "issuer": msgid("Put the intermediates behind the certificate of the host, in one file (often fullchain.pem)."),
    "other": msgid("Run: openssl s_client -connect HOST:443 -servername HOST - it says why."),
}


def certificate_checks(config: Config, now: datetime) -> Iterator[HealthCheck]:
    """The state of our own public listener's certificate, from its file."""
    if not config.public.certificate:
        return
    try:
        chain = read_file(config.path(config.public.certificate))
    except CertificateFileError as error:
        yield failed(FILE, error)
        return
    name, host = config.public.certificate, urlsplit(config.base_url).hostname or ""
    yield next(_wrong_with(chain, name, host, config, now), None) or _until(FILE, name, chain[0].ends, now)


def _wrong_with(
    chain: list[CertificateFacts], name: str, host: str, config: Config, now: datetime
) -> Iterator[HealthCheck]:
    """The problems of a certificate in a file, worst first."""
    first, facts = chain[0], {"url": name, "host": host}
    if first.ends <= now:
        yield flaw_check(FILE, "expired", name)
    if first.begins > now:
        yield flaw_check(FILE, "early", name)
    if not first.is_for(host):
        found = Text(msgid("The certificate in {url} is not for {host}, by which others call."), facts)
        yield HealthCheck(FILE, ok=False, found=found, next_step=Text(_ADVICE["name"]))
    try:
        known = tls_context(config.path(config.network.certificates) if config.network.certificates else None)
    except OSError:
        return
    if not is_complete(chain, known):
        yield flaw_check(FILE, "issuer", name)


def flaw_check(name: str, flaw: Flaw, url: str) -> HealthCheck:
    """A certificate that others reject."""
    return HealthCheck(name, ok=False, found=Text(_FLAWS[flaw], {"url": url}), next_step=Text(_ADVICE[flaw]))


def expiry_check(name: str, sight: Sight, url: str, now: datetime) -> Iterator[HealthCheck]:
    """How long the certificate seen at an address remains valid; nothing without TLS."""
    try:
        ends = instant(sight.expires) if sight.expires else None
    except ValueError:
        return
    if ends is not None:
        yield _until(name, url, ends, now)


def _until(name: str, url: str, ends: datetime, now: datetime) -> HealthCheck:
    days = counted((ends - now).days, msgid("{count} day"), msgid("{count} days"))
    facts: dict[str, Fact | Text] = {"url": url, "days": days, "date": ends.date().isoformat()}
    found = Text(msgid("The certificate of {url} is good for {days}, until {date}."), facts)
    advice = Text(msgid("Renew it now: without one, nobody calls you, and you call nobody."))
    return HealthCheck(name, ok=True, found=found, next_step=advice if ends - now < SOON else None)


def prefix_check(name: str, sight: Sight, config: Config) -> HealthCheck:
    """Whether the arriving path is the one that the connector answers."""
    prefix = prefix_of(config.base_url)
    facts: dict[str, Fact | Text] = {"url": config.base_url, "prefix": prefix, "path": sight.path}
    kept, stripped = sight.path == f"{prefix}{PATH}", sight.path == PATH
    if stripped and (not prefix or not config.public.keeps_prefix):
        return HealthCheck(name, ok=True, found=Text(msgid("The paths below {url} arrive as they should."), facts))
    if kept and config.public.keeps_prefix:
        found = Text(msgid("The proxy leaves the prefix {prefix} on the path, as the configuration says."), facts)
        return HealthCheck(name, ok=True, found=found)
    if kept:
        found = Text(msgid("The proxy leaves the prefix {prefix} on the path; nothing answers there."), facts)
        advice = Text(msgid("Set keeps_prefix = true under [public], or have the proxy take the prefix off."))
    elif stripped:
        found = Text(msgid("The proxy takes the prefix {prefix} off; the configuration says otherwise."), facts)
        advice = Text(msgid("Take keeps_prefix out of [public]."))
    else:
        found = Text(msgid("What answers at {url} is not this connector, or gets another path."), facts)
        advice = Text(msgid("Have the proxy pass everything below {url} on to the public listener."), facts)
    return HealthCheck(name, ok=False, found=found, next_step=advice)


def clock_check(name: str, sight: Sight, did: str) -> Iterator[HealthCheck]:
    """How far the observer's clock is from ours."""
    if sight.ahead is not None and abs(sight.ahead) >= SKEW:
        facts: dict[str, Fact | Text] = {"seconds": round(abs(sight.ahead)), "did": did}
        found = Text(msgid("Our clock and that of {did} differ by {seconds} s."), facts)
        advice = Text(msgid("Set this machine's clock by NTP; if it is right, tell the operator of {did}."), facts)
        yield HealthCheck(name, ok=False, found=found, next_step=advice)


def outside_checks(config: Config, clock: Clock) -> list[HealthCheck]:
    """What is seen at our own public address and at the authority's, called by name as others do.

    Do not call it in an event loop.
    """
    if not (config.public.url or config.public.certificate):
        return []  # it is being tried out on one machine
    return asyncio.run(_outside(config, clock))


async def _outside(config: Config, clock: Clock) -> list[HealthCheck]:
    client = client_of(config)
    try:
        ours = [*await _own(client, config, clock)]
        return ours if config.is_authority else [*ours, *await _authority(client, config, clock)]
    except MedspaceError as error:
        return [failed(ADDRESS, error)]
    finally:
        await client.close()


async def _own(client: HttpClient, config: Config, clock: Clock) -> list[HealthCheck]:
    sight = await look(client, clock, config.base_url)
    if sight.flaw:
        return [flaw_check(ADDRESS, sight.flaw, config.base_url)]
    if not sight.reached:
        facts: dict[str, Fact | Text] = {"url": config.base_url, "code": sight.code}
        found = Text(msgid("{url} is not reached from this machine itself ({code}); others may reach it."), facts)
        advice = Text(msgid("Have a member look from outside: medspace doctor --from DID"))
        return [HealthCheck(ADDRESS, ok=True, found=found, next_step=advice)]
    return [
        prefix_check(ADDRESS, sight, config),
        *expiry_check(ADDRESS, sight, config.base_url, clock.now()),
    ]


async def _authority(client: HttpClient, config: Config, clock: Clock) -> list[HealthCheck]:
    url = base_url(config.space.authority)
    sight = await look(client, clock, url)
    if sight.flaw:
        return [flaw_check(AUTHORITY, sight.flaw, url)]
    if not sight.reached:
        facts: dict[str, Fact | Text] = {"url": url, "code": sight.code}
        found = Text(msgid("The authority's connector at {url} is not reached ({code})."), facts)
        advice = Text(msgid("Ask its operator; where calls leave by a proxy, name it under [network] proxy."))
        return [HealthCheck(AUTHORITY, ok=False, found=found, next_step=advice)]
    return list(expiry_check(AUTHORITY, sight, url, clock.now()))
