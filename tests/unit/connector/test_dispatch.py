"""Delivery: as often as it takes, never twice in effect, with a reason when it fails."""

import asyncio

import msgspec
import pytest

from medspace.adapters.memory import SeededRandomness
from medspace.connector.dispatch.rules import Answer, Patience, meaning
from medspace.connector.errors import UnreachableError
from medspace.connector.model import INTENTS
from medspace.connector.ports import Reply
from medspace.core.errors import StorageFullError
from tests.unit.connector.parties import OFFER, Network, Party, settle, until

ASSET = "urn:asset:1"


async def begin(consumer, provider):
    return await consumer.negotiations.request_negotiation(provider.did, provider.address, OFFER, ASSET)


async def reach(party, pid, state):
    async def there():
        return (await party.negotiation(pid)).state == state

    await until(party.clock, there)
    return await party.negotiation(pid)


def posts(network, ending):
    return [body for url, body in network.sent if url.endswith(ending)]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        *[(status, Answer.TAKEN) for status in (200, 201, 204)],
        *[(status, Answer.NOT_YET) for status in (404, 408, 425, 429)],
        *[(status, Answer.REFUSED) for status in (400, 401, 403, 409, 413, 422)],
        *[(status, Answer.UNCLEAR) for status in (301, 500, 502, 503, 504)],
    ],
)
def test_what_a_status_means(status, answer):
    assert meaning(status) is answer


def test_pauses_double_with_chance_and_stay_within_bounds():
    patience, chance = Patience(), SeededRandomness(1)
    pauses = [patience.pause(attempts, chance) for attempts in range(1, 60)]
    assert 0.075 <= pauses[0] <= 0.125
    assert 0.15 <= pauses[1] <= 0.25
    assert all(pause <= patience.longest * 1.25 for pause in pauses)
    assert len(set(pauses)) > 50


@pytest.mark.parametrize("fault", ["404", "500", "lost", "mute", "late"])
async def test_a_message_is_repeated_word_for_word_until_it_is_taken(network, provider, consumer, fault):
    network.fault = lambda method, url, body: fault if len(posts(network, "/agreement")) in (1, 2, 3) else None
    begun = await begin(consumer, provider)
    await reach(consumer, begun.id, "FINALIZED")
    tries = posts(network, "/agreement")
    assert len(tries) >= (1 if fault in ("mute", "late") else 2)  # the verification proves that it was taken
    assert all(body == tries[0] for body in tries)
    for party in (provider, consumer):
        assert (await party.kinds()).count("negotiation.agreed") == 1


async def test_nothing_is_reached_before_it_is_acknowledged(network, provider, consumer):
    network.fault = lambda method, url, body: "404" if url.endswith("/agreement") else None
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    consumer.clock.advance(30)
    await settle(consumer.clock)
    assert (await provider.negotiation(mine.peer_pid)).state == "REQUESTED"
    assert await provider.kinds() == ["negotiation.requested"]
    assert await provider.negotiations.agreements() == []


async def test_what_cannot_be_told_in_time_keeps_its_reason(network, provider, consumer):
    network.fault = lambda method, url, body: "500" if url.endswith("/agreement") else None
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")

    async def given_up():
        return (await provider.negotiation(mine.peer_pid)).failure is not None

    await until(consumer.clock, given_up, 700)
    theirs = await provider.negotiation(mine.peer_pid)
    assert (theirs.state, theirs.failure.code, theirs.failure.reason) == ("REQUESTED", "test.fault", ("made up",))
    network.fault = lambda method, url, body: None
    await provider.negotiations.approve(theirs.id)
    assert (await reach(consumer, begun.id, "FINALIZED")).failure is None


async def test_a_request_that_reaches_nobody_ends(consumer):
    begun = await consumer.negotiations.request_negotiation("did:web:no.example", "https://no.example", OFFER, ASSET)
    consumer.clock.advance(601)
    await settle(consumer.clock)
    consumer.clock.advance(20)
    ended = await reach(consumer, begun.id, "TERMINATED")
    assert (ended.failure.code, ended.failure.source) == ("peer.not_sent", "delivery")
    assert await consumer.kinds() == ["negotiation.terminated"]


async def test_a_termination_that_reaches_nobody_ends_the_process_here(network, provider, consumer):
    provider.negotiating.reactions = {}
    begun = await begin(consumer, provider)
    await reach(consumer, begun.id, "REQUESTED")
    network.fault = lambda method, url, body: "lost"
    await consumer.negotiations.terminate(begun.id, "negotiation.withdrawn")
    for _ in range(80):
        consumer.clock.advance(10)
        await settle(consumer.clock)
    ended = await consumer.negotiation(begun.id)
    assert (ended.state, ended.failure.code) == ("TERMINATED", "peer.not_sent")


async def test_a_refusal_is_kept_for_people_to_read(network, provider, consumer):
    network.fault = lambda method, url, body: "403" if url.endswith("/negotiations/request") else None
    begun = await begin(consumer, provider)
    ended = await reach(consumer, begun.id, "TERMINATED")
    assert (ended.failure.code, ended.failure.reason, ended.failure.source) == ("test.fault", ("made up",), "peer")
    assert len(posts(network, "/negotiations/request")) == 1


