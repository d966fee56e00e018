"""How good a model is for whom: masked counts give what fairlearn and scikit-learn find in the pooled rows."""

import math

import msgspec
import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, recall_score, roc_auc_score

from medspace.learning.evaluation.model import Judgement
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.evaluation import scores
from medspace.learning.glm.following import read
from medspace.learning.glm.judging import PreparedRows
from medspace.learning.glm.samples import Samples
from medspace.learning.glm.task import parse
from medspace.learning.glm.weighing import weigh
from tests.unit.learning import hearts
from tests.unit.learning.masked_sites import MaskedRun

BANDS = [50, 60]
JUDGE = {"groups": ["sex", {"column": "age", "bands": BANDS}], "thresholds": [0.3, 0.5], "least": 5}
DOCUMENT = {"protection": "masked-sums", "judge": JUDGE, "l2": 1.0}
NAMES = {"age": ["< 50", "50 - 60", ">= 60"], "sex": ["0", "1"]}


@pytest.fixture(scope="module")
def run():
    made = MaskedRun(hearts.task(**DOCUMENT), hearts.hospitals(), least=5)
    made.result = made.summed.result(made.outcome(), tuple(made.tables), {})
    return made


@pytest.fixture(scope="module")
def judged(run):
    return msgspec.convert(run.result.content["judged"], Judgement)


@pytest.fixture(scope="module")
def pooled(run):
    """What somebody with all rows has: outcomes, chances, the bin of each score, the group of each row."""
    task, state = parse(run.document), read(run.states[-1])
    found = []
    for site, rows in run.tables.items():
        parts = PreparedRows(run.admitted(site), run.material(site), Samples())
        weighed = weigh(task, parts.part(task, measured=True), BetaForm(state.asked, state.layout), None)
        made = scores(task, np.asarray(state.asked), weighed.eta)
        ages = np.array(NAMES["age"])[np.digitize(rows["age"], BANDS)]
        found.append((weighed.part.target, made.mu, made.places(400), np.array(rows["sex"]), ages))
    target, chance, place, sex, age = (np.concatenate(one) for one in zip(*found, strict=True))
    return {"target": target, "chance": chance, "place": place, "sex": sex, "age": age}


def ece(target, chance, bins=10):
    place = np.minimum((chance * bins).astype(int), bins - 1)
    return sum(abs(target[place == at].sum() - chance[place == at].sum()) for at in range(bins)) / len(target)


def specificity(target, said):
    return recall_score(target, said, pos_label=0)


def by_group(pooled, column, measure, said):
    frame = MetricFrame(
        metrics=measure, y_true=pooled["target"], y_pred=said, sensitive_features=pooled[column].astype(str)
    )
    return frame.by_group.to_dict() | {"": frame.overall}


@pytest.mark.parametrize("column", ["sex", "age"])
def test_groups_have_the_figures_of_fairlearn(judged, pooled, column):
    """The AUC and the average precision are those of the binned scores, the others those of the rows themselves."""
    measures = {
        "auc": (roc_auc_score, pooled["place"]),
        "average_precision": (average_precision_score, pooled["place"]),
        "brier": (brier_score_loss, pooled["chance"]),
        "ece": (ece, pooled["chance"]),
    }
    shown = [one for one in judged.groups if one.column in ("", column)]
    assert [one.group for one in shown] == ["", *NAMES[column]]
    for name, (measure, said) in measures.items():
        expected = by_group(pooled, column, measure, said)
        assert {one.group: getattr(one, name).value for one in shown} == pytest.approx(expected, abs=1e-9)
    exact = by_group(pooled, column, roc_auc_score, pooled["chance"])
    assert all(abs(one.auc.value - exact[one.group]) <= one.auc_resolution + 1e-12 for one in shown)
    assert {one.sites for one in shown} == {4}


@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_confusion_matrices_are_those_of_fairlearn(judged, pooled, threshold):
    said = (pooled["chance"] >= threshold).astype(float)
    sensitivity, specific = (by_group(pooled, "age", one, said) for one in (recall_score, specificity))
    matrices = {
        one.group: matrix
        for one in judged.groups
        for matrix in one.confusion
        if one.column in ("", "age") and matrix.threshold == threshold
    }
    assert list(matrices) == ["", *NAMES["age"]]
    assert {at: one.sensitivity for at, one in matrices.items()} == pytest.approx(sensitivity, abs=1e-12)
    assert {at: one.specificity for at, one in matrices.items()} == pytest.approx(specific, abs=1e-12)


def test_gaps_are_those_of_fairlearn_and_name_the_worst_group(judged, pooled):
    gaps = {(one.column, one.measure, one.threshold): one for one in judged.gaps}
    for column in ("sex", "age"):
        frame = MetricFrame(
            metrics=roc_auc_score,
            y_true=pooled["target"],
            y_pred=pooled["place"],
            sensitive_features=pooled[column].astype(str),
        )
        gap = gaps[column, "auc", None]
        assert gap.gap.value == pytest.approx(frame.difference(), abs=1e-9)
        assert gap.worst == frame.by_group.idxmin()
        assert gap.gap.low <= gap.gap.value <= gap.gap.high


def test_the_recalibration_is_that_of_a_logistic_regression_on_the_bins(judged, pooled):
    edges = np.array(sorted({at / 10 for at in range(1, 10)}))
    place = np.searchsorted(edges, pooled["chance"], side="right")
    middle = np.array([pooled["chance"][place == at].mean() for at in range(10)])
    oracle = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000)
    oracle.fit(logit(middle[place]).reshape(-1, 1), pooled["target"])
    everyone = judged.groups[0]
    assert everyone.slope.value == pytest.approx(oracle.coef_[0, 0], abs=1e-5)
    assert everyone.intercept.value == pytest.approx(oracle.intercept_[0], abs=1e-5)
    assert everyone.slope.low < 1.0 < everyone.slope.high


def delong(target, score):
    """The standard error of the AUC by the pairs themselves (DeLong et al. 1988)."""
    cases, controls = score[target == 1], score[target == 0]
    pairs = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    return math.sqrt(pairs.mean(1).var(ddof=1) / len(cases) + pairs.mean(0).var(ddof=1) / len(controls))


def test_intervals_are_delongs_and_those_of_the_squared_residuals(judged, pooled):
    everyone, half = judged.groups[0], 1.959963984540054
    error = delong(pooled["target"], pooled["place"])
    assert everyone.auc.high - everyone.auc.value == pytest.approx(half * error, rel=1e-9)
    squares = (pooled["target"] - pooled["chance"]) ** 2
    error = squares.std() / math.sqrt(len(squares))
    assert everyone.brier.high - everyone.brier.value == pytest.approx(half * error, rel=1e-9)


def test_a_task_without_groups_has_the_states_and_the_outcome_of_before():
    plain = MaskedRun(hearts.task(protection="masked-sums", l2=1.0), hearts.hospitals(), least=5)
    assert "judged" not in plain.outcome()
    assert all({"groups", "having", "judged"}.isdisjoint(state) for state in plain.states)
