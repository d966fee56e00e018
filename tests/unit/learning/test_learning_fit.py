"""The federated fit is the pooled fit: against statsmodels and scipy, on real hospitals and on made-up rows."""

import numpy as np
import pytest
import scipy.optimize
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.learning.glm import fit as fitting
from medspace.learning.glm import maths
from medspace.learning.glm.design import design, sample
from medspace.learning.glm.errors import SingularError
from medspace.learning.glm.model import FitPhase
from medspace.learning.glm.outcome import read
from medspace.learning.glm.task import parse
from tests.unit.learning import hearts, reweighted
from tests.unit.learning.simulated import (
    EXACT,
    SimulatedSites,
    TableRows,
    coefficients,
    coordinator,
    fitted,
    seats,
    split,
)

FAMILIES = {
    "binomial": sm.families.Binomial,
    "gaussian": sm.families.Gaussian,
    "poisson": sm.families.Poisson,
}
SUBSET = ("age", "sex", "cp", "trestbps", "thalach", "exang", "oldpeak")
TARGETS = {"binomial": "num > 0", "gaussian": "chol", "poisson": "num"}


def rows_of(columns):
    count = len(next(iter(columns.values())))
    return TableRows(columns, count)


def heart_task(family, names=SUBSET, **changes):
    features = [
        {"name": name, "kind": "coded", "levels": hearts.CODED[name]} if name in hearts.CODED else {"name": name}
        for name in names
    ]
    return hearts.task(family=family, target=TARGETS[family], features=features, **changes)


def by_hand(task, columns):
    """Value columns (NaN where missing), which column is of which feature, and the target; not by the room's code."""
    blocks, owner = [], []
    for place, feature in enumerate(task.features):
        values = columns[feature.name]
        if feature.coded:
            blocks += [
                [np.nan if value is None else float(value == level) for value in values]
                for level in feature.levels[1:]
            ]
            owner += [place] * (len(feature.levels) - 1)
        else:
            blocks.append(values)
            owner.append(place)
    target = np.array(columns[task.target.column])
    if task.target.binary:
        target = np.where(np.isnan(target), np.nan, target > 0)
    return np.array(blocks, dtype=float).T, np.array(owner), target


def completed(task, columns):
    """The pooled design with filled gaps and indicators, standardised as the task says it; not by the room's code."""
    values, owner, target = by_hand(task, columns)
    values, target = values[~np.isnan(target)], target[~np.isnan(target)]
    mean, deviation = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    first = [np.flatnonzero(owner == place)[0] for place in range(len(task.features))]
    flags = np.isnan(values)[:, first].astype(float)
    flags = flags[:, flags.any(axis=0)]
    filled = (np.where(np.isnan(values), mean, values) - mean) / deviation
    return np.column_stack([np.ones(len(target)), filled, (flags - flags.mean(axis=0)) / flags.std(axis=0)]), target


@pytest.mark.parametrize("family", ["binomial", "gaussian", "poisson"])
@pytest.mark.parametrize("standardise", [True, False])
async def test_four_hospitals_equal_the_pooled_fit_of_statsmodels(family, standardise):
    tables = hearts.hospitals()
    document = heart_task(family, missing="drop", standardise=standardise)
    model = await fitted(document, tables, EXACT)
    values, _, target = by_hand(parse(document), hearts.pooled(tables))
    usable = ~np.isnan(values).any(axis=1) & ~np.isnan(target)
    oracle = sm.GLM(target[usable], sm.add_constant(values[usable]), family=FAMILIES[family]())
    oracle = oracle.fit(tol=1e-14, maxiter=100)
    assert np.abs(coefficients(model) - oracle.params).max() <= 1e-8
    errors = np.array([float(term.standard_error) for term in read(model).terms])
    assert errors == pytest.approx(oracle.bse, rel=1e-5)
    assert float(read(model).deviance) == pytest.approx(oracle.deviance, rel=1e-9)
    assert model.rows == usable.sum()
    assert model.rounds <= 10


SLOPES = {
    "binomial": lambda eta: 1.0 / (1.0 + np.exp(-eta)),
    "gaussian": lambda eta: eta,
    "poisson": np.exp,
}


