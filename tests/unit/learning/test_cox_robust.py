"""Robust standard errors: the scores by their definition, and the sandwich against independent libraries."""

import msgspec
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter

from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.cox.maths import Survival, partial
from medspace.learning.cox.model import CoxFitted
from medspace.learning.cox.robust import squared, stratum_scores
from medspace.learning.errors import StepInvalidError
from medspace.privacy.errors import DisclosureError
from medspace.runs.masked.errors import TotalInvalidError
from medspace.runs.masked.ports import TaskQuestion
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.simulated import PERSON
from tests.unit.learning.survivals import made, rossi, split, task

WIDE = ("x0", "x1", "x2")


def run_of(document, tables, **more):
    return MaskedRun(document, tables, tasks=MaskedCoxes(), **more)


def fitted(document, tables):
    return msgspec.convert(run_of(document, tables).fitted().content, CoxFitted)


def errors(found):
    return [float(term.standard_error) for term in found.terms]


def weighted_score(x, survival, eta, weights, *, efron):
    """The gradient with case weights: tied events count with their mean weight (Therneau and Grambsch 2000, 3.3)."""
    risk, total = weights * np.exp(eta), np.zeros(x.shape[1])
    for moment in sorted(set(survival.time[survival.event])):
        at_risk = (survival.time >= moment) & (survival.entry < moment)
        dying = (survival.time == moment) & survival.event
        total += (weights[dying, None] * x[dying]).sum(axis=0)
        for place in range(dying.sum()):
            share = place / dying.sum() if efron else 0.0
            own = risk * at_risk * (1.0 - share * dying)
            total -= weights[dying].mean() * (own @ x) / own.sum()
    return total


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), efron=st.booleans(), count=st.integers(2, 20))
def test_a_score_is_the_derivative_of_the_gradient_by_the_weight_of_its_row(seed, efron, count):
    source = np.random.default_rng(seed)
    x = source.normal(size=(count, 2))
    entry = source.integers(0, 3, count).astype(float)
    survival = Survival(entry + source.integers(1, 6, count), source.random(count) < 0.7, entry)
    eta = x @ source.normal(size=2)
    ties = "efron" if efron else "breslow"
    found = stratum_scores(x, survival, eta, ties).scores
    assert stratum_scores(x, survival, eta, ties).residuals == pytest.approx(
        partial(x, survival, eta, ties).residuals
    )
    assert found.sum(axis=0) == pytest.approx(partial(x, survival, eta, ties).gradient, abs=1e-9)
    step = 1e-5
    for row in range(count):
        up, down = (
            weighted_score(x, survival, eta, np.ones(count) + side * step * np.eye(count)[row], efron=efron)
            for side in (1.0, -1.0)
        )
        assert (up - down) / (2.0 * step) == pytest.approx(found[row], abs=1e-6)


def clustered(oracle, persons):
    """The errors of statsmodels by groups of rows; its scores of rows that are compared with nobody are NaN."""
    scores = pd.DataFrame(np.nan_to_num(oracle.score_residuals)).groupby(np.asarray(persons)).sum().to_numpy()
    inverse = oracle.cov_params()
    return np.sqrt(np.diag(inverse @ scores.T @ scores @ inverse))


