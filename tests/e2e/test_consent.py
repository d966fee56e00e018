"""Consent over real connectors: only who consents counts, a withdrawal ends what counts her, and replay finds it."""

import json

import pytest

from medspace.app.verbs import root
from medspace.services.consents.errors import CountedProofError, MalformedCountedProofError
from medspace.trust.jws import encode
from tests.e2e.space import ASSET, PURPOSE, TASK, hospital, staged
from tests.e2e.test_permits import _open, problem, seen, started

HRESCH = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
PERSONS = [f"p1-{number}" for number in range(60)]


def consent(patient, stance="permit", version=1, **more):
    made = {"resourceType": "Consent", "id": f"c-{patient}", "status": "active", "decision": stance}
    made |= {"meta": {"versionId": str(version)}, "subject": {"reference": f"Patient/{patient}"}}
    return made | more


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("consent")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(route="consent"))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def trained(stage, agreement):
    return stage.space("user").train(TASK, [agreement], wait=60)


def test_a_use_by_consent_counts_who_consents_and_ends_with_who_withdraws(stage, tmp_path, capsys):
    user, clinic = stage.space("user"), stage.space("clinic")
    agreement = stage.agree("user", "clinic")
    assert problem(lambda: started(stage, agreement))["code"] == "consent.no_terms"
    clinic.put_consent_terms(ASSET, "person")
    assert problem(lambda: trained(stage, agreement))["code"] == "consent.nobody"  # who has not said yes is out

    given = [consent(one) for one in PERSONS[:40]] + [consent(one, "deny") for one in PERSONS[40:45]]
    assert clinic.record_consents(given) == {"new": 45, "same": 0, "old": 0, "ended": 0}
    assert clinic.record_consents(given[:2])["same"] == 2
    # They are newcomers until the next edition.
    assert problem(lambda: trained(stage, agreement))["code"] == "consent.nobody"
    shown = clinic.renew_consent_edition(ASSET)
    assert (shown["edition"], shown["counts"][PURPOSE]) == (2, 40)
    run = trained(stage, agreement)
    assert run["model"]["quality"]["sites"][0]["rows"] == 40

    (traced,) = clinic.uses_of_patient("p1-0")
    use = traced["use"]
    assert (traced["purpose"], traced["user"]) == (PURPOSE, stage.nodes["user"].did)
    assert traced["released"] > 0
    assert clinic.uses_of_patient("p1-41") == []
    _proved(stage, clinic, use, tmp_path, capsys)
    assert clinic.replay_consent()["outside"] == []

    open_one = started(stage, agreement)  # it has counted nobody yet, so a withdrawal leaves it open
    seen(lambda: user.use(open_one["id"])["state"] == "STARTED")
    clinic.withdraw_consent("p1-1")
    assert clinic.record_consents([consent("p1-1")])["old"] == 1  # shown again
    assert user.use(open_one["id"])["state"] == "STARTED"
    assert {one["answer"] for one in clinic.explain_consent("p1-1", purpose=PURPOSE)["answers"]} == {"none"}
    (said,) = clinic.explain_consent("p1-2", purpose=PURPOSE)["answers"]
    assert (said["answer"], said["consent"], said["clause"]) == ("allow", "c-p1-2", "/decision")
    assert clinic.consent_datasets()[0]["counts"][PURPOSE] == 40  # nobody sees a single withdrawal
    assert clinic.renew_consent_edition(ASSET)["edition"] == 2
    shown = user.show(ASSET, participant=stage.nodes["clinic"].did)  # as anybody reads it in the catalogue
    assert {one["purpose"]: one["count"] for one in shown["reached"]}[PURPOSE] == 40
    clinic.reload_offers()
    assert user.show(ASSET, participant=stage.nodes["clinic"].did)["reached"] == shown["reached"]
    assert _open(stage, "clinic") >= 1


def _proved(stage, clinic, use, folder, capsys):
    """In and out, by files that need no server; not with another patient's salt, of another use, nor changed."""
    key = encode(stage.nodes["authority"].signer.ed25519.public_key)
    salts = {one: clinic.consent_receipt(one)["salt"] for one in ("p1-0", "p1-3", "p1-41")}

    def verified(said, salt):
        file = folder / "proof.json"
        file.write_text(json.dumps(said))
        assert root(["consent", "verify", str(file), "--salt", salt, "--authority-key", key, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    proofs = {one: clinic.consent_proof(use, one) for one in ("p1-0", "p1-41")}
    assert verified(proofs["p1-0"], salts["p1-0"]) == {"use": use, "counts": True, "statements": 1}
    assert verified(proofs["p1-41"], salts["p1-41"]) == {"use": use, "counts": False, "statements": 1}
    (stated,) = proofs["p1-0"]["stated"]
    wrong = stated["entry"]["entry"].replace(use, "urn:uuid:0")
    for said, salt in (
        (proofs["p1-0"], salts["p1-3"]),
        (proofs["p1-0"] | {"use": "urn:uuid:0"}, salts["p1-0"]),
        (
            proofs["p1-0"]
            | {"use": "urn:uuid:0", "stated": [stated | {"entry": stated["entry"] | {"entry": wrong}}]},
            salts["p1-0"],
        ),
        (proofs["p1-0"] | {"stated": [stated | {"included": False}]}, salts["p1-0"]),
        (proofs["p1-0"], "no salt"),
    ):
        with pytest.raises(CountedProofError):
            verified(said, salt)
    with pytest.raises(MalformedCountedProofError):
        verified({"use": use}, salts["p1-0"])
    assert "p1-0" not in json.dumps([clinic.audit_bundle(), *proofs.values()])
