"""Consent over real connectors: only who consents counts, a withdrawal ends what counts her, and replay finds it."""

import json

import pytest

from medspace.services.consents import commitments
from medspace.services.consents.commitments import LeafProof
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


def test_a_use_by_consent_counts_who_consents_and_ends_with_who_withdraws(stage):
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

    (use,) = clinic.uses_of_patient("p1-0")
    assert clinic.uses_of_patient("p1-41") == []
    _proved(clinic, use)
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
    assert _open(stage, "clinic") >= 1


def _proved(clinic, use):
    bundle = clinic.audit_bundle()
    admitted = [one for one in map(_entry, bundle["entries"]) if one["kind"] == "use.admitted"]
    (stated,) = {
        (one["facts"]["patients"], one["facts"]["leaves"]) for one in admitted if one["facts"]["transfer"] == use
    }
    for patient, included in (("p1-0", True), ("p1-41", False)):
        salt = bytes.fromhex(clinic.consent_receipt(patient)["salt"])
        (found,) = clinic.consent_proof(use, patient)["proofs"]
        leaves = tuple((at, leaf, tuple(path)) for at, leaf, path in found["leaves"])
        proof = LeafProof(found["size"], found["root"], found["included"], leaves)
        assert proof.included is included
        assert commitments.holds(proof, salt, use, stated[1], stated[0])
        other = bytes.fromhex(clinic.consent_receipt("p1-3")["salt"])
        assert not commitments.holds(proof, other, use, stated[1], stated[0]) or not included
    assert "p1-0" not in json.dumps(bundle)


def _entry(one):
    return one if isinstance(one, dict) else json.loads(one)
