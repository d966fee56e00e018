"""Public keys with their time of validity; kept apart from signing, which imports `cryptography`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MldsaKey:
    """Somebody's ML-DSA-65 public key with its time of validity, in seconds since 1970.

    It is valid for what is signed from `since` until before `until` (0: no end), and for nothing once it was revoked
    (0: it was not).
    """

    public: bytes
    since: int
    until: int = 0
    revoked: int = 0

    def valid(self, seconds: float) -> bool:
        """Whether something may be signed with it at that time."""
        return not self.revoked and self.since <= seconds and (not self.until or seconds < self.until)