@pytest.mark.parametrize(("taken", "state"), [(True, "FINALIZED"), (False, "AGREED")])
async def test_a_repetition_that_is_refused_is_looked_up(network, provider, consumer, taken, state):
    # A counterparty without our identities of messages: it refuses what it took already.
    def fault(method, url, body):
        if not url.endswith("/verification"):
            return None
        if len(posts(network, "/verification")) == 1:
            return "mute" if taken else "500"
        return "400"

    network.fault = fault
    if taken:
        provider.negotiating.reactions["verified"] = ""
    begun = await begin(consumer, provider)

    async def settled():
        mine = await consumer.negotiation(begun.id)
        return mine.state == "VERIFIED" if taken else mine.failure is not None

    await until(consumer.clock, settled)
    mine = await consumer.negotiation(begun.id)
    assert mine.state == ("VERIFIED" if taken else "AGREED")
    assert len(posts(network, "/verification")) == 2


@pytest.mark.parametrize("fault", ["lost", "mute", None])
async def test_a_restart_sends_what_was_owed(network, provider, consumer, fault):
    network.fault = lambda method, url, body: fault if url.endswith("/agreement") else None
    begun = await begin(consumer, provider)
    await settle(consumer.clock, 3)
    await provider.restart()
    await settle(consumer.clock, 5)
    await consumer.restart()
    network.fault = lambda method, url, body: None
    await reach(consumer, begun.id, "FINALIZED")
    assert await provider.kinds() == await consumer.kinds()
    for party in (provider, consumer):
        assert await party.database.read(lambda tx: tx.find(INTENTS)) == []


async def test_what_is_stored_leaves_even_if_nobody_launched_it(network, provider, consumer):
    await consumer.stop()
    begun = await begin(consumer, provider)
    assert (await consumer.negotiation(begun.id)).state == "INITIAL"
    consumer.start()
    await reach(consumer, begun.id, "FINALIZED")


async def test_many_messages_of_an_earlier_run_are_loaded_page_by_page(network, provider, consumer, monkeypatch):
    monkeypatch.setattr("medspace.connector.dispatch.service._PAGE", 3)
    await consumer.stop()
    begun = [await begin(consumer, provider) for _ in range(10)]
    consumer.build()
    consumer.start()
    for one in begun:
        await reach(consumer, one.id, "FINALIZED")


async def test_a_full_disk_delays_and_loses_nothing(network, provider, consumer):
    real = consumer.database.write
    full = [4]

    async def write(work):
        if full[0]:
            full[0] -= 1
            raise StorageFullError
        return await real(work)

    begun = await begin(consumer, provider)
    consumer.database.write = write
    await reach(consumer, begun.id, "FINALIZED")
    assert (await consumer.kinds()).count("negotiation.requested") == 1


async def test_an_answer_without_a_pid_ends_the_request_with_a_reason(network, consumer):
    class Mute:
        async def post(self, url, message, audience):
            return Reply(201, body.pop() if body else ["nothing"])

        async def get(self, url, audience):
            raise UnreachableError(address=url, reason="x")

    for answer in ({}, {"providerPid": "two words"}, None):
        body = [answer]
        consumer.dispatcher._transport = Mute()
        begun = await consumer.negotiations.request_negotiation("did:web:x.example", "https://x", OFFER, ASSET)
        ended = await reach(consumer, begun.id, "TERMINATED")
        assert ended.failure.code == "message.invalid"


async def test_one_slow_counterparty_does_not_stop_the_others():
    network = Network()
    network.gates["held"] = asyncio.Event()
    network.fault = lambda method, url, body: "held" if "slow" in url else None
    parties = [Party(name, network) for name in ("slow", "provider", "consumer")]
    slow, provider, consumer = parties
    for party in parties:
        party.negotiating.reactions = {**party.negotiating.reactions}
        party.start()
    for _ in range(5):
        await begin(consumer, slow)
    begun = await begin(consumer, provider)
    await reach(consumer, begun.id, "FINALIZED")
    network.gates["held"].set()
    for party in parties:
        await party.stop()


async def test_messages_keep_their_place_while_an_earlier_one_is_under_way(network, provider, consumer):
    provider.negotiating.reactions = {"request": "offer"}
    consumer.negotiating.reactions = {}
    gate = network.gates["held"] = asyncio.Event()
    network.fault = lambda method, url, body: "held" if url.endswith("/offers") else None
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "OFFERED")
    ended = await provider.negotiations.terminate(mine.peer_pid, "negotiation.rejected")
    assert ended.state == "REQUESTED"
    await settle(provider.clock)
    assert posts(network, "/termination") == []
    gate.set()
    await reach(consumer, begun.id, "TERMINATED")
    theirs = await reach(provider, mine.peer_pid, "TERMINATED")
    assert theirs.failure.code == "negotiation.rejected"


async def test_a_message_that_crosses_a_doubtful_one_is_asked_for_again(network, provider, consumer):
    network.fault = lambda method, url, body: "500" if body.get("eventType") == "FINALIZED" else None
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "VERIFIED")
    await until(consumer.clock, lambda: len([b for _, b in network.sent if b.get("eventType") == "FINALIZED"]) > 1)
    end = msgspec.json.encode(
        {
            "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
            "@type": "ContractNegotiationTerminationMessage",
            "providerPid": mine.peer_pid,
            "consumerPid": mine.id,
        }
    )
    crossed = await provider.post(f"/negotiations/{mine.peer_pid}/termination", end, consumer.did)
    assert (crossed.status, crossed.body["code"]) == (503, "process.crossed")
    network.fault = lambda method, url, body: None
    await reach(consumer, begun.id, "FINALIZED")
