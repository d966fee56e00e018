"""Whether intervals of models with noise hold the truth as often as they say.

Invented patients of ten hospitals, whose true coefficients are known; sites, sums, noise and steps are the real
ones. Masks, which change no sum, are left out. Each fit has other patients and other noise; every coefficient of
every fit counts once.
"""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from medspace.learning.glm.outcome import held
from tests.unit.learning.noisy import NoisyRun
from tests.unit.learning.simulated import PERSON

FITS = 40  # of each family
SITES, EACH = 10, 2000
WIDE = 1.96
BETA = {"intercept": -4.0, "age": 0.06, "dose": 0.15, "sex=m": 0.5}
POISSON = {"intercept": -1.2, "age": 0.02, "dose": 0.1, "sex=m": 0.3}
GAUSSIAN = {"intercept": 100.0, "age": 0.5, "dose": -2.0, "sex=m": 4.0}
Columns = dict[str, list[Any]]


def patients(chance: np.random.Generator, beta: dict[str, float], drawn: Callable[[Any], Any]) -> Columns:
    """One hospital's."""
    age, dose = chance.integers(30, 81, EACH).astype(float), np.round(chance.uniform(0.0, 10.0, EACH), 1)
    male = chance.integers(0, 2, EACH)
    eta = beta["intercept"] + beta["age"] * age + beta["dose"] * dose + beta["sex=m"] * male
    return {
        "age": age.tolist(),
        "dose": dose.tolist(),
        "sex": ["m" if one else "f" for one in male],
        "sick": np.asarray(drawn(eta), dtype=float).tolist(),
        PERSON: list(range(EACH)),
    }


def task_of(family: str, target: str | dict[str, Any]) -> dict[str, Any]:
    """A fit at epsilon 1."""
    return {
        "task": "glm",
        "family": family,
        "target": target,
        "features": [
            {"name": "age", "range": [20, 90]},
            {"name": "dose", "range": [0, 10]},
            {"name": "sex", "kind": "coded", "levels": ["f", "m"]},
        ],
        "missing": "drop",
        "purpose": "research",
        "protection": "masked-sums",
        "min_sites": 3,
        "noise": {"epsilon": 1.0, "persons": SITES * EACH},
    }


def cases(
    chance: np.random.Generator,
) -> Iterator[tuple[str, dict[str, Any], dict[str, float], Callable[[Any], Any]]]:
    """Family, task, true coefficients, and how targets are drawn."""
    yield "binomial", task_of("binomial", "sick > 0"), BETA, lambda eta: chance.random(EACH) < 1 / (1 + np.exp(-eta))
    ranged = {"column": "sick", "range": [0, 10]}
    yield "poisson", task_of("poisson", ranged), POISSON, lambda eta: chance.poisson(np.exp(eta))
    ranged = {"column": "sick", "range": [50, 200]}
    yield "gaussian", task_of("gaussian", ranged), GAUSSIAN, lambda eta: eta + chance.normal(0.0, 15.0, EACH)


def misses(family: str, seed: int) -> Iterator[tuple[str, float, float]]:
    """Of one fit: each coefficient, how far it is off, and its standard error."""
    chance = np.random.default_rng(seed)
    task, beta, drawn = next(case[1:] for case in cases(chance) if case[0] == family)
    tables = [patients(chance, beta, drawn) for _ in range(SITES)]
    found = held(NoisyRun(tables, task).model(seed=random.Random(seed).getrandbits(64)).content)
    for term in found.terms:
        if term.name in beta and term.standard_error is not None:
            yield term.name, float(term.coefficient) - beta[term.name], float(term.standard_error)


def covered(family: str) -> list[bool]:
    """Whether each interval of many fits holds the truth."""
    return [abs(off) <= WIDE * error for seed in range(FITS) for _, off, error in misses(family, seed)]


def measure() -> dict[str, dict[str, Any]]:
    """How often, over all families."""
    each = {family: covered(family) for family in ("binomial", "poisson", "gaussian")}
    every = [one for found in each.values() for one in found]
    half = WIDE * math.sqrt(0.95 * 0.05 / len(every))
    by = ", ".join(f"{family} {sum(found) / len(found):.3f}" for family, found in each.items())
    return {
        "dp.coverage": {
            "value": sum(every) / len(every),
            "unit": "share",
            "reference": f"{len(every)} intervals at epsilon 1, +- {half:.3f} if .95 is true; {by}",
            "target": ".93 to .97",
        }
    }
