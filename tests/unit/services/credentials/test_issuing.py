"""Credentials asked for, decided, delivered, offered and revoked."""

import asyncio
from dataclasses import replace

import pytest

from medspace.ledger.model import decode
from medspace.services.credentials import deciding
from medspace.services.credentials import issuer as issuing
from medspace.services.credentials.errors import (
    CredentialPeerError,
    CredentialUnknownError,
    NotIssuedError,
    UnsupportedCredentialError,
)
from medspace.services.credentials.model import HELD, ISSUED, MADE, OFFERS, STATUS, TAKEN
from medspace.services.credentials.ports import IssuanceVerdict
from medspace.trust.credentials.errors import CredentialRevokedError, StatusListError
from tests.unit.services.credentials.world import BASE, MEMBERSHIP, STORE, World
from tests.unit.trust.credentials.parties import HOLDER, ISSUER


async def rows(world, did, collection):
    return await world.databases[did].read(lambda tx: tx.find(collection))


async def holding(world):
    await world.holder.request(ISSUER, MEMBERSHIP)
    assert await world.issuer.deliver_due() == 1
    (held,) = await rows(world, HOLDER, HELD)
    return held


async def test_what_is_asked_for_is_delivered_and_holds():
    world = World()
    held = await holding(world)
    (made,) = await rows(world, HOLDER, MADE)
    assert (made.state, made.issuer) == ("ISSUED", ISSUER)
    credential = await world.prover.holds(held.text, HOLDER)
    assert dict(credential.claims) == {"role": "hospital"}
    assert await world.issuer.deliver_due() == 0


async def test_who_does_not_get_it_is_told_at_once_and_takes_no_place():
    world = World(lambda _: IssuanceVerdict(refused="not-a-member"))
    with pytest.raises(CredentialPeerError):
        await world.holder.request(ISSUER, MEMBERSHIP)
    assert await rows(world, ISSUER, TAKEN) == []


async def test_a_later_refusal_is_delivered_with_its_reason():
    verdicts = iter([IssuanceVerdict({}), IssuanceVerdict(refused="not-a-member")])
    world = World(lambda _: next(verdicts))
    await world.holder.request(ISSUER, MEMBERSHIP)
    await world.issuer.deliver_due()
    (made,) = await rows(world, HOLDER, MADE)
    assert (made.state, made.reason) == ("REJECTED", "not-a-member")
    assert await rows(world, HOLDER, HELD) == []
    (taken,) = await rows(world, ISSUER, TAKEN)
    assert (taken.state, taken.due) == ("REJECTED", None)


async def test_a_delivery_that_fails_comes_again_with_the_same_credential():
    world = World()
    world.down.add(f"{STORE}/credentials")
    await world.holder.request(ISSUER, MEMBERSHIP)
    await world.issuer.deliver_due()
    assert await world.issuer.deliver_due() == 0  # not yet
    (taken,) = await rows(world, ISSUER, TAKEN)
    assert (taken.state, taken.tries) == ("RECEIVED", 1)
    world.down.clear()
    world.later(seconds=2)
    assert await world.issuer.deliver_due() == 1
    assert len(await rows(world, HOLDER, HELD)) == len(await rows(world, ISSUER, ISSUED)) == 1


async def test_a_holder_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(issuing, "MOST_TRIES", 1)
    world = World()
    world.without_services(HOLDER)
    await world.holder.request(ISSUER, MEMBERSHIP)
    for _ in range(3):
        await world.issuer.deliver_due()
        world.later(hours=2)
    (taken,) = await rows(world, ISSUER, TAKEN)
    assert (taken.tries, taken.due) == (2, None)


async def test_what_is_not_issued_cannot_be_asked_for():
    world = World()
    with pytest.raises(CredentialUnknownError):
        await world.holder.request(ISSUER, "SomethingElse")
    with pytest.raises(UnsupportedCredentialError):
        await world.issuer.offer(HOLDER, ["SomethingElse"])


async def test_an_issuer_that_is_silent_or_refuses():
    world = World()
    world.down.add(f"{BASE}/metadata")
    with pytest.raises(CredentialPeerError):
        await world.holder.request(ISSUER, MEMBERSHIP)
    world.down.clear()
    world.gates[ISSUER].did = "did:web:other.example"  # takes no token that is for the issuer
    with pytest.raises(CredentialPeerError):
        await world.holder.request(ISSUER, MEMBERSHIP)
    (made,) = await rows(world, HOLDER, MADE)
    assert made.state == "REJECTED"
    world.without_services(ISSUER)
    with pytest.raises(CredentialPeerError):
        await world.holder.request(ISSUER, MEMBERSHIP)
    del world.known[ISSUER]
    with pytest.raises(CredentialPeerError, match="not here"):
        await world.holder.request(ISSUER, MEMBERSHIP)


