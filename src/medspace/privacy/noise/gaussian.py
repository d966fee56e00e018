"""The discrete Gaussian with sigma 2**14: each integer k has a probability proportional to exp(-k²/(2 sigma²)).

Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy" (NeurIPS 2020): over the integers it costs
what the continuous one costs, and nothing of it depends on how doubles are rounded (Mironov, "On significance of the
least significant bits for differential privacy", CCS 2012). There is one sigma; a task that needs more or less noise
scales its numbers instead.

Drawn by inversion. T_k is the probability of an absolute value of at most k, as a fixed-point number of 255 bits.
With U uniform over 255 bits, the absolute value is the number of thresholds T_0, ..., T_(K-1) that are at most U, and
one further bit is the sign, where K is `LARGEST`. The first 63 bits of U decide almost always: only where they are
those of a threshold (with probability below 2**-45) are the other 192 drawn and compared. That is the same as drawing
all of U at once, since they are independent of the first and would not have been looked at.

How far the draws are from the distribution, in total variation: below 2**-149. With one unit for 2**-255:

- The factors q**(2k+1), q = exp(-1/(2 sigma²)), are rounded down; each takes over the error of the one before, that
  of q², and adds one of its own, so it is at most 2**20 units too small for k < K < 2**18. (q itself is a series
  whose terms alternate; fewer than 2**4 of them are not 0, each with an error of at most one unit.)
- p_(k+1) = p_k q**(2k+1) takes over the error of p_k, which is multiplied by less than 1, and adds at most 2**20
  units from the factor and one from rounding: at most 2**39 units too small in all, the first one,
  2 / (sigma sqrt(2 pi)), being off by few units. By Poisson summation sigma sqrt(2 pi) is the sum of
  exp(-k²/(2 sigma²)) over all k but for a factor of 1 + 2 exp(-2 pi² sigma²) + ..., which differs from 1 by less
  than 2**-(10**9).
- So every T_k is at most 2**58 units off, less than 2**-197. Probabilities are differences of two thresholds: summed
  over 2**18 of them the errors are below 2**-177.
- An absolute value above K has a probability of at most exp(-K²/(2 sigma²)) < 2**-151 times the two sides, by the
  tail of the continuous one (their proposition 25); K takes it over.

A vector of d numbers is therefore within d * 2**-149 of one with exact noise, and its (epsilon, delta) with a delta
that is larger by at most (1 + exp(epsilon)) d 2**-149. Nothing that is counted here comes near that.

Timing is not hidden: a table is looked up, and caches do not serve all its entries alike. Noise is drawn at the
holder, where nobody else can measure time that finely.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from medspace.privacy.masking.ring import Ring
from medspace.privacy.masking.seeds import Keystream, noise_seed
from medspace.privacy.noise.sigma import SIGMA, SIGMA_BITS

LARGEST = 29 * SIGMA // 2  # the largest absolute value that a draw can have: 14.5 sigma
BITS = 255  # of a threshold
WORD = 8  # bytes of a draw: the first 63 bits of U, and the sign
REST = 24  # bytes that decide where those do not
_FULL = WORD + REST
_BUCKET_BITS = 18  # of a draw, which decide most draws by themselves
_SHIFT = 63 - _BUCKET_BITS
_UNDECIDED = -1
# pi, in units of 2**-320; the digits of the fractional part are those that Blowfish begins with
_PI = 0x3243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89452821E638D01377
_PI_BITS = 320

Stream = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class _Thresholds:
    """The thresholds: their first 63 bits, all of them as bytes, and what the first 18 bits of a draw decide."""

    heads: NDArray[np.int64]
    full: bytes
    guide: NDArray[np.int64]

    def rest(self, number: int) -> bytes:
        """What follows the first 63 bits of a threshold, big-endian, so that bytes compare as numbers do."""
        return self.full[number * _FULL + WORD : (number + 1) * _FULL]


def draw(count: int, stream: Stream) -> NDArray[np.int64]:
    """So many independent draws; `stream(n)` gives n bytes that nobody can guess, others at each call.

    All draws take 8 bytes each, asked for at once; the few that these do not decide ask for 24 more, in their order.

    Raises:
        ValueError: the count is negative, or the stream gave another number of bytes.
    """
    if count < 0:
        raise ValueError("there is no negative number of draws")
    table = _table()
    words = np.frombuffer(_taken(stream, WORD * count), "<u8")
    heads = (words >> np.uint64(1)).view(np.int64)
    drawn: NDArray[np.int64] = table.guide[heads >> _SHIFT]
    undecided = np.flatnonzero(drawn == _UNDECIDED)
    drawn[undecided] = _searched(table, heads[undecided], stream)
    negative = (words & np.uint64(1)).view(np.int64)
    return (drawn ^ -negative) + negative


def seeded(secret: bytes, label: str) -> Stream:
    """The stream that a secret of 32 bytes and a label stand for, the same each time it is made.

    A step that is repeated after a kill draws the same noise from it: two different draws would reveal more than
    one. The label must name all that distinguishes this release from any other, such as use, round and output.

    Raises:
        SeedInvalidError: the secret has not 32 bytes.
    """
    keystream = Keystream(noise_seed(secret, label), Ring(64))
    return lambda count: keystream.take(-(-count // WORD)).tobytes()[:count]


def _taken(stream: Stream, count: int) -> bytes:
    taken = stream(count)
    if len(taken) != count:
        raise ValueError("the stream gave another number of bytes than it was asked for")
    return taken


def _searched(table: _Thresholds, heads: NDArray[np.int64], stream: Stream) -> NDArray[np.int64]:
    """How many thresholds are at most U, by the first 63 bits of each U, and by the others where those are alike."""
    found = np.searchsorted(table.heads, heads, side="right")
    for place in np.flatnonzero(table.heads[found - 1] == heads):  # where found is 0, the last one is no equal
        first = int(np.searchsorted(table.heads, heads[place], side="left"))
        alike = range(first, int(found[place]))
        found[place] = first + bisect_right(alike, _taken(stream, REST), key=table.rest)
    return found


@lru_cache(maxsize=1)
def _table() -> _Thresholds:
    """The table, made once: a third of a second, and 12 MB that are kept."""
    full = b"".join([threshold.to_bytes(_FULL, "big") for threshold in _thresholds()])
    heads = np.frombuffer(full, ">i8")[:: _FULL // WORD].astype(np.int64)
    edges = np.searchsorted(heads, np.arange((1 << _BUCKET_BITS) + 1) << _SHIFT)
    guide = np.where(edges[1:] == edges[:-1], edges[1:], _UNDECIDED)
    return _Thresholds(heads, full, guide)


def _thresholds() -> Iterator[int]:
    """T_0 to T_(K-1) in units of 2**-255, rounded down."""
    root = _root()
    square = root * root >> BITS
    # 2 / (sigma sqrt(2 pi)), twice the probability of 0
    twice = (1 << (BITS + 1 + _PI_BITS - SIGMA_BITS)) // isqrt(_PI << (_PI_BITS + 1))
    factor, total = root, twice >> 1
    for _ in range(LARGEST):
        yield total
        twice = twice * factor >> BITS
        factor = factor * square >> BITS
        total += twice


def _root() -> int:
    """The factor q = exp(-1/(2 sigma²)) in units of 2**-255, by its series."""
    total, term, number = 0, 1 << BITS, 0
    while term:
        total += term
        number += 1
        term = (
            -(abs(term) >> (2 * SIGMA_BITS + 1)) // number if term > 0 else (-term >> (2 * SIGMA_BITS + 1)) // number
        )
    return total
