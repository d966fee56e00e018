"""Wrong tokens, links and passkeys, counted by where they come from.

A token or a link has 256 random bits, so nobody guesses one; what is bounded is how often the attempt is made and the
database asked. From an address that has sent too many wrong ones only tokens that were right before are looked at:
whoever works there with a good one is not locked out, and a guess gains nothing, not even by being right.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil

from medspace.connector.errors import QuotaError
from medspace.core.clock import Clock
from medspace.core.text import msgid

MOST_WRONG = 10  # from one address, before it has to wait
SECONDS_FOR_ONE = 6.0  # seconds after which one more is checked
MOST_ADDRESSES = 1_000
MOST_PROVEN = 1_000


class TooManyAttemptsError(QuotaError):
    """Too many wrong attempts came from one address."""

    code = "token.attempts"
    sentence = msgid("Too many wrong tokens, links or passkeys came from this address.")
    next_step = msgid("Try again in {seconds} seconds.")


@dataclass(slots=True)
class Attempts:
    """How many wrong tokens came from which address; kept in memory only."""

    clock: Clock
    _wrong: "OrderedDict[str, tuple[float, float]]" = field(default_factory=OrderedDict)  # how many, at which time
    _proven: "OrderedDict[bytes, None]" = field(default_factory=OrderedDict, repr=False)

    def begin(self, host: str, given: str) -> None:
        """Count an attempt as wrong until it turns out right, so that parallel attempts gain nothing.

        Raises:
            TooManyAttemptsError: too many wrong ones came from that address, and this one was not right before.
        """
        if _mark(given) in self._proven:
            return
        count = self._count(host)
        if count > MOST_WRONG - 1:
            raise TooManyAttemptsError(seconds=ceil((count - MOST_WRONG + 1) * SECONDS_FOR_ONE))
        self._keep(host, min(count + 1, MOST_WRONG))

    def forgive(self, host: str, given: str) -> None:
        """The attempt was not wrong."""
        if _mark(given) not in self._proven:  # otherwise it was not counted
            self._keep(host, max(self._count(host) - 1, 0.0))

    def _keep(self, host: str, count: float) -> None:
        self._wrong[host] = (count, self._now)
        self._wrong.move_to_end(host)
        if len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)

    def right(self, host: str, given: str) -> None:
        """The attempt was right."""
        self.forgive(host, given)
        self._proven[_mark(given)] = None
        self._proven.move_to_end(_mark(given))
        if len(self._proven) > MOST_PROVEN:
            self._proven.popitem(last=False)

    def _count(self, host: str) -> float:
        count, since = self._wrong.get(host, (0.0, self._now))
        return max(count - max(self._now - since, 0.0) / SECONDS_FOR_ONE, 0.0)

    @property
    def _now(self) -> float:
        return self.clock.now().timestamp()


def _mark(given: str) -> bytes:
    return sha256(given.encode("utf-8", "surrogatepass")).digest()
