"""Wallets: invitations, cards, consents, withdrawals, devices, guardians, recovery, commitments."""

from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.app.features.wallets.kinds import KINDS
from medspace.core.clock import stamp
from medspace.core.errors import MedspaceError, RefusedError
from medspace.core.hashing import commitment, digest
from medspace.ledger import kinds
from medspace.services.wallets import forms, holder, issuing
from medspace.services.wallets.commitments import MOST_A_MINUTE, commit, statement
from medspace.services.wallets.consents import ACKNOWLEDGED, LONGEST_GUARD
from medspace.services.wallets.holder import HospitalRequestError, SignedAnswer
from medspace.services.wallets.model import CardRole
from medspace.services.wallets.ports import UseOfPatient
from medspace.services.wallets.recovering import read_recovery, recover
from medspace.trust.credentials import jose
from medspace.trust.sdjwt.errors import CardRevokedError
from medspace.trust.sdjwt.statuslist import check_token_status, verify_token_status_list
from tests.unit.services.wallets.hospital import FORM, NOW, ORIGIN, Hospital, Patient, name_of

kinds.learn(KINDS)  # as whoever loads the features does
pytestmark = pytest.mark.asyncio


async def refused(call, code):
    with pytest.raises(MedspaceError) as caught:
        await call
    assert caught.value.code == code
    return caught.value


@pytest.fixture
async def hospital():
    made = Hospital()
    await made.publish()
    return made


@pytest.fixture
async def patient(hospital):
    return await Patient(hospital).receive()


# --- invitations and cards ---------------------------------------------------------------------------------------


async def test_a_card_says_who_it_is_for_in_words_that_tell_nothing(hospital, patient):
    claims = patient.held.disclosed.claims
    assert claims["role"] == "self"
    assert claims["patient"] == hospital.issuer.pseudonym("p-17")
    assert "p-17" not in patient.held.sd_jwt.text
    assert not any("p-17" in str(one) for one in await hospital.entries())


async def test_an_invitation_is_used_once_with_its_number_and_in_its_time(hospital):
    invitation = await hospital.invite()
    assert len(invitation.pin) == 6
    token = await hospital.redeem(invitation)
    await refused(hospital.redeem(invitation), "wallet.offer")
    other = await hospital.invite()
    for _ in range(issuing.MOST_TRIES):
        await refused(hospital.redeem(other, "not it"), "wallet.pin")
    await refused(hospital.redeem(other), "wallet.offer")
    late = await hospital.invite()
    hospital.now += issuing.OFFERED
    await refused(hospital.redeem(late), "wallet.offer")
    await refused(hospital.call(issuing.card_for, token, "x"), "wallet.token")


async def test_a_token_fetches_one_card_for_a_key_that_is_proven(hospital):
    patient = Patient(hospital)
    patient.pem = holder.new_key(hospital.randomness)
    token = await hospital.redeem(await hospital.invite())
    thief = holder.key_of(holder.new_key(hospital.randomness))
    good = patient.proof()
    bad = [
        "x",
        good[:-8] + "AAAAAAAA",
        patient.proof(nonce="x.y"),
        patient.proof(nonce="!"),
        patient.proof(nonce=issuing.new_nonce(hospital.issuer, NOW - timedelta(minutes=6))),
        holder.proof_of(patient.key, "https://other.example", issuing.new_nonce(hospital.issuer, NOW), NOW),
        holder.proof_of(patient.key, ORIGIN, issuing.new_nonce(hospital.issuer, NOW), NOW - timedelta(hours=1)),
        jose.sign(thief, {"aud": ORIGIN}, typ=issuing.PROOF_TYP),
        jose.sign(hospital.issuer.key, {"aud": ORIGIN}, typ=issuing.PROOF_TYP),
    ]
    for proof in bad:
        await refused(hospital.call(issuing.card_for, token, proof), "wallet.proof")
    await refused(hospital.call(issuing.card_for, "other", good), "wallet.token")
    assert await hospital.call(issuing.card_for, token, good)
    await refused(hospital.call(issuing.card_for, token, good), "wallet.token")
    again = await hospital.redeem(await hospital.invite())
    await refused(hospital.call(issuing.card_for, again, patient.proof()), "wallet.proof")  # that key stands already


