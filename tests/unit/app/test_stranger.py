"""A caller that is not on the list may have been admitted a moment ago: the list is looked up, not too often."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from medspace.adapters.logs import logger
from medspace.adapters.memory import SeededRandomness
from medspace.app.node.membership import Membership
from medspace.trust.errors import NotMemberError
from medspace.trust.members import sign_members
from medspace.trust.service import Identity
from tests.unit.trust.space import (
    AUTHORITY,
    COMPANY,
    HOSPITAL,
    KEYS,
    STRANGER,
    Space,
    document_of,
    list_at,
    member_of,
    members_at,
)


class Counted:
    """A members book that counts how often the authority was asked."""

    def __init__(self, book):
        self.book, self.looks = book, 0

    async def refresh(self):
        self.looks += 1
        await self.book.refresh()


async def opened():
    space = await Space.opened()
    book = Counted(space.book)
    config = SimpleNamespace(did=HOSPITAL)
    log = logger(participant=HOSPITAL)
    return space, book, Membership(config, b"", book, space.gatekeeper, None, space.clock, log)


def call(space, did, seed):
    return f"Bearer {space.identity(did, seed).token_for(HOSPITAL)}"


async def test_a_stranger_that_was_just_admitted_is_let_in():
    space, book, membership = await opened()
    space.clock.advance(2)
    space.source.text = list_at(space.clock.now(), AUTHORITY, HOSPITAL, COMPANY, STRANGER)
    assert (await membership.authenticate(call(space, STRANGER, 1))).did == STRANGER
    assert book.looks == 1


async def test_strangers_do_not_make_us_ask_more_than_once_a_second():
    space, book, membership = await opened()
    for seed in range(20):
        with pytest.raises(NotMemberError):
            await membership.authenticate(call(space, STRANGER, seed))
    assert book.looks == 1


async def test_a_clock_that_was_set_back_does_not_keep_strangers_out():
    space, book, membership = await opened()
    with pytest.raises(NotMemberError):
        await membership.authenticate(call(space, STRANGER, 1))
    space.clock.advance(-timedelta(seconds=5).total_seconds())
    with pytest.raises(NotMemberError):
        await membership.authenticate(call(space, STRANGER, 2))
    assert book.looks == 2


async def test_a_member_whose_key_was_just_changed_is_let_in():
    space, book, membership = await opened()
    await membership.authenticate(call(space, COMPANY, 1))
    space.clock.advance(10)
    space.documents.documents[COMPANY] = document_of(COMPANY, KEYS[STRANGER])
    now = space.clock.now()
    member = replace(member_of(COMPANY), public_key=KEYS[STRANGER].public_key)
    members = replace(members_at(now, AUTHORITY, HOSPITAL), members=(*members_at(now, HOSPITAL).members, member))
    space.source.text = sign_members(KEYS[AUTHORITY], members)
    identity = Identity(COMPANY, KEYS[STRANGER], space.clock, SeededRandomness(2))
    caller = await membership.authenticate(f"Bearer {identity.token_for(HOSPITAL)}")
    assert caller.did == COMPANY
    assert book.looks == 1
