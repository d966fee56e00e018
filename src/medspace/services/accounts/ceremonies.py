"""What browsers are asked for passkeys, and what must be known of their answers before they are checked.

Both are as `PublicKeyCredential.parseCreationOptionsFromJSON()` and `toJSON()` have them (WebAuthn level 3).
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.decoding import read_json
from medspace.core.text import Text, msgid
from medspace.services.accounts.errors import PasskeyRefusedError
from medspace.services.accounts.ports import RelyingParty
from medspace.services.accounts.rules import CHALLENGE_LIFE

LARGEST_ANSWER = 64 << 10  # bytes of JSON
LONGEST_ID = 1364  # a credential id has up to 1023 bytes (WebAuthn 4), in base64url
ALGORITHMS: Final = (-7, -8, -257)  # COSE: ES256, EdDSA, RS256
MALFORMED = msgid("the browser's answer cannot be read")


@dataclass(frozen=True, slots=True)
class BrowserAnswer:
    """The answer of a browser, still unproven: which passkey it names, which challenge, and whose it says it is."""

    response: JsonObject
    credential: str
    challenge: bytes
    handle: bytes | None


def encoded(content: bytes) -> str:
    """Bytes in base64url without padding, as WebAuthn writes them in JSON."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(text: Json) -> bytes:
    """The bytes that such a text stands for.

    Raises:
        PasskeyRefusedError: it is none, or the bytes are written in another way than `encoded` does.
    """
    try:
        content = urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4))
    except (binascii.Error, ValueError):
        raise PasskeyRefusedError(reason=Text(MALFORMED)) from None
    if not isinstance(text, str) or encoded(content) != text:
        raise PasskeyRefusedError(reason=Text(MALFORMED))
    return content


def creation(party: RelyingParty, handle: bytes, name: str, challenge: bytes, known: Iterable[str]) -> JsonObject:
    """What a browser is asked to make a passkey: one that is found without a name, and verifies the person."""
    return {
        "rp": {"id": party.id, "name": party.name},
        "user": {"id": encoded(handle), "name": name, "displayName": name},
        "challenge": encoded(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": one} for one in ALGORITHMS],
        "timeout": int(CHALLENGE_LIFE.total_seconds() * 1000),
        "excludeCredentials": [{"type": "public-key", "id": one} for one in known],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


def request(party: RelyingParty, challenge: bytes, allowed: Iterable[str] = ()) -> JsonObject:
    """What a browser is asked to prove with a passkey; without `allowed` the person chooses which."""
    return {
        "rpId": party.id,
        "challenge": encoded(challenge),
        "timeout": int(CHALLENGE_LIFE.total_seconds() * 1000),
        "allowCredentials": [{"type": "public-key", "id": one} for one in allowed],
        "userVerification": "required",
    }


def read_answer(content: bytes) -> BrowserAnswer:
    """What a browser answered.

    Raises:
        PasskeyRefusedError: it cannot be read, or was made in a frame of another site.
    """
    answer = _object(content)
    response = answer.get("response")
    credential = answer.get("id")
    if not isinstance(response, dict) or not isinstance(credential, str) or not 0 < len(credential) <= LONGEST_ID:
        raise PasskeyRefusedError(reason=Text(MALFORMED))
    client = _object(decoded(response.get("clientDataJSON")))
    if client.get("crossOrigin") not in (None, False) or "topOrigin" in client:
        raise PasskeyRefusedError(reason=Text(msgid("it was asked for within a page of another site")))
    handle = response.get("userHandle")
    return BrowserAnswer(answer, credential, decoded(client.get("challenge")), decoded(handle) if handle else None)


def _object(content: bytes) -> JsonObject:
    if len(content) > LARGEST_ANSWER:
        raise PasskeyRefusedError(reason=Text(MALFORMED))
    try:
        value = read_json(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise PasskeyRefusedError(reason=Text(MALFORMED)) from None
    if not isinstance(value, dict):
        raise PasskeyRefusedError(reason=Text(MALFORMED))
    return value
