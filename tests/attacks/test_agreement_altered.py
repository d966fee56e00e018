"""A provider sends an agreement with other terms than those that were asked for. The user's connector ends it."""

from dataclasses import dataclass, replace

import pytest

from medspace.connector.model import Reaction
from medspace.connector.negotiation.messages import message_offer
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.connector.ports import NegotiationEvent
from medspace.trust.model import Facts
from tests.attacks.test_review_count import ASSET, offer, offered
from tests.attacks.test_used_up import state
from tests.unit.connector.parties import Network, Party

TERMS = offer(2)
STRICTER = [{"leftOperand": "spatial", "operator": "eq", "rightOperand": "DE"}]


@dataclass(frozen=True, slots=True)
class Altering(PolicyStrategy):
    """A provider that agrees on other terms than those of the request."""

    def react(self, tx, negotiation, event):
        reaction = PolicyStrategy.react(self, tx, negotiation, event)
        if reaction.actions != ("agree",):
            return reaction
        rules = [{**rule, "constraint": [*rule.get("constraint", []), *STRICTER]} for rule in TERMS["permission"]]
        return replace(reaction, offer=message_offer(TERMS | {"permission": rules}, ASSET))


@dataclass(frozen=True, slots=True)
class Trusting(PolicyStrategy):
    """The control: whatever agreement comes is verified."""

    def _verify(self, negotiation):
        return Reaction(("verify",))

    def react(self, tx, negotiation, event):
        if event is NegotiationEvent.AGREEMENT:
            return Reaction(("verify",))
        return PolicyStrategy.react(self, tx, negotiation, event)


async def outcome(provider, consumer):
    network = Network()
    holder, user = Party("clinic", network), Party("company", network)
    for party, strategy in ((holder, provider), (user, consumer)):
        party.strategy = strategy(party.local, lambda _tx, did: Facts(did, "DE"), Answering.AUTOMATIC)
        party.build()
        party.start()
    await offered(holder, TERMS)
    begun = await user.negotiations.request_negotiation(holder.did, holder.address, TERMS, ASSET)
    ended = await state(user, begun.id, "FINALIZED", "TERMINATED")
    await holder.stop()
    await user.stop()
    return ended


@pytest.mark.parametrize("provider", [PolicyStrategy, Altering])
async def test_an_agreement_on_other_terms_is_refused(provider, attack_report):
    ended = await outcome(provider, PolicyStrategy)
    if provider is PolicyStrategy:
        assert ended.state == "FINALIZED"
    else:
        assert ended.state == "TERMINATED"
        assert ended.failure.code == "agreement.altered"
        attack_report("agreement altered by the provider", got=0, of=1, unit="agreements")


async def test_without_a_comparison_the_altered_agreement_binds(attack_report):
    ended = await outcome(Altering, Trusting)
    assert ended.state == "FINALIZED"
    attack_report("agreement altered by the provider", control=1, of=1, unit="agreements")
