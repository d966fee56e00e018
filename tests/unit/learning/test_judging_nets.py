"""How good a net is for whom: masked counts give what fairlearn and scikit-learn find in the pooled rows."""

import msgspec
import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.metrics import brier_score_loss, recall_score

from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.model import NetFitted
from medspace.learning.using.net import score
from medspace.policy import gates
from medspace.privacy.errors import DisclosureError
from medspace.runs.errors import TaskInvalidError
from medspace.runs.masked.errors import TotalInvalidError
from medspace.runs.model import Lineage, Model
from tests.unit.learning.masked_sites import MaskedRun
from tests.unit.learning.nets import graded, made, task
from tests.unit.learning.simulated import TableRows

WIDE = ("x0", "x1", "x2")
JUDGE = {"groups": [{"column": "x0", "bands": [-0.5, 0.5]}, {"column": "ward", "codes": ["a", "b"]}], "least": 5}
THRESHOLDS = {"thresholds": [0.3, 0.5]}


def tables(count=300):
    source = np.random.default_rng(3)
    found = {f"did:web:site{seed}": made(count, seed) for seed in range(4)}
    return {site: one | {"ward": source.choice(["a", "b"], count).tolist()} for site, one in found.items()}


def document(**changes):
    return task(WIDE, judge=JUDGE | THRESHOLDS, layers=[4], max_rounds=8, rate=0.1, **changes)


@pytest.fixture(scope="module")
def run():
    found = MaskedRun(document(), tables(), least=5, tasks=MaskedNets())
    found.result = found.fitted()
    return found


@pytest.fixture(scope="module")
def judged(run):
    return msgspec.convert(run.result.content, NetFitted).judged


@pytest.fixture(scope="module")
def pooled(run):
    """What somebody with all rows has."""
    lineage = Lineage("r", "", (), (), (), "masked-sums")
    model = Model("m", "", run.summed.task.document(), "", run.result.content, 0, 1, 0.0, lineage, "")
    chances = np.concatenate([score(model, TableRows(one, 300))[:, 1] for one in run.tables.values()])
    whole = {name: np.concatenate([one[name] for one in run.tables.values()]) for name in ("x0", "ward", "sick")}
    bands = np.array(["< -0.5", "-0.5 - 0.5", ">= 0.5"])[np.digitize(whole["x0"], [-0.5, 0.5])]
    return {"target": whole["sick"], "chance": chances, "ward": whole["ward"], "x0": bands}


@pytest.mark.parametrize("column", ["ward", "x0"])
@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_groups_have_the_figures_of_fairlearn(judged, pooled, column, threshold):
    def of(measure, said):
        frame = MetricFrame(metrics=measure, y_true=pooled["target"], y_pred=said, sensitive_features=pooled[column])
        return frame.by_group.to_dict()

    positive = (pooled["chance"] >= threshold).astype(float)
    briers, recalls = of(brier_score_loss, pooled["chance"]), of(recall_score, positive)
    shown = {one.group: one for one in judged.groups if one.column == column}
    assert shown.keys() == briers.keys()
    for group, found in shown.items():
        assert abs(found.brier.value - briers[group]) <= 1e-9
        matrices = [one for one in found.confusion if one.threshold == threshold]
        assert bool(matrices) or column == "x0"  # of its bands few have a small chance, so no matrix is shown
        assert all(abs(one.sensitivity - recalls[group]) <= 1e-12 for one in matrices)


def test_terms_can_demand_something_of_a_net(run):
    state = run.summed.follow(run.states[-2], run.totals[-1], {}, 4)
    found = {one.name: one for one in run.summed.measures(state, {})}
    assert {gates.AUC, gates.ECE, gates.GROUP_GAP, gates.HELD_OUT} <= found.keys()
    quality = run.summed.read(state).quality
    assert found[gates.AUC].value == quality.auc - quality.auc_resolution
    assert run.summed.measures(run.states[0], {}) == ()


def test_a_net_without_groups_has_the_states_of_earlier_versions():
    plain = MaskedRun(task(WIDE, max_rounds=4), tables(), least=5, tasks=MaskedNets())
    assert plain.fitted().content["judged"] is None
    assert all({"groups", "having", "judged"}.isdisjoint(state) for state in plain.states)


def test_a_total_whose_groups_contradict_each_other_is_refused(run):
    total = list(run.totals[-1])
    total[-1] += 1 << 200
    with pytest.raises(TotalInvalidError):
        run.summed.check(run.states[-2], total, 4)


def test_groups_that_differ_by_few_are_not_counted():
    """Attack: two attributes are the same but for three patients of one hospital, who stand in the difference."""
    given = tables()
    for site, one in given.items():
        twin = list(one["ward"])
        if site.endswith("0"):
            twin[:3] = ["b" if code == "a" else "a" for code in twin[:3]]
        one["twin"] = twin
    judge = {"groups": [{"column": name, "codes": ["a", "b"]} for name in ("ward", "twin")], "least": 5}
    with pytest.raises(DisclosureError):
        MaskedRun(task(WIDE, judge=judge, max_rounds=4), given, least=5, tasks=MaskedNets()).fitted()
    control = task(WIDE, judge={"groups": judge["groups"][:1], "least": 5}, max_rounds=4)
    assert MaskedRun(control, given, least=5, tasks=MaskedNets()).fitted().content["judged"]["groups"]


def test_groups_need_a_yes_no_target():
    classes = task(WIDE, classes=["none", "mild", "severe"], judge=JUDGE) | {"target": "grade"}
    assert len(graded(10, 1)["grade"]) == 10
    with pytest.raises(TaskInvalidError, match="judge"):
        MaskedNets().summed(classes)
