"""Passkeys are made, open sessions, and confirm that it is still the same person.

Each answer is taken in three steps: its challenge is used up; then the answer is checked, in a thread; then what it
proves happens, if all of it still holds. An answer that was seen before counts no more, whatever became of it.

Anybody may ask to sign in, as often as they like and under ever new names. So nothing is kept of that: the challenge
itself proves for whom it was drawn, and until when; only those that were answered are kept.
"""

import asyncio
from dataclasses import dataclass, field, replace

from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.errors import DuplicateRecordError
from medspace.core.hashing import same_secret
from medspace.core.text import Text, msgid
from medspace.services.accounts import ceremonies, rules
from medspace.services.accounts.ceremonies import BrowserAnswer
from medspace.services.accounts.errors import PasskeyRefusedError, SessionEndedError
from medspace.services.accounts.keeping import AccountBook
from medspace.services.accounts.model import (
    ACCOUNTS,
    CHALLENGES,
    PASSKEYS,
    SESSIONS,
    Ceremony,
    Challenge,
    Passkey,
    PortalSession,
    Proof,
)
from medspace.services.accounts.ports import PasskeyVerifier, RelyingParty
from medspace.services.accounts.service import Accounts, Opened, Visitor

UNKNOWN = msgid("this connector does not know it")
LATE = msgid("it was asked for too long ago, or elsewhere")
COPIED = msgid("it was used elsewhere in the meantime, or is a copy")


