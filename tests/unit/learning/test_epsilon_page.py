"""The page of what epsilon means says the numbers that the program works out."""

import re
from math import ceil
from pathlib import Path

from medspace.learning.glm.forecasting import picture
from medspace.learning.glm.noisy.expecting import guess
from medspace.learning.glm.task import Noise
from medspace.privacy.noise.accounting import epsilon_of, rho_of

PAGE = (Path(__file__).parents[3] / "docs" / "epsilon.md").read_text(encoding="utf-8")


def test_guesses_are_those_of_the_program():
    rows = re.findall(r"^\| ([\d.]+) \| (\d+) \| (\S+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    for epsilon, right, dots in rows:
        chance = guess(Noise(float(epsilon)))
        assert (int(right), dots) == (ceil(100 * chance), picture(chance))


def test_what_several_hospitals_tell_is_that_of_the_program():
    (two, four) = re.findall(r"at epsilon 1 and two hospitals up to ([\d.]+), at four up to\s+([\d.]+)\.", PAGE)[0]
    rho = rho_of(1.0, 1e-5)
    assert [float(two), float(four)] == [round(epsilon_of(rho * k * k, 1e-5), 2) for k in (2, 4)]
