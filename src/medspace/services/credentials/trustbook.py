"""The newest list of believed issuers that is known here; it survives restarts, and no older one replaces it."""

from collections.abc import Mapping, Sequence

from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.services.credentials.model import TRUST_LISTS, KeptTrustList
from medspace.trust.credentials.believed import Believed, TrustList, narrowed, verify_trust_list
from medspace.trust.credentials.errors import TrustListError


class TrustBook:
    """Who is believed for what: by the authority's signed list, less what one's own, narrower list leaves out."""

    def __init__(
        self,
        authority: str,
        authority_key: bytes,
        own: Mapping[str, Sequence[str]] | None,
        database: Database,
        clock: Clock,
    ) -> None:
        self.authority = authority
        self._key = authority_key
        self._own = own
        self._database = database
        self._clock = clock
        self.current: TrustList | None = None
        self.text = ""

    async def load(self) -> None:
        """Load the stored list; what no longer holds is not used."""
        kept = await self._database.read(lambda tx: tx.get(TRUST_LISTS, self.authority))
        if kept is not None:
            try:
                self.current, self.text = self._read(kept.text), kept.text
            except MedspaceError:
                self.current = None

    async def install(self, text: str) -> TrustList:
        """Keep a list that is valid now and not older than the one that is known.

        Raises:
            TrustListError: it does not hold, or it is older; nothing changes.
        """
        offered = self._read(text)
        if self.current is not None and offered.issued < self.current.issued:
            raise TrustListError(reason=Text(msgid("it is older than one that was seen before")))
        kept = KeptTrustList(self.authority, text)

        def work(tx: Transaction) -> None:
            known = tx.get(TRUST_LISTS, self.authority)
            if known is None:
                tx.insert(TRUST_LISTS, kept)
            else:
                tx.replace(TRUST_LISTS, known, kept)

        await self._database.write(work)
        self.current, self.text = offered, text
        return offered

    def _read(self, text: str) -> TrustList:
        return verify_trust_list(text, self.authority, self._key, self._clock.now())

    def believed(self) -> tuple[Believed, ...]:
        """What is believed now: nothing while there is no list that is valid."""
        listed = self.current
        if listed is None or not listed.issued <= self._clock.now() < listed.expires:
            return ()
        return narrowed(listed.believed, self._own)
