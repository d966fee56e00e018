"""Combining the noisy totals of several groups of sites (`runs.masked.grouping`) into one, as if of all sites.

Numbers of a group are compared per patient of that group, as its own first total says how many these are; of each
number the smallest and largest are left out. Quotients of integers are compared exactly, and their mean is rounded
once, to an integer of the total that is made of them: a part in thousands of what one patient adds. A group that
seems to be empty (by its noise, or a lying site) counts as all zeros.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from medspace.learning.glm.errors import NoiseHidesError
from medspace.learning.glm.noisy.following import NoisyFitState
from medspace.learning.glm.noisy.planning import NoisyPhase, Plan
from medspace.runs.masked.grouping import Robust, split, trimmed


def combined(
    robust: Robust, plan: Plan, stand: NoisyFitState, total: Sequence[int]
) -> tuple[NoisyFitState, list[int]]:
    """The total that counts, of those of all groups; after the first one the stand knows how large each group is.

    Raises:
        NoiseHidesError: more groups seem to have nobody than are left out.
    """
    totals, first = split(total, robust.groups), plan.phase(stand.round) is NoisyPhase.MOMENTS
    if first:
        stand = replace(stand, counts=tuple(one[0] for one in totals))
    if sum(count < plan.totals[0].scale for count in stand.counts) > robust.trim:
        raise NoiseHidesError
    everybody = robust.groups * trimmed([Fraction(count) for count in stand.counts], robust.trim)
    made = [
        round(everybody * trimmed(_per_count(numbers, stand.counts, plan), robust.trim))
        for numbers in zip(*totals, strict=True)
    ]
    return stand, [round(everybody), *made[1:]] if first else made


def _per_count(numbers: Sequence[int], counts: Sequence[int], plan: Plan) -> list[Fraction]:
    """A number of each group, per patient; how integers are scaled does not change their order."""
    return [
        Fraction(number, count) if count >= plan.totals[0].scale else Fraction(0)
        for number, count in zip(numbers, counts, strict=True)
    ]
