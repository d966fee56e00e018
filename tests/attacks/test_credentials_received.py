"""Credentials and status lists that do not hold are sent to a data holder: each is refused with its own code."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.app.features.issuers.kinds import KINDS
from medspace.core.credentials import Believed
from medspace.core.errors import MedspaceError
from medspace.ledger import kinds
from medspace.services.issuers import facts, issuing, receiving, rules
from medspace.services.issuers.following import TrustFollower
from medspace.services.issuers.issuing import Issuer, IssuingWish
from medspace.services.issuers.model import CURRENT, LISTS, RECEIVED, STATUSES, TRUST, Narrowed
from medspace.services.issuers.receiving import Arrival
from medspace.trust.credentials.believed import TrustList, sign_trust_list
from medspace.trust.credentials.jose import Ed25519Key
from medspace.trust.credentials.keys import build_key_document, parse_key_document
from medspace.trust.credentials.status import StatusDraft, new_bits, set_bit, sign_status_list, verify_status_list
from medspace.trust.credentials.vcjwt import verify_credential
from medspace.trust.did import key_id
from medspace.trust.jws import decode, encode
from tests.runs import signer_of
from tests.unit.connector.uses import NOW

HOLDER, USER, OTHER = "did:web:clinic.example", "did:web:user.example", "did:web:other.example"
BOARD, MALLORY = "did:web:board.example", "did:web:mallory.example"
AUTHORITY = "did:web:authority.example"
DAY = timedelta(days=1)

kinds.learn(KINDS)  # as whoever loads the features does


def key_of(did):
    signer = signer_of(did)
    return Ed25519Key(key_id(did, signer.public_key), signer)


def document_of(did):
    key = key_of(did)
    return parse_key_document(json.dumps(build_key_document({"id": did}, [(key.id, key.public)], {})).encode(), did)


class World:
    """An issuer that signs, and a data holder that is sent what it has signed."""

    def __init__(self, issuer=BOARD):
        self.theirs, self.ours = MemoryDatabase(), MemoryDatabase()
        self.did, self.now = issuer, NOW
        self.issuer = Issuer(issuer, "https://board.example", signer_of(issuer), SeededRandomness(1))

    async def believe(self, *issuers, types=("EthicsApproval",)):
        listed = TrustList(
            "did:web:authority.example", NOW, NOW + 30 * DAY, tuple(Believed(t, issuers) for t in types)
        )
        await self.ours.write(lambda tx: receiving.keep_trust(tx, listed, repr(listed)))
        return self

    async def issued(self, subject=USER, types=("EthicsApproval",), **claims):
        wish = IssuingWish(subject, types, claims, NOW - DAY, NOW + 90 * DAY, (HOLDER,))
        return await self.theirs.write(lambda tx: issuing.issue(tx, self.issuer, wish, self.now, ""))

    async def revoked(self, made):
        await self.theirs.write(lambda tx: issuing.revoke(tx, self.issuer, made.id, self.now, ""))

    async def list_of(self, made):
        return (await self.theirs.read(lambda tx: tx.get(LISTS, made.list))).text

    async def send(self, made=None, text=None, listed=None, *, caller=BOARD, signer=None):
        """What the door does with a message: verified, then kept whole or not at all."""
        document = document_of(signer or self.did)
        texts = [text or made.text] if made is not None or text is not None else []
        lists = {} if listed is None else {self.url: listed}
        found = Arrival(
            [verify_credential(one, document, self.now) for one in texts],
            {url: verify_status_list(one, document, self.now, url=url) for url, one in lists.items()},
        )
        return await self.ours.write(lambda tx: receiving.take(tx, HOLDER, found, caller, self.now))

    url = "https://board.example/status-lists/1"

    async def proofs(self, subject=USER):
        found = await self.ours.read(lambda tx: facts.proofs(tx, subject))
        return [one for one in found if one.holds(self.now)]

    def signed(self, *revoked, issued=None, until=None, did=None, bits=None, url=None):
        """A status list as its issuer might sign it."""
        bits = new_bits() if bits is None else bits
        for index in revoked:
            bits = set_bit(bits, index, on=True)
        issued = issued or self.now
        draft = StatusDraft(url or self.url, did or self.did, "revocation", issued, until or issued + DAY, bits)
        return sign_status_list(draft, key_of(did or self.did))


async def code_of(work):
    with pytest.raises(MedspaceError) as caught:
        await work
    return caught.value.code


async def received():
    """A world in which the holder has taken a credential of the board."""
    world = await World().believe(BOARD)
    made = await world.issued(study="heart")
    await world.send(made, listed=await world.list_of(made))
    assert len(await world.proofs()) == 1
    return world, made


async def test_the_control_what_holds_is_taken_and_counts():
    world, made = await received()
    (proof,) = await world.proofs()
    assert (proof.type, proof.issuer, proof.values("study")) == ("EthicsApproval", BOARD, ("heart",))
    await world.send(made, listed=await world.list_of(made))  # twice is once
    assert len(await world.proofs()) == 1


async def test_an_edited_credential_is_not_taken():
    world = await World().believe(BOARD)
    made = await world.issued(study="heart")
    head, body, signature = made.text.split(".")
    other = encode(decode(body).replace(b"heart", b"lungs"))
    assert other != body
    listed = await world.list_of(made)
    assert await code_of(world.send(text=f"{head}.{other}.{signature}", listed=listed)) == "credential.signature"
    assert await world.proofs() == []


async def test_somebody_who_is_not_believed_proves_nothing():
    world = await World(MALLORY).believe(BOARD)
    world.issuer = replace(world.issuer, base="https://board.example")
    made = await world.issued(study="heart")
    listed = await world.list_of(made)
    assert await code_of(world.send(made, listed=listed, caller=MALLORY)) == "credential.issuer"
    world, made = await World().believe(BOARD, types=("ResearcherAccreditation",)), None
    made = await world.issued(study="heart")  # believed, for something else
    assert await code_of(world.send(made, listed=await world.list_of(made))) == "credential.issuer"


async def test_a_type_that_only_looks_alike_proves_nothing():
    world = await World().believe(BOARD)
    made = await world.issued(types=("Ethicsapproval",))
    assert await code_of(world.send(made, listed=await world.list_of(made))) == "credential.issuer"


TAKEN = "credentials sent by issuers that are not believed for them: taken"
BACK = "revoked credentials, by an older or a contradicting status list: count again"


async def of_mallory():
    world = await World(MALLORY).believe(BOARD)
    world.issuer = replace(world.issuer, base="https://board.example")
    return world, await world.issued(study="heart"), MALLORY


async def for_something_else():
    world = await World().believe(BOARD, types=("ResearcherAccreditation",))
    return world, await world.issued(study="heart"), BOARD


async def of_a_type_alike():
    world = await World().believe(BOARD)
    return world, await world.issued(types=("Ethicsapproval",)), BOARD


IMPOSTORS = (of_mallory, for_something_else, of_a_type_alike)


async def taken():
    """How many credentials of impostors a data holder keeps."""
    got = 0
    for make in IMPOSTORS:
        world, made, caller = await make()
        with suppress(MedspaceError):
            await world.send(made, listed=await world.list_of(made), caller=caller)
        got += len(await world.ours.read(lambda tx: tx.find(RECEIVED)))
    return got


async def test_nobody_is_believed_for_what_the_trust_list_does_not_say(attack_report):
    got = await taken()
    attack_report(TAKEN, got=got, of=len(IMPOSTORS), unit="credentials")
    assert got == 0


async def test_without_the_trust_list_they_are_taken(attack_report, monkeypatch):
    monkeypatch.setattr(receiving, "_believed", lambda tx, one: None)
    got = await taken()
    attack_report(TAKEN, control=got, of=len(IMPOSTORS), unit="credentials")
    assert got == len(IMPOSTORS)


async def brought_back():
    """How many revoked credentials count again once a list has been sent that says nothing of their revocation."""
    got = 0
    for again in ("older", "contradicting"):
        world, made = await received()
        before, later = await world.list_of(made), world.now + timedelta(milliseconds=5)
        await world.send(listed=world.signed(made.index, issued=later))
        with suppress(MedspaceError):
            await world.send(listed=before if again == "older" else world.signed(issued=later))
        got += len(await world.proofs())
    return got


async def test_no_list_brings_back_what_a_newer_one_revoked(attack_report):
    got = await brought_back()
    attack_report(BACK, got=got, of=2, unit="credentials")
    assert got == 0


async def test_where_any_list_takes_the_place_of_another_it_does(attack_report, monkeypatch):
    monkeypatch.setattr(rules, "newer", lambda known, offered: True)
    got = await brought_back()
    attack_report(BACK, control=got, of=2, unit="credentials")
    assert got == 2


async def test_what_is_about_somebody_else_is_refused():
    world = await World().believe(BOARD)
    made = await world.issued(subject=USER)
    listed = await world.list_of(made)
    assert await code_of(world.send(made, listed=listed, caller=OTHER)) == "credential.subject"
    await world.send(made, listed=listed, caller=USER)
    assert await world.proofs(OTHER) == []


async def test_without_its_list_a_credential_is_not_taken():
    world = await World().believe(BOARD)
    made = await world.issued()
    assert await code_of(world.send(made)) == "issuers.status_missing"


async def test_a_revoked_credential_is_not_taken_and_stops_counting():
    world, made = await received()
    await world.revoked(made)
    await world.send(listed=await world.list_of(made))
    assert await world.proofs() == []
    fresh = await World().believe(BOARD)
    assert await code_of(fresh.send(made, listed=await world.list_of(made))) == "credential.revoked"


async def test_an_older_list_brings_nothing_back():
    world, made = await received()
    before = await world.list_of(made)
    await world.revoked(made)
    await world.send(listed=await world.list_of(made))
    assert await code_of(world.send(listed=before)) == "issuers.status_older"
    assert await world.proofs() == []


async def test_two_lists_of_one_instant_that_contradict_each_other():
    world, made = await received()
    later = world.now + timedelta(milliseconds=5)
    await world.send(listed=world.signed(made.index, issued=later))
    assert await world.proofs() == []
    assert await code_of(world.send(listed=world.signed(issued=later))) == "issuers.status_contradicts"
    assert await world.proofs() == []


async def test_a_stale_list_is_refused_and_lets_everything_end_at_its_time():
    world, made = await received()
    (proof,) = await world.proofs()
    world.now = proof.until - timedelta(seconds=1)  # its issuer has been down for a day
    assert len(await world.proofs()) == 1
    world.now = proof.until
    assert await world.proofs() == []
    stale = world.signed(issued=NOW + timedelta(seconds=1), until=world.now)
    assert await code_of(world.send(listed=stale)) == "credential.status"
    await world.theirs.write(lambda tx: issuing.renew(tx, world.issuer, world.now))
    await world.send(listed=await world.list_of(made))
    assert len(await world.proofs()) == 1


async def test_a_list_of_another_issuer_is_refused():
    world, _ = await received()
    forged = world.signed(did=MALLORY)
    assert await code_of(world.send(listed=forged)) == "credential.status"  # by the key of the board
    assert await code_of(world.send(listed=forged, signer=MALLORY)) == "credential.status"
    assert len(await world.proofs()) == 1


async def test_a_list_that_has_no_place_for_a_credential_closes_it():
    world, made = await received()
    short = bytes(made.index // 8)  # ends before the place
    listed = world.signed(bits=short or b"\x00", issued=NOW + timedelta(seconds=1))
    await world.send(listed=listed)
    assert await world.proofs() == []
    fresh = await World().believe(BOARD)
    assert await code_of(fresh.send(made, listed=listed)) == "credential.status"


async def test_a_list_that_unpacks_to_more_than_anybody_needs():
    world, _ = await received()
    bomb = world.signed(bits=bytes(8 << 20), issued=NOW + timedelta(seconds=1))
    assert len(bomb) < 100_000
    assert await code_of(world.send(listed=bomb)) == "credential.status"
    assert len(await world.proofs()) == 1


async def test_lists_of_nothing_that_is_known_are_not_kept():
    world = await World().believe(BOARD)
    assert await code_of(world.send(listed=world.signed())) == "issuers.status_unneeded"
    assert await world.ours.read(lambda tx: tx.find(STATUSES)) == []


async def test_whoever_is_not_believed_any_more_takes_its_proofs_along():
    world, _ = await received()
    later = TrustList(AUTHORITY, NOW + DAY, NOW + 30 * DAY, (Believed("EthicsApproval", (OTHER,)),))
    await world.ours.write(lambda tx: receiving.keep_trust(tx, later, "later"))
    assert await world.proofs() == []


async def test_claims_that_the_authority_does_not_name_never_count():
    world = await World().believe(BOARD)
    listed = TrustList(
        "did:web:authority.example",
        NOW + timedelta(seconds=1),
        NOW + DAY,
        (Believed("EthicsApproval", (BOARD,), ("study",)),),
    )
    await world.ours.write(lambda tx: receiving.keep_trust(tx, listed, "narrow"))
    made = await world.issued(study="heart", director="yes")
    await world.send(made, listed=await world.list_of(made))
    (proof,) = await world.proofs()
    assert (proof.values("study"), proof.values("director")) == (("heart",), ())


async def test_a_participant_cannot_fill_the_holder():
    world = await World().believe(BOARD)
    for number in range(facts.MOST):
        made = await world.issued(study=str(number))
        await world.send(made, listed=await world.list_of(made))
    made = await world.issued(study="more")
    assert await code_of(world.send(made, listed=await world.list_of(made))) == "issuers.full"
    assert len(await world.ours.read(lambda tx: tx.find(RECEIVED, limit=1000))) == facts.MOST


async def test_the_log_has_no_claim():
    world, _ = await received()
    whole = await world.ours.read(lambda tx: b"".join(tx.log.entries(0, tx.log.size())))
    assert b"heart" not in whole
    assert b"proof.received" in whole


async def test_a_trust_list_that_is_over_or_left_out_by_oneself_counts_for_nobody():
    world = await World().believe(BOARD, OTHER)
    trust = await world.ours.read(lambda tx: tx.get(TRUST, CURRENT))
    own = {"EthicsApproval": Narrowed("EthicsApproval", (OTHER, MALLORY))}
    assert [one.issuers for one in rules.counting(trust, {}, NOW)] == [(BOARD, OTHER)]
    assert [one.issuers for one in rules.counting(trust, own, NOW)] == [(OTHER,)]
    assert rules.counting(trust, {}, NOW + 30 * DAY) == ()
    assert rules.counting(None, {}, NOW) == ()


@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        ("older", "issuers.trust_older"),
        ("of somebody else", "credential.trust-list"),
        ("signed by somebody else", "credential.trust-list"),
        ("over", "credential.trust-list"),
    ],
)
async def test_a_trust_list_that_does_not_hold_is_not_kept(flaw, code):
    database, signer = MemoryDatabase(), signer_of(AUTHORITY)
    kept = TrustFollower(AUTHORITY, signer.public_key, database, None, ManualClock(NOW))

    def listed(by=AUTHORITY, key=signer, at=NOW, days=30):
        return sign_trust_list(TrustList(by, at, at + days * DAY, (Believed("EthicsApproval", (BOARD,)),)), key)

    assert await kept.install(listed())
    flawed = {
        "older": listed(at=NOW - DAY),
        "of somebody else": listed(by=MALLORY),
        "signed by somebody else": listed(key=signer_of(MALLORY)),
        "over": listed(at=NOW - 2 * DAY, days=1),
    }
    assert await code_of(kept.install(flawed[flaw])) == code
    assert [one.issuers for one in await kept.counting()] == [(BOARD,)]
