"""The manifest of a run and the keys of its seats: signed by whom they must be, for this run, or not taken."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from medspace.adapters.memory import SeededRandomness
from medspace.core.canonical import canonical
from medspace.core.signing import Ed25519Signer
from medspace.runs import manifest as manifests
from medspace.runs import seating
from medspace.runs.errors import ManifestInvalidError, SeatKeyInvalidError
from medspace.runs.manifest import Manifest
from medspace.runs.model import Seat
from medspace.runs.seating import Seen
from medspace.trust import jws
from medspace.trust.envelope import EnvelopeKey
from medspace.trust.model import Member

USER, A, B, C = (f"did:web:{name}.example" for name in ("user", "a", "b", "c"))
SIGNERS = {did: Ed25519Signer.from_seed(bytes([number]) * 32) for number, did in enumerate((USER, A, B, C), 1)}
SEATS = (Seat(A, "urn:agreement:a"), Seat(B, "urn:agreement:b"), Seat(C, "urn:agreement:c"))
NOW = datetime(2026, 11, 28, tzinfo=UTC)
TASK = "sha256:" + "7" * 64
PROTOCOL = "coordinator-sees-sums"
MANIFEST = manifests.draw("urn:run:1", (USER, USER), TASK, SEATS[::-1], PROTOCOL, 3, SeededRandomness(1))
PUBLIC = EnvelopeKey.generate(SeededRandomness(2)).public


def key_of(did):
    return Member(did, "", "", (), SIGNERS[did].public_key)


def test_a_manifest_is_read_as_it_was_signed():
    text = manifests.sign(MANIFEST, SIGNERS[USER])
    assert manifests.read(text, key_of(USER), NOW) == MANIFEST
    assert MANIFEST.sites == (A, B, C)
    assert (MANIFEST.agreement(B), MANIFEST.agreement(USER)) == ("urn:agreement:b", None)


def test_two_runs_of_one_task_have_two_manifests():
    other = manifests.draw("urn:run:1", (USER, USER), TASK, SEATS, PROTOCOL, 3, SeededRandomness(9))
    assert other.digest != MANIFEST.digest


def signed(claims, signer=None, typ=manifests.TYPE):
    return jws.sign(signer or SIGNERS[USER], kid="k", typ=typ, claims=claims)


CLAIMS = MANIFEST.claims
LISTED = CLAIMS["seats"]


@pytest.mark.parametrize(
    "text",
    [
        "", "a.b.c", "x" * 1_000_000,
        signed(CLAIMS, SIGNERS[A]),
        signed(CLAIMS, typ=manifests.KEY_TYPE),
        signed({name: value for name, value in CLAIMS.items() if name != "min_sites"}),
        signed(CLAIMS | {"more": 1}),
        signed(CLAIMS | {"min_sites": 0}),
        signed(CLAIMS | {"min_sites": 4}),
        signed(CLAIMS | {"user": "nobody"}),
        signed(CLAIMS | {"nonce": "short"}),
        signed(CLAIMS | {"seats": []}),
        signed(CLAIMS | {"seats": LISTED[::-1]}),
        signed(CLAIMS | {"seats": [LISTED[0], LISTED[0], LISTED[1]]}),
        signed(CLAIMS | {"seats": [LISTED[0], LISTED[1] | {"agreement": LISTED[0]["agreement"]}, LISTED[2]]}),
        signed(CLAIMS | {"seats": [{"site": f"did:web:{n:04}.example", "agreement": f"{n}"} for n in range(300)]}),
    ],
)  # fmt: skip
def test_what_is_no_manifest_of_the_user_is_refused(text):
    with pytest.raises(ManifestInvalidError):
        manifests.read(text, key_of(USER), NOW)


def test_a_key_is_read_as_its_seat_signed_it():
    text = manifests.sign_key(MANIFEST, A, PUBLIC, SIGNERS[A])
    read = manifests.read_key(text, MANIFEST, key_of(A), NOW)
    assert (read.site, read.public, read.text) == (A, PUBLIC, text)


def test_a_manifest_with_the_keys_of_all_seats_fits():
    text = manifests.sign_key(MANIFEST, A, PUBLIC, SIGNERS[A])
    assert len(text) < manifests.limits.SEAT_KEY


OTHERS = [
    replace(MANIFEST, run="urn:run:2"), replace(MANIFEST, task="sha256:" + "8" * 64), replace(MANIFEST, min_sites=2),
    replace(MANIFEST, seats=MANIFEST.seats[:2], min_sites=2),
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "a.b.c", "x" * 100_000,
        manifests.sign_key(MANIFEST, A, PUBLIC, SIGNERS[B]),  # signed by another seat
        manifests.sign_key(MANIFEST, B, PUBLIC, SIGNERS[A]),  # for another seat
        manifests.sign_key(MANIFEST, A, PUBLIC[:-1], SIGNERS[A]),
        manifests.sign_key(MANIFEST, A, b"\xff" * len(PUBLIC), SIGNERS[A]),
        signed({"run": "x"}, SIGNERS[A], manifests.KEY_TYPE),
        signed(CLAIMS, SIGNERS[A]),
        *(manifests.sign_key(other, A, PUBLIC, SIGNERS[A]) for other in OTHERS),  # of another run, or manifest
    ],
)  # fmt: skip
def test_a_key_that_is_not_signed_so_is_refused(text):
    with pytest.raises(SeatKeyInvalidError):
        manifests.read_key(text, MANIFEST, key_of(A), NOW)


def test_the_digest_is_that_of_the_claims():
    assert canonical(MANIFEST.claims) == canonical(manifests.read(signed(CLAIMS), key_of(USER), NOW).claims)
    assert {other.digest for other in OTHERS}.isdisjoint({MANIFEST.digest})


# --- what a site checks itself --------------------------------------------------------------------------------------


def seen(**changes):
    own = {did: did for did in (USER, A, B, C)}
    return replace(Seen(A, "urn:agreement:a", USER, own, PROTOCOL), **changes)


def refusal(manifest=MANIFEST, **changes):
    decision = seating.decide(manifest, seen(**changes))
    return decision.code, [premise.clause for premise in decision.failures]


def test_a_manifest_that_holds_gives_a_seat():
    assert refusal() == ("permitted", [])
    assert refusal(protection=None) == ("permitted", [])  # not known before the task


ALIKE = {USER: USER, A: A, B: "did:web:chain.example", C: "did:web:chain.example"}
GROUP = {USER: "did:web:group.example", A: A, B: "did:web:group.example", C: C}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"user": B}, "run.user"),
        ({"holder": "did:web:d.example"}, "run.seat"),
        ({"agreement": "urn:agreement:x"}, "run.seat"),
        ({"protection": "masked-sums"}, "run.protocol"),
        ({"operators": {A: A, B: B, USER: USER}}, "run.members"),
        ({"operators": {A: A, B: B, C: C}}, "run.members"),
        ({"operators": ALIKE}, "run.operator"),
        ({"operators": GROUP}, "run.own_seat"),
    ],
)
def test_what_a_site_finds_itself(changes, code):
    assert refusal(**changes)[0] == code


def test_a_user_that_seats_itself_is_refused():
    seats = (*SEATS[:2], Seat(USER, "urn:agreement:u"))
    own: Manifest = manifests.draw("urn:run:1", (USER, USER), TASK, seats, PROTOCOL, 3, SeededRandomness(1))
    assert refusal(own)[0] == "run.own_seat"


def test_a_manifest_that_would_go_on_with_fewer_sites_is_refused():
    assert seating.enough(MANIFEST, 3).permitted
    assert seating.enough(replace(MANIFEST, min_sites=2), 3).code == "use.sites"
    assert seating.enough(MANIFEST, 4).code == "use.sites"


def test_a_coordinator_that_is_no_member_is_refused():
    assert refusal(replace(MANIFEST, coordinator="did:web:d.example"))[0] == "run.members"


def test_a_step_needs_a_manifest_and_its_task():
    assert seating.shown(MANIFEST).permitted
    assert seating.shown(None).code == "run.no_manifest"
    assert seating.of_task(MANIFEST, TASK).permitted
    assert seating.of_task(MANIFEST, "sha256:" + "0" * 64).code == "run.task"
