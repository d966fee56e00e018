"""A stream of events is opened with a token, and goes on for hours: it ends with the token."""

import asyncio

import pytest

from medspace.adapters.memory import MemoryDatabase, SeededRandomness
from medspace.app.doors.management.actors import AGAIN
from medspace.app.doors.management.doorkeeper import Doorkeeper
from medspace.app.node.attempts import Attempts
from medspace.app.node.feeds import BEAT
from medspace.core.actors import Actor, ActorKind, Scope
from medspace.core.errors import StorageError
from medspace.services.tokens.service import Tokens
from tests.unit.app.streams import OWNER, Street, asked, chunk, head

DAY = 86_400.0
STATES = 3  # that the thing goes through after the token has ended
SHOWN = "stream: states shown after its token ended"


async def once(token):
    """The control: who was let in once is let in."""
    return OWNER


class Guarding:
    """A street behind a doorkeeper, with a token for it."""

    def __init__(self, *, brake=True):
        self.street = Street()
        self.tokens = Tokens("did:web:c.example", MemoryDatabase(), self.street.clock, SeededRandomness(3))
        self.door = Doorkeeper(self.tokens, "owner-secret", Attempts(self.street.clock))
        self.street.authenticate = self.door.authenticate
        if not brake:
            guarded = self.street.app
            self.street.app = lambda: _unchecked(guarded())

    async def token(self, *scopes):
        self.owner = await self.tokens.owner()
        return await self.tokens.mint("x", ActorKind.PROGRAM, scopes or (Scope.READ,), 1, self.owner)


def _unchecked(guarded):
    """The same door, whose application asks nobody again."""
    app = guarded._app

    async def inner(scope, receive, send):
        await app({**scope, AGAIN: lambda: once("")}, receive, send)

    guarded._app = inner
    return guarded


def bearer(text):
    return f"Authorization: Bearer {text}"


async def states(reader, street):
    """How many of the states that follow are shown; the stream ends, or the last one is there."""
    shown = 0
    for percent in range(50, 50 + STATES):
        await street.put(percent=percent)
        while (told := await chunk(reader)) == b":\n\n":
            pass
        if not told:
            break
        shown += told.startswith(b"id: running-%d\n" % percent)
    return shown


@pytest.mark.parametrize("brake", [True, False], ids=["on", "off"])
async def test_a_stream_shows_nothing_after_its_token_is_revoked(brake, attack_report):
    there = Guarding(brake=brake)
    made = await there.token()
    await there.street.put(percent=1)
    async with there.street.open() as (_, port):
        async with asked(port, "/events/things/run", bearer(made.text)) as reader:
            assert (await head(reader))[0] == 200
            assert b"running-1" in await chunk(reader)
            await there.street.put(percent=2)
            assert b"running-2" in await chunk(reader), "while it counts it is shown what changes"
            await there.tokens.revoke(made.token.id, there.owner)
            shown = await states(reader, there.street)
        attack_report(SHOWN, **{"got" if brake else "control": shown}, of=STATES, unit="states")
        assert shown == (0 if brake else STATES)
        async with asked(port, "/events/things/run", bearer(made.text)) as again:
            assert (await head(again))[0] == 401


async def test_a_stream_ends_at_the_first_beat_after_its_token_expired():
    there = Guarding()
    made = await there.token()
    await there.street.put(percent=1)
    async with there.street.open() as (_, port), asked(port, "/events/things/run", bearer(made.text)) as reader:
        await head(reader)
        await chunk(reader)
        await there.street.slept()
        there.street.clock.advance(BEAT)
        assert await chunk(reader) == b":\n\n"
        await there.street.slept()
        there.street.clock.advance(DAY - BEAT)
        assert await chunk(reader) == b""


async def test_a_stream_ends_where_nobody_can_tell_whether_its_token_counts():
    there = Guarding()
    made = await there.token()
    await there.street.put(percent=1)
    async with there.street.open() as (_, port), asked(port, "/events/things/run", bearer(made.text)) as reader:
        await head(reader)
        await chunk(reader)

        async def unreadable(_):
            raise StorageError(reason="disk")

        there.tokens.database.read = unreadable
        assert await states(reader, there.street) == 0


