"""Tokens of job endpoints: derived, so that the holder keeps none of them.

The user keeps the token that it was given, and the message that brings it waits in the holder's outbox until it is
acknowledged. A token alone opens nothing: each call is also signed with the user's own key.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from medspace.core.signing import Signer

_PURPOSE = b"medspace job tokens, version 1"


@dataclass(frozen=True, slots=True)
class JobTokens:
    """Makes the token of each start of each job from one secret."""

    _secret: bytes

    @classmethod
    def of(cls, signer: Signer) -> "JobTokens":
        """From the participant's key: its signature of a fixed text (RFC 8032), which is never shown."""
        return cls(sha256(signer.sign(_PURPOSE)).digest())

    def token(self, job: str, generation: int) -> str:
        """The token of the job's start of that generation."""
        return hmac.new(self._secret, f"{job}\n{generation}".encode(), sha256).hexdigest()