@pytest.mark.parametrize("entry", [None, "start"])
def test_the_errors_are_those_of_statsmodels_by_persons_with_a_stratum_per_site(entry):
    """Breslow's ties, as statsmodels has no scores of others."""
    tables = split(made(400, 11, ties=True, entry=True), 4)
    tables = {site: table | {PERSON: [k // 2 for k in range(len(table["time"]))]} for site, table in tables.items()}
    given = {} if entry is None else {"entry": entry}
    document = task(WIDE, ties="breslow", errors="robust", tolerance=1e-10, **given)
    found = fitted(document, tables)
    pooled = {name: np.concatenate([one[name] for one in tables.values()]) for name in next(iter(tables.values()))}
    oracle = sm.PHReg(
        pooled["time"],
        np.column_stack([pooled[name] for name in WIDE]),
        pooled["event"],
        entry=None if entry is None else pooled[entry],
        strata=np.repeat(np.arange(4), [len(one["time"]) for one in tables.values()]),
        ties="breslow",
    ).fit(disp=0)
    persons = [f"{site} {one}" for site, table in tables.items() for one in table[PERSON]]
    assert errors(found) == pytest.approx(clustered(oracle, persons), rel=2**-11)
    plain = fitted(document | {"errors": "model"}, tables)
    assert errors(plain) != errors(found)
    assert [term.coefficient for term in plain.terms] == [term.coefficient for term in found.terms]


def test_the_errors_are_those_of_lifelines():
    """Without ties, which lifelines leaves out of its scores."""
    tables = split(made(400, 3), 3)
    found = fitted(task(WIDE, errors="robust", tolerance=1e-10), tables)
    rows = pd.concat([pd.DataFrame(one).assign(site=site) for site, one in tables.items()])
    fitter = CoxPHFitter().fit(
        rows[[*WIDE, "time", "event", "site"]],
        "time",
        "event",
        strata=["site"],
        robust=True,
        fit_options={"precision": 1e-12},
    )
    assert errors(found) == pytest.approx(fitter.standard_errors_[list(WIDE)].to_numpy(), rel=2**-11)
    assert found.errors == "robust"


def test_rows_of_a_person_count_together():
    """Each row twice gives the errors of each once: copies say nothing new."""
    source = np.random.default_rng(4)
    x, event = source.normal(size=(60, 2)), source.random(60) < 0.7
    survival = Survival(source.exponential(size=60), event)
    scores = stratum_scores(x, survival, x @ np.array([0.5, -0.3]), "breslow").scores
    doubled = np.repeat(scores, 2, axis=0)
    assert squared(doubled, np.repeat(np.arange(60), 2)) == pytest.approx(4.0 * squared(scores, np.arange(60)))
    assert squared(doubled, np.arange(120)) == pytest.approx(2.0 * squared(scores, np.arange(60)))


def test_where_hazards_are_as_the_model_says_both_errors_are_about_the_same():
    table = rossi()
    features = ("fin", "age", "prio")
    document = task(features, time="week", event="arrest")
    plain, robust = (fitted(document | {"errors": kind}, {"did:web:one": table}) for kind in ("model", "robust"))
    assert errors(robust) == pytest.approx(errors(plain), rel=0.2)


def test_where_one_patient_carries_much_of_the_sum_only_the_errors_of_the_model_are_told():
    tables = {f"did:web:site{k}": made(150, k) for k in range(4)}
    plain = MaskedRun(task(WIDE[:2]), tables, 10, tasks=MaskedCoxes())
    assert plain.outcome()
    robust = MaskedRun(task(WIDE[:2], errors="robust"), tables, 10, tasks=MaskedCoxes())
    with pytest.raises(DisclosureError) as refused:
        robust.outcome()
    assert refused.value.cause_code == "release.weight"
    assert robust.summed.asked(robust.states[-1]).name == "newton"


def test_totals_of_scores_that_cannot_be_right_are_refused():
    run = run_of(task(WIDE, errors="robust"), split(made(200, 4), 3))
    stand = again(run.summed.first())
    while run.summed.asked(stand).name != "scores":
        stand = run.step(stand)
    total, one = run.total(stand, 9), 1 << 96
    for spoilt in (
        [total[0] + one, *total[1:]],
        [total[0], total[1] + one, *total[2:]],
        [*total[:2], -total[2], *total[3:]],
    ):
        with pytest.raises(TotalInvalidError):
            run.summed.check(stand, spoilt, 3)
    assert run.summed.asked(run.step(stand)).name == "evaluation"


def test_nobody_is_asked_for_scores_whose_task_has_none():
    run = run_of(task(WIDE), {"did:web:a": made(80, 2)})
    stand = run.step(again(run.summed.first()))
    with pytest.raises(StepInvalidError):
        run.tasks.summing.sums(
            run.admitted("did:web:a"),
            run.document,
            TaskQuestion("scores", run.travelled(stand).inputs),
            run.summed.shape(stand),
            run.material("did:web:a"),
            3,
        )
