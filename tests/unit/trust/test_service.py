import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from medspace.core.errors import StorageFullError
from medspace.trust import service
from medspace.trust.documents import KEEP, KEEP_FAILURE, DocumentCache
from medspace.trust.errors import (
    DocumentError,
    DocumentUnavailableError,
    KeyMismatchError,
    MembersIssuerError,
    MembersListError,
    MembersSourceError,
    NoMembersListError,
    NotMemberError,
)
from medspace.trust.members import sign_members
from medspace.trust.model import SEEN, Member, MemberList
from medspace.trust.tokens import LEEWAY, LONGEST_LIFETIME
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
    signer,
)


@pytest.fixture
async def space():
    return await Space.opened()


async def call(space, identity=None):
    token = (identity or space.identity()).token_for(HOSPITAL)
    return await space.gatekeeper.authenticate(f"bearer {token}")


async def remembered(space):
    return await space.database.read(lambda tx: tx.find(SEEN, limit=1000))


# the gatekeeper


async def test_a_member_is_recognised_and_each_call_has_a_token_of_its_own(space):
    identity = space.identity()
    callers = [await call(space, identity) for _ in range(3)]
    assert {caller.did for caller in callers} == {COMPANY}
    assert len({caller.token_id for caller in callers}) == 3
    assert len(await remembered(space)) == 3


async def test_who_leaves_the_list_is_refused_at_once(space):
    await call(space)
    space.clock.advance(60)
    await space.book.install(list_at(space.clock.now(), AUTHORITY, HOSPITAL))
    with pytest.raises(NotMemberError):
        await call(space, space.identity(seed=8))


async def test_a_document_that_cannot_be_had_closes_the_door_for_a_moment_only(space):
    document = space.documents.documents.pop(COMPANY)
    identity = space.identity()
    with pytest.raises(DocumentUnavailableError) as refused:
        await call(space, identity)
    assert refused.value.temporary
    space.documents.documents[COMPANY] = document
    with pytest.raises(DocumentUnavailableError):
        await call(space, identity)
    assert len(space.documents.fetched) == 1
    space.clock.advance(KEEP_FAILURE.total_seconds())
    assert (await call(space, identity)).did == COMPANY


async def test_a_changed_key_is_taken_up_when_list_and_document_agree(space):
    await call(space)
    new = signer(9)
    space.documents.documents[COMPANY] = document_of(COMPANY, new)
    space.clock.advance(10)
    now = space.clock.now()
    member = Member(COMPANY, "company", "DE", (), new.public_key)
    text = sign_members(KEYS[AUTHORITY], MemberList(AUTHORITY, now, now + timedelta(days=1), (member,)))
    with pytest.raises(Exception) as refused:  # noqa: PT012 - the old key still stands on the list
        identity = service.Identity(COMPANY, new, space.clock, space.identity()._randomness)
        await call(space, identity)
    assert refused.value.code == "identity.key"
    await space.book.install(text)
    assert (await call(space, identity)).did == COMPANY


async def test_a_document_with_another_key_is_fetched_anew_but_not_for_every_call(space):
    space.documents.documents[COMPANY] = document_of(COMPANY, signer(9))
    identity = space.identity()
    for _ in range(5):
        with pytest.raises(KeyMismatchError):
            await call(space, identity)
    assert len(space.documents.fetched) == 1
    space.clock.advance(KEEP_FAILURE.total_seconds())
    with pytest.raises(KeyMismatchError):
        await call(space, identity)
    assert len(space.documents.fetched) == 2


async def test_used_tokens_are_forgotten_once_nobody_could_use_them(space, monkeypatch):
    monkeypatch.setattr(service, "SWEEP_EVERY", 4)
    identity = space.identity()
    for _ in range(3):
        await call(space, identity)
    space.clock.advance(LONGEST_LIFETIME + LEEWAY + service.REMEMBER + 1)
    await call(space, identity)
    assert len(await remembered(space)) == 1


async def test_forgetting_is_bounded(space, monkeypatch):
    monkeypatch.setattr(service, "SWEEP_AT_MOST", 2)
    identity = space.identity()
    for _ in range(5):
        await call(space, identity)
    assert await space.database.write(lambda tx: service.forget_expired(tx, 2**40)) == 2
    assert await space.database.write(lambda tx: service.forget_expired(tx, 0)) == 0
    assert len(await remembered(space)) == 3


async def test_nobody_is_let_in_while_the_database_cannot_remember(space, monkeypatch):
    async def full(work):
        raise StorageFullError

    monkeypatch.setattr(space.database, "write", full)
    with pytest.raises(StorageFullError):
        await call(space)


# the cache of documents


class SlowDocuments:
    def __init__(self):
        self.go = asyncio.Event()
        self.asked = 0

    async def document(self, did):
        self.asked += 1
        await self.go.wait()
        if did == STRANGER:
            raise DocumentError(did=did, reason="not found")
        return document_of(did)


