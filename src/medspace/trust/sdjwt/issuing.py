"""Issue an SD-JWT: the claims at hidden paths become disclosures, the rest is signed in the clear (RFC 9901 4)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Randomness
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import SigningKey
from medspace.trust.jws import encode
from medspace.trust.sdjwt.model import DOTS, SD, SD_ALG, SHA256, ClaimPath, SdJwt, hash_of

SALT_BYTES = 16  # RFC 9901 9.3
HASH_BYTES = 32
_encoder = msgspec.json.Encoder()


def sign_sd_jwt(
    payload: JsonObject,
    hidden: Iterable[ClaimPath],
    key: SigningKey,
    randomness: Randomness,
    *,
    typ: str,
    decoys: int = 0,
) -> SdJwt:
    """The SD-JWT of a payload with all its disclosures; `decoys` digests at the top stand for nothing.

    Raises:
        ValueError: the payload has a reserved name, or a hidden path leads nowhere.
    """
    writer = _Writer(frozenset(hidden), randomness)
    signed = writer.value(payload, ())
    if writer.left:
        raise ValueError(f"no claim at {sorted(map(str, writer.left))}")
    more = [encode(randomness.token_bytes(HASH_BYTES)) for _ in range(decoys)]
    if more or SD in signed:
        signed[SD] = sorted([*signed.get(SD, ()), *more])  # the order says nothing of the claims
    if writer.made:
        signed[SD_ALG] = SHA256
    return SdJwt(jose.sign(key, signed, typ=typ), tuple(writer.made))


class _Writer:
    def __init__(self, hidden: frozenset[ClaimPath], randomness: Randomness) -> None:
        self.left = set(hidden)
        self.made: list[str] = []
        self._hidden, self._randomness = hidden, randomness

    def value(self, value: Json, path: ClaimPath) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            return self._object(value, path)
        if isinstance(value, list):
            return [self._element(one, (*path, at)) for at, one in enumerate(value)]
        return value

    def _object(self, value: JsonObject, path: ClaimPath) -> JsonObject:
        reserved = {SD, SD_ALG, DOTS} & value.keys()
        if reserved:
            raise ValueError(f"reserved name {reserved}")
        found: JsonObject = {}
        digests = []
        for name, one in value.items():
            inner = self.value(one, (*path, name))
            if (*path, name) in self._hidden:
                digests.append(self._disclose((*path, name), name, inner))
            else:
                found[name] = inner
        return found | ({SD: sorted(digests)} if digests else {})

    def _element(self, value: Json, path: ClaimPath) -> Json:
        inner = self.value(value, path)
        return {DOTS: self._disclose(path, inner)} if path in self._hidden else inner

    def _disclose(self, path: ClaimPath, *content: Json) -> str:
        self.left.discard(path)
        salt = encode(self._randomness.token_bytes(SALT_BYTES))
        text = encode(_encoder.encode([salt, *content]))
        self.made.append(text)
        return hash_of(text)
