"""Public keys with the time that they count for; apart from what signs, which brings `cryptography`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MldsaKey:
    """An ML-DSA-65 public key of somebody, with the time that it counts for; in seconds since 1970.

    It is good for what is signed from `since` until before `until` (0: without end), and for nothing any more once it
    was revoked (0: it was not).
    """

    public: bytes
    since: int
    until: int = 0
    revoked: int = 0

    def valid(self, seconds: float) -> bool:
        """Whether something may be signed with it at that time."""
        return not self.revoked and self.since <= seconds and (not self.until or seconds < self.until)