@pytest.mark.parametrize("family", ["binomial", "gaussian", "poisson"])
async def test_penalty_and_missing_values_equal_an_independent_solver_on_the_pooled_rows(family):
    names = [name for name in hearts.FIELDS[:-1] if name != TARGETS[family]]
    document = heart_task(family, names, l2=2.5)
    tables = hearts.hospitals()
    model = await fitted(document, tables, EXACT)
    matrix, target = completed(parse(document), hearts.pooled(tables))
    penalty = np.full(matrix.shape[1], 2.5)
    penalty[0] = 0.0

    def downhill(beta):
        return matrix.T @ (SLOPES[family](matrix @ beta) - target) + penalty * beta

    start = np.zeros(matrix.shape[1])
    start[0] = {"binomial": 0.0, "gaussian": target.mean(), "poisson": np.log(target.mean())}[family]
    oracle = scipy.optimize.root(downhill, start, tol=1e-13)
    assert np.abs(downhill(oracle.x)).max() < 1e-7
    used = [term for term in read(model).terms if term.standard_error is not None]
    on_scale = np.array([float(term.coefficient) * float(term.scale) for term in used[1:]])
    assert np.abs(on_scale - oracle.x[1:]).max() <= 1e-8
    shift = sum(float(term.coefficient) * float(term.mean) for term in used[1:])
    assert float(used[0].coefficient) + shift == pytest.approx(oracle.x[0], abs=1e-8)
    assert model.rounds <= 10


@pytest.mark.parametrize("family", ["binomial", "gaussian", "poisson"])
@pytest.mark.parametrize("changes", [{"l2": 2.5}, {"l2": 40.0, "standardise": False}, {"missing": "drop"}])
async def test_four_hospitals_equal_reweighted_least_squares_on_the_pooled_rows(family, changes):
    names = [name for name in (SUBSET if "missing" in changes else hearts.FIELDS[:-1]) if name != TARGETS[family]]
    document = heart_task(family, names, **changes)
    tables = hearts.hospitals()
    model = await fitted({**document, "max_rounds": 40}, tables, EXACT)
    found = reweighted.coefficients(parse(document), [rows_of(columns) for columns in tables.values()])
    ours = {term.name: float(term.coefficient) for term in read(model).terms if term.standard_error is not None}
    assert ours == pytest.approx(found, abs=1e-8)


def table(seed, count):
    source = np.random.default_rng(seed)
    age = source.normal(60.0, 10.0, count)
    dose = np.where(source.random(count) < 0.2, np.nan, source.gamma(2.0, 3.0, count))
    stage = source.choice(["I", "II", "III"], count)
    eta = 0.05 * (age - 60.0) + 0.1 * np.nan_to_num(dose) + (stage == "III") - 0.8
    return {
        "age": age.tolist(),
        "dose": dose.tolist(),
        "stage": [None if source.random() < 0.1 else str(value) for value in stage],
        "binomial": (source.random(count) < 1.0 / (1.0 + np.exp(-eta))).astype(float).tolist(),
        "gaussian": (eta + source.normal(size=count)).tolist(),
        "poisson": source.poisson(np.exp(0.3 * eta)).astype(float).tolist(),
    }


def table_task(family, **changes):
    return {
        "family": family,
        "target": family,
        "features": [
            {"name": "age"},
            {"name": "dose"},
            {"name": "stage", "kind": "coded", "levels": ["I", "II", "III"]},
        ],
        "purpose": "research",
        "min_sites": 1,
        **changes,
    }


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    sites=st.integers(1, 12),
    family=st.sampled_from(sorted(FAMILIES)),
    l2=st.sampled_from([0.0, 1.0]),
    missing=st.sampled_from(["indicator+mean", "drop"]),
)
def test_any_split_over_any_number_of_sites_gives_the_same_model(seed, sites, family, l2, missing):
    columns = table(seed, 300)
    task = parse(table_task(family, l2=l2, missing=missing))
    alone = pure_fit(task, {"one": columns})
    dealt = split(columns, np.random.default_rng(seed).integers(0, sites, 300).tolist())
    together = pure_fit(task, dealt)
    assert together == pytest.approx(alone, abs=1e-10, rel=1e-10)


def pure_fit(task, tables):
    """Coefficients on the original scale, by the room's pure functions without a coordinator."""
    samples = [sample(task, rows_of(columns)).fitted for columns in tables.values()]
    total = sum_of(maths.moments(task, part) for part in samples)
    fit = fitting.after_moments(task, total, ())
    for _ in range(30):
        matrices = [design(task, fit.layout, part.values) for part in samples]
        beta = np.array(fit.beta)
        sums = (maths.curvature(task.family, m, s.target, m @ beta) for m, s in zip(matrices, samples, strict=True))
        fit = fitting.after_newton(task, fit, sum_of(sums))
        if fit.phase is FitPhase.EVALUATION:
            break
    assert fit.phase is FitPhase.EVALUATION
    return maths.original_scale(task, fit.layout, np.array(fit.beta), np.array(fit.covariance))[0]


