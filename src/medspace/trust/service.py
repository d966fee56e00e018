"""Who calls? Prove ourselves to others, prove others to us, and keep the list of those who belong here."""

from collections.abc import Callable

from medspace.core.clock import Clock, Randomness
from medspace.core.errors import DuplicateRecordError
from medspace.core.ids import new_id
from medspace.core.signing import Signer
from medspace.core.store import Database, Transaction
from medspace.trust import tokens
from medspace.trust.did import base_url
from medspace.trust.documents import DocumentCache
from medspace.trust.errors import (
    DidError,
    DocumentError,
    DocumentUnavailableError,
    KeyMismatchError,
    MembersIssuerError,
    MembersListError,
    MembersRollbackError,
    NoMembersListError,
    NotMemberError,
    TokenIssuerError,
    TokenMalformedError,
    TokenMissingError,
    TokenOversizedError,
    TokenReplayedError,
)
from medspace.trust.members import check_time, read_members, verify_members
from medspace.trust.model import LISTS, SEEN, Caller, DidDocument, KeptList, Member, MemberList, SeenToken
from medspace.trust.ports import Directory, Documents, MembersSource

# Used tokens are remembered beyond their expiry, should this machine's clock be set back.
REMEMBER = 60  # seconds
SWEEP_EVERY = 64  # calls
SWEEP_AT_MOST = 256  # records
_CURRENT = "current"
_BEFORE = "before"  # the last list of the space before it was founded anew


class Identity:
    """This connector's own identity: issues the token for each call it makes."""

    def __init__(self, did: str, signer: Signer, clock: Clock, randomness: Randomness) -> None:
        self.did = did
        self._signer = signer
        self._clock = clock
        self._randomness = randomness

    def token_for(self, audience: str) -> str:
        """A fresh ID token, valid for one call to the DID `audience`."""
        token_id = new_id(self._randomness)
        return tokens.issue(self._signer, self.did, audience, now=self._clock.now(), token_id=token_id)


class Gatekeeper:
    """Authenticates callers, or refuses them. Nothing is fetched for a caller that is not on the members list."""

    def __init__(
        self, own_did: str, documents: Documents, members: Directory, database: Database, clock: Clock
    ) -> None:
        self._own_did = own_did
        self._documents = DocumentCache(documents, clock)
        self._members = members
        self._database = database
        self._clock = clock
        self._calls = 0

    async def authenticate(self, authorization: str | None) -> Caller:
        """The caller that the value of an Authorization header proves; each token is valid once.

        Raises:
            UnauthenticatedError: one subclass, with its own code, for each reason.
            StorageError: the database could not remember the token; the caller is not let in.
        """
        token = tokens.read(bearer(authorization))
        member = self._members.member(_issuer(token))
        document = await self._document(member)
        caller = tokens.prove(token, document, self._own_did, self._clock.now())
        await self._remember(caller, token.claims.exp)
        return caller

    async def _document(self, member: Member) -> DidDocument:
        """The member's document with the one key that both it and the members list name."""
        try:
            document = _listed(await self._documents.document(member.did), member)
            if not document.keys:  # the member may have changed its key since
                document = _listed(await self._documents.fresh(member.did), member)
        except (DidError, DocumentError) as error:
            raise DocumentUnavailableError(did=member.did) from error
        if not document.keys:
            raise KeyMismatchError(did=member.did)
        return document

    async def _remember(self, caller: Caller, expires: int) -> None:
        self._calls += 1
        seen = SeenToken(tokens.seen_id(caller), expires + tokens.LEEWAY + REMEMBER)
        now = int(self._clock.now().timestamp())
        try:
            await self._database.write(_remembering(seen, now, sweep=self._calls % SWEEP_EVERY == 0))
        except DuplicateRecordError:
            raise TokenReplayedError from None


def bearer(authorization: str | None, longest: int = tokens.LONGEST_TOKEN) -> str:
    """The token of an Authorization header (RFC 6750 2.1), of at most `longest` characters.

    Raises:
        UnauthenticatedError: there is none, it is of another scheme, or it is too long.
    """
    if not authorization:
        raise TokenMissingError
    if len(authorization) > longest + len("Bearer "):
        raise TokenOversizedError(limit=longest)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMalformedError
    return token


def _issuer(token: tokens.IdToken) -> str:
    did = token.claims.iss
    try:
        base_url(did)
    except DidError:
        raise TokenIssuerError from None
    return did


def _listed(document: DidDocument, member: Member) -> DidDocument:
    keys = tuple(key for key in document.keys if key.public_key == member.public_key)
    return DidDocument(document.id, keys, document.services)


