"""People come in by the login of their hospital, and confirm by it that it is still them.

Their roles follow from what it says of them, each time anew; of whom it says nothing that counts here, stays outside.
Nobody becomes the owner this way, and nobody becomes a person who is here already: each has an account of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from medspace.core.actors import ActorKind
from medspace.core.canonical import Json
from medspace.core.clock import stamp
from medspace.core.hashing import same_secret
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.services.accounts import flows, rules
from medspace.services.accounts.errors import AccountWishError, LoginRefusedError, LoginRoleError
from medspace.services.accounts.flows import FLOW_LIFE, LoginFlow
from medspace.services.accounts.keeping import AccountBook
from medspace.services.accounts.model import (
    ACCOUNTS,
    LOGIN_PEOPLE,
    SESSIONS,
    SPENT_LOGINS,
    Account,
    AccountRole,
    LoginPerson,
    PortalSession,
    Proof,
    SpentLogin,
)
from medspace.services.accounts.ports import LoginClaims, LoginProvider
from medspace.services.accounts.service import Accounts, Opened, Visitor
from medspace.services.tokens import naming
from medspace.services.tokens import rules as names

LEEWAY = timedelta(seconds=60)  # by which the login's clock may be behind
LONGEST_ANSWER = 4_096  # characters of a code
UNROLED = "login.role"  # why the sessions of somebody ended who lost their roles
ELSEWHERE = msgid("it was begun in another browser, too long ago, or was finished already")
STRANGER = msgid("somebody else signed in there")
STALE = msgid("it did not ask you again who you are")
CLOSED = msgid("your account here is closed")
# What a login may answer in place of a code (RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6).
_ERRORS: Final = frozenset(
    {
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_request",
        "invalid_scope",
        "login_required",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    }
)


@dataclass(frozen=True, slots=True)
class LoginAnswer:
    """With what a browser comes back from the login; `issuer` where it said one (RFC 9207)."""

    state: str
    code: str
    issuer: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class BegunLogin:
    """Where a browser is sent, and what it keeps of the flow meanwhile."""

    address: str
    kept: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FinishedLogin:
    """Somebody came back: with a new session, or with none where they confirmed the one that they have."""

    back: str
    opened: Opened | None = None


@dataclass(frozen=True, slots=True)
class Logins:
    """Signing in by the login of the hospital; `grants` are the roles by the groups that it says, in `claim`."""

    accounts: Accounts
    provider: LoginProvider
    claim: str
    grants: Mapping[str, Sequence[AccountRole]]
    place: str  # stands behind the names of people who come in this way
    key: bytes = field(default=b"", repr=False)  # of the flows that browsers keep; drawn anew at each start

    def __post_init__(self) -> None:
        """Draw the key."""
        if not self.key:
            object.__setattr__(self, "key", self.accounts.randomness.token_bytes(rules.SECRET_BYTES))

    async def begin(self, back: str) -> BegunLogin:
        """Send somebody to the login.

        Raises:
            LoginUnavailableError: nobody can be sent there now.
        """
        return await self._begun(flows.begun(self.accounts.secret(), self.accounts.clock.now(), back))

    async def begin_confirmation(self, visitor: Visitor, back: str) -> BegunLogin:
        """Send somebody who is signed in to the login, where they have to prove anew who they are.

        Raises:
            LoginUnavailableError: nobody can be sent there now.
            LoginRefusedError: they have no account by the login.
        """
        if not await self.knows(visitor.account.id):
            raise LoginRefusedError(reason=Text(msgid("your account here has no such login")))
        now = self.accounts.clock.now()
        return await self._begun(flows.begun(self.accounts.secret(), now, back, visitor.session.id))

    async def _begun(self, flow: LoginFlow) -> BegunLogin:
        again = bool(flow.session)
        address = await self.provider.address(
            state=flow.state, nonce=flow.nonce, challenge=flow.challenge, again=again
        )
        return BegunLogin(address, flow.kept(self.key))

    async def knows(self, account: str) -> bool:
        """Whether an account is that of somebody who comes in by the login."""
        return await self.accounts.read(
            lambda book: bool(book.tx.find(LOGIN_PEOPLE, where={"account": account}, limit=1))
        )

    async def flow(self, kept: str, state: str) -> LoginFlow:
        """The flow that a browser keeps, where an answer with this state belongs to it.

        Raises:
            LoginRefusedError: it is another browser's, was changed there, is not in time, or was finished before.
        """
        flow = flows.read_flow(kept, self.key)
        if flow is None or not same_secret(flow.state, state) or not flow.counts(self.accounts.clock.now()):
            raise LoginRefusedError(reason=Text(ELSEWHERE))
        await self.accounts.read(lambda book: _check_unspent(book, flow))  # before the login is asked
        return flow

    async def finish(self, flow: LoginFlow, answer: LoginAnswer) -> FinishedLogin:
        """Take the answer to a flow.

        Raises:
            LoginUnavailableError: the login cannot be asked.
            LoginRefusedError: the answer was taken before, or does not hold.
            LoginRoleError: the person has nothing to do here; whatever sessions they have are over.
            SessionEndedError: they confirm a session that is over.
        """
        if answer.error or not 0 < len(answer.code) <= LONGEST_ANSWER:
            said = answer.error if answer.error in _ERRORS else "-"
            raise LoginRefusedError(reason=Text(msgid("it sent you back ({code})"), {"code": said}))
        claims = await self.provider.redeem(
            answer.code, verifier=flow.verifier, nonce=flow.nonce, issuer=answer.issuer
        )
        if flow.session:
            return await self._confirmed(flow, claims, self.roles(claims.groups))
        roles = self.roles(claims.groups)
        opened = await self.accounts.write(lambda book: self._entered(book, flow, claims, roles))
        if opened is None:
            raise LoginRoleError(claim=self.claim)
        return FinishedLogin(flow.back, opened)

    def roles(self, groups: Iterable[str]) -> tuple[AccountRole, ...]:
        """What the groups of a person make them here; never the owner."""
        found = {role for group in groups for role in self.grants.get(group, ())}
        return tuple(sorted(found - {AccountRole.OWNER}))

    async def _confirmed(self, flow: LoginFlow, claims: LoginClaims, roles: tuple[AccountRole, ...]) -> FinishedLogin:
        if claims.authenticated is None or claims.authenticated + LEEWAY < flow.began_at:
            raise LoginRefusedError(reason=Text(STALE))

        def work(book: AccountBook) -> PortalSession | None:
            _spend(book, flow)
            session, account = book.session(flow.session)
            known = book.tx.get(LOGIN_PEOPLE, person_id(self.provider.issuer, claims.subject))
            if known is None or known.account != account.id:
                raise LoginRefusedError(reason=Text(STRANGER))
            _with_roles(book, known, roles)
            if not roles:
                return None
            confirmed = replace(session, confirmed=book.time, used=book.time)
            book.tx.replace(SESSIONS, session, confirmed)
            return confirmed

        if await self.accounts.write(work) is None:
            raise LoginRoleError(claim=self.claim)
        return FinishedLogin(flow.back)

    def _entered(
        self, book: AccountBook, flow: LoginFlow, claims: LoginClaims, roles: tuple[AccountRole, ...]
    ) -> Opened | None:
        _spend(book, flow)
        known = book.tx.get(LOGIN_PEOPLE, person_id(self.provider.issuer, claims.subject))
        if not roles:
            if known is not None:
                _with_roles(book, known, roles)
            return None
        account = self._made(book, claims, roles) if known is None else _with_roles(book, known, roles)
        return self.accounts.opened(book, account, Proof.OIDC)

    def _made(self, book: AccountBook, claims: LoginClaims, roles: tuple[AccountRole, ...]) -> Account:
        """The account of somebody who comes for the first time."""
        if book.tx.count(ACCOUNTS, {}, rules.MOST_ACCOUNTS) >= rules.MOST_ACCOUNTS:
            raise AccountWishError(reason=Text(msgid("there are {most} already"), {"most": rules.MOST_ACCOUNTS}))
        name = self._name(book, claims.names)
        actor = naming.known(book.tx, ActorKind.PERSON, name, book.now, self.accounts.randomness)
        made = Account(actor.id, roles, book.time, login=True)
        book.tx.insert(ACCOUNTS, made)
        person = LoginPerson(person_id(self.provider.issuer, claims.subject), made.id, book.time)
        book.tx.insert(LOGIN_PEOPLE, person)
        book.note("account.made", _said(made))
        return made

    def _name(self, book: AccountBook, called: Sequence[str]) -> str:
        """A name that nobody has: whoever has one could otherwise be met by somebody who only calls themselves so."""
        most = names.LONGEST_NAME - len(self.place) - 10
        for one in (*called, "-"):
            shown = " ".join(one.split())[:most].strip()
            if shown and shown.isprintable():
                break
        number = 1
        while naming.found(book.tx, ActorKind.PERSON, name := _numbered(shown, number, self.place)) is not None:
            number += 1
        return name


def person_id(issuer: str, subject: str) -> str:
    """What is kept of whom the login knows: the two together are nobody else's (OpenID Connect Core 5.7)."""
    return sha256(msgspec.json.encode([issuer, subject])).hexdigest()


