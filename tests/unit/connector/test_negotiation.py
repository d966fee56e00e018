"""Negotiations between two connectors: who may say what, when, and what is kept of it."""

import asyncio

import msgspec
import pytest

from medspace.connector.errors import (
    AgreementError,
    CrossedError,
    MessageError,
    OfferError,
    TransitionError,
    UnknownProcessError,
)
from medspace.connector.model import AGREEMENTS, Agreement, Reaction
from medspace.connector.negotiation.messages import NEGOTIATION
from medspace.core.paging import Cursor
from medspace.policy.errors import InvalidPolicyError
from tests.unit.connector.parties import CONTEXT, OFFER, settle, until

ASSET = "urn:asset:1"


async def begin(consumer, provider, offer=OFFER):
    return await consumer.negotiations.request_negotiation(provider.did, provider.address, offer, ASSET)


async def reach(party, pid, state):
    async def there():
        return (await party.negotiation(pid)).state == state

    await until(party.clock, there)
    return await party.negotiation(pid)


def message(kind, provider_pid, consumer_pid, **members):
    pids = {"providerPid": provider_pid, "consumerPid": consumer_pid}
    return msgspec.json.encode({"@context": CONTEXT, "@type": kind, **pids, **members})


def request(consumer_pid="urn:c:1", **members):
    body = {
        "@context": CONTEXT,
        "@type": "ContractRequestMessage",
        "consumerPid": consumer_pid,
        "offer": {**OFFER, "target": ASSET},
        "callbackAddress": "https://nowhere.example/dsp/",
        **members,
    }
    return msgspec.json.encode(body)


async def test_a_held_request_waits_for_a_person_and_is_then_agreed(provider, consumer):
    provider.negotiating.reactions = {"verified": "finalize"}
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    theirs = await provider.negotiation(mine.peer_pid)
    assert (NEGOTIATION.awaits(mine), NEGOTIATION.awaits(theirs)) == ("peer", "us")
    await provider.negotiations.approve(theirs.id)
    assert NEGOTIATION.awaits(await reach(consumer, begun.id, "FINALIZED")) == "nobody"


async def test_a_person_says_no_and_the_other_side_reads_why(provider, consumer):
    provider.negotiating.reactions = {}
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    await provider.negotiations.reject(mine.peer_pid, "Not for this purpose.")
    mine = await reach(consumer, begun.id, "TERMINATED")
    assert (mine.failure.code, mine.failure.reason) == ("negotiation.rejected", ("Not for this purpose.",))
    assert mine.failure.source == "peer"
    theirs = await reach(provider, mine.peer_pid, "TERMINATED")
    assert theirs.failure.source == "us"
    assert "negotiation.rejected" in str(await provider.log())
    assert "purpose" not in str(await provider.log())


async def test_offers_and_counter_offers_go_back_and_forth(provider, consumer):
    provider.negotiating.reactions = {"accepted": "agree", "verified": "finalize"}
    consumer.negotiating.reactions = {"agreement": "verify"}
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    await provider.negotiations.offer(mine.peer_pid, {**OFFER, "@id": "urn:offer:2"})
    assert (await reach(consumer, begun.id, "OFFERED")).offer["@id"] == "urn:offer:2"
    await consumer.negotiations.offer(begun.id, {**OFFER, "@id": "urn:offer:3"})
    theirs = await reach(provider, mine.peer_pid, "REQUESTED")
    assert theirs.offer["@id"] == theirs.asked["@id"] == "urn:offer:3"
    await until(provider.clock, lambda: settled(consumer, begun.id, "REQUESTED"))
    await provider.negotiations.offer(mine.peer_pid, {**OFFER, "@id": "urn:offer:4"})
    await reach(consumer, begun.id, "OFFERED")
    await consumer.negotiations.approve(begun.id)
    done = await reach(consumer, begun.id, "FINALIZED")
    assert done.agreement["permission"] == OFFER["permission"]


async def settled(party, pid, state):
    return (await party.negotiation(pid)).state == state


async def test_a_provider_may_begin(provider, consumer):
    begun = await provider.negotiations.offer_to(consumer.did, consumer.address, OFFER, ASSET)
    assert NEGOTIATION.awaits(begun) == "us"
    done = await reach(provider, begun.id, "FINALIZED")
    theirs = await reach(consumer, done.peer_pid, "FINALIZED")
    assert theirs.role == "consumer"
    assert theirs.asked is None
    assert (await provider.kinds())[0] == "negotiation.offered"


async def test_the_same_request_again_finds_the_same_process(provider):
    provider.negotiating.reactions = {}
    first = await provider.post("/negotiations/request", request(), "did:web:c.example")
    again = await provider.post(
        "/negotiations/request", request(offer={**OFFER, "target": ASSET, "@id": "urn:other"}), "did:web:c.example"
    )
    other = await provider.post("/negotiations/request", request(), "did:web:d.example")
    assert first.body["providerPid"] == again.body["providerPid"] != other.body["providerPid"]
    assert len(await provider.negotiations.recent()) == 2
    assert (await provider.kinds()) == ["negotiation.requested"] * 2


