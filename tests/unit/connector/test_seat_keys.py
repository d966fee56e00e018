"""The keys of seats are proven once, and anew as soon as anything about them is another."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from medspace.adapters.memory import SeededRandomness
from medspace.connector.usage import seatkeys
from medspace.connector.usage.seatkeys import SeatKeys
from medspace.core.engine import MASKED_SUMS
from medspace.runs import manifest as manifests
from medspace.runs.errors import SeatKeyInvalidError
from medspace.trust.envelope import EnvelopeKey
from medspace.trust.errors import MldsaKeyEndedError, MldsaKeyRevokedError, NotMemberError
from tests.runs import Everybody, manifest_of
from tests.signing import hybrid_of, ring_of

NOW = datetime(2029, 1, 1, tzinfo=UTC)
SECOND = int(NOW.timestamp())
SITES = ("did:web:a", "did:web:b", "did:web:c")
MANIFEST = manifest_of("did:web:user", {}, {site: f"urn:{site}" for site in SITES}, protocol=MASKED_SUMS)


def texts_of(manifest, seed=0):
    keys = {site: EnvelopeKey.generate(SeededRandomness(seed + number)) for number, site in enumerate(SITES)}
    return tuple(manifests.sign_key(manifest, site, key.public, hybrid_of(site)) for site, key in keys.items())


TEXTS = texts_of(MANIFEST)


@pytest.fixture
def proofs(monkeypatch):
    """How often all keys were proven."""
    made, real = [], manifests.read_keys
    monkeypatch.setattr(manifests, "read_keys", lambda *args: made.append(1) or real(*args))
    return made


def listed(members, site, **times):
    ring = replace(ring_of(site), known=(replace(ring_of(site).known[0], **times),))
    members.rings[site] = ring


def test_the_same_keys_are_proven_once(proofs):
    keys, members = SeatKeys(), Everybody(hybrid=True)
    found = [keys.read(TEXTS, MANIFEST, members.member, NOW + timedelta(hours=hour)) for hour in range(3)]
    assert len(proofs) == 1
    assert (
        found[0] == found[2] == {key.site: key for key in manifests.read_keys(TEXTS, MANIFEST, members.member, NOW)}
    )


def test_other_texts_are_proven_for_themselves(proofs):
    keys, members = SeatKeys(), Everybody(hybrid=True)
    keys.read(TEXTS, MANIFEST, members.member, NOW)
    other = texts_of(MANIFEST, 10)
    assert keys.read(other, MANIFEST, members.member, NOW)[SITES[0]].text == other[0]
    with pytest.raises(SeatKeyInvalidError):
        keys.read((*TEXTS[:2], "a.b.c"), MANIFEST, members.member, NOW)
    assert len(proofs) == 3


@pytest.mark.parametrize(
    ("times", "error"), [({"revoked": SECOND}, MldsaKeyRevokedError), ({"until": SECOND - 90}, MldsaKeyEndedError)]
)
def test_a_key_that_the_list_takes_back_counts_no_more(times, error):
    keys, members = SeatKeys(), Everybody(hybrid=True)
    keys.read(TEXTS, MANIFEST, members.member, NOW)
    listed(members, SITES[1], **times)
    with pytest.raises(error):
        keys.read(TEXTS, MANIFEST, members.member, NOW)


def test_a_seat_that_is_no_member_any_more_has_no_key():
    keys, members = SeatKeys(), Everybody(hybrid=True)
    keys.read(TEXTS, MANIFEST, members.member, NOW)
    members.strangers.add(SITES[2])
    with pytest.raises(NotMemberError):
        keys.read(TEXTS, MANIFEST, members.member, NOW)


def test_a_key_that_ends_by_its_own_time_counts_no_more(proofs):
    keys, members = SeatKeys(), Everybody(hybrid=True)
    listed(members, SITES[0], until=SECOND + 3600)
    for minutes in (0, 30, 58):
        keys.read(TEXTS, MANIFEST, members.member, NOW + timedelta(minutes=minutes))
    assert len(proofs) == 1
    keys.read(TEXTS, MANIFEST, members.member, NOW + timedelta(minutes=60, seconds=30))  # clocks may differ so much
    assert len(proofs) == 2
    with pytest.raises(MldsaKeyEndedError):
        keys.read(TEXTS, MANIFEST, members.member, NOW + timedelta(minutes=62))


def test_before_the_time_of_the_proof_it_is_made_anew(proofs):
    keys, members = SeatKeys(), Everybody(hybrid=True)
    for minutes in (0, -1):
        keys.read(TEXTS, MANIFEST, members.member, NOW + timedelta(minutes=minutes))
    assert len(proofs) == 2


def test_a_bounded_number_of_runs_is_kept(proofs, monkeypatch):
    monkeypatch.setattr(seatkeys, "MOST_RUNS", 1)
    keys, members = SeatKeys(), Everybody(hybrid=True)
    other = replace(MANIFEST, nonce="1" * 64)
    runs = {MANIFEST: TEXTS, other: texts_of(other)}
    for manifest in (MANIFEST, other, other, MANIFEST):
        keys.read(runs[manifest], manifest, members.member, NOW)
    assert len(proofs) == 3
