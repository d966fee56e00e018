"""One known patient against a whole fit with noise: everybody else's rows are known, and this one's but the outcome.

The attacker sees every noisy total of the fit (more than the user of a run does) and knows the state at which it was
asked, and all rows of all hospitals but one outcome. So it computes what each total would be without noise for either
outcome, and takes the one that the noise is likelier for: no attack does better on these totals (Neyman, Pearson).
"""

from dataclasses import replace

import numpy as np
from scipy.stats import norm

from medspace.core.usage import Brakes
from medspace.learning.glm.noisy.planning import plan
from medspace.learning.glm.task import parse
from tests.unit.learning.noisy import TASK, NoisyRun, patients

PATIENTS, TRIES, SHARES = 200, 800, 3


def outlier(outcome):
    """The table with the target, who is as far from the others as clipping lets anybody be."""
    table = patients(PATIENTS)
    table["age"][0], table["dose"][0], table["sick"][0] = 100.0, 10.0, outcome
    return table


class Attack:
    """Both possible tables; `success` is how often the likelier one is the true one."""

    def __init__(self, brakes):
        self.runs = [NoisyRun([outlier(outcome)], brakes=brakes) for outcome in (0.0, 1.0)]
        self.shares = SHARES if brakes.noise else 0

    def likelier(self, seen):
        """Which table the totals of a run speak for."""
        said = 0.0
        for state, total in zip(seen.states, seen.totals, strict=True):
            zero, one = (np.array(run.exact(state, run.sites[0]), dtype=float) for run in self.runs)
            found = np.array(total, dtype=float)
            said += np.square(found - zero).sum() - np.square(found - one).sum()
        return int(said > 0.0)

    def success(self, tries):
        right = 0
        for number in range(tries):
            truth = number % 2
            run = self.runs[truth]
            run.states, run.totals = [], []
            run.fit(seed=number + 1, shares=self.shares)
            right += self.likelier(run) == truth
        return right / tries


def upper(share, tries):
    """The end of the 95 % confidence interval (Wilson)."""
    z = norm.ppf(0.975)
    middle = share + z * z / (2 * tries)
    return (middle + z * np.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))) / (1 + z * z / tries)


NAMED = "noisy fit at epsilon 1: a known patient's outcome guessed right by the likelier total (chance .5)"


def test_the_best_attack_on_one_outcome_is_hardly_better_than_a_coin(attack_report):
    found = Attack(Brakes()).success(TRIES)
    claimed = float(norm.cdf(np.sqrt(2 * plan(parse(TASK)).cost.total / 2**40) / 2))  # of Gaussians with that rho
    assert claimed < 0.56
    assert upper(found, TRIES) <= 0.60
    attack_report(NAMED, got=round(found, 3), of=1, unit="share")


def test_without_noise_the_same_code_is_always_right(attack_report):
    """The control."""
    assert Attack(replace(Brakes(), noise=False)).success(20) == 1.0
    attack_report(NAMED, control=1.0, of=1, unit="share")
