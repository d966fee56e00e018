"""Wrong tokens are counted by where they come from, and what was right before is never kept waiting."""

import asyncio

import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.app.doors.management.doorkeeper import Doorkeeper
from medspace.app.node.attempts import (
    MOST_ADDRESSES,
    MOST_PROVEN,
    MOST_WRONG,
    Attempts,
    TooManyAttemptsError,
)
from medspace.core.actors import ActorKind, Scope
from medspace.core.errors import StorageError
from medspace.services.tokens.errors import TokenRefusedError
from medspace.services.tokens.service import Tokens

OWNERS = "f" * 64


def keeper(person=""):
    clock = ManualClock()
    tokens = Tokens("did:web:clinic.example", MemoryDatabase(), clock, SeededRandomness(1))
    return Doorkeeper(tokens, OWNERS, Attempts(clock), person), clock


async def test_the_owner_comes_in_whatever_others_try():
    door, _ = keeper()
    for number in range(100):
        with pytest.raises((TokenRefusedError, TooManyAttemptsError)):
            await door.authenticate(f"guess {number}", "here")
    owner = await door.authenticate(OWNERS, "here")
    assert owner.kind is ActorKind.OWNER
    assert await door.authenticate(OWNERS, "here") is owner


@pytest.mark.parametrize("given", ["", OWNERS[:-1], OWNERS + "0", OWNERS.upper(), "\udc80", "é"])
async def test_what_resembles_the_owners_token_is_not_it(given):
    door, _ = keeper()
    with pytest.raises(TokenRefusedError):
        await door.authenticate(given, "here")


async def test_many_guesses_at_the_same_time_are_no_more_than_one_after_the_other():
    door, _ = keeper()
    done = await asyncio.gather(
        *(door.authenticate(f"guess {number}", "here") for number in range(50)), return_exceptions=True
    )
    assert sum(isinstance(one, TokenRefusedError) for one in done) == MOST_WRONG


async def test_another_address_has_attempts_of_its_own():
    door, _ = keeper()
    for number in range(20):
        with pytest.raises((TokenRefusedError, TooManyAttemptsError)):
            await door.authenticate(f"guess {number}", "here")
    with pytest.raises(TokenRefusedError):
        await door.authenticate("guess", "there")


async def test_the_owner_is_the_person_whose_token_it_is():
    door, _ = keeper("Dr Li")
    owner = await door.authenticate(OWNERS, "here")
    made = await door.tokens.mint("Dr Li", ActorKind.PERSON, [Scope.READ], 1, owner)
    mine = await door.authenticate(made.text, "here")
    assert mine.id == owner.id
    assert mine.kind is ActorKind.PERSON


async def test_a_database_that_fails_is_no_wrong_token():
    door, _ = keeper()
    made = await door.tokens.mint("x", ActorKind.PERSON, [Scope.READ], 1, await door.tokens.owner())
    read = door.tokens.database.read

    async def fails(_):
        raise StorageError(reason="gone")

    door.tokens.database.read = fails
    for _ in range(3 * MOST_WRONG):
        with pytest.raises(StorageError):
            await door.authenticate(made.text, "here")
    door.tokens.database.read = read
    assert await door.authenticate(made.text, "here")


def test_what_is_remembered_is_bounded():
    attempts = Attempts(ManualClock())
    for number in range(2 * MOST_ADDRESSES):
        attempts.begin(f"host {number}", "guess")
        attempts.right(f"host {number}", f"token {number}")
    assert len(attempts._wrong) <= MOST_ADDRESSES
    assert len(attempts._proven) <= MOST_PROVEN


def test_a_clock_that_is_set_back_gives_no_attempts():
    clock = ManualClock()
    attempts = Attempts(clock)
    for _ in range(MOST_WRONG):
        attempts.begin("here", "guess")
    clock.advance(-3600.0)
    with pytest.raises(TooManyAttemptsError):
        attempts.begin("here", "guess")