async def test_a_process_belongs_to_its_counterparty(provider):
    provider.negotiating.reactions = {}
    opened = await provider.post("/negotiations/request", request(), "did:web:c.example")
    pid = opened.body["providerPid"]
    end = message("ContractNegotiationTerminationMessage", pid, "urn:c:1")
    for did, path in (("did:web:d.example", pid), ("did:web:c.example", "urn:uuid:none")):
        assert (await provider.post(f"/negotiations/{path}/termination", end, did)).status == 404
        assert (await provider.get(f"/negotiations/{path}", did)).status == 404
    assert (await provider.get(f"/negotiations/{pid}", "did:web:c.example")).body["state"] == "REQUESTED"


@pytest.mark.parametrize(
    ("provider_pid", "consumer_pid"), [("{pid}", "urn:c:2"), ("urn:x", "urn:c:1"), ("{pid}", None), (None, "urn:c:1")]
)
async def test_wrong_pids_are_refused(provider, provider_pid, consumer_pid):
    provider.negotiating.reactions = {}
    opened = await provider.post("/negotiations/request", request(), "did:web:c.example")
    pid = opened.body["providerPid"]
    end = message(
        "ContractNegotiationTerminationMessage", provider_pid and provider_pid.format(pid=pid), consumer_pid
    )
    refused = await provider.post(f"/negotiations/{pid}/termination", end, "did:web:c.example")
    assert (refused.status, refused.body["code"]) == (400, "message.invalid")
    assert (await provider.negotiation(pid)).state == "REQUESTED"


async def test_an_event_of_another_type_is_refused(provider):
    provider.negotiating.reactions = {}
    opened = await provider.post("/negotiations/request", request(), "did:web:c.example")
    pid = opened.body["providerPid"]
    for told in ("VERIFIED", None, 7):
        event = message("ContractNegotiationEventMessage", pid, "urn:c:1", eventType=told)
        refused = await provider.post(f"/negotiations/{pid}/events", event, "did:web:c.example")
        assert refused.body["code"] == "message.invalid"


async def test_a_message_that_does_not_fit_is_refused_and_stays_refused(provider):
    provider.negotiating.reactions = {}
    opened = await provider.post("/negotiations/request", request(), "did:web:c.example")
    pid = opened.body["providerPid"]
    event = message("ContractNegotiationEventMessage", pid, "urn:c:1", eventType="ACCEPTED", **{"@id": "urn:m:1"})
    for _ in range(2):
        refused = await provider.post(f"/negotiations/{pid}/events", event, "did:web:c.example")
        assert (refused.status, refused.body["code"]) == (400, "process.transition")
    assert (await provider.negotiation(pid)).seen == ("refused ContractNegotiationEventMessage urn:m:1",)


async def test_identities_that_repeat_a_pid_do_not_silence_a_counterparty(provider):
    provider.negotiating.reactions = {"request": "offer", "counter": "offer"}
    opened = await provider.post("/negotiations/request", request(), "did:web:c.example")
    pid = opened.body["providerPid"]
    negotiation = await provider.negotiation(pid)
    assert negotiation.seen == ()
    end = message("ContractNegotiationTerminationMessage", pid, "urn:c:1", **{"@id": pid})
    await settle(provider.clock)
    assert (await provider.post(f"/negotiations/{pid}/termination", end, "did:web:c.example")).status == 200
    assert (await provider.negotiation(pid)).seen == ()


async def test_a_callback_address_is_checked_before_it_is_used(provider):
    def refuse(url):
        raise MessageError(reason=url)

    object.__setattr__(provider.negotiations, "check_callback", refuse)
    refused = await provider.post("/negotiations/request", request(), "did:web:c.example")
    assert refused.status == 400
    assert await provider.negotiations.recent() == []


async def test_actions_that_do_not_fit_are_refused(provider, consumer):
    provider.negotiating.reactions = {}
    begun = await begin(consumer, provider)
    await reach(consumer, begun.id, "REQUESTED")
    with pytest.raises(TransitionError):
        await consumer.negotiations.approve(begun.id)
    with pytest.raises(TransitionError):
        await consumer.negotiations.offer(begun.id, OFFER)
    with pytest.raises(UnknownProcessError):
        await consumer.negotiations.terminate("urn:none", "x.y")
    with pytest.raises(MessageError):
        await begin(consumer, provider, {"@id": "urn:o", "@type": "Offer"})


async def test_a_termination_takes_the_place_of_a_message_that_cannot_be_delivered(network, provider, consumer):
    provider.negotiating.reactions = {"request": "offer"}
    network.fault = lambda method, url, body: "404" if url.endswith("/offers") else None
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    with pytest.raises(CrossedError):
        await provider.negotiations.approve(mine.peer_pid)
    await provider.negotiations.terminate(mine.peer_pid, "negotiation.rejected")
    await reach(consumer, begun.id, "TERMINATED")
    theirs = await reach(provider, mine.peer_pid, "TERMINATED")
    assert "negotiation.offered" not in await provider.kinds()
    assert theirs.failure.code == "negotiation.rejected"