async def test_what_a_wallet_asks_for():
    assert issuing.read_card_wish({"proofs": {"jwt": ["p"]}, "credential_configuration_id": "patient-card"}) == (
        "p",
        "",
    )
    for wish in (
        None,
        {},
        {"proofs": {"jwt": []}, "credential_configuration_id": "patient-card"},
        {"proofs": {"jwt": ["a", "b"]}, "credential_configuration_id": "patient-card"},
        {"proofs": {"jwt": ["a"]}, "credential_configuration_id": "other"},
    ):
        with pytest.raises(MedspaceError, match=r"wallet\.message"):
            issuing.read_card_wish(wish)
    for content in ({}, {"recovery": 1, "proof": ""}):
        with pytest.raises(MedspaceError, match=r"wallet\.message"):
            read_recovery(content)


@pytest.mark.parametrize(
    "link",
    [
        "https://other.example",
        "openid-credential-offer://?credential_offer=x",
        "openid-credential-offer://?credential_offer={}",
        'openid-credential-offer://?credential_offer={"credential_issuer":"a","credential_configuration_ids":[],"grants":{}}',
        "x" * 10_000,
    ],
)
async def test_what_is_no_invitation(link):
    with pytest.raises(holder.OfferLinkError):
        holder.read_offer(link)


@pytest.mark.parametrize(
    "url", ["http://hospital.example", "ftp://a", "https://", "https://u@a.example", "https://a:b", "javascript:x"]
)
async def test_a_wallet_calls_no_such_address(url):
    with pytest.raises(holder.OfferLinkError):
        holder.origin_of(url)
    assert holder.origin_of("https://a.example:8443/x?y") == "https://a.example:8443"
    assert holder.origin_of("http://localhost:80") == "http://localhost:80"


# --- consents ------------------------------------------------------------------------------------------------------


async def test_a_consent_is_heard_and_its_receipt_is_a_card(hospital, patient):
    found = await patient.consent()
    (accepted,) = hospital.store.accepted
    assert (accepted.patient, accepted.id, accepted.number) == ("p-17", found["id"], 1)
    assert accepted.consent["provision"] == FORM.provision
    receipt = patient.receipts[0].disclosed.claims
    assert receipt["digest"] == digest(accepted.consent)
    assert receipt["salt"] == accepted.salt
    assert receipt["consent"] == found["id"] == name_of(patient, 1)
    entry = (await hospital.entries())[-1]
    said = commitment(bytes.fromhex(receipt["salt"]), receipt["digest"].encode())
    assert entry["kind"] == "wallet.consented"
    assert said in str(entry)
    state = await patient.say("state")
    assert state["last"] == 1
    assert [one["id"] for one in state["consents"]] == [found["id"]]


async def test_an_old_consent_that_is_shown_again_after_its_withdrawal_is_refused(hospital, patient):
    given = {"form": FORM.id, "consent": None}
    first = await patient.consent()
    given["consent"] = hospital.store.accepted[0].consent
    old = patient.sign({"act": "consent", "number": 1, **given})
    await patient.withdraw(first["id"])
    assert [one.consent for one in hospital.store.withdrawn] == [first["id"]]
    error = await refused(hospital.hears(old), "wallet.number")
    assert error.facts == {"number": 1, "last": 2}
    await refused(patient.say("consent", number=2, **given), "wallet.number")
    assert len(hospital.store.accepted) == 1


async def test_an_answer_is_heard_once_and_in_its_time(hospital, patient):
    signed = patient.sign({"act": "state"})
    assert await hospital.hears(signed)
    await refused(hospital.hears(signed), "wallet.request")
    late = patient.sign({"act": "state"})
    hospital.now += timedelta(minutes=5)
    await refused(hospital.hears(late), "wallet.request")


async def test_a_consent_that_is_sent_again_gets_its_receipt_again(hospital, patient):
    first = await patient.consent()
    said = {"form": FORM.id, "consent": hospital.store.accepted[0].consent, "number": 1}
    again = await patient.say("consent", **said)
    assert again["id"] == first["id"]
    assert len(hospital.store.accepted) == 1


async def test_a_consent_says_what_the_form_says_and_now(hospital, patient):
    await refused(patient.consent(provision={"type": "permit", "purpose": []}), "wallet.consent")
    await refused(patient.consent(patient={"reference": "Patient/other"}), "wallet.consent")
    for time in (NOW - timedelta(days=1), NOW + timedelta(days=1)):
        await refused(patient.consent(dateTime=stamp(time)), "wallet.consent")
    await refused(patient.consent(dateTime="yesterday"), "wallet.consent")
    await refused(patient.consent(dateTime=7), "wallet.consent")
    await refused(patient.consent(form=replace(FORM, id="lungs")), "wallet.consent")
    await hospital.publish(replace(FORM, version=2))
    await refused(patient.consent(), "wallet.consent")
    await hospital.publish(replace(FORM, version=2, offered=False))
    await refused(patient.consent(form=replace(FORM, version=2)), "wallet.consent")
    assert hospital.store.accepted == []


