"""ML-DSA-65 keys as files: made once, renewed with an overlap, revoked for good, and for their owner alone."""

import stat
from datetime import timedelta

import pytest

from medspace.adapters.keys import SecretExposedError, SecretFileError, create_key
from medspace.adapters.memory import ManualClock, SeededRandomness
from medspace.adapters.mldsa import (
    MOST_KEPT,
    OVERLAP,
    VALID,
    MldsaKeysEndedError,
    MldsaKeyUnknownHereError,
    name_of,
    open_mldsa_keys,
)
from medspace.core.signing import verify_mldsa


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def reopened(tmp_path, clock):
    """The keys as after a start of the connector."""
    beside = tmp_path / "keys" / "participant.pem"
    create_key(beside)

    def reopen(passphrase=None, randomness=None):
        return open_mldsa_keys(beside, passphrase, clock=clock, randomness=randomness or SeededRandomness(1))

    return reopen


def files(keys):
    return sorted(file.name for file in keys.beside.parent.iterdir() if "mldsa" in file.name)


def seconds(clock, later=timedelta(0)):
    return int((clock.now() + later).timestamp())


def test_the_first_start_makes_a_key_and_the_next_one_finds_it(reopened, clock):
    keys = reopened()
    (key,) = keys.known
    assert (key.since, key.until, key.revoked) == (seconds(clock), seconds(clock, VALID), 0)
    assert verify_mldsa(key.public, b"m", keys.current().sign(b"m"))
    again = reopened(randomness=SeededRandomness(2))
    assert again.known == keys.known
    assert again.current().public_key == key.public
    assert files(keys) == [f"participant.mldsa-{name_of(key.public)}.pem", "participant.mldsa.json"]


def test_the_key_is_that_of_the_randomness_that_it_is_given(reopened, tmp_path, clock):
    other = open_mldsa_keys(tmp_path / "b" / "p.pem", None, clock=clock, randomness=SeededRandomness(1))
    assert other.known == reopened().known


def test_its_files_are_for_their_owner_alone(reopened):
    keys = reopened()
    for name in files(keys):
        file = keys.beside.with_name(name)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    with pytest.raises(SecretExposedError):
        reopened()
    file.chmod(0o600)
    keys.beside.with_name(files(keys)[0]).chmod(0o644)
    with pytest.raises(SecretExposedError):
        reopened().current()


def test_a_passphrase_locks_it_too(reopened):
    reopened(b"correct horse")
    assert reopened(b"correct horse").current()
    for wrong in (None, b"battery staple"):
        with pytest.raises(SecretFileError):
            reopened(wrong).current()


def test_a_broken_list_or_another_key_is_refused(reopened):
    keys = reopened()
    create_key(keys.beside.with_name("other.pem"))
    pem = keys.beside.with_name(files(keys)[0])
    pem.write_bytes(keys.beside.with_name("other.pem").read_bytes())
    with pytest.raises(SecretFileError):
        reopened().current()
    pem.unlink()
    with pytest.raises(SecretFileError):
        reopened().current()
    keys.beside.with_name("participant.mldsa.json").write_text('{"keys": 1}')
    with pytest.raises(SecretFileError):
        reopened()


def test_a_new_key_signs_once_others_know_it_and_the_one_before_for_a_day(reopened, clock):
    keys = reopened()
    (first,) = keys.known
    keys.listed = lambda: {first.public}
    clock.advance(timedelta(days=100).total_seconds())
    second = keys.rotate()
    assert [key.until for key in keys.known] == [seconds(clock, OVERLAP), seconds(clock, VALID)]
    assert keys.current().public_key == first.public  # which alone is on the members list
    keys.listed = lambda: {first.public, second.public}
    assert keys.current().public_key == second.public
    keys.listed = lambda: {first.public}
    clock.advance(OVERLAP.total_seconds())
    assert keys.current().public_key == second.public  # the one before has ended, known or not
    assert reopened().known == keys.known


def test_the_private_key_of_a_key_that_is_over_goes_with_the_next_change(reopened, clock):
    keys = reopened()
    first = keys.known[0]
    keys.rotate()
    assert len(files(keys)) == 3
    clock.advance(OVERLAP.total_seconds())
    keys.rotate()
    assert f"participant.mldsa-{name_of(first.public)}.pem" not in files(keys)
    assert [name_of(first.public)] == [name_of(key.public) for key in keys.known][:1]  # it is still shown


def test_a_revoked_key_is_gone_and_the_last_one_is_followed_by_another(reopened, clock):
    keys = reopened()
    (first,) = keys.known
    keys.current()
    gone = keys.revoke(name_of(first.public))
    assert (gone.public, gone.revoked) == (first.public, seconds(clock))
    assert len(keys.known) == 2
    assert keys.current().public_key == keys.known[1].public != first.public
    assert not any(name_of(first.public) in name for name in files(keys))
    clock.advance(60)
    assert keys.revoke(name_of(first.public)) == gone  # once is enough
    with pytest.raises(MldsaKeyUnknownHereError):
        keys.revoke("nothing")


def test_with_another_valid_key_a_revoked_one_is_not_replaced(reopened):
    keys = reopened()
    second = keys.rotate()
    keys.revoke(name_of(keys.known[0].public))
    assert len(keys.known) == 2
    assert keys.current().public_key == second.public


def test_where_no_key_is_valid_nothing_is_signed(reopened, clock):
    keys = reopened()
    clock.advance(VALID.total_seconds())
    with pytest.raises(MldsaKeysEndedError):
        keys.current()
    keys.rotate()
    assert keys.current()


def test_those_that_are_over_are_forgotten_beyond_some(reopened, clock):
    keys = reopened()
    for _ in range(MOST_KEPT + 2):
        clock.advance(2 * OVERLAP.total_seconds())
        keys.rotate()
    assert len(keys.known) == MOST_KEPT
    assert len(files(keys)) == 3  # the list, the key of now, the one before


def test_a_kill_between_key_and_list_leaves_a_file_that_nobody_uses(reopened):
    keys = reopened()
    stray = keys.beside.with_name("participant.mldsa-0000000000000000.pem")
    stray.write_bytes(b"stray")
    stray.chmod(0o600)
    assert reopened().known == keys.known
