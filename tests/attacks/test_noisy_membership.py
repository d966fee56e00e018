"""Whether a known patient is in a table, by a noisy sum and by a model: present and absent are equally likely.

What epsilon allows: of two tables that differ in one patient no attack tells which one it was more often than in
(e^epsilon + delta) / (1 + e^epsilon) of all cases; of noise of this form, and at this delta, in fewer (`allowed`).
"""

import math

import numpy as np

from medspace.core.usage import Brakes
from medspace.privacy.noise.accounting import rho_of, sensitivity_for
from medspace.privacy.noise.clipping import clipped, quantised, scale_for
from medspace.privacy.noise.gaussian import seeded
from tests.attacks.canaries import noise
from tests.attacks.noisy_reading import PATIENTS, SILENT, allowed, outlier, upper, without_target
from tests.unit.learning.noisy import NoisyRun

EPSILON, DELTA = 1.0, 1e-5
MOST = (math.exp(EPSILON) + DELTA) / (1.0 + math.exp(EPSILON))
SUM = "noisy sum at epsilon 1: whether a known patient is in it, by the likelier total (chance .5)"
MODEL = "noisy model at epsilon 1: whether a known patient is in it, by shadow models (chance .5)"


def told_by_a_sum(tries, shares=3):
    """The attacker knows the vectors of all patients, and guesses whether the first one is in their sum."""
    vectors = np.random.default_rng(1).normal(size=(PATIENTS, 8))
    vectors[0] *= 100.0  # as far as clipping lets anybody be
    scale = scale_for(sensitivity_for(rho_of(EPSILON, DELTA), 3), 1.0, 8)
    stream, right = seeded(bytes(32), "membership"), 0
    absent, present = (np.array(quantised(clipped(rows, 1.0).vectors, scale)) for rows in (vectors[1:], vectors))
    for number in range(tries):
        truth = (absent, present)[number % 2]
        total = truth + noise(8, stream, 1 if shares else 0)
        found = int(np.square(total - absent).sum() > np.square(total - present).sum())
        right += found == number % 2
    return right / tries


def test_a_noisy_sum_hardly_tells_who_is_in_it(attack_report):
    found = told_by_a_sum(4000)
    assert upper(found, 4000) < 0.60 < MOST
    assert allowed(rho_of(EPSILON, DELTA) / 2**40) < 0.56
    attack_report(SUM, got=round(found, 3), of=1, unit="share")


def test_a_sum_without_noise_tells_it_always(attack_report):
    assert told_by_a_sum(100, shares=0) == 1.0
    attack_report(SUM, control=1.0, of=1, unit="share")


class Shadows:
    """Models of tables with the patient and without, everybody else being the same; a linear rule learnt of them."""

    def __init__(self, brakes, shadows):
        self.runs = [NoisyRun([table], brakes=brakes) for table in (without_target(), outlier(sick=0.0))]
        self.shares, self.number = 3 if brakes.noise else 0, 0
        known = [np.array([self.model(run) for _ in range(shadows)]) for run in self.runs]
        middles = [models.mean(axis=0) for models in known]
        spread = sum(np.cov(models.T) for models in known)
        least = 1e-9 + 1e-3 * np.trace(spread) / len(spread)
        self.rule = np.linalg.solve(spread + least * np.eye(len(spread)), middles[1] - middles[0])
        self.edge = self.rule @ (middles[0] + middles[1]) / 2.0

    def model(self, run):
        """The numbers that the user of a run gets."""
        self.number += 1
        run.states, run.totals = [], []
        made = run.fit(seed=self.number, shares=self.shares)
        layout = made["layout"]
        said = [*made["beta"], *layout["centre"], *layout["scale"], made["rows"]]
        scale = [1.0] * len(made["beta"]) + [100.0] * 2 * len(layout["centre"]) + [float(PATIENTS)]
        return np.array([float(value) for value in said]) / scale

    def success(self, tries):
        right = 0
        for number in range(tries):
            model = self.model(self.runs[number % 2])
            right += int(self.rule @ model > self.edge) == number % 2
        return right / tries


def test_a_noisy_model_hardly_tells_who_is_in_it(attack_report):
    found = Shadows(Brakes(), shadows=100).success(200)
    assert upper(found, 200) < MOST
    attack_report(MODEL, got=round(found, 3), of=1, unit="share")


def test_a_model_without_noise_tells_it_always(attack_report):
    assert Shadows(SILENT, shadows=3).success(20) == 1.0
    attack_report(MODEL, control=1.0, of=1, unit="share")
