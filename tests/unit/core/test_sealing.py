"""What is sealed opens with its secret, under its name, and not when it was changed."""

from base64 import b64decode, b64encode

import pytest

from medspace.adapters.memory import SeededRandomness
from medspace.core import sealing
from medspace.core.sealing import KEY_BYTES, Sealer

SEALER = Sealer(b"secret", SeededRandomness(1))


def test_what_is_sealed_opens_again_and_is_never_sealed_alike():
    first, second = SEALER.seal(b"content", "a"), SEALER.seal(b"content", "a")
    assert first != second
    assert SEALER.open(first, "a") == SEALER.open(second, "a") == b"content"
    assert b"content" not in b64decode(first)


@pytest.mark.parametrize("place", [0, 12, -1])
def test_a_change_is_found(place):
    raw = bytearray(b64decode(SEALER.seal(b"content", "a")))
    raw[place] ^= 1
    with pytest.raises(ValueError, match="changed"):
        SEALER.open(b64encode(bytes(raw)).decode(), "a")


def test_another_name_or_secret_opens_nothing():
    sealed = SEALER.seal(b"content", "a")
    with pytest.raises(ValueError, match="another"):
        SEALER.open(sealed, "b")
    with pytest.raises(ValueError, match="another"):
        Sealer(b"other", SeededRandomness(1)).open(sealed, "a")
    with pytest.raises(ValueError):
        SEALER.open("no base64!", "a")


def test_each_use_and_subject_has_a_key_of_its_own():
    keys = {
        SEALER.key("seed", "a"),
        SEALER.key("seed", "b"),
        SEALER.key("marks", "a"),
        Sealer(b"other", SeededRandomness(1)).key("seed", "a"),
    }
    assert len(keys) == 4
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert "secret" not in repr(SEALER)


def test_keys_are_the_same_whether_they_are_remembered_or_made_anew(monkeypatch):
    sealer = Sealer(b"secret", SeededRandomness(1))
    first = sealer.key("seed", "heart")
    assert sealer.key("seed", "heart") is first
    monkeypatch.setattr(sealing, "KEPT", 0)
    other = Sealer(b"secret", SeededRandomness(1))
    assert other.key("seed", "heart") == other.key("seed", "heart") == first
    assert other.key("seed", "lung") != first
