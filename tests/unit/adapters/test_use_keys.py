"""Key files of uses: readable by their owner alone, whole or not there, refused when somebody has touched them."""

import stat

import pytest

from medspace.adapters import usekeys
from medspace.adapters.keys import SecretExposedError, SecretFileError, write_secret
from medspace.adapters.memory import SeededRandomness
from medspace.adapters.usekeys import FileUseKeys

USE = "urn:uuid:1f0c"


@pytest.fixture
def keys(tmp_path):
    return FileUseKeys(tmp_path / "keys" / "uses", SeededRandomness(1))


def only(keys):
    (file,) = keys.folder.iterdir()
    return file


def test_the_file_and_its_folder_are_for_their_owner_alone(keys):
    keys.make(USE)
    assert stat.S_IMODE(only(keys).stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700
    assert only(keys).name == "urn%3Auuid%3A1f0c.key"


def test_a_file_that_others_can_read_is_refused(keys):
    keys.make(USE)
    only(keys).chmod(0o640)
    with pytest.raises(SecretExposedError):
        keys.key(USE)
    with pytest.raises(SecretExposedError):
        keys.make(USE)


def test_a_file_that_holds_no_key_is_refused(keys):
    keys.make(USE)
    only(keys).write_bytes(b"short")
    with pytest.raises(SecretFileError):
        keys.key(USE)


def test_drafts_of_files_are_no_keys(keys):
    keys.make(USE)
    (keys.folder / ".urn%3Ax.key.1234").write_bytes(b"")
    (keys.folder / ".key").write_bytes(b"")
    assert list(keys.uses()) == [USE]


def test_of_two_that_make_a_key_at_once_both_get_the_one_that_is_kept(keys, monkeypatch):
    def faster(path, content):
        write_secret(path, b"f" * 32)
        write_secret(path, content)

    monkeypatch.setattr(usekeys, "write_secret", faster)
    assert keys.make(USE) == keys.key(USE) == b"f" * 32
