"""Accounts on every database: what may happen once happens once, whoever else tries; migrations make the tables."""

import asyncio

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.adapters.sql import open_database, pending, upgrade
from medspace.app.compose.parts import ROAD, histories_of
from medspace.app.features.accounts import FEATURE
from medspace.app.features.oidc import FEATURE as LOGIN
from medspace.core.actors import ActorKind, Scope
from medspace.services.accounts import rules
from medspace.services.accounts.errors import (
    AccountWishError,
    LinkRefusedError,
    LoginRefusedError,
    PasskeyRefusedError,
    SessionEndedError,
)
from medspace.services.accounts.flows import FLOW_LIFE, begun
from medspace.services.accounts.logins import LoginAnswer, Logins, close_all
from medspace.services.accounts.model import COLLECTIONS, LOGIN_COLLECTIONS, SPENT_LOGINS, AccountRole
from medspace.services.accounts.ports import LoginClaims
from tests.passkeys import Authenticator
from tests.portals import DID, VISIT, Clinic


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def clinic(request, tmp_path):
    if request.param == "memory":
        yield Clinic(MemoryDatabase())
        return
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/connector.db" if sqlite else request.getfixturevalue("postgres")()
    histories = histories_of([FEATURE, LOGIN])
    upgrade(url)
    assert pending(url, histories) == ["accounts/0001_first", "oidc/0001_first"]
    upgrade(url, histories)
    async with open_database(url, [*ROAD, *COLLECTIONS, *LOGIN_COLLECTIONS]) as opened:
        yield Clinic(opened)


async def counted(attempts, refused):
    found = await asyncio.gather(*attempts, return_exceptions=True)
    assert all(isinstance(one, refused) for one in found if isinstance(one, BaseException)), found
    return sum(not isinstance(one, BaseException) for one in found)


async def test_a_name_gets_one_account(clinic):
    assert await counted([clinic.account() for _ in range(5)], AccountWishError) == 1


async def test_a_link_opens_one_session(clinic):
    link = await clinic.link(await clinic.account())
    assert await counted([clinic.accounts.enter(link.text) for _ in range(8)], LinkRefusedError) == 1
    assert len(await clinic.entries("session.opened")) == 1


async def test_an_answer_opens_one_session(clinic):
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()), Authenticator(counts=False))
    answer = authenticator.get(await clinic.passkeys.begin_sign_in(VISIT))
    found = [clinic.passkeys.finish_sign_in(VISIT, answer) for _ in range(8)]
    assert await counted(found, PasskeyRefusedError) == 1


class KnownLogin:
    """A login that knows one person, whatever they bring."""

    issuer = "https://login.example"

    async def redeem(self, code, **asked):
        return LoginClaims("4711", ("Dr Li",), ("staff",), None)


async def test_a_login_opens_one_session_and_makes_one_account(clinic):
    logins = Logins(clinic.accounts, KnownLogin(), "groups", {"staff": [AccountRole.USER]}, "login")
    flow = begun(clinic.accounts.secret(), clinic.clock.now(), "/portal/")
    found = [logins.finish(flow, LoginAnswer(flow.state, "code")) for _ in range(8)]
    assert await counted(found, LoginRefusedError) == 1
    others = [begun(clinic.accounts.secret(), clinic.clock.now(), "") for _ in range(4)]
    found = [logins.finish(other, LoginAnswer(other.state, "code")) for other in others]
    assert await counted(found, LoginRefusedError) == 4
    assert len(await clinic.entries("account.made")) == 1
    assert await logins.knows((await clinic.entries("account.made"))[0].facts["account"])
    clinic.clock.advance(2 * FLOW_LIFE.total_seconds())
    last = begun(clinic.accounts.secret(), clinic.clock.now(), "")
    await logins.finish(last, LoginAnswer(last.state, "code"))
    kept = await clinic.database.read(lambda tx: tx.find(SPENT_LOGINS))
    assert len(kept) == 1, "what nobody can come back by any more is forgotten"
    assert await clinic.database.write(lambda tx: close_all(tx, DID, clinic.clock.now(), "connector.restored")) == 1
    assert await clinic.database.write(lambda tx: close_all(tx, DID, clinic.clock.now(), "connector.restored")) == 0


async def test_a_whole_day_of_a_person(clinic):
    owner, account = await clinic.owner(), await clinic.account("Dr Li", AccountRole.CHECKER, AccountRole.USER)
    visitor = await clinic.visitor(account)
    authenticator = await clinic.register(visitor, label="key")
    secret = (await clinic.sign_in(authenticator)).secret
    clinic.clock.advance(1200)
    visitor = await clinic.accounts.look(secret)
    assert not rules.confirmed(visitor.session, clinic.clock.now())
    visitor = await clinic.confirm(visitor, authenticator)
    assert rules.confirmed((await clinic.accounts.look(secret)).session, clinic.clock.now())
    await clinic.accounts.preferences(account.id, language="en", theme="light", shortcuts=False)
    await clinic.accounts.change(account.id, [AccountRole.AUDITOR], owner)
    visitor = await clinic.accounts.look(secret)
    assert (visitor.actor.scopes, visitor.account.language) == ({Scope.READ, Scope.AUDIT}, "en")
    made = await clinic.tokens.mint("Dr Li", ActorKind.PERSON, [Scope.READ], 1, owner)
    by = await clinic.tokens.authenticate(made.text)
    lent = await clinic.accounts.enter((await clinic.accounts.own_link(by)).text)
    await clinic.tokens.revoke(made.token.id, owner)
    assert await counted([clinic.accounts.look(lent.secret)], SessionEndedError) == 0
    await clinic.accounts.close(account.id, owner)
    assert await counted([clinic.accounts.look(secret), clinic.sign_in(authenticator)], Exception) == 0
    assert [one.kind for one in (await clinic.entries())[-1:]] == ["account.closed"]
