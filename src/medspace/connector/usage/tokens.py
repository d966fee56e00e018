"""Tokens of job endpoints: derived from a secret, so that the holder stores none of them.

The user stores the token that it was given, and the message that carries it stays in the holder's outbox until it is
acknowledged. A token alone is not sufficient: each call is also signed with the user's own key.
"""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256

from medspace.core.signing import Signer

_PURPOSE = b"medspace job tokens, version 1"


@dataclass(frozen=True, slots=True)
class JobTokens:
    """Derives the token of each start of each job from one secret."""

    _secret: bytes = field(repr=False)

    def token(self, job: str, generation: int) -> str:
        """The token of the job's start with that generation."""
        return hmac.new(self._secret, f"{job}\n{generation}".encode(), sha256).hexdigest()


def secret_of_key(signer: Signer) -> bytes:
    """The secret of older connectors: their signature of a fixed text, which was never shown.

    It is computed once, where such a connector has started uses, and stored from then on: a key that signs the same
    text differently each time (RFC 8032 does not, hardware may) would give another secret at each start.
    """
    return sha256(signer.sign(_PURPOSE)).digest()
