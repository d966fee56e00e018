"""A person's yes agrees to nothing that the policy refuses: no hidden download, no clause without meaning."""

from dataclasses import replace

import pytest

from medspace.connector.catalogue.service import publish, withdraw
from medspace.connector.errors import OfferError, UnknownDatasetError
from medspace.connector.model import Dataset
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.trust.model import Facts
from tests.unit.connector.parties import Network, Party, settle, until

ASSET = "urn:asset:1"
HERE = {"leftOperand": "spatial", "operator": "eq", "rightOperand": "DE"}
MOON = {"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}
TRAIN = {"action": "medspace:train", "constraint": [HERE]}
OFFER = {
    "@id": "urn:offer:1",
    "@type": "Offer",
    "permission": [TRAIN],
    "prohibition": [{"action": "medspace:download"}],
}


class Space:
    """A holder whose requests wait for a person, and a company."""

    def __init__(self) -> None:
        self.network = Network()
        self.regions = {"did:web:company.example": "DE"}
        self.holder, self.company = Party("clinic", self.network), Party("company", self.network)
        for party, answering in ((self.holder, Answering.MANUAL), (self.company, Answering.AUTOMATIC)):
            party.strategy = PolicyStrategy(party.local, lambda tx, did: Facts(did, self.regions.get(did)), answering)
            party.build()
            party.start()

    async def publish(self) -> None:
        dataset = Dataset(ASSET, "Hearts", "", (), (OFFER,), ("medspace:train",), "sha256:" + "0" * 64, "")
        await self.holder.database.write(lambda tx: publish(tx, self.holder.local, dataset, ["medspace:train"]))

    async def ask(self, **terms) -> tuple[str, str]:
        """Ask for other terms; the pids of both sides."""
        offer = {**OFFER, **terms}
        begun = await self.company.negotiations.request_negotiation(
            self.holder.did, self.holder.address, {n: v for n, v in offer.items() if v}, ASSET
        )
        await settle(self.network.clock)
        return begun.id, (await self.company.negotiation(begun.id)).peer_pid

    async def stop(self) -> None:
        await self.holder.stop()
        await self.company.stop()


@pytest.fixture
async def space():
    made = Space()
    await made.publish()
    yield made
    await made.stop()


@pytest.mark.parametrize(
    "terms",
    [
        {"permission": [TRAIN, {"action": "medspace:download"}]},
        {"permission": [TRAIN, {"action": "medspace:download"}], "prohibition": []},
        {"permission": [{"action": "use"}], "prohibition": []},
        {"permission": [{"action": "medspace:statistics"}]},
        {"permission": [{"action": "medspace:train", "constraint": [MOON]}]},
        {"permission": [{"action": "medspace:train", "constraint": [HERE | {"rightOperand": "US"}]}]},
    ],
)
async def test_terms_that_the_holder_could_not_keep_are_not_signed_by_hand(space, terms):
    _, pid = await space.ask(**terms)
    with pytest.raises(OfferError):
        await space.holder.negotiations.approve(pid)
    await settle(space.network.clock)
    assert (await space.holder.negotiation(pid)).state == "REQUESTED"
    assert "negotiation.agreed" not in await space.holder.kinds()


async def test_a_user_whom_the_terms_do_not_allow_gets_no_agreement_by_hand(space):
    space.regions.clear()
    _, pid = await space.ask()
    with pytest.raises(OfferError):
        await space.holder.negotiations.approve(pid)


async def test_what_is_no_longer_offered_is_not_agreed_by_hand(space):
    _, pid = await space.ask()
    await space.holder.database.write(lambda tx: withdraw(tx, space.holder.local, ASSET))
    with pytest.raises(UnknownDatasetError):
        await space.holder.negotiations.approve(pid)


async def test_stricter_terms_are_agreed_by_hand(space):
    mine, pid = await space.ask(
        permission=[{"action": "medspace:train", "constraint": [HERE, {**HERE, "operator": "isPartOf"}]}]
    )
    await space.holder.negotiations.approve(pid)

    async def agreed() -> bool:
        return (await space.company.negotiation(mine)).agreement is not None

    await until(space.network.clock, agreed)


async def test_a_consumer_accepts_and_verifies_nothing_by_hand_that_has_no_meaning(space):
    strategy = space.company.strategy
    permission = [{"action": "medspace:train", "constraint": [MOON]}]
    parties = {"assigner": space.holder.did, "assignee": space.company.did}
    odd = {**OFFER, **parties, "@type": "Agreement", "target": ASSET, "permission": permission}
    mine, _ = await space.ask()
    negotiation = replace(await space.company.negotiation(mine), offer=odd, agreement=odd)
    for action in ("accept", "verify"):
        with pytest.raises(OfferError):
            await space.company.database.read(lambda tx, a=action: strategy.approve(tx, negotiation, a))


async def test_an_offer_that_was_accepted_is_not_agreed_where_it_allows_what_is_not_served(space):
    """The automatic answer to an acceptance holds to the same."""
    space.holder.strategy = replace(space.holder.strategy, answering=Answering.AUTOMATIC)
    space.holder.build()
    await space.holder.restart()
    wide = {**OFFER, "permission": [TRAIN, {"action": "medspace:download"}], "prohibition": []}
    begun = await space.holder.negotiations.offer_to(
        space.company.did, space.company.address, {n: v for n, v in wide.items() if v}, ASSET
    )
    await settle(space.network.clock)
    await space.company.negotiations.approve((await space.holder.negotiation(begun.id)).peer_pid)

    async def over() -> bool:
        return (await space.holder.negotiation(begun.id)).state == "TERMINATED"

    await until(space.network.clock, over)
    assert (await space.holder.negotiation(begun.id)).failure.code == "offer.not_served"