async def test_one_fetch_serves_all_who_wait_even_if_the_first_goes_away(space):
    source = SlowDocuments()
    cache = DocumentCache(source, space.clock)
    first, *others = [asyncio.create_task(cache.document(COMPANY)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    source.go.set()
    assert {document.id for document in await asyncio.gather(*others)} == {COMPANY}
    assert first.cancelled()
    assert source.asked == 1


async def test_documents_are_kept_for_a_while(space):
    cache = DocumentCache(space.documents, space.clock)
    await cache.document(COMPANY)
    space.clock.advance(KEEP.total_seconds() - 1)
    await cache.document(COMPANY)
    assert len(space.documents.fetched) == 1
    space.clock.advance(1)
    await cache.document(COMPANY)
    assert len(space.documents.fetched) == 2


async def test_no_more_documents_are_kept_than_said(space, monkeypatch):
    monkeypatch.setattr("medspace.trust.documents.MOST_KEPT", 2)
    cache = DocumentCache(space.documents, space.clock)
    for did in (AUTHORITY, HOSPITAL, COMPANY, COMPANY, AUTHORITY):
        await cache.document(did)
    assert space.documents.fetched == [AUTHORITY, HOSPITAL, COMPANY, AUTHORITY]


async def test_a_failure_that_all_share_is_raised_for_each(space):
    source = SlowDocuments()
    source.go.set()
    cache = DocumentCache(source, space.clock)
    outcomes = await asyncio.gather(*(cache.document(STRANGER) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DocumentError] * 3
    assert source.asked == 1


# the members book


async def test_without_a_list_nobody_is_a_member():
    space = Space()
    await space.book.load()
    assert space.book.text == ""
    assert space.book.current is None
    with pytest.raises(NoMembersListError):
        await call(space)


async def test_the_list_survives_a_restart_while_the_authority_is_down(space):
    space.source.text = "the authority is down"
    book = space.new_book()
    await book.load()
    assert book.member(COMPANY) == member_of(COMPANY)
    assert book.text == space.book.text
    with pytest.raises(MembersListError):
        await book.refresh()
    assert book.member(COMPANY) == member_of(COMPANY)


async def test_an_expired_list_closes_the_door(space):
    space.clock.advance(31 * 86_400)
    with pytest.raises(NoMembersListError):
        await call(space)
    space.source.text = list_at(space.clock.now(), COMPANY)
    assert (await space.book.refresh()).find(COMPANY)
    assert (await call(space)).did == COMPANY


async def test_a_newer_list_takes_the_place_of_the_older(space):
    await space.book.install(space.book.text)
    space.clock.advance(1)
    text = list_at(space.clock.now(), STRANGER)
    await space.book.install(text)
    assert space.book.text == text
    assert space.book.member(STRANGER)
    with pytest.raises(NotMemberError):
        space.book.member(COMPANY)


FOUNDED = datetime(2026, 1, 1, tzinfo=UTC)


def founded_list(space, *dids, founded=FOUNDED):
    return sign_members(KEYS[AUTHORITY], replace(members_at(space.clock.now(), *dids), founded=founded))


async def test_a_space_that_was_founded_anew_with_the_same_key_is_noticed_and_still_after_a_restart(space):
    for founded in (FOUNDED, FOUNDED, FOUNDED + timedelta(days=90)):
        assert space.book.before is None
        space.clock.advance(1)
        await space.book.install(founded_list(space, COMPANY, founded=founded))
    again = space.new_book()
    await again.load()
    for book in (space.book, again):
        assert (book.before.founded, book.current.founded) == (FOUNDED, FOUNDED + timedelta(days=90))
    space.clock.advance(1)
    await space.book.install(founded_list(space, COMPANY, founded=FOUNDED + timedelta(days=99)))
    assert space.book.before.founded == FOUNDED + timedelta(days=90)


async def test_a_list_that_does_not_say_when_the_space_was_founded_says_nothing_of_it(space):
    for founded in (FOUNDED, None, FOUNDED):
        space.clock.advance(1)
        await space.book.install(founded_list(space, COMPANY, founded=founded))
        assert space.book.before is None


class Overtaken:
    """A database whose first unit of work is kept at once, and whose caller hears of it once `heard` is set."""

    def __init__(self, database):
        self._database, self.kept, self.heard = database, asyncio.Event(), asyncio.Event()

    async def write(self, work):
        first, done = not self.kept.is_set(), await self._database.write(work)
        self.kept.set()
        if first:
            await self.heard.wait()
        return done

    def __getattr__(self, name):
        return getattr(self._database, name)


async def test_of_two_lists_that_come_at_once_the_newer_one_stays(space):
    space.clock.advance(1)
    older = list_at(space.clock.now(), COMPANY)
    space.clock.advance(1)
    newer = list_at(space.clock.now(), STRANGER)
    space.book._database = overtaken = Overtaken(space.database)
    first = asyncio.create_task(space.book.install(older))
    await overtaken.kept.wait()
    await space.book.install(newer)
    overtaken.heard.set()
    await first
    assert space.book.text == newer
    assert space.book.member(STRANGER)


async def test_a_list_of_another_authority_is_refused_though_its_key_is_the_same(space):
    now = space.clock.now() + timedelta(seconds=1)
    text = sign_members(KEYS[AUTHORITY], MemberList(STRANGER, now, now + timedelta(days=1), ()))
    with pytest.raises(MembersIssuerError):
        await space.book.install(text)


async def test_an_authority_that_is_down_is_said(space):
    class Down:
        async def members(self):
            raise MembersSourceError(reason="no connection")

    book = service.MembersBook(AUTHORITY, KEYS[AUTHORITY].public_key, Down(), space.database, space.clock)
    await book.load()
    with pytest.raises(MembersSourceError):
        await book.refresh()
    assert book.member(COMPANY)
