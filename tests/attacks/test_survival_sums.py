"""A hidden code of one patient, out of the sums of survival tasks, for whoever has all other hospitals of the run.

Who has the others' sums takes them off each total, and sees those of one hospital. With the coefficient of the hidden
code at 0, the martingale residuals follow from times, events and another column that the attacker knows: each answer
is one linear equation in the hidden codes. Coefficients of the other column steer whom an equation is about.
"""

import numpy as np
import pytest

from medspace.core.usage import Brakes, Step
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.cox.maths import Survival, partial
from medspace.learning.exact import number
from medspace.learning.glm.errors import BeyondRangesError
from medspace.privacy.errors import DisclosureError
from medspace.privacy.exposure import extended, leverages
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.survivals import task

SITE = "did:web:site"
PATIENTS, TABLES, LEAST = 120, 40, 10
STEERED = (0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0, 8.0, -8.0, 12.0, -12.0)
OFF = Brakes(bounds=False, heaviest=False, exposure=False, outcomes=False)


def hospital(seed):
    source = np.random.default_rng(seed)
    life, until = source.exponential(10.0, PATIENTS), source.exponential(14.0, PATIENTS)
    return {
        "time": np.minimum(life, until).tolist(),
        "event": (life <= until).astype(float).tolist(),
        "known": source.normal(size=PATIENTS).tolist(),
        "hidden": source.integers(0, 2, PATIENTS).astype(float).tolist(),
    }


class Hospital:
    """A hospital that is asked; `answers` are residuals of its rows, and their sum over the hidden code."""

    def __init__(self, table, brakes, least=LEAST):
        self.table = table
        self.run = MaskedRun(task(("known", "hidden")), {SITE: table}, least, brakes=brakes, tasks=MaskedCoxes())
        self.start = self.run.step(again(self.run.summed.first()))
        self.run.history = (Step(self.run.document, 1, "moments", {}),)
        self.survival = Survival(np.array(table["time"]), np.array(table["event"]) == 1.0)
        self.scaled = np.column_stack([self._scaled(name) for name in ("known", "hidden")])
        self.answers = []

    def _scaled(self, name):
        values = np.array(self.table[name])
        return (values - values.mean()) / values.std()

    def asked(self, state):
        """Ask about the beta of a state; whether it was answered."""
        question = self.run.travelled(state)
        try:
            total = self.run.sums(SITE, state, 2)
        except (DisclosureError, BeyondRangesError):
            return False
        self.run.history = (*self.run.history, Step(self.run.document, 2, question.name, question.inputs))
        eta = self.scaled @ np.array(question.inputs["beta"])
        residuals = partial(self.scaled, self.survival, eta, "efron").residuals
        self.answers.append((residuals, number(total[4]) * np.std(self.table["hidden"])))
        return True

    def steered(self):
        """Coefficients of the attacker's own, which nobody can ask about under masks: each follows from a total."""
        for steered in STEERED:
            self.asked(self.start | {"beta": [str(int(steered * 2**96)), "0"]})


def guessed(table, brakes):
    """Whether the code of the patient that the answers are most about is guessed right."""
    hospital = Hospital(table, brakes)
    hospital.steered()
    rows = np.array([*(one for one, _ in hospital.answers), np.ones(PATIENTS)])
    sums = [*(one for _, one in hospital.answers), np.sum(table["hidden"])]  # the last the moments tell
    victim = int(leverages(extended(rows.T[:, :0], rows.T)).argmax())
    said = np.linalg.pinv(rows, rcond=1e-10) @ np.array(sums)
    return (said[victim] > 0.5) == (table["hidden"][victim] == 1.0)


@pytest.mark.parametrize(("brakes", "most"), [(Brakes(), 36), (OFF, TABLES)], ids=["on", "control"])
def test_the_code_of_the_most_exposed_patient(brakes, most, attack_report):
    """Half of the codes are guessed right by chance; the brakes leave much, which is why sums are masked."""
    right = sum(bool(guessed(hospital(seed), brakes)) for seed in range(TABLES))
    on = brakes == Brakes()
    attack_report(
        "survival sums of one hospital, others collude and choose betas: code of its most exposed patient",
        **{"got" if on else "control": right},
        of=TABLES,
        unit="patients",
    )
    assert right <= most
    if not on:
        assert right >= 38


@pytest.mark.parametrize(
    ("brakes", "least", "answered"), [(Brakes(), LEAST, False), (OFF, 1, True)], ids=["on", "control"]
)
def test_coefficients_that_set_one_patient_apart(brakes, least, answered):
    """One patient has a value far from all others: a question that is about that one alone is not answered."""
    table = hospital(1)
    table["known"][7] = 40.0
    asked = Hospital(table, brakes, least)
    assert asked.asked(asked.start | {"beta": [str(3 * 2**96), "0"]}) is answered
