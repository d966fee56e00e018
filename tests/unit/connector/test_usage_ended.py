"""Agreements that their holder ends: kept once, told with a reason, and looked at before anything happens."""

import asyncio
from dataclasses import replace

import pytest

from medspace.connector.errors import UnknownAgreementError, UseRefusedError
from medspace.connector.local import Local
from medspace.connector.model import AGREEMENTS, TRANSFERS, TransferState
from medspace.connector.usage import ended
from medspace.connector.usage.errors import NotAdmittedError, UnknownCauseError, WithheldError
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text
from tests.unit.connector.uses import ASSET, HOLDER, KIND, USER, House, admitted_house, call, transfer_of

AGREEMENT = "urn:agreement:1"


def local_of(house, did=HOLDER):
    return Local(did, "https://clinic.example/dsp", house.clock, house.randomness)


async def end(house, reason="", did=HOLDER, agreement=AGREEMENT, cause=""):
    local = local_of(house, did)
    return await house.database.write(lambda tx: ended.end(tx, local, agreement, reason, cause=cause))


async def test_it_is_ended_once_and_noted_without_its_reason():
    house = House()
    await house.agree()
    first = await end(house, "Because.")
    house.clock.advance(5)
    assert await end(house, "Again.") == first
    (entry,) = (entry for entry in await house.log() if entry.kind == "agreement.ended")
    assert entry.facts == {"agreement": AGREEMENT, "counterparty": USER, "asset": ASSET}


async def test_only_what_is_ones_own_can_be_ended():
    house = House()
    await house.agree()
    with pytest.raises(UnknownAgreementError):
        await end(house, agreement="urn:none")
    with pytest.raises(UnknownAgreementError):
        await end(house, did="did:web:else.example")
    with pytest.raises(UnknownCauseError):
        await end(house, cause="mood")


async def test_its_user_ends_it_too_and_that_needs_no_person_next_time():
    house = House()
    await house.agree()
    local = local_of(house)
    made = await house.database.write(
        lambda tx: ended.end(tx, local, AGREEMENT, "Enough.", cause="no-need", ender=USER)
    )
    assert (made.ender, made.cause) == (USER, "no-need")
    decision, asks = await house.database.read(
        lambda tx: (ended.decide(tx, tx.get(AGREEMENTS, AGREEMENT)), ended.ended_with(tx, USER, ASSET))
    )
    assert str(decision.premises[0].held) == ("Its user has ended it: The data are not needed any more. Enough.")
    assert (decision.code, asks) == ("agreement.ended", False)
    (entry,) = (entry for entry in await house.log() if entry.kind == "agreement.ended")
    assert entry.facts == {
        "agreement": AGREEMENT, "counterparty": USER, "asset": ASSET, "cause": "no-need", "ender": USER
    }  # fmt: skip


async def test_its_successor_ends_it_and_is_named():
    house = House()
    await house.agree()

    def unit(tx):
        made = tx.get(AGREEMENTS, AGREEMENT)
        other = replace(made, id="urn:agreement:2", policy=made.policy | {"dct:replaces": AGREEMENT})
        ended.supersede(tx, local_of(house), replace(other, dataset="urn:else"))
        assert not ended.is_ended(tx, made)  # it is on another dataset
        ended.supersede(tx, local_of(house), other)
        ended.supersede(tx, local_of(house), other)
        return ended.decide(tx, made), ended.ended_with(tx, USER, ASSET)

    decision, asks = await house.database.write(unit)
    assert str(decision.premises[0].held) == "Another one took its place: urn:agreement:2"
    assert str(decision.premises[0].remedy) == "Use the agreement urn:agreement:2."
    assert not asks


async def test_who_decides_on_the_next_one_knows_of_it():
    house = House(count=1)
    await house.agree()

    def look(tx):
        made = tx.get(AGREEMENTS, AGREEMENT)
        return ended.over(tx, made, house.clock.now()), ended.ended_with(tx, USER, ASSET), ended.decide(tx, made)

    over, before, decision = await house.database.read(look)
    assert (over, before, decision.permitted, ended.for_good(decision)) == (False, False, True, False)
    await end(house)
    over, before, decision = await house.database.read(look)
    assert (over, before, decision.code, ended.for_good(decision)) == (True, True, "agreement.ended", True)
    assert "{" not in str(decision.premises[0].held)


async def test_the_open_uses_of_others_are_found_however_many(monkeypatch):
    monkeypatch.setattr(ended, "_PAGE", 1)
    house = House()
    states = (TransferState.STARTED, TransferState.STARTED, TransferState.REQUESTED, TransferState.COMPLETED)

    def keep(tx):
        for number, state in enumerate(states):
            made = replace(transfer_of(f"urn:job:{number}", AGREEMENT, KIND), state=state, peer_pid=f"urn:p:{number}")
            tx.insert(TRANSFERS, made)

    await house.database.write(keep)
    found = await house.database.read(lambda tx: ended.open_uses(tx, AGREEMENT))
    assert {use.id for use in found} == {"urn:job:0", "urn:job:1", "urn:job:2"}


async def test_a_use_cannot_begin_under_it():
    house, _ = await admitted_house()
    await end(house, "Because.")
    wanted = transfer_of("urn:job:2", AGREEMENT, KIND)
    decision = await house.database.read(lambda tx: house.strategy.examine(tx, tx.get(AGREEMENTS, AGREEMENT), wanted))
    assert (decision.code, "Because." in str(decision.failures[0].held)) == ("agreement.ended", True)


async def test_its_next_step_is_refused_and_ends_the_use():
    house, token = await admitted_house()
    over = []
    house.end = lambda use, decision: over.append((use, decision.code))
    house.build()
    await end(house)
    with pytest.raises(NotAdmittedError) as refused:
        await house.control.step(call(token))
    assert (refused.value.facts["decision"], over) == ("agreement.ended", [("urn:job:1", "agreement.ended")])


async def test_what_was_worked_out_meanwhile_does_not_leave():
    house, token = await admitted_house()
    ending = []

    async def during():
        ending.append(await end(house))

    loop = asyncio.get_running_loop()
    house.engine.before = lambda: asyncio.run_coroutine_threadsafe(during(), loop).result(30)
    with pytest.raises(WithheldError):
        await house.control.step(call(token))
    kinds = await house.kinds()
    assert ending
    assert "use.released" not in kinds


@pytest.mark.parametrize(("clause", "told"), [("a.code", "(a.code)"), ("/permission/0", "(a.code, /permission/0)")])
def test_a_clause_that_is_called_as_its_code_is_said_once(clause, told):
    premise = Premise(clause, Text("Asked."), Text("Held."), satisfied=False)
    error = UseRefusedError(Decision(Verdict.DENY, "a.code", (premise,)))
    assert str(error.text) == f"The agreement does not allow this use {told}."
