"""The members list cannot be forged, rolled back, or outlived."""

import asyncio
from datetime import timedelta

import pytest

from medspace.trust.errors import (
    MembersExpiredError,
    MembersListError,
    MembersPrematureError,
    MembersRollbackError,
    MembersSignatureError,
    NotMemberError,
)
from medspace.trust.members import sign_members
from medspace.trust.model import LISTS, KeptList
from tests.unit.trust.space import AUTHORITY, COMPANY, HOSPITAL, KEYS, STRANGER, Space, list_at, members_at


@pytest.fixture
async def space():
    return await Space.opened()


async def offered(space, text):
    space.source.text = text
    await space.book.refresh()


async def test_a_member_cannot_admit_a_stranger(space):
    text = sign_members(KEYS[COMPANY], members_at(space.clock.now() + timedelta(seconds=1), COMPANY, STRANGER))
    with pytest.raises(MembersSignatureError):
        await offered(space, text)


async def test_a_removed_member_cannot_bring_the_old_list_back(space):
    old = space.book.text
    space.clock.advance(60)
    await offered(space, list_at(space.clock.now(), HOSPITAL))
    with pytest.raises(MembersRollbackError):
        await offered(space, old)
    restarted = space.new_book()
    await restarted.load()
    with pytest.raises(MembersRollbackError):
        await restarted.refresh()
    for book in (space.book, restarted):
        with pytest.raises(NotMemberError):
            book.member(COMPANY)


async def test_an_expired_list_still_bars_the_older_ones(space):
    older = list_at(space.clock.now() + timedelta(seconds=1), STRANGER, days=60)
    newer = list_at(space.clock.now() + timedelta(seconds=2), HOSPITAL, days=1)
    space.clock.advance(2)
    await offered(space, newer)
    space.clock.advance(2 * 86_400)
    with pytest.raises(MembersRollbackError):
        await offered(space, older)


async def test_two_lists_of_one_instant_are_not_taken(space):
    with pytest.raises(MembersRollbackError):
        await offered(space, list_at(space.clock.now(), AUTHORITY, HOSPITAL, COMPANY, STRANGER))


async def test_a_list_of_the_future_would_bar_all_later_ones_and_is_refused(space):
    with pytest.raises(MembersPrematureError):
        await offered(space, list_at(space.clock.now() + timedelta(days=300), COMPANY))


async def test_an_expired_list_is_not_taken(space):
    text = list_at(space.clock.now() + timedelta(seconds=1), STRANGER, days=1)
    space.clock.advance(2 * 86_400)
    with pytest.raises(MembersExpiredError):
        await offered(space, text)


async def test_a_list_that_was_changed_in_the_database_is_not_loaded(space):
    forged = sign_members(KEYS[COMPANY], members_at(space.clock.now(), STRANGER))

    def change(tx):
        tx.replace(LISTS, tx.get(LISTS, "current"), KeptList("current", forged))

    await space.database.write(change)
    with pytest.raises(MembersSignatureError):
        await space.new_book().load()


async def test_an_id_token_is_no_members_list(space):
    with pytest.raises(MembersListError):
        await offered(space, space.identity(AUTHORITY).token_for(HOSPITAL))


async def test_lists_that_arrive_together_leave_the_newest(space):
    start = space.clock.now()
    space.clock.advance(100)
    texts = [list_at(start + timedelta(seconds=n), *((STRANGER,) if n == 50 else (COMPANY,))) for n in range(1, 51)]
    await asyncio.gather(*(space.book.install(text) for text in reversed(texts)), return_exceptions=True)
    assert space.book.text == texts[-1]
    assert space.book.member(STRANGER)
