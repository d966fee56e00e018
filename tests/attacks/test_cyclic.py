"""What a hospital's update says of it once it is shown: training by turns against training together.

After one step with all rows the update of the last weight is the rate times how many more patients have the outcome
than the weights before say. Who knows the other columns knows from it the share of the sick. Under masks it is
that of all hospitals together.
"""

import numpy as np
import pytest

from medspace.core.usage import Brakes
from medspace.learning.exact import number
from medspace.learning.net.errors import UpdateHiddenError
from medspace.learning.net.masked import MaskedNets
from tests.unit.learning.masked_sites import again
from tests.unit.learning.nets import made, task
from tests.unit.learning.survivals import split
from tests.unit.learning.test_net_cyclic import WIDE, CyclicRun

TABLES, NEAR = 20, 0.005


def said(tables, **changes):
    """The share of the sick at the first hospital, as the first total of training has it."""
    run = CyclicRun(
        task(WIDE, rate=1.0, batch=0, **changes), tables, brakes=Brakes(rounding=False), tasks=MaskedNets()
    )
    stand = run.step(again(run.summed.first()))
    total = run.total(stand, 2)
    weights, layout = np.array(stand["weights"], dtype=float), stand["layout"]
    seen = tables if not changes else {"did:web:site0": tables["did:web:site0"]}
    columns = np.column_stack([np.concatenate([one[name] for one in seen.values()]) for name in WIDE])
    scaled = (columns - np.array(layout["centre"], dtype=float)) / np.array(layout["scale"], dtype=float)
    chances = 1.0 / (1.0 + np.exp(-scaled @ weights[:-1] - weights[-1]))
    return chances.mean() + number(total[-1]) / (1 if changes else number(total[0]))


def of(seed):
    return split(made(300, seed), 3)


@pytest.mark.parametrize("cycle", [True, False], ids=["shown", "masked"])
def test_the_share_of_the_sick_of_one_hospital(cycle, attack_report):
    right = 0
    for seed in range(TABLES):
        tables = of(seed)
        changes = {"strategy": "cyclic", "cycle": list(tables)} if cycle else {}
        share = np.mean(tables["did:web:site0"]["sick"])
        right += abs(said(tables, **changes) - share) < NEAR
    attack_report(
        "nets: share of the sick at one hospital, from the first update",
        **{"control" if cycle else "got": right},
        of=TABLES,
        unit="hospitals",
    )
    assert right == TABLES if cycle else right <= TABLES // 2


def test_where_the_terms_do_not_list_it_nothing_is_shown():
    tables = of(1)
    run = CyclicRun(task(WIDE, strategy="cyclic", cycle=list(tables)), tables, tasks=MaskedNets())
    run.listed = frozenset()
    with pytest.raises(UpdateHiddenError):
        run.step(again(run.summed.first()))