async def test_a_consent_that_cannot_count_is_not_kept(hospital, patient):
    hospital.store.refuses = RefusedError(reason="no")
    await refused(patient.consent(), "refused")
    assert (await patient.say("state"))["consents"] == []


async def test_a_new_consent_to_a_form_takes_the_place_of_the_one_before(hospital, patient):
    first = await patient.consent()
    hospital.now += timedelta(minutes=1)
    second = await patient.consent()
    assert [one.consent for one in hospital.store.withdrawn] == [first["id"]]
    standing = [one["id"] for one in (await patient.say("state"))["consents"] if not one["withdrawn"]]
    assert standing == [second["id"]]


async def test_forms_that_are_not_published():
    assert forms.flaw_of(FORM) is None
    for changes in (
        {"provision": {"purpose": []}},
        {"provision": {"type": "permit"}},
        {"provision": {**FORM.provision, "x": 1.5}},
        {"provision": {**FORM.provision, "x": "y" * 20_000}},
        {"words": {"en": FORM.words["en"]}},
        {"words": {**FORM.words, "en": {**FORM.words["en"], "who": "x" * 2000}}},
    ):
        assert forms.flaw_of(replace(FORM, **changes)) is not None
    assert forms.told(FORM)["words"]["zh"]["title"]


# --- withdrawals ----------------------------------------------------------------------------------------------------


async def test_a_withdrawal_is_acknowledged_under_the_patients_own_commitment(hospital, patient):
    given = await patient.consent()
    found = await patient.withdraw(given["id"])
    signed = jose.split(found["acknowledgement"], 4096)
    assert signed.typ == ACKNOWLEDGED
    assert signed.holds(hospital.issuer.key.public)
    salt = b"s" * 32
    assert signed.payload["commitment"] == holder.commitment_of({"consent": given["id"]}, salt)
    assert signed.payload["commitment"] in str((await hospital.entries())[-1])
    again = await patient.withdraw(given["id"])
    assert again["withdrawn"] == found["withdrawn"]
    assert len(hospital.store.withdrawn) == 1
    await refused(patient.withdraw("other-1"), "wallet.consent_unknown")
    other = await Patient(hospital, seed=b"f" * 16).receive(await hospital.invite("p-18"))
    await refused(other.withdraw(given["id"]), "wallet.consent_unknown")


async def test_the_authority_says_when_a_commitment_came_and_no_more():
    authority = Hospital("https://wallet.authority.example", "did:web:authority.example", seed=9)
    text = holder.commitment_of({"consent": "c"}, b"s" * 32)

    async def committed(said=text):
        return await authority.database.write(lambda tx: commit(tx, authority.issuer.did, said, authority.now))

    first = await committed()
    authority.now += timedelta(hours=1)
    assert await committed() == first
    signed = jose.split(statement(first, authority.issuer.did, authority.issuer.key), 4096)
    assert signed.holds(authority.issuer.key.public)
    assert signed.payload["time"] == stamp(NOW)
    for said in (None, "x", text + "x", text.upper(), "hmac-sha256:" + "g" * 64):
        await refused(committed(said), "wallet.message")
    for number in range(MOST_A_MINUTE):
        await committed(holder.commitment_of({"consent": str(number)}, b"s"))
    assert (await refused(committed(holder.commitment_of({}, b"t")), "wallet.commitments")).facts["seconds"] == 60
    authority.now += timedelta(minutes=1)
    assert await committed(holder.commitment_of({}, b"t"))


# --- what a wallet does not sign ------------------------------------------------------------------------------------