def _remembering(seen: SeenToken, now: int, *, sweep: bool) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        tx.insert(SEEN, seen)
        if sweep:
            forget_expired(tx, now)

    return work


def forget_expired(tx: Transaction, now: int) -> int:
    """Forget used tokens that no one could use again, a bounded number at a time; how many were forgotten."""
    oldest = tx.find(SEEN, order_by="expires", limit=SWEEP_AT_MOST)
    expired = [seen for seen in oldest if seen.expires < now]
    for seen in expired:
        tx.delete(SEEN, seen)
    return len(expired)


class MembersBook:
    """The newest members list that this connector knows; survives restarts, never goes back to an older one."""

    def __init__(
        self, authority: str, authority_key: bytes, source: MembersSource, database: Database, clock: Clock
    ) -> None:
        self._authority = authority
        self._authority_key = authority_key
        self._source = source
        self._database = database
        self._clock = clock
        self._text = ""
        self._list: MemberList | None = None
        self._before: MemberList | None = None
        self._by_did: dict[str, Member] = {}

    async def load(self) -> None:
        """Load the stored list; to be called once, before anything else.

        Raises:
            MembersListError: what was kept is not a list of this authority.
        """
        kept, before = await self._database.read(lambda tx: (tx.get(LISTS, _CURRENT), tx.get(LISTS, _BEFORE)))
        self._before = None if before is None else self._read(before.text)
        if kept is not None:
            self._take(kept.text, self._read(kept.text))

    async def refresh(self) -> MemberList:
        """Fetch the list from the authority and install it.

        Raises:
            MembersSourceError: it could not be fetched; the current list stays.
            MembersListError: it is invalid; the current list stays.
        """
        return await self.install(await self._source.members())

    async def install(self, text: str) -> MemberList:
        """Keep a list that is valid now and newer than the one that is known.

        Raises:
            MembersListError: it is invalid, or older than the known one; nothing changes.
        """
        offered = verify_members(text, self._authority_key, self._clock.now())
        self._check_issuer(offered)
        newest = await self._database.write(lambda tx: self._keep(tx, text, offered))
        before = await self._database.read(lambda tx: tx.get(LISTS, _BEFORE))
        self._before = None if before is None else self._read(before.text)
        self._take(newest, self._read(newest))
        return offered

    def _keep(self, tx: Transaction, text: str, offered: MemberList) -> str:
        kept = tx.get(LISTS, _CURRENT)
        new = KeptList(_CURRENT, text)
        if kept is None:
            tx.insert(LISTS, new)
            return text
        known = self._read(kept.text)
        # Two lists of the same instant cannot be ordered, so the second is treated like an older one.
        if kept.text != text and offered.issued <= known.issued:
            raise MembersRollbackError(issued=offered.issued.isoformat(), known=known.issued.isoformat())
        if None not in (known.founded, offered.founded) and known.founded != offered.founded:
            old, last = tx.get(LISTS, _BEFORE), KeptList(_BEFORE, kept.text)
            if old is None:
                tx.insert(LISTS, last)
            else:
                tx.replace(LISTS, old, last)
        tx.replace(LISTS, kept, new)
        return text

    def _read(self, text: str) -> MemberList:
        members = read_members(text, self._authority_key)
        self._check_issuer(members)
        return members

    def _check_issuer(self, members: MemberList) -> None:
        if members.issuer != self._authority:
            raise MembersIssuerError(issuer=members.issuer)

    def _take(self, text: str, members: MemberList) -> None:
        # Two installs may finish in a different order than their transactions: the newer list stays.
        if self._list is not None and members.issued < self._list.issued:
            return
        self._text, self._list = text, members
        self._by_did = {member.did: member for member in members.members}

    @property
    def text(self) -> str:
        """The list as the authority signed it; empty while none is known."""
        return self._text

    @property
    def before(self) -> MemberList | None:
        """The last list of the space before it was founded anew with the same key; None if it never was."""
        return self._before

    @property
    def current(self) -> MemberList | None:
        """The newest list that is known, whether it is still valid or not."""
        return self._list

    def member(self, did: str) -> Member:
        """The member of that DID.

        Raises:
            NoMembersListError: no list is known that is valid now, so nobody is a member.
            NotMemberError: not on the list.
        """
        if self._list is None:
            raise NoMembersListError
        try:
            check_time(self._list, self._clock.now())
        except MembersListError as error:
            raise NoMembersListError from error
        member = self._by_did.get(did)
        if member is None:
            raise NotMemberError(did=did)
        return member
