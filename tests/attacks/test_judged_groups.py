"""Somebody's outcome out of the groups that a model is judged for, and models past the demands of a contract.

Who has all other hospitals of a run takes their counts off each total, and is left with those of one hospital. (Who
has the published figures takes the groups off the whole: `tests/unit/learning/test_hidden_cells.py`.)
"""

import msgspec
import numpy as np
import pytest

from medspace.core.usage import Brakes, Step
from medspace.learning.evaluation.membership import labels
from medspace.learning.exact import FRACTION
from medspace.learning.glm import grouping, judging
from medspace.learning.glm.errors import GroupsTooSmallError, GroupUnknownError
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.following import read
from medspace.learning.glm.masked import MaskedGlm
from medspace.learning.glm.task import parse
from medspace.policy import gates
from medspace.privacy.errors import DisclosureError
from tests.unit.learning.masked_sites import MaskedRun, again

SITES = [f"did:web:{name}" for name in "abcd"]
PATIENTS, LEAST = 120, 11
JUDGE = {"groups": [{"column": "ward", "codes": ["x", "y", "z"]}], "least": LEAST}


def hospital(seed, *, rare=12):
    source = np.random.default_rng(seed)
    value = source.normal(size=PATIENTS)
    ward = ["x"] * rare + ["y" if one else "z" for one in source.integers(0, 2, PATIENTS - rare)]
    outcome = (source.random(PATIENTS) < 1.0 / (1.0 + np.exp(-value))).astype(float)
    age = np.concatenate([[30.0, 90.0], source.integers(40, 80, PATIENTS - 2)])
    return {"value": value.tolist(), "ward": ward, "num": outcome.tolist(), "age": age.astype(float).tolist()}


def document(judge=JUDGE, **changes):
    return {
        "family": "binomial",
        "target": "num > 0",
        "features": [{"name": "value"}],
        "purpose": "research",
        "protection": "masked-sums",
        "judge": judge,
        **changes,
    }


def tables(*, rare=1):
    """Four hospitals; at the first so many patients are on ward x."""
    return {site: hospital(seed, rare=rare if not seed else 12) for seed, site in enumerate(SITES)}


def answered(run, site=SITES[0]):
    """What a hospital adds to the first and to the last total."""
    state, found = again(run.summed.first()), {}
    while (asked := run.summed.asked(state)) is not None:
        found[asked.name] = run.sums(site, state, len(run.states) + 1)
        state = run.step(state)
    return found, state


def alone(run):
    """The hospital's persons per ward, and the outcomes of each ward that is counted."""
    found, _ = answered(run)
    task, stand = parse(run.document), read(run.states[-1])
    cells = [one >> FRACTION for one in found["moments"][-2 * 4 :]][1::2]
    plan, grid = task.judge, grouping.grid_of(task, task.judge)
    width = grid.width
    groups = found["evaluation"][-width * (1 + len(stand.groups[0])) :]
    counted = dict(
        zip(
            ("all", *(plan.attributes[0].groups[at] for at in stand.groups[0])),
            range(0, len(groups), width),
            strict=True,
        )
    )
    return cells, {name: [one >> FRACTION for one in groups[at : at + 4]] for name, at in counted.items()}


def naive(attribute, rows, chosen, persons, least):
    """The groups as they are, however few have them: without the brake."""
    del persons, least
    return labels(attribute, rows)[chosen]


@pytest.mark.parametrize("brake", [True, False], ids=["on", "control"])
def test_the_one_patient_of_a_group_at_a_hospital(brake, monkeypatch, attack_report):
    """The others collude: they are left with the hospital's own counts of ward x, where one patient is."""
    if not brake:
        monkeypatch.setattr(grouping, "members", naive)
        monkeypatch.setattr(grouping, "cells_hold", lambda *_: True)  # the total would be refused, once it is open
        monkeypatch.setattr(judging.SiteStep, "groups", lambda _: [])
    run = MaskedRun(document(), tables(), least=LEAST if brake else 1)
    cells, counted = alone(run)
    by_difference = counted["all"][1] - sum(one[1] for name, one in counted.items() if name != "all")
    told = int(counted.get("x", [0, 0])[1] == 1 or cells[0] == 1 or by_difference == 1)
    attack_report(
        "groups of a model, others collude: outcome of the only patient of a group at a hospital",
        **{"got" if brake else "control": told},
        of=1,
        unit="patients",
    )
    assert told == (not brake)
    assert not brake or all(one == 0 or one >= LEAST for one in cells)


@pytest.mark.parametrize("brake", [True, False], ids=["on", "control"])
def test_a_group_of_one_hospital_alone(brake, monkeypatch, attack_report):
    """Ward x is at one hospital only: its total would be that hospital's own counts, which all sites open."""
    if not brake:
        monkeypatch.setattr(grouping.hiding, "shown_groups", lambda sites, _: tuple(range(len(sites) - 1)))
    made = {site: hospital(seed, rare=40 if not seed else 0) for seed, site in enumerate(SITES)}
    run = MaskedRun(document(), made, least=LEAST)
    _, counted = alone(run)
    attack_report(
        "groups of a model: patients of one hospital whose outcomes its peers count",
        **{"got" if brake else "control": counted.get("x", [0, 0])[1]},
        of=40,
        unit="patients",
    )
    assert ("x" in counted) is (not brake)


