"""Credentials kept and shown: what is taken, what is answered, who is believed, who is let in."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from medspace.core.credentials import Believed
from medspace.core.errors import MedspaceError
from medspace.services.credentials import holder as holding
from medspace.services.credentials import messages
from medspace.services.credentials.gate import TokenGate
from medspace.services.credentials.model import HELD, OFFERS
from medspace.trust.credentials.idtokens import Proven, issue_id_token
from medspace.trust.credentials.model import CredentialProfile
from medspace.trust.credentials.presentations import verify_presentation
from medspace.trust.credentials.vcjwt import sign_credential
from medspace.trust.errors import DocumentUnavailableError, TokenReplayedError
from medspace.trust.model import SEEN, Caller
from medspace.trust.service import SWEEP_EVERY
from tests.unit.services.credentials.world import MEMBERSHIP, World
from tests.unit.trust.credentials.parties import HOLDER, ISSUER, NOW, VERIFIER, draft, key_of

SCOPE = messages.scope_of(MEMBERSHIP)


def signed(world, number=1, profile=CredentialProfile.VC20, **changes):
    made = draft(id=f"https://issuer.example/{number}", status=(), **changes)
    return sign_credential(made, world.keys[ISSUER], profile)


async def deliver(world, *texts, by=ISSUER, kind=MEMBERSHIP, **changes):
    held = [{"credentialType": kind, "format": "jwt", "payload": text} for text in texts]
    body = messages.written("CredentialMessage", issuerPid="1", holderPid="2", status="ISSUED", credentials=held)
    await world.holder.deliver(Proven(Caller(by, ""), "", 0), msgspec.json.encode(body | changes))


async def asked(world, body, *, types=(MEMBERSHIP,), by=VERIFIER):
    access = world.holder.access_token(VERIFIER, types)
    return await world.holder.query(Proven(Caller(by, ""), access, 0), msgspec.json.encode(body))


def query(**members):
    return messages.written("PresentationQueryMessage", **({"scope": [SCOPE]} | members))


async def code_of(work):
    with pytest.raises(MedspaceError) as error:
        await work
    return error.value.code


async def test_one_presentation_for_each_data_model():
    world = World()
    world.believed = (Believed(MEMBERSHIP, (ISSUER, HOLDER)),)
    own = sign_credential(draft(issuer=HOLDER, status=()), world.keys[HOLDER], CredentialProfile.VC11)
    await deliver(world, signed(world))
    await deliver(world, own, by=HOLDER)
    shown = (await asked(world, query()))["presentation"]
    texts = [verify_presentation(one, world.known[HOLDER], audience=VERIFIER, now=NOW) for one in shown]
    assert sorted(map(len, texts)) == [1, 1]


async def test_the_newest_of_one_issuer_is_shown_and_none_that_is_over():
    world = World()
    await deliver(world, signed(world, 1))
    world.later(hours=1)
    newest = signed(world, 2, valid_until=NOW + timedelta(hours=2))
    await deliver(world, newest)
    await deliver(world, newest)  # again, as after an answer that was lost
    (shown,) = (await asked(world, query()))["presentation"]
    assert verify_presentation(shown, world.known[HOLDER], audience=VERIFIER, now=world.clock.now()) == (newest,)
    world.later(hours=2)
    assert (await asked(world, query()))["presentation"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (query(scope=[]), "credential.message"),
        (query(scope=None), "credential.message"),
        (query(presentationDefinition={"id": "1"}), "credential.message"),
        (query(scope=None, presentationDefinition={"id": "1"}), "credential.definition"),
        (query(scope=["org.eclipse.dspace.dcp.vc.id:1"]), "credential.message"),
        (query(scope=[f"{SCOPE}x"]), "credential.scope"),
        (query(scope=["x" * 600]), "credential.message"),
        (query(scope=[SCOPE] * 33), "credential.message"),
        (query() | {"@context": ["https://other.example"]}, "credential.message"),
        (query() | {"type": "SomethingElse"}, "credential.message"),
        ([], "credential.message"),
    ],
)
async def test_queries_that_are_not_answered(body, code):
    assert await code_of(asked(World(), body)) == code


async def test_an_access_token_serves_nobody_else():
    world = World()
    assert await code_of(asked(world, query(), by=ISSUER)) == "identity.access-token"
    world.clock.advance(0)
    access = world.holder.access_token(VERIFIER, [MEMBERSHIP])
    world.later(minutes=6)
    work = world.holder.query(Proven(Caller(VERIFIER, ""), access, 0), msgspec.json.encode(query()))
    assert await code_of(work) == "identity.access-token"


async def test_what_is_not_taken():
    world = World()
    good = signed(world)
    assert await code_of(deliver(world)) == "credential.message"
    assert await code_of(deliver(world, good, by=VERIFIER)) == "credential.message"
    assert await code_of(deliver(world, good, kind="Other")) == "credential.message"
    assert await code_of(deliver(world, signed(world, subject=VERIFIER))) == "credential.subject"
    assert await code_of(deliver(world, good, signed(world, types=("Other",)))) == "credential.issuer"
    assert await world.databases[HOLDER].read(lambda tx: tx.find(HELD)) == []  # all of a delivery, or nothing
    world.believed = ()
    assert await code_of(deliver(world, good)) == "credential.issuer"
    world.believed = (Believed(MEMBERSHIP, (ISSUER,)),)
    del world.known[ISSUER]
    assert await code_of(deliver(world, good)) == "credential.invalid"


async def test_no_more_is_kept_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(holding, "MOST_HELD", 1)
    world = World()
    world.believed = (Believed(MEMBERSHIP, (ISSUER,)), Believed("Other", (ISSUER,)))
    await deliver(world, signed(world))
    assert await code_of(deliver(world, signed(world, 2, types=("Other",)), kind="Other")) == "credential.message"
    for number in range(3):
        body = messages.written("CredentialOfferMessage", issuer=ISSUER, credentials=[{"id": str(number)}])
        await world.holder.offered(Proven(Caller(ISSUER, ""), "", 0), msgspec.json.encode(body))
        world.later(seconds=1)
    (offer,) = await world.databases[HOLDER].read(lambda tx: tx.find(OFFERS))
    assert offer.credentials == ("2",)


@pytest.mark.parametrize("body", [{"issuer": VERIFIER}, {"credentials": []}, {"issuer": ""}, {"issuer": "x" * 600}])
async def test_offers_that_are_not_taken(body):
    offer = messages.written("CredentialOfferMessage", issuer=ISSUER, credentials=[{"id": "1"}]) | body
    work = World().holder.offered(Proven(Caller(ISSUER, ""), "", 0), msgspec.json.encode(offer))
    assert await code_of(work) == "credential.message"


async def test_a_token_is_taken_once_and_forgotten_when_it_is_over():
    world = World()
    gate = world.gates[HOLDER]

    def header():
        token_id = world.randomness.token_bytes(8).hex()
        return (
            f"Bearer {issue_id_token(world.keys[ISSUER], ISSUER, HOLDER, now=world.clock.now(), token_id=token_id)}"
        )

    used = header()
    assert (await gate.prove(used)).caller.did == ISSUER
    for other in (gate, TokenGate(HOLDER, world, world.databases[HOLDER], world.clock)):  # as after a restart
        with pytest.raises(TokenReplayedError):
            await other.prove(used)
    world.later(hours=1)
    for _ in range(SWEEP_EVERY):
        await gate.prove(header())
    assert len(await world.databases[HOLDER].read(lambda tx: tx.find(SEEN))) == SWEEP_EVERY
    del world.known[ISSUER]
    with pytest.raises(DocumentUnavailableError):
        await gate.prove(header())


async def test_a_key_that_was_changed_a_moment_ago_is_looked_for_again():
    world = World()
    old, new = world.known[ISSUER], key_of(ISSUER, name="key-2")

    class Changed:
        async def document(self, did):
            return old

        async def fresh(self, did):
            return replace(old, keys=(replace(old.keys[0], id=new.id, key=new.public),))

    gate = TokenGate(HOLDER, Changed(), world.databases[HOLDER], world.clock)
    token = issue_id_token(new, ISSUER, HOLDER, now=NOW, token_id="1")
    assert (await gate.prove(f"Bearer {token}")).caller.did == ISSUER
    prover = replace(world.prover, documents=Changed())
    text = sign_credential(draft(status=()), new)
    assert (await prover.holds(text, HOLDER)).issuer == ISSUER


async def test_who_is_believed_for_nothing_cannot_offer():
    offer = messages.written("CredentialOfferMessage", issuer=VERIFIER, credentials=[{"id": "1"}])
    work = World().holder.offered(Proven(Caller(VERIFIER, ""), "", 0), msgspec.json.encode(offer))
    assert await code_of(work) == "credential.issuer"
