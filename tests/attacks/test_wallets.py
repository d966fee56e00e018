"""Wallets: stolen cards and links, old consents, thieves' phones, hospitals that compare or deny, floods."""

from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.app.features.wallets.kinds import KINDS
from medspace.core.clock import stamp
from medspace.core.errors import MedspaceError
from medspace.ledger import kinds
from medspace.services.wallets import asking, commitments, consents, holder, issuing, recovering
from medspace.services.wallets.commitments import commit, statement
from medspace.services.wallets.holder import SignedAnswer
from medspace.trust import dcql
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import split as split_jws
from medspace.trust.sdjwt import vc
from medspace.trust.sdjwt.issuing import sign_sd_jwt
from medspace.trust.sdjwt.model import hash_of
from medspace.trust.sdjwt.proving import KB_TYP
from medspace.trust.sdjwt.reading import disclosed
from medspace.trust.sdjwt.vc import FORMAT
from tests.unit.services.wallets.hospital import FORM, NOW, Hospital, Patient

kinds.learn(KINDS)  # as whoever loads the features does
pytestmark = pytest.mark.asyncio
SALT = b"s" * 32


async def opened(**settings):
    hospital = Hospital(**settings)
    await hospital.publish()
    return hospital


async def worked(call):
    """Whether an attack was let through."""
    try:
        await call
    except MedspaceError:
        return 0
    return 1


# --- cards -----------------------------------------------------------------------------------------------


async def shown_by_a_thief(monkeypatch, *, brake):
    """Somebody who has read a card, but has not its key, shows it in five ways; how many are heard."""
    hospital = await opened()
    patient = await Patient(hospital).receive()
    thief = holder.key_of(holder.new_key(hospital.randomness))
    if not brake:
        monkeypatch.setattr(vc, "prove_bound", lambda shown, key, binding, now: (now, hashes))
    got = 0
    for way in ("no binding", "own key", "own key in the header", "old nonce", "other verifier"):
        asked = split_jws(hospital.request({"act": "state"})["request"], 1 << 20).payload
        hashes = (hash_of(asked["transaction_data"][0]),)
        card = patient.held.sd_jwt
        claims = {
            "iat": int(NOW.timestamp()),
            "aud": asked["client_id"] if way != "other verifier" else "https://other.example",
            "nonce": asked["nonce"] if way != "old nonce" else "seen-before",
            "sd_hash": hash_of(card.unbound),
            "transaction_data_hashes": list(hashes),
        }
        # what was overheard is signed with the patient's key, for something else
        key = patient.key if way in ("old nonce", "other verifier") else thief
        header = {"jwk": key.public.json()} if "header" in way else {}
        binding = "" if way == "no binding" else jose.sign(key, claims, typ=KB_TYP, **header)
        shown = replace(card, binding=binding).text
        got += await worked(hospital.hears(SignedAnswer(f'{{"card":["{shown}"]}}', asked["state"])))
    return got


async def test_a_card_is_worth_nothing_without_its_key(monkeypatch, attack_report):
    got = await shown_by_a_thief(monkeypatch, brake=True)
    control = await shown_by_a_thief(monkeypatch, brake=False)
    attack_report("wallet: copied cards that are heard", got=got, control=control, of=5, unit="ways")
    assert (got, control) == (0, 5)


async def test_hiding_an_element_moves_no_other_into_its_place(attack_report):
    """A verifier asks for the first role; the holder hides it and shows the second."""
    got = control = 0
    for size in range(2, 7):
        roles = [f"role-{at}" for at in range(size)]
        hidden = [("roles", at) for at in range(size)]
        hospital = await opened()
        made = sign_sd_jwt({"roles": roles}, hidden, hospital.issuer.key, hospital.randomness, typ="x")
        signed = split_jws(made.issued, 1 << 16).payload
        shown = disclosed(signed, made.disclosures[1:])
        claim = dcql.ClaimQuery(("roles", 0), (roles[1],))
        query = dcql.DcqlQuery((dcql.CardQuery("card", FORMAT, ("v",), (claim,)),))

        async def looked(placed, query=query):
            dcql.check(query, {"card": [dcql.Card("v", placed)]})

        got += await worked(looked(shown.placed))
        control += await worked(looked(shown.claims))  # as the standard prints the claims: what is hidden is gone
    attack_report("wallet: DCQL indices that shift", got=got, control=control, of=5, unit="queries")
    assert (got, control) == (0, 5)


