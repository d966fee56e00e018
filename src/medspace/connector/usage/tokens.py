"""Tokens of job endpoints: derived, so that the holder keeps none of them.

The user keeps the token that it was given, and the message that brings it waits in the holder's outbox until it is
acknowledged. A token alone opens nothing: each call is also signed with the user's own key.
"""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256

from medspace.core.signing import Signer

_PURPOSE = b"medspace job tokens, version 1"


@dataclass(frozen=True, slots=True)
class JobTokens:
    """Makes the token of each start of each job from one secret."""

    _secret: bytes = field(repr=False)

    def token(self, job: str, generation: int) -> str:
        """The token of the job's start of that generation."""
        return hmac.new(self._secret, f"{job}\n{generation}".encode(), sha256).hexdigest()


def secret_of_key(signer: Signer) -> bytes:
    """The secret that older connectors had: their signature of a fixed text, which was never shown.

    It is asked for once, where such a connector has started uses, and kept from then on: a key that signs the same
    text differently each time (RFC 8032 does not, hardware may) would give another secret at each start.
    """
    return sha256(signer.sign(_PURPOSE)).digest()
