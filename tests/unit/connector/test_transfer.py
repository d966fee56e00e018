"""Transfers between two connectors, pulled and pushed, stopped and resumed by either."""

import asyncio

import msgspec
import pytest

from medspace.connector.errors import CrossedError, TransitionError, UnknownAgreementError, UnknownProcessError
from medspace.connector.model import AGREEMENTS, INTENTS, Agreement, Reaction, Role
from medspace.connector.transfer.messages import TRANSFER
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.paging import Cursor
from medspace.core.text import Text
from tests.unit.connector.parties import CONTEXT, OFFER, PULL, settle, until

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
    assert TRANSFER.awaits(mine) == "either"
    with pytest.raises(TransitionError):
        await party.transfers.complete(pid)
    await party.transfers.resume(pid)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    assert mine.suspended_by is theirs.suspended_by is None
    assert mine.data_address == PULL
    await party.transfers.complete(pid)
    mine, theirs = await both(consumer, provider, begun.id, "COMPLETED")
    assert TRANSFER.awaits(mine) == "nobody"
    for other, own in ((provider, theirs.id), (consumer, mine.id)):
        with pytest.raises(TransitionError):
            await other.transfers.terminate(own, "x.y")


@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_either_side_terminates_a_request(agreement, provider, consumer, side):
    provider.transferring.reactions = {}
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "REQUESTED")
    assert (TRANSFER.awaits(mine), TRANSFER.awaits(theirs)) == ("peer", "us")
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
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    consumer.transferring.reactions = {"suspension": "terminate"}
    network.fault = lambda method, url, body: (
        "void" if url.startswith(provider.address) and url.endswith("suspension") else None
    )
    await consumer.transfers.suspend(mine.id, "x.y")
    await settle(consumer.clock)
    await provider.transfers.suspend(theirs.id, "x.y")
    await both(consumer, provider, begun.id, "SUSPENDED")
    network.fault = lambda method, url, body: None
    await both(consumer, provider, begun.id, "TERMINATED")


async def test_a_repetition_that_is_refused_is_looked_up(network, agreement, provider, consumer):
    begun = await begin(consumer, provider)
    mine, _ = await both(consumer, provider, begun.id, "STARTED")
    faults = iter(["mute", "400"])
    network.fault = lambda method, url, body: next(faults, None) if url.endswith("completion") else None
    await consumer.transfers.complete(mine.id)
    done, _ = await both(consumer, provider, begun.id, "COMPLETED")
    assert done.failure is None


async def test_a_repetition_that_is_refused_and_cannot_be_looked_up_fails(network, agreement, provider, consumer):
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    faults = iter(["void", "400"])
    network.fault = lambda method, url, body: (
        "lost" if method == "GET" else next(faults, None) if url.endswith("completion") else None
    )
    await consumer.transfers.complete(mine.id)

    async def told():
        return (await consumer.transfer(begun.id)).failure is not None

    await until(consumer.clock, told)
    assert (await provider.transfer(theirs.id)).state == "STARTED"


async def test_a_message_is_taken_once_and_a_refused_one_stays_refused(agreement, provider, consumer):
    provider.transferring.reactions = {}
    made = await provider.post("/transfers/request", request(), consumer.did)
    pid = made.body["providerPid"]

    def message(kind, identity):
        pids = {"providerPid": pid, "consumerPid": "urn:c:1"}
        return msgspec.json.encode({"@context": CONTEXT, "@type": kind, "@id": identity, **pids})

    early = message("TransferCompletionMessage", "urn:m:1")
    assert (await provider.post(f"/transfers/{pid}/completion", early, consumer.did)).status == 400
    await provider.transfers.resume(pid)

    async def tried():
        return any(url.endswith("/start") for url, _ in provider.network.sent)

    await until(provider.clock, tried)
    pids = {"providerPid": pid, "consumerPid": "urn:c:1"}
    assert (await provider.transfer(pid)).state == "REQUESTED"
    assert (await provider.post(f"/transfers/{pid}/completion", early, consumer.did)).status == 400
    end = message("TransferTerminationMessage", "urn:m:2")
    first = await provider.post(f"/transfers/{pid}/termination", end, consumer.did)
    again = await provider.post(f"/transfers/{pid}/termination", end, consumer.did)
    assert (first.status, first.body) == (again.status, again.body)
    assert (await provider.kinds()).count("transfer.terminated") == 1
    assert set(pids) <= set(first.body)


