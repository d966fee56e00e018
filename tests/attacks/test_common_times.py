"""A hidden code of one patient, out of the sums of a survival task at common times, for whoever has the others' sums.

The sums over those at risk at two times differ by who left in between. Where that is one patient, the difference is
that patient's row. Groups that are large enough can still be asked about again and again, with coefficients that
nobody can choose under masks: each answer is one linear equation in the hidden codes of a group.
"""

import numpy as np
import pytest

from medspace.core.usage import Brakes, Step
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.exact import number
from medspace.learning.glm.errors import BeyondRangesError
from medspace.privacy.errors import DisclosureError
from medspace.privacy.exposure import extended, leverages
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.survivals import task

SITE = "did:web:site"
PATIENTS, TABLES, LEAST = 300, 12, 10
FINE, COARSE = [0.05 * k for k in range(1, 200)], [6.0, 40.0]
STEERED = (0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0)
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
    """A hospital that is asked; `rows` and `sums` are what of its hidden codes each answer says."""

    def __init__(self, table, grid, brakes, least):
        self.table, self.grid = table, grid
        document = task(("known", "hidden"), grid=grid, ties="breslow")
        self.run = MaskedRun(document, {SITE: table}, least, brakes=brakes, tasks=MaskedCoxes())
        self.start = self.run.step(again(self.run.summed.first()))
        self.run.history = (Step(self.run.document, 1, "moments", {}),)
        self.hidden = np.array(table["hidden"])
        values = np.column_stack([table["known"], table["hidden"]])
        self.scaled = (values - values.mean(axis=0)) / values.std(axis=0)
        self.rows, self.sums = [], []

    def asked(self, steered):
        """Ask about a coefficient of the known column; whether it was answered."""
        state = self.start | {"beta": [str(int(steered * 2**96)), "0"]}
        question = self.run.travelled(state)
        try:
            total = self.run.sums(SITE, state, 2)
        except (DisclosureError, BeyondRangesError):
            return False
        self.run.history = (*self.run.history, Step(self.run.document, 2, question.name, question.inputs))
        self._learn(total, np.exp(steered * self.scaled[:, 0]))
        return True

    def _learn(self, total, risk):
        """Neighbouring sums differ by who left between two times with an event."""
        places = np.flatnonzero(self.start["deaths"])
        own = [[number(value) for value in total[5 + 6 * k : 5 + 6 * k + 3]] for k in range(len(places))]
        last = np.searchsorted(places, np.searchsorted(self.grid, self.table["time"]), side="right") - 1
        for place in range(len(places)):
            after = own[place + 1] if place + 1 < len(places) else [0.0] * 3
            whole, mixed = own[place][0] - after[0], own[place][2] - after[2]
            self.rows.append(risk * (last == place))
            self.sums.append(mixed * self.hidden.std() + whole * self.hidden.mean())

    def guessed(self):
        """Whether the code of the patient that the answers are most about is guessed right."""
        rows = np.array([*self.rows, np.ones(PATIENTS)])
        sums = [*self.sums, self.hidden.sum()]  # the last the moments tell
        victim = int(leverages(extended(rows.T[:, :0], rows.T)).argmax())
        said = np.linalg.pinv(rows, rcond=1e-10) @ np.array(sums)
        return (said[victim] > 0.5) == (self.hidden[victim] == 1.0)


@pytest.mark.parametrize(("brakes", "least"), [(Brakes(), LEAST), (OFF, 1)], ids=["on", "control"])
def test_a_patient_who_leaves_alone_between_two_times(brakes, least, attack_report):
    """With many times somebody always does. A hospital refuses the first question already."""
    right = 0
    for seed in range(TABLES):
        try:
            asked = Hospital(hospital(seed), FINE, brakes, least)
        except DisclosureError:
            continue
        right += asked.asked(0.0) and bool(asked.guessed())
    on = least == LEAST
    attack_report(
        "survival at common times, others collude: code of a patient who leaves alone between two times",
        **{"got" if on else "control": right},
        of=TABLES,
        unit="patients",
    )
    assert right == (0 if on else TABLES)


@pytest.mark.parametrize(("brakes", "least"), [(Brakes(), LEAST), (OFF, 1)], ids=["on", "control"])
def test_the_most_exposed_patient_of_large_groups(brakes, least, attack_report):
    """Half of the codes are guessed right by chance."""
    right = answered = 0
    for seed in range(TABLES):
        asked = Hospital(hospital(seed), COARSE, brakes, least)
        answered += sum(asked.asked(steered) for steered in STEERED)
        right += bool(asked.guessed())
    on = least == LEAST
    attack_report(
        "survival at common times, others collude and choose betas: code of the most exposed patient",
        **{"got" if on else "control": right},
        of=TABLES,
        unit="patients",
    )
    if on:
        assert TABLES <= answered < TABLES * len(STEERED)
        assert right < TABLES
    else:
        assert (answered, right) == (TABLES * len(STEERED), TABLES)