def close_all(tx: Transaction, did: str, now: datetime, code: str) -> int:
    """After a backup was restored: the accounts of the login are closed; how many they were.

    Some were closed since the backup, and nobody here can tell which; the login would open them by itself.
    """
    book, closed = AccountBook(tx, did, now), 0
    for person in list(each(tx, LOGIN_PEOPLE, {})):
        account = tx.get(ACCOUNTS, person.account)
        if account is not None and not account.closed:
            tx.replace(ACCOUNTS, account, replace(account, closed=book.time))
            book.note("account.closed", {"account": account.id, "code": code})
            closed += 1
    return closed


def _numbered(name: str, number: int, place: str) -> str:
    return f"{name} @ {place}" if number == 1 else f"{name} {number} @ {place}"


def _with_roles(book: AccountBook, known: LoginPerson, roles: tuple[AccountRole, ...]) -> Account:
    """The account with the roles that the login gives it now; without any, nothing opens it until it gives some."""
    account = book.tx.get(ACCOUNTS, known.account)
    if account is None or account.closed:
        raise LoginRefusedError(reason=Text(CLOSED))
    if not roles:
        book.shut(account.id, code=UNROLED)
    if account.roles == roles and account.login:
        return account
    changed = replace(account, roles=roles, login=True)
    book.tx.replace(ACCOUNTS, account, changed)
    book.note("account.changed", _said(changed))
    return changed


def _said(account: Account) -> Mapping[str, Json]:
    """Nobody here made or changed it: the person came by the login."""
    return {"account": account.id, "roles": [role.value for role in account.roles], "by": account.id}


def _spent_id(flow: LoginFlow) -> str:
    return sha256(flow.state.encode()).hexdigest()


def _check_unspent(book: AccountBook, flow: LoginFlow) -> None:
    if book.tx.get(SPENT_LOGINS, _spent_id(flow)) is not None:
        raise LoginRefusedError(reason=Text(ELSEWHERE))


def _spend(book: AccountBook, flow: LoginFlow) -> None:
    """From now on nobody comes back by this flow."""
    _check_unspent(book, flow)
    book.sweep(SPENT_LOGINS)
    book.tx.insert(SPENT_LOGINS, SpentLogin(_spent_id(flow), stamp(flow.began_at + FLOW_LIFE + LEEWAY)))
