"""The sampler of the discrete Gaussian, against probabilities that are worked out in another way."""

import os
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy.stats import chi2, norm

from medspace.privacy.masking.errors import SeedInvalidError
from medspace.privacy.noise import gaussian
from medspace.privacy.noise.gaussian import LARGEST, REST, WORD, draw, seeded
from medspace.privacy.noise.sigma import SIGMA

SECRET = bytes(range(32))


def test_the_table_has_the_probabilities_of_the_distribution():
    thresholds = list(gaussian._thresholds())
    assert len(thresholds) == LARGEST
    whole = 1 << gaussian.BITS
    with localcontext() as context:
        context.prec = 60
        # sigma sqrt(2 pi), which sums up all weights (Poisson); pi with 50 digits
        pi = Decimal("3.14159265358979323846264338327950288419716939937510")
        total = Decimal(SIGMA) * (2 * pi).sqrt()
        for k in (0, 1, 2, 1000, SIGMA, 5 * SIGMA):
            below = thresholds[k - 1] if k else 0
            weight = (-Decimal(k * k) / Decimal(2 * SIGMA * SIGMA)).exp() * (2 if k else 1) / total
            assert abs(Decimal(thresholds[k] - below) / whole - weight) < Decimal("1e-45")
        assert Decimal(whole - thresholds[-1]) / whole < Decimal("1e-43")


def chi_square(drawn, cells=200):
    """The chance of a chi-square as large as that of the draws, over cells of like probability."""
    edges = np.rint(norm.ppf(np.arange(1, cells) / cells) * SIGMA)
    places = np.searchsorted(edges, drawn)
    # Of a sigma this wide the continuous distribution with halves added gives the cells to within 1e-9.
    expected = np.diff(np.concatenate([[0.0], norm.cdf((edges - 0.5) / SIGMA), [1.0]])) * len(drawn)
    counted = np.bincount(places, minlength=cells)
    return chi2.sf(float((np.square(counted - expected) / expected).sum()), cells - 1)


def test_draws_have_the_distribution():
    stream = seeded(SECRET, "one million")  # the same at each run, so that no run fails by chance
    drawn = draw(1_000_000, stream)
    assert 1e-3 < chi_square(drawn) < 1 - 1e-3
    near = drawn[np.abs(drawn) <= 20]  # single integers, which cells of hundreds say nothing of
    counted = np.bincount(near + 20, minlength=41)
    assert chi2.sf(float((np.square(counted - counted.mean()) / counted.mean()).sum()), 40) > 1e-3
    assert chi_square(drawn * 101 // 100) < 1e-6  # the control: one per cent more sigma is seen


@pytest.mark.slow
def test_ten_million_draws_have_the_distribution():
    assert 1e-3 < chi_square(draw(10_000_000, seeded(SECRET, "ten million")), 2000) < 1 - 1e-3


def scripted(*words):
    """A stream that gives these bytes, one after the other."""
    given = iter(words)
    return lambda count: next(given)


def test_draws_that_their_first_bits_do_not_decide_take_more():
    thresholds = [value.to_bytes(WORD + REST, "big") for value in gaussian._thresholds()]
    head = int.from_bytes(thresholds[5][:WORD], "big")
    word = (head << 1).to_bytes(WORD, "little")
    below = (int.from_bytes(thresholds[5][WORD:], "big") - 1).to_bytes(REST, "big")
    assert draw(1, scripted(word, below)).tolist() == [5]
    assert draw(1, scripted(word, thresholds[5][WORD:])).tolist() == [6]
    negative = ((head << 1) + 1).to_bytes(WORD, "little")
    assert draw(1, scripted(negative, below)).tolist() == [-5]


def test_draws_are_within_their_bound():
    highest = scripted(b"\xff" * 8, b"\xff" * 24)
    assert draw(1, highest).tolist() == [-LARGEST]
    assert draw(1, scripted(b"\0" * 8)).tolist() == [0]
    assert draw(0, os.urandom).tolist() == []


def test_what_is_no_number_of_draws_or_no_stream_is_refused():
    with pytest.raises(ValueError, match="negative"):
        draw(-1, os.urandom)
    with pytest.raises(ValueError, match="bytes"):
        draw(1, lambda _count: b"")


def test_a_secret_and_a_label_stand_for_one_noise():
    once = draw(50, seeded(SECRET, "run 1, question 1"))
    assert (draw(50, seeded(SECRET, "run 1, question 1")) == once).all()
    assert (draw(50, seeded(SECRET, "run 1, question 2")) != once).any()
    assert (draw(50, seeded(bytes(32), "run 1, question 1")) != once).any()
    with pytest.raises(SeedInvalidError):
        seeded(b"short", "label")
