"""Transfers between two connectors, pulled and pushed, stopped and resumed by either."""

import asyncio

import msgspec
import pytest
from tests.unit.connector.parties import CONTEXT, OFFER, PULL, settle, until

from medspace.connector.errors import TransitionError, UnknownAgreementError, UnknownProcessError
from medspace.connector.model import AGREEMENTS, Agreement, Reaction, Role
from medspace.connector.transfer.service import awaits
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text

DENIED = Decision(
    Verdict.DENY,
    "policy.forbidden",
    (Premise("/prohibition/0", Text("no download"), Text("a download"), satisfied=False, remedy=Text("Train.")),),
)


@pytest.fixture
async def agreement(provider, consumer):
    made = Agreement("urn:g:1", "none", provider.did, consumer.did, "urn:asset:1", {}, "sha256:0", "", "")
    for party in (provider, consumer):
        await party.database.write(lambda tx: tx.insert(AGREEMENTS, made))
    return made


async def begin(consumer, provider, data_address=None):
    return await consumer.transfers.request_transfer("urn:g:1", "medspace:train", data_address, provider.address)


async def reach(party, pid, state):
    async def there():
        return (await party.transfer(pid)).state == state

    await until(party.clock, there)
    return await party.transfer(pid)


async def both(consumer, provider, pid, state):
    mine = await reach(consumer, pid, state)
    return mine, await reach(provider, mine.peer_pid, state)


def request(**members):
    body = {
        "@context": CONTEXT,
        "@type": "TransferRequestMessage",
        "consumerPid": "urn:c:1",
        "agreementId": "urn:g:1",
        "format": "medspace:train",
        "callbackAddress": "https://nowhere.example",
        **members,
    }
    return msgspec.json.encode(body)


async def test_the_provider_gives_the_address_and_does_not_keep_its_token(agreement, provider, consumer):
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    assert mine.data_address == PULL
    assert theirs.data_address is None
    assert provider.transferring.events == ["request", "started"]
    assert consumer.transferring.events == ["requested", "start"]


async def test_a_push_carries_the_consumers_address(agreement, provider, consumer):
    provider.transferring.data_address = None
    push = {"@type": "DataAddress", "endpointType": "https", "endpoint": "https://c.example/in"}
    begun = await begin(consumer, provider, push)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    assert mine.data_address == theirs.data_address == push


@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_either_side_suspends_resumes_completes(agreement, provider, consumer, side):
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    party, pid = (provider, theirs.id) if side == "provider" else (consumer, mine.id)
    await party.transfers.suspend(pid, "consent.withdrawn", "A consent ended.")
    mine, theirs = await both(consumer, provider, begun.id, "SUSPENDED")
    assert mine.suspended_by == theirs.suspended_by == Role(side)
    assert {mine.failure.source, theirs.failure.source} == {"us", "peer"}
    assert awaits(mine) == "either"
    with pytest.raises(TransitionError):
        await party.transfers.complete(pid)
    await party.transfers.resume(pid)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    assert mine.suspended_by is theirs.suspended_by is None
    assert mine.data_address == PULL
    await party.transfers.complete(pid)
    mine, theirs = await both(consumer, provider, begun.id, "COMPLETED")
    assert awaits(mine) == "nobody"
    for other, own in ((provider, theirs.id), (consumer, mine.id)):
        with pytest.raises(TransitionError):
            await other.transfers.terminate(own, "x.y")


@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_either_side_terminates_a_request(agreement, provider, consumer, side):
    provider.transferring.reactions = {}
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "REQUESTED")
    assert (awaits(mine), awaits(theirs)) == ("peer", "us")
    party, pid = (provider, theirs.id) if side == "provider" else (consumer, mine.id)
    await party.transfers.terminate(pid, "use.over")
    await both(consumer, provider, begun.id, "TERMINATED")
    assert provider.transferring.events[-1] == consumer.transferring.events[-1] == "terminated"


async def test_a_use_that_the_agreement_does_not_allow_is_refused_with_its_clause(agreement, provider, consumer):
    provider.transferring.decision = DENIED
    begun = await begin(consumer, provider)
    mine = await reach(consumer, begun.id, "TERMINATED")
    assert (mine.failure.code, mine.failure.clause) == ("policy.forbidden", "/prohibition/0")
    assert mine.failure.source == "peer"
    assert await provider.transfers.recent() == []
    (entry,) = await provider.log()
    assert entry["kind"] == "transfer.refused"
    assert entry["facts"]["clause"] == "/prohibition/0"


async def test_what_is_not_allowed_any_more_is_not_resumed(agreement, provider, consumer):
    begun = await begin(consumer, provider)
    _mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    await provider.transfers.suspend(theirs.id, "agreement.expired")
    await both(consumer, provider, begun.id, "SUSPENDED")
    provider.transferring.decision = DENIED
    await consumer.transfers.resume(begun.id)

    async def told():
        failure = (await consumer.transfer(begun.id)).failure
        return failure is not None and failure.code == "policy.forbidden"

    await until(consumer.clock, told)
    assert (await consumer.transfer(begun.id)).state == "SUSPENDED"
    assert (await provider.transfer(theirs.id)).state == "SUSPENDED"
    assert (await provider.kinds())[-1] == "transfer.refused"


