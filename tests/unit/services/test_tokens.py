"""Tokens: made with no more than the maker has, counted until they end, and nothing of a secret or a name leaks."""

from datetime import timedelta

import msgspec
import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.core.actors import Actor, ActorKind, Scope
from medspace.core.clock import stamp
from medspace.core.errors import StorageFullError
from medspace.ledger.model import decode
from medspace.services.tokens import rules
from medspace.services.tokens.errors import (
    AccessTokenExpiredError,
    TokenGrantError,
    TokenRefusedError,
    TokenRevokedError,
    TokenUnknownError,
    TokenWishError,
)
from medspace.services.tokens.model import ACTORS, TOKENS
from medspace.services.tokens.service import Revoked, Tokens

DID = "did:web:clinic.example"
PERSON, PROGRAM = ActorKind.PERSON, ActorKind.PROGRAM
DAY = 86_400.0


class Clinic:
    """The tokens of a clinic."""

    def __init__(self):
        self.clock, self.database = ManualClock(), MemoryDatabase()
        self.tokens = Tokens(DID, self.database, self.clock, SeededRandomness(3))

    async def mint(self, name="Dr Li", *scopes, kind=PERSON, days=10, by=None):
        maker = by or await self.tokens.owner()
        return await self.tokens.mint(name, kind, scopes or (Scope.READ,), days, maker)

    async def actor(self, made):
        return await self.tokens.authenticate(made.text)

    async def entries(self):
        return await self.database.read(lambda tx: [decode(e) for e in tx.log.entries(0, tx.log.size())])

    async def token(self, made):
        return await self.database.read(lambda tx: tx.get(TOKENS, made.token.id))


@pytest.fixture
def clinic():
    return Clinic()


async def test_a_token_says_who_comes_in_and_what_for(clinic):
    made = await clinic.mint("Dr Li", Scope.READ, Scope.CHECK)
    actor = await clinic.actor(made)
    assert actor == Actor(made.actor.id, PERSON, frozenset({Scope.READ, Scope.CHECK}), made.token.id, actor.until)
    assert stamp(actor.until) == made.token.expires == stamp(clinic.clock.now() + timedelta(days=10))


async def test_the_entry_names_nobody_and_holds_no_secret(clinic):
    made = await clinic.mint("Dr Li", Scope.READ)
    await clinic.tokens.revoke(made.token.id, await clinic.tokens.owner())
    owner = await clinic.tokens.owner()
    first, last = await clinic.entries()
    assert first.kind == "token.created"
    assert first.facts == {
        "token": made.token.id,
        "of": made.actor.id,
        "by": owner.id,
        "scopes": ["read"],
        "expires": made.token.expires,
    }
    assert last.facts == {"token": made.token.id, "of": made.actor.id, "by": owner.id}
    secret = made.text.rpartition("_")[2]
    for entry in (first, last):
        assert b"Li" not in entry.encode()
        assert secret.encode() not in entry.encode()


async def test_no_secret_is_kept_or_shown(clinic):
    made = await clinic.mint()
    secret = made.text.rpartition("_")[2]
    kept = await clinic.database.read(lambda tx: msgspec.json.encode([tx.find(TOKENS), tx.find(ACTORS)]))
    assert secret.encode() not in kept
    assert secret not in repr(made)
    assert made.token.digest not in repr(made.token)


async def test_all_tokens_of_a_person_are_one_actor_and_a_program_of_that_name_is_another(clinic):
    first, second = await clinic.mint("Dr Li"), await clinic.mint(" Dr Li ")
    program = await clinic.mint("Dr Li", kind=PROGRAM)
    assert first.text != second.text
    assert first.actor.id == second.actor.id != program.actor.id


async def test_the_owner_is_one_actor_over_restarts_or_the_person_that_it_is(clinic):
    owner = await clinic.tokens.owner()
    again = Tokens(DID, clinic.database, clinic.clock, SeededRandomness(99))
    assert await again.owner() == owner
    assert owner.kind is ActorKind.OWNER
    made = await clinic.mint("Dr Li")
    mine = await again.owner("Dr Li")
    assert (mine.id, mine.kind) == (made.actor.id, ActorKind.OWNER)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mst_",
        "mst_0_0",
        "x" * 5000,
        "mst_" + "0" * 16 + "_" + "0" * 64,
        "mst_" + "０" * 16 + "_" + "0" * 64,
        "\0",
    ],
)
async def test_what_is_no_token_is_refused(clinic, text):
    await clinic.mint()
    with pytest.raises(TokenRefusedError):
        await clinic.tokens.authenticate(text)


