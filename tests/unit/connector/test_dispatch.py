"""Delivery: as often as it takes, never twice in effect, with a reason when it fails."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from medspace.adapters.memory import SeededRandomness
from medspace.connector.dispatch.rules import DeliveryResult, RetryPolicy, explained, meaning
from medspace.connector.errors import NotSentError, UnreachableError
from medspace.connector.model import INTENTS
from medspace.connector.ports import Reply
from medspace.core.errors import StorageFullError
from tests.unit.connector.parties import OFFER, Network, Party, settle, until

ASSET = "urn:asset:1"
T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)


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
    ("reply", "answer"),
    [
        *[(Reply(status), DeliveryResult.TAKEN) for status in (200, 201, 202, 204)],
        *[(Reply(status), DeliveryResult.NOT_YET) for status in (401, 404, 408, 425, 429)],
        *[(Reply(403, {"code": code}), DeliveryResult.NOT_YET) for code in ("identity.premature", "members.expired")],
        *[(Reply(status), DeliveryResult.BUSY) for status in (409, 423)],
        *[(Reply(status), DeliveryResult.REFUSED) for status in (400, 403, 405, 410, 413, 415, 422)],
        *[(Reply(status), DeliveryResult.UNCLEAR) for status in (301, 302, 303, 307, 308, 500, 502, 503, 504)],
        (Reply(200, readable=False), DeliveryResult.UNCLEAR),  # a page of something in between
        (Reply(403, {"code": "policy.prohibited"}), DeliveryResult.REFUSED),
    ],
)
def test_what_an_answer_means(reply, answer):
    assert meaning(reply) is answer


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (Reply(409, {"code": "409", "reason": ["Not now."]}), "409", "Not now."),
        (Reply(400), "peer.unspecified", "HTTP 400"),
        (Reply(302), "peer.redirected", "redirect"),
        (Reply(200, readable=False), "peer.bad_answer", "page for people"),
        (Reply(401, {"code": "identity.premature"}, date=T0 - timedelta(seconds=20)), "peer.clock", "20 s ahead"),
        (Reply(401, None, date=T0 + timedelta(hours=1)), "peer.clock", "3600 s behind"),
        (Reply(401, {"code": "identity.key"}, date=T0 + timedelta(seconds=2)), "identity.key", "HTTP 401"),
        (Reply(503, {"code": "identity.no-list"}, date=T0 - timedelta(days=1)), "identity.no-list", "HTTP 503"),
    ],
)
def test_why_a_message_was_not_taken(reply, code, words):
    failure = explained(reply, T0)
    assert failure.code == code
    assert words in " ".join(failure.reason)


def test_pauses_double_with_chance_and_stay_within_bounds():
    patience, chance = RetryPolicy(), SeededRandomness(1)
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


async def test_what_cannot_be_told_in_time_ends_on_both_sides_with_its_reason(network, provider, consumer):
    network.fault = lambda method, url, body: "500" if url.endswith("/agreement") else None
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    assert (await trouble(provider, mine.peer_pid)).reason == ("made up",)

    async def over():
        return (await consumer.negotiation(begun.id)).state == "TERMINATED"

    await until(consumer.clock, over, 700)
    theirs = await reach(provider, mine.peer_pid, "TERMINATED")
    mine = await consumer.negotiation(begun.id)
    assert (theirs.failure.code, theirs.failure.reason, theirs.failure.source) == ("test.fault", ("made up",), "peer")
    assert (mine.failure.code, mine.failure.reason, mine.failure.source) == ("test.fault", ("made up",), "peer")
    assert theirs.trouble is None
    assert mine.trouble is None


async def trouble(party, pid):
    """What is told while a message is repeated."""

    async def there():
        return (await party.negotiation(pid)).trouble is not None

    await until(party.clock, there)
    return (await party.negotiation(pid)).trouble


class Answers:
    """A counterparty that answers as told: a list of replies, the last one again and again; errors are raised."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.posts = []

    async def post(self, url, message, audience):
        self.posts.append((url, message))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def get(self, url, audience):
        raise UnreachableError(address=url, reason="x")


TAKEN = Reply(201, {"providerPid": "urn:peer:1"})


async def ask(consumer, *replies):
    """A request to a counterparty that answers so."""
    consumer.dispatcher._transport = Answers(*replies)
    begun = await consumer.negotiations.request_negotiation("did:web:x.example", "https://x", OFFER, ASSET)
    return begun.id, consumer.dispatcher._transport


@pytest.mark.parametrize(
    "reply",
    [
        *[Reply(status) for status in (401, 404, 408, 409, 423, 425, 429, 500, 502, 503)],
        Reply(403, {"code": "identity.key-mismatch"}),
        Reply(200, readable=False),
        NotSentError(address="x", reason="x"),
        UnreachableError(address="x", reason="x"),
    ],
)
async def test_what_may_pass_is_repeated_word_for_word(consumer, reply):
    pid, peer = await ask(consumer, *[reply] * 8, TAKEN)
    await reach(consumer, pid, "REQUESTED")
    assert len(peer.posts) == 9
    assert all(post == peer.posts[0] for post in peer.posts)
    assert (await consumer.negotiation(pid)).trouble is None


async def test_the_clocks_are_named_while_a_refusal_lasts_and_when_it_is_final(consumer):
    ahead = consumer.clock.now() - timedelta(seconds=20)
    pid, _ = await ask(consumer, Reply(401, {"code": "identity.premature"}, date=ahead))
    found = await trouble(consumer, pid)
    assert found.code == "peer.clock"
    assert found.reason[0] == "identity.premature: HTTP 401."
    assert "ahead of that of the other connector" in found.reason[1]
    consumer.clock.advance(601)
    ended = await reach(consumer, pid, "TERMINATED")
    assert (ended.failure.code, ended.failure.source) == ("peer.clock", "delivery")