@dataclass(frozen=True, slots=True)
class Passkeys:
    """The passkeys of accounts, for the pages of `party`."""

    accounts: Accounts
    verifier: PasskeyVerifier
    party: RelyingParty
    key: bytes = field(default=b"", repr=False)  # of challenges for signing in; drawn anew at each start

    def __post_init__(self) -> None:
        """Draw the key."""
        if not self.key:
            object.__setattr__(self, "key", self._draw())

    async def of(self, account: str) -> list[Passkey]:
        """The passkeys of an account, the oldest first."""
        return await self.accounts.read(lambda book: book.passkeys(account))

    async def remove(self, visitor: Visitor, passkey: str) -> None:
        """From now on a passkey of one's own proves nothing; all other sessions end, some may be its.

        Raises:
            ConfirmationNeededError: a passkey has to confirm it first.
            PasskeyRefusedError: it is not one of theirs.
        """

        def work(book: AccountBook) -> None:
            session, account = book.session(visitor.session.id)
            rules.check_confirmed(session, book.now)
            known = book.tx.get(PASSKEYS, passkey[: ceremonies.LONGEST_ID])
            if known is None or known.account != account.id:
                raise PasskeyRefusedError(reason=Text(UNKNOWN))
            book.remove_passkey(known, by=account.id)
            book.end_all(account.id, by=account.id, but=session.id)

        await self.accounts.write(work)

    async def begin_registration(self, visitor: Visitor) -> JsonObject:
        """What the browser is asked to make a passkey.

        Raises:
            SessionEndedError: nobody is signed in any more.
            PasskeyRefusedError, ConfirmationNeededError: this session makes none.
        """
        drawn = self._draw()

        def work(book: AccountBook) -> JsonObject:
            session, account = book.session(visitor.session.id)
            known = book.passkeys(account.id)
            rules.check_registration(session, account, known, book.now)
            self._keep(book, drawn, rules.holder_of_session(session), Ceremony.REGISTRATION)
            name = book.name(account.id) or account.id
            return ceremonies.creation(
                self.party, rules.handle_of(account.id), name, drawn, [one.id for one in known]
            )

        return await self.accounts.write(work)

    async def finish_registration(self, visitor: Visitor, answer: bytes, label: str = "") -> Passkey:
        """The passkey that the browser made.

        Raises:
            SessionEndedError: nobody is signed in any more.
            PreferenceError: the label cannot be shown.
            PasskeyRefusedError, ConfirmationNeededError: it does not hold, or this session makes none.
        """
        called = rules.check_label(label)
        given = ceremonies.read_answer(answer)
        await self._take(given, rules.holder_of_session(visitor.session), Ceremony.REGISTRATION)
        made = await asyncio.to_thread(self.verifier.registered, given.response, given.challenge, self.party)

        def work(book: AccountBook) -> Passkey:
            session, account = book.session(visitor.session.id)
            rules.check_registration(session, account, book.passkeys(account.id), book.now)
            passkey = Passkey(made.id, account.id, made.key, made.count, called, book.time)
            book.add_passkey(passkey)
            return passkey

        try:
            return await self.accounts.write(work)
        except DuplicateRecordError:
            raise PasskeyRefusedError(reason=Text(msgid("it is registered already"))) from None

    async def begin_sign_in(self, visit: str) -> JsonObject:
        """What the browser is asked to sign somebody in; `visit` is the secret of a browser without a session."""
        _check_visit(visit)
        expires = self.accounts.clock.now() + rules.CHALLENGE_LIFE
        drawn = rules.sign_in_challenge(self.key, rules.holder_of_visit(visit), expires, self._draw())
        return ceremonies.request(self.party, drawn)

    async def finish_sign_in(self, visit: str, answer: bytes) -> Opened:
        """Open a session with what a passkey answered.

        Raises:
            PasskeyRefusedError: it does not hold, or opens nothing.
        """
        _check_visit(visit)
        given = ceremonies.read_answer(answer)
        spent = await self._spend(given, rules.holder_of_visit(visit))
        count = await self._asserted(given)

        def work(book: AccountBook) -> Opened:
            passkey = _used(book, given, count)
            account = book.tx.get(ACCOUNTS, passkey.account)
            if account is None or account.closed:
                raise PasskeyRefusedError(reason=Text(UNKNOWN))
            book.tx.replace(CHALLENGES, spent, replace(spent, ceremony=Ceremony.SIGNED_IN))
            return self.accounts.opened(book, account, Proof.PASSKEY)

        return await self.accounts.write(work)

    async def begin_confirmation(self, visitor: Visitor) -> JsonObject:
        """What the browser is asked to confirm that it is still the same person.

        Raises:
            SessionEndedError: nobody is signed in any more.
            PasskeyRefusedError: they have no passkey.
        """
        drawn = self._draw()

        def work(book: AccountBook) -> JsonObject:
            session, account = book.session(visitor.session.id)
            known = book.passkeys(account.id)
            if not known:
                raise PasskeyRefusedError(reason=Text(msgid("you have none yet")))
            self._keep(book, drawn, rules.holder_of_session(session), Ceremony.CONFIRMATION)
            return ceremonies.request(self.party, drawn, [one.id for one in known])

        return await self.accounts.write(work)

    async def finish_confirmation(self, visitor: Visitor, answer: bytes) -> Visitor:
        """Who is signed in, confirmed by a passkey of theirs.

        Raises:
            SessionEndedError: nobody is signed in any more.
            PasskeyRefusedError: it does not hold, or is somebody else's.
        """
        given = ceremonies.read_answer(answer)
        await self._take(given, rules.holder_of_session(visitor.session), Ceremony.CONFIRMATION)
        count = await self._asserted(given, visitor.account.id)

        def work(book: AccountBook) -> PortalSession:
            session, account = book.session(visitor.session.id)
            _used(book, given, count, account.id)
            confirmed = replace(session, confirmed=book.time, used=book.time)
            book.tx.replace(SESSIONS, session, confirmed)
            return confirmed

        return replace(visitor, session=await self.accounts.write(work))

    def _draw(self) -> bytes:
        return self.accounts.randomness.token_bytes(rules.SECRET_BYTES)

    def _keep(self, book: AccountBook, drawn: bytes, holder: str, ceremony: Ceremony) -> None:
        expires = stamp(book.now + rules.CHALLENGE_LIFE)
        book.add_challenge(Challenge(rules.digest_of(drawn.hex()), holder, ceremony, expires))

    async def _take(self, given: BrowserAnswer, holder: str, ceremony: Ceremony) -> None:
        """Use up the challenge of an answer: once, by whom it was drawn for, for what it was drawn for, in time."""
        challenge_id = rules.digest_of(given.challenge.hex())

        def work(book: AccountBook) -> Challenge | None:
            found = book.tx.get(CHALLENGES, challenge_id)
            if found is not None:
                book.tx.delete(CHALLENGES, found)
            return found

        known = await self.accounts.read(lambda book: book.tx.get(CHALLENGES, challenge_id))
        taken = None if known is None else await self.accounts.write(work)
        if (
            taken is None
            or not same_secret(taken.holder, holder)
            or taken.ceremony is not ceremony
            or instant(taken.expires) <= self.accounts.clock.now()
        ):
            raise PasskeyRefusedError(reason=Text(LATE))

    async def _spend(self, given: BrowserAnswer, holder: str) -> Challenge:
        """Use up the challenge of an answer that signs in: once, by whom it was drawn for, in time."""
        expires = rules.sign_in_expiry(self.key, holder, given.challenge)
        if expires is None or expires <= self.accounts.clock.now():
            raise PasskeyRefusedError(reason=Text(LATE))
        spent = Challenge(rules.digest_of(given.challenge.hex()), holder, Ceremony.SIGN_IN, stamp(expires))
        try:
            first = await self.accounts.write(lambda book: book.spend_challenge(spent))
        except DuplicateRecordError:
            first = False
        if not first:
            raise PasskeyRefusedError(reason=Text(LATE))
        return spent

    async def _asserted(self, given: BrowserAnswer, account: str = "") -> int:
        """How often the passkey of an answer says that it has signed; the answer's signature holds."""
        passkey = await self.accounts.read(lambda book: _of(book, given, account))
        return await asyncio.to_thread(
            self.verifier.asserted, given.response, given.challenge, self.party, passkey.key
        )


def _check_visit(visit: str) -> None:
    if not rules.is_secret(visit):
        raise SessionEndedError


def _of(book: AccountBook, given: BrowserAnswer, account: str) -> Passkey:
    """The passkey that an answer names: that account's, where one is said, and whose it says itself it is."""
    passkey = book.tx.get(PASSKEYS, given.credential)
    if passkey is None or (account and passkey.account != account):
        raise PasskeyRefusedError(reason=Text(UNKNOWN))
    if given.handle is not None and given.handle != rules.handle_of(passkey.account):
        raise PasskeyRefusedError(reason=Text(UNKNOWN))
    return passkey


def _used(book: AccountBook, given: BrowserAnswer, count: int, account: str = "") -> Passkey:
    """The passkey of an answer, used now; its count of signatures must not fall back."""
    passkey = _of(book, given, account)
    if not rules.counts_on(passkey.count, count):
        raise PasskeyRefusedError(reason=Text(COPIED))
    used = replace(passkey, count=count, used=book.time)
    book.tx.replace(PASSKEYS, passkey, used)
    return used
