"""A bounded number of uses is not renewed by asking again; who has used it up can ask, and a person decides."""

from dataclasses import dataclass

import pytest

from medspace.connector.model import AGREEMENTS
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.connector.usage.model import JOBS, Job
from medspace.connector.usage.spent import spent
from medspace.trust.model import Facts
from tests.attacks.test_review_count import ASSET, offer, offered
from tests.unit.connector.parties import Network, Party, settle, until

TWICE = offer(2)


@dataclass(frozen=True, slots=True)
class Renewing(PolicyStrategy):
    """The control: used-up terms are agreed to once more without a person."""

    def _used_up(self, tx, negotiation, terms):
        return False


async def space(strategy=PolicyStrategy):
    network = Network()
    holder, user = Party("clinic", network), Party("company", network)
    for party in (holder, user):
        party.strategy = strategy(party.local, lambda tx, did: Facts(did, "DE"), Answering.AUTOMATIC, spent)
        party.build()
        party.start()
    await offered(holder, TWICE)
    return holder, user


async def ask(holder, user):
    return (await user.negotiations.request_negotiation(holder.did, holder.address, TWICE, ASSET)).id


async def state(user, pid, *wanted):
    async def reached():
        return (await user.negotiation(pid)).state in wanted

    await until(user.clock, reached)
    return await user.negotiation(pid)


async def use(holder, number):
    """The holder has counted so many uses of its one agreement."""

    def unit(tx):
        (agreement,) = tx.find(AGREEMENTS, limit=2)
        name = f"urn:use:{number}"
        job = Job(name, agreement.id, agreement.consumer, ASSET, "medspace:train", 1, open=False, number=number)
        tx.insert(JOBS, job)

    await holder.database.write(unit)


@pytest.mark.parametrize("strategy", [PolicyStrategy, Renewing])
async def test_used_up_terms_are_renewed_by_a_person_only(strategy, attack_report):
    holder, user = await space(strategy)
    assert (await state(user, await ask(holder, user), "FINALIZED")).failure is None
    await use(holder, 1)
    early = await state(user, await ask(holder, user), "TERMINATED")
    assert early.failure.code == "negotiation.in_force"
    await use(holder, 2)
    again = await ask(holder, user)
    renewed = (await state(user, again, "FINALIZED" if strategy is Renewing else "REQUESTED")).state == "FINALIZED"
    if strategy is not Renewing:
        await settle(user.clock, 400)
        renewed = (await user.negotiation(again)).state == "FINALIZED"
    number = {"control" if strategy is Renewing else "got": renewed}
    attack_report("used up: agreements renewed without a person", **number, of=1, unit="agreements")
    if strategy is not Renewing:
        asked = await user.negotiation(again)
        assert (asked.state, asked.failure) == ("REQUESTED", None)
        await holder.negotiations.approve(asked.peer_pid)
        assert (await state(user, again, "FINALIZED")).agreement_id != early.agreement_id
    await holder.stop()
    await user.stop()


async def test_once_renewed_it_is_in_force_again():
    holder, user = await space()
    await state(user, await ask(holder, user), "FINALIZED")
    await use(holder, 2)
    waiting = [await ask(holder, user) for _ in range(2)]
    for pid in waiting:
        await state(user, pid, "REQUESTED")
    await holder.negotiations.approve((await user.negotiation(waiting[0])).peer_pid)
    await state(user, waiting[0], "FINALIZED")
    third = await state(user, await ask(holder, user), "TERMINATED")
    assert third.failure.code == "negotiation.in_force"
    await holder.stop()
    await user.stop()
