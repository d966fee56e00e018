"""Was this patient among those that a model was learned from? Asked of the finished model, by whoever has its file.

The attack of Yeom et al. 2018: the smaller the loss of a row, the likelier it was trained on. The measure is the area
under its ROC curve over patients of the hospitals and others like them; .5 is guessing. The control is a net that is
trained until it knows its few patients by heart, as no hospital would.
"""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medspace.core.usage import Brakes
from medspace.learning.net.masked import MaskedNets
from medspace.learning.using.net import score
from medspace.runs.model import Lineage, Model
from tests.unit.learning.masked_sites import MaskedRun
from tests.unit.learning.nets import made, task
from tests.unit.learning.simulated import TableRows

WIDE = tuple(f"x{k}" for k in range(12))
NAMED = "finished net: who was trained on, told by the loss (area, .5 is guessing)"
OFF = Brakes(bounds=False, heaviest=False, exposure=False)


def learned(document, count, brakes):
    """A model, and the rows that it was learned from."""
    tables = {f"did:web:site{seed}": made(count, seed, width=12) for seed in range(4)}
    run = MaskedRun(document, tables, brakes=brakes, tasks=MaskedNets())
    lineage = Lineage("r", "", (), (), (), "masked-sums")
    found = run.fitted()
    return Model("m", "", run.summed.task.document(), "", found.content, 0, 1, 0.0, lineage, ""), tables.values()


def losses(model, table):
    chances = score(model, TableRows(table, len(table["sick"])))
    right = np.where(np.array(table["sick"]) == 1.0, chances[:, 1], chances[:, 0])
    return -np.log(np.maximum(right, 1e-12))


def area(model, members):
    inside = np.concatenate([losses(model, table) for table in members])
    outside = losses(model, made(2000, 99, width=12))
    return roc_auc_score(np.repeat([1.0, 0.0], [len(inside), len(outside)]), np.concatenate([-inside, -outside]))


@pytest.mark.parametrize("layers", [[], [8]])
def test_an_ordinary_net_tells_hardly_who_was_trained_on(layers, attack_report):
    document = task(WIDE, layers=layers, rate=0.05, max_rounds=20, seed=1)
    found = area(*learned(document, 300, Brakes()))
    if layers:
        attack_report(NAMED, got=round(found, 3), of=1, unit="area")
    assert found < 0.56


def test_a_net_that_knows_few_patients_by_heart_tells(attack_report):
    document = task(WIDE, layers=[64], rate=0.5, epochs=30, batch=8, clip=1000.0, max_rounds=30, seed=1)
    found = area(*learned(document, 30, OFF))
    attack_report(NAMED, control=round(found, 3), of=1, unit="area")
    assert found > 0.65
