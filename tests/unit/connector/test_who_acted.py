"""Who acted stands in the log of the side that they act for, at every step, also when it is noted after a restart."""

import pytest

from medspace.connector.usage.labelling import configure, reset, set_label
from medspace.ledger.model import decode
from tests.unit.connector.parties import OFFER, settle
from tests.unit.connector.test_labelling import NARROW, WRITTEN, Shelf
from tests.unit.connector.test_transfer import agreement, begin, both, reach  # noqa: F401 - a fixture

LI, WANG = (f"actor:{number * 32}" for number in "12")


async def noted(party, topic):
    """Who stands in the entries on a topic, by the word behind the dot."""
    found = [entry for entry in await party.log() if entry["kind"].startswith(f"{topic}.")]
    return [(entry["kind"].partition(".")[2], entry["facts"].get("by")) for entry in found]


@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_each_step_of_a_use_names_who_wanted_it(agreement, provider, consumer, side):  # noqa: F811
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    party, other, pid = (provider, consumer, theirs.id) if side == "provider" else (consumer, provider, mine.id)
    await party.transfers.suspend(pid, "transfer.suspended", by=LI)
    await both(consumer, provider, begun.id, "SUSPENDED")
    await party.transfers.resume(pid, by=WANG)
    await both(consumer, provider, begun.id, "STARTED")
    await party.transfers.complete(pid, by=LI)
    mine, theirs = await both(consumer, provider, begun.id, "COMPLETED")
    moved = theirs if side == "provider" else mine
    assert moved.moved_by == LI
    steps = [("suspended", LI), ("started", WANG), ("completed", LI)]
    assert (await noted(party, "transfer"))[-3:] == steps
    assert (await noted(other, "transfer"))[-3:] == [(step, None) for step, _ in steps]


async def test_who_asked_stays_with_the_use_and_nobody_with_what_the_connector_does(agreement, provider, consumer):  # noqa: F811
    held = (await consumer.negotiations.agreements())[0]
    begun = await consumer.transfers.request_transfer(held.id, "medspace:train", address=provider.address, by=LI)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    assert (mine.asked_by, theirs.asked_by) == (LI, "")
    assert mine.moved_by == ""  # the provider started it
    assert await noted(consumer, "transfer") == [("requested", LI), ("started", None)]
    assert await noted(provider, "transfer") == [("requested", None), ("started", None)]


async def test_a_request_that_the_other_side_refuses_was_ended_by_nobody_here(network, agreement, provider, consumer):  # noqa: F811
    held = (await consumer.negotiations.agreements())[0]
    network.fault = lambda method, url, message: "400" if "transfers/request" in url else None
    begun = await consumer.transfers.request_transfer(held.id, "medspace:train", address=provider.address, by=LI)
    over = await reach(consumer, begun.id, "TERMINATED")
    assert (over.asked_by, over.moved_by) == (LI, "")
    assert await noted(consumer, "transfer") == [("terminated", None)]


async def test_a_termination_before_the_request_arrived_names_who_wanted_it(network, agreement, provider, consumer):  # noqa: F811
    held = (await consumer.negotiations.agreements())[0]
    network.fault = lambda method, url, message: "lost"
    begun = await consumer.transfers.request_transfer(held.id, "medspace:train", address=provider.address, by=LI)
    await settle(network.clock)
    await consumer.transfers.terminate(begun.id, "transfer.ended", by=WANG)
    network.fault = lambda method, url, message: None
    over = await reach(consumer, begun.id, "TERMINATED")
    assert over.moved_by == WANG
    assert (await noted(consumer, "transfer"))[-1] == ("terminated", WANG)


async def test_a_negotiation_that_a_person_begins_offers_or_ends_names_them(network, provider, consumer):
    provider.negotiating.reactions = {}
    begun = await consumer.negotiations.request_negotiation(
        provider.did, provider.address, OFFER, "urn:asset:1", by=LI
    )
    await settle(network.clock)
    await consumer.restart()
    await consumer.negotiations.reject(begun.id, "no", by=WANG)
    await settle(network.clock)
    ended = await consumer.negotiation(begun.id)
    assert (ended.asked_by, ended.moved_by) == (LI, WANG)
    assert await noted(consumer, "negotiation") == [("requested", LI), ("terminated", WANG)]
    offered = await provider.negotiations.offer_to(consumer.did, consumer.address, OFFER, "urn:asset:2", by=WANG)
    assert offered.asked_by == WANG


async def test_a_label_names_who_changed_it_and_the_configuration_names_nobody():
    shelf = Shelf()
    await shelf.do(configure, WRITTEN)
    assert (await shelf.do(set_label, NARROW, LI)).by == LI
    assert (await shelf.do(reset, WANG)).by == WANG
    log = await shelf.database.read(lambda tx: [decode(e) for e in tx.log.entries(0, tx.log.size())])
    assert [entry.facts.get("by") for entry in log] == [None, LI, WANG]
