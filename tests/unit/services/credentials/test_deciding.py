"""Requests on which a person decides: they wait, are granted or refused once, and their holders hear of it."""

from types import SimpleNamespace

import msgspec
import pytest

from medspace.core.errors import MedspaceError
from medspace.ledger.model import decode
from medspace.services.credentials import deciding
from medspace.services.credentials.errors import CredentialPeerError
from medspace.services.credentials.messages import CONTEXT
from medspace.services.credentials.model import HELD, ISSUED, MADE, TAKEN
from medspace.services.credentials.ports import IssuanceVerdict
from medspace.trust.model import Caller
from tests.unit.services.credentials.world import MEMBERSHIP, STORE, World
from tests.unit.trust.credentials.parties import HOLDER, ISSUER

BY = "actor:" + "1" * 32
OTHER = "did:web:other.example"


def by_a_person(_):
    return IssuanceVerdict()


async def rows(world, did, collection):
    return await world.databases[did].read(lambda tx: tx.find(collection))


async def asked(**kind):
    world = World(kind.pop("rule", by_a_person), **kind)
    await world.holder.request(ISSUER, MEMBERSHIP)
    (taken,) = await rows(world, ISSUER, TAKEN)
    return world, taken


async def status(world, taken, caller=HOLDER):
    return (await world.issuer.status(SimpleNamespace(caller=Caller(caller, "")), taken.id))["status"]


async def code_of(work):
    with pytest.raises(MedspaceError) as caught:
        await work
    return caught.value.code


async def test_nothing_is_issued_before_somebody_decides():
    world, taken = await asked()
    for _ in range(2):
        assert await world.issuer.deliver_due() == 0
        world.later(days=1)
    assert await status(world, taken) == "RECEIVED"
    assert await rows(world, ISSUER, ISSUED) == await rows(world, HOLDER, HELD) == []


async def test_what_is_granted_is_issued_with_the_claims_that_were_fixed_and_stated():
    world, taken = await asked(claims={"level": 2}, stated=("field",))
    await world.issuer.grant(taken.id, {"field": "cardiology"}, by=BY)
    assert await status(world, taken) == "RECEIVED"  # until it is there
    assert await world.issuer.deliver_due() == 1
    (held,) = await rows(world, HOLDER, HELD)
    credential = await world.prover.holds(held.text, HOLDER)
    assert dict(credential.claims) == {"level": 2, "field": "cardiology"}
    assert await status(world, taken) == "ISSUED"
    log = await world.databases[ISSUER].read(lambda tx: [decode(one) for one in tx.log.entries(0, tx.log.size())])
    assert [entry.kind for entry in log] == ["credential.granted", "credential.issued"]
    assert log[0].facts["by"] == BY
    assert "cardiology" not in str(log)


async def test_what_is_refused_is_refused_at_once_and_its_holder_hears_why():
    world, taken = await asked()
    await world.issuer.refuse(taken.id, " No board has looked at it. ", by=BY)
    assert await status(world, taken) == "REJECTED"
    assert await world.issuer.deliver_due() == 1
    (made,) = await rows(world, HOLDER, MADE)
    assert (made.state, made.reason) == ("REJECTED", "No board has looked at it.")
    assert await rows(world, ISSUER, ISSUED) == []


async def test_a_request_is_decided_once():
    world, taken = await asked()
    await world.issuer.refuse(taken.id, "No.", by=BY)
    assert await code_of(world.issuer.grant(taken.id, {}, by=BY)) == "credential.decided"
    world, taken = await asked()
    await world.issuer.grant(taken.id, {}, by=BY)
    assert await code_of(world.issuer.refuse(taken.id, "No.", by=BY)) == "credential.decided"
    assert await code_of(world.issuer.grant(taken.id, {}, by=BY)) == "credential.decided"
    assert await code_of(world.issuer.grant("nothing", {}, by=BY)) == "credential.unknown"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"field": "a", "level": 3},
        {"field": ""},
        {"field": "x" * 1001},
        {"field": []},
        {"field": [["a"]]},
        {"field": {"a": 1}},
        {"field": None},
    ],
)
async def test_nobody_states_more_or_less_than_was_left_open(claims):
    world, taken = await asked(claims={"level": 2}, stated=("field",))
    assert await code_of(world.issuer.grant(taken.id, claims, by=BY)) == "credential.decision"
    assert (await rows(world, ISSUER, TAKEN))[0].waiting


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
async def test_a_refusal_has_a_reason(reason):
    world, taken = await asked()
    assert await code_of(world.issuer.refuse(taken.id, reason, by=BY)) == "credential.decision"


async def test_who_may_not_have_it_any_more_does_not_get_it():
    refused = []
    world, taken = await asked(rule=lambda _: IssuanceVerdict(refused="gone" if refused else ""))
    refused.append(True)
    assert await code_of(world.issuer.grant(taken.id, {}, by=BY)) == "credential.not-issued"
    refused.clear()
    await world.issuer.grant(taken.id, {}, by=BY)
    refused.append(True)
    await world.issuer.deliver_due()
    assert await status(world, taken) == "REJECTED"


async def test_what_was_granted_is_tried_again_until_it_is_there():
    world, taken = await asked()
    world.down.add(f"{STORE}/credentials")
    await world.issuer.grant(taken.id, {}, by=BY)
    await world.issuer.deliver_due()
    assert await status(world, taken) == "RECEIVED"
    world.down.clear()
    world.later(seconds=2)
    await world.issuer.deliver_due()
    assert await status(world, taken) == "ISSUED"
    assert len(await rows(world, ISSUER, ISSUED)) == 1


async def test_what_is_to_be_decided_by_a_person_meanwhile_waits():
    verdicts = iter([IssuanceVerdict({}), IssuanceVerdict()])
    world, _ = await asked(rule=lambda _: next(verdicts))
    await world.issuer.deliver_due()
    (later,) = await rows(world, ISSUER, TAKEN)
    assert (later.state, later.due, bool(later.waiting)) == ("RECEIVED", None, True)


async def test_nobody_else_learns_of_a_request():
    world, taken = await asked()
    assert await code_of(status(world, taken, OTHER)) == "credential.unknown"


@pytest.mark.parametrize("limit", ["MOST_WAITING", "MOST_WAITING_OF_ONE"])
async def test_only_so_many_wait(monkeypatch, limit):
    monkeypatch.setattr(deciding, limit, 1)
    world, taken = await asked()
    with pytest.raises(CredentialPeerError):
        await world.holder.request(ISSUER, MEMBERSHIP)
    assert len(await rows(world, ISSUER, TAKEN)) == 1
    await world.issuer.refuse(taken.id, "No.", by=BY)  # so there is room again
    await world.holder.request(ISSUER, MEMBERSHIP)


async def test_one_who_asks_again_and_again_leaves_room_for_others(monkeypatch):
    monkeypatch.setattr(deciding, "MOST_WAITING_OF_ONE", 1)
    world, _ = await asked()
    message = {"type": "CredentialRequestMessage", "holderPid": "1", "credentials": [{"id": "VC20"}]}
    content = msgspec.json.encode({"@context": [CONTEXT], **message})
    assert await world.issuer.request(SimpleNamespace(caller=Caller(OTHER, "")), content)
