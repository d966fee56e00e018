"""The authority's work: admit, remove, publish the signed list.

A list is published in the transaction order of the register: every list holds every admission before it. Lists are
dated at least a second apart, since connectors never go back to an older list or to another of the same second; where
that would date them in the future, which no connector takes, the authority waits.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from medspace.core.actors import NOBODY
from medspace.core.clock import Clock, instant, stamp
from medspace.core.keys import MldsaKey
from medspace.core.signing import Signer
from medspace.core.store import Database, Transaction
from medspace.ledger.errors import MalformedEntryError, UnknownEntryKindError
from medspace.ledger.model import Entry, decode
from medspace.ledger.service import record
from medspace.services.membership.errors import KeyChangedError, UnknownMemberError
from medspace.services.membership.model import REGISTER, Enrolled
from medspace.trust.errors import MembersPrematureError
from medspace.trust.hybrid import merged
from medspace.trust.members import LEEWAY, sign_members
from medspace.trust.model import Member, MemberList
from medspace.trust.service import MembersBook

VALID = timedelta(days=30)
RENEW = timedelta(days=1)
PAGE = 1000  # members read at once
AHEAD = LEEWAY / 2  # how far a list may be dated ahead of the authority's clock
FAR_AHEAD = timedelta(minutes=1)  # no burst of admissions leads there: the clock was wrong
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

    async def admit(self, member: Member, *, by: str = NOBODY) -> None:
        """Put a member on the list and publish it; admitting the same again changes name, region, roles, operator.

        `by` is the person or the token that wants it (`core.actors`).

        Its ML-DSA-65 keys are taken up beside those that it had: none that has ended or was revoked comes back.

        Raises:
            KeyChangedError: it was admitted with another key before.
        """
        now = self._clock.now()
        enrolled = await self._database.write(lambda tx: self._enroll(tx, member, now, by))
        current = self._book.current
        if current is None or current.find(member.did) != enrolled:  # also after a crash between the two
            await self.publish()

    async def take_keys(self, did: str, shown: tuple[MldsaKey, ...], *, by: str = NOBODY) -> Member:
        """Take up the ML-DSA-65 keys that a member shows now, and publish them; the member as it is listed then.

        Raises:
            UnknownMemberError: it is not on the list.
        """
        known = await self._database.read(lambda tx: tx.get(REGISTER, did))
        if known is None:
            raise UnknownMemberError(did=did)
        await self.admit(replace(known.member, mldsa=shown), by=by)
        found = await self._database.read(lambda tx: tx.get(REGISTER, did))
        return known.member if found is None else found.member

    async def remove(self, did: str, *, by: str = NOBODY) -> None:
        """Take a member off the list and publish it.

        Raises:
            UnknownMemberError: it is not on the list.
        """
        now = self._clock.now()
        await self._database.write(lambda tx: self._strike(tx, did, now, by))
        await self.publish()

    async def renew(self) -> None:
        """Publish the list anew if it is missing or older than a day.

        Raises:
            MembersPrematureError: as `publish`.
        """
        current, now = self._book.current, self._clock.now()
        if current is None or not now - RENEW <= current.issued <= now + FAR_AHEAD:
            await self.publish()

    async def publish(self) -> None:
        """Sign and keep the list of all members.

        Raises:
            MembersPrematureError: the list before is dated far in the future, so the clock was wrong then or is now.
        """
        async with self._publishing:
            await self._publish()

    async def _publish(self) -> None:
        issued = await self._next_instant()
        enrolled, founded = await self._database.read(lambda tx: (_everybody(tx), _founded(tx)))
        members = MemberList(self.did, issued, issued + VALID, tuple(e.member for e in enrolled), founded)
        text = sign_members(self._signer, members)
        digest = "sha256:" + sha256(text.encode()).hexdigest()
        now = self._clock.now()
        await self._database.write(lambda tx: self._note(tx, "members.published", now, list=digest))
        await self._book.install(text)

    async def _next_instant(self) -> datetime:
        now, current = self._clock.now(), self._book.current
        if current is None or current.issued + _SECOND <= now:
            return now.replace(microsecond=0)
        following = current.issued + _SECOND
        if following > now + FAR_AHEAD:
            raise MembersPrematureError(issued=current.issued.isoformat())
        await self._clock.sleep(max((following - AHEAD - now).total_seconds(), 0.0))
        return following

    def _enroll(self, tx: Transaction, member: Member, now: datetime, by: str) -> Member:
        old = tx.get(REGISTER, member.did)
        keys = merged(() if old is None else old.member.mldsa, member.mldsa, now)
        new = Enrolled(member.did, replace(member, mldsa=keys))
        if old == new:
            return new.member
        if old is not None and old.member.public_key != member.public_key:
            raise KeyChangedError(did=member.did)
        self._note(tx, "member.admitted", now, member=member.did, by=by)
        if old is None:
            tx.insert(REGISTER, new)
        else:
            tx.replace(REGISTER, old, new)
        return new.member

    def _strike(self, tx: Transaction, did: str, now: datetime, by: str) -> None:
        old = tx.get(REGISTER, did)
        if old is None:
            raise UnknownMemberError(did=did)
        self._note(tx, "member.removed", now, member=did, by=by)
        tx.delete(REGISTER, old)

    def _note(self, tx: Transaction, kind: str, now: datetime, **facts: str) -> None:
        record(tx, Entry(kind, stamp(now), self.did, {name: said for name, said in facts.items() if said}))


def _founded(tx: Transaction) -> datetime | None:
    """When the log begins; its first entry never changes, and comes back with a backup."""
    first = next(iter(tx.log.entries(0, 1)), None) if tx.log.size() else None
    try:
        return None if first is None else instant(decode(first).time).replace(microsecond=0)
    except (
        UnknownEntryKindError,
        MalformedEntryError,
    ):  # of a feature that is gone: then the list does not say it
        return None


def _everybody(tx: Transaction) -> list[Enrolled]:
    found: list[Enrolled] = []
    while True:
        page = tx.find(REGISTER, after=found[-1].id if found else None, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found