@pytest.mark.parametrize("brake", [True, False], ids=["on", "control"])
def test_bands_that_move_by_one_patient_between_two_tasks(brake, attack_report):
    """The bands of two tasks differ by the one patient of that age: the difference of two groups is that one."""
    made = tables(rare=12)
    for table in made.values():
        table["age"] = [55.0 if at == 0 else (40.0 if at % 2 else 70.0) for at in range(PATIENTS)]
    brakes = Brakes() if brake else Brakes(exposure=False)
    asked = [document({"groups": [{"column": "age", "bands": [bound]}], "least": LEAST}) for bound in (50, 60)]
    first = MaskedRun(asked[0], made, least=LEAST, brakes=brakes)
    first.sums(SITES[0], again(first.summed.first()), 1)
    second = MaskedRun(asked[1], made, least=LEAST, brakes=brakes)
    second.history = (Step(asked[0], 1, "moments", {}),)
    try:
        second.sums(SITES[0], again(second.summed.first()), 1)
    except DisclosureError:
        got = 0
    else:
        got = 1
    attack_report(
        "groups of two models whose bands differ by one patient",
        **{"got" if brake else "control": got},
        of=1,
        unit="patients",
    )
    assert got == (not brake)


def test_two_attributes_that_differ_by_one_patient_are_not_answered_together():
    made = tables(rare=12)
    for table in made.values():
        table["copy"] = ["y" if at == 11 else one for at, one in enumerate(table["ward"])]
    judge = {"groups": [{"column": name, "codes": ["x", "y", "z"]} for name in ("ward", "copy")], "least": 5}
    run = MaskedRun(document(judge), made, least=5)
    with pytest.raises(DisclosureError):
        run.sums(SITES[0], again(run.summed.first()), 1)


def test_smaller_groups_than_the_contract_allows_are_not_counted():
    run = MaskedRun(document(JUDGE | {"least": 10}), tables(rare=12), least=11)
    with pytest.raises(GroupsTooSmallError):
        run.sums(SITES[0], again(run.summed.first()), 1)


def measures(run):
    _, state = answered(run)
    return {one.name: one for one in run.summed.measures(state, {})}


def test_a_gate_is_not_dodged_by_other_thresholds_or_coarser_counts(attack_report):
    """Whatever the task counts in, the measures that a contract holds a model to get no better."""
    made, fine = tables(rare=12), {"bins": 10, "thresholds": 400}
    honest = measures(MaskedRun(document(evaluation=fine), made, least=LEAST))
    coarse = measures(MaskedRun(document(evaluation={"bins": 10, "thresholds": 2}), made, least=LEAST))
    other = measures(MaskedRun(document(JUDGE | {"thresholds": [0.01, 0.99]}, evaluation=fine), made, least=LEAST))
    few = measures(MaskedRun(document(evaluation={"bins": 2, "thresholds": 400}), made, least=LEAST))
    assert coarse[gates.AUC].value <= honest[gates.AUC].value
    assert coarse[gates.GROUP_GAP].value >= honest[gates.GROUP_GAP].value
    assert {name: one.value for name, one in other.items()} == {name: one.value for name, one in honest.items()}
    assert gates.ECE not in few
    attack_report("gate of a model: AUC won by counting more coarsely", got=0, of=1, unit="models")


def test_a_gate_is_not_dodged_by_leaving_groups_or_codes_out_of_the_task():
    made = tables(rare=12)
    without = measures(MaskedRun(document({"groups": []}), made, least=LEAST))
    assert gates.GROUP_GAP not in without
    few = {"groups": [{"column": "ward", "codes": ["x", "y"]}], "least": LEAST}
    run = MaskedRun(document(few), made, least=LEAST)
    with pytest.raises(GroupUnknownError):
        run.sums(SITES[0], again(run.summed.first()), 1)
    hidden = measures(MaskedRun(document(JUDGE | {"least": 1000}), made, least=LEAST))
    assert gates.GROUP_GAP not in hidden


def test_the_holder_whose_own_quality_is_bad_measures_it_though_nobody_sees_it():
    """`glm.quality` is not listed: what the holder itself holds the model to is measured all the same."""
    made = tables(rare=12)
    made[SITES[0]]["num"] = [1.0 - one for one in made[SITES[0]]["num"]]  # there the model has it upside down
    run = MaskedRun(document(), made, least=LEAST)
    _, state = answered(run)
    before = run.states[-1]
    own, _ = run.tasks.summing.own_quality(
        run.admitted(SITES[0]), run.document, run.travelled(before), run.material(SITES[0]), len(run.states)
    )
    found = {one.name: one.value for one in run.summed.measures(state, own)}
    assert found[gates.SITE_BELOW] > 0.3
    assert isinstance(run.summed, MaskedGlm)
    assert msgspec.convert(own["quality"], Quality).auc < 0.5
