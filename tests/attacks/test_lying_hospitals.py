"""A hospital that turns its gradients around and multiplies them, so that the model says the contrary.

Under masks nobody sees which one it is. The control is the same run without groups.
"""

import pytest

from medspace.runs.masked.grouping import division
from tests.unit.learning.grouped import Hospitals, slopes

HONEST, FAR = 0.104, 0.02  # the slope of age that nine honest hospitals find, and how far it may be off
NAMED = "masked rounds: a hospital of nine that lies grossly"
LIAR, TIMES = 4, -20


def off(hospitals):
    """How far the slope of age is from the honest one, in parts of it."""
    return abs(slopes(hospitals.table().to_the_end())["age"] - HONEST) / HONEST


def test_in_groups_one_hospital_that_lies_does_not_turn_the_model(attack_report):
    found = off(Hospitals(lies={LIAR: TIMES}))
    attack_report(NAMED, got=round(found, 3), of=1, unit="of the slope")
    assert found < FAR / HONEST


def test_without_groups_it_turns_it_around(attack_report):
    found = off(Hospitals(groups=False, lies={LIAR: TIMES}))
    attack_report(NAMED, control=round(found, 3), of=1, unit="of the slope")
    assert found > 1.0


def test_in_groups_honest_hospitals_alone_find_it_too():
    assert off(Hospitals()) < FAR / HONEST


@pytest.mark.slow
@pytest.mark.parametrize("times", [-1000, 0, 1000])
def test_nor_does_any_other_lie_of_one_hospital(times):
    assert off(Hospitals(lies={LIAR: times})) < FAR / HONEST


def test_hospitals_that_lie_in_two_groups_are_more_than_was_promised():
    """What groups do not stop: of three groups one is left out at each end."""
    keys = next(iter(Hospitals().table().sites.values())).keys
    liars = [keys.seats.index(group[0]) for group in division(keys.terms.manifest, keys.seats, 3)[:2]]
    assert off(Hospitals(lies=dict.fromkeys(liars, TIMES))) > 1.0