def sum_of(parts):
    total = None
    for part in parts:
        total = part if total is None else total + part
    return total


def test_rows_that_fit_perfectly_converge():
    columns = {"x": [float(value) for value in range(50)], "y": [3.0 * value - 7.0 for value in range(50)]}
    for intercept, features in ((True, ["x"]), (False, ["x", "one"])):
        document = {"family": "gaussian", "target": "y", "features": [{"name": name} for name in features]}
        task = parse({**document, "purpose": "p", "intercept": intercept, "standardise": False})
        found = pure_fit(task, {"one": {**columns, "one": [1.0] * 50}})
        assert sorted(found) == pytest.approx([-7.0, 3.0], abs=1e-10)


async def test_the_penalty_may_be_on_the_original_scale():
    columns = table(11, 200)
    document = table_task("gaussian", l2=30.0, standardise=False, missing="drop")
    found = pure_fit(parse(document), split(columns, [row % 3 for row in range(200)]))
    values, _, target = by_hand(parse(document), columns)
    usable = ~np.isnan(values).any(axis=1)
    matrix = sm.add_constant(values[usable])
    ridge = np.diag([0.0, *[30.0] * values.shape[1]])
    assert found == pytest.approx(np.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ target[usable]), abs=1e-9)
    assert list(reweighted.coefficients(parse(document), [rows_of(columns)]).values()) == pytest.approx(
        found, abs=1e-9
    )


async def test_a_column_that_nowhere_varies_has_no_coefficient():
    columns = {**table(1, 200), "site": [7.25] * 200}
    document = table_task("binomial")
    document["features"].append({"name": "site"})
    model = await fitted(document, {"did:web:a": columns})
    term = next(term for term in read(model).terms if term.name == "site")
    assert (term.coefficient, term.standard_error) == ("0.0", None)


def test_columns_that_explain_each_other_are_named_singular():
    columns = table(3, 120)
    columns["twin"] = [2.0 * value + 1.0 for value in columns["age"]]
    document = table_task("gaussian")
    document["features"].append({"name": "twin"})
    with pytest.raises(SingularError):
        pure_fit(parse(document), {"one": columns})
    document["l2"] = 0.5
    assert np.isfinite(pure_fit(parse(document), {"one": columns})).all()