class SetBack:
    """A clock that can be set back; sleeping takes as long as ever."""

    def __init__(self, clock):
        self.clock, self.by = clock, timedelta()

    def now(self):
        return self.clock.now() - self.by

    async def sleep(self, seconds):
        await self.clock.sleep(seconds)


async def test_a_clock_that_is_set_back_does_not_delay_what_waits(consumer):
    clock = consumer.dispatcher._clock = SetBack(consumer.clock)
    pid, peer = await ask(consumer, *[Reply(401)] * 6, TAKEN)
    await until(consumer.clock, lambda: len(peer.posts) > 2)
    clock.by = timedelta(hours=1)
    await reach(consumer, pid, "REQUESTED")


@pytest.mark.parametrize(("after", "least"), [(30.0, 30.0), (1e9, 120.0), (0.0, 0.07), (-5.0, 0.07)])
async def test_who_asks_for_a_pause_gets_it_within_bounds(consumer, after, least):
    pid, peer = await ask(consumer, Reply(429, after=after), TAKEN)
    await settle(consumer.clock)
    consumer.clock.advance(least - 0.01)
    await settle(consumer.clock)
    assert len(peer.posts) == 1
    consumer.clock.advance(0.2)
    await reach(consumer, pid, "REQUESTED")


async def test_who_says_for_too_long_that_it_does_not_fit_has_refused(consumer):
    pid, peer = await ask(consumer, Reply(409, {"code": "409", "reason": ["Not now."]}))
    await until(consumer.clock, lambda: len(peer.posts) > 8)
    assert (await consumer.negotiation(pid)).state == "INITIAL"
    consumer.clock.advance(60)
    ended = await reach(consumer, pid, "TERMINATED")
    assert (ended.failure.code, ended.failure.reason) == ("409", ("Not now.",))


async def test_a_counterparty_that_is_away_for_long_learns_of_the_end_when_it_comes_back(network, provider, consumer):
    provider.negotiating.reactions = {}
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    network.fault = lambda method, url, body: "lost"
    await consumer.negotiations.terminate(begun.id, "negotiation.withdrawn")
    for _ in range(80):
        consumer.clock.advance(10)
        await settle(consumer.clock)
    assert (await consumer.negotiation(begun.id)).state == "TERMINATED"
    await consumer.restart()
    for _ in range(30):
        consumer.clock.advance(100)
        await settle(consumer.clock)
    network.fault = lambda method, url, body: None
    for _ in range(5):
        consumer.clock.advance(100)
        await settle(consumer.clock)
    theirs = await reach(provider, mine.peer_pid, "TERMINATED")
    assert theirs.failure.code == "negotiation.withdrawn"
    assert await consumer.database.read(lambda tx: tx.find(INTENTS)) == []


async def test_a_launch_that_comes_late_takes_no_place_of_what_followed(network, provider, consumer):
    """A reply takes its time: what it caused may be answered, and followed by another, before it is launched."""
    consumer.negotiating.reactions = {}
    provider.negotiating.reactions = {"request": "offer"}
    gate = network.gates["held"] = asyncio.Event()
    network.fault = lambda method, url, body: "held" if url.endswith("/offers") else None
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "OFFERED")
    stale = (await provider.database.read(lambda tx: tx.find(INTENTS)))[0]
    network.fault = lambda method, url, body: "401" if url.endswith("/termination") else None
    await provider.negotiations.terminate(mine.peer_pid, "negotiation.rejected")
    gate.set()
    await until(provider.clock, lambda: posts(network, "/termination"))
    provider.dispatcher.launch(stale)
    network.fault = lambda method, url, body: None
    await reach(consumer, begun.id, "TERMINATED")
    assert await provider.database.read(lambda tx: tx.find(INTENTS)) == []


async def test_nobody_is_told_of_an_end_for_ever(network, provider, consumer):
    provider.negotiating.reactions = {}
    begun = await begin(consumer, provider)
    await reach(consumer, begun.id, "REQUESTED")
    network.fault = lambda method, url, body: "lost"
    await consumer.negotiations.terminate(begun.id, "negotiation.withdrawn")
    for _ in range(90):
        consumer.clock.advance(1000)
        await settle(consumer.clock)
    assert await consumer.database.read(lambda tx: tx.find(INTENTS)) == []


async def test_a_caller_that_goes_away_leaves_no_message_behind(network, provider, consumer):
    """The unit of work is kept although nobody waits for it any more; so is what it owes."""
    real, held = provider.database.write, asyncio.Event()

    async def slow(work):
        kept = await real(work)
        await held.wait()
        return kept

    provider.database.write = slow
    content = msgspec.json.encode(
        {
            "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
            "@type": "ContractRequestMessage",
            "consumerPid": "urn:consumer:1",
            "callbackAddress": consumer.address,
            "offer": {**OFFER, "target": ASSET},
        }
    )
    asking = asyncio.ensure_future(provider.post("/negotiations/request", content, consumer.did))
    await settle(provider.clock)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    held.set()
    await until(provider.clock, lambda: posts(network, "/agreement"))


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
    network.fault = lambda method, url, body: "400" if url.endswith("/negotiations/request") else None
    begun = await begin(consumer, provider)
    ended = await reach(consumer, begun.id, "TERMINATED")
    assert (ended.failure.code, ended.failure.reason, ended.failure.source) == ("test.fault", ("made up",), "peer")
    assert len(posts(network, "/negotiations/request")) == 1


@pytest.mark.parametrize(("taken", "state"), [(True, "VERIFIED"), (False, "TERMINATED")])
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
    assert len(posts(network, "/verification")) == 2
    await reach(consumer, mine.id, state)


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
