"""A company that asks a holder: agreed once where uses are counted; clear where nothing is offered."""

from dataclasses import fields
from types import SimpleNamespace

import pytest

from medspace.app.features.terms.agreements import Agreements
from medspace.app.features.terms.service import Terms
from medspace.app.node.node import Node
from medspace.connector.catalogue.service import publish
from medspace.connector.errors import OfferError
from medspace.connector.model import TRANSFERS, Dataset, ProcessFailure, Role, Transfer, TransferState
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.policy import templates
from medspace.trust.model import Facts
from tests.unit.connector.parties import Network, Party, until

ASSET = "urn:asset:1"


class Shop:
    """A holder with one dataset, and a company."""

    def __init__(self, **terms):
        self.network = Network()
        self.holder, self.company = Party("clinic", self.network), Party("company", self.network)
        for party in (self.holder, self.company):
            party.strategy = PolicyStrategy(party.local, lambda tx, did: Facts(did))
            party.build()
            party.start()
        self.offers = [templates.build("train-only", offer_id="urn:offer:1", **terms)]
        parts = dict.fromkeys((field.name for field in fields(Node)), None) | {
            "config": SimpleNamespace(did=self.company.did),
            "database": self.company.database,
            "clock": self.network.clock,
            "book": SimpleNamespace(current=None),
            "negotiations": self.company.negotiations,
            "transfers": self.company.transfers,
        }
        self.terms = Terms(Node(**parts), self)

    async def address(self, _did):
        return self.holder.address

    async def dataset(self, _did, asset):
        return {"@id": asset, "hasPolicy": self.offers}

    async def publish(self, asset=ASSET):
        dataset = Dataset(asset, "", "", (), tuple(self.offers), ("medspace:train",), "sha256:" + "0" * 64, "")
        await self.holder.database.write(lambda tx: publish(tx, self.holder.local, dataset, ["medspace:train"]))

    async def negotiate(self):
        begun = await self.terms.negotiate(self.holder.did, ASSET)

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


def begun(agreement, number, code=None):
    """A use of ours under the agreement, refused where there is a code."""
    stamp = "2026-01-01T00:00:00.000Z"
    return Transfer(
        id=f"urn:use:{number}",
        role=Role.CONSUMER,
        state=TransferState.COMPLETED,
        counterparty=agreement.provider,
        address="https://clinic.example",
        peer_pid=None,
        agreement=agreement.id,
        dataset=agreement.dataset,
        format="medspace:train",
        created=stamp,
        updated=stamp,
        failure=ProcessFailure(code, (), source="peer") if code else None,
    )


@pytest.mark.parametrize(
    ("uses", "codes", "asked"),
    [(1, [], False), (2, [], True), (0, ["policy.count"], True), (0, ["x"], False)],
)
async def test_a_used_up_agreement_is_not_given_for_a_new_one(uses, codes, asked):
    shop = Shop(count=2)
    await shop.publish()
    first = await shop.negotiate()
    (agreement,) = await shop.company.negotiations.agreements()
    records = [begun(agreement, at) for at in range(uses)]
    records += [begun(agreement, uses + at, code) for at, code in enumerate(codes)]
    await shop.company.database.write(lambda tx: [tx.insert(TRANSFERS, record) for record in records])
    second = await shop.negotiate()
    assert (second.id != first.id) is asked
    assert (second.failure and second.failure.code) == ("negotiation.in_force" if asked else None)
    agreements = Agreements(shop.terms.node)
    (shown,) = await agreements.shown(await agreements.page(None, 10), lambda sentence: sentence)
    assert shown["used_up"] is ("policy.count" in codes)
    await shop.stop()


@pytest.mark.parametrize("refused", [True, False])
async def test_what_is_decided_from_many_uses_is_decided_from_all(refused):
    """The holder's word is in the last of 1,101 records, behind a thousand; the terms alone would allow more."""
    shop = Shop(count=5_000)
    await shop.publish()
    first = await shop.negotiate()
    (agreement,) = await shop.company.negotiations.agreements()
    records = [begun(agreement, 1_000 + at) for at in range(1_100)]
    records.append(begun(agreement, 9_999, "policy.count" if refused else None))
    await shop.company.database.write(lambda tx: [tx.insert(TRANSFERS, record) for record in records])
    agreements = Agreements(shop.terms.node)
    (shown,) = await agreements.shown(await agreements.page(None, 10), lambda sentence: sentence)
    assert shown["used_up"] is refused
    assert ((await shop.negotiate()).id != first.id) is refused
    await shop.stop()


async def test_who_waits_for_a_person_to_answer_asks_once():
    shop = Shop(count=1)
    await shop.publish()
    shop.holder.strategy = PolicyStrategy(shop.holder.local, lambda tx, did: Facts(did), Answering.MANUAL)
    await shop.holder.restart()
    first = await shop.terms.negotiate(shop.holder.did, ASSET)

    async def asked():
        return (await shop.company.negotiation(first.id)).state == "REQUESTED"

    await until(shop.network.clock, asked)
    assert (await shop.terms.negotiate(shop.holder.did, ASSET)).id == first.id
    await shop.stop()


async def test_who_has_asked_for_the_next_agreement_asks_once():
    shop = Shop(count=1)
    await shop.publish()
    await shop.negotiate()
    (agreement,) = await shop.company.negotiations.agreements()
    await shop.company.database.write(lambda tx: tx.insert(TRANSFERS, begun(agreement, 1)))
    shop.holder.strategy = PolicyStrategy(shop.holder.local, lambda tx, did: Facts(did), Answering.MANUAL)
    await shop.holder.restart()
    first = await shop.terms.negotiate(shop.holder.did, ASSET)

    async def asked():
        return (await shop.company.negotiation(first.id)).state == "REQUESTED"

    await until(shop.network.clock, asked)
    assert (await shop.terms.negotiate(shop.holder.did, ASSET)).id == first.id
    await shop.stop()


@pytest.mark.parametrize("asset", ["a#b?c=%2F/d", "did:web:h%3A1", "%", "a;b,c"])
async def test_odd_identifiers_are_negotiated_like_others(asset):
    shop = Shop()
    await shop.publish(asset)
    begun = await shop.terms.negotiate(shop.holder.did, asset)

    async def over():
        return (await shop.company.negotiation(begun.id)).state in ("FINALIZED", "TERMINATED")

    await until(shop.network.clock, over)
    assert (await shop.company.negotiation(begun.id)).state == "FINALIZED"
    await shop.stop()


async def test_a_dataset_without_an_offer_is_said_to_have_none():
    shop = Shop()
    shop.offers = []
    with pytest.raises(OfferError):
        await shop.terms.negotiate(shop.holder.did, ASSET)
    with pytest.raises(OfferError):
        await shop.terms.download(shop.holder.did, ASSET)
    await shop.stop()
