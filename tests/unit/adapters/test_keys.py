import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from medspace.adapters import keys
from medspace.adapters.keys import (
    LARGEST_FILE,
    SecretExistsError,
    SecretExposedError,
    SecretFileError,
    create_key,
    create_token,
    load_key,
    load_token,
    make_folder,
    open_p256,
    passphrase_from,
)
from medspace.adapters.memory import SeededRandomness
from medspace.core.signing import verify


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "connector.pem"


def put(path, content, permissions=0o600):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(permissions)


def test_a_key_is_kept_and_found_again(path):
    signer = create_key(path)
    again = load_key(path)
    assert again.public_key == signer.public_key
    assert verify(signer.public_key, b"message", again.sign(b"message"))
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [file.name for file in path.parent.iterdir()] == ["connector.pem"]


def test_permissions_do_not_depend_on_the_umask(path):
    before = os.umask(0)
    try:
        create_key(path)
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


def test_the_file_is_what_other_programs_know(path):
    signer = create_key(path, randomness=SeededRandomness(1))
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert load_pem_private_key(path.read_bytes(), None).public_key().public_bytes_raw() == signer.public_key


def test_every_key_is_another(tmp_path):
    assert create_key(tmp_path / "a" / "a").public_key != create_key(tmp_path / "a" / "b").public_key


def test_a_passphrase_locks_the_key(path):
    signer = create_key(path, b"correct horse")
    assert load_key(path, b"correct horse").public_key == signer.public_key
    for wrong in (None, b"wrong"):
        with pytest.raises(SecretFileError):
            load_key(path, wrong)


def test_a_passphrase_for_an_open_key_is_a_mistake(path):
    create_key(path)
    with pytest.raises(SecretFileError, match="no passphrase"):
        load_key(path, b"needless")


def test_a_passphrase_may_stand_in_the_environment(monkeypatch):
    monkeypatch.setenv("MEDSPACE_TEST_PASSPHRASE", "correct horse")
    assert passphrase_from("MEDSPACE_TEST_PASSPHRASE") == b"correct horse"
    monkeypatch.setenv("MEDSPACE_TEST_PASSPHRASE", "")
    assert passphrase_from("MEDSPACE_TEST_PASSPHRASE") is None
    monkeypatch.delenv("MEDSPACE_TEST_PASSPHRASE")
    assert passphrase_from("MEDSPACE_TEST_PASSPHRASE") is None


def test_nothing_is_ever_overwritten(path):
    signer = create_key(path)
    for create in (create_key, create_token):
        with pytest.raises(SecretExistsError):
            create(path)
    assert load_key(path).public_key == signer.public_key
    assert [file.name for file in path.parent.iterdir()] == ["connector.pem"]


def test_not_even_a_link_that_leads_nowhere_is_overwritten(path, tmp_path):
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SecretExistsError):
        create_key(path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("permissions", [0o640, 0o604, 0o620, 0o644, 0o666, 0o610])
def test_a_secret_that_others_can_reach_is_refused(path, permissions):
    create_key(path)
    path.chmod(permissions)
    with pytest.raises(SecretExposedError, match=f"{permissions:04o}"):
        load_key(path)


def test_a_secret_of_another_user_is_refused(path, monkeypatch):
    create_key(path)
    owner = path.stat().st_uid
    monkeypatch.setattr(keys.os, "geteuid", lambda: owner + 1)
    if owner == 0:
        load_key(path)  # what belongs to root is safe from others too
    else:
        with pytest.raises(SecretExposedError):
            load_key(path)


@pytest.mark.parametrize("permissions", [0o777, 0o770, 0o707])
def test_no_secret_is_put_where_others_can_replace_it(path, permissions):
    path.parent.mkdir()
    path.parent.chmod(permissions)
    with pytest.raises(SecretExposedError):
        create_key(path)
    assert list(path.parent.iterdir()) == []


def test_a_failed_write_leaves_nothing(path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        create_key(path)
    assert list(path.parent.iterdir()) == []


def test_what_is_no_key_is_said(path, tmp_path):
    with pytest.raises(SecretFileError, match="no such file"):
        load_key(path)
    with pytest.raises(SecretFileError, match="regular file"):
        load_key(tmp_path)
    put(path, b"not a key")
    with pytest.raises(SecretFileError, match="PEM"):
        load_key(path)
    other = ec.generate_private_key(ec.SECP256R1())
    put(path, other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SecretFileError, match="Ed25519"):
        load_key(path)
    put(path, b"a" * (LARGEST_FILE + 1))
    with pytest.raises(SecretFileError, match="small"):
        load_key(path)


def test_a_pipe_does_not_make_us_wait(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SecretFileError):
        load_key(tmp_path / "pipe")


def test_a_token_is_kept_and_found_again(path):
    token = create_token(path)
    assert load_token(path) == token
    assert len(token) == 64
    assert mode(path) == 0o600


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40, b"a b" * 20, b"a\nb" * 20])
def test_what_is_no_token_is_said(path, content):
    put(path, content)
    with pytest.raises(SecretFileError):
        load_token(path)


def test_a_token_that_others_can_read_is_refused(path):
    put(path, b"a" * 64, 0o644)
    with pytest.raises(SecretExposedError):
        load_token(path)


def test_a_folder_is_made_for_us_alone(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700


# --- the key of P-256 ------------------------------------------------------------------------------------------


def test_a_key_of_p256_is_made_once_and_read_by_another_library(path):
    pem = open_p256(path, randomness=SeededRandomness(1))
    assert open_p256(path) == pem
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    key = load_pem_private_key(path.read_bytes(), None)
    assert key.curve.name == "secp256r1"
    assert open_p256(path.with_name("other.pem"), randomness=SeededRandomness(2)) != pem


def test_it_is_sealed_under_the_passphrase(path):
    pem = open_p256(path, b"secret")
    assert b"ENCRYPTED" in path.read_bytes()
    assert open_p256(path, b"secret") == pem
    for wrong in (None, b"other"):
        with pytest.raises(SecretFileError):
            open_p256(path, wrong)
    bare = path.with_name("bare.pem")
    open_p256(bare)
    with pytest.raises(SecretFileError):
        open_p256(bare, b"secret")


def test_it_is_no_other_key_and_nobody_elses(path):
    create_key(path)
    with pytest.raises(SecretFileError, match="P-256"):
        open_p256(path)
    larger = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    other = path.with_name("larger.pem")
    put(other, larger)
    with pytest.raises(SecretFileError, match="P-256"):
        open_p256(other)
    third = path.with_name("third.pem")
    open_p256(third)
    third.chmod(0o640)
    with pytest.raises(SecretExposedError):
        open_p256(third)
