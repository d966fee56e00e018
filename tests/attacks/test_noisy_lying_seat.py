"""A lying seat where answers carry noise: it steers the fit as it likes, and reads nobody."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from medspace.core.usage import Brakes
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.masked import MaskedGlms
from medspace.privacy.noise.sigma import SIGMA
from medspace.runs.masked.site import MaskedSite
from tests.attacks.noisy_liar import PER_FIT, Liar, rows_read
from tests.attacks.noisy_reading import SILENT
from tests.unit.learning.noisy import TASK, NoisyRun, patients
from tests.unit.learning.test_noisy_fit import masked_run

FITS = 20
NAMED = "a lying seat in fits with noise at epsilon 1: rows read of the patients whom it singles out"
MASKED = "a lying seat under masks at epsilon 1: rows read of the patients whom it singles out"
LEFT = "a lying seat that takes its own part away: shares of noise left in what the others have added"


def read(fits, shares):
    tables = [patients(200, seed) for seed in (1, 2, 3)]
    return sum(rows_read(tables, TASK, seed, shares) for seed in range(fits))


def test_with_noise_a_liar_who_singles_out_patients_reads_none(attack_report):
    assert read(FITS, 3) == 0
    attack_report(NAMED, got=0, of=FITS * PER_FIT, unit="rows")


def test_without_noise_it_reads_nearly_all(attack_report):
    found = read(FITS, 0)
    assert found >= 0.9 * FITS * PER_FIT
    attack_report(NAMED, control=found, of=FITS * PER_FIT, unit="rows")


# --- the same seat in a run under masks -----------------------------------------------------------------------------
@dataclass
class Spying:
    """The task as the liar's seat runs it: it is told of each state and of each total."""

    liar: Liar
    inner: Any
    state: Any = None
    seen: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def asked(self, state):
        self.state = state
        return self.inner.asked(state)

    def follow(self, state, total, proposal, sites=0):
        if state not in [one for one, _ in self.seen]:
            self.seen.append((state, total))
            self.liar.sees(total)
        return self.inner.follow(state, total, proposal, sites)


@dataclass
class LyingTask:
    """The line of the task in the liar's seat: what it contributes is its own choice."""

    spying: Spying
    name: str = "glm"
    made: dict = field(default_factory=dict)

    @property
    def summing(self):
        return self

    def summed(self, task):
        return self.spying

    def sums(self, admission, task, asked, shape, material, question):
        if question not in self.made:
            self.made[question] = self.spying.liar.contribution(self.spying.state)
        return self.made[question], 200

    def own_quality(self, *_):
        return None


def lied(brakes):
    """A masked run of four hospitals in which the last seat lies; the liar, and the honest ones' rows."""
    table = masked_run(brakes, noise=TASK["noise"])
    *honest, last = table.sites.values()
    rows = [site.rows for site in honest]
    inner = MaskedGlms().summed(table.task)
    spying = Spying(Liar(inner, table.task, rows), inner)
    last.engine, last.brakes = GlmEngine(), replace(brakes, noise=False)
    last.engine.masked = MaskedSite(LyingTask(spying))
    table.to_the_end()
    return spying, rows


@pytest.mark.parametrize("brakes", [Brakes(), SILENT])
def test_under_masks_what_is_left_has_the_noise_of_all_others_and_tells_no_row(brakes, attack_report):
    spying, rows = lied(brakes)
    run = NoisyRun([patients(2)])
    run.summed, run.task = spying.inner, spying.inner.task.document()
    exact = [np.sum([run.exact(state, one) for one in rows], axis=0) for state, _ in spying.seen]
    left = np.concatenate([whole - part for whole, part in zip(spying.liar.left, exact, strict=True)])
    shares = float(np.square(left).sum()) / SIGMA**2 / len(left)
    found, which = sum(spying.liar.read()), "got" if brakes.noise else "control"
    assert len(spying.liar.left) == len(spying.seen) == 5
    if brakes.noise:
        low, high = chi2.ppf([0.001, 0.999], len(left)) * 3.0 / len(left)
        assert (low < shares < high, found) == (True, 0)
    else:
        assert (shares, found) == (0.0, PER_FIT)
    attack_report(MASKED, **{which: found}, of=PER_FIT, unit="rows")
    attack_report(LEFT, **{which: round(shares, 2)}, of=3, unit="shares")
