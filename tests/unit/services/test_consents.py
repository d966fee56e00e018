"""Consents at the holder: whom a use counts, what a withdrawal ends, what replay finds."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.calls import Visit
from medspace.connector.usage.model import Job
from medspace.core.errors import MedspaceError
from medspace.core.usage import Step
from medspace.policy.consent.model import seconds
from medspace.policy.model import UseRequest
from medspace.services.consents import commitments, recording
from medspace.services.consents.conditions import ConsentCondition
from medspace.services.consents.model import ElementCodes
from medspace.services.consents.recording import RecordedAs
from tests.unit.connector.uses import KIND, NOW, PURPOSE
from tests.unit.services.consents import Clinic, document, task

PATIENCE = 30  # seconds


async def test_a_use_counts_those_who_consent_and_nobody_else():
    house = await Clinic().ready()
    await house.say(document(3, "deny", identity="other"))
    token = await house.start()
    released = await house.ask(token)
    assert released.kind == "count.sum"
    assert house.counted() == set(range(40)) - {3}


async def test_without_terms_or_with_no_consent_nothing_is_opened():
    house = Clinic()
    await house.agree()
    token = await house.start()
    assert await house.ask(token) == "consent.no_terms"
    await house.open()
    assert await house.ask(token) == "consent.nobody"
    assert house.source.opened == []


async def test_newcomers_count_from_the_next_edition_on_and_withdrawals_at_once():
    house = await Clinic().ready(range(30))
    await house.say(*(document(one) for one in range(30, 35)))
    await house.withdraw(0)
    token = await house.start()
    await house.ask(token)
    assert house.counted() == set(range(1, 30))
    assert (await house.renew()).edition == 1  # six patients are too few: one could be told apart
    await house.say(*(document(one) for one in range(35, 40)))
    again = await house.renew()
    assert (again.edition, again.counts[PURPOSE]) == (2, 30)  # 39, rounded down
    await house.start("urn:job:2")
    await house.ask(await house.start("urn:job:3"), "urn:job:3", task=task(3))
    assert house.counted() == set(range(1, 40))


async def test_a_withdrawal_ends_at_its_next_step_what_counts_her_and_says_only_that_rows_changed():
    house = await Clinic().ready()
    ended = []
    house.end = lambda use, decision: ended.append((use, decision.code))
    house.build()
    token, other = await house.start(), await house.start("urn:job:2")
    await house.ask(token)
    await house.withdraw(7)
    assert await house.ask(token, name="mean") == "use.rows_changed"
    assert ended == [("urn:job:1", "use.rows_changed")]
    assert await house.ask(token) == "use.rows_changed"  # nor is the kept answer given out anew
    assert not isinstance(await house.ask(other, "urn:job:2"), str)
    assert house.counted() == set(range(40)) - {7}
    assert "7" not in str([one.facts for one in await house.log() if one.kind == "use.refused"])


async def test_an_answer_of_another_use_that_was_made_with_her_rows_is_not_given_out_anew():
    house = await Clinic().ready()
    await house.ask(await house.start())
    await house.withdraw(7)
    opened = len(house.source.opened)
    assert not isinstance(await house.ask(await house.start("urn:job:2"), "urn:job:2"), str)
    assert len(house.source.opened) > opened  # it is computed anew, without her


async def test_a_withdrawal_while_the_engine_works_withholds_the_answer():
    house = await Clinic().ready()
    token = await house.start()

    loop = asyncio.get_running_loop()
    house.engine.before = lambda: asyncio.run_coroutine_threadsafe(house.withdraw(7), loop).result(PATIENCE)
    assert await house.ask(token) == "use.withheld"
    assert "use.released" not in await house.kinds()


async def test_what_runs_is_cut_off_in_one_transaction():
    house = await Clinic().ready()
    token = await house.start()
    await house.ask(token)
    assert await house.database.read(lambda tx: house.control.lasts(tx, "urn:job:1").permitted)
    await house.withdraw(7)
    decision = await house.database.read(lambda tx: house.control.lasts(tx, "urn:job:1"))
    assert decision.code == "use.rows_changed"


async def test_a_consent_that_ends_inside_a_run_ends_it():
    house = Clinic()
    await house.agree()
    soon = (NOW + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    await house.say(*(document(one) for one in range(30)), document(31, period={"end": soon}))
    await house.open()
    token = await house.start()
    await house.ask(token)
    assert 31 in house.counted()
    house.clock.advance(6 * 60.0)
    assert await house.ask(token, name="mean") == "use.rows_changed"


async def test_a_restart_forgets_nothing():
    house = await Clinic().ready()
    token = await house.start()
    await house.ask(token)
    await house.withdraw(7)
    house.build()  # a new process on the same database
    assert await house.ask(token, name="mean") == "use.rows_changed"


async def test_an_old_consent_that_is_shown_again_changes_nothing_and_numbers_only_grow():
    house = await Clinic().ready()
    await house.withdraw(7)
    assert await house.say(document(7)) == [RecordedAs.OLD]
    token = await house.start()
    await house.ask(token)
    assert 7 not in house.counted()
    assert await house.say(document(7, version=3)) == [RecordedAs.NEW]
    with pytest.raises(MedspaceError) as caught:
        await house.say(document(7, "deny", version=3))  # another text under the same number
    assert caught.value.code == "consent.version"


async def test_a_guardians_consent_ends_when_the_child_is_of_age_and_counts_only_if_that_is_known():
    house = Clinic()
    await house.agree()
    mother = {"grantor": [{"reference": "RelatedPerson/mother"}]}
    await house.say(*(document(one) for one in range(20)), *(document(one, **mother) for one in (20, 21, 22)))

    def known(tx):
        recording.describe(tx, house.office(), "21", adult="2030-01-01")
        recording.describe(tx, house.office(), "22", adult="2026-01-01")

    await house.database.write(known)
    await house.open()
    await house.ask(await house.start())
    assert house.counted() == {*range(20), 21}  # of 20 nobody knows; 22 has to say so herself
    await house.say(document(22, version=2))
    await house.open()
    await house.ask(await house.start("urn:job:2"), "urn:job:2", task=task(2))
    assert house.counted() == {*range(20), 21, 22}


async def test_the_dead_are_out_unless_their_consent_outlives_them():
    house = await Clinic().ready()
    await house.database.write(lambda tx: recording.describe(tx, house.office(), "5", died="2026-10-01"))
    await house.ask(await house.start())
    assert house.counted() == set(range(40)) - {5}
    await house.open(after_death=True)
    await house.ask(await house.start("urn:job:2"), "urn:job:2", task=task(2))
    assert house.counted() == set(range(40))


async def test_a_denied_kind_of_data_keeps_her_out_of_what_looks_at_it_and_of_nothing_else():
    house = Clinic()
    sensitive = {"code": [{"coding": [{"system": "x", "code": "psy"}]}]}
    await house.agree()
    await house.say(*(document(one) for one in range(20)), document(20, provision=[sensitive]))

    await house.open(whole=ElementCodes(codes=("x|heart",)), columns={"sum": ElementCodes(codes=("x|psy",))})
    looked = {"at": frozenset({"sex"})}
    house.grounds = replace(house.grounds, looked_at=lambda _kind, _step: looked["at"])

    condition = ConsentCondition(house.grounds)

    async def reached(columns):
        looked["at"] = columns

        def look(tx):
            made = tx.get(AGREEMENTS, "urn:agreement:1")
            job = Job("urn:job:9", made.id, made.consumer, "hearts", KIND, 1, open=True)
            asked = UseRequest(KIND, made.consumer, PURPOSE, time=NOW)
            return condition.admit(tx, Visit(job, made, Step({}, 1, "sum"), "", asked, NOW))[1].scope[0].values

        return await house.database.read(look)

    assert "20" in await reached(frozenset({"sex"}))
    assert "20" not in await reached(frozenset({"sex", "sum"}))
    assert "20" not in await reached(None)


async def test_replay_finds_every_planted_use_and_nothing_else():
    """Uses of a connector without the condition, with honest commitments, among those of one with it."""
    chance, house = random.Random(5), Clinic()
    await house.ready()
    planted = set()
    for number in range(40):
        if chance.random() < 0.5:
            await house.withdraw(chance.randrange(40))
        else:
            patient = chance.randrange(40)
            await house.say(document(patient, version=1_000 + number))
        wrong = chance.random() < 0.3
        house.grounds = house.grounds
        house.brakes = replace(house.brakes, consent=not wrong)
        house.build()
        job = f"urn:job:{number}"
        answer = await house.ask(await house.start(job), job, task=task(number))
        if wrong and not isinstance(answer, str) and await _out(house):
            planted.add(job)
    found, examined = await house.replay()
    assert examined >= 20
    assert len(planted) >= 3
    assert {one.use for one in found} == planted
    assert {one.why for one in found} == {"outside"}


async def _out(house):
    """Whether the last admission counted somebody who had not consented."""
    house.brakes = replace(house.brakes, consent=True)
    house.build()
    counted = house.counted()
    job = f"urn:probe:{len(house.source.opened)}"
    await house.ask(await house.start(job), job, task=task(job))
    return not counted <= house.counted()


async def test_a_use_that_states_nobody_or_something_else_is_found():
    house = await Clinic().ready()
    house.more = []
    house.build()
    token = await house.start()
    answer = await house.ask(token)
    assert isinstance(answer, str)  # without a condition that keeps the route, terms are not met
    found, _ = await house.replay()
    assert found == []


def salts(count):
    return [bytes([number]) * 32 for number in range(1, count + 1)]


@settings(max_examples=30)
@given(st.sets(st.integers(1, 60), max_size=40), st.integers(1, 60))
def test_commitments_prove_in_and_out(members, wanted):
    known = salts(60)
    leaves = commitments.filled((commitments.leaf(known[one - 1], "use") for one in members), b"s" * 32, "use")
    assert len(leaves) % 10 == 0
    mine = commitments.leaf(known[wanted - 1], "use")
    proof = commitments.prove(leaves, mine)
    stated = commitments.root(leaves)
    assert proof.included is (wanted in members)
    assert commitments.holds(proof, known[wanted - 1], "use", len(leaves), stated)
    assert not commitments.holds(
        replace(proof, included=not proof.included), known[wanted - 1], "use", len(leaves), stated
    )
    assert not commitments.holds(proof, known[wanted - 1], "use", len(leaves), commitments.root(leaves[:-1]))
    assert not commitments.holds(replace(proof, leaves=()), known[wanted - 1], "use", len(leaves), stated)


def test_trees_of_two_uses_share_nothing():
    known = salts(40)
    one, two = ({commitments.leaf(salt, use) for salt in known} for use in ("a", "b"))
    assert one.isdisjoint(two)


async def test_an_edition_count_watched_while_one_patient_withdraws_stays_the_same():
    house = await Clinic().ready()
    before = (await house.renew()).counts
    for patient in range(9):
        await house.withdraw(patient)
        assert (await house.renew()).counts == before
    await house.withdraw(9)
    assert (await house.renew()).counts == {PURPOSE: 30}


def test_seconds_are_those_of_utc():
    assert seconds(NOW) == 1795435200
