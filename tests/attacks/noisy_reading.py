"""What somebody reads out of noisy totals who knows everything about a run but one thing about one patient."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from medspace.core.usage import Brakes
from medspace.learning.glm.errors import NoiseHidesError
from medspace.learning.glm.noisy.planning import plan
from medspace.learning.glm.task import parse
from medspace.privacy.noise.gaussian import draw, seeded
from tests.unit.learning.noisy import TASK, NoisyRun, patients

PATIENTS, SHARES = 200, 3
SILENT = replace(Brakes(), noise=False)


def outlier(**said):
    """The table with the target, who is as far from the others as clipping lets anybody be."""
    table = patients(PATIENTS)
    for name, value in ({"age": 100.0, "dose": 10.0} | said).items():
        table[name][0] = value
    return table


def without_target():
    """The table without that patient; with somebody in that place whose rows add nothing."""
    return outlier(sick=float("nan"))


class Attack:
    """Two possible tables, and totals of one of them; `success` is how often the likelier one is the true one.

    The attacker sees every total, and knows at which state it was asked. So it works out what each would be without
    noise for either table, and takes the one that the noise is likelier for: no attack on these totals does better
    (Neyman, Pearson). `tasks` are those of a whole contract, one after the other.
    """

    def __init__(self, brakes: Brakes, tables: Sequence, tasks: Sequence = (TASK,)):
        self.contract = [[NoisyRun([table], task, brakes) for table in tables] for task in tasks]
        self.shares = SHARES if brakes.noise else 0

    def _spoken(self, runs: Sequence[NoisyRun], truth: int, seed: int) -> float:
        """How much likelier the totals of a fit are with the second table."""
        summed, stream, said = runs[0].summed, seeded(seed.to_bytes(32, "big"), "noise"), 0.0
        state = summed.first()
        while summed.asked(state) is not None:
            both = [np.array(run.exact(state, run.sites[0])) for run in runs]
            total = both[truth] + sum(draw(len(both[truth]), stream) for _ in range(self.shares))
            zero, one = (total.astype(float) - exact for exact in both)
            said += float(zero @ zero - one @ one)
            try:
                state = summed.follow(state, total.tolist(), {})
            except NoiseHidesError:  # it ends here
                break
        return said

    def right(self, truth: int, number: int) -> bool:
        """One attack, where the truth is this table; its number says which noise there is."""
        fits = len(self.contract)
        seeds = range(number * fits + 1, number * fits + fits + 1)
        said = sum(self._spoken(runs, truth, seed) for runs, seed in zip(self.contract, seeds, strict=True))
        return int(said > 0.0) == truth

    def success(self, pairs: int) -> "Share":
        """How often attacks are right. Each noise is there for both tables in turn: so fewer tell as much."""
        return Share.of([(self.right(0, number) + self.right(1, number)) / 2.0 for number in range(pairs)])


@dataclass(frozen=True)
class Share:
    """How often an attack is right, and the upper end of the 95 % confidence interval of that, over pairs."""

    found: float
    upper: float

    @classmethod
    def of(cls, pairs: Sequence[float]) -> "Share":
        """By the spread of what pairs say."""
        half = norm.ppf(0.975) * np.std(pairs, ddof=1) / np.sqrt(len(pairs))
        return cls(float(np.mean(pairs)), float(np.mean(pairs) + half))


def upper(share: float, tries: int) -> float:
    """The end of the 95 % confidence interval (Wilson)."""
    z = norm.ppf(0.975)
    middle = share + z * z / (2 * tries)
    return (middle + z * np.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))) / (1 + z * z / tries)


def allowed(rho: float) -> float:
    """How often the best attack is right on Gaussians of that rho, of two tables that are equally likely."""
    return float(norm.cdf(np.sqrt(2.0 * rho) / 2.0))


def rho_of_task(task=TASK) -> float:
    """What a fit costs."""
    return plan(parse(task)).cost.total / 2**40
