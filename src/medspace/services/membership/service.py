"""The authority's work: admit, remove, publish the signed list.

A list is published in the transaction order of the register: every list holds every admission before it. Lists are
dated at least a second apart, since connectors never go back to an older list or to another of the same second.
"""

import asyncio
from datetime import datetime, timedelta
from hashlib import sha256

from medspace.core.clock import Clock, stamp
from medspace.core.signing import Signer
from medspace.core.store import Database, Transaction
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.membership.errors import KeyChangedError, UnknownMemberError
from medspace.services.membership.model import REGISTER, Enrolled
from medspace.trust.members import sign_members
from medspace.trust.model import Member, Members
from medspace.trust.service import MembersBook

VALID = timedelta(days=30)
RENEW = timedelta(days=1)
MOST_MEMBERS = 10_000
_SECOND = timedelta(seconds=1)


class Authority:
    """Admits members and signs their list."""

    def __init__(self, did: str, signer: Signer, book: MembersBook, database: Database, clock: Clock) -> None:
        self.did = did
        self._signer = signer
        self._book = book
        self._database = database
        self._clock = clock
        self._publishing = asyncio.Lock()

    async def admit(self, member: Member) -> None:
        """Put a member on the list and publish it; admitting the same member again changes name, region, roles.

        Raises:
            KeyChangedError: it was admitted with another key before.
        """
        now = self._clock.now()
        await self._database.write(lambda tx: self._enroll(tx, member, now))
        current = self._book.current
        if current is None or current.find(member.did) != member:  # also after a crash between the two
            await self.publish()

    async def remove(self, did: str) -> None:
        """Take a member off the list and publish it.

        Raises:
            UnknownMemberError: it is not on the list.
        """
        now = self._clock.now()
        await self._database.write(lambda tx: self._strike(tx, did, now))
        await self.publish()

    async def renew(self) -> None:
        """Publish the list anew if it is missing or older than a day."""
        current = self._book.current
        if current is None or current.issued + RENEW < self._clock.now():
            await self.publish()

    async def publish(self) -> None:
        """Sign and keep the list of all members."""
        async with self._publishing:
            await self._publish()

    async def _publish(self) -> None:
        enrolled = await self._database.read(lambda tx: tx.find(REGISTER, limit=MOST_MEMBERS))
        issued = self._next_instant()
        members = Members(self.did, issued, issued + VALID, tuple(e.member for e in enrolled))
        text = sign_members(self._signer, members)
        digest = "sha256:" + sha256(text.encode()).hexdigest()
        now = self._clock.now()
        await self._database.write(lambda tx: self._note(tx, "members.published", now, list=digest))
        await self._book.install(text)

    def _next_instant(self) -> datetime:
        now = self._clock.now().replace(microsecond=0)
        current = self._book.current
        return now if current is None else max(now, current.issued + _SECOND)

    def _enroll(self, tx: Transaction, member: Member, now: datetime) -> None:
        old = tx.get(REGISTER, member.did)
        new = Enrolled(member.did, member)
        if old == new:
            return
        if old is not None and old.member.public_key != member.public_key:
            raise KeyChangedError(did=member.did)
        self._note(tx, "member.admitted", now, member=member.did)
        if old is None:
            tx.insert(REGISTER, new)
        else:
            tx.replace(REGISTER, old, new)

    def _strike(self, tx: Transaction, did: str, now: datetime) -> None:
        old = tx.get(REGISTER, did)
        if old is None:
            raise UnknownMemberError(did=did)
        self._note(tx, "member.removed", now, member=did)
        tx.delete(REGISTER, old)

    def _note(self, tx: Transaction, kind: str, now: datetime, **facts: str) -> None:
        record(tx, Entry(kind, stamp(now), self.did, facts))
