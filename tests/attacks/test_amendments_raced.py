"""Two amendments of one agreement race: only one may take its place, and both sides name the same one."""

import asyncio

import pytest

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.model import ENDED
from medspace.policy.odrl import REPLACES
from tests.attacks.test_agreement_replaced import LATER, OPEN, agreed, ask, kept, network, party
from tests.attacks.test_review_count import offer, offered
from tests.unit.connector.parties import settle

__all__ = ["network"]
LATEST = offer(0, "2029-01-01T00:00:00Z", "9")


async def after(one, agreement):
    """The agreements that name it as the one whose place they take, and that have not ended."""

    def look(tx):
        made = [each for each in tx.find(AGREEMENTS, limit=50) if each.policy.get(REPLACES) == agreement]
        return [each.id for each in made if tx.get(ENDED, each.id) is None]

    return await one.database.read(look)


@pytest.mark.parametrize("many", [2, 5])
async def test_only_one_of_several_takes_the_place(network, many, attack_report):
    holder, user = party(network, "clinic"), party(network, "company")
    await offered(holder, OPEN, LATER, LATEST)
    first = await agreed(holder, user, OPEN)
    wanted = [LATER, LATEST] * many
    await asyncio.gather(*(ask(holder, user, terms, first) for terms in wanted[:many]))
    await settle(user.clock, 400)
    sides = [await after(one, first) for one in (holder, user)]
    attack_report(
        f"amendments raced: {many} at once, beyond one", got=len(sides[0]) - 1, of=many - 1, unit="agreements"
    )
    assert [len(side) for side in sides] == [1, 1]
    assert sides[0] == sides[1] == [(await kept(holder, first)).successor] == [(await kept(user, first)).successor]


async def test_one_of_the_holder_and_one_of_the_user(network):
    holder, user = party(network, "clinic"), party(network, "company")
    await offered(holder, OPEN, LATER, LATEST)
    first = await agreed(holder, user, OPEN)
    await holder.negotiations.offer_to(user.did, user.address, LATER, "urn:asset:1", replaces=first)
    await settle(user.clock, 60)
    (waiting,) = [one for one in await user.negotiations.recent() if one.state == "OFFERED"]
    await asyncio.gather(user.negotiations.approve(waiting.id), ask(holder, user, LATEST, first))
    await settle(user.clock, 400)
    sides = [await after(one, first) for one in (holder, user)]
    assert [len(side) for side in sides] == [1, 1]
    assert sides[0] == sides[1]