def test_a_step_too_far_is_halved_until_the_objective_falls():
    # A huge count far out: from zero the first Poisson step overshoots by orders of magnitude.
    columns = {"x": [0.0] * 50 + [1.0], "y": [1.0] * 50 + [1e6]}
    task = parse(
        {"family": "poisson", "target": "y", "features": [{"name": "x"}], "purpose": "p", "standardise": False}
    )
    part = sample(task, rows_of(columns)).fitted
    total = maths.moments(task, part)
    fit = fitting.after_moments(task, total, ())
    fit = fitting.replace(fit, beta=(0.0, 0.0), base=(0.0, 0.0))
    matrix, halved = design(task, fit.layout, part.values), 0
    for _ in range(100):
        after = fitting.after_newton(
            task, fit, maths.curvature("poisson", matrix, part.target, matrix @ np.array(fit.beta))
        )
        halved += after.base == fit.base and after.objective == fit.objective
        fit = after
        if fit.phase is FitPhase.EVALUATION:
            break
    assert halved > 0
    assert fit.phase is FitPhase.EVALUATION
    found, _ = maths.original_scale(task, fit.layout, np.array(fit.beta), np.array(fit.covariance))
    assert found == pytest.approx((0.0, np.log(1e6)), abs=1e-7)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_gradient_and_hessian_are_the_derivatives_of_the_deviance(family):
    source = np.random.default_rng(5)
    matrix, beta = source.normal(size=(40, 3)), source.normal(size=3)
    target = {"binomial": source.integers(0, 2, 40), "gaussian": source.normal(size=40)}.get(
        family, source.integers(0, 9, 40)
    )
    target = target.astype(float)
    total = maths.curvature(family, matrix, target, matrix @ beta)

    def half(value):
        return maths.deviance(family, matrix @ value, target) / 2.0

    slope = scipy.optimize.approx_fprime(beta, half, 1e-6)
    assert -total.gradient == pytest.approx(slope, rel=1e-3, abs=1e-3)
    bend = np.array(
        [maths.curvature(family, matrix, target, matrix @ (beta + step)).gradient for step in np.eye(3) * 1e-6]
    )
    assert (total.gradient - bend) / 1e-6 == pytest.approx(total.hessian, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_extreme_predictors_stay_finite(family):
    matrix = np.array([[1e6], [-1e6], [800.0], [0.0]])
    total = maths.curvature(family, matrix, np.array([0.0, 1.0, 1.0, 1.0]), matrix[:, 0])
    assert np.isfinite(total.deviance)
    assert np.isfinite(total.gradient).all()
    assert np.isfinite(total.hessian).all()


async def test_holding_rows_out_fits_on_the_others_and_measures_on_them():
    columns = table(8, 400)
    model = await fitted(table_task("binomial", evaluation={"holdout": 0.3}), {"did:web:a": columns})
    assert read(model).measured_on == "held-out rows"
    assert 250 < model.rows < 310
    assert read(model).pooled.rows + model.rows == 400


STRONG = {
    "one strong column": (3000, 0.0, (5.0, 0.0), 0.0),
    "columns that nearly say the same": (3000, 0.99, (0.5, 0.5), 0.0),
    "what differs between such columns": (3000, 0.99, (10.6, -10.6), 0.0),
    "the same with a penalty": (3000, 0.99, (10.6, -10.6), 1.0),
}


@pytest.mark.parametrize("case", STRONG)
async def test_columns_that_foretell_much_or_resemble_each_other_are_fitted_all_the_same(case):
    count, resemblance, slopes, l2 = STRONG[case]
    source = np.random.default_rng(11)
    one, own = source.normal(size=(2, count))
    matrix = np.column_stack([one, resemblance * one + np.sqrt(1.0 - resemblance**2) * own])
    target = (source.random(count) < 1.0 / (1.0 + np.exp(-matrix @ slopes))).astype(float)
    tables = split({"a": matrix[:, 0], "b": matrix[:, 1], "y": target}, source.integers(0, 3, count))
    document = {
        "family": "binomial",
        "target": "y",
        "features": [{"name": "a"}, {"name": "b"}],
        "purpose": "research",
    }
    model = await fitted(document | {"missing": "drop", "l2": l2, "standardise": False}, tables, least=10)
    weighed = np.column_stack([np.ones(count), matrix])

    def objective(beta):
        eta = weighed @ beta
        return np.logaddexp(0.0, eta).sum() - target @ eta + l2 * (beta[1:] @ beta[1:]) / 2.0

    def slope(beta):
        chance = 1.0 / (1.0 + np.exp(-weighed @ beta))
        return weighed.T @ (chance - target) + l2 * np.array([0.0, *beta[1:]])

    best = scipy.optimize.minimize(objective, np.zeros(3), jac=slope, tol=1e-12).x
    np.testing.assert_allclose(coefficients(model), best, atol=1e-4)
    assert model.rounds <= 12


async def test_a_sign_that_all_who_bear_it_are_cases_is_named_after_few_rounds():
    source = np.random.default_rng(12)
    sign = (source.random(3000) < 0.02).astype(float)
    target = np.where(sign == 1.0, 1.0, (source.random(3000) < 0.2).astype(float))
    columns = {"sign": sign, "other": source.normal(size=3000), "y": target}
    sites = SimulatedSites(split(columns, source.integers(0, 3, 3000)), least=10)
    document = {"family": "binomial", "target": "y", "features": [{"name": "sign"}, {"name": "other"}]}
    run = await coordinator(sites).train(document | {"purpose": "research"}, seats(sites.tables))
    assert run.failure.code == "learning.separated"
    assert max(number for _, number, _ in sites.asked) <= 12


async def test_coefficients_beyond_the_ranges_are_said_with_what_to_do():
    source = np.random.default_rng(13)
    one, own = source.normal(size=(2, 3000))
    other = one + 0.03 * own
    target = (source.random(3000) < 1.0 / (1.0 + np.exp(-1.5 * own))).astype(float)
    sites = SimulatedSites(split({"a": one, "b": other, "y": target}, source.integers(0, 3, 3000)), least=10)
    document = {
        "family": "binomial",
        "target": "y",
        "features": [{"name": "a"}, {"name": "b"}],
        "purpose": "research",
    }
    run = await coordinator(sites).train(document, seats(sites.tables))
    said = str(run.failure.text)
    assert "goes beyond what the ranges" in said
    assert "columns are nearly collinear" in said
