"""An agreement is made to take the place of one that it must not end, or to give bounded uses anew."""

from dataclasses import dataclass

import pytest

from medspace.connector.errors import OfferError
from medspace.connector.model import AGREEMENTS, Reaction
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.connector.ports import NegotiationEvent
from medspace.connector.usage import ended
from medspace.connector.usage.errors import AgreementReplacedError
from medspace.connector.usage.model import ENDED
from medspace.policy.odrl import REPLACES
from medspace.trust.model import Facts
from tests.attacks.test_review_count import ASSET, offer, offered
from tests.attacks.test_used_up import state
from tests.unit.connector.parties import Network, Party, settle

OPEN, LATER = offer(0), offer(0, "2028-01-01T00:00:00Z", "2")
TWICE, THRICE = offer(2, name="3"), offer(3, name="4")


@dataclass(frozen=True, slots=True)
class Generous(PolicyStrategy):
    """The control: amendments that bound what may be done are agreed to without a person."""

    def _begins_again(self, tx, negotiation, terms):
        return False


@dataclass(frozen=True, slots=True)
class Swapping(PolicyStrategy):
    """A provider whose agreement takes the place of another one than the request says."""

    other: str = ""

    def react(self, tx, negotiation, event):
        reaction = PolicyStrategy.react(self, tx, negotiation, event)
        if reaction.actions == ("agree",) and REPLACES in negotiation.offer:
            negotiation.offer[REPLACES] = self.other
        return reaction


@dataclass(frozen=True, slots=True)
class Trusting(PolicyStrategy):
    """The control: whatever agreement comes is verified."""

    def react(self, tx, negotiation, event):
        if event is NegotiationEvent.AGREEMENT:
            return Reaction(("verify",))
        return PolicyStrategy.react(self, tx, negotiation, event)


def party(network, name, strategy=PolicyStrategy, **more):
    made = Party(name, network)
    made.strategy = strategy(
        made.local,
        lambda _tx, did: Facts(did, "DE"),
        Answering.AUTOMATIC,
        ended=ended.ended_with,
        closed=ended.is_ended,
        **more,
    )
    made.build()
    made.start()
    return made


@pytest.fixture
async def network():
    made = Network()
    yield made
    for one in made.parties.values():
        await one.stop()


async def ask(holder, user, terms, replaces=""):
    return await user.negotiations.request_negotiation(holder.did, holder.address, terms, ASSET, replaces=replaces)


async def agreed(holder, user, terms, replaces=""):
    begun = await ask(holder, user, terms, replaces)
    return (await state(user, begun.id, "FINALIZED")).agreement_id


async def kept(one, agreement):
    return await one.database.read(lambda tx: tx.get(ENDED, agreement))


async def test_both_sides_end_the_one_before_and_name_the_next(network):
    holder, user = party(network, "clinic"), party(network, "company")
    await offered(holder, OPEN, LATER)
    first = await agreed(holder, user, OPEN)
    second = await agreed(holder, user, LATER, first)
    await settle(user.clock, 60)
    assert [(await kept(one, first)).successor for one in (holder, user)] == [second, second]
    made = [await one.database.read(lambda tx: tx.get(AGREEMENTS, second)) for one in (holder, user)]
    assert made[0].digest == made[1].digest
    assert made[0].policy[REPLACES] == first  # what both signed
    assert {(one.state, one.failure) for one in await user.negotiations.recent()} == {("FINALIZED", None)}
    third = await agreed(holder, user, OPEN, second)  # and no person is asked for what bounds nothing
    assert third not in (first, second)


async def test_the_holder_proposes_and_a_person_of_the_user_answers(network):
    holder, user = party(network, "clinic"), party(network, "company")
    await offered(holder, OPEN, LATER)
    first = await agreed(holder, user, OPEN)
    begun = await holder.negotiations.offer_to(user.did, user.address, LATER, ASSET, replaces=first)
    await settle(user.clock, 60)
    waiting = (await user.negotiations.recent())[0]
    assert (waiting.state, await kept(user, first)) == ("OFFERED", None)
    await user.negotiations.approve(waiting.id)
    done = await state(holder, begun.id, "FINALIZED")
    await settle(user.clock, 60)
    assert [(await kept(one, first)).successor for one in (holder, user)] == [done.agreement_id] * 2


