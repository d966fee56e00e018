"""The doctor's check of the authority: is it still the one that this connector was set up for?"""

import asyncio
from collections.abc import Iterator

from medspace.adapters.http.peers import HttpDocuments
from medspace.app.node.checks import HealthCheck
from medspace.app.node.config import Config
from medspace.app.node.outgoing import client_of
from medspace.core.text import Fact, Text, msgid
from medspace.trust.errors import DidError, DocumentError
from medspace.trust.jws import decode, encode
from medspace.trust.model import DidDocument

_NAME = msgid("authority's key")
_OTHER = msgid(
    "{did} shows the public key {shown}, and this connector knows the authority by {known}: the space was founded "
    "anew at that address, or another connector answers there. Nothing that it signs is taken here."
)
_ADVICE = msgid(
    "Ask the authority's operator, by another way than this address, which key is right. If it is {shown}: set up a "
    "new folder with `medspace init`, --authority {did} and --authority-key {shown}, and have it admitted there."
)
_SAME = msgid("{did} shows the public key that the configuration names.")
_SILENT = msgid("Whether {did} still has the key that the configuration names cannot be seen: {reason}")


def authority_checks(config: Config) -> Iterator[HealthCheck]:
    """Whether the authority shows the key that the configuration names; do not call it in an event loop.

    An authority that cannot be reached is no finding here: the address and the clock are looked at elsewhere.
    """
    if config.is_authority or not config.space.authority_key:
        return
    try:
        document = asyncio.run(_shown(config))
    except (DidError, DocumentError) as error:
        facts: dict[str, Fact | Text] = {"did": config.space.authority, "reason": error.text}
        yield HealthCheck(_NAME, ok=True, found=Text(_SILENT, facts))
    else:
        yield held_against(document, config.space.authority_key)


def held_against(document: DidDocument, known: str) -> HealthCheck:
    """The document of an authority against the key by which it is known (base64url, as the configuration has it)."""
    keys = [one.public_key for one in document.keys]
    facts = {"did": document.id, "known": known, "shown": encode(keys[0]) if keys else "-"}
    if decode(known) in keys:
        return HealthCheck(_NAME, ok=True, found=Text(_SAME, facts))
    return HealthCheck(_NAME, ok=False, found=Text(_OTHER, facts), next_step=Text(_ADVICE, facts))


async def _shown(config: Config) -> DidDocument:
    client = client_of(config)
    try:
        return await HttpDocuments(client).document(config.space.authority)
    finally:
        await client.close()
