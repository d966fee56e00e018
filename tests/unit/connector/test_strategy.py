"""The product's way to answer: by the published policy, or by a person."""

import msgspec
import pytest

from medspace.connector.catalogue.service import publish
from medspace.connector.model import CATALOGUE, Dataset
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.trust.model import Facts
from tests.unit.connector.parties import CONTEXT, Party, settle, until

ASSET = "urn:asset:1"
TRAIN = {
    "@id": "urn:offer:1",
    "@type": "Offer",
    "permission": [
        {
            "action": "medspace:train",
            "constraint": [{"leftOperand": "spatial", "operator": "eq", "rightOperand": "DE"}],
        }
    ],
    "prohibition": [{"action": "medspace:download"}],
}
LABEL = "sha256:" + "0" * 64


@pytest.fixture
def regions():
    return {"did:web:consumer.example": "DE"}


def product(party, regions, answering=Answering.AUTOMATIC):
    party.strategy = PolicyStrategy(party.local, lambda tx, did: Facts(did, regions.get(did)), answering)
    party.build()


async def offered(party, *offers):
    dataset = Dataset(ASSET, "Hearts", "", (), offers or (TRAIN,), ("medspace:train",), LABEL, "")
    await party.database.write(lambda tx: publish(tx, party.local, dataset, ["medspace:train"]))


@pytest.fixture
async def pair(network, regions):
    provider, consumer = Party("provider", network), Party("consumer", network)
    for party in (provider, consumer):
        product(party, regions)
        party.start()
    await offered(provider)
    yield provider, consumer
    await provider.stop()
    await consumer.stop()


async def ask(consumer, provider, offer=TRAIN, asset=ASSET):
    begun = await consumer.negotiations.request_negotiation(provider.did, provider.address, offer, asset)

    async def over():
        return (await consumer.negotiation(begun.id)).state in ("FINALIZED", "TERMINATED")

    await until(consumer.clock, over)
    return await consumer.negotiation(begun.id)


async def test_what_is_offered_is_agreed_on_the_published_text(pair):
    provider, consumer = pair
    turned = {**TRAIN, "@id": "urn:mine", "prohibition": {"action": {"@id": "medspace:download"}}}
    done = await ask(consumer, provider, turned)
    assert done.state == "FINALIZED"
    assert done.agreement["permission"] == TRAIN["permission"]
    assert (done.agreement["assigner"], done.agreement["assignee"]) == (provider.did, consumer.did)


@pytest.mark.parametrize(("kept", "state"), [({"medspace:log"}, "TERMINATED"), ({"inform"}, "FINALIZED")])
async def test_a_duty_is_agreed_to_only_where_somebody_keeps_it(pair, regions, kept, state):
    provider, consumer = pair
    provider.strategy = PolicyStrategy(
        provider.local, lambda tx, did: Facts(did, regions.get(did)), duties=frozenset(kept)
    )
    await provider.restart()
    dutiful = TRAIN | {"permission": [TRAIN["permission"][0] | {"duty": [{"action": "inform"}]}]}
    await offered(provider, dutiful)
    done = await ask(consumer, provider, dutiful)
    assert done.state == state
    if state == "TERMINATED":
        assert (done.failure.code, done.failure.clause) == ("policy.unenforceable", "/permission/0/duty/0")


async def test_other_terms_are_not_agreed(pair):
    provider, consumer = pair
    wider = {**TRAIN, "permission": [{"action": "medspace:train"}]}
    assert (await ask(consumer, provider, wider)).failure.code == "negotiation.not_offered"
    without = {key: value for key, value in TRAIN.items() if key != "prohibition"}
    assert (await ask(consumer, provider, without)).failure.code == "negotiation.not_offered"


async def test_who_asks_for_what_is_forbidden_reads_the_clause(pair):
    provider, consumer = pair
    refused = await ask(consumer, provider, {**TRAIN, "permission": [{"action": "medspace:download"}]})
    assert (refused.failure.code, refused.failure.clause) == ("policy.prohibited", "/prohibition/0")


async def test_terms_that_cannot_be_read_are_not_even_kept(pair):
    provider, consumer = pair
    unreadable = {**TRAIN, "permission": [{"action": "medspace:train", "constraint": [{"or": []}]}]}
    body = {
        "@context": CONTEXT,
        "@type": "ContractRequestMessage",
        "consumerPid": "urn:c:1",
        "offer": {**unreadable, "target": ASSET},
        "callbackAddress": consumer.address,
    }
    reply = await provider.post("/negotiations/request", msgspec.json.encode(body), consumer.did)
    assert (reply.status, reply.body["code"]) == (400, "policy.malformed")
    assert await provider.negotiations.recent() == []


async def test_a_dataset_that_is_not_offered_is_not_agreed(pair):
    provider, consumer = pair
    assert (await ask(consumer, provider, TRAIN, "urn:asset:2")).failure.code == "catalog.unknown"


