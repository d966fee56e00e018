"""Shares: enough of them give the secret, and one fewer fit every secret."""

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.memory import SeededRandomness
from medspace.privacy.masking.errors import ShareInvalidError
from medspace.privacy.masking.shamir import MOST_SEATS, PRIME, VALUE_BYTES, SecretShare, join, split

SECRETS = st.one_of(st.binary(min_size=32, max_size=32), st.sampled_from([bytes(32), b"\xff" * 32]))


def probably_prime(number, rounds=40):
    """Miller and Rabin's test."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    source = random.Random(1)
    for _ in range(rounds):
        power = pow(source.randrange(2, number - 1), odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def through(points, at):
    """The value at `at` of the one polynomial of least degree through the points."""
    found = 0
    for one, value in points.items():
        term = value
        for other in points:
            if other != one:
                term = term * (at - other) * pow(one - other, PRIME - 2, PRIME) % PRIME
        found += term
    return found % PRIME


def value(share):
    return int.from_bytes(share.value, "big")


@st.composite
def dealt(draw):
    seats = draw(st.integers(1, 9))
    opening = draw(st.integers(1, seats))
    secret = draw(SECRETS)
    return secret, opening, seats, split(secret, opening, seats, SeededRandomness(draw(st.integers(0, 99))))


def test_the_field_holds_every_secret():
    assert probably_prime(PRIME)
    assert not any(probably_prime(number) for number in range(2**256 + 1, PRIME, 2))
    assert PRIME > 2**256
    assert (PRIME - 1).bit_length() <= 8 * VALUE_BYTES


@given(dealt(), st.data())
def test_any_that_are_enough_give_the_secret(case, data):
    secret, opening, seats, shares = case
    assert [share.point for share in shares] == list(range(1, seats + 1))
    chosen = data.draw(st.permutations(shares))[: data.draw(st.integers(opening, seats))]
    assert join(chosen, opening, seats) == secret


def test_every_set_of_three_of_five():
    shares = split(b"s" * 32, 3, 5, SeededRandomness())
    assert {join(three, 3, 5) for three in combinations(shares, 3)} == {b"s" * 32}


@given(dealt(), SECRETS, st.data())
def test_one_fewer_fit_every_secret(case, other, data):
    """Through them and any other secret goes a polynomial: what is missing decides."""
    secret, opening, seats, shares = case
    few = data.draw(st.permutations(shares))[: opening - 1]
    known = {share.point: value(share) for share in few}
    missing = next(point for point in range(1, seats + 1) if point not in known)
    for candidate in (secret, other):
        last = through({0: int.from_bytes(candidate, "big"), **known}, missing)
        assert join([*few, SecretShare(missing, last.to_bytes(VALUE_BYTES, "big"))], opening, seats) == candidate


@given(dealt())
def test_shares_are_values_of_one_polynomial_through_the_secret(case):
    secret, opening, _, shares = case
    points = {0: int.from_bytes(secret, "big"), **{share.point: value(share) for share in shares[: opening - 1]}}
    assert all(through(points, share.point) == value(share) for share in shares)


def test_one_share_alone_may_be_any_value():
    """With many sharings of one secret, the first share's leading bytes spread over the field."""
    randomness = SeededRandomness(3)
    leading = {split(bytes(32), 2, 3, randomness)[0].value[1] for _ in range(2000)}
    assert len(leading) == 256


def test_shares_do_not_show_themselves():
    (share,) = split(b"s" * 32, 1, 1, SeededRandomness())
    assert share.value.hex() not in repr(share)
    assert "s" * 32 not in repr(share)


@pytest.fixture
def shares():
    return split(b"s" * 32, 3, 5, SeededRandomness())


def refused(shares, opening=3, seats=5):
    with pytest.raises(ShareInvalidError) as caught:
        join(shares, opening, seats)
    return str(caught.value.facts["reason"])


def test_too_few(shares):
    assert refused(shares[:2]) == "there are 2 of the 3 that open"
    assert refused([]) == "there are 0 of the 3 that open"


def test_one_twice(shares):
    assert refused([*shares[:2], shares[1]]) == "two belong to the seat 2"


@pytest.mark.parametrize("point", [0, -1, 6, PRIME + 1])
def test_of_no_seat(shares, point):
    assert refused([*shares[:2], SecretShare(point, shares[2].value)]) == "one is at a point that no seat has"


@pytest.mark.parametrize(
    "content", [PRIME.to_bytes(33, "big"), b"\xff" * 33, b"", bytes(32), bytes(34), (1 << 300).to_bytes(66, "big")]
)
def test_of_another_field(shares, content):
    assert refused([*shares[:2], SecretShare(3, content)]) == "one belongs to another field"


def test_a_spare_one_that_does_not_fit(shares):
    changed = SecretShare(5, shares[0].value)
    assert refused([*shares[:4], changed]) == "they do not belong to one secret"
    assert join(shares, 3, 5) == b"s" * 32


def test_a_changed_one_gives_another_secret_that_its_commitment_would_show(shares):
    changed = SecretShare(3, (value(shares[2]) ^ 1).to_bytes(33, "big"))
    assert join([*shares[:2], changed], 3, 5) != b"s" * 32


def test_what_lies_above_every_secret():
    too_large = SecretShare(1, (PRIME - 1).to_bytes(33, "big"))
    assert refused([too_large], opening=1, seats=1) == "they do not belong to one secret"


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33)])
def test_secrets_have_32_bytes(secret):
    with pytest.raises(ShareInvalidError):
        split(secret, 2, 3, SeededRandomness())


@pytest.mark.parametrize(("opening", "seats"), [(0, 3), (4, 3), (-1, 3), (1, MOST_SEATS + 1)])
def test_at_least_one_and_at_most_all_open(opening, seats):
    with pytest.raises(ValueError):
        split(bytes(32), opening, seats, SeededRandomness())
    with pytest.raises(ValueError):
        join([SecretShare(1, bytes(VALUE_BYTES))], opening, seats)