async def test_a_wrong_secret_tells_nothing_about_the_token(clinic):
    """Neither that there is one, nor that it ended."""
    made = await clinic.mint()
    wrong = rules.written(made.token.id, "0" * 64)
    unknown = rules.written("f" * 16, "0" * 64)
    said = []
    for text in (wrong, unknown):
        with pytest.raises(TokenRefusedError) as refused:
            await clinic.tokens.authenticate(text)
        said.append(str(refused.value))
    await clinic.tokens.revoke(made.token.id, await clinic.tokens.owner())
    clinic.clock.advance(11 * DAY)
    with pytest.raises(TokenRefusedError) as refused:
        await clinic.tokens.authenticate(wrong)
    assert {*said, str(refused.value)} == {said[0]}


async def test_secrets_are_compared_in_constant_time_whether_or_not_there_is_such_a_token(clinic, monkeypatch):
    compared = []
    monkeypatch.setattr(rules, "same_secret", lambda left, right: compared.append((left, right)) or left == right)
    made = await clinic.mint()
    for text in (made.text, rules.written(made.token.id, "0" * 64), rules.written("f" * 16, "0" * 64)):
        try:
            await clinic.tokens.authenticate(text)
        except TokenRefusedError:
            continue
    assert [len(left) == len(right) == 64 for left, right in compared] == [True] * 3


async def test_an_expired_and_a_revoked_token_say_so_to_who_has_the_secret(clinic):
    made, other = await clinic.mint(days=1), await clinic.mint()
    await clinic.tokens.revoke(other.token.id, await clinic.tokens.owner())
    clinic.clock.advance(DAY - 1)
    assert await clinic.actor(made)
    clinic.clock.advance(1)
    with pytest.raises(AccessTokenExpiredError):
        await clinic.actor(made)
    with pytest.raises(TokenRevokedError):
        await clinic.actor(other)


async def test_nobody_hands_on_more_than_they_have(clinic):
    maker = await clinic.actor(await clinic.mint("Dr Wang", Scope.TOKENS, Scope.READ))
    with pytest.raises(TokenGrantError):
        await clinic.mint("Dr Li", Scope.READ, Scope.CHECK, by=maker)
    with pytest.raises(TokenGrantError):
        await clinic.mint("Dr Li", Scope.READ, days=11, by=maker)
    made = await clinic.mint("Dr Li", Scope.READ, days=10, by=maker)
    assert (made.token.made_by, made.token.made_with) == (maker.id, maker.token)
    clinic.clock.advance(1)
    with pytest.raises(TokenGrantError):  # not even by a second
        await clinic.mint("Dr Li", Scope.READ, days=10, by=maker)


async def test_nobody_revokes_what_may_do_more_but_everybody_revokes_their_own(clinic):
    strong = await clinic.mint("Dr Li", Scope.CHECK)
    weak = await clinic.mint("Dr Wang", Scope.TOKENS)
    by = await clinic.actor(weak)
    with pytest.raises(TokenGrantError):
        await clinic.tokens.revoke(strong.token.id, by)
    await clinic.tokens.revoke(weak.token.id, by)
    with pytest.raises(TokenRevokedError):
        await clinic.actor(weak)


async def test_what_was_made_with_a_revoked_token_counts_for_nothing_either(clinic):
    """Whoever stole it may have made some."""
    stolen = await clinic.mint("Dr Li", Scope.TOKENS, Scope.READ)
    thief = await clinic.actor(stolen)
    child = await clinic.mint("x", Scope.TOKENS, Scope.READ, days=9, by=thief)
    grandchild = await clinic.mint("y", Scope.READ, days=8, by=await clinic.actor(child))
    owner = await clinic.tokens.owner()
    assert len((await clinic.tokens.revoke(stolen.token.id, owner)).tokens) == 3
    for made in (stolen, child, grandchild):
        with pytest.raises(TokenRevokedError):
            await clinic.actor(made)
    assert await clinic.tokens.revoke(stolen.token.id, owner) == Revoked()
    with pytest.raises(TokenRefusedError):  # it was right when it came in, and was revoked a moment ago
        await clinic.mint("z", Scope.READ, days=1, by=thief)