async def test_a_consumer_whom_the_policy_does_not_allow_reads_the_clause(pair, regions):
    provider, consumer = pair
    regions["did:web:consumer.example"] = "US"
    refused = await ask(consumer, provider)
    assert refused.failure.clause.startswith("/permission/0")
    assert refused.failure.reason
    assert refused.failure.source == "peer"


async def test_a_consumer_of_unknown_region_is_refused(pair, regions):
    provider, consumer = pair
    regions.clear()
    assert (await ask(consumer, provider)).state == "TERMINATED"


async def test_a_clause_that_nobody_can_enforce_is_never_agreed(pair):
    provider, consumer = pair
    odd = {
        **TRAIN,
        "permission": [
            {
                "action": "medspace:train",
                "constraint": [{"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}],
            }
        ],
    }
    dataset = await provider.database.read(lambda tx: tx.get(CATALOGUE, ASSET))
    changed = Dataset(ASSET, "", "", (), (odd,), dataset.formats, LABEL, "")
    await provider.database.write(lambda tx: tx.replace(CATALOGUE, dataset, changed))
    refused = await ask(consumer, provider, odd)
    assert refused.state == "TERMINATED"
    assert refused.failure.code.startswith("policy.")


async def test_by_hand_a_person_decides_and_a_verified_agreement_is_finalised(network, regions):
    provider, consumer = Party("provider", network), Party("consumer", network)
    product(provider, regions, Answering.MANUAL)
    product(consumer, regions)
    for party in (provider, consumer):
        party.start()
    await offered(provider)
    begun = await consumer.negotiations.request_negotiation(provider.did, provider.address, TRAIN, ASSET)
    await settle(consumer.clock)
    mine = await consumer.negotiation(begun.id)
    assert mine.state == "REQUESTED"
    await provider.negotiations.approve(mine.peer_pid)

    async def final():
        return (await consumer.negotiation(begun.id)).state == "FINALIZED"

    await until(consumer.clock, final)
    for party in (provider, consumer):
        await party.stop()


async def test_an_unasked_offer_waits_for_a_person_then_all_follows(pair):
    provider, consumer = pair
    begun = await provider.negotiations.offer_to(consumer.did, consumer.address, TRAIN, ASSET)
    await settle(provider.clock)
    theirs = (await consumer.negotiations.recent())[0]
    assert theirs.state == "OFFERED"
    await consumer.negotiations.approve(theirs.id)

    async def final():
        return (await provider.negotiation(begun.id)).state == "FINALIZED"

    await until(provider.clock, final)


async def scripted(network, regions, provider_script):
    provider, consumer = Party("provider", network), Party("consumer", network)
    provider.negotiating.reactions = provider_script
    product(consumer, regions)
    for party in (provider, consumer):
        party.start()
    begun = await consumer.negotiations.request_negotiation(provider.did, provider.address, TRAIN, ASSET)
    await settle(consumer.clock)
    return provider, consumer, begun.id


async def test_our_own_terms_offered_back_are_accepted(network, regions):
    script = {"request": "offer", "accepted": "agree", "verified": "finalize"}
    provider, consumer, pid = await scripted(network, regions, script)

    async def final():
        return (await consumer.negotiation(pid)).state == "FINALIZED"

    await until(consumer.clock, final)
    for party in (provider, consumer):
        await party.stop()


async def test_other_terms_offered_back_wait_for_a_person(network, regions):
    provider, consumer, pid = await scripted(network, regions, {})
    mine = await consumer.negotiation(pid)
    await provider.negotiations.offer(mine.peer_pid, {**TRAIN, "permission": [{"action": "medspace:score"}]})
    await settle(consumer.clock)
    assert (await consumer.negotiation(pid)).state == "OFFERED"
    for party in (provider, consumer):
        await party.stop()


@pytest.mark.parametrize(
    ("change", "state", "code"),
    [
        ({"assigner": "did:web:else"}, "TERMINATED", "agreement.mismatch"),
        ({"assignee": "did:web:else"}, "TERMINATED", "agreement.mismatch"),
        ({"target": "urn:asset:2"}, "TERMINATED", "agreement.mismatch"),
        ({"permission": [{"action": "medspace:score"}]}, "TERMINATED", "agreement.altered"),
        (
            {"permission": [{"action": "medspace:train", "constraint": [{"and": []}]}]},
            "TERMINATED",
            "policy.malformed",
        ),
    ],
)
async def test_an_agreement_that_is_not_the_one_negotiated_is_not_verified(network, regions, change, state, code):
    def tamper(method, url, body):
        if url.endswith("/agreement"):
            body["agreement"] = {**body["agreement"], **change}

    network.fault = tamper
    provider, consumer, pid = await scripted(network, regions, {"request": "agree", "verified": "finalize"})

    async def there():
        return (await consumer.negotiation(pid)).state == state

    await until(consumer.clock, there)
    failure = (await consumer.negotiation(pid)).failure
    assert (failure.code if failure else None) == code
    for party in (provider, consumer):
        await party.stop()
