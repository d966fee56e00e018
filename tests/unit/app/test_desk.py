"""The desk of a company that asks a holder: agreed once where uses are counted; clear where nothing is offered."""

from dataclasses import fields
from types import SimpleNamespace

import pytest

from medspace.app.desk import Desk
from medspace.connector.catalogue.service import publish
from medspace.connector.errors import OfferError
from medspace.connector.model import Dataset
from medspace.connector.negotiation.strategy import PolicyStrategy
from medspace.policy import templates
from tests.unit.connector.parties import Network, Party, until

ASSET = "urn:asset:1"


class Shop:
    """A holder with one dataset, and the desk of a company."""

    def __init__(self, **terms):
        self.network = Network()
        self.holder, self.company = Party("clinic", self.network), Party("company", self.network)
        for party in (self.holder, self.company):
            party.strategy = PolicyStrategy(party.local, lambda tx, did: None)
            party.build()
            party.start()
        self.offers = [templates.build("train-only", offer_id="urn:offer:1", **terms)]
        parts = dict.fromkeys((field.name for field in fields(Desk)), None) | {
            "config": SimpleNamespace(did=self.company.did),
            "database": self.company.database,
            "clock": self.network.clock,
            "book": SimpleNamespace(current=None),
            "finder": self,
            "negotiating": self.company.negotiations,
            "transferring": self.company.transfers,
        }
        self.desk = Desk(**parts)

    async def address(self, _did):
        return self.holder.address

    async def dataset(self, _did, asset):
        return {"@id": asset, "hasPolicy": self.offers}

    async def publish(self):
        dataset = Dataset(ASSET, "", "", (), tuple(self.offers), ("medspace:train",), "sha256:" + "0" * 64, "")
        await self.holder.database.write(lambda tx: publish(tx, self.holder.local, dataset, ["medspace:train"]))

    async def negotiate(self):
        begun = await self.desk.negotiate(self.holder.did, ASSET)

        async def over():
            return (await self.company.negotiation(begun.id)).state in ("FINALIZED", "TERMINATED")

        await until(self.network.clock, over)
        return await self.company.negotiation(begun.id)

    async def stop(self):
        await self.holder.stop()
        await self.company.stop()


@pytest.mark.parametrize(("terms", "same"), [({"count": 2}, True), ({}, False)])
async def test_terms_that_bound_the_number_of_uses_are_asked_for_once(terms, same):
    shop = Shop(**terms)
    await shop.publish()
    first, second = await shop.negotiate(), await shop.negotiate()
    assert (first.state, second.state) == ("FINALIZED", "FINALIZED")
    assert (first.id == second.id) is same
    await shop.stop()


async def test_terms_that_have_ended_are_asked_for_again():
    shop = Shop(count=2, until="2026-02-01T00:00:00Z")
    await shop.publish()
    first = await shop.negotiate()
    shop.network.clock.advance(60 * 24 * 3600)
    second = await shop.negotiate()
    assert first.id != second.id
    assert (second.state, second.failure.code) == ("TERMINATED", "policy.time")
    await shop.stop()


async def test_a_dataset_without_an_offer_is_said_to_have_none():
    shop = Shop()
    shop.offers = []
    with pytest.raises(OfferError):
        await shop.desk.negotiate(shop.holder.did, ASSET)
    with pytest.raises(OfferError):
        await shop.desk.download(shop.holder.did, ASSET)
    await shop.stop()