async def guessed(monkeypatch, tries):
    """Who has seen only the link of an invitation guesses its number; how many guesses are looked at."""
    hospital = await opened()
    monkeypatch.setattr(issuing, "MOST_TRIES", tries)
    invitation = await hospital.invite()
    looked = 0
    for guess in range(50):
        pin = f"{(int(invitation.pin) + 1 + guess) % 10**6:06}"
        try:
            await hospital.redeem(invitation, pin)
        except MedspaceError as error:
            looked += error.code == "wallet.pin"
    return looked


async def test_the_number_of_an_invitation_cannot_be_guessed(monkeypatch, attack_report):
    got, control = await guessed(monkeypatch, issuing.MOST_TRIES), await guessed(monkeypatch, 1000)
    attack_report("wallet: numbers of an invitation tried", got=got, control=control, of=10**6, unit="numbers")
    assert (got, control) == (5, 50)


# --- consents --------------------------------------------------------------------------------------------


async def shown_again(monkeypatch, *, brake):
    """Consents that were signed before a withdrawal and kept back arrive after it."""
    hospital = await opened()
    if not brake:
        monkeypatch.setattr(consents, "_count", lambda tx, patient, number: None)
    got = 0
    for number in range(5):
        patient = await Patient(hospital, seed=bytes([number]) * 16).receive(await hospital.invite(f"p-{number}"))
        given = await patient.consent()
        said = {"act": "consent", "number": 2, "form": FORM.id, "consent": hospital.store.accepted[-1].consent}
        kept_back = patient.sign(said)
        await patient.withdraw(given["id"], number=3)
        got += await worked(hospital.hears(kept_back))
    return got


async def test_an_old_consent_does_not_come_back(monkeypatch, attack_report):
    got = await shown_again(monkeypatch, brake=True)
    control = await shown_again(monkeypatch, brake=False)
    attack_report(
        "wallet: old consents shown again after withdrawal", got=got, control=control, of=5, unit="patients"
    )
    assert (got, control) == (0, 5)


async def test_a_consent_is_not_back_dated(monkeypatch, attack_report):
    """A wallet in the hands of somebody who wants past uses covered dates a consent back."""

    async def tried():
        hospital, got = await opened(), 0
        for days in range(1, 6):
            patient = await Patient(hospital, seed=bytes([days]) * 16).receive(await hospital.invite(f"p-{days}"))
            got += await worked(patient.consent(dateTime=stamp(NOW - timedelta(days=days))))
        return got

    got = await tried()
    monkeypatch.setattr(consents, "_insist_time", lambda consent, now: None)
    control = await tried()
    attack_report("wallet: consents dated back", got=got, control=control, of=5, unit="consents")
    assert (got, control) == (0, 5)


async def test_a_hospital_that_drops_a_withdrawal_cannot_deny_its_time(attack_report):
    """Of withdrawals that a hospital throws away, how many it can say came later; the control has no authority."""
    authority = await opened(origin="https://wallet.authority.example", did="did:web:authority.example", seed=3)
    told, denied = [], 0
    for number in range(5):
        said = {"act": "withdraw", "consent": f"c-{number}", "time": stamp(NOW)}
        text = holder.commitment_of(said, SALT)
        kept = await authority.database.write(lambda tx, text=text: commit(tx, authority.issuer.did, text, NOW))
        told.append((said, statement(kept, authority.issuer.did, authority.issuer.key)))
    for said, signed in told:
        read = jose.split(signed, 4096)
        proved = read.holds(authority.issuer.key.public) and read.payload["time"] == stamp(NOW)
        denied += not (proved and read.payload["commitment"] == holder.commitment_of(said, SALT))
        assert read.payload["commitment"] != holder.commitment_of(said | {"consent": "c-9"}, SALT)
    attack_report("wallet: dropped withdrawals that can be denied", got=denied, control=5, of=5, unit="withdrawals")
    assert denied == 0


# --- thieves and lookers-on ------------------------------------------------------------------------------


