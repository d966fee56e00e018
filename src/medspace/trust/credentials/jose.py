"""Compact signatures of credentials and their tokens, checked by `joserfc` (RFC 7515, 7518, 8037, 9864).

The algorithm is fixed by the key: a header that names another one, or a key, is refused before any key is touched
(RFC 8725 3.1, 3.2). Signing goes through the port `SigningKey`, so that the key may live in an HSM.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.signing import Signer
from medspace.trust.credentials.model import PublicJwk
from medspace.trust.jws import KEY_CARRIERS, JwsError, decode, encode

# The key that an algorithm needs, the name under which joserfc has it, the length of its signatures.
ALGORITHMS: Mapping[str, tuple[str, str, str, int]] = {
    "ES256": ("EC", "P-256", "ES256", 64),
    "ES384": ("EC", "P-384", "ES384", 96),
    "EdDSA": ("OKP", "Ed25519", "Ed25519", 64),
    "Ed25519": ("OKP", "Ed25519", "Ed25519", 64),  # RFC 9864 2.2
}
LONGEST_KID = 1024
_encoder = msgspec.json.Encoder(order="sorted")


class SigningKey(Protocol):
    """A private key of a party: its DID URL, its algorithm, its signature."""

    @property
    def id(self) -> str:
        """The DID URL under which the public key is published."""
        ...

    @property
    def algorithm(self) -> str:
        """One of `ALGORITHMS`."""
        ...

    @property
    def public(self) -> PublicJwk:
        """The public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature, in the form of RFC 7518 3.4 or RFC 8037 3.1."""
        ...


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    """A signing key of Ed25519 behind the usual `Signer`."""

    id: str
    signer: Signer
    algorithm: str = "EdDSA"

    @property
    def public(self) -> PublicJwk:
        """The public key."""
        return PublicJwk("OKP", "Ed25519", encode(self.signer.public_key))

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self.signer.sign(message)


class EcKey:
    """A signing key of P-256 or P-384 whose private part is in memory."""

    def __init__(self, key_id: str, pem: bytes) -> None:
        """Read the private key from PEM (PKCS 8).

        Raises:
            ValueError: not a private key of P-256 or P-384.
        """
        from joserfc import jwk  # noqa: PLC0415 - connectors without credentials do without it
        from joserfc.errors import JoseError  # noqa: PLC0415

        try:
            self._key: Any = jwk.import_key(pem, "EC")
            public: Any = self._key.as_dict(private=False)
        except (JoseError, ValueError, TypeError) as error:
            raise ValueError("not an EC private key") from error
        self.public = PublicJwk("EC", public["crv"], public["x"], public["y"])
        self.algorithm = next((name for name, row in ALGORITHMS.items() if row[1] == self.public.crv), "")
        if not self.algorithm or not self._key.is_private:
            raise ValueError("not a private key of P-256 or P-384")
        self.id = key_id

    @classmethod
    def named(cls, did: str, pem: bytes) -> "EcKey":
        """The key of a party, named by its thumbprint.

        Raises:
            ValueError: as for a new one.
        """
        key = cls("", pem)
        key.id = f"{did}#{key.public.thumbprint}"
        return key

    def sign(self, message: bytes) -> bytes:
        """The signature as r and s, 64 or 96 bytes."""
        signature: bytes = _model(self.algorithm).sign(message, self._key)
        return signature

    def __repr__(self) -> str:  # the private key never reaches a log
        return f"EcKey({self.id})"


def _nobody(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class PartyKeys:
    """The keys of a party: `signing` for what anybody may read; `known` the key by which one reader knows it, if any.

    A member of a space knows another by the one key that the members list names, whatever else its document holds.
    """

    signing: SigningKey
    known: Callable[[str], SigningKey | None] = _nobody

    def toward(self, did: str) -> SigningKey:
        """The key for what only this reader has to believe."""
        return self.known(did) or self.signing


@dataclass(frozen=True, slots=True)
class SignedParts:
    """The parts of a compact JWS before anything is proven."""

    algorithm: str
    kid: str | None
    typ: str | None
    payload: JsonObject
    signing_input: bytes
    signature: bytes
    jwk: JsonObject | None = None  # of the header, only where `split` was told to take one

    def holds(self, key: PublicJwk) -> bool:
        """Whether the signature is valid under the key, by the algorithm that its header names."""
        from joserfc import jwk  # noqa: PLC0415
        from joserfc.errors import JoseError  # noqa: PLC0415

        kty, crv, _, _ = ALGORITHMS[self.algorithm]
        if (key.kty, key.crv) != (kty, crv):
            return False
        try:
            held: Any = {**key.json()}
            public: Any = jwk.import_key(held)
            return bool(_model(self.algorithm).verify(self.signing_input, self.signature, public))
        except (JoseError, ValueError, TypeError):
            return False


def _model(algorithm: str) -> Any:  # noqa: ANN401 - joserfc's own
    from joserfc import jws  # noqa: PLC0415

    return jws.JWSRegistry.algorithms[ALGORITHMS[algorithm][2]]


def sign(key: SigningKey, payload: JsonObject, *, typ: str = "JWT", **header: str) -> str:
    """The compact JWS of the payload."""
    head = _encoder.encode({"alg": key.algorithm, "kid": key.id, "typ": typ, **header})
    signing_input = f"{encode(head)}.{encode(_encoder.encode(payload))}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


def split(text: str, longest: int, *, own_key: bool = False) -> SignedParts:
    """Take a compact JWS of at most `longest` characters apart; its payload is a JSON object.

    With `own_key` the header may have a `jwk`: only for proofs of having a key, where the key is what is told.

    Raises:
        JwsError: with `fault` "malformed", "algorithm" or "header".
    """
    parts = text.split(".", 3)
    if len(text) > longest or len(parts) != 3 or not text.isascii():  # noqa: PLR2004 - RFC 7515 7.1
        raise JwsError("malformed")
    header = _object(parts[0])
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise JwsError("algorithm")
    told = header.get("jwk") if own_key else None
    carrier = next((name for name in KEY_CARRIERS if name in header and not (own_key and name == "jwk")), None)
    if carrier is not None:
        raise JwsError("header", carrier)
    kid, typ, signature = header.get("kid"), header.get("typ"), decode(parts[2])
    texts = all(one is None or (isinstance(one, str) and len(one) <= LONGEST_KID) for one in (kid, typ))
    if not texts or len(signature) != ALGORITHMS[algorithm][3]:
        raise JwsError("malformed")
    signing_input = text.rpartition(".")[0].encode()
    own = told if isinstance(told, dict) else None
    return SignedParts(algorithm, kid, typ, _object(parts[1]), signing_input, signature, own)


def _object(part: str) -> JsonObject:
    try:
        return read_json(decode(part), JsonObject)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise JwsError("malformed") from None
