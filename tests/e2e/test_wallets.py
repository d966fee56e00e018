"""A wallet as a program of its own, against a hospital and an authority over real HTTP."""

import json
import subprocess
import sys

import httpx
import msgspec
import pytest

from medspace.adapters.sealedfile import SealedFileError
from medspace.app.features.wallets.wallet import (
    HospitalAwayError,
    HospitalRefusedError,
    NoCardError,
    NoHospitalError,
    SeveralHospitalsError,
    WalletFileError,
)
from medspace.services.wallets import holder
from medspace.trust.credentials import jose
from medspace.wallet import Wallet
from tests.e2e.space import staged

WORDS = {"title": "Heart research", "what": "To find out who falls ill.", "who": "Universities."}
FORM = {
    "purpose": "HRESCH",
    "words": {"en": WORDS, "zh": {"title": "心脏研究", "what": "了解谁会患病。", "who": "大学。"}},
    "provision": {
        "type": "permit",
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}],
    },
}
PASSPHRASE = b"correct horse battery"
QUICK = 14  # the cost of the passphrase, in tests


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("wallets")) as stage:
        stage.add("authority")
        clinic = stage.add("clinic")
        origin = f"http://localhost:{clinic.config.public.port}"
        clinic.file.write_text(clinic.file.read_text() + f'\n[wallets]\nurl = "{origin}"\n')
        stage.open()
        stage.admit()
        stage.space("clinic").publish_consent_form("hearts", FORM)
        yield stage


@pytest.fixture
def origin(stage):
    return stage.nodes["clinic"].config.wallets.origin


@pytest.fixture
def wallet(stage, tmp_path):
    with Wallet.new(tmp_path / "wallet", PASSPHRASE, cost=QUICK) as made:
        invited(stage, made)
        yield made


def invited(stage, wallet, patient="p-17"):
    told = stage.space("clinic").invite_patient(patient)
    return wallet.receive(told["link"], told["pin"])


def again(wallet):
    return Wallet.open(wallet.file, PASSPHRASE, cost=QUICK)


def test_a_patient_consents_and_withdraws_and_nobody_can_deny_it(stage, wallet, origin):
    place = wallet.place("Clinic")
    assert place.origin == origin
    given = wallet.consent(place, "hearts")
    with again(wallet) as opened:  # as another process would find it
        kept = opened.withdraw("hearts")
        proof = kept.withdrawal
        state = opened.refresh(opened.place())
    assert [one["withdrawn"] != "" for one in state["consents"] if one["id"] == given.id] == [True]
    told, stated = (jose.split(one, 1 << 16) for one in (proof.acknowledgement, proof.statement))
    authority = stage.nodes["authority"]
    signer = authority.signer.ed25519
    assert told.payload["commitment"] == stated.payload["commitment"] == proof.commitment
    assert proof.commitment == holder.commitment_of(proof.said, bytes.fromhex(proof.salt))
    assert stated.payload["iss"] == authority.did
    assert stated.holds(jose.Ed25519Key("", signer).public)
    at = stated.payload["entry"]
    (entry,) = stage.run(authority.connector.node.database.read(lambda tx: tx.log.entries(at, at + 1)))
    assert proof.commitment.encode() in entry
    assert len(json.loads(entry)) <= 6  # kind, time, who wrote it and the commitment: nothing of whose it is


def test_the_file_is_sealed_and_written_whole(wallet, tmp_path):
    wallet.consent(wallet.place(), "hearts")
    content = wallet.file.read_bytes()
    for secret in (b"hearts", b"Clinic", b"PRIVATE KEY", wallet.content.seed.encode()):
        assert secret not in content
    assert wallet.file.stat().st_mode & 0o077 == 0
    with pytest.raises(SealedFileError):
        Wallet.open(wallet.file, b"another passphrase", cost=QUICK)
    for file, named in ((tmp_path / "none", "no such"), (wallet.file, "already")):
        with pytest.raises(WalletFileError, match=named):
            (Wallet.open if named == "no such" else Wallet.new)(file, PASSPHRASE, cost=QUICK)


def test_an_invitation_is_worth_nothing_without_its_number(stage, wallet):
    told = stage.space("clinic").invite_patient("p-18")
    with pytest.raises(HospitalRefusedError) as caught:
        wallet.receive(told["link"], "x")
    assert caught.value.code == "wallet.pin"
    wallet.receive(told["link"], told["pin"])
    with pytest.raises(HospitalRefusedError) as caught:
        wallet.receive(told["link"], told["pin"])
    assert caught.value.code == "wallet.offer"


def test_by_the_printed_code_a_new_wallet_takes_the_place_of_a_stolen_one(wallet, origin, tmp_path):
    stolen = again(wallet)
    with Wallet.new(tmp_path / "new", PASSPHRASE, code=wallet.code, cost=QUICK) as new, stolen:
        place = new.recover(origin)
        assert new.refresh(place)["last"] >= 0
        with pytest.raises(HospitalRefusedError) as caught:
            stolen.refresh(stolen.place())
        assert caught.value.code == "wallet.key"


def test_a_second_device_and_a_guardian(stage, tmp_path):
    with Wallet.new(tmp_path / "one", PASSPHRASE, cost=QUICK) as one:
        place = invited(stage, one, "p-19")
        with Wallet.new(tmp_path / "two", PASSPHRASE, cost=QUICK) as two:
            told = one.invite(place)
            second = two.receive(told["link"], told["pin"])
            given = two.consent(second, "hearts")
            assert one.consent(place, "hearts").number == given.number + 1
            lost = next(key["id"] for key in two.refresh(second)["keys"] if key["id"] != _key(second))
            two.retire(second, lost)
            with pytest.raises(HospitalRefusedError):
                one.refresh(place)
        assert stage.space("clinic").retire_wallets("p-19")["retired"] == 1


