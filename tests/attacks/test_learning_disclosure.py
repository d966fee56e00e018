"""A coordinator that asks for betas, splits or features which would single out one person."""

from itertools import pairwise

import numpy as np
import pytest

from medspace.connector.usage.rules import behind_the_gate, measured
from medspace.core.usage import Brakes, Step
from medspace.learning.errors import StepInvalidError
from medspace.learning.glm import evaluation
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.task import parse
from medspace.privacy.errors import DisclosureError
from medspace.runs.errors import TaskInvalidError
from tests.admissions import admission
from tests.unit.learning.simulated import dictionary_of, mark
from tests.workplaces import workplace

COUNT = 303
ALL_ON = Brakes()
TASK = {"family": "binomial", "target": "ill", "features": [{"name": "age"}, {"name": "chol"}], "purpose": "p"}


class Patients:
    """One hospital's rows, drawn once."""

    def __init__(self):
        draw = np.random.default_rng(1)
        self.count = COUNT
        self.columns = {
            "age": np.round(draw.normal(55, 9, COUNT)),
            "chol": draw.normal(245, 50, COUNT),
            "ill": draw.integers(0, 2, COUNT).astype(float),
        }
        self.columns["age"][7] = 97.0  # one patient is older than all others

    def open(self, _):
        return self

    @property
    def dictionary(self):
        return dictionary_of({**self.columns, "age": [0.0, 120.0], "chol": [50.5, 800.0]})

    def marks(self, key):
        persons = [mark(key, str(person)) for person in range(COUNT)]
        return persons, persons

    def numbers(self, column):
        return self.columns[column]

    def persons(self):
        return np.arange(COUNT)


def question(beta, centre=(55.0, 245.0)):
    layout = {"fill": [55.0, 245.0], "kept": [0, 1], "centre": list(centre), "scale": [1.0, 1.0]}
    return {"beta": list(beta), "layout": layout}


def ask(name, inputs, patients=None, brakes=ALL_ON):
    step = Step(TASK, 3, name, inputs)
    allowed = admission(min_cohort=10, brakes=brakes)
    return GlmEngine().answer(allowed, step, workplace(patients or Patients(), allowed))


# Weight mu * (1 - mu) is 0.25 at the age of 97 and nothing at every other age.
STEEP = question([0.0, 400.0, 0.0], centre=(97.0, 245.0))
HONEST = question([0.1, 0.02, 0.001])


UNBOUND = Brakes(bounds=False, heaviest=False, exposure=False)


@pytest.mark.parametrize("name", ["newton", "evaluation"])
def test_a_beta_that_weighs_one_patient_is_kept_back(name):
    with pytest.raises(StepInvalidError):
        ask(name, STEEP)
    with pytest.raises(DisclosureError) as caught:  # Kish's number alone sees it too
        ask(name, STEEP, brakes=UNBOUND)
    assert caught.value.cause_code == "release.cohort"


@pytest.mark.parametrize("name", ["newton", "evaluation"])
def test_an_honest_beta_passes(name):
    output = ask(name, HONEST)
    assert output.cohort > 200
    allowed = admission(min_cohort=10)
    assert behind_the_gate(allowed, output, measured(allowed, output, 0)).permitted


def test_a_target_that_one_patient_has_does_not_give_that_patient_away():
    # All weights are small and equal here, but one residual is 1 and the others are nothing.
    patients = Patients()
    patients.columns["ill"] = (patients.columns["age"] == 97.0).astype(float)
    for brakes in (Brakes(), Brakes(outcomes=False)):
        with pytest.raises(DisclosureError):
            ask("newton", question([-14.0, 0.0, 0.0]), patients, brakes)


def test_a_huge_filling_of_one_gap_does_not_weigh_that_patient():
    patients = Patients()
    patients.columns["chol"][7] = np.nan
    asked = question([0.0, 0.0, 0.0])
    asked["layout"]["fill"] = [0.0, 1e100]
    with pytest.raises(StepInvalidError):
        ask("newton", asked, patients)
    hessian = np.array(ask("newton", asked, patients, Brakes(bounds=False)).values["hessian"])
    assert np.abs(hessian).max() < 1e9
    assert ask("moments", {}, patients).values["missing"] == [0, 0]