async def test_a_wallet_signs_what_its_patient_wants_to_say_and_nothing_else(hospital, patient):
    said = {"act": "withdraw", "number": 1, "consent": "x"}
    other = Hospital("https://wallet.other.example", "did:web:other.example", seed=5)
    keys, verifier = hospital.issuer.keys, f"decentralized_identifier:{hospital.issuer.did}"

    def sign(request, wanted=said, at=NOW):
        return holder.answer(patient.held, patient.key, keys, verifier, request, wanted, at)

    good = hospital.request(said)["request"]
    assert isinstance(sign(good), SignedAnswer)
    claims = jose.split(good, 1 << 20).payload
    for request, more in (
        (hospital.request({**said, "consent": "y"})["request"], {}),
        (other.request(said)["request"], {}),
        ("x", {}),
        (good, {"at": NOW + timedelta(minutes=5)}),
        *(
            (jose.sign(hospital.issuer.key, claims | change, typ="oauth-authz-req+jwt"), {})
            for change in (
                {"client_id": "decentralized_identifier:did:web:other.example"},
                {"response_uri": "https://other.example/oid4vp/responses"},
                {"dcql_query": {"credentials": []}},
                {"nonce": ""},
                {"state": None},
                {"transaction_data": []},
                {"exp": None},
            )
        ),
        (jose.sign(hospital.issuer.key, claims, typ="JWT"), {}),
    ):
        with pytest.raises(HospitalRequestError):
            sign(request, **more)


async def test_what_is_not_an_answer(hospital, patient):
    good = patient.sign({"act": "state"})
    for answer in (
        SignedAnswer("x", good.state),
        SignedAnswer("{}", good.state),
        SignedAnswer('{"other":["x"]}', good.state),
        SignedAnswer('{"card":["a","b"]}', good.state),
        SignedAnswer(good.vp_token, "x"),
        SignedAnswer(good.vp_token, ""),
    ):
        await refused(hospital.hears(answer), "wallet.message")
    other = patient.sign({"act": "state"})
    await refused(hospital.hears(SignedAnswer(good.vp_token, other.state)), "sdjwt.key_binding.nonce")
    await refused(patient.say("nothing"), "wallet.message")
    await refused(patient.say("consent", number="1"), "wallet.message")
    with pytest.raises(MedspaceError, match=r"wallet\.message"):
        hospital.request({"act": "consent", "x": 1.5})
    with pytest.raises(MedspaceError, match=r"wallet\.message"):
        hospital.request({"act": "x" * 100_000})


async def test_a_signature_over_another_message_is_refused(hospital, patient):
    """The holder signs the transaction data; a hospital's own state with other data does not pass."""
    first, second = {"act": "state"}, {"act": "uses"}
    asked = hospital.request(first)
    claims = jose.split(asked["request"], 1 << 20).payload
    other = jose.split(hospital.request(second)["request"], 1 << 20).payload
    mixed = jose.sign(hospital.issuer.key, other | {"nonce": claims["nonce"]}, typ="oauth-authz-req+jwt")
    verifier = f"decentralized_identifier:{hospital.issuer.did}"
    signed = holder.answer(patient.held, patient.key, hospital.issuer.keys, verifier, mixed, second, NOW)
    await refused(hospital.hears(SignedAnswer(signed.vp_token, claims["state"])), "sdjwt.key_binding.sd_hash")


# --- devices, guardians, recovery ----------------------------------------------------------------------------------


async def test_a_second_device_retires_the_one_that_was_lost(hospital, patient):
    invitation = await patient.say("invite", role="self")
    second = Patient(hospital, seed=b"e" * 16)
    await second.receive(issuing.Invitation(invitation["link"], invitation["pin"], invitation["expires"]))
    second.number = (await second.say("state"))["last"]
    lost = patient.key.public.thumbprint
    await second.say("retire", key=lost)
    await refused(patient.say("state"), "wallet.key")
    keys = {one["id"]: one["retired"] for one in (await second.say("state"))["keys"]}
    assert keys[lost]
    text = await hospital.database.read(lambda tx: issuing.status_list(tx, hospital.issuer, hospital.now))
    listed = verify_token_status_list(text, hospital.issuer.keys, hospital.issuer.status_url, hospital.now)
    with pytest.raises(CardRevokedError):
        check_token_status(patient.held.status, ORIGIN, listed, hospital.now)
    check_token_status(second.held.status, ORIGIN, listed, hospital.now)
    await refused(second.say("retire", key="unknown"), "wallet.key")


async def test_a_guardian_consents_and_withdraws_until_the_end_and_does_no_more(hospital, patient):
    until = stamp(NOW + timedelta(days=30))
    told = await patient.say("invite", role="guardian", until=until)
    guardian = Patient(hospital, seed=b"g" * 16)
    await guardian.receive(issuing.Invitation(told["link"], told["pin"], told["expires"]))
    assert guardian.held.disclosed.claims["role"] == "guardian"
    guardian.number = (await guardian.say("state"))["last"]
    given = await guardian.consent()
    assert await guardian.withdraw(given["id"])
    await refused(guardian.say("invite", role="self"), "wallet.guardian")
    await refused(guardian.say("retire", key=patient.key.public.thumbprint), "wallet.guardian")
    hospital.now += timedelta(days=30)
    await refused(guardian.say("state"), "sdjwt.expired")
    for end in ("", "soon", stamp(hospital.now), stamp(hospital.now + LONGEST_GUARD + timedelta(days=1))):
        await refused(patient.say("invite", role="guardian", until=end, number=50), "wallet.message")