async def test_lists_page_and_filter(agreement, provider, consumer):
    provider.transferring.reactions = {}
    for number in range(3):
        await provider.post("/transfers/request", request(consumerPid=f"urn:c:{number}"), consumer.did)
        provider.clock.advance(1)
    newest = await provider.transfers.recent(limit=1)
    assert newest[0].peer_pid == "urn:c:2"
    older = await provider.transfers.recent(state=newest[0].state, after=Cursor(newest[0].created, newest[0].id))
    assert [found.peer_pid for found in older] == ["urn:c:1", "urn:c:0"]


@pytest.mark.parametrize("fault", ["lost", "mute", "500", "404", "late", "twice"])
@pytest.mark.parametrize("ending", ["/request", "/start", "/completion"])
async def test_each_message_is_delivered_once_whatever_the_network_does(
    network, agreement, provider, consumer, fault, ending
):
    left = [2]

    def weather(method, url, body):
        if left[0] and url.endswith(ending):
            left[0] -= 1
            return fault
        return None

    network.fault = weather
    begun = await begin(consumer, provider)
    _mine, _theirs = await both(consumer, provider, begun.id, "STARTED")
    await consumer.transfers.complete(begun.id)
    await both(consumer, provider, begun.id, "COMPLETED")
    for party in (provider, consumer):
        assert await party.kinds() == ["transfer.requested", "transfer.started", "transfer.completed"]


async def test_a_request_that_reaches_nobody_ends_with_its_reason(network, agreement, provider, consumer):
    network.fault = lambda method, url, body: "lost"
    begun = await begin(consumer, provider)
    for _ in range(80):
        consumer.clock.advance(10)
        await settle(consumer.clock)
    ended = await reach(consumer, begun.id, "TERMINATED")
    assert (ended.failure.code, ended.failure.source) == ("peer.not_sent", "delivery")
    assert consumer.transferring.events == ["terminated"]


async def test_a_termination_that_is_said_twice_keeps_its_own_reason(network, agreement, provider, consumer):
    begun = await begin(consumer, provider)
    await both(consumer, provider, begun.id, "STARTED")
    network.fault = lambda method, url, body: "mute" if url.endswith("/termination") else None
    await consumer.transfers.terminate(begun.id, "transfer.ended", "enough")
    await settle(consumer.clock)
    network.fault = lambda method, url, body: None
    await consumer.transfers.terminate(begun.id, "transfer.ended", "enough")
    mine, _ = await both(consumer, provider, begun.id, "TERMINATED")
    assert (mine.failure.code, mine.failure.reason, mine.failure.source) == ("transfer.ended", ("enough",), "us")


async def test_what_an_implied_acknowledgement_makes_due_is_sent_although_the_message_is_refused(
    network, agreement, provider, consumer
):
    begun = await begin(consumer, provider)
    _, theirs = await both(consumer, provider, begun.id, "STARTED")
    network.fault = lambda method, url, body: "mute" if url.endswith("/suspension") else None
    await provider.transfers._act(theirs.id, Reaction(("suspend", "terminate"), code="x.y"))

    async def suspended():
        return (await consumer.transfer(begun.id)).state == "SUSPENDED"

    await until(consumer.clock, suspended)
    provider.transferring.decision = Decision(Verdict.DENY, "policy.time")
    await consumer.transfers.resume(begun.id)
    await both(consumer, provider, begun.id, "TERMINATED")


