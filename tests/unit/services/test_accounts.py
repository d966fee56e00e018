"""Accounts: what each role opens, how links and sessions begin and end, and what is kept of them."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.actors import ActorKind, Scope
from medspace.core.clock import stamp
from medspace.core.errors import StorageFullError
from medspace.services.accounts import rules
from medspace.services.accounts.errors import (
    AccountKeeperError,
    AccountUnknownError,
    AccountWishError,
    ConfirmationNeededError,
    LinkRefusedError,
    PasskeyRefusedError,
    PreferenceError,
    SessionEndedError,
)
from medspace.services.accounts.keeping import take_back
from medspace.services.accounts.model import COLLECTIONS, LINKS, SESSIONS, AccountRole, Lease, Theme
from medspace.services.tokens.errors import TokenGrantError
from tests.passkeys import Authenticator
from tests.portals import DID, VISIT, Clinic

MINUTE, HOUR = 60.0, 3600.0
R = AccountRole


@pytest.fixture
def clinic():
    return Clinic()


async def kept(clinic):
    return await clinic.database.read(lambda tx: msgspec.json.encode([tx.find(one) for one in COLLECTIONS]))


# Roles.

ROLES = st.lists(st.sampled_from(list(AccountRole)), max_size=4)
LEASES = st.none() | st.builds(
    Lease, st.just("2026-01-01T00:00:00.000Z"), st.none() | st.lists(st.sampled_from(Scope))
)


@given(ROLES, ROLES, LEASES)
def test_more_roles_open_more_and_a_lease_never_does(one, other, lease):
    assert rules.scopes_of(one) | rules.scopes_of(other) == rules.scopes_of([*one, *other])
    leased = rules.scopes_of(one, lease)
    assert leased <= rules.scopes_of(one)
    if lease is not None and lease.scopes is not None:
        assert leased <= set(lease.scopes)


def test_each_role_opens_what_its_pages_need_and_no_more():
    assert set(rules.SCOPES) == set(AccountRole)
    assert {role.value: "".join(sorted(scope[0] for scope in opened)) for role, opened in rules.SCOPES.items()} == {
        "steward": "rt",
        "user": "rtu",
        "checker": "cr",
        "auditor": "ar",
        "authority": "mr",
        "patient": "",
        "owner": "ackmrttu",
    }


# Accounts.


async def test_an_account_is_one_actor_with_the_tokens_of_that_person(clinic):
    made = await clinic.tokens.mint("Dr Li", ActorKind.PERSON, [Scope.READ], 1, await clinic.owner())
    account = await clinic.account(" Dr Li ", R.STEWARD, R.CHECKER, R.STEWARD)
    assert account.id == made.actor.id
    assert account.roles == (R.CHECKER, R.STEWARD)
    visitor = await clinic.visitor(account)
    assert (visitor.actor.id, visitor.actor.kind, visitor.name) == (account.id, ActorKind.PERSON, "Dr Li")
    assert visitor.actor.scopes == {Scope.READ, Scope.TERMS, Scope.CHECK}
    assert stamp(visitor.actor.until) == visitor.session.expires


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb"])
async def test_an_account_has_a_name_that_can_be_shown(clinic, name):
    with pytest.raises(AccountWishError, match="characters"):
        await clinic.account(name)


async def test_an_account_has_a_role_and_a_name_has_one_account(clinic, monkeypatch):
    with pytest.raises(AccountWishError, match="no role"):
        await clinic.accounts.make("Dr Li", [], await clinic.owner())
    account = await clinic.account()
    with pytest.raises(AccountWishError, match="open one"):
        await clinic.account()
    monkeypatch.setattr(rules, "MOST_ACCOUNTS", 1)
    with pytest.raises(AccountWishError, match="1 already"):
        await clinic.account("Dr Wang")
    await clinic.accounts.close(account.id, await clinic.owner())
    again = await clinic.account("Dr Li", R.AUDITOR)
    assert (again.id, again.closed, again.roles) == (account.id, "", (R.AUDITOR,))


async def test_accounts_are_the_owners_to_make_and_change(clinic):
    account = await clinic.account("Dr Li", R.STEWARD)
    by = (await clinic.visitor(account)).actor
    for forbidden in (
        clinic.accounts.make("Dr Wang", [R.OWNER], by),
        clinic.accounts.change(account.id, [R.OWNER], by),
        clinic.accounts.close(account.id, by),
        clinic.accounts.link(account.id, by),
    ):
        with pytest.raises(AccountKeeperError):
            await forbidden


async def test_roles_count_at_once_and_a_closed_account_has_none(clinic):
    account, owner = await clinic.account(), await clinic.owner()
    secret = await clinic.enter(account)
    await clinic.accounts.change(account.id, [R.AUDITOR], owner)
    assert (await clinic.accounts.look(secret)).actor.scopes == {Scope.READ, Scope.AUDIT}
    await clinic.accounts.close(account.id, owner)
    for forbidden in (clinic.accounts.change(account.id, [R.USER], owner), clinic.accounts.link(account.id, owner)):
        with pytest.raises(AccountUnknownError):
            await forbidden
    with pytest.raises(AccountUnknownError):
        await clinic.accounts.close("actor:none", owner)


async def test_a_page_shows_accounts_with_their_names(clinic):
    first = await clinic.account("Dr Li")
    clinic.clock.advance(1)
    second = await clinic.account("Dr Wang")
    assert await clinic.accounts.page(None, 5) == [(second, "Dr Wang"), (first, "Dr Li")]


async def test_preferences_are_kept_and_others_refused(clinic):
    account = await clinic.account()
    wanted = {"language": "zh_Hans", "theme": "dark", "shortcuts": False}
    changed = await clinic.accounts.preferences(account.id, **wanted)
    assert (changed.language, changed.theme, changed.shortcuts) == ("zh_Hans", Theme.DARK, False)
    assert (await clinic.visitor(account)).account == changed
    for wrong in ({"language": "tlh"}, {"theme": "loud"}):
        with pytest.raises(PreferenceError):
            await clinic.accounts.preferences(account.id, **(wanted | wrong))


# The owner, and what comes with tokens.


async def test_the_owner_has_an_account_as_soon_as_they_ask(clinic):
    owner = await clinic.owner()
    opened = await clinic.accounts.enter((await clinic.accounts.own_link(owner)).text)
    visitor = await clinic.accounts.look(opened.secret)
    assert (visitor.actor.id, visitor.actor.kind) == (owner.id, ActorKind.OWNER)
    assert visitor.actor.scopes == set(Scope)
    await clinic.accounts.close(owner.id, visitor.actor)
    assert (await clinic.accounts.own_link(owner)).link.account == owner.id


async def test_an_owner_who_is_a_person_keeps_the_other_roles(clinic):
    account = await clinic.account("Dr Li", R.STEWARD)
    await clinic.accounts.own_link(await clinic.tokens.owner("Dr Li"))
    ((changed, _),) = await clinic.accounts.page(None, 5)
    assert (changed.id, changed.roles) == (account.id, (R.OWNER, R.STEWARD))


async def token_of(clinic, name, *scopes, days=1):
    made = await clinic.tokens.mint(name, ActorKind.PERSON, scopes, days, await clinic.owner())
    return made, await clinic.tokens.authenticate(made.text)


async def test_a_session_that_came_with_a_token_does_no_more_than_the_token(clinic):
    await clinic.account("Dr Li", R.STEWARD, R.CHECKER, R.OWNER)
    made, by = await token_of(clinic, "Dr Li", Scope.READ, Scope.KEYS)
    opened = await clinic.accounts.enter((await clinic.accounts.own_link(by)).text)
    actor = (await clinic.accounts.look(opened.secret)).actor
    assert (actor.kind, actor.scopes, actor.token) == (ActorKind.PERSON, {Scope.READ, Scope.KEYS}, made.token.id)


async def test_a_session_that_came_with_a_token_ends_with_it(clinic):
    await clinic.account("Dr Li")
    made, by = await token_of(clinic, "Dr Li", Scope.READ)
    clinic.clock.advance(20 * HOUR)
    opened = await clinic.accounts.enter((await clinic.accounts.own_link(by)).text)
    assert opened.session.expires == made.token.expires
    unspent = await clinic.accounts.own_link(by)
    await clinic.tokens.revoke(made.token.id, await clinic.owner())
    with pytest.raises(SessionEndedError):
        await clinic.accounts.look(opened.secret)
    with pytest.raises(LinkRefusedError):
        await clinic.accounts.enter(unspent.text)


async def test_who_has_no_account_gets_no_link(clinic):
    _, by = await token_of(clinic, "Dr Li", *Scope)
    with pytest.raises(AccountUnknownError):
        await clinic.accounts.own_link(by)


async def test_a_session_makes_tokens_and_links_that_end_no_later(clinic):
    for roles in ((R.STEWARD,), (R.OWNER,)):
        visitor = await clinic.visitor(await clinic.account(f"Dr {roles[0]}", *roles))
        with pytest.raises(TokenGrantError):
            await clinic.tokens.mint("robot", ActorKind.PROGRAM, [Scope.READ], 1, visitor.actor)
        clinic.clock.advance(60)
        opened = await clinic.accounts.enter((await clinic.accounts.own_link(visitor.actor)).text)
        assert opened.session.expires == visitor.session.expires
        assert (await clinic.accounts.look(opened.secret)).actor.scopes == visitor.actor.scopes


async def test_a_name_is_forgotten_with_its_account_unless_a_token_of_it_counts(clinic):
    owner = await clinic.owner()
    li, wang = await clinic.account("Dr Li"), await clinic.account("Dr Wang")
    await token_of(clinic, "Dr Wang", Scope.READ)
    for account in (li, wang):
        await clinic.accounts.close(account.id, owner, forget=True)
    assert {name for _, name in await clinic.accounts.page(None, 5)} == {"", "Dr Wang"}
    assert (await clinic.account("Dr Li")).id != li.id


# Links and sessions.


@pytest.mark.parametrize("text", ["", "msl_", "msl_" + "0" * 64, "0" * 64, "x" * 5000, "msl_" + "０" * 64, "\udc80"])
async def test_what_is_no_link_is_refused(clinic, text):
    await clinic.link(await clinic.account())
    with pytest.raises(LinkRefusedError):
        await clinic.accounts.enter(text)


async def test_a_link_counts_once_and_for_ten_minutes(clinic):
    account = await clinic.account()
    link = await clinic.link(account)
    assert (await clinic.accounts.enter(link.text)).account == account
    late = await clinic.link(account)
    clinic.clock.advance(10 * MINUTE)
    for text in (link.text, late.text):
        with pytest.raises(LinkRefusedError):
            await clinic.accounts.enter(text)


async def test_a_session_ends_when_it_is_left_alone_and_in_any_case(clinic):
    account = await clinic.account()
    idle, used = await clinic.enter(account), await clinic.enter(account)
    for _ in range(12 * 60 // 25):
        clinic.clock.advance(25 * MINUTE)
        assert (await clinic.accounts.look(used)).account == account
    with pytest.raises(SessionEndedError):
        await clinic.accounts.look(idle)
    clinic.clock.advance(20 * MINUTE)
    with pytest.raises(SessionEndedError):
        await clinic.accounts.look(used)


async def test_the_use_of_a_session_is_written_once_a_minute_and_a_full_disk_keeps_nobody_out(clinic, monkeypatch):
    secret = await clinic.enter(await clinic.account())

    async def full(work):
        raise StorageFullError

    with monkeypatch.context() as patched:
        patched.setattr(clinic.database, "write", full)
        clinic.clock.advance(59)
        before = await clinic.accounts.look(secret)
        clinic.clock.advance(2)
        assert await clinic.accounts.look(secret) == before
    await clinic.accounts.look(secret)
    assert (await clinic.accounts.look(secret)).session.used == stamp(clinic.clock.now())


async def test_leaving_ends_one_session_or_all(clinic):
    account, other = await clinic.account(), await clinic.account("Dr Wang")
    secrets = [await clinic.enter(account) for _ in range(3)]
    kept_one = await clinic.enter(other)
    await clinic.accounts.leave(secrets[0])
    await clinic.accounts.leave(secrets[0])
    await clinic.accounts.look(secrets[1])
    assert await clinic.accounts.leave_all(account.id) == 2
    for secret in (*secrets, "", "0" * 64):
        with pytest.raises(SessionEndedError):
            await clinic.accounts.look(secret)
    await clinic.accounts.look(kept_one)


async def test_the_oldest_sessions_and_links_make_room(clinic):
    account = await clinic.account()
    secrets = []
    for _ in range(rules.MOST_SESSIONS + 1):
        clinic.clock.advance(1)
        secrets.append(await clinic.enter(account))
    with pytest.raises(SessionEndedError):
        await clinic.accounts.look(secrets[0])
    await clinic.accounts.look(secrets[1])
    links = []
    for _ in range(rules.MOST_LINKS + 1):
        clinic.clock.advance(1)
        links.append(await clinic.link(account))
    with pytest.raises(LinkRefusedError):
        await clinic.accounts.enter(links[0].text)
    await clinic.accounts.enter(links[1].text)


async def test_what_has_expired_is_deleted_by_who_comes_next(clinic):
    await clinic.enter(await clinic.account())
    clinic.clock.advance(13 * HOUR)
    await clinic.enter(await clinic.account("Dr Wang"))
    found = await clinic.database.read(lambda tx: (len(tx.find(LINKS)), len(tx.find(SESSIONS))))
    assert found == (1, 1)


async def test_forms_belong_to_one_session(clinic):
    account = await clinic.account()
    first, second = await clinic.enter(account), await clinic.enter(account)
    form = (await clinic.accounts.look(first)).form
    assert form == (await clinic.accounts.look(first)).form
    assert len({form, first, second, (await clinic.accounts.look(second)).form}) == 4


async def test_no_secret_is_kept_or_shown_and_no_name_is_in_the_log(clinic):
    account = await clinic.account()
    link = await clinic.link(account)
    opened = await clinic.accounts.enter(link.text)
    visitor = await clinic.accounts.look(opened.secret)
    authenticator = await clinic.register(visitor, label="my telephone")
    await clinic.sign_in(authenticator)
    secrets = (link.text.removeprefix("msl_"), opened.secret, visitor.form)
    entries = b"".join([entry.encode() for entry in await clinic.entries()])
    for place in (await kept(clinic), entries, repr((link, opened, visitor)).encode()):
        assert not any(secret.encode() in place for secret in secrets)
    for word in (b"Li", b"telephone", b"steward Dr"):
        assert word not in entries


async def test_the_log_says_who_did_what(clinic):
    owner, account = await clinic.owner(), await clinic.account()
    secret = await clinic.enter(account)
    await clinic.accounts.leave(secret)
    await clinic.accounts.change(account.id, [R.USER], owner)
    await clinic.enter(account)
    await clinic.accounts.close(account.id, owner)
    told = [(one.kind, one.facts.get("by"), one.facts.get("of")) for one in await clinic.entries()]
    assert told == [
        ("account.made", owner.id, None),
        ("link.made", owner.id, account.id),
        ("session.opened", account.id, None),
        ("session.closed", account.id, account.id),
        ("account.changed", owner.id, None),
        ("link.made", owner.id, account.id),
        ("session.opened", account.id, None),
        ("session.closed", owner.id, account.id),
        ("account.closed", owner.id, None),
    ]


# Passkeys.


@pytest.mark.parametrize("edwards", [False, True])
async def test_a_passkey_signs_in(clinic, edwards):
    account = await clinic.account()
    authenticator = await clinic.register(await clinic.visitor(account), Authenticator(edwards=edwards), " phone ")
    clinic.clock.advance(5)
    opened = await clinic.sign_in(authenticator)
    visitor = await clinic.accounts.look(opened.secret)
    assert (visitor.account, visitor.session.proof) == (account, "passkey")
    assert rules.confirmed(visitor.session, clinic.clock.now())
    (passkey,) = await clinic.passkeys.of(account.id)
    assert (passkey.label, passkey.count, passkey.used) == ("phone", 1, stamp(clinic.clock.now()))


async def test_a_passkey_that_does_not_count_signs_in_again(clinic):
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()), Authenticator(counts=False))
    for _ in range(2):
        await clinic.sign_in(authenticator)


async def test_a_further_passkey_needs_one_that_there_is(clinic):
    visitor = await clinic.visitor(await clinic.account())
    first = await clinic.register(visitor)
    with pytest.raises(ConfirmationNeededError):
        await clinic.register(visitor)
    visitor = await clinic.confirm(visitor, first)
    second = Authenticator()
    options = await clinic.passkeys.begin_registration(visitor)
    assert len(options["excludeCredentials"]) == 1
    clinic.clock.advance(rules.CONFIRMED_FOR.total_seconds() - 1)
    await clinic.passkeys.finish_registration(visitor, second.create(options))
    clinic.clock.advance(2)
    with pytest.raises(ConfirmationNeededError):
        await clinic.register(visitor)


async def test_a_label_can_be_shown_and_passkeys_are_few(clinic, monkeypatch):
    visitor = await clinic.visitor(await clinic.account())
    for label in ("x" * 61, "a\nb"):
        with pytest.raises(PreferenceError):
            await clinic.register(visitor, label=label)
    first = await clinic.register(visitor)
    monkeypatch.setattr(rules, "MOST_PASSKEYS", 1)
    with pytest.raises(PasskeyRefusedError, match="1 already"):
        await clinic.register(await clinic.confirm(visitor, first))


async def test_a_passkey_is_removed_with_one_that_confirms_and_other_sessions_end(clinic):
    account = await clinic.account()
    visitor = await clinic.visitor(account)
    authenticator = await clinic.register(visitor)
    other = (await clinic.sign_in(authenticator)).secret
    (passkey,) = await clinic.passkeys.of(account.id)
    with pytest.raises(ConfirmationNeededError):
        await clinic.passkeys.remove(visitor, passkey.id)
    visitor = await clinic.confirm(visitor, authenticator)
    with pytest.raises(PasskeyRefusedError):
        await clinic.passkeys.remove(visitor, "x")
    await clinic.passkeys.remove(visitor, passkey.id)
    with pytest.raises(SessionEndedError):
        await clinic.accounts.look(other)
    with pytest.raises(PasskeyRefusedError):
        await clinic.sign_in(authenticator)
    with pytest.raises(PasskeyRefusedError, match="none yet"):
        await clinic.passkeys.begin_confirmation(visitor)


async def test_a_link_that_resets_begins_anew(clinic):
    account = await clinic.account()
    before = await clinic.enter(account)
    lost = await clinic.register(await clinic.visitor(account))
    link = await clinic.link(account, reset=True)
    with pytest.raises(SessionEndedError):
        await clinic.accounts.look(before)
    with pytest.raises(PasskeyRefusedError):
        await clinic.sign_in(lost)
    await clinic.register(await clinic.accounts.look((await clinic.accounts.enter(link.text)).secret))


async def test_a_restored_backup_revives_no_session_link_or_passkey(clinic):
    account = await clinic.account()
    secret, link = await clinic.enter(account), await clinic.link(account)
    authenticator = await clinic.register(await clinic.visitor(account))
    pending = await clinic.passkeys.begin_sign_in(VISIT)
    now = clinic.clock.now()
    assert await clinic.database.write(lambda tx: take_back(tx, DID, now, "connector.restored")) == 1
    assert await clinic.database.write(lambda tx: take_back(tx, DID, now, "connector.restored")) == 0
    with pytest.raises(SessionEndedError):
        await clinic.accounts.look(secret)
    with pytest.raises(LinkRefusedError):
        await clinic.accounts.enter(link.text)
    for answer in (clinic.sign_in(authenticator), clinic.passkeys.finish_sign_in(VISIT, authenticator.get(pending))):
        with pytest.raises(PasskeyRefusedError):
            await answer
    closed = await clinic.entries("session.closed", "passkey.removed")
    assert [one.facts["code"] for one in closed] == ["connector.restored"] * 3
    assert await clinic.enter(account)


async def test_challenges_are_few(clinic, monkeypatch):
    monkeypatch.setattr(rules, "MOST_CHALLENGES", 7)
    visitor = await clinic.visitor(await clinic.account())
    authenticator = await clinic.register(visitor)
    asked = []
    for _ in range(rules.MOST_CHALLENGES_EACH + 1):
        clinic.clock.advance(1)
        asked.append(await clinic.passkeys.begin_confirmation(visitor))
    with pytest.raises(PasskeyRefusedError):
        await clinic.passkeys.finish_confirmation(visitor, authenticator.get(asked[0]))
    await clinic.passkeys.finish_confirmation(visitor, authenticator.get(asked[1]))
    for number in range(10):
        clinic.clock.advance(1)
        await clinic.passkeys.begin_registration(await clinic.visitor(await clinic.account(f"Dr {number}")))
    with pytest.raises(PasskeyRefusedError):
        await clinic.passkeys.finish_confirmation(visitor, authenticator.get(asked[-1]))
    clinic.clock.advance(10 * MINUTE)
    await clinic.sign_in(authenticator)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=120))
def test_a_challenge_for_signing_in_proves_for_whom_and_until_when_and_nothing_else_does(nonce, noise):
    expires = datetime(2026, 1, 1, tzinfo=UTC)
    made = rules.sign_in_challenge(b"key", "visit:a", expires, nonce)
    assert rules.sign_in_expiry(b"key", "visit:a", made) == expires
    for key, holder, challenge in (
        (b"other", "visit:a", made), (b"key", "visit:b", made), (b"key", "visit:a", made[:-1]),
        (b"key", "visit:a", bytes([made[0] ^ 1]) + made[1:]), (b"key", "visit:a", noise),
        (b"key", "isit:a", made + b"v"),
    ):  # fmt: skip
        assert rules.sign_in_expiry(key, holder, challenge) is None


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_count_that_falls_back_or_stays_is_a_copy(before, after):
    assert rules.counts_on(before, after) == (after > before or (before, after) == (0, 0))
