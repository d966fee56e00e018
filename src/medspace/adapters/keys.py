"""Secret files: the Ed25519 key of a connector (PEM, PKCS #8, RFC 8410) and the token of its private listener.

A file that others could read is refused, since it may already have been read. Files are
written completely or not at all, and nothing is ever overwritten: a lost key is a lost identity.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from medspace.adapters.oswords import why
from medspace.adapters.system import SystemRandomness
from medspace.core.clock import Randomness
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.signing import Ed25519Signer
from medspace.core.text import Text, msgid

LARGEST_FILE = 16 * 1024
TOKEN_BYTES = 32
_P256_BYTES = 32
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SP 800-186 3.2.1.3
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # set by systemd (systemd.exec(5), LoadCredential=)
_SYSTEM_RANDOMNESS = SystemRandomness()
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SecretFileError(InvalidInputError):
    """A secret file cannot be read or does not hold what it should."""

    code = "secret.invalid"
    sentence = msgid("The secret file {path} cannot be used: {reason}.")
    next_step = msgid("Name the right file in the configuration, or make one with `medspace init`.")


class SecretExposedError(RefusedError):
    """Others can read or change a secret file."""

    code = "secret.exposed"
    sentence = msgid("Others on this machine can reach the secret {path} (mode {mode}).")
    next_step = msgid("Remove their rights with `chmod go= {path}`; make a new secret if they may have read it.")


class SecretExistsError(RefusedError):
    """The file already exists; secrets are never overwritten."""

    code = "secret.exists"
    sentence = msgid("The file {path} already exists, and secrets are never overwritten.")
    next_step = msgid("Use the existing file, or move it away first.")


def passphrase_from(variable: str) -> bytes | None:
    """The passphrase in an environment variable, or in the credential of that name of a systemd service; or None.

    Raises:
        SecretFileError, SecretExposedError: there is a credential, and it cannot be read.
    """
    said = os.environ.get(variable, "").encode()
    folder = os.environ.get(CREDENTIALS, "")
    if not said and folder and (file := Path(folder) / variable).exists():
        said = read_secret(file).rstrip(b"\r\n")
    return said or None


def create_key(
    path: Path, passphrase: bytes | None = None, *, randomness: Randomness = _SYSTEM_RANDOMNESS
) -> Ed25519Signer:
    """Make a new Ed25519 key and keep it in `path` (mode 0600; a folder that is missing is made with 0700).

    Raises:
        SecretExistsError: there is a file of that name.
        SecretExposedError: others can write to the folder.
        OSError: the file cannot be written.
    """
    key = Ed25519PrivateKey.from_private_bytes(randomness.token_bytes(32))
    locked: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    return Ed25519Signer(key)


def load_key(path: Path, passphrase: bytes | None = None) -> Ed25519Signer:
    """The key in a file.

    Raises:
        SecretFileError: no such file, not an Ed25519 key in PEM, or the passphrase is missing, needless or wrong.
        SecretExposedError: others can read or change the file.
    """
    key = _private_key(path, passphrase)
    if not isinstance(key, Ed25519PrivateKey):
        raise _invalid(path, msgid("it is not an Ed25519 key"))
    return Ed25519Signer(key)


def _private_key(path: Path, passphrase: bytes | None) -> PrivateKeyTypes:
    content = read_secret(path)
    try:
        return load_pem_private_key(content, passphrase)
    except TypeError:  # as `cryptography` reports it
        needed = passphrase is None
        reason = msgid("it needs a passphrase") if needed else msgid("it has no passphrase, but one was given")
        raise _invalid(path, reason) from None
    except ValueError:
        raise _invalid(path, msgid("it is not a key in PEM form, or the passphrase is wrong")) from None


def open_p256(path: Path, passphrase: bytes | None = None, *, randomness: Randomness = _SYSTEM_RANDOMNESS) -> bytes:
    """The private key of P-256 in a file, in the clear as PEM (PKCS #8); made there, if there is no file.

    Raises:
        SecretFileError: not such a key in PEM, or the passphrase is missing, needless or wrong.
        SecretExposedError: others can read or change the file, or write to the folder.
        OSError: the file cannot be written.
    """
    locked: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    if not path.exists():
        # FIPS 186-5 A.2.1: 64 bits more than the order has, so that no value is likelier than another.
        secret = int.from_bytes(randomness.token_bytes(_P256_BYTES + 8)) % (_P256_ORDER - 1) + 1
        made = ec.derive_private_key(secret, ec.SECP256R1())
        with suppress(SecretExistsError):  # another process was faster
            write_secret(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    key = _private_key(path, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _invalid(path, msgid("it is not a key of P-256"))
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def create_token(path: Path, *, randomness: Randomness = _SYSTEM_RANDOMNESS) -> str:
    """Make a token for the private listener and keep it in `path`, as `create_key` does; 256 bits in hex.

    Raises:
        SecretExistsError, SecretExposedError, OSError: as `create_key`.
    """
    token = randomness.token_bytes(TOKEN_BYTES).hex()
    write_secret(path, f"{token}\n".encode())
    return token


def load_token(path: Path) -> str:
    """The token in a file.

    Raises:
        SecretFileError: no such file, or too short to be a secret.
        SecretExposedError: others can read or change the file.
    """
    try:
        token = read_secret(path).decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if len(token) < TOKEN_BYTES or not token.isprintable() or " " in token:
        raise _invalid(path, msgid("it is not a token of 32 or more characters"))
    return token


def create_secret(path: Path, secret: bytes | None = None, *, randomness: Randomness = _SYSTEM_RANDOMNESS) -> None:
    """Keep a secret in `path` as hex, as `create_key` does; 256 random bits where none is given.

    Raises:
        SecretExistsError, SecretExposedError, OSError: as `create_key`.
    """
    write_secret(path, f"{(secret or randomness.token_bytes(TOKEN_BYTES)).hex()}\n".encode())


def load_secret(path: Path) -> bytes:
    """The secret that a file holds as hex.

    Raises:
        SecretFileError: no such file, or not 32 or more bytes as hex.
        SecretExposedError: others can read or change the file.
    """
    try:
        secret = bytes.fromhex(read_secret(path).decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) < TOKEN_BYTES:
        raise _invalid(path, msgid("it does not hold 32 or more bytes as hexadecimal digits"))
    return secret


def read_secret(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """The content of a file that belongs to this user, and that only this user can reach.

    Raises:
        SecretFileError: no such regular file, or larger than `largest` bytes.
        SecretExposedError: others can read or change it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SecretFileError(path=str(path), reason=why(error)) from None
    try:
        _check_private(path, os.fstat(handle), largest)  # of the opened file, since that is what is read
        return os.read(handle, largest)
    finally:
        os.close(handle)


def _check_private(path: Path, status: os.stat_result, largest: int) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
        raise _invalid(path, msgid("it is not a small regular file"))
    if status.st_mode & _OTHERS or status.st_uid not in (os.geteuid(), 0):
        raise SecretExposedError(path=str(path), mode=f"{stat.S_IMODE(status.st_mode):04o}")


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600, whole and durable, or not at all.

    Raises:
        SecretExistsError: there is a file of that name.
        SecretExposedError: others can write to the folder.
        OSError: it cannot be written.
    """
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        _write_new(draft, content)
        os.link(draft, path)  # unlike a rename, a link never replaces what is there
    except FileExistsError:
        raise SecretExistsError(path=str(path)) from None
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    _sync_folder(path.parent)


def replace_secret(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 in place of what may be there, whole and durable, or not at all.

    Raises:
        SecretExposedError: others can write to the folder.
        OSError: it cannot be written.
    """
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        _write_new(draft, content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_secret(path: Path) -> None:
    """Delete a secret file, durably; one that is not there is fine.

    Raises:
        OSError: it cannot be deleted.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return
    _sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder of mode 0700 unless it is there.

    Raises:
        SecretExposedError: it is there, and others can write to it.
        OSError: it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    mode = folder.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        raise SecretExposedError(path=str(folder), mode=f"{stat.S_IMODE(mode):04o}")


def _write_new(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:  # noqa: PTH123 - opened by descriptor, with its mode from the start
        file.write(content)
        file.flush()
        os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _invalid(path: Path, reason: str) -> SecretFileError:
    return SecretFileError(path=str(path), reason=Text(reason))
