"""A connector's own ML-DSA-65 keys as files beside the Ed25519 key: port `core.signing.MldsaKeys`.

    participant.mldsa.json        which keys there are, and when each is valid; holds no secret
    participant.mldsa-<name>.pem  the private key (PEM, PKCS #8), under the same passphrase as the Ed25519 key

The private key is written before the list names it, so that a kill between the two leaves an unused file.
The private key of an expired key is deleted: nothing is ever signed with it again.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from medspace.adapters.keys import SecretFileError, read_secret, remove_secret, replace_secret, write_secret
from medspace.core.clock import Clock, Randomness
from medspace.core.errors import InvalidInputError
from medspace.core.keys import MldsaKey
from medspace.core.signing import MLDSA_SEED_BYTES, MldsaSigner
from medspace.core.text import Text, msgid

VALID = timedelta(days=730)
OVERLAP = timedelta(days=1)  # how long the previous key stays valid: others learn of a new one within hours
MOST_KEPT = 8  # expired keys beyond that are dropped; the members list keeps its own record


class MldsaKeyUnknownHereError(InvalidInputError):
    """There is no key of that name here."""

    code = "keys.unknown"
    sentence = msgid("This connector has no ML-DSA-65 key {key}.")
    next_step = msgid("See its keys with `medspace keys show`.")


class MldsaKeysEndedError(InvalidInputError):
    """None of the connector's own keys is valid now."""

    code = "keys.ended"
    sentence = msgid("No ML-DSA-65 key of this connector is valid now, so it cannot sign what needs both signatures.")
    next_step = msgid("Check this machine's clock, then make a new key with `medspace keys rotate`.")


class _KeyFile(msgspec.Struct, frozen=True):
    keys: tuple[MldsaKey, ...]


def name_of(public: bytes) -> str:
    """How people name a key: the first 16 hexadecimal digits of its SHA-256."""
    return sha256(public).hexdigest()[:16]


def _nobody() -> Collection[bytes]:
    return ()


@dataclass(slots=True)
class FileMldsaKeys:
    """The keys beside the file of an Ed25519 key. `listed` has the public keys that others know already.

    Use `open_mldsa_keys`, which makes the first key where there is none.
    """

    beside: Path
    clock: Clock
    randomness: Randomness = field(repr=False)
    passphrase: bytes | None = field(default=None, repr=False)
    listed: Callable[[], Collection[bytes]] = field(default=_nobody, repr=False)
    known: tuple[MldsaKey, ...] = ()
    _opened: dict[bytes, MldsaSigner] = field(default_factory=dict, repr=False)

    def current(self) -> MldsaSigner:
        """The newest valid key, preferring those that others already know.

        Raises:
            MldsaKeysEndedError: none is.
            SecretFileError, SecretExposedError: its file is broken, gone, or readable by others.
        """
        now, listed = self.clock.now().timestamp(), self.listed()
        valid = [key for key in self.known if key.valid(now)]
        heard = [key for key in valid if key.public in listed]
        if not valid:
            raise MldsaKeysEndedError
        return self._signer((heard or valid)[-1].public)

    def rotate(self) -> MldsaKey:
        """Make a new key; earlier ones stay valid for one more day.

        Raises:
            SecretExposedError, OSError: it cannot be written.
        """
        now = self.clock.now()
        end = int((now + OVERLAP).timestamp())
        ending = tuple(key if key.until and key.until < end else replace(key, until=end) for key in self.known)
        return self._add(ending)

    def revoke(self, name: str) -> MldsaKey:
        """Revoke a key from now on; if it was the last one, make a new one.

        Raises:
            MldsaKeyUnknownHereError: no key has that name.
        """
        now = int(self.clock.now().timestamp())
        revoked = {key.public: key for key in self.known if name_of(key.public) == name}
        if not revoked:
            raise MldsaKeyUnknownHereError(key=name)
        (key,) = revoked.values()
        self._keep(tuple(replace(one, revoked=one.revoked or now) if one == key else one for one in self.known))
        if not any(one.valid(now) for one in self.known):
            self._add(self.known)
        return next(one for one in self.known if one.public == key.public)

    def load(self) -> None:
        """Read which keys there are; make the first one where there are none.

        Raises:
            SecretFileError, SecretExposedError: the list is broken, or readable by others.
            OSError: it cannot be written.
        """
        if not self.exist:
            self._add(())
            return
        try:
            self.known = msgspec.json.decode(read_secret(self._list, LARGEST_LIST), type=_KeyFile).keys
        except (msgspec.DecodeError, RecursionError):
            raise SecretFileError(
                path=str(self._list), reason=Text(msgid("it is not a valid list of keys"))
            ) from None

    @property
    def exist(self) -> bool:
        """Whether there are any yet."""
        return self._list.exists()

    @property
    def _list(self) -> Path:
        return self.beside.with_name(f"{self.beside.stem}.mldsa.json")

    def _file(self, public: bytes) -> Path:
        return self.beside.with_name(f"{self.beside.stem}.mldsa-{name_of(public)}.pem")

    def _add(self, before: tuple[MldsaKey, ...]) -> MldsaKey:
        now = self.clock.now()
        private = MLDSA65PrivateKey.from_seed_bytes(self.randomness.token_bytes(MLDSA_SEED_BYTES))
        public = private.public_key().public_bytes_raw()
        locked: KeySerializationEncryption = NoEncryption()
        if self.passphrase:
            locked = BestAvailableEncryption(self.passphrase)
        write_secret(self._file(public), private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        new = MldsaKey(public, int(now.timestamp()), int((now + VALID).timestamp()))
        self._keep((*before, new))
        return new

    def _keep(self, keys: tuple[MldsaKey, ...]) -> None:
        kept = keys[-MOST_KEPT:]
        replace_secret(self._list, msgspec.json.encode(_KeyFile(kept)))
        over = [key.public for key in keys if key not in kept or key.revoked or self._past(key)]
        self.known = kept
        for public in over:
            self._opened.pop(public, None)
            remove_secret(self._file(public))

    def _past(self, key: MldsaKey) -> bool:
        return bool(key.until) and key.until <= self.clock.now().timestamp()

    def _signer(self, public: bytes) -> MldsaSigner:
        if public not in self._opened:
            file, key = self._file(public), None
            content = read_secret(file)
            with suppress(TypeError, ValueError):  # as `cryptography` says that the passphrase is wrong
                key = load_pem_private_key(content, self.passphrase)
            if not isinstance(key, MLDSA65PrivateKey) or key.public_key().public_bytes_raw() != public:
                reason = Text(msgid("it is not the ML-DSA-65 key of its name, or the passphrase is wrong"))
                raise SecretFileError(path=str(file), reason=reason)
            self._opened[public] = MldsaSigner(key)
        return self._opened[public]


LARGEST_LIST = 64 * 1024  # bytes


def open_mldsa_keys(beside: Path, passphrase: bytes | None, *, clock: Clock, randomness: Randomness) -> FileMldsaKeys:
    """The ML-DSA-65 keys beside the file of an Ed25519 key; the first is made where there is none.

    Raises:
        SecretFileError, SecretExposedError: a file is broken, or readable by others.
        OSError: it cannot be written.
    """
    keys = FileMldsaKeys(beside, clock, randomness, passphrase)
    keys.load()
    return keys
