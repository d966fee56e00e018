"""One known patient against a whole fit with noise: everybody else's rows are known, and this one's but the outcome.

The attacker sees every noisy total of the fit (more than the user of a run does) and knows the state at which it was
asked, and all rows of all hospitals but one outcome. So it computes what each total would be without noise for either
outcome, and takes the one that the noise is likelier for: no attack does better on these totals (Neyman, Pearson).
"""

import pytest

from medspace.core.decision import Verdict
from medspace.core.engine import cost_of
from medspace.core.usage import Brakes
from medspace.learning.glm.engine import GlmEngine
from medspace.privacy.noise.accounting import epsilon_of, rho_of
from medspace.privacy.noise.budget import Allowed, Taken, decide
from tests.attacks.noisy_reading import SILENT, Attack, allowed, outlier, rho_of_task
from tests.unit.learning.noisy import TASK

TABLES = [outlier(sick=0.0), outlier(sick=1.0)]
NAMED = "noisy fit at epsilon 1: a known patient's outcome guessed right by the likelier total (chance .5)"


@pytest.mark.parametrize("pairs", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_best_attack_on_one_outcome_is_hardly_better_than_a_coin(pairs, attack_report):
    found = Attack(Brakes(), TABLES).success(pairs)
    assert allowed(rho_of_task()) < 0.56
    assert found.upper <= 0.60
    attack_report(NAMED, got=round(found.found, 3), of=1, unit="share")


def test_without_noise_the_same_code_is_always_right(attack_report):
    """The control."""
    assert Attack(SILENT, TABLES).success(10).found == 1.0
    attack_report(NAMED, control=1.0, of=1, unit="share")


# --- a whole contract: as many fits as its epsilon pays for ---------------------------------------------------------
DELTA = 1e-5
QUARTER = TASK | {"noise": {"epsilon": epsilon_of(rho_of(1.0, DELTA) // 4, DELTA)}}
CONTRACT = "contract of epsilon 1, fits at a quarter of it: a known patient's outcome guessed right (chance .5)"


def admitted(task, most, *, counted=True):
    """How many fits of a task a contract pays for, of so many that are asked for."""
    demand, taken = cost_of(GlmEngine(), task).total, 0
    limits = Allowed(year=rho_of(1.0, DELTA), delta=DELTA)
    for number in range(most):
        if decide(limits, Taken(taken, taken), demand).verdict is not Verdict.PERMIT:
            return number
        taken += demand if counted else 0
    return most


def test_more_fits_under_one_contract_tell_no_more_than_it_pays_for(attack_report):
    fits = admitted(QUARTER, 100)
    assert fits == 4
    found = Attack(Brakes(), TABLES, [QUARTER] * fits).success(25)
    assert found.upper < 0.70
    attack_report(CONTRACT, got=round(found.found, 3), of=1, unit="share")


def test_where_nothing_is_counted_fits_add_up(attack_report):
    """The control, with as much noise on each."""
    found = Attack(Brakes(), TABLES, [QUARTER] * admitted(QUARTER, 60, counted=False)).success(4)
    assert found.found > 0.60
    attack_report(CONTRACT, control=round(found.found, 3), of=1, unit="share")
