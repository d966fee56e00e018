"""Tokens of job endpoints: derived, not stored, so that a copy of the database opens nothing."""

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
