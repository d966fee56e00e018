"""Terms that nobody can read, or that are too big to be anybody's, are refused at the door and not kept."""

import time

import msgspec
import pytest

from tests.unit.connector.parties import CONTEXT, Network, Party, settle

LEAF = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "x"}


def tree(depth):
    found = {"and": [LEAF, LEAF]}
    for _ in range(depth):
        found = {"and": [found, found]}
    return found


def terms(**members):
    return {"@id": "urn:o", "@type": "Offer", "target": "urn:a", "permission": [{"action": "use"}]} | members


BAD = {
    "no parts": terms(permission=[{"action": "use", "constraint": {"and": None}}]),
    "empty parts": terms(permission=[{"action": "use", "constraint": [{"or": []}]}]),
    "many rules": terms(permission=[{"action": "use"}] * 20_000),
    "many constraints": terms(permission=[{"action": "use", "constraint": [LEAF] * 12_000}]),
    "many operands": terms(permission=[{"action": "use", "constraint": [LEAF | {"rightOperand": ["x"] * 20_000}]}]),
    "a tree": terms(permission=[{"action": "use", "constraint": [tree(12)]}]),
    "a long text": terms(permission=[{"action": "use", "constraint": [LEAF | {"rightOperand": "x" * 100_000}]}]),
}


@pytest.fixture
async def party():
    made = Party("clinic", Network())
    made.start()
    yield made
    await made.stop()


def message(kind, **members):
    return msgspec.json.encode({"@context": CONTEXT, "@type": kind, **members})


@pytest.mark.parametrize("offer", BAD.values(), ids=BAD)
@pytest.mark.parametrize("side", ["request", "offers"])
async def test_bad_terms_are_refused_at_once_and_leave_nothing(party, offer, side):
    kind, pid = {
        "request": ("ContractRequestMessage", "consumerPid"),
        "offers": ("ContractOfferMessage", "providerPid"),
    }[side]
    body = message(kind, offer=offer, callbackAddress="https://x.example", **{pid: "urn:p"})
    began = time.thread_time()  # work, not waiting: the machine may be busy with others
    reply = await party.post(f"/negotiations/{side}", body, "did:web:rogue.example")
    assert time.thread_time() - began < 1.5  # minutes without a bound; the measuring of coverage doubles it
    assert reply.status == 400
    assert await party.negotiations.recent() == []
    assert await party.log() == []


async def test_an_agreement_that_nobody_can_read_is_refused_and_the_negotiation_stays(party):
    other = Party("company", party.network)
    other.start()
    party.negotiating.reactions = {}
    offer = terms()
    begun = await other.negotiations.request_negotiation(party.did, party.address, offer, "urn:a")
    await settle(party.clock)
    peer = (await other.negotiation(begun.id)).peer_pid
    bad = terms(permission=[{"action": "use", "constraint": {"and": None}}]) | {
        "@type": "Agreement",
        "assigner": party.did,
        "assignee": other.did,
    }
    body = message("ContractAgreementMessage", agreement=bad, providerPid=peer, consumerPid=begun.id)
    reply = await other.post(f"/negotiations/{begun.id}/agreement", body, party.did)
    assert (reply.status, reply.body["code"]) == (400, "policy.malformed")
    assert (await other.negotiation(begun.id)).state == "REQUESTED"
    await other.stop()
