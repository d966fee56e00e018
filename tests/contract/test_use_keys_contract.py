"""What every store of use keys does: one class, run on memory and on files."""

import pytest

from medspace.adapters.memory import MemoryUseKeys, SeededRandomness
from medspace.adapters.usekeys import FileUseKeys

USE, OTHER = "urn:uuid:1f0c", "urn:uuid:../../odd name\n%"


@pytest.fixture(params=["memory", "files"])
def keys(request, tmp_path):
    if request.param == "memory":
        return MemoryUseKeys(SeededRandomness(1))
    return FileUseKeys(tmp_path / "keys" / "uses", SeededRandomness(1))


class TestUseKeys:
    def test_a_use_has_no_key_until_one_is_made(self, keys):
        assert keys.key(USE) is None
        assert list(keys.uses()) == []

    def test_a_key_stays_the_same_and_is_of_its_use_alone(self, keys):
        made = keys.make(USE)
        assert len(made) == 32
        assert keys.make(USE) == keys.key(USE) == made
        assert keys.make(OTHER) != made
        assert sorted(keys.uses()) == sorted([USE, OTHER])

    def test_a_key_that_was_forgotten_does_not_come_back(self, keys):
        made, other = keys.make(USE), keys.make(OTHER)
        keys.forget(USE)
        assert keys.key(USE) is None
        assert keys.key(OTHER) == other
        assert keys.make(USE) != made

    def test_a_step_that_began_begins_no_second_time_as_another(self, keys):
        assert keys.begin(USE, 1, "urn:uuid:a")
        assert keys.begin(USE, 1, "urn:uuid:a")  # cut off, and done again
        assert not keys.begin(USE, 1, "urn:uuid:b")
        assert keys.begin(USE, 3, "urn:uuid:c")
        assert not keys.begin(USE, 2, "urn:uuid:d")
        assert not keys.begin(USE, 1, "urn:uuid:a")
        assert keys.begin(USE, 3, "urn:uuid:c")
        assert keys.begin(OTHER, 1, "urn:uuid:b")

    def test_which_step_began_is_forgotten_with_the_key(self, keys):
        keys.make(USE)
        keys.begin(USE, 2, "urn:uuid:a")
        assert list(keys.uses()) == [USE]
        keys.forget(USE)
        assert list(keys.uses()) == []
        assert keys.begin(USE, 1, "urn:uuid:b")

    def test_forgetting_what_is_not_there_is_fine(self, keys):
        keys.forget(USE)
        keys.make(USE)
        keys.forget(USE)
        keys.forget(USE)
        assert list(keys.uses()) == []
