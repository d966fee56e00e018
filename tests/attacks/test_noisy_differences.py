"""Two releases, of a table with a patient and of the same one without: their difference is that patient.

The attacker knows nothing of anybody else: the difference takes them all away. Both are answered, as each is paid
for; together they cost an epsilon of 1.
"""

import numpy as np

from medspace.core.usage import Brakes
from medspace.privacy.noise.accounting import epsilon_of, rho_of
from medspace.privacy.noise.gaussian import draw, seeded
from tests.attacks.noisy_reading import SHARES, SILENT, outlier, rho_of_task, upper, without_target
from tests.unit.learning.noisy import TASK, NoisyRun

DELTA = 1e-5
HALF = TASK | {"noise": {"epsilon": epsilon_of(rho_of(1.0, DELTA) // 2, DELTA)}}
NAMED = "difference of two noisy releases at epsilon 1 together: a patient's code (chance .5)"


def read(brakes, tries):
    """How often the code is right that the difference of the first totals is nearer to."""
    known = {sex: NoisyRun([outlier(sex=sex)], HALF, brakes) for sex in "fm"}
    gone = NoisyRun([without_target()], HALF, brakes)
    state = gone.summed.first()
    (without,), (woman,), (man,) = (
        [np.array(run.exact(state, rows)) for rows in run.sites] for run in (gone, known["f"], known["m"])
    )
    stream, right = seeded(bytes(32), "differences"), 0
    for number in range(tries):
        truth = (woman, man)[number % 2]
        first, second = (total + _noise(len(total), stream, brakes) for total in (truth, without))
        apart = first - second
        found = int(np.square(apart - (woman - without)).sum() > np.square(apart - (man - without)).sum())
        right += found == number % 2
    return right / tries


def _noise(count, stream, brakes):
    return sum(draw(count, stream) for _ in range(SHARES)) if brakes.noise else np.zeros(count, dtype=np.int64)


def test_two_noisy_releases_do_not_tell_whom_they_differ_in(attack_report):
    assert 2 * rho_of_task(HALF) <= rho_of(1.0, DELTA) / 2**40
    found = read(Brakes(), 4000)
    assert upper(found, 4000) < 0.60
    attack_report(NAMED, got=round(found, 3), of=1, unit="share")


def test_two_exact_ones_tell_it_always(attack_report):
    assert read(SILENT, 20) == 1.0
    attack_report(NAMED, control=1.0, of=1, unit="share")
