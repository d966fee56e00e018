"""A fit with noise over small tables of invented patients, total by total, without masks."""

import random

import numpy as np

from medspace.core.usage import Brakes
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.noisy import following
from medspace.privacy.noise.gaussian import draw, seeded
from tests.admissions import admission
from tests.unit.learning.simulated import PERSON, TableSource, dictionary_of

ALL_ON = Brakes()
TASK = {
    "task": "glm",
    "family": "binomial",
    "target": "sick > 0",
    "features": [
        {"name": "age", "range": [20, 100]},
        {"name": "dose", "range": [0, 10]},
        {"name": "sex", "kind": "coded", "levels": ["f", "m"]},
    ],
    "purpose": "research",
    "protection": "masked-sums",
    "min_sites": 3,
    "noise": {"epsilon": 1.0},
}

GAUSSIAN = TASK | {"family": "gaussian", "target": {"column": "dose", "range": [0, 10]}}
GAUSSIAN |= {"features": [TASK["features"][0], TASK["features"][2]]}
POISSON = GAUSSIAN | {"family": "poisson", "target": {"column": "visits", "range": [0, 20]}}
NEWTON = (TASK | {"noise": {"epsilon": 1.0, "mechanism": "newton", "evaluation": 0.1}}, GAUSSIAN, POISSON)


def patients(count, seed=1):
    """Rows of so many patients, one each."""
    chance = random.Random(seed)
    age = [float(chance.randint(30, 80)) for _ in range(count)]
    sick = [float(chance.random() < 1 / (1 + np.exp(-(one - 55) / 6))) for one in age]
    return {
        "age": age,
        "dose": [round(chance.uniform(1, 9), 1) for _ in range(count)],
        "sex": [chance.choice("fm") for _ in range(count)],
        "sick": sick,
        "visits": [float(int(one) % 7) for one in age],
        PERSON: list(range(count)),
    }


class NoisyRun:
    """The sites of a run; `fit` plays it to the end and keeps states and totals."""

    def __init__(self, tables, task=TASK, brakes=ALL_ON, described=None):
        self.task, self.kind = task, MaskedGlms()
        self.summed = self.kind.summed(task)
        described = described or dictionary_of(*tables)
        self.admitted = admission(min_cohort=5, brakes=brakes)
        self.sites = [TableSource(table, described).open(self.admitted) for table in tables]
        self.states, self.totals = [], []

    def exact(self, state, rows):
        """A site's integers at a state."""
        asked, shape = self.summed.asked(state), self.summed.shape(state)
        number = following.read(state).round + 1
        return self.kind.summing.sums(self.admitted, self.task, asked, shape, rows, number)[0]

    def fit(self, seed, shares=None):
        """The outcome, with the noise of so many sites; of all, but of no fewer than the task counts on."""
        stream = seeded(seed.to_bytes(32, "big"), "noise")
        state = self.summed.first()
        while self.summed.asked(state) is not None:
            shape = self.summed.shape(state)
            count, among = shape.count, max(shape.shares, len(self.sites)) if shape.shares else 0
            adding = among if shares is None else shares
            total = np.sum([self.exact(state, rows) for rows in self.sites], axis=0)
            total = (total + sum(draw(count, stream) for _ in range(adding))).tolist()
            self.summed.check(state, total, len(self.sites))
            self.states.append(state)
            self.totals.append(total)
            state = self.summed.follow(state, total, self.summed.propose(state, total), adding)
        return self.summed.outcome(state)

    def model(self, seed):
        return self.summed.result(self.fit(seed), ["a", "b"], {})
