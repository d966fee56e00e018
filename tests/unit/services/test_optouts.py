"""Opt-outs at an authority: what the registry says to two hospitals, what a hospital believes, and until when."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.memory import MemoryDatabase, SeededRandomness
from medspace.app.features.optouts.kinds import KINDS
from medspace.app.features.permits.kinds import KINDS as PERMIT_KINDS
from medspace.connector.usage.service import ALL_BRAKES
from medspace.core.credentials import Proved
from medspace.core.errors import MedspaceError
from medspace.ledger import kinds
from medspace.ledger.model import decode
from medspace.services.optouts import following, pseudonyms, registry
from medspace.services.optouts.errors import OptOutPersonError
from medspace.services.optouts.model import FOLLOWED
from medspace.services.permits import service as permits
from medspace.services.permits.conditions import PermitCondition
from medspace.services.permits.model import OPT_OUTS
from medspace.trust.envelope import EnvelopeKey
from tests.unit.connector.uses import ASSET, HOLDER, NOW, PURPOSE, House, call
from tests.unit.services.optouts import AUTHORITY, OTHER, Authority, Hospital

kinds.learn((*KINDS, *PERMIT_KINDS))  # as whoever loads the features does
DAY = timedelta(days=1)
PERSONS = {f"row-{number}": f"id {number}" for number in range(20)}


@pytest.fixture
async def authority():
    made = Authority()
    await made.out("id 3", "id 4", "id 99")
    return made


@pytest.fixture
async def hospital(authority):
    return await Hospital(authority).begin(PERSONS)


async def code(call):
    with pytest.raises(MedspaceError) as caught:
        await call
    return caught.value.code


async def test_a_hospital_is_told_which_of_its_own_patients_opted_out(hospital):
    found = await hospital.refresh()
    assert (found.out, found.version, found.persons) == (2, 3, 20)
    kept = await hospital.permits()
    assert kept.listed == ("row-3", "row-4")
    assert set(kept.asked) == set(PERSONS)


async def test_two_hospitals_are_told_of_one_person_in_words_that_have_nothing_in_common(authority, hospital):
    other = await Hospital(authority, OTHER).begin(PERSONS)
    first, second = await hospital.refresh(), await other.refresh()
    assert first.out == second.out == 2
    assert set(hospital.heard).isdisjoint(other.heard)
    assert set(hospital.said).isdisjoint(other.said)


async def test_what_was_opted_out_of_is_said_by_the_next_version_and_nothing_is_said_twice(authority, hospital):
    await hospital.refresh()
    assert await authority.out("ID-3") == 0  # the same person, spelled otherwise
    assert await authority.out("id 5") == 1
    assert await authority.back("id 3", "id 7") == 1
    await hospital.refresh()
    assert (await hospital.permits()).listed == ("row-4", "row-5")
    said = [entry.kind for entry in await authority.log()]
    assert said.count("optouts.changed") == 3
    assert not any("id" in str(value) for entry in await authority.log() for value in (entry.facts.get("person"),))


async def test_one_person_may_have_several_rows(authority):
    hospital = await Hospital(authority).begin({"a": "id 3", "b": "ID/3", "c": "id 8"})
    assert (await hospital.refresh()).persons == 2
    assert (await hospital.permits()).listed == ("a", "b")


async def test_persons_are_added_to_those_before_and_an_earlier_answer_counts_until_it_is_asked(
    hospital, monkeypatch
):
    await hospital.refresh()
    assert (await hospital.name({"row-3b": "ID3", "row-99": "id 99"}, add=True)).persons == 21
    assert len((await hospital.permits()).asked) == 20
    await hospital.refresh()
    assert (await hospital.permits()).listed == ("row-3", "row-3b", "row-4", "row-99")
    assert await code(hospital.name({"a": "id 1"}, add=True, column="other")) == "optouts.not_followed"
    monkeypatch.setattr(following, "MOST_OF_DATASET", 22)
    assert await code(hospital.name({"row-100": "id 100"}, add=True)) == "optouts.persons"


@pytest.mark.parametrize(
    "flaw", ["signer", "hospital", "question", "older", "expired", "later", "stranger", "kind", "nothing"]
)
async def test_an_answer_that_does_not_hold_changes_nothing(authority, hospital, flaw):
    await hospital.refresh()
    before = await hospital.permits()
    await authority.out("id 5")
    hospital.flaw = flaw
    assert await code(hospital.refresh()) == "optouts.answer"
    assert await hospital.permits() == before


async def test_a_hospital_asks_about_as_many_persons_as_it_may(authority, hospital):
    await authority.allow(hospital.did, 25)
    for _ in range(3):
        await hospital.refresh()  # about the same persons, again and again
    more = PERSONS | {f"row-{number}": f"id {number}" for number in range(20, 26)}
    await hospital.name(more)
    assert await code(hospital.refresh()) == "optouts.too_many"
    await hospital.name(dict(list(more.items())[:25]))
    assert (await hospital.refresh()).persons == 25


async def test_the_key_of_a_hospital_is_for_it_alone(authority):
    hospital, other = Hospital(authority), Hospital(authority, OTHER)
    mine = EnvelopeKey.generate(SeededRandomness(5))
    text = authority.key_for(hospital.did, mine.public)
    key = following.read_key(text, AUTHORITY, hospital.did, authority.public, mine)
    assert key == pseudonyms.hospital_key(authority.sealer, hospital.did)
    assert key != pseudonyms.hospital_key(authority.sealer, other.did)
    thief = EnvelopeKey.generate(SeededRandomness(6))
    for did, seen_by, opened in ((OTHER, authority.public, mine), (hospital.did, b"k" * 32, mine)):
        with pytest.raises(MedspaceError):
            following.read_key(text, AUTHORITY, did, seen_by, opened)
    with pytest.raises(MedspaceError):
        following.read_key(text, AUTHORITY, hospital.did, authority.public, thief)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"pseudonyms": []}',
        b'{"pseudonyms": ["id 3"]}',
        b'{"pseudonyms": ["' + b"a" * 43 + b'"], "x": 1}',
    ],
)
def test_what_is_no_question(content):
    with pytest.raises(MedspaceError) as caught:
        registry.read_question(content)
    assert caught.value.code == "optouts.question"
    with pytest.raises(MedspaceError):
        registry.read_wish(content)


@given(st.text(max_size=80))
def test_an_identifier_has_one_spelling(text):
    try:
        found = pseudonyms.normal(text)
    except OptOutPersonError:
        return
    assert pseudonyms.normal(found) == found
    assert pseudonyms.normal(f" {text}- ") == found


def test_identifiers_are_spelled_alike():
    assert {pseudonyms.normal(one) for one in ("ab 12-3", "AB123", "ａｂ１２３", "a.b/1 2 3")} == {"AB123"}


# --- what it means for permits ---------------------------------------------------------------------------------


def proved(**more):
    claims = {"datasets": (f"{HOLDER}#{ASSET}",), "purposes": (PURPOSE,)} | more
    return Proved("DataPermit", AUTHORITY, tuple(sorted(claims.items())), NOW - DAY, NOW + 100 * DAY)


class Permitting(House):
    """A holder whose rows pass by permit."""

    def __init__(self, **more):
        super().__init__(
            brakes=replace(ALL_BRAKES, changes=False, exposure=False), more=[PermitCondition], route="permit"
        )
        self.permit = proved(**more)

    def facts(self, tx, did):
        return replace(super().facts(tx, did), credentials=(self.permit,))

    async def ask(self, job):
        token = await self.start(job)
        try:
            await self.control.step(call(token, job))
        except MedspaceError as error:
            return error.facts["decision"]
        (scope,) = self.source.opened[-1].scope
        assert scope.column == "person"
        return {int(one) for one in map(str, range(50)) if (one in scope.values) is scope.within}

    async def say(self, work, *parts):
        await self.database.write(lambda tx: work(tx, HOLDER, *parts, self.clock.now(), ""))


def answered(asked, listed, until):
    return permits.Followed(ASSET, "person", tuple(map(str, asked)), tuple(map(str, listed)), until)


async def test_rows_of_who_opted_out_or_was_not_asked_about_stay_out_until_the_answer_expires():
    house = Permitting()
    await house.agree()
    await house.say(permits.follow, answered(range(40), (1, 2), "2026-11-26T12:00:00.000Z"))
    assert await house.ask("urn:job:1") == set(range(40)) - {1, 2}
    await house.say(permits.opt_out, ASSET, "person", ("3",))
    assert await house.ask("urn:job:2") == set(range(40)) - {1, 2, 3}
    house.clock.advance(3 * 86_400.0 + 1)
    assert await house.ask("urn:job:3") == "permit.opt_outs_stale"
    await house.say(permits.follow, answered(range(40), (1,), "2026-12-26T12:00:00.000Z"))
    assert await house.ask("urn:job:4") == set(range(40)) - {1, 3}
    await house.say(permits.unfollow, ASSET)
    assert await house.ask("urn:job:5") == set(range(50)) - {3}


async def test_without_anything_named_by_hand_a_dataset_that_follows_no_longer_is_closed():
    house = Permitting()
    await house.agree()
    await house.say(permits.follow, answered(range(40), (), "2026-12-26T12:00:00.000Z"))
    await house.say(permits.unfollow, ASSET)
    assert await house.ask("urn:job:1") == "permit.opt_outs_unsaid"


async def test_opt_outs_by_another_column_are_refused():
    house = Permitting()
    await house.say(permits.opt_out, ASSET, "sex", ("f",))
    assert await code(house.say(permits.follow, answered((1,), (), ""))) == "permits.opt_outs"
    assert (await house.database.read(lambda tx: tx.get(OPT_OUTS, ASSET))).asked is None
    await house.say(permits.opt_out, ASSET, "person", ())
    await house.say(permits.follow, answered((1,), (), ""))
    assert await code(house.say(permits.opt_out, ASSET, "sex", ("f",))) == "permits.opt_outs"


async def test_who_stops_to_follow_and_what_is_not_followed(hospital):
    await hospital.refresh()
    await hospital.stop()
    assert await hospital.permits() is None
    assert await hospital.database.read(lambda tx: tx.get(FOLLOWED, ASSET)) is None
    assert await code(hospital.refresh()) == "optouts.not_followed"
    assert [decode(one).kind for one in await hospital.entries()][-1] == "permit.opt_outs"


@pytest.mark.parametrize("persons", [{}, {"a": " - "}, {"a": "x" * 65}])
async def test_persons_that_cannot_be_used(authority, persons):
    with pytest.raises(OptOutPersonError):
        following.named(b"k" * 32, persons)
    with pytest.raises(OptOutPersonError):
        await authority.out(*(["1"] * (registry.MOST_PERSONS + 1)))
    assert isinstance(authority.database, MemoryDatabase)