def _key(place):
    return holder.key_of(place.key).public.thumbprint


def test_an_authority_that_is_down_is_told_later(stage, wallet):
    wallet.consent(wallet.place(), "hearts")
    stage.close("authority")
    kept = wallet.withdraw("hearts")
    assert kept.withdrawal.acknowledgement
    assert not kept.withdrawal.statement
    assert wallet.catch_up() == 1
    stage.open("authority")
    assert wallet.catch_up() == 0
    assert kept.withdrawal.statement


def test_a_hospital_that_is_away_is_told_later_and_the_authority_knows_by_when(stage, wallet):
    wallet.consent(wallet.place(), "hearts")
    stage.close("clinic")
    with pytest.raises(HospitalAwayError):
        wallet.withdraw("hearts")
    stage.open("clinic")
    with again(wallet) as opened:
        kept = opened.content.places[0].consents[-1]
        assert kept.withdrawal.statement
        assert not kept.withdrawal.acknowledgement
        assert opened.catch_up() == 0
        assert kept.withdrawal.acknowledgement


def test_what_a_wallet_has_not(wallet):
    place = wallet.place()
    for call in (
        lambda: wallet.place("Elsewhere"),
        lambda: wallet.consent(place, "lungs"),
        lambda: wallet.withdraw("lungs"),
    ):
        with pytest.raises(NoCardError):
            call()
    assert wallet.uses(place) == []


def test_a_wallet_without_a_hospital_and_one_with_two_say_so(wallet, tmp_path):
    with Wallet.new(tmp_path / "empty", PASSPHRASE, cost=QUICK) as empty, pytest.raises(NoHospitalError):
        empty.place()
    other = msgspec.structs.replace(wallet.place(), origin="http://other.example")
    wallet.content.places.append(other)
    with pytest.raises(SeveralHospitalsError):
        wallet.place()
    assert wallet.place("http://other.example") is other


# --- the door ---------------------------------------------------------------------------------------------


def test_wallets_have_an_origin_of_their_own_without_sessions(stage, origin):
    base = stage.nodes["clinic"].url
    paths = ("/", "/wallet/about", "/.well-known/jwt-vc-issuer", "/oid4vci/status/1")
    for path in paths:
        assert httpx.get(base + path).status_code == 404
        answer = httpx.get(origin + path)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert httpx.get(origin + "/wallet/about").headers["access-control-allow-origin"] == "*"
    assert httpx.options(origin + "/oid4vp/requests").status_code == 204
    authority = stage.nodes["authority"].url
    for path in paths:
        assert httpx.get(authority + path).status_code == 404
    assert httpx.post(base + "/wallet/commitments", json={}).status_code == 404


@pytest.mark.parametrize(
    ("path", "more", "status", "error"),
    [
        ("/oid4vci/token", {"data": {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ("/oid4vci/credential", {"json": {}}, 400, "invalid_request"),
        (
            "/oid4vci/credential",
            {"json": {"proofs": {"jwt": ["x"]}, "credential_configuration_id": "patient-card"}},
            401,
            "invalid_token",
        ),
        ("/oid4vp/requests", {"content": b"{"}, 400, "invalid_request"),
        ("/oid4vp/requests", {"json": {"x": 1.5}}, 400, "invalid_request"),
        ("/oid4vp/requests", {"content": b"x" * 200_000}, 413, "invalid_request"),
        ("/oid4vp/responses", {"data": {"state": "x", "vp_token": "{}"}}, 400, "invalid_request"),
        ("/oid4vp/responses", {"content": b"\xff"}, 400, "invalid_request"),
        ("/wallet/recover", {"json": {"recovery": "x", "proof": "y"}}, 400, "invalid_proof"),
    ],
)
def test_what_the_door_refuses(origin, path, more, status, error):
    answer = httpx.post(origin + path, **more)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


# --- the command line ---------------------------------------------------------------------------------------------


def test_the_story_on_the_command_line(stage, tmp_path):
    clinic = str(stage.nodes["clinic"].file)
    wallet = ["--wallet", str(tmp_path / "w")]
    form = tmp_path / "form.json"
    form.write_text(json.dumps(FORM))

    def run(*words, into=""):
        command = [sys.executable, "-m", "medspace", *words, "--json"]
        env = {"MEDSPACE_WALLET_PASSPHRASE": PASSPHRASE.decode(), "PATH": ""}
        done = subprocess.run(command, capture_output=True, text=True, input=into, env=env, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    assert run("wallets", "form", "hearts", str(form), "--config", clinic)["version"] == 1
    told = run("wallets", "invite", "p-20", "--config", clinic)
    assert run("wallet", "new", *wallet)["code"]
    assert run("wallet", "receive", told["link"], told["pin"], *wallet)["hospital"] == "Clinic"
    given = run("wallet", "consent", "hearts", "--yes", *wallet)
    assert run("wallet", "withdraw", "hearts", "--yes", *wallet)["committed"]
    (shown,) = run("wallet", "cards", *wallet)["consents"]
    assert shown["id"] == given["id"]
    assert shown["withdrawn"]
    assert any(one["patient"] == "p-20" for one in run("wallets", "--config", clinic)["patients"])