async def test_too_many_requests_are_refused(monkeypatch):
    monkeypatch.setattr(deciding, "MOST_OF_ONE", 1)
    world = World()
    await world.holder.request(ISSUER, MEMBERSHIP)
    with pytest.raises(CredentialPeerError):
        await world.holder.request(ISSUER, MEMBERSHIP)


async def test_an_offer_is_kept_once():
    world = World()
    for _ in range(2):
        await world.issuer.offer(HOLDER, [MEMBERSHIP])
    (offer,) = await rows(world, HOLDER, OFFERS)
    assert (offer.issuer, offer.types) == (ISSUER, (MEMBERSHIP,))


async def test_an_offer_that_is_not_taken_is_told():
    world = World()
    world.gates[HOLDER].did = "did:web:other.example"
    with pytest.raises(CredentialPeerError):
        await world.issuer.offer(HOLDER, [MEMBERSHIP])


async def test_a_revoked_credential_holds_no_more_and_the_log_says_so():
    world = World()
    held = await holding(world)
    revoked = await world.issuer.revoke(held.credential, by="actor:" + "1" * 32)
    assert await world.issuer.revoke(held.credential) == revoked  # for good
    with pytest.raises(CredentialRevokedError):
        await world.prover.holds(held.text, HOLDER)
    with pytest.raises(CredentialUnknownError):
        await world.issuer.revoke("urn:uuid:nothing")
    log = await world.databases[ISSUER].read(lambda tx: [decode(one) for one in tx.log.entries(0, tx.log.size())])
    assert [entry.kind for entry in log] == ["credential.issued", "credential.revoked"]
    assert held.credential not in str(log)


async def test_each_list_is_later_than_the_one_before():
    world = World()
    held = await holding(world)
    url = world.issuer.list_url("bits")
    first, again = [await world.status_list(url, ISSUER) for _ in range(2)]
    assert first.text == again.text  # asking for it writes nothing
    await world.issuer.revoke(held.credential)
    second = await world.status_list(url, ISSUER)
    world.later(hours=2)
    assert (await world.status_list(url, ISSUER)).text == second.text
    world.later(hours=2)
    third = await world.status_list(url, ISSUER)
    assert first.issued < second.issued < third.issued
    with pytest.raises(CredentialUnknownError):
        await world.issuer.status_list("nothing")


async def test_an_issuer_that_is_down_for_a_day():
    """Its last list holds until its end; after that nothing that depends on it counts."""
    world = World()
    held = await holding(world)
    kept = await world.status_list(world.issuer.list_url("bits"), ISSUER)

    class Kept:
        async def status_list(self, url, issuer):
            return kept

    prover = replace(world.prover, lists=Kept())
    world.later(hours=11)
    assert await prover.holds(held.text, HOLDER)
    world.later(hours=13)
    with pytest.raises(StatusListError):
        await prover.holds(held.text, HOLDER)


async def test_a_full_list_issues_nothing(monkeypatch):
    monkeypatch.setattr(issuing, "FEWEST_BITS", 1)
    world = World()
    kind = world.issuer.issuables[0]
    await world.issuer.issue(kind, HOLDER, {})
    with pytest.raises(NotIssuedError):
        await world.issuer.issue(kind, HOLDER, {})
    (kept,) = await rows(world, ISSUER, STATUS)
    assert kept.taken == 1


async def test_a_newer_credential_takes_the_place_of_an_older_one():
    world = World()
    first = await holding(world)
    world.later(days=1)
    second = await holding(world)
    assert first.credential != second.credential


async def test_the_issuer_works_until_it_is_cancelled():
    world = World()
    working = asyncio.create_task(world.issuer.run())
    await world.holder.request(ISSUER, MEMBERSHIP)
    await asyncio.wait_for(world.delivered.wait(), 10)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_other_data_model_other_list():
    world = World()
    for kind in world.issuer.issuables:
        text, _ = await world.issuer.issue(kind, HOLDER, {})
        assert await world.prover.holds(text, HOLDER)
    assert {one.listing for one in await rows(world, ISSUER, ISSUED)} == {"bits", "2021"}
