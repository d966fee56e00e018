"""How far the concordance at one hospital may be off by chance: the jackknife over its patients (Efron, Stein 1981).

Leaving out a row takes its own pairs away: by the pairs of each row, nothing has to be counted anew.
"""

import math

import numpy as np

from medspace.learning.cox.maths import Survival
from medspace.learning.glm.intervals import Ends, around
from medspace.privacy.disclosure import Labels, Vector

MOST_ROWS = 5_000  # whose pairs are looked at one by one
BLOCK = 500


def concordance_interval(survival: Survival, groups: Labels) -> Ends | None:
    """The 95 % interval of the concordance, rounded outwards; None where there is none, or too many rows."""
    if not 2 < len(groups) <= MOST_ROWS:  # noqa: PLR2004 - a pair is left if one goes
        return None
    pairs, ordered = pairs_of_rows(survival, groups)
    whole, right = pairs.sum() / 2.0, ordered.sum() / 2.0
    left = whole - pairs
    if not left.min() > 0.0:
        return None
    without = (right - ordered) / left
    count = len(groups)
    error = math.sqrt((count - 1) / count * float(np.square(without - without.mean()).sum()))
    return around(right / whole, error, most=1.0)


def pairs_of_rows(survival: Survival, groups: Labels) -> tuple[Vector, Vector]:
    """Of each row in how many comparable pairs it is, and how many of them are in order (of like risk, half)."""
    time, event = survival.time, survival.event
    entry = np.full(len(time), -np.inf) if survival.entry is None else survival.entry
    pairs, ordered = np.zeros(len(time)), np.zeros(len(time))
    for start in range(0, len(time), BLOCK):
        first = slice(start, start + BLOCK)
        own = time[first, None]
        later = (time[None, :] > own) | ((time[None, :] == own) & ~event[None, :])
        compared = event[first, None] & later & (entry[None, :] < own)
        lower, same = groups[None, :] < groups[first, None], groups[None, :] == groups[first, None]
        right = compared * (lower + same / 2.0)
        pairs[first] += compared.sum(axis=1)
        ordered[first] += right.sum(axis=1)
        pairs += compared.sum(axis=0)
        ordered += right.sum(axis=0)
    return pairs, ordered