async def test_agreements_of_others_cannot_be_used(agreement, provider, consumer):
    for did, body in (("did:web:thief.example", request()), (consumer.did, request(agreementId="urn:g:2"))):
        refused = await provider.post("/transfers/request", body, did)
        assert (refused.status, refused.body["code"]) == (400, "agreement.unknown")
    with pytest.raises(UnknownAgreementError):
        await consumer.transfers.request_transfer("urn:g:2", "medspace:train")
    with pytest.raises(UnknownAgreementError):
        await consumer.transfers.request_transfer("urn:g:1", "medspace:train")


async def test_the_same_request_again_finds_the_same_process(agreement, provider, consumer):
    first = await provider.post("/transfers/request", request(), consumer.did)
    again = await provider.post("/transfers/request", request(format="other"), consumer.did)
    assert first.body["providerPid"] == again.body["providerPid"]
    assert len(await provider.transfers.recent(agreement="urn:g:1")) == 1


async def test_a_process_belongs_to_its_counterparty(agreement, provider, consumer):
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    end = msgspec.json.encode(
        {
            "@context": CONTEXT,
            "@type": "TransferTerminationMessage",
            "providerPid": theirs.id,
            "consumerPid": mine.id,
        }
    )
    assert (await provider.post(f"/transfers/{theirs.id}/termination", end, "did:web:else.example")).status == 404
    assert (await provider.get(f"/transfers/{theirs.id}", "did:web:else.example")).status == 404
    assert (await provider.get(f"/transfers/{theirs.id}", consumer.did)).body["state"] == "STARTED"
    with pytest.raises(UnknownProcessError):
        await consumer.transfers.find("urn:none")


async def test_an_agreement_is_used_before_its_last_answer_was_read(network, provider, consumer):
    gate = network.gates["held"] = asyncio.Event()
    network.fault = lambda method, url, body: "held" if body.get("eventType") == "FINALIZED" else None
    begun = await consumer.negotiations.request_negotiation(provider.did, provider.address, OFFER, "urn:asset:1")

    async def final():
        return (await consumer.negotiation(begun.id)).state == "FINALIZED"

    await until(consumer.clock, final)
    known = (await consumer.negotiation(begun.id)).agreement_id
    assert await provider.negotiations.agreements() == []
    used = await consumer.transfers.request_transfer(known, "medspace:train")
    await both(consumer, provider, used.id, "STARTED")
    gate.set()
    await settle(consumer.clock)
    assert (await provider.kinds()).count("negotiation.finalized") == 1
    assert len(await provider.negotiations.agreements()) == 1


async def test_an_agreement_that_surely_is_not_final_is_not_used(network, provider, consumer):
    network.fault = lambda method, url, body: "404" if body.get("eventType") == "FINALIZED" else None
    begun = await consumer.negotiations.request_negotiation(provider.did, provider.address, OFFER, "urn:asset:1")

    async def verified():
        return (await consumer.negotiation(begun.id)).state == "VERIFIED"

    await until(consumer.clock, verified)
    await settle(consumer.clock)
    known = (await consumer.negotiation(begun.id)).agreement_id
    refused = await provider.post("/transfers/request", request(agreementId=known), consumer.did)
    assert (refused.status, refused.body["code"]) == (400, "agreement.unknown")


async def test_a_script_of_actions_runs_to_its_end(agreement, provider, consumer):
    steps = ("start", "suspend", "start", "complete")
    provider.transferring.reactions = {"request": Reaction(steps, delay=0.2)}
    begun = await begin(consumer, provider)
    await both(consumer, provider, begun.id, "COMPLETED")
    assert (await consumer.kinds()) == [
        f"transfer.{step}" for step in ("requested", "started", "suspended", "started", "completed")
    ]


async def test_a_reaction_while_a_message_is_under_way_follows_it(network, agreement, provider, consumer):
    begun = await begin(consumer, provider)
    _mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    consumer.transferring.reactions = {"suspension": "terminate"}
    gate = network.gates["held"] = asyncio.Event()
    network.fault = lambda method, url, body: (
        "held" if url.startswith(provider.address) and url.endswith("suspension") else None
    )
    await provider.transfers.suspend(theirs.id, "x.y")
    await both(consumer, provider, begun.id, "TERMINATED")
    gate.set()


async def test_lists_page_and_filter(agreement, provider, consumer):
    provider.transferring.reactions = {}
    for number in range(3):
        await provider.post("/transfers/request", request(consumerPid=f"urn:c:{number}"), consumer.did)
        provider.clock.advance(1)
    newest = await provider.transfers.recent(limit=1)
    assert newest[0].peer_pid == "urn:c:2"
    older = await provider.transfers.recent(state=newest[0].state, after=newest[0].created)
    assert [found.peer_pid for found in older] == ["urn:c:1", "urn:c:0"]