async def test_a_request_under_way_is_terminated_once_it_has_arrived(network, provider, consumer):
    provider.negotiating.reactions = {}
    network.fault = lambda method, url, body: "404"
    begun = await begin(consumer, provider)
    await settle(consumer.clock)
    await consumer.negotiations.terminate(begun.id, "negotiation.withdrawn")
    network.fault = lambda method, url, body: None
    mine = await reach(consumer, begun.id, "TERMINATED")
    await reach(provider, mine.peer_pid, "TERMINATED")


async def test_an_offer_that_arrives_before_the_201_was_read_is_taken(network, provider, consumer):
    gate = network.gates["held"] = asyncio.Event()
    network.fault = lambda method, url, body: "held" if url.endswith("/negotiations/request") else None
    begun = await begin(consumer, provider)
    await reach(consumer, begun.id, "FINALIZED")
    assert (await consumer.kinds())[0] == "negotiation.requested"
    gate.set()
    await settle(consumer.clock)
    assert (await consumer.negotiation(begun.id)).state == "FINALIZED"
    assert (await consumer.kinds()).count("negotiation.requested") == 1


async def test_an_agreement_with_a_taken_identity_is_refused(provider, consumer):
    await consumer.database.write(
        lambda tx: tx.insert(
            AGREEMENTS, Agreement("urn:g:1", "n", provider.did, consumer.did, ASSET, {}, "sha256:0", "", "")
        )
    )
    provider.negotiating.reactions = {}
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    agreement = {
        "@id": "urn:g:1",
        "@type": "Agreement",
        "target": ASSET,
        "assigner": provider.did,
        "assignee": consumer.did,
        "permission": OFFER["permission"],
    }
    body = message("ContractAgreementMessage", mine.peer_pid, begun.id, agreement=agreement)
    refused = await consumer.post(f"/negotiations/{begun.id}/agreement", body, provider.did)
    assert (refused.status, refused.body["code"]) == (400, "agreement.mismatch")


async def test_a_person_cannot_verify_an_agreement_that_names_others(provider, consumer):
    provider.negotiating.reactions = {}
    consumer.negotiating.reactions = {}
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    agreement = {
        "@id": "urn:g:1",
        "@type": "Agreement",
        "target": ASSET,
        "assigner": provider.did,
        "assignee": "did:web:else",
        "permission": OFFER["permission"],
    }
    body = message("ContractAgreementMessage", mine.peer_pid, begun.id, agreement=agreement)
    assert (await consumer.post(f"/negotiations/{begun.id}/agreement", body, provider.did)).status == 200
    with pytest.raises(AgreementError):
        await consumer.negotiations.approve(begun.id)


async def test_actions_follow_each_other_with_a_pause(provider, consumer):
    provider.negotiating.reactions = {
        "request": Reaction(("offer", "terminate"), delay=0.2, code="a.b", reason=("because",))
    }
    consumer.negotiating.reactions = {}
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "TERMINATED")
    assert mine.failure.reason == ("because",)
    assert (await consumer.kinds()) == ["negotiation.requested", "negotiation.offered", "negotiation.terminated"]


async def test_a_reaction_that_does_not_fit_holds_the_process(provider, consumer):
    provider.negotiating.reactions = {"request": "finalize"}
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "REQUESTED")
    await settle(consumer.clock)
    assert (await provider.negotiation(mine.peer_pid)).state == "REQUESTED"


async def test_lists_page_from_the_newest(provider):
    provider.negotiating.reactions = {}
    for number in range(3):
        await provider.post("/negotiations/request", request(f"urn:c:{number}"), "did:web:c.example")
        provider.clock.advance(1)
    newest = await provider.negotiations.recent(limit=2)
    assert [found.peer_pid for found in newest] == ["urn:c:2", "urn:c:1"]
    rest = await provider.negotiations.recent(after=Cursor(newest[-1].created, newest[-1].id))
    assert [found.peer_pid for found in rest] == ["urn:c:0"]
    assert len(await provider.negotiations.recent(state=newest[0].state)) == 3


MOON = {
    "@id": "urn:offer:moon",
    "@type": "Offer",
    "permission": [
        {"action": "use", "constraint": [{"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}]}
    ],
}


async def test_nobody_agrees_by_hand_to_what_nobody_can_enforce(provider, consumer):
    provider.negotiating.reactions = {}
    begun = await begin(consumer, provider, MOON)
    mine = await reach(consumer, begun.id, "REQUESTED")
    for attempt in (
        provider.negotiations.approve(mine.peer_pid),
        provider.negotiations.offer(mine.peer_pid, MOON),
        provider.negotiations.offer_to(consumer.did, consumer.address, MOON, ASSET),
    ):
        with pytest.raises(OfferError):
            await attempt
    unreadable = {**OFFER, "permission": [{"action": "use", "constraint": [{"or": []}]}]}
    with pytest.raises(InvalidPolicyError):
        await begin(consumer, provider, unreadable)
