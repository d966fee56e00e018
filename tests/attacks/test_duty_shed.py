"""A user who owes what is overdue asks for another agreement, or has one take the place of the one that it broke."""

from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.app.features.duties.kinds import KINDS
from medspace.connector.duties import service
from medspace.connector.duties.conditions import DutyCondition
from medspace.connector.duties.model import DUTIES, OwedState
from medspace.connector.model import AGREEMENTS, TransferState
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.connector.usage import ended
from medspace.core.hashing import digest
from medspace.ledger import kinds
from medspace.policy.odrl import REPLACES
from medspace.trust.model import Facts
from tests.attacks.test_review_count import ASSET as OFFERED
from tests.attacks.test_review_count import offer, offered
from tests.attacks.test_used_up import state
from tests.unit.connector.parties import Network, Party, settle
from tests.unit.connector.uses import HOLDER, KIND, NOW, USER, House, transfer_of

kinds.learn(KINDS)  # as whoever loads the features does

OPEN, LATER = offer(0), offer(0, "2028-01-01T00:00:00Z", "2")


async def broken(house, agreement):
    """A use under an agreement whose duty was not kept."""
    transfer = replace(transfer_of("urn:job:1", agreement, KIND), state=TransferState.COMPLETED)

    def unit(tx):
        service.begin(tx, HOLDER, transfer, tx.get(AGREEMENTS, agreement), NOW)
        return service.overdue(tx, HOLDER, NOW + timedelta(days=31))

    (duty,) = await house.database.write(unit)
    return duty


async def amended(house, name, before):
    """An agreement on the terms of the house that takes the place of one before."""
    await house.agree(name=name)

    def unit(tx):
        made = tx.get(AGREEMENTS, f"urn:agreement:{name}")
        policy = made.policy | {REPLACES: before}
        tx.replace(AGREEMENTS, made, replace(made, policy=policy, digest=digest(policy)))

    await house.database.write(unit)
    return f"urn:agreement:{name}"


async def violated(house, agreement):
    condition = DutyCondition(house.grounds)
    return await house.database.read(lambda tx: condition.violated(tx, tx.get(AGREEMENTS, agreement), USER))


async def test_what_is_overdue_stays_so_under_the_agreements_that_take_its_place(attack_report):
    house = House(delete_within=30)
    first = await house.agree()
    duty = await broken(house, first)
    second = await amended(house, "2", first)
    third = await amended(house, "3", second)
    assert await violated(house, second) == await violated(house, third) == {duty.clause}
    attack_report("duty shed: overdue and forgotten by an amendment", got=0, of=2, unit="agreements")
    await house.database.write(lambda tx: service.waive(tx, HOLDER, duty.id, NOW, ""))
    assert await violated(house, third) == frozenset()


async def test_agreements_that_name_each_other_are_looked_at_once():
    house = House(delete_within=30)
    await broken(house, await house.agree())
    await amended(house, "2", "urn:agreement:3")
    assert await violated(house, await amended(house, "3", "urn:agreement:2")) == frozenset()
    assert await violated(house, await amended(house, "4", "urn:none")) == frozenset()


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("amends", [False, True])
async def test_a_person_decides_on_the_next_agreement(amends, forgetful, attack_report):
    network = Network()
    holder, user = Party("clinic", network), Party("company", network)
    for party in (holder, user):
        more = {} if forgetful else {"owing": service.broken_by}
        party.strategy = PolicyStrategy(
            party.local, lambda _tx, did: Facts(did, "DE"), Answering.AUTOMATIC, closed=ended.is_ended, **more
        )
        party.build()
        party.start()
    await offered(holder, OPEN, LATER)
    begun = await user.negotiations.request_negotiation(holder.did, holder.address, OPEN, OFFERED)
    first = (await state(user, begun.id, "FINALIZED")).agreement_id
    house = House(delete_within=30)
    duty = await broken(house, await house.agree())
    owed = replace(duty, agreement=first, counterparty=user.did, dataset=OFFERED)
    assert owed.state is OwedState.BROKEN
    await holder.database.write(lambda tx: tx.insert(DUTIES, owed))
    more = {"replaces": first} if amends else {}
    begun = await user.negotiations.request_negotiation(holder.did, holder.address, LATER, OFFERED, **more)
    await settle(user.clock, 400)
    done = (await user.negotiation(begun.id)).state == "FINALIZED"
    await holder.stop()
    await user.stop()
    assert done is forgetful
    name = f"duty shed: agreed to a user who owes, {'in place of the one before' if amends else 'beside it'}"
    attack_report(name, **{"control" if forgetful else "got": int(done)}, of=1, unit="agreements")
