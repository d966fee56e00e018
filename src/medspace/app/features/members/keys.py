"""The ML-DSA-65 keys of a participant as its people see them: shown, rotated, revoked, accepted by the authority."""

from dataclasses import dataclass
from datetime import UTC, datetime

from medspace.adapters.mldsa import FileMldsaKeys, name_of
from medspace.app.node.config import Config
from medspace.connector.catalogue.finding import not_found
from medspace.connector.local import Local
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.keys import MldsaKey
from medspace.core.store import Database
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.membership.errors import NotAuthorityError
from medspace.services.membership.service import Authority
from medspace.trust.errors import DocumentError
from medspace.trust.model import Member
from medspace.trust.ports import Documents


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """One's own keys and, for the authority, those of the members."""

    config: Config
    keys: FileMldsaKeys
    documents: Documents
    authority: Authority | None
    database: Database
    local: Local

    def show(self) -> list[JsonObject]:
        """One's own keys, oldest first; `listed` says whether other members know it already."""
        return [self._shown(key) for key in self.keys.known]

    async def rotate(self, *, by: str = NOBODY) -> JsonObject:
        """Create a new key; earlier ones stay valid for one more day."""
        key = self.keys.rotate()
        await self._note("key.made", key, by)
        return await self._published(key, by)

    async def revoke(self, name: str, *, by: str = NOBODY) -> JsonObject:
        """Revoke a key, at once.

        Raises:
            MldsaKeyUnknownHereError: there is no key with that name.
        """
        key = self.keys.revoke(name)
        await self._note("key.revoked", key, by)
        return await self._published(key, by)

    async def take(self, did: str, *, by: str = NOBODY) -> Member:
        """As the authority: accept the keys that a member's document shows now, and publish the list.

        Raises:
            NotAuthorityError: this connector is not the authority.
            UnknownMemberError: it is not a member.
            NoConnectorError, AwayError: its document is unavailable.
        """
        if self.authority is None:
            raise NotAuthorityError(authority=self.config.space.authority)
        try:
            document = await self.documents.document(did)
        except DocumentError as error:
            raise not_found(did, error) from error
        return await self.authority.take_keys(did, document.mldsa, by=by)

    async def _note(self, kind: str, key: MldsaKey, by: str) -> None:
        facts = {"key": name_of(key.public)} | ({"by": by} if by else {})
        entry = Entry(kind, self.local.now(), self.local.did, facts)
        await self.database.write(lambda tx: record(tx, entry))

    async def _published(self, key: MldsaKey, by: str) -> JsonObject:
        if self.authority is not None:  # the signer of the list need not be asked
            await self.authority.take_keys(self.config.did, self.keys.known, by=by)
        return self._shown(key) | {"published": self.authority is not None}

    def _shown(self, key: MldsaKey) -> JsonObject:
        return shown(key) | {"listed": key.public in self.keys.listed()}


def shown(key: MldsaKey) -> JsonObject:
    """A key by its name, with its times; empty where there is none."""
    times = {"since": key.since, "until": key.until, "revoked": key.revoked}
    said = {name: stamp(datetime.fromtimestamp(time, UTC)) if time else "" for name, time in times.items()}
    return {"key": name_of(key.public), **said}
