"""Somebody asks an issuer for what a person has to allow: nothing is signed before, nothing for anybody else.

The control is an issuer whose rule gives everything at once to whoever asks.
"""

from types import SimpleNamespace

import pytest

from medspace.core.errors import MedspaceError
from medspace.services.credentials.errors import CredentialPeerError
from medspace.services.credentials.model import HELD, ISSUED, TAKEN
from medspace.services.credentials.ports import IssuanceVerdict
from medspace.trust.model import Caller
from tests.unit.services.credentials.world import MEMBERSHIP, World
from tests.unit.trust.credentials.parties import HOLDER, ISSUER

MALLORY = "did:web:mallory.example"
BEFORE = "credentials signed before the person who decides has said yes"
TRIES = 3


async def rows(world, did, collection):
    return await world.databases[did].read(lambda tx: tx.find(collection))


async def signed(rule):
    """How many credentials somebody gets by asking again and again, and by waiting."""
    world = World(rule)
    for _ in range(TRIES):
        await world.holder.request(ISSUER, MEMBERSHIP)
        await world.issuer.deliver_due()
        world.later(hours=5)
    return len(await rows(world, ISSUER, ISSUED))


async def test_nothing_is_signed_before(attack_report):
    got = await signed(lambda _: IssuanceVerdict())
    attack_report(BEFORE, got=got, of=TRIES, unit="credentials")
    assert got == 0


async def test_an_issuer_that_asks_nobody_signs_each(attack_report):
    got = await signed(lambda _: IssuanceVerdict({}))
    attack_report(BEFORE, control=got, of=TRIES, unit="credentials")
    assert got == TRIES


async def test_what_was_refused_is_not_issued_by_a_late_yes_or_by_asking_its_status():
    world = World(lambda _: IssuanceVerdict())
    await world.holder.request(ISSUER, MEMBERSHIP)
    (taken,) = await rows(world, ISSUER, TAKEN)
    await world.issuer.refuse(taken.id, "No.", by="")
    with pytest.raises(MedspaceError) as caught:
        await world.issuer.grant(taken.id, {}, by="")
    assert caught.value.code == "credential.decided"
    await world.issuer.deliver_due()
    assert await rows(world, ISSUER, ISSUED) == await rows(world, HOLDER, HELD) == []


async def test_nobody_reads_the_request_or_the_reason_of_another():
    world = World(lambda _: IssuanceVerdict())
    await world.holder.request(ISSUER, MEMBERSHIP)
    (taken,) = await rows(world, ISSUER, TAKEN)
    await world.issuer.refuse(taken.id, "Something private.", by="")
    with pytest.raises(MedspaceError) as caught:
        await world.issuer.status(SimpleNamespace(caller=Caller(MALLORY, "")), taken.id)
    assert caught.value.code == "credential.unknown"
    log = await world.databases[ISSUER].read(lambda tx: b"".join(tx.log.entries(0, tx.log.size())))
    assert b"private" not in log


async def test_who_states_a_claim_cannot_change_what_the_configuration_fixes():
    world = World(lambda _: IssuanceVerdict(), claims={"level": 1}, stated=("field",))
    await world.holder.request(ISSUER, MEMBERSHIP)
    (taken,) = await rows(world, ISSUER, TAKEN)
    for claims in ({"field": "x", "level": 9}, {"field": "x", "id": MALLORY}):
        with pytest.raises(MedspaceError) as caught:
            await world.issuer.grant(taken.id, claims, by="")
        assert caught.value.code == "credential.decision"


async def test_a_flood_of_requests_leaves_room_for_no_more_than_a_limit(monkeypatch):
    monkeypatch.setattr("medspace.services.credentials.deciding.MOST_WAITING_OF_ONE", 2)
    world = World(lambda _: IssuanceVerdict())
    for _ in range(2):
        await world.holder.request(ISSUER, MEMBERSHIP)
    with pytest.raises(CredentialPeerError):
        await world.holder.request(ISSUER, MEMBERSHIP)