async def test_a_message_in_doubt_is_owed_until_it_is_answered_although_the_process_is_over(
    network, agreement, provider, consumer
):
    begun = await begin(consumer, provider)
    _, theirs = await both(consumer, provider, begun.id, "STARTED")
    network.fault = lambda method, url, body: "void" if url.endswith("/suspension") else None
    await provider.transfers.suspend(theirs.id, "x.y")
    await settle(provider.clock)
    await consumer.transfers.terminate(begun.id, "y.z")
    await both(consumer, provider, begun.id, "TERMINATED")
    owed = await provider.database.read(lambda tx: tx.find(INTENTS))
    assert [intent.action for intent in owed] == ["suspend"]
    network.fault = lambda method, url, body: None

    async def nothing_is_owed():
        return not await provider.database.read(lambda tx: tx.find(INTENTS))

    await until(provider.clock, nothing_is_owed)


async def test_a_suspension_that_is_refused_leaves_its_reason(network, agreement, provider, consumer):
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    network.fault = lambda method, url, body: "400" if url.endswith("/suspension") else None
    await provider.transfers.suspend(theirs.id, "x.y")
    await settle(provider.clock)
    told = await provider.transfer(theirs.id)
    assert (told.state, told.failure.code) == ("STARTED", "test.fault")
    assert mine.state == "STARTED"


async def test_an_answer_without_a_pid_ends_the_request(network, agreement, provider, consumer):
    network.fault = lambda method, url, body: "200"
    begun = await begin(consumer, provider)
    ended = await reach(consumer, begun.id, "TERMINATED")
    assert ended.failure.code == "message.invalid"


async def test_a_request_under_way_is_terminated_once_it_has_arrived(network, agreement, provider, consumer):
    network.fault = lambda method, url, body: "404"
    begun = await begin(consumer, provider)
    await settle(consumer.clock)
    await consumer.transfers.terminate(begun.id, "use.over")
    network.fault = lambda method, url, body: None
    await both(consumer, provider, begun.id, "TERMINATED")


async def test_a_completion_that_crosses_a_doubtful_suspension_is_asked_for_again(
    network, agreement, provider, consumer
):
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    network.fault = lambda method, url, body: "500" if url.endswith("/suspension") else None
    await provider.transfers.suspend(theirs.id, "x.y")
    await until(provider.clock, lambda: len([url for url, _ in network.sent if url.endswith("/suspension")]) > 1)
    pids = {"providerPid": theirs.id, "consumerPid": mine.id}
    done = msgspec.json.encode({"@context": CONTEXT, "@type": "TransferCompletionMessage", **pids})
    crossed = await provider.post(f"/transfers/{theirs.id}/completion", done, consumer.did)
    assert (crossed.status, crossed.body["code"]) == (503, "process.crossed")
    with pytest.raises(CrossedError):
        await provider.transfers.complete(theirs.id)
    network.fault = lambda method, url, body: None
    await both(consumer, provider, begun.id, "SUSPENDED")


async def test_a_message_that_was_overtaken_and_surely_not_taken_is_not_sent(network, agreement, provider, consumer):
    begun = await begin(consumer, provider)
    mine, theirs = await both(consumer, provider, begun.id, "STARTED")
    network.fault = lambda method, url, body: (
        "404" if url.endswith("/suspension") and url.startswith(consumer.address) else None
    )
    await provider.transfers.suspend(theirs.id, "x.y")
    await settle(provider.clock)
    await consumer.transfers.complete(mine.id)
    await both(consumer, provider, begun.id, "COMPLETED")
    network.fault = lambda method, url, body: None
    before = len(network.sent)
    provider.clock.advance(60)
    await settle(provider.clock)
    assert len(network.sent) == before


async def test_a_transfer_whose_agreement_is_gone_is_not_resumed(network, agreement, provider, consumer):
    begun = await begin(consumer, provider)
    _, theirs = await both(consumer, provider, begun.id, "STARTED")
    await consumer.transfers.suspend(begun.id, "x.y")
    await both(consumer, provider, begun.id, "SUSPENDED")
    await provider.database.write(lambda tx: tx.delete(AGREEMENTS, agreement))
    await consumer.transfers.resume(begun.id)

    async def told():
        failure = (await consumer.transfer(begun.id)).failure
        return failure is not None and failure.code == "agreement.unknown"

    await until(consumer.clock, told)
    assert (await provider.transfer(theirs.id)).state == "SUSPENDED"
