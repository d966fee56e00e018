"""The doctor's check of the hospital's login: whether it can be reached, and is the one that was configured."""

import asyncio
from collections.abc import Iterator

from medspace.adapters.extras import require
from medspace.adapters.oidc.idtokens import EXTRA, PACKAGE
from medspace.app.features.oidc.service import provider_of
from medspace.app.node.checks import Examination, HealthCheck, failed
from medspace.app.node.outgoing import client_of
from medspace.app.node.portal import CALLBACK, OidcSettings, origin_of
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, msgid
from medspace.services.accounts.errors import LoginUnavailableError

NAME = msgid("hospital login")


def checks(examined: Examination) -> Iterator[HealthCheck]:
    """What is missing for people to come in by the login; nothing where none is configured."""
    login = examined.config.portal.oidc
    if login is None:
        return
    try:
        require(PACKAGE, extra=EXTRA)
        yield HealthCheck(NAME, ok=True, found=asyncio.run(_found(examined, login)))
    except LoginUnavailableError as error:
        advice = Text(
            msgid(
                "Check [portal.oidc] issuer, and that this machine reaches it: an address in your own network stands "
                "in [network] allow, and its certificate authority in [network] certificates."
            )
        )
        yield HealthCheck(NAME, ok=False, found=error.text, next_step=advice)
    except MedspaceError as error:
        yield failed(NAME, error)


async def _found(examined: Examination, login: OidcSettings) -> Text:
    config = examined.config
    client = client_of(config)
    try:
        provider = provider_of(config, login, client, examined.clock)
        provider.client.secret()  # its file can be read
        await provider.description()
    finally:
        await client.close()
    facts = {"issuer": login.issuer, "back": origin_of(config.portal.url, config.private.port) + CALLBACK}
    return Text(msgid("{issuer} can be reached; it must send people back to {back}."), facts)
