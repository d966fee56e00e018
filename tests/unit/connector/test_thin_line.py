import pytest

from tests.unit.connector.parties import OFFER, Network, Party, until


@pytest.fixture
async def pair():
    network = Network()
    provider, consumer = Party("provider", network), Party("consumer", network)
    provider.start()
    consumer.start()
    yield provider, consumer
    await provider.stop()
    await consumer.stop()


async def agreed(provider, consumer):
    begun = await consumer.negotiations.request_negotiation(provider.did, provider.address, OFFER, "urn:asset:1")

    async def over():
        mine = await consumer.negotiation(begun.id)
        if mine.peer_pid is None:
            return False
        return mine.state == "FINALIZED" and (await provider.negotiation(mine.peer_pid)).state == "FINALIZED"

    await until(consumer.clock, over)
    return await consumer.negotiation(begun.id)


async def test_a_request_ends_in_an_agreement_that_both_sides_hold(pair):
    provider, consumer = pair
    mine = await agreed(provider, consumer)
    ours = [(await party.negotiations.agreements())[0] for party in pair]
    assert ours[0].digest == ours[1].digest
    assert ours[0].policy == ours[1].policy
    assert (ours[0].provider, ours[0].consumer) == (provider.did, consumer.did)
    assert mine.dataset == "urn:asset:1"
    assert await provider.kinds() == await consumer.kinds()
    assert (await provider.kinds())[0] == "negotiation.requested"
    assert (await provider.kinds())[-1] == "negotiation.finalized"


async def test_an_agreement_is_used_by_a_transfer(pair):
    provider, consumer = pair
    mine = await agreed(provider, consumer)
    begun = await consumer.transfers.request_transfer(mine.agreement["@id"], "medspace:train")

    async def started():
        return (await consumer.transfer(begun.id)).state == "STARTED"

    await until(consumer.clock, started)
    told = await consumer.transfer(begun.id)
    assert told.data_address["endpointType"] == "urn:medspace:job:1"
    await consumer.transfers.complete(begun.id)

    async def completed():
        return (await provider.transfer(told.peer_pid)).state == "COMPLETED"

    await until(consumer.clock, completed)
