"""A user whose agreement ends some time after it was made asks for it again, or amends it, to begin anew."""

import pytest

from medspace.connector.negotiation.strategy import PolicyStrategy
from tests.attacks.test_agreement_replaced import LATER, agreed, ask, network, party
from tests.attacks.test_review_count import offered
from tests.unit.connector.parties import settle

__all__ = ["network"]
A_MONTH = {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P30D"}
RENTED = {
    "@id": "urn:offer:rent",
    "@type": "Offer",
    "permission": [{"action": "medspace:train", "constraint": [A_MONTH]}],
}


class Lasting(PolicyStrategy):
    """The control: whoever asks again is answered without a person."""

    __slots__ = ()

    def _timed_before(self, tx, negotiation, terms):
        return False

    def _begins_again(self, tx, negotiation, terms):
        return False


@pytest.mark.parametrize("strategy", [PolicyStrategy, Lasting])
@pytest.mark.parametrize("way", ["again", "amended"])
@pytest.mark.parametrize("days", [29, 31])
async def test_a_person_decides_whether_the_time_begins_anew(network, strategy, way, days, attack_report):
    holder, user = party(network, "clinic", strategy), party(network, "company")
    await offered(holder, RENTED, LATER)
    first = await agreed(holder, user, RENTED)
    user.clock.advance(days * 24 * 3600)
    begun = await (ask(holder, user, RENTED) if way == "again" else ask(holder, user, LATER, first))
    await settle(user.clock, 60)
    done = (await user.negotiation(begun.id)).state == "FINALIZED"
    assert done is (strategy is Lasting)
    number = {"control" if strategy is Lasting else "got": int(done)}
    attack_report(f"time renewed: {way} on day {days}, without a person", **number, of=1, unit="agreements")


async def test_who_never_had_it_gets_it_at_once(network):
    holder, user, other = (party(network, name) for name in ("clinic", "company", "institute"))
    await offered(holder, RENTED)
    assert await agreed(holder, user, RENTED) != await agreed(holder, other, RENTED)
