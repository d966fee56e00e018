"""A bounded number of uses is not multiplied by negotiating again, one after the other or all at once."""

from dataclasses import replace

import pytest

from medspace.connector.catalogue.service import publish
from medspace.connector.model import AGREEMENTS, Dataset
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.trust.model import Facts
from tests.unit.connector.parties import Network, Party, until

ASSET = "urn:asset:1"
LABEL = "sha256:" + "0" * 64


def offer(count, until="2027-01-01T00:00:00Z", name="1"):
    constraints = [{"leftOperand": "dateTime", "operator": "lt", "rightOperand": until}]
    constraints += [{"leftOperand": "count", "operator": "lteq", "rightOperand": count}] if count else []
    return {
        "@id": f"urn:offer:{name}",
        "@type": "Offer",
        "permission": [{"action": "medspace:train", "constraint": constraints}],
    }


ONCE = offer(1)


@pytest.fixture
async def pair():
    network = Network()
    holder, user = Party("clinic", network), Party("company", network)
    for party, answering in ((holder, Answering.AUTOMATIC), (user, Answering.AUTOMATIC)):
        party.strategy = PolicyStrategy(party.local, lambda tx, did: Facts(did, "DE"), answering)
        party.build()
        party.start()
    yield holder, user
    await holder.stop()
    await user.stop()


async def offered(holder, *offers):
    dataset = Dataset(ASSET, "Hearts", "", (), offers, ("medspace:train",), LABEL, "")
    await holder.database.write(lambda tx: publish(tx, holder.local, dataset, ["medspace:train"]))


async def ask(holder, user, *terms):
    """Ask for all of these at once; how each ended, with the code of its failure."""
    begun = [await user.negotiations.request_negotiation(holder.did, holder.address, one, ASSET) for one in terms]

    async def over():
        ended = [(await user.negotiation(one.id)).state in ("FINALIZED", "TERMINATED") for one in begun]
        return all(ended)

    await until(user.clock, over)
    done = [await user.negotiation(one.id) for one in begun]
    return [one.failure.code if one.failure else str(one.state) for one in done]


async def test_terms_with_a_count_are_agreed_once(pair):
    holder, user = pair
    await offered(holder, ONCE)
    assert await ask(holder, user, ONCE) == ["FINALIZED"]
    assert await ask(holder, user, ONCE) == ["negotiation.in_force"]
    renamed = {**ONCE, "@id": "urn:mine", "permission": ONCE["permission"][0]}
    assert await ask(holder, user, renamed) == ["negotiation.in_force"]


COUNTED = "count: agreements on one use, asked for five times at once"


async def test_terms_with_a_count_that_are_asked_for_all_at_once_are_agreed_once(pair, attack_report):
    holder, user = pair
    await offered(holder, ONCE)
    outcomes = await ask(holder, user, *[ONCE] * 5)
    attack_report(COUNTED, got=outcomes.count("FINALIZED"), of=5, unit="agreements")
    assert sorted(outcomes) == ["FINALIZED", *["negotiation.in_force"] * 4]


async def test_other_terms_are_agreed_beside_it(pair):
    holder, user = pair
    await offered(holder, ONCE, offer(2, name="2"))
    assert await ask(holder, user, ONCE, offer(2)) == ["FINALIZED", "FINALIZED"]


async def test_terms_without_a_count_are_agreed_as_often_as_anybody_asks(pair, attack_report):
    holder, user = pair
    await offered(holder, offer(None))
    outcomes = await ask(holder, user, *[offer(None)] * 5)
    attack_report(COUNTED, control=outcomes.count("FINALIZED"), of=5, unit="agreements")
    assert outcomes == ["FINALIZED"] * 5


async def test_a_person_may_agree_again(pair):
    holder, user = pair
    await offered(holder, ONCE)
    assert await ask(holder, user, ONCE) == ["FINALIZED"]
    holder.strategy = PolicyStrategy(holder.local, lambda tx, did: Facts(did, "DE"), Answering.MANUAL)
    await holder.restart()
    begun = await user.negotiations.request_negotiation(holder.did, holder.address, ONCE, ASSET)

    async def asked():
        return (await user.negotiation(begun.id)).peer_pid is not None

    await until(user.clock, asked)
    await holder.negotiations.approve((await user.negotiation(begun.id)).peer_pid)

    async def final():
        return (await user.negotiation(begun.id)).state == "FINALIZED"

    await until(user.clock, final)


@pytest.mark.parametrize("agreements", [10, 1_100])
async def test_a_bounded_number_of_uses_is_not_hidden_behind_other_agreements(pair, agreements, attack_report):
    """With the newest thousand looked at only, the one that binds was out of sight, and was agreed once more."""
    holder, user = pair
    await offered(holder, ONCE, offer(0, name="2"))
    assert await ask(holder, user, ONCE) == ["FINALIZED"]
    (bound,) = await holder.negotiations.agreements()
    policy = dict(bound.policy) | {"permission": offer(0)["permission"]}
    others = [
        replace(bound, id=f"urn:g:{number}", policy=policy, finalized=f"2030-01-01T00:00:{number:06d}Z")
        for number in range(agreements)
    ]
    await holder.database.write(lambda tx: [tx.insert(AGREEMENTS, other) for other in others])
    ended = await ask(holder, user, ONCE)
    again = ended.count("FINALIZED")
    attack_report(f"terms bound once, behind {agreements} others", got=again, of=1, unit="agreements")
    assert ended == ["negotiation.in_force"]