async def test_a_token_of_which_nothing_is_known_makes_none(clinic):
    lost = Actor("actor:" + "0" * 32, PERSON, frozenset(Scope), "f" * 16, clinic.clock.now() + timedelta(days=300))
    with pytest.raises(TokenRefusedError):
        await clinic.mint(by=lost)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "\u202eevil"])
async def test_a_name_can_be_shown(clinic, name):
    with pytest.raises(TokenWishError):
        await clinic.mint(name)


@pytest.mark.parametrize("days", [0, -1, 367])
async def test_a_life_has_bounds(clinic, days):
    with pytest.raises(TokenWishError):
        await clinic.mint(days=days)


async def test_a_token_is_for_something(clinic):
    with pytest.raises(TokenWishError):
        await clinic.tokens.mint("Dr Li", PERSON, (), 1, await clinic.tokens.owner())


async def test_a_token_that_is_not_there_is_not_revoked(clinic):
    with pytest.raises(TokenUnknownError):
        await clinic.tokens.revoke("f" * 16, await clinic.tokens.owner())


async def test_when_it_was_used_is_known_to_the_day_and_written_once_a_day(clinic):
    made, writes = await clinic.mint(), []
    write = clinic.database.write

    async def counted(work):
        writes.append(work)
        return await write(work)

    clinic.database.write = counted
    for _ in range(5):
        await clinic.actor(made)
    assert len(writes) == 1
    assert (await clinic.token(made)).used == stamp(clinic.clock.now())[:10]
    clinic.clock.advance(DAY)
    await clinic.actor(made)
    assert len(writes) == 2


async def test_a_full_disk_keeps_nobody_out(clinic):
    made = await clinic.mint()

    async def full(_):
        raise StorageFullError

    clinic.database.write = full
    assert await clinic.actor(made)


async def test_a_name_is_forgotten_once_no_token_of_it_counts(clinic):
    first, second = await clinic.mint("Dr Li"), await clinic.mint("Dr Li")
    owner = await clinic.tokens.owner()
    assert not (await clinic.tokens.revoke(first.token.id, owner, forget=True)).forgotten
    assert await clinic.tokens.names([first.actor.id]) == {first.actor.id: "Dr Li"}
    assert (await clinic.tokens.revoke(second.token.id, owner, forget=True)).forgotten
    assert await clinic.tokens.names([first.actor.id, ""]) == {}
    kept = await clinic.database.read(lambda tx: msgspec.json.encode([tx.find(TOKENS), tx.find(ACTORS)]))
    assert b"Dr Li" not in kept
    assert (await clinic.mint("Dr Li")).actor.id != first.actor.id  # whoever comes next is somebody else


async def test_tokens_are_listed_the_newest_first_with_their_actors(clinic):
    for number in range(3):
        await clinic.mint(f"Dr {number}")
        clinic.clock.advance(1)
    found = await clinic.tokens.page(None, 2)
    assert [actor.name for _, actor in found] == ["Dr 2", "Dr 1"]
    assert await clinic.tokens.names([]) == {}


async def test_a_token_without_its_actor_opens_nothing(clinic):
    made = await clinic.mint()
    await clinic.database.write(lambda tx: tx.delete(ACTORS, tx.get(ACTORS, made.actor.id)))
    with pytest.raises(TokenRefusedError):
        await clinic.actor(made)
    assert (await clinic.tokens.page(None, 2))[0][1] is None
    assert not (await clinic.tokens.revoke(made.token.id, await clinic.tokens.owner(), forget=True)).forgotten


async def test_all_tokens_are_revoked_where_nobody_knows_which_were(clinic):
    mine, other, gone = [await clinic.mint(name) for name in ("Dr Li", "Dr Wang", "Dr Zhao")]
    await clinic.tokens.revoke(gone.token.id, await clinic.tokens.owner())
    revoked = await clinic.database.write(lambda tx: clinic.tokens.revoke_all(tx, "connector.restored"))
    assert {one.id for one in revoked} == {mine.token.id, other.token.id}
    for made in (mine, other, gone):
        with pytest.raises(TokenRevokedError):
            await clinic.actor(made)
    last = (await clinic.entries())[-2:]
    assert [(one.kind, one.facts["code"]) for one in last] == [("token.revoked", "connector.restored")] * 2
    assert not any("by" in one.facts for one in last)
    assert await clinic.database.write(lambda tx: clinic.tokens.revoke_all(tx, "connector.restored")) == []