async def test_nobody_replaces_the_agreement_of_another_member(network, attack_report):
    holder, user, thief = (party(network, name) for name in ("clinic", "company", "thief"))
    await offered(holder, OPEN, LATER)
    theirs = await agreed(holder, user, OPEN)
    for named in (theirs, "urn:none", ""):
        begun = await ask(holder, thief, LATER, named)
        done = await state(thief, begun.id, "TERMINATED", "FINALIZED")
        assert (done.state == "FINALIZED") == (named == "")
        if named:
            assert done.failure.code == "agreement.irreplaceable"
    assert await kept(holder, theirs) is None
    attack_report("agreement replaced: those of others that ended", got=0, of=1, unit="agreements")


async def test_what_was_ended_for_cause_has_no_successor(network):
    holder, user = party(network, "clinic"), party(network, "company")
    await offered(holder, OPEN, LATER)
    first = await agreed(holder, user, OPEN)
    await holder.database.write(lambda tx: ended.end(tx, holder.local, first, cause="terms-broken"))
    begun = await ask(holder, user, LATER, first)
    assert (await state(user, begun.id, "TERMINATED")).failure.code == "agreement.irreplaceable"
    (held,) = [one for one in await holder.negotiations.recent() if REPLACES in one.offer]
    with pytest.raises(OfferError):  # whoever says yes
        await holder.database.read(lambda tx: holder.strategy.approve(tx, held, "agree"))


@pytest.mark.parametrize("strategy", [PolicyStrategy, Generous])
async def test_changing_back_and_forth_gives_no_bounded_uses_anew(network, strategy, attack_report):
    holder, user = party(network, "clinic", strategy), party(network, "company")
    await offered(holder, TWICE, THRICE)
    first = await agreed(holder, user, TWICE)
    begun = await ask(holder, user, THRICE, first)
    await settle(user.clock, 400)
    done = (await user.negotiation(begun.id)).state == "FINALIZED"
    assert done is (strategy is Generous)
    number = {"control" if strategy is Generous else "got": done}
    attack_report("agreement replaced: bounded uses given anew", **number, of=1, unit="agreements")


@pytest.mark.parametrize("strategy", [PolicyStrategy, Trusting])
async def test_an_agreement_that_replaces_another_one_than_was_asked_is_refused(network, strategy, attack_report):
    holder, user = party(network, "clinic"), party(network, "company", strategy)
    await offered(holder, OPEN, LATER)
    first, second = [await agreed(holder, user, OPEN) for _ in range(2)]
    holder.strategy = Swapping(
        holder.local, lambda _tx, did: Facts(did, "DE"), Answering.AUTOMATIC, closed=ended.is_ended, other=second
    )
    await holder.restart()
    begun = await ask(holder, user, LATER, first)
    done = await state(user, begun.id, "TERMINATED", "FINALIZED")
    await settle(user.clock, 60)
    got = await kept(user, second) is not None
    assert got is (strategy is Trusting)
    if strategy is PolicyStrategy:
        assert done.failure.code == "agreement.mismatch"
    number = {"control" if strategy is Trusting else "got": got}
    attack_report("agreement replaced: another than was asked", **number, of=1, unit="agreements")


async def test_what_a_catalogue_says_to_be_replaced_counts_for_nothing(network):
    holder, user = party(network, "clinic"), party(network, "company")
    await offered(holder, OPEN)
    first = await agreed(holder, user, OPEN)
    await offered(holder, LATER | {REPLACES: first})
    second = await agreed(holder, user, LATER | {REPLACES: first})
    await settle(user.clock, 60)
    assert second != first
    assert [await kept(one, first) for one in (holder, user)] == [None, None]


async def test_an_end_for_cause_that_comes_after_an_amendment_is_not_taken_for_done(network):
    holder, user = party(network, "clinic"), party(network, "company")
    await offered(holder, OPEN, LATER)
    first = await agreed(holder, user, OPEN)
    second = await agreed(holder, user, LATER, first)  # the user was faster
    with pytest.raises(AgreementReplacedError) as refused:
        await holder.database.write(lambda tx: ended.end(tx, holder.local, first, cause="terms-broken"))
    assert refused.value.facts["successor"] == second
    assert await kept(holder, second) is None
    await holder.database.write(lambda tx: ended.end(tx, holder.local, second, cause="terms-broken"))
    assert (await kept(holder, second)).cause == "terms-broken"
