"""Sites that lie or break: each is named, none of its numbers is used, and the run never succeeds on nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest

from medspace.learning.glm.outcome import read
from medspace.runs.model import RunState
from tests.unit.learning.simulated import SimulatedSites, coefficients, coordinator, did, fitted, seats, tampered

nan, inf = math.nan, math.inf
BAD = did(1)


def table(seed, count=50):
    source = np.random.default_rng(seed)
    x = source.normal(size=count)
    y = (source.random(count) < 1.0 / (1.0 + np.exp(-x))).astype(float)
    return {
        "x": np.where(source.random(count) < 0.1, nan, x).tolist(),
        "c": [str(value) for value in source.choice(["a", "b"], count)],
        "y": y.tolist(),
    }


TABLES = {did(index): table(index) for index in range(3)}
HONEST = {site: columns for site, columns in TABLES.items() if site != BAD}


def task(**changes):
    return {
        "family": "binomial",
        "target": "y",
        "features": [{"name": "x"}, {"name": "c", "kind": "coded", "levels": ["a", "b"]}],
        "purpose": "research",
        "l2": 0.5,
        "evaluation": {"bins": 2, "thresholds": 2},
        "site_faults": "exclude",
        **changes,
    }


def only(step_name, behaviour):
    async def behave(step, honest):
        return await behaviour(step, honest) if step.name == step_name else honest()

    return behave


def counts(**changes):
    """An evaluation whose tally is changed."""

    async def behave(step, honest):
        answer = honest()
        tally = {**answer.values["tally"], **changes}
        return replace(answer, values={**answer.values, "tally": tally})

    return behave


def said(**changes):
    """An evaluation whose quality is changed."""

    async def behave(step, honest):
        answer = honest()
        return replace(answer, values={**answer.values, "quality": {**answer.values["quality"], **changes}})

    return behave


def envelope(**changes):
    async def behave(step, honest):
        return replace(honest(), **changes)

    return behave


async def without_n(step, honest):
    answer = honest()
    return replace(answer, values={name: value for name, value in answer.values.items() if name != "n"})


MATRIX = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]


def matrix(row, column, value):
    changed = [list(line) for line in MATRIX]
    changed[row][column] = value
    return changed


ATTACKS = {
    "moments: NaN": ("moments", tampered(sums=[nan, 1.0])),
    "moments: null": ("moments", tampered(sums=[None, 1.0])),
    "moments: infinite": ("moments", tampered(squares=[inf, 1.0])),
    "moments: huge": ("moments", tampered(squares=[1e300, 1.0])),
    "moments: huger than any double": ("moments", tampered(squares=[10**400, 1.0])),
    "moments: too short": ("moments", tampered(sums=[1.0])),
    "moments: too long": ("moments", tampered(sums=[1.0] * 4, squares=[1.0] * 4)),
    "moments: text": ("moments", tampered(sums=["1.0", "1.0"])),
    "moments: negative n": ("moments", tampered(n=-50)),
    "moments: zero n": ("moments", tampered(n=0)),
    "moments: fraction n": ("moments", tampered(n=50.5)),
    "moments: true as n": ("moments", tampered(n=True)),
    "moments: huge n": ("moments", tampered(n=10**300)),
    "moments: no n": ("moments", without_n),
    "moments: more than asked": ("moments", tampered(rows=[[63.0, 1.0]])),
    "moments: negative missing": ("moments", tampered(missing=[-1, 0])),
    "moments: more levels joined than there are": ("moments", tampered(joined=[0, 3])),
    "moments: more persons than rows": ("moments", tampered(persons=51)),
    "moments: more missing than rows": ("moments", tampered(missing=[51, 0])),
    "moments: negative square": ("moments", tampered(squares=[-1.0, 1.0])),
    "moments: sums without squares": ("moments", tampered(sums=[1e6, 0.0], squares=[1.0, 0.0])),
    "moments: half a patient": ("moments", tampered(sums=[1.0, 7.5], squares=[40.0, 7.0])),
    "moments: more cases than rows": ("moments", tampered(target_sum=51.0)),
    "moments: stale round": ("moments", tampered(round=0)),
    "moments: other task": ("moments", tampered(task="sha256:" + "1" * 64)),
    "newton: NaN": ("newton", tampered(gradient=[nan, 0.0, 0.0, 0.0])),
    "newton: infinite deviance": ("newton", tampered(deviance=inf)),
    "newton: negative deviance": ("newton", tampered(deviance=-5.0)),
    "newton: wrong width": ("newton", tampered(gradient=[0.0])),
    "newton: ragged": ("newton", tampered(hessian=[[1.0], [1.0, 2.0], [], [0.0]])),
    "newton: not symmetric": ("newton", tampered(hessian=matrix(0, 1, 0.5))),
    "newton: negative curvature": ("newton", tampered(hessian=matrix(2, 2, -1.0))),
    "newton: no covariance": ("newton", tampered(hessian=[[1.0, 3.0, 0, 0], [3.0, 1.0, 0, 0], *MATRIX[2:]])),
    "newton: infinite curvature": ("newton", tampered(hessian=matrix(1, 1, inf))),
    "newton: huge gradient": ("newton", tampered(gradient=[1e300, 0.0, 0.0, 0.0])),
    "newton: gradient beyond its rows": ("newton", tampered(gradient=[1e6, 0.0, 0.0, 0.0])),
    "newton: curvature beyond its rows": ("newton", tampered(hessian=matrix(0, 0, 1e6))),
    "newton: curvature beyond all rows": ("newton", tampered(hessian=matrix(1, 1, 1e6))),
    "newton: other n": ("newton", tampered(n=51)),
    "newton: stale round": ("newton", tampered(round=1)),
    "newton: other task": ("newton", tampered(task="sha256:" + "1" * 64)),
    "newton: other site": ("newton", envelope(site=did(0))),
    "newton: stale release": ("newton", envelope(round=1)),
    "newton: other kind": ("newton", envelope(kind="glm.moments")),
    "newton: too few persons": ("newton", envelope(cohort=0)),
    "newton: more persons than rows": ("newton", envelope(cohort=51)),
    "newton: cohort is no count": ("newton", envelope(cohort=50.0)),
    "newton: no release": ("newton", envelope(release="")),
    "newton: a name as release": ("newton", envelope(release="Anna Muster")),
    "newton: no digest": ("newton", envelope(digest="trust me")),
    "newton: values are a list": ("newton", envelope(values=[1, 2, 3])),
    "evaluation: AUC beyond 1": ("evaluation", said(auc=1.5)),
    "evaluation: negative Brier": ("evaluation", said(brier=-0.1)),
    "evaluation: NaN ECE": ("evaluation", said(ece=nan)),
    "evaluation: infinite deviance": ("evaluation", said(deviance=inf)),
    "evaluation: negative counts": ("evaluation", counts(case_first=[-1, -1])),
    "evaluation: too few thresholds": ("evaluation", counts(case_first=[1])),
    "evaluation: counts that contradict": ("evaluation", counts(case_first=[50, 50], control_first=[50, 50])),
    "evaluation: groups that end before they begin": (
        "evaluation",
        counts(case_first=[0, 20], case_last=[20, 0], control_first=[30, 0], control_last=[30, 0], bin_rows=[25, 25]),
    ),
    "evaluation: bins that miss rows": ("evaluation", counts(bin_rows=[1, 1])),
    "evaluation: more cases in a bin than rows": ("evaluation", counts(bin_targets=[1e9, 1.0])),
    "evaluation: negative squares": ("evaluation", counts(squared=-1.0)),
    "evaluation: NaN squares": ("evaluation", counts(squared=nan)),
    "evaluation: other rows": ("evaluation", counts(rows=7)),
    "evaluation: stale round": ("evaluation", tampered(round=2)),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_bad_site_is_named_and_nothing_of_it_is_used(name):
    step, behaviour = ATTACKS[name]
    sites = SimulatedSites(TABLES, {BAD: only(step, behaviour)})
    leader = coordinator(sites)
    run = await leader.train(task(), seats(TABLES))
    assert run.state is RunState.FINISHED
    assert [(fault.site, fault.code) for fault in run.faults] == [(BAD, "learning.answer_invalid")]
    assert BAD in str(run.faults[0].text)
    model = await leader.model(run.id)
    expected = await fitted(task(), TABLES if step == "evaluation" else HONEST)
    assert np.array_equal(coefficients(model), coefficients(expected))
    for past in await leader.rounds(run.id):
        if past.round >= run.faults[0].round:
            assert BAD not in {answer.site for answer in past.answers}
    bad = [site for site in read(model).sites if site.site == BAD]
    assert [site.quality for site in bad] == ([None] if step == "evaluation" else [])


@pytest.mark.parametrize("name", ["moments: NaN", "newton: stale round", "evaluation: negative counts"])
async def test_the_run_fails_where_the_task_demands_every_site(name):
    step, behaviour = ATTACKS[name]
    leader = coordinator(SimulatedSites(TABLES, {BAD: only(step, behaviour)}))
    run = await leader.train(task(site_faults="fail"), seats(TABLES))
    assert (run.state, run.failure.code, run.model) == (RunState.FAILED, "learning.answer_invalid", None)
    assert BAD in str(run.failure.text)


async def test_all_sites_bad_is_a_failure():
    step, behaviour = ATTACKS["moments: NaN"]
    leader = coordinator(SimulatedSites(TABLES, dict.fromkeys(TABLES, only(step, behaviour))))
    run = await leader.train(task(min_sites=1), seats(TABLES))
    assert (run.state, run.failure.code) == (RunState.FAILED, "learning.too_few_sites")
    assert len(run.faults) == 3


async def test_a_site_below_the_smallest_cohort_of_its_agreement_is_left_out():
    places = [replace(seat, min_cohort=51 if seat.site == BAD else 11) for seat in seats(TABLES)]
    leader = coordinator(SimulatedSites(TABLES))
    run = await leader.train(task(), places)
    assert [(fault.site, fault.code) for fault in run.faults] == [(BAD, "learning.answer_invalid")]


@pytest.mark.parametrize("planted", [{"note": "Anna Muster"}, {"Anna Muster": 1}, {"task": "Anna"}, {"n": "Anna"}])
async def test_what_a_bad_answer_says_is_not_repeated(planted):
    leader = coordinator(SimulatedSites(TABLES, {BAD: only("moments", tampered(**planted))}))
    run = await leader.train(task(), seats(TABLES))
    assert run.faults
    assert "Anna" not in repr(run)


async def test_counts_for_a_target_that_is_no_yes_or_no_are_refused():
    document = task(family="gaussian", target="x", features=[{"name": "c", "kind": "coded", "levels": ["a", "b"]}])
    leader = coordinator(SimulatedSites(TABLES, {BAD: only("evaluation", counts(case_first=[1, 1]))}))
    run = await leader.train(document, seats(TABLES))
    assert [(fault.site, fault.code) for fault in run.faults] == [(BAD, "learning.answer_invalid")]


@pytest.mark.parametrize(
    ("family", "step", "behaviour"),
    [
        ("gaussian", "newton", tampered(hessian=[[49.0, 0.0], [0.0, 1.0]])),
        ("poisson", "moments", tampered(target_sum=-1.0)),
    ],
)
async def test_sums_that_no_rows_of_the_family_give(family, step, behaviour):
    document = task(family=family, features=[{"name": "c", "kind": "coded", "levels": ["a", "b"]}])
    leader = coordinator(SimulatedSites(TABLES, {BAD: only(step, behaviour)}))
    run = await leader.train(document, seats(TABLES))
    assert [(fault.site, fault.code) for fault in run.faults] == [(BAD, "learning.answer_invalid")]
