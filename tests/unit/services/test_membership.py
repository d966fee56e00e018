"""The authority: whoever was admitted is on the list that follows, and the list is one that others take."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase
from medspace.ledger.model import decode
from medspace.services.membership import service
from medspace.services.membership.errors import KeyChangedError, UnknownMemberError
from medspace.services.membership.service import Authority
from medspace.trust.errors import MembersPrematureError
from medspace.trust.members import LEEWAY, verify_members
from medspace.trust.model import Member
from medspace.trust.service import MembersBook
from tests.signing import ring_of
from tests.unit.trust.space import AUTHORITY, COMPANY, HOSPITAL, KEYS, PublishedList, member_of, signer

KEY = KEYS[AUTHORITY]


class Moving(ManualClock):
    """A clock that moves on as soon as somebody waits for it."""

    slept = 0.0

    async def sleep(self, seconds):
        self.slept += seconds
        self.advance(seconds)


class Office:
    """An authority with its database and clock; the other members have a clock of their own."""

    def __init__(self):
        self.clock, self.database = Moving(), MemoryDatabase()
        self.start = self.clock.now()
        self.book = MembersBook(AUTHORITY, KEY.public_key, PublishedList(), self.database, self.clock)
        self.authority = Authority(AUTHORITY, KEY, self.book, self.database, self.clock)

    def listed(self):
        return [member.did for member in verify_members(self.book.text, KEY.public_key, self.clock.now()).members]

    async def entries(self):
        found = await self.database.read(lambda tx: tx.log.entries(0, tx.log.size()))
        return [decode(entry).kind for entry in found]


def hospital(number):
    return Member(f"did:web:hospital{number}.example", "", "", (), signer(number).public_key)


async def test_who_was_admitted_is_on_the_list_and_in_the_log():
    office = Office()
    await office.authority.admit(member_of(HOSPITAL))
    await office.authority.admit(member_of(COMPANY))
    assert set(office.listed()) == {HOSPITAL, COMPANY}
    assert await office.entries() == ["member.admitted", "members.published"] * 2


async def test_every_list_says_since_when_the_authority_keeps_its_log():
    office = Office()
    began = office.clock.now().replace(microsecond=0)
    await office.authority.admit(member_of(HOSPITAL))
    office.clock.advance(7_200)
    await office.authority.admit(member_of(COMPANY))
    assert office.book.current.founded == began
    other = Office()
    other.clock.advance(3_600)
    await other.authority.admit(member_of(HOSPITAL))
    assert other.book.current.founded != began


async def test_who_was_removed_is_not_and_can_come_back_with_another_key():
    office = Office()
    await office.authority.admit(member_of(HOSPITAL))
    changed = Member(HOSPITAL, "", "", (), signer(9).public_key)
    with pytest.raises(KeyChangedError):
        await office.authority.admit(changed)
    await office.authority.remove(HOSPITAL)
    assert office.listed() == []
    with pytest.raises(UnknownMemberError):
        await office.authority.remove(HOSPITAL)
    await office.authority.admit(changed)
    assert office.listed() == [HOSPITAL]


async def test_many_admissions_in_one_second_give_lists_that_others_take_at_once():
    office = Office()
    for number in range(1, 21):
        await office.authority.admit(hospital(number))
        verify_members(office.book.text, KEY.public_key, office.clock.now() - LEEWAY / 2)  # a slower clock
    assert len(office.listed()) == 20
    assert office.clock.slept <= 20


async def test_admissions_at_the_same_time_are_all_on_the_last_list():
    office = Office()
    await asyncio.gather(*(office.authority.admit(hospital(number)) for number in range(1, 21)))
    assert len(office.listed()) == 20


async def test_a_list_of_the_future_is_not_followed_by_another_one():
    office = Office()
    office.clock.advance(timedelta(days=365).total_seconds())
    await office.authority.admit(member_of(HOSPITAL))
    office.clock.advance(-timedelta(days=365).total_seconds())  # the clock was wrong, and is set right
    with pytest.raises(MembersPrematureError):
        await office.authority.admit(member_of(COMPANY))
    with pytest.raises(MembersPrematureError):
        await office.authority.renew()
    assert office.clock.slept == 0


async def test_a_list_is_renewed_once_it_is_a_day_old():
    office = Office()
    await office.authority.renew()
    first = office.book.text
    await office.authority.renew()
    assert office.book.text == first
    office.clock.advance(timedelta(days=1, seconds=1).total_seconds())
    await office.authority.renew()
    assert office.book.text != first


async def test_a_list_of_many_pages_holds_everybody(monkeypatch):
    monkeypatch.setattr(service, "PAGE", 3)
    office = Office()
    for number in range(1, 8):
        await office.authority.admit(hospital(number))
    assert len(office.listed()) == 7


# --- ML-DSA-65 keys -------------------------------------------------------------------------------------------------


def keyed(*names):
    return tuple(key for name in names for key in ring_of(name).known)


async def test_keys_are_taken_up_beside_those_before_and_a_revocation_is_for_good():
    office = Office()
    await office.authority.admit(replace(member_of(HOSPITAL), mldsa=keyed("first")))
    (first,), second = keyed("first"), keyed("second")[0]
    taken = await office.authority.take_keys(HOSPITAL, (replace(first, revoked=5), second))
    listed = verify_members(office.book.text, KEY.public_key, office.clock.now()).find(HOSPITAL)
    assert listed == taken
    assert {key.revoked for key in taken.mldsa} == {0, 5}
    text = office.book.text
    again = await office.authority.take_keys(HOSPITAL, (first, second))  # who asks for it back gets nothing
    assert again == taken
    assert office.book.text == text
    with pytest.raises(UnknownMemberError):
        await office.authority.take_keys(COMPANY, ())


async def test_who_was_admitted_by_an_older_version_gets_its_keys():
    office = Office()
    await office.authority.admit(member_of(HOSPITAL))
    taken = await office.authority.take_keys(HOSPITAL, keyed("first"))
    assert taken == replace(member_of(HOSPITAL), mldsa=keyed("first"))
    assert await office.entries() == ["member.admitted", "members.published"] * 2


async def test_a_member_that_is_removed_meanwhile_is_not_listed_again():
    office = Office()
    await office.authority.admit(member_of(HOSPITAL))
    known = office.authority.admit

    async def removed(member, *, by):
        await known(member, by=by)
        await office.authority.remove(HOSPITAL)

    office.authority.admit = removed
    assert (await office.authority.take_keys(HOSPITAL, keyed("first"))).did == HOSPITAL
    assert office.listed() == []


async def test_the_log_says_who_admitted_whom_and_who_removed_them():
    office, by = Office(), "actor:" + "1" * 32
    await office.authority.admit(member_of(HOSPITAL), by=by)
    await office.authority.remove(HOSPITAL, by=by)
    found = await office.database.read(lambda tx: [decode(e) for e in tx.log.entries(0, tx.log.size())])
    said = [(entry.kind, entry.facts.get("by")) for entry in found if entry.kind != "members.published"]
    assert said == [("member.admitted", by), ("member.removed", by)]