async def test_a_stream_ends_where_its_token_may_only_do_other_things_from_now_on():
    street, scopes = Street(), [Scope.READ]

    async def program(token, host):
        return Actor(OWNER.id, ActorKind.PROGRAM, frozenset(scopes))

    street.authenticate = program
    await street.put(percent=1)
    async with street.open() as (_, port), asked(port) as reader:
        await head(reader)
        await chunk(reader)
        scopes[:] = [Scope.KEYS]
        assert await states(reader, street) == 0


# --- a question that waits for a change ----------------------------------------------------------------------------
POLLED = "/things/run?seen=running-1&wait=30"


async def listening(changes):
    """Return once somebody waits for a change."""
    while not changes.waiting:  # noqa: ASYNC110 - what holds is inside the server, which has no event for it
        await asyncio.sleep(0)


async def test_a_question_that_waits_ends_once_its_token_is_revoked():
    there = Guarding()
    there.tokens.database.on_commit(there.street.changes.tell)
    made = await there.token()
    await there.street.put(percent=1)
    async with there.street.open() as (_, port), asked(port, POLLED, bearer(made.text)) as reader:
        await listening(there.street.changes)
        await there.tokens.revoke(made.token.id, there.owner)
        status, *_ = await head(reader)  # at once: long before the thirty seconds are over
        assert status == 403
        assert there.street.changes.waiting == 0


async def test_a_question_that_waits_is_shown_no_change_after_its_token_is_revoked():
    """Also where the database has told nobody of it."""
    there = Guarding()
    made = await there.token()
    await there.street.put(percent=1)
    async with there.street.open() as (_, port), asked(port, POLLED, bearer(made.text)) as reader:
        await listening(there.street.changes)
        await there.tokens.revoke(made.token.id, there.owner)
        await there.street.put(percent=2)
        assert (await head(reader))[0] == 403


async def test_a_question_waits_no_longer_than_its_token_counts():
    there = Guarding()
    made = await there.token()
    await there.street.put(percent=1)
    there.street.clock.advance(DAY - 0.01)
    async with there.street.open() as (_, port), asked(port, POLLED, bearer(made.text)) as reader:
        assert (await head(reader))[0] == 200  # a hundredth of a second later: what is, unchanged
        there.street.clock.advance(0.01)
    async with there.street.open() as (_, port), asked(port, POLLED, bearer(made.text)) as reader:
        assert (await head(reader))[0] == 401


async def test_a_question_that_waits_while_its_token_counts_is_shown_the_change():
    there = Guarding()
    made = await there.token()
    await there.street.put(percent=1)
    async with there.street.open() as (_, port), asked(port, POLLED, bearer(made.text)) as reader:
        await listening(there.street.changes)
        await there.street.put(percent=2)
        assert (await head(reader))[0] == 200


async def test_a_door_that_cannot_ask_again_opens_no_stream():
    """Wiring that forgot it fails closed."""
    street = Street()
    guarded = street.app

    def forgetful():
        door = guarded()
        app = door._app

        async def inner(scope, receive, send):
            await app({name: held for name, held in scope.items() if name != AGAIN}, receive, send)

        door._app = inner
        return door

    street.app = forgetful
    await street.put(percent=1)
    async with street.open() as (_, port), asked(port) as reader:
        assert (await head(reader))[0] == 403


async def test_the_stream_of_the_owner_goes_on_beside_one_that_ended():
    there = Guarding()
    made = await there.token()
    await there.street.put(percent=1)
    async with (
        there.street.open() as (_, port),
        asked(port, "/events/things/run", bearer(made.text)) as guest,
        asked(port, "/events/things/run", bearer("owner-secret")) as owner,
    ):
        for reader in (guest, owner):
            await head(reader)
            await chunk(reader)
        await there.tokens.revoke(made.token.id, there.owner)
        assert await states(owner, there.street) == STATES
        assert await chunk(guest) == b""
        assert there.street.feeds.open == 1
