"""Follow the authority's trust list: one place to fetch it from, one way to keep it, one answer to who counts now."""

from collections.abc import Mapping
from dataclasses import dataclass

from medspace.connector.errors import UnreachableError
from medspace.connector.ports import Transport
from medspace.core.clock import Clock
from medspace.core.credentials import Believed
from medspace.core.store import Database, Transaction
from medspace.services.issuers import facts, receiving, rules
from medspace.services.issuers.model import CURRENT, TRUST
from medspace.services.issuers.places import TRUST_DOOR
from medspace.trust.credentials.believed import verify_trust_list
from medspace.trust.credentials.vcjwt import LEEWAY
from medspace.trust.did import base_url
from medspace.trust.errors import DidError

OK = 200


@dataclass(frozen=True, slots=True)
class TrustFollower:
    """Keeps the newest trust list of `authority`, which signs it with the 32-byte Ed25519 key `key`."""

    authority: str
    key: bytes
    database: Database
    transport: Transport
    clock: Clock

    async def refresh(self) -> bool:
        """Fetch the list from the authority; whether a newer one came. One that is away changes nothing.

        Raises:
            TrustListError, TrustOlderError: what it handed out does not hold.
        """
        try:
            reply = await self.transport.get(base_url(self.authority) + TRUST_DOOR, self.authority)
        except (UnreachableError, DidError):
            return False
        text = reply.body.get("list", "") if isinstance(reply.body, Mapping) else ""
        return bool(text) and reply.status == OK and await self.install(str(text))

    async def install(self, text: str) -> bool:
        """Keep a trust list; whether it is newer.

        Raises:
            TrustListError, TrustOlderError: it does not hold.
        """
        then = self.clock.now() + LEEWAY  # lists of one second are dated ahead
        trusted = verify_trust_list(text, self.authority, self.key, then)
        return await self.database.write(lambda tx: receiving.keep_trust(tx, trusted, text))

    async def counting(self) -> tuple[Believed, ...]:
        """Who is believed now for which type, less whom one has left out oneself; nobody without a valid list."""
        now = self.clock.now()

        def look(tx: Transaction) -> tuple[Believed, ...]:
            return rules.counting(tx.get(TRUST, CURRENT), facts.narrowing(tx), now)

        return await self.database.read(look)
