"""What a caller showed by DCP is kept like what was sent: a fact for terms, with an end, on the same checks.

Status lists come from their issuers' addresses here, since nobody sends them: at each call of who showed something,
and each minute, so that what runs meanwhile ends as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medspace.adapters.logs import logger
from medspace.app.node.node import Node
from medspace.core.clock import instant
from medspace.core.errors import MedspaceError
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.services.credentials.ports import StatusLists
from medspace.services.issuers import facts, receiving
from medspace.services.issuers.model import RECEIVED, STATUSES, ReceivedCredential
from medspace.services.issuers.places import STATUS_DOOR
from medspace.services.issuers.receiving import Arrival
from medspace.trust.credentials.model import Credential, StatusList
from medspace.trust.credentials.vcjwt import VALIDITY

EVERY = 60.0  # seconds
MOST_FOLLOWED = 256  # lists


@dataclass(frozen=True, slots=True)
class KeptShown:
    """Keeps what was shown, where the connector keeps such facts (`issuers`); else nothing."""

    node: Node
    lists: StatusLists

    async def keep(self, shown: Sequence[Credential], holder: str) -> None:
        """Keep credentials that were proved to be of `holder`; one that cannot be kept counts for no terms."""
        for one in shown if self._able else ():
            try:
                await self._keep(one, holder)
            except MedspaceError as error:
                self._warn("credential.not_kept", holder, error)

    async def follow(self) -> None:
        """Look each minute at the status lists that nobody sends, for ever."""
        while self._able:
            await self.node.clock.sleep(EVERY)
            try:
                await self.renew_all()
            except MedspaceError as error:  # a full disk: again later
                self._warn("credential.stalled", self.node.did, error)

    async def renew_all(self) -> None:
        """Look at the status lists that nobody sends: what they revoke ends, and what runs with it."""
        now = self.node.clock.now()

        def look(tx: Transaction) -> dict[str, ReceivedCredential]:
            lasting = (one for one in each(tx, RECEIVED, {}) if not one.until or instant(one.until) > now)
            return {one.list: one for one in lasting if one.list and not _is_sent(one)}

        for one in list((await self.node.database.read(look)).values())[:MOST_FOLLOWED]:
            try:
                await self._renew(one, anew=True)
            except MedspaceError as error:
                self._warn("credential.not_renewed", one.subject, error)

    async def renew(self, holder: str) -> None:
        """Look again at the status lists of what `holder` has proved: what was revoked ends, shown or not."""
        if not self._able:
            return
        kept = await self.node.database.read(
            lambda tx: tx.find(RECEIVED, where={"subject": holder}, limit=facts.MOST)
        )
        for one in {one.list: one for one in kept if one.list}.values():
            try:
                await self._renew(one)
            except MedspaceError as error:
                self._warn("credential.not_renewed", holder, error)

    async def _keep(self, one: Credential, holder: str) -> None:
        urls = [entry.url for entry in one.status if entry.purpose in VALIDITY]
        found = {url: await self.lists.status_list(url, one.issuer) for url in urls}

        def take(tx: Transaction) -> None:
            arrived = Arrival([one], _not_older(tx, found))
            receiving.take(tx, self.node.did, arrived, holder, self.node.clock.now())

        await self.node.database.write(take)

    async def _renew(self, one: ReceivedCredential, *, anew: bool = False) -> None:
        look = self.lists.fresh if anew else self.lists.status_list
        found = {one.list: await look(one.list, one.issuer)}

        def take(tx: Transaction) -> None:
            for listed in _not_older(tx, found).values():
                receiving.keep_status(tx, self.node.did, listed, self.node.clock.now(), needed=False)

        await self.node.database.write(take)

    @property
    def _able(self) -> bool:
        return "issuers" in self.node.features

    def _warn(self, event: str, holder: str, error: MedspaceError) -> None:
        logger(participant=self.node.did).warning(event, holder=holder, code=error.code)


def _is_sent(one: ReceivedCredential) -> bool:
    """Whether its issuer sends each new list by itself, as connectors of this kind do."""
    return one.list.rpartition("/")[0].endswith(STATUS_DOOR)


def _not_older(tx: Transaction, found: Mapping[str, StatusList]) -> dict[str, StatusList]:
    """Without lists of which a newer one was sent here meanwhile."""
    known = {url: tx.get(STATUSES, url) for url in found}
    since = {url: instant(old.issued) for url, old in known.items() if old is not None}
    return {url: listed for url, listed in found.items() if url not in since or listed.issued >= since[url]}
