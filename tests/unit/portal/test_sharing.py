"""Sessions are read together, and never before they were asked for; blocks are made once, and few are kept."""

import asyncio
from datetime import UTC, datetime

import pytest

from medspace.adapters.memory import ManualClock
from medspace.app.doors.portal import sharing
from medspace.app.doors.portal.sharing import Block, LooksTogether, SharedBlocks
from medspace.core.errors import StorageError
from medspace.services.accounts.errors import SessionEndedError
from tests.portals import Clinic

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Sessions:
    """Says who is signed in, and keeps what was asked at once."""

    def __init__(self, accounts):
        self.accounts, self.asked, self.failure = accounts, [], None

    async def look(self, secrets):
        self.asked.append(secrets)
        if self.failure:
            raise self.failure
        return await self.accounts.look_together(secrets)


async def test_who_asks_in_one_turn_is_read_at_once_and_each_is_told_their_own():
    clinic = Clinic()
    secrets = [await clinic.enter(await clinic.account(name)) for name in ("Dr Li", "Dr Wang")]
    sessions = Sessions(clinic.accounts)
    looks = LooksTogether(sessions.look)
    asked = [*secrets, "f" * 64, "odd", secrets[0]]
    told = await asyncio.gather(*map(looks.look, asked), return_exceptions=True)
    assert [one.name for one in (told[0], told[1], told[4])] == ["Dr Li", "Dr Wang", "Dr Li"]
    assert all(isinstance(one, SessionEndedError) for one in told[2:4])
    assert sessions.asked == [asked[:4]]
    assert told[0] == await clinic.accounts.look(secrets[0])


async def test_a_session_that_ended_before_it_was_asked_for_is_over():
    clinic = Clinic()
    secret = await clinic.enter(await clinic.account())
    looks = LooksTogether(clinic.accounts.look_together)
    assert (await looks.look(secret)).name
    await clinic.accounts.leave(secret)
    with pytest.raises(SessionEndedError):
        await looks.look(secret)


async def test_what_cannot_be_read_opens_nothing_and_whoever_goes_away_stops_nobody():
    clinic = Clinic()
    secret = await clinic.enter(await clinic.account())
    sessions = Sessions(clinic.accounts)
    looks = LooksTogether(sessions.look)
    gone, stays = (asyncio.create_task(looks.look(secret)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).name
    sessions.failure = StorageError(reason="x")
    told = await asyncio.gather(looks.look(secret), looks.look(secret), return_exceptions=True)
    assert told == [sessions.failure] * 2


async def test_few_blocks_are_kept_the_newest(monkeypatch):
    monkeypatch.setattr(sharing, "MOST_BLOCKS", 2)
    blocks, made = SharedBlocks(ManualClock(NOW)), []

    async def make(key):
        made.append(key)
        return Block(key, current=True)

    for key in ("a", "b", "a", "c", "a"):
        assert await blocks.block(key, lambda key=key: make(key)) == key
    assert made == ["a", "b", "c", "a"]


async def test_whoever_asks_while_an_older_version_is_made_shares_the_next_one():
    blocks, turns, made = SharedBlocks(ManualClock(NOW)), [asyncio.Event(), asyncio.Event()], []

    async def make():
        made.append(len(made))
        number = made[-1]
        await turns[number].wait()
        return Block(f"{number}", current=number > 0)

    early = asyncio.create_task(blocks.block("two", make))
    await asyncio.sleep(0)
    later = [asyncio.create_task(blocks.block("two", make)) for _ in range(3)]
    await asyncio.sleep(0)
    for turn in turns:
        turn.set()
    assert (await early, await asyncio.gather(*later), made) == ("0", ["1"] * 3, [0, 1])