async def restored(monkeypatch, *, brake):
    """A thief has the wallet with its passphrase; the patient uses the printed code. Who is heard afterwards?"""
    hospital = await opened()
    if not brake:
        monkeypatch.setattr(recovering, "retire", lambda *_: None)
    got = 0
    for number in range(5):
        stolen = await Patient(hospital, seed=bytes([number]) * 16).receive(await hospital.invite(f"p-{number}"))
        new = Patient(hospital, seed=stolen.seed, pem=holder.new_key(hospital.randomness))
        key = holder.recovery_key(stolen.seed, hospital.issuer.origin)
        proof = new.proof(key=key, binds=new.key.public.thumbprint)
        await hospital.call(recovering.recover, proof, new.proof())
        got += await worked(stolen.say("state"))
    return got


async def test_a_wallet_on_a_thiefs_phone_is_heard_no_more(monkeypatch, attack_report):
    got, control = await restored(monkeypatch, brake=True), await restored(monkeypatch, brake=False)
    attack_report("wallet: thieves' phones that are heard", got=got, control=control, of=5, unit="phones")
    assert (got, control) == (0, 5)


async def linked(count):
    """Of patients with a wallet at two hospitals, how many both find by what each has of their wallets."""
    here = await opened(seed=1)
    there = await opened(origin="https://wallet.other.example", did="did:web:other.example", seed=2)
    known: dict[str, dict[str, int]] = {"here": {}, "there": {}}
    for number in range(count):
        for name, hospital in (("here", here), ("there", there)):
            patient = Patient(hospital, seed=number.to_bytes(16))
            await patient.receive(await hospital.invite(f"p-{number}"))
            given = await patient.consent()
            salt = hospital.randomness.token_bytes(32)
            committed = holder.commitment_of({"act": "withdraw", "consent": given["id"]}, salt)
            recovery = holder.recovery_key(patient.seed, hospital.issuer.origin).public.thumbprint
            claims, receipt = patient.held.disclosed.claims, patient.receipts[0].disclosed.claims
            seen = (claims["patient"], patient.key.public.x, recovery, receipt["salt"], receipt["digest"], committed)
            known[name] |= dict.fromkeys(map(str, seen), number)
    return len({known["here"][one] for one in known["here"].keys() & known["there"].keys()})


async def test_two_hospitals_find_nobody_by_what_they_have_of_wallets(monkeypatch, attack_report):
    got = await linked(20)
    secret = holder.recovery_key
    monkeypatch.setattr(holder, "recovery_key", lambda seed, _: secret(seed, "everywhere"))
    control = await linked(20)
    attack_report("wallet: patients linked across two hospitals", got=got, control=control, of=20, unit="patients")
    assert (got, control) == (0, 20)


async def flooded(monkeypatch, most):
    authority = await opened()
    monkeypatch.setattr(commitments, "MOST_A_MINUTE", most)
    for number in range(200):
        text = holder.commitment_of({"n": number}, SALT)
        await worked(authority.database.write(lambda tx, text=text: commit(tx, authority.issuer.did, text, NOW)))
    return len(await authority.entries())


async def test_nobody_fills_the_log_of_the_authority(monkeypatch, attack_report):
    got, control = await flooded(monkeypatch, commitments.MOST_A_MINUTE), await flooded(monkeypatch, 10**6)
    attack_report("wallet: entries of a flood of commitments in a minute", got=got, control=control, unit="entries")
    assert (got, control) == (120, 200)


async def test_a_message_is_heard_once(monkeypatch, attack_report):
    """Who overhears an answer on its way sends it again, to read how things stand."""

    async def again():
        hospital = await opened()
        patient = await Patient(hospital).receive()
        signed = patient.sign({"act": "state"})
        await hospital.hears(signed)
        return sum([await worked(hospital.hears(signed)) for _ in range(5)])

    got = await again()
    seen = asking.digest_bytes
    counter = iter(range(10**6))
    monkeypatch.setattr(asking, "digest_bytes", lambda content: seen(content + str(next(counter)).encode()))
    control = await again()
    attack_report("wallet: answers heard again", got=got, control=control, of=5, unit="answers")
    assert (got, control) == (0, 5)
