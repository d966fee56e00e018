"""The ML-DSA-65 keys of a participant as its people see them: shown, renewed, revoked, taken up by the authority."""

from dataclasses import dataclass
from datetime import UTC, datetime

from medspace.adapters.mldsa import FileMldsaKeys, name_of
from medspace.app.config import Config
from medspace.app.finding import not_found
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.keys import MldsaKey
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

    def show(self) -> list[JsonObject]:
        """One's own keys, the oldest first; `listed` says whether the others know it already."""
        return [self._shown(key) for key in self.keys.known]

    async def rotate(self) -> JsonObject:
        """Make a new key; the ones before count for a day more."""
        return await self._published(self.keys.rotate())

    async def revoke(self, name: str) -> JsonObject:
        """From now on a key counts for nothing.

        Raises:
            MldsaKeyUnknownHereError: no key has that name.
        """
        return await self._published(self.keys.revoke(name))

    async def take(self, did: str) -> Member:
        """As the authority: take up the keys that a member's document shows now, and publish the list.

        Raises:
            NotAuthorityError: this connector is not the authority.
            UnknownMemberError: it is no member.
            NoConnectorError, AwayError: its document cannot be had.
        """
        if self.authority is None:
            raise NotAuthorityError(authority=self.config.space.authority)
        try:
            document = await self.documents.document(did)
        except DocumentError as error:
            raise not_found(did, error) from error
        return await self.authority.take_keys(did, document.mldsa)

    async def _published(self, key: MldsaKey) -> JsonObject:
        if self.authority is not None:  # who signs the list need not be asked
            await self.authority.take_keys(self.config.did, self.keys.known)
        return self._shown(key) | {"published": self.authority is not None}

    def _shown(self, key: MldsaKey) -> JsonObject:
        return shown(key) | {"listed": key.public in self.keys.listed()}


def shown(key: MldsaKey) -> JsonObject:
    """A key by its name, with its times; empty where there is none."""
    times = {"since": key.since, "until": key.until, "revoked": key.revoked}
    said = {name: stamp(datetime.fromtimestamp(time, UTC)) if time else "" for name, time in times.items()}
    return {"key": name_of(key.public), **said}
