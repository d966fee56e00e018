"""The private keys of a run's seats: for one run, in no document, and gone with it from disk and backup.

And the keys that sign: shown by the document, listed by the authority, changed and revoked while connectors run.
"""

import base64
import json
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

import httpx
import pytest

from medspace.adapters.mldsa import name_of
from medspace.adapters.system import SystemRandomness
from medspace.app.compose.connector import ALGORITHMS, ENGINES, ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.core.engine import MASKED_SUMS
from medspace.runs import covers
from medspace.runs.covers import Cover
from medspace.runs.manifest import read_key
from medspace.trust.envelope import MLKEM_SEED, EnvelopeKey
from medspace.trust.model import Member
from tests.e2e.house.killable import eventually
from tests.e2e.house.masked import MASKED, TRAIN, MaskedAlgorithm, MaskedEngine
from tests.e2e.space import PURPOSE, hospital, staged, step
from tests.runs import manifest_of, signed

HOSPITALS = ("north", "south", "west")
SUM_OF_AGES = {"task": MASKED, "column": "age", "purpose": PURPOSE, "min_sites": 3}


@dataclass(frozen=True)
class Copying(MaskedEngine):
    """In the middle of the run, makes a backup of its hospital and a full copy of its folder."""

    place: list = field(default_factory=list)

    def answer(self, admission, step, workplace):
        output = super().answer(admission, step, workplace)
        if step.name == "sum" and self.place:
            folder, goal = self.place
            shutil.copytree(folder, goal / "backup", ignore=shutil.ignore_patterns("uses"))
            shutil.copytree(folder, goal / "everything")
        return output


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("keys")) as stage:
        stage.add("authority")
        stage.copying = Copying()
        for seed, key in enumerate(HOSPITALS, 1):
            engine = stage.copying if key == "north" else MaskedEngine()
            made = {**ENGINES, (TRAIN, MASKED): lambda engine=engine: engine}
            stage.add(key, hospital(seed, min_sites=3), parts=ConnectorParts(engines=made))
        stage.add("user", parts=ConnectorParts(algorithms=(*ALGORITHMS, MaskedAlgorithm)))
        stage.open()
        stage.admit()
        stage.agreements = [stage.agree("user", key) for key in HOSPITALS]
        yield stage


