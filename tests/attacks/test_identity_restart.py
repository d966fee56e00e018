"""What an attacker kept from before a restart is worth nothing after it: on a real database file."""

import asyncio

import pytest

from medspace.adapters.sql.database import open_database
from medspace.adapters.sql.migration import upgrade
from medspace.trust.errors import MembersRollbackError, TokenReplayedError
from medspace.trust.model import COLLECTIONS
from tests.unit.trust.space import AUTHORITY, COMPANY, HOSPITAL, Space, list_at


@pytest.fixture
def opened(tmp_path):
    url = f"sqlite:///{tmp_path / 'connector.db'}"
    upgrade(url)

    def open_again():
        return open_database(url, COLLECTIONS)

    return open_again


async def space_on(database):
    space = Space()
    space.database = database
    space.book = space.new_book()
    space.gatekeeper = space.new_gatekeeper()
    return space


async def test_a_used_token_and_an_old_list_are_still_known(opened):
    async with opened() as database:
        space = await space_on(database)
        await space.book.refresh()
        old = space.book.text
        header = f"Bearer {space.identity().token_for(HOSPITAL)}"
        assert (await space.gatekeeper.authenticate(header)).did == COMPANY
        space.clock.advance(1)
        newest = list_at(space.clock.now(), AUTHORITY, HOSPITAL, COMPANY)
        await space.book.install(newest)
    async with opened() as database:
        space = await space_on(database)
        await space.book.load()
        assert space.book.text == newest
        with pytest.raises(TokenReplayedError):
            await space.gatekeeper.authenticate(header)
        with pytest.raises(MembersRollbackError):
            await space.book.install(old)


async def test_of_many_uses_of_one_token_at_once_one_is_let_in(opened):
    async with opened() as database:
        space = await space_on(database)
        await space.book.refresh()
        header = f"Bearer {space.identity().token_for(HOSPITAL)}"
        outcomes = await asyncio.gather(
            *(space.gatekeeper.authenticate(header) for _ in range(20)), return_exceptions=True
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Caller"] + ["TokenReplayedError"] * 19
