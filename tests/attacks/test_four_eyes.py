"""Two persons must say yes: one person alone gets nothing past that, whatever they try."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from medspace.connector.errors import (
    CrossedError,
    MovedError,
    OfferError,
    OwnRequestError,
    SecondPersonError,
    TransitionError,
)
from medspace.connector.model import NEGOTIATIONS
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.trust.model import Facts
from tests.attacks.test_review_approval import ASSET, OFFER, Space
from tests.unit.connector.parties import settle

LI, WANG, ZHAO = (f"actor:{number * 32}" for number in "123")


def two_persons(party) -> None:
    party.strategy = PolicyStrategy(party.local, lambda tx, did: Facts(did, "DE"), Answering.TWO_PERSONS)
    party.build()


@pytest.fixture
async def space():
    made = Space()
    await made.holder.stop()
    two_persons(made.holder)
    made.holder.start()
    await made.publish()
    yield made
    await made.stop()


async def entries(party, kind):
    return [entry["facts"] for entry in await party.log() if entry["kind"] == kind]


async def test_two_persons_agree_and_both_stand_in_the_log(space):
    mine, pid = await space.ask()
    held = await space.holder.negotiations.approve(pid, by=LI)
    assert (held.state, held.approved_by, held.alone) == ("REQUESTED", (LI,), True)
    await settle(space.network.clock)
    assert await space.holder.kinds() == ["offer.published", "negotiation.requested", "negotiation.approved"]
    await space.holder.negotiations.approve(pid, by=WANG)
    await settle(space.network.clock)
    agreed = await space.holder.negotiation(pid)
    assert (agreed.state, agreed.approved_by, agreed.alone) == ("FINALIZED", (LI, WANG), False)
    assert [one["by"] for one in await entries(space.holder, "negotiation.approved")] == [LI]
    assert [one["by"] for one in await entries(space.holder, "negotiation.agreed")] == [WANG]
    assert "by" not in (await entries(space.holder, "negotiation.finalized"))[0]  # that the connector did by itself
    (agreement,) = await space.holder.negotiations.agreements()
    assert agreement.approved_by == (LI, WANG)
    assert (await space.company.negotiation(mine)).state == "FINALIZED"


async def test_nobody_counts_twice_and_nobody_counts_nameless(space):
    _, pid = await space.ask()
    await space.holder.negotiations.approve(pid, by=LI)
    for again in (LI, LI, ""):
        with pytest.raises(SecondPersonError):
            await space.holder.negotiations.approve(pid, by=again)
    await settle(space.network.clock)
    assert (await space.holder.negotiation(pid)).state == "REQUESTED"
    assert len(await entries(space.holder, "negotiation.approved")) == 1


async def test_nameless_twice_is_nobody(space):
    _, pid = await space.ask()
    for _ in range(2):
        with pytest.raises(SecondPersonError):
            await space.holder.negotiations.approve(pid)
    assert await entries(space.holder, "negotiation.approved") == []


async def test_one_person_is_enough_where_nothing_else_was_said():
    """The control."""
    made = Space()
    await made.publish()
    _, pid = await made.ask()
    await made.holder.negotiations.approve(pid, by=LI)
    await settle(made.network.clock)
    assert (await made.holder.negotiation(pid)).state == "FINALIZED"
    assert [one["by"] for one in await entries(made.holder, "negotiation.agreed")] == [LI]
    await made.stop()


async def test_one_no_ends_it_and_a_yes_after_it_changes_nothing(space):
    mine, pid = await space.ask()
    await space.holder.negotiations.approve(pid, by=LI)
    await space.holder.negotiations.reject(pid, "no", by=WANG)
    with pytest.raises((CrossedError, TransitionError)):
        await space.holder.negotiations.approve(pid, by=ZHAO)
    await settle(space.network.clock)
    assert (await space.holder.negotiation(pid)).state == "TERMINATED"
    assert [one["by"] for one in await entries(space.holder, "negotiation.terminated")] == [WANG]
    with pytest.raises(TransitionError):
        await space.holder.negotiations.approve(pid, by=ZHAO)
    assert (await space.company.negotiation(mine)).state == "TERMINATED"
    assert "negotiation.agreed" not in await space.holder.kinds()


async def test_a_first_yes_beside_a_no_under_way_is_not_kept(space):
    _, pid = await space.ask()
    await space.holder.negotiations.reject(pid, "no", by=WANG)
    with pytest.raises(CrossedError):
        await space.holder.negotiations.approve(pid, by=LI)
    assert await entries(space.holder, "negotiation.approved") == []


async def test_two_at_the_same_time_are_two(space):
    _, pid = await space.ask()
    await asyncio.gather(*(space.holder.negotiations.approve(pid, by=one) for one in (LI, WANG)))
    await settle(space.network.clock)
    assert (await space.holder.negotiation(pid)).state == "FINALIZED"
    assert len(await entries(space.holder, "negotiation.agreed")) == 1


async def test_the_same_person_twice_at_the_same_time_is_one(space):
    _, pid = await space.ask()
    done = await asyncio.gather(
        *(space.holder.negotiations.approve(pid, by=LI) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(one, SecondPersonError) for one in done) == 3
    await settle(space.network.clock)
    assert (await space.holder.negotiation(pid)).state == "REQUESTED"


async def test_yes_and_no_at_the_same_time_end_in_one_of_both(space):
    _, pid = await space.ask()
    await space.holder.negotiations.approve(pid, by=LI)
    await asyncio.gather(
        space.holder.negotiations.approve(pid, by=WANG),
        space.holder.negotiations.reject(pid, "no", by=ZHAO),
        return_exceptions=True,
    )
    await settle(space.network.clock)
    assert (await space.holder.negotiation(pid)).state == "TERMINATED"  # whoever wants out, gets out
    assert await entries(space.holder, "negotiation.agreed") == []


async def test_a_yes_to_terms_is_none_to_those_that_take_their_place(space):
    mine, pid = await space.ask()
    await space.holder.negotiations.approve(pid, by=LI)
    await space.holder.negotiations.offer(pid, OFFER, by=ZHAO)
    await settle(space.network.clock)
    accepted = await space.holder.negotiation(pid)
    assert (accepted.state, accepted.approved_by) == ("ACCEPTED", ())
    assert [one["by"] for one in await entries(space.holder, "negotiation.offered")] == [ZHAO]
    assert (await space.holder.negotiations.approve(pid, by=WANG)).approved_by == (WANG,)
    await space.holder.negotiations.approve(pid, by=LI)
    await settle(space.network.clock)
    assert (await space.company.negotiation(mine)).state == "FINALIZED"


async def test_a_restart_forgets_no_yes(space):
    _, pid = await space.ask()
    await space.holder.negotiations.approve(pid, by=LI)
    await space.holder.restart()
    with pytest.raises(SecondPersonError):
        await space.holder.negotiations.approve(pid, by=LI)
    await space.holder.negotiations.approve(pid, by=WANG)
    await settle(space.network.clock)
    assert (await space.holder.negotiation(pid)).state == "FINALIZED"


async def test_who_asked_on_the_same_connector_does_not_count(space):
    """A participant that negotiates with itself: both sides are records of one database."""
    begun = await space.holder.negotiations.request_negotiation(
        space.holder.did, space.holder.address, OFFER, ASSET, by=LI
    )
    await settle(space.network.clock)
    theirs = (await space.holder.negotiation(begun.id)).peer_pid
    with pytest.raises(OwnRequestError):
        await space.holder.negotiations.approve(theirs, by=LI)
    await space.holder.negotiations.approve(theirs, by=WANG)
    with pytest.raises(OwnRequestError):
        await space.holder.negotiations.approve(theirs, by=LI)
    await space.holder.negotiations.approve(theirs, by=ZHAO)
    await settle(space.network.clock)
    assert (await space.holder.negotiation(theirs)).approved_by == (WANG, ZHAO)


async def test_a_counterparty_takes_nobodys_yes_away_by_the_name_of_its_process(space):
    """It chooses its pid: one that is also one of ours makes nobody here the one who asked."""
    begun = await space.holder.negotiations.request_negotiation(
        space.company.did, space.company.address, OFFER, ASSET, by=LI
    )
    _, pid = await space.ask()
    await space.holder.database.write(lambda tx: _rename(tx, pid, begun.id))
    assert (await space.holder.negotiations.approve(pid, by=LI)).approved_by == (LI,)


def _rename(tx, pid, peer):
    old = tx.get(NEGOTIATIONS, pid)
    tx.replace(NEGOTIATIONS, old, replace(old, peer_pid=peer))


@pytest.mark.parametrize("brake", [True, False], ids=["on", "off"])
async def test_nobody_signs_terms_that_they_have_not_seen(brake):
    """The company asks for other terms while somebody still reads the first ones."""
    made = Space()
    await made.publish()
    _, pid = await made.ask()
    seen = await made.holder.negotiation(pid)

    def still(found):
        if brake and found.offer != seen.offer:
            raise MovedError

    other = {**seen.offer, "permission": [{"action": "use", "constraint": []}]}
    await made.holder.database.write(lambda tx: tx.replace(NEGOTIATIONS, seen, replace(seen, offer=other)))
    for decide in (
        made.holder.negotiations.approve(pid, by=LI, still=still),
        made.holder.negotiations.reject(pid, "no", by=LI, still=still),
    ):
        if brake:
            with pytest.raises(MovedError):
                await decide
        else:
            with suppress(OfferError, TransitionError, CrossedError):
                await decide
    await settle(made.network.clock)
    assert ((await made.holder.negotiation(pid)).state == "REQUESTED") is brake
    await made.stop()
