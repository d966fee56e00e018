"""What hospitals that lie do to a net, and what its updates tell whoever carries them."""

import numpy as np
import pytest

from medspace.core.usage import Brakes
from medspace.learning.exact import FRACTION, number
from medspace.learning.net import summing
from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.totals import HEAD
from medspace.privacy.errors import DisclosureError
from medspace.privacy.masking.masks import masked
from medspace.runs.masked.contributing import RING
from medspace.runs.masked.errors import TotalInvalidError
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.nets import made, task

WIDE = ("x0", "x1", "x2")
SITES = tuple(f"did:web:site{number}" for number in range(4))
LIAR = SITES[-1]
WHOLE = 1 << FRACTION


def hospitals():
    return {site: made(200, seed) for seed, site in enumerate(SITES)}


def auc(weights, table):
    """Of a linear net on rows that nobody trained on; ties count half."""
    logits = np.column_stack([table[name] for name in WIDE]) @ weights[:-1]
    sick = np.array(table["sick"]) == 1.0
    return float((logits[sick][:, None] > logits[~sick][None, :]).mean())


def trained(document, tables, brakes=None):
    run = MaskedRun(document, tables, tasks=MaskedNets(), brakes=brakes or Brakes())
    return np.array([float(weight) for weight in run.fitted().content["weights"]])


@pytest.mark.parametrize(("clip", "kept"), [(0.05, True), (1e4, False)], ids=["on", "control"])
def test_a_hospital_whose_rows_are_wrong_turns_the_net_only_as_far_as_its_norm_bound(clip, kept, attack_report):
    """One of four hospitals has its outcomes turned around, and trains a hundred times harder on few batches."""
    tables = hospitals()
    document = task(WIDE, rate=0.05, epochs=5, batch=8, clip=clip, max_rounds=32)
    honest = auc(trained(document, tables), made(2000, 99))
    turned = {name: [20.0 * value for value in values] for name, values in tables[LIAR].items() if name != "sick"}
    tables[LIAR] = turned | {"sick": [1.0 - value for value in tables[LIAR]["sick"]]}
    lost = honest - auc(trained(document, tables), made(2000, 99))
    attack_report(
        "nets: a hospital of four with its outcomes turned around: AUC lost",
        **{"got" if kept else "control": round(lost, 3)},
        of=1,
        unit="AUC",
    )
    assert (lost < 0.05) is kept


def poisoned(run, state):
    """The total with the liar's own update in place of what its rows say: far away from the others' model."""
    total = run.total(state, len(run.states) + 1)
    return [value if place < HEAD else value - 800 * 1000 * WHOLE for place, value in enumerate(total)]


def test_an_update_beyond_the_norm_bound_ends_the_run(attack_report):
    run = MaskedRun(task(WIDE), hospitals(), tasks=MaskedNets())
    state = run.step(again(run.summed.first()))
    total = poisoned(run, state)
    with pytest.raises(TotalInvalidError):
        run.summed.check(state, total, len(SITES))
    unchecked = run.summed.read(run.summed.follow(state, total, {}))
    attack_report(
        "nets: an update beyond the norm bound: weights that one hospital chose",
        got=0,
        control=int(np.abs(unchecked.weights).min() > 900),
        of=1,
        unit="models",
    )
    assert np.abs(unchecked.weights).min() > 900


def update(rows, least=1, brakes=None, **changes):
    """What one hospital sends of a net's first round, one step of gradient descent, before it is masked."""
    document = task(WIDE, rate=0.5, layers=[4], activation="tanh", **({"batch": 0} | changes))
    everybody = hospitals()
    run = MaskedRun(document, everybody, tasks=MaskedNets())
    state = run.step(again(run.summed.first()))
    run.least, run.brakes = least, brakes or Brakes()
    run.tables[LIAR] = rows
    run.opened.clear()
    scaled = np.array(run.summed.read(state).layout.centre), np.array(run.summed.read(state).layout.scale)
    return run.sums(LIAR, state, 2), scaled


def inverted(numbers, scaled):
    """The columns of one row, from the gradient of a first layer: each unit's is the row times that of its bias."""
    values = np.array([number(value) for value in numbers[HEAD:]])
    matrix, biases = values[:12].reshape(3, 4), values[12:16]
    unit = int(np.abs(biases).argmax())
    return matrix[:, unit] / biases[unit] * scaled[1] + scaled[0]


def read_right(found, patient):
    return sum(abs(value - patient[name][0]) < 0.05 for name, value in zip(WIDE, found, strict=True))


def test_the_columns_of_a_patient_are_not_read_from_a_masked_update(attack_report):
    """A hospital with a single patient and no rule on cohorts: whoever sees its update has the patient's row."""
    patient = {name: values[:1] for name, values in made(50, 5).items()}
    numbers, scaled = update(patient, brakes=Brakes(outcomes=False))
    plain = read_right(inverted(numbers, scaled), patient)
    pairs, own = {site: bytes([place]) * 32 for place, site in enumerate(SITES[:-1], 1)}, b"\x09" * 32
    words = masked(RING.encode(numbers), RING, LIAR, pairs, own)
    carried = RING.decode(words)
    under = read_right(inverted([value >> 64 for value in carried], scaled), patient)
    attack_report(
        "nets: gradient inversion on an update of one patient, by whoever carries it: columns read",
        got=under,
        control=plain,
        of=3,
        unit="columns",
    )
    assert (under, plain) == (0, 3)


def test_a_hospital_gives_no_update_of_a_single_patient():
    patient = {name: values[:1] for name, values in made(50, 5).items()}
    with pytest.raises(DisclosureError):
        update(patient, least=5)


@pytest.mark.parametrize("on", [True, False], ids=["on", "control"])
def test_a_task_with_batches_of_one_shows_no_patient_to_all_other_hospitals_together(on, attack_report, monkeypatch):
    """They know the fourth one's change; the task, which is theirs, takes one step on one row of sixty."""
    if not on:
        monkeypatch.setattr(summing, "_least", lambda *_: 0)
    many = made(60, 5)
    numbers, scaled = update(many, least=5, batch=1, updates=1)
    rows = np.column_stack([many[name] for name in WIDE])
    off = np.abs(rows - inverted(numbers, scaled))
    read = int((off < 0.05).sum(axis=1).max())
    attack_report(
        "nets: gradient inversion by all other hospitals, of a task with batches of one patient: columns read",
        **{"got" if on else "control": read},
        of=3,
        unit="columns",
    )
    assert (read == 3) is not on


def test_nobody_else_knows_which_patients_are_in_a_batch_and_no_two_tasks_have_batches_in_common(monkeypatch):
    """Else a task with one patient more in its first batch would tell what that patient adds to it."""
    seeds = []

    def noted(*given):
        seeds.append(given[4])
        return trained_there(*given)

    trained_there = summing.trained
    monkeypatch.setattr(summing, "trained", noted)
    many, public = made(60, 5), Brakes(split=False)
    for changes in ({"batch": 8}, {"batch": 8}, {"batch": 9}, {"batch": 8, "brakes": public}):
        update(many, least=5, **changes)
    assert seeds[0] == seeds[1]
    assert len(set(seeds)) == 3


def test_the_update_of_many_is_not_the_row_of_anybody():
    many = made(60, 5)
    numbers, scaled = update(many, least=5)
    rows = np.column_stack([many[name] for name in WIDE])
    nearest = np.abs(rows - inverted(numbers, scaled)).max(axis=1).min()
    assert nearest > 0.05