async def test_a_wallet_on_a_thiefs_phone_is_worth_nothing_once_the_code_was_used(hospital, patient):
    thief = replace_wallet(patient)
    seed = holder.read_code(holder.printed(patient.seed))
    new = Patient(hospital, seed=seed)
    new.pem = holder.new_key(hospital.randomness)
    key = holder.recovery_key(seed, ORIGIN)
    proof = new.proof(key=key, binds=new.key.public.thumbprint)
    text = await hospital.call(recover, proof, new.proof())
    new.held = issuing_held(hospital, text)
    assert new.held.disclosed.claims["patient"] == patient.held.disclosed.claims["patient"]
    await refused(thief.say("state"), "wallet.key")
    assert (await new.say("state"))["last"] == 0
    # whoever sees the proof can put no other key in its place, and it serves once
    stolen = Patient(hospital)
    stolen.pem = holder.new_key(hospital.randomness)
    await refused(hospital.call(recover, proof, stolen.proof()), "wallet.proof")
    await refused(hospital.call(recover, proof, new.proof()), "wallet.proof")
    wrong = holder.recovery_key(b"x" * 16, ORIGIN)
    other = stolen.proof(key=wrong, binds=stolen.key.public.thumbprint)
    await refused(hospital.call(recover, other, stolen.proof()), "wallet.recovery")


def replace_wallet(patient):
    return Patient(patient.hospital, patient.seed, patient.pem, patient.held, patient.number)


def issuing_held(hospital, text):
    from medspace.trust.sdjwt.vc import verify_issued  # noqa: PLC0415 - only here

    return verify_issued(text, hospital.issuer.keys, hospital.now)


async def test_a_printed_code_tells_a_mistake():
    code = holder.printed(b"0123456789abcdef")
    assert holder.read_code(code.lower().replace("-", " ")) == b"0123456789abcdef"
    letter = "A" if code[0] != "A" else "B"
    for wrong in (letter + code[1:], code[:-1], "", "!!!!", code + "AAAA"):
        with pytest.raises(holder.WalletCodeError):
            holder.read_code(wrong)


async def test_two_hospitals_have_nothing_of_a_wallet_in_common():
    here = await Patient(Hospital()).receive()
    there = await Patient(Hospital("https://wallet.other.example", "did:web:other.example", seed=2)).receive()
    assert here.seed == there.seed
    for one in ("patient", "cnf"):
        assert here.held.disclosed.claims[one] != there.held.disclosed.claims[one]
    keys = {holder.recovery_key(one.seed, one.hospital.issuer.origin).public.thumbprint for one in (here, there)}
    assert len(keys) == 2


async def test_who_used_the_data_is_told_where_it_is_known(hospital, patient):
    await refused(patient.say("uses"), "wallet.uses")

    class Known:
        def uses(self, tx, patient):
            return [UseOfPatient(stamp(NOW), "did:web:user.example", "HRESCH", running=True, entry=7)]

    known = Hospital(uses=Known())
    await known.publish()
    found = await (await Patient(known).receive()).say("uses")
    assert found["uses"][0]["entry"] == 7


async def test_keys_of_an_issuer_that_are_not():
    for said in ({}, {"issuer": "x"}, {"issuer": ORIGIN}, {"issuer": ORIGIN, "jwks": {"keys": []}}):
        with pytest.raises(HospitalRequestError):
            holder.issuer_keys(ORIGIN, said)
    bad = {"kty": "EC", "crv": "P-256", "x": "!", "y": "!"}
    with pytest.raises(HospitalRequestError):
        holder.issuer_keys(ORIGIN, {"issuer": ORIGIN, "jwks": {"keys": [bad, "x"]}})
    hospital = Hospital()
    assert holder.issuer_keys(ORIGIN, issuing.issuer_metadata(hospital.issuer)) == hospital.issuer.keys


async def test_metadata_names_its_own_endpoints():
    for said in (issuing.metadata(ORIGIN), issuing.authorisation_metadata(ORIGIN)):
        assert all(value.startswith(ORIGIN) for name, value in said.items() if name.endswith("_endpoint"))
    assert CardRole("self") is CardRole.SELF