def forms_of(seed):
    """Both private keys and the seed of both, in any of the ways in which one would write them."""
    for secret in (seed, seed[:MLKEM_SEED], seed[:32], seed[32:MLKEM_SEED], seed[MLKEM_SEED:]):
        yield from (secret, secret.hex().encode(), secret.hex().upper().encode(), str(list(secret))[1:-1].encode())
        for start in range(3):  # as base64 of something that it stands in the middle of, cut to whole quanta
            whole = base64.b64encode(bytes(start) + secret)[4 : len(secret) // 3 * 4]
            yield from (whole, whole.replace(b"+", b"-").replace(b"/", b"_"))


def spread(folder, seeds):
    """The files below a folder in which a private key stands."""
    forms = [form for seed in seeds for form in forms_of(seed)]
    contents = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return [file for file, content in contents.items() if any(form in content for form in forms)]


def uses_of(folders):
    """The files with the keys of uses."""
    return {file for folder in folders for file in (folder / "keys" / "uses").glob("*.key")}


def test_no_private_key_of_a_seat_is_left_anywhere(stage, tmp_path, monkeypatch):
    """The control: the copy that has the key of the use too opens the private key, in the middle of the run."""
    made, generate = [], EnvelopeKey.generate.__func__
    monkeypatch.setattr(
        EnvelopeKey,
        "generate",
        classmethod(lambda cls, randomness: made.append(generate(cls, randomness)) or made[-1]),
    )
    folders = {key: stage.nodes[key].folder for key in HOSPITALS}
    others = uses_of(folders.values())  # other tests of this module leave uses that go on
    stage.copying.place[:] = [folders["north"], tmp_path]
    run = stage.space("user").train(SUM_OF_AGES, stage.agreements, wait=60)
    stage.copying.place.clear()
    assert run["state"] == "finished"
    seeds = [key.seed for key in made]
    assert len(seeds) == 3
    eventually(lambda: uses_of(folders.values()) <= others)
    copied = {file.name for file in uses_of([tmp_path / "everything"])}
    assert copied - {file.name for file in others}  # it was there, and only there
    for place in (*folders.values(), tmp_path, stage.nodes["user"].folder, stage.nodes["authority"].folder):
        names = {file.name for file in place.rglob("*") if file.is_file()}
        assert place == tmp_path or {"connector.db", "connector.db-wal"} <= names
        assert spread(place, seeds) == []
    for key in HOSPITALS:
        document = httpx.get(f"{stage.nodes[key].config.base_url}/.well-known/did.json").text
        assert not any(base64.urlsafe_b64encode(one.public)[:60].decode() in document for one in made)
    (tmp_path / "told").write_bytes(b"before " + base64.b64encode(b"x" + seeds[0]) + b" behind")
    assert spread(tmp_path, seeds) == [tmp_path / "told"]  # what it looks for, it would find


def verification(stage, key):
    document = httpx.get(f"{stage.nodes[key].config.base_url}/.well-known/did.json").json()
    return [one for one in document["verificationMethod"] if one["publicKeyJwk"]["kty"] == "AKP"]


def listed(stage, key, by="user"):
    (member,) = [one for one in stage.space(by).refresh() if one["did"] == stage.nodes[key].did]
    return member["mldsa"]


def test_a_key_is_shown_by_the_document_and_listed_by_the_authority(stage):
    (method,) = verification(stage, "north")
    assert method["publicKeyJwk"]["alg"] == "ML-DSA-65"
    assert method["validFrom"] < method["expires"]
    (own,) = stage.space("north").keys()
    assert own["listed"]
    (known,) = listed(stage, "north")
    assert known["key"] == own["key"]


def test_a_new_key_signs_once_the_authority_has_taken_it_up(stage):
    before = stage.space("west").keys()[-1]["key"]
    made = stage.space("west").rotate_key()
    assert (made["listed"], made["published"]) == (False, False)
    assert len(verification(stage, "west")) == 2
    signer = stage.nodes["west"].connector.node.signing
    assert name_of(signer.mldsa.current().public_key) == before
    run = stage.space("user").train(SUM_OF_AGES, stage.agreements, wait=60)  # nothing has to wait for it
    assert run["state"] == "finished"
    member = stage.space("authority").take_keys(stage.nodes["west"].did)
    assert [one["key"] for one in member["mldsa"]] == [before, made["key"]]
    for key in (*HOSPITALS, "user"):
        stage.space(key).refresh()
    assert name_of(signer.mldsa.current().public_key) == made["key"]
    stage.nodes["west"].signer.mldsa.load()
    assert stage.space("user").train(SUM_OF_AGES, stage.agreements, wait=60)["state"] == "finished"


def test_a_revoked_key_is_followed_by_another_and_counts_for_nothing(stage):
    space = stage.space("south")
    (old,) = space.keys()
    gone = space.revoke_key(old["key"])
    assert gone["revoked"]
    did = stage.nodes["south"].did
    with pytest.raises(SpaceError) as refused:
        stage.space("south").take_keys(did)
    assert refused.value.code == "membership.not_authority"
    with pytest.raises(SpaceError) as refused:
        space.revoke_key("nothing")
    assert refused.value.code == "keys.unknown"
    assert [bool(one["revoked"]) for one in stage.space("authority").take_keys(did)["mldsa"]] == [True, False]
    for key in (*HOSPITALS, "user"):
        stage.space(key).refresh()
    assert stage.space("user").train(SUM_OF_AGES, stage.agreements, wait=60)["state"] == "finished"


def test_the_authority_publishes_its_own_keys_by_itself(stage):
    made = stage.space("authority").rotate_key()
    assert made["published"]
    assert made["key"] in [one["key"] for one in listed(stage, "authority")]


def sealed_post(stage, use, manifest, key, body):
    """A question of the user to the first hospital, sealed by hand: the status, and what was said, sealed as well."""
    north, address = stage.nodes["north"], stage.address("user", use)
    member = Member(north.did, "", "", (), north.signer.public_key, mldsa=north.signer.mldsa.known)
    public = read_key(key, manifest, member, datetime.now(UTC)).public
    job = unquote(address["endpoint"].rpartition("/")[2])
    cover = Cover.drawn(manifest, job, north.did, public, SystemRandomness())
    sent = stage.nodes["user"].bearer(north) | {"Medspace-Job": address["endpointProperties"][0]["value"]}
    sent |= {"Content-Type": covers.MEDIA_TYPE}
    question = cover.question(json.dumps(body).encode())
    answer = httpx.post(address["endpoint"], content=question, headers=sent, timeout=30)
    assert answer.headers["content-type"] == covers.MEDIA_TYPE
    said = cover.answers.opened(answer.content, covers.to_question(question))
    return said.status, json.loads(said.body)


def test_over_the_wire_a_question_of_masked_sums_must_be_sealed_and_signed(stage):
    user, did = stage.space("user"), stage.nodes["user"].did
    use = user.request(stage.agreements[0], TRAIN)["id"]
    seats = {stage.nodes[key].did: agreement for key, agreement in zip(HOSPITALS, stage.agreements, strict=True)}
    manifest = manifest_of(did, SUM_OF_AGES, seats, protocol=MASKED_SUMS, run="urn:run:signed")
    once = signed(manifest, stage.nodes["user"].signer.ed25519)
    refused = stage.post("user", "north", use, "/manifest", {"manifest": once})
    assert (refused.status_code, refused.json()["code"]) == (400, "signature.single")
    stage._seated[use] = SUM_OF_AGES
    taken = stage.post("user", "north", use, "/manifest", {"manifest": signed(manifest, stage.nodes["user"].signer)})
    key = taken.json()["key"]
    body = step("share", task=SUM_OF_AGES)
    for signature, code in (("", "step.unsigned"), ("a.b", "signature.invalid")):
        _, said = sealed_post(stage, use, manifest, key, body | {"signature": signature})
        assert said["code"] == code
        assert said["reason"]
        open_one = stage.ask("user", "north", use, body | {"signature": signature})
        assert (open_one.status_code, open_one.json()["code"]) == (403, "step.unsealed")
    status, _ = sealed_post(stage, use, manifest, key, body | {"signature": "x" * 10_000})
    assert status == 400


def test_the_keys_and_the_mail_of_many_seats_arrive(stage):
    """More than a listener takes of strangers; what is in them is looked at, so they are refused for that."""
    use = stage.space("user").request(stage.agreements[1], TRAIN)["id"]
    assert stage.sit("user", "south", use, SUM_OF_AGES, ("north", "west")).status_code == 200
    keys = stage.post("user", "south", use, "/seats", {"keys": [f"{number:04}" * 2000 for number in range(250)]})
    assert (keys.status_code, keys.json()["code"]) == (400, "run.seat_key")
    inbox = {f"did:web:{number}.example": "x" * 12_000 for number in range(170)}
    asked = stage.ask("user", "south", use, step("share", task=SUM_OF_AGES) | {"inbox": inbox})
    assert asked.status_code in (200, 400, 403)
    more = inbox | {"did:web:more.example": "x" * 100_000}
    refused = stage.ask("user", "south", use, step("share", task=SUM_OF_AGES) | {"inbox": more})
    assert refused.status_code == 400
    assert "2097152" in json.dumps(refused.json())
