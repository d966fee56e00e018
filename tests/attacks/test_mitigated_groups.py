"""Somebody's outcome out of the weights and thresholds that make a model fairer.

Who has all other hospitals of a run takes their counts off each total, and is left with those of one hospital. Who
has the model alone computes back from weights to counts: a weight is rows of a group times rows of an outcome over
rows of both.
"""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from medspace.core.usage import Brakes
from medspace.learning.evaluation.membership import labels
from medspace.learning.exact import FRACTION
from medspace.learning.glm import grouping, judging
from medspace.learning.glm.following import read
from medspace.learning.mitigation import balance, equalising
from medspace.learning.mitigation.model import Mitigated
from tests.unit.learning.masked_sites import MaskedRun, again

SITES = [f"did:web:{name}" for name in "abcd"]
PATIENTS, LEAST = 200, 11
CODES = ("x", "y", "z")
MITIGATE = {"column": "ward", "reweighing": True, "penalty": 1.0}


def hospital(seed, *, rare):
    """So many patients are on ward x; there, one at most has the outcome."""
    source = np.random.default_rng(seed)
    value = source.normal(size=PATIENTS)
    ward = ["x"] * rare + ["y" if one else "z" for one in source.integers(0, 2, PATIENTS - rare)]
    outcome = (source.random(PATIENTS) < 1.0 / (1.0 + np.exp(-value))).astype(float)
    outcome[:rare] = 0.0
    outcome[0] = 1.0
    return {"value": value.tolist(), "ward": ward, "num": outcome.tolist()}


def document(**how):
    return {
        "family": "binomial",
        "target": "num > 0",
        "features": [{"name": "value"}],
        "purpose": "research",
        "protection": "masked-sums",
        "l2": 1.0,
        "judge": {"groups": [{"column": "ward", "codes": list(CODES)}], "least": LEAST},
        "mitigate": MITIGATE | how,
    }


def naive(attribute, rows, chosen, persons, least):
    """The groups as they are, however few have them: without the brake."""
    del persons, least
    return labels(attribute, rows)[chosen]


@pytest.mark.parametrize("brake", [True, False], ids=["on", "control"])
def test_the_one_patient_of_a_group_at_a_hospital(brake, monkeypatch, attack_report):
    """The others collude: they are left with what this hospital counted of ward x, where one patient is."""
    if not brake:
        monkeypatch.setattr(grouping, "members", naive)
        monkeypatch.setattr(judging, "members", naive)
        monkeypatch.setattr(grouping, "cells_hold", lambda *_: True)  # the total would be refused, once it is open
        monkeypatch.setattr(judging.SiteStep, "groups", lambda _: [])
    made = {site: hospital(seed, rare=40 if seed else 1) for seed, site in enumerate(SITES)}
    run = MaskedRun(document(), made, least=LEAST if brake else 1)
    state = again(run.summed.first())
    while run.summed.asked(state).name != "mitigation":
        state = run.step(state)
    known = read(state).mitigation
    own = run.sums(SITES[0], state, len(run.states) + 1)[balance.HEAD :]
    asked = 0 in known.balanced  # three other hospitals have many on ward x, and yet it may be of no use to ask
    counts = [value >> FRACTION for value in own[: balance.EACH]] if asked else [0] * 4
    told = int(counts[1] == 1)
    attack_report(
        "weights of groups, others collude: outcome of the only patient of a group at a hospital",
        **{"got" if brake else "control": told},
        of=1,
        unit="patients",
    )
    assert counts == ([0, 0, 0, 0] if brake else [0, 1, 0, 1])


@pytest.mark.parametrize("brake", [True, False], ids=["on", "control"])
def test_cells_of_few_persons_computed_back_from_the_weights_of_a_model(brake, monkeypatch, attack_report):
    """Four patients of ward x in all have the outcome: whoever has the model finds how many."""
    if not brake:
        monkeypatch.setattr(balance, "usable", lambda total, _: tuple(range(len(total.groups))))
        monkeypatch.setattr(balance, "LARGEST_FACTOR", 1e6)
        monkeypatch.setattr("medspace.learning.glm.totals.LARGEST_FACTOR", 1e6)
    made = {site: hospital(seed, rare=40) for seed, site in enumerate(SITES)}
    # Without these either, by which a hospital answers no question in which one patient weighs so much.
    run = MaskedRun(document(penalty=0.0), made, least=LEAST, brakes=Brakes(heaviest=brake, exposure=brake))
    content = run.summed.result(run.outcome(), tuple(made), {}).content
    (ward,) = [one for one in msgspec.convert(content["mitigated"], Mitigated).groups if one.group == "x"]
    cases = sum(sum(table["num"]) for table in made.values())
    rows, size = PATIENTS * len(SITES), 40 * len(SITES)
    guess = size * cases / (rows * ward.having)
    got = int(round(guess) == 4)
    attack_report(
        "weights of groups: cells of few persons found from a model",
        **{"got" if brake else "control": got},
        of=1,
        unit="cells",
    )
    assert got == (not brake)


@pytest.mark.parametrize("brake", [True, False], ids=["on", "control"])
def test_a_threshold_that_lies_between_few_patients(brake, monkeypatch, attack_report):
    """A threshold at any hundredth moves with single patients: between two candidates few have either outcome."""
    if not brake:
        monkeypatch.setattr(equalising.hiding, "cuts", lambda parts, *_, **__: tuple(range(1, len(parts[0]))))
    table = {site: hospital(seed, rare=60) for seed, site in enumerate(SITES)}
    for seed, one in enumerate(table.values()):
        one["num"][:60] = (np.random.default_rng(seed).random(60) < 0.5).astype(float).tolist()
    how = {"reweighing": False, "penalty": 0.0, "equal": "sensitivity", "validation": 0.5}
    run = MaskedRun(document(**how), table, least=LEAST)
    few, seen = 0, []
    cuts = equalising.hiding.cuts

    def watched(parts, least, wanted, *, single):
        found = cuts(parts, least, wanted, single=single)
        seen.append((parts, found))
        return found

    monkeypatch.setattr(equalising.hiding, "cuts", watched)
    run.outcome()
    for parts, found in seen:
        if len(parts) == 2:  # of one group, as thresholds are chosen
            ends = [0, *sorted(found), len(parts[0])]
            between = [sum(part[a:b]) for part in parts for a, b in pairwise(ends)]
            few += sum(0 < count < LEAST for count in between)
    attack_report(
        "thresholds of groups: cells of few persons between two that could have been chosen",
        **{"got" if brake else "control": few},
        of=max(few, 1),
        unit="cells",
    )
    assert (few == 0) is brake
