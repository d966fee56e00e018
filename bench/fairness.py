"""How good a model is for whom, from masked counts: the difference to fairlearn on the pooled rows.

The four hospitals of `bench.glm`, judged by sex and by bands of age. Counts are exact, so AUC and average precision
are those of the binned scores, and the rest those of the rows.
"""

from typing import Any

import numpy as np
from fairlearn.metrics import MetricFrame
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from bench.glm import heart_task, hospitals
from medspace.learning.evaluation.model import Judgement
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.evaluation import scores
from medspace.learning.glm.following import read
from medspace.learning.glm.judging import PreparedRows
from medspace.learning.glm.masked import MaskedGlm
from medspace.learning.glm.samples import Samples
from medspace.learning.glm.task import parse
from medspace.learning.glm.weighing import weigh
from tests.unit.learning.masked_sites import MaskedRun

BANDS, LEAST = [50.0, 60.0], 5
NAMES = ["< 50", "50 - 60", ">= 60"]
BINNED = {"auc": roc_auc_score, "average_precision": average_precision_score}


def measure() -> dict[str, dict[str, Any]]:
    """The largest difference of any figure of any group."""
    judge = {"groups": ["sex", {"column": "age", "bands": BANDS}], "least": LEAST}
    run = MaskedRun(heart_task() | {"protection": "masked-sums", "judge": judge}, hospitals(), least=LEAST)
    run.outcome()
    judged = read(run.states[-1]).judged
    if judged is None or not isinstance(run.summed, MaskedGlm):
        raise RuntimeError("nothing was judged")
    pooled = _pooled(run)
    worst = max(_difference(judged, pooled, column) for column in ("sex", "age"))
    reference = "fairlearn's MetricFrame on the pooled rows, same run; AUC, average precision, Brier, by sex and age"
    return {"fairness.max_abs_diff": {"value": worst, "unit": "figure", "reference": reference, "target": "<= 1e-9"}}


def _pooled(run: MaskedRun) -> dict[str, Any]:
    """Outcomes, chances, bins of scores and groups of all rows together."""
    task, state = parse(run.document), read(run.states[-1])
    if state.layout is None:
        raise RuntimeError("nothing was fitted")
    found = []
    for site, table in run.tables.items():
        parts = PreparedRows(run.admitted(site), run.material(site), Samples())
        weighed = weigh(task, parts.part(task, measured=True), BetaForm(state.asked, state.layout), None)
        made, rows = scores(task, np.asarray(state.asked), weighed.eta), weighed.part.rows
        ages = np.array(NAMES)[np.digitize(np.array(table["age"])[rows], BANDS)]
        sex = np.array(table["sex"], dtype=object)[rows]
        found.append((weighed.part.target, made.mu, made.places(task.evaluation.thresholds), sex, ages))
    names = ("target", "chance", "place", "sex", "age")
    return dict(zip(names, (np.concatenate(one) for one in zip(*found, strict=True)), strict=True))


def _difference(judged: Judgement, pooled: dict[str, Any], column: str) -> float:
    groups, worst = [one for one in judged.groups if one.column in ("", column)], 0.0
    for name, measured in (*BINNED.items(), ("brier", brier_score_loss)):
        said = pooled["place" if name in BINNED else "chance"]
        frame = MetricFrame(
            metrics=measured, y_true=pooled["target"], y_pred=said, sensitive_features=pooled[column].astype(str)
        )
        expected = frame.by_group.to_dict() | {"": frame.overall}
        for one in groups:
            found = getattr(one, name)
            worst = max(worst, abs(found.value - expected[one.group])) if found is not None else worst
    return worst