def test_no_cell_of_an_evaluation_stands_for_fewer_patients_than_the_cohort():
    tally = ask("evaluation", question([0.3, 0.05, 0.004])).values["tally"]
    assert all(rows == 0 or rows >= 10 for rows in tally["bin_rows"])
    groups = np.array(tally["case_first"]) + np.array(tally["control_first"])
    assert all(rows == 0 or rows >= 10 for rows in groups)
    assert (groups > 0).sum() > 5


def bins_of(scores, count, spread):
    share = 0.5 + np.arctan(scores / spread) / np.pi
    return np.minimum((share * count).astype(int), count - 1)


def ended_with_bins(count, spread):
    """Groups that begin and end with the bins that were asked for."""

    def ranked(scores, _, least):
        group, seen, found = 0, 0, np.zeros(count, dtype=np.int64)
        for place, having in enumerate(np.bincount(bins_of(scores, count, spread), minlength=count)):
            found[place], seen = group, seen + having
            if seen >= least:
                group, seen = group + 1, 0
        return np.minimum(found, max(group - 1, 0))[bins_of(scores, count, spread)]

    return ranked


def alone_between_two_ends(patients, wire):
    """Patients (by their score) and outcomes: counts of the same scores in other bins, and what they differ by."""
    beta = [0.0, 0.03, 0.004]
    spread = float(np.linalg.norm(beta[1:]))
    scores = 0.03 * (patients.columns["age"] - 55.0) + 0.004 * (patients.columns["chol"] - 245.0)
    ends, allowed = {-1e9: (0, 0)}, admission(min_cohort=10)
    for count in range(400, 1001, 40):
        wire(count, spread)
        step = Step({**TASK, "evaluation": {"thresholds": count}}, 3, "evaluation", question(beta))
        tally = GlmEngine().answer(allowed, step, workplace(patients, allowed)).values["tally"]
        cases, controls = np.cumsum(tally["case_last"]), np.cumsum(tally["control_last"])
        for at in range(count - 1):
            end = spread * np.tan(np.pi * ((at + 1) / count - 0.5))
            if (cases + controls)[at] > (cases + controls)[at - 1] * (at > 0):
                ends[end] = (int(cases[at] + controls[at]), int(cases[at]))
    made = sorted(ends)
    found = {}
    for low, high in pairwise(made):
        inside = np.flatnonzero((low < scores) & (scores < high))
        if ends[high][0] - ends[low][0] == 1 and len(inside) == 1:
            found[int(inside[0])] = ends[high][1] - ends[low][1]
    return found


def test_counts_in_other_bins_are_counts_of_the_same_groups(monkeypatch, attack_report):
    patients = Patients()
    got = alone_between_two_ends(patients, lambda *_: None)
    assert got == {}
    read = alone_between_two_ends(  # the control
        patients, lambda *bins: monkeypatch.setattr(evaluation, "ranked", ended_with_bins(*bins))
    )
    attack_report(
        "evaluations in other bins: outcomes of single patients read",
        got=len(got),
        control=len(read),
        of=COUNT,
        unit="patients",
    )
    assert len(read) > 20
    assert all(patients.columns["ill"][patient] == outcome for patient, outcome in read.items())


def test_a_feature_that_two_patients_have_counts_as_missing():
    patients = Patients()
    patients.columns["chol"][2:] = np.nan
    values = ask("moments", {}, patients).values
    assert values["missing"] == [0, COUNT]
    assert values["sums"][1] == 0.0
    assert values["squares"][1] == 0.0


@pytest.mark.parametrize("share", [0.0033, 0.05, 0.11, 0.25, 0.9])
def test_a_split_that_differs_by_a_hair_cannot_be_asked_for(share):
    with pytest.raises(TaskInvalidError):
        parse({**TASK, "evaluation": {"holdout": share}})


def test_the_asker_does_not_choose_who_is_held_out():
    with pytest.raises(TaskInvalidError):
        parse({**TASK, "evaluation": {"holdout": 0.2, "seed": 7}})
