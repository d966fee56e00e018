"""A secret in shares, any t of which recover it and any t - 1 of which reveal nothing (Shamir 1979).

The field is that of the integers modulo 2**256 + 297, the least prime above 2**256, so that each secret of 32 bytes
is an element. A share is the value of a random polynomial of degree below t, whose constant term is the secret, at
its holder's point: 1 to n, by position among the seats. The value at 0 is the secret, so none is computed there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from medspace.core.clock import Randomness
from medspace.core.text import Text, msgid
from medspace.privacy.masking.errors import ShareInvalidError

PRIME = (1 << 256) + 297
SECRET_BYTES = 32
VALUE_BYTES = 33
MOST_SEATS = 1000
_DRAWN_BYTES = 64  # reduced modulo the prime these are uniform to within 2**-255


@dataclass(frozen=True, slots=True)
class SecretShare:
    """What one seat holds of a secret: its point, and the value there as 33 bytes, big-endian."""

    point: int
    value: bytes = field(repr=False)


def split(secret: bytes, opening: int, seats: int, randomness: Randomness) -> tuple[SecretShare, ...]:
    """A secret of 32 bytes as one share for each seat, in their order; any `opening` of them recover it.

    Raises:
        ShareInvalidError: the secret does not have 32 bytes.
        ValueError: there are fewer seats than open, or more than 1000.
    """
    _check_numbers(opening, seats)
    if len(secret) != SECRET_BYTES:
        raise ShareInvalidError(reason=Text(msgid("a secret has {due} bytes"), {"due": SECRET_BYTES}))
    # The highest coefficient may be 0: only so do t - 1 shares fit every secret equally well.
    drawn = [int.from_bytes(randomness.token_bytes(_DRAWN_BYTES), "big") % PRIME for _ in range(opening - 1)]
    coefficients = (int.from_bytes(secret, "big"), *drawn)
    return tuple(SecretShare(point, _bytes(_value(coefficients, point))) for point in range(1, seats + 1))


def join(shares: Iterable[SecretShare], opening: int, seats: int) -> bytes:
    """The secret; shares beyond those that are needed must fit the others.

    Raises:
        ShareInvalidError: they are too few, of no seat's point, twice of one, of another field, or not of one secret.
        ValueError: there are fewer seats than open, or more than 1000.
    """
    _check_numbers(opening, seats)
    values = _values(shares, seats)
    if len(values) < opening:
        facts = {"found": len(values), "due": opening}
        raise ShareInvalidError(reason=Text(msgid("there are {found} of the {due} that open"), facts))
    points = sorted(values)
    used, spare = tuple(points[:opening]), points[opening:]
    if any(_interpolated(values, used, point) != values[point] for point in spare):
        raise ShareInvalidError(reason=Text(msgid("they do not belong to one secret")))
    secret = _interpolated(values, used, 0)
    if secret >> (8 * SECRET_BYTES):
        raise ShareInvalidError(reason=Text(msgid("they do not belong to one secret")))
    return secret.to_bytes(SECRET_BYTES, "big")


def _check_numbers(opening: int, seats: int) -> None:
    if not 1 <= opening <= seats <= MOST_SEATS:
        raise ValueError(f"of 1 to {MOST_SEATS} seats at least one and at most all open")


def _values(shares: Iterable[SecretShare], seats: int) -> dict[int, int]:
    values: dict[int, int] = {}
    for share in shares:
        value = int.from_bytes(share.value, "big")
        if len(share.value) != VALUE_BYTES or value >= PRIME:
            raise ShareInvalidError(reason=Text(msgid("one belongs to another field")))
        if not 1 <= share.point <= seats:
            raise ShareInvalidError(reason=Text(msgid("one is at a point that no seat has")))
        if share.point in values:
            raise ShareInvalidError(reason=Text(msgid("two belong to the seat {point}"), {"point": share.point}))
        values[share.point] = value
    return values


def _value(coefficients: tuple[int, ...], point: int) -> int:
    found = 0
    for coefficient in reversed(coefficients):
        found = (found * point + coefficient) % PRIME
    return found


def _interpolated(values: Mapping[int, int], points: tuple[int, ...], at: int) -> int:
    weights = _weights(points, at)
    return sum(values[point] * weight for point, weight in zip(points, weights, strict=True)) % PRIME


@lru_cache(maxsize=128)  # of one list of survivors all secrets are joined at the same points
def _weights(points: tuple[int, ...], at: int) -> tuple[int, ...]:
    """Lagrange coefficients: the weight of the value at each point in the value at another."""
    found = []
    for point in points:
        above = below = 1
        for other in points:
            if other != point:
                above = above * (at - other) % PRIME
                below = below * (point - other) % PRIME
        found.append(above * pow(below, -1, PRIME) % PRIME)
    return tuple(found)


def _bytes(value: int) -> bytes:
    return value.to_bytes(VALUE_BYTES, "big")
