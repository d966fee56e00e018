"""Ditto and local normalisation: against other optimisers and scalers, and by what they are for."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from medspace.learning.glm.task import FeatureColumn, Target
from medspace.learning.using.adapting import PULLS, LocalRows, adaptation, adapted, best_pull, compared, ways
from medspace.learning.using.errors import NotNormalisedError
from medspace.learning.using.normalising import COUNTED, normalised
from medspace.learning.using.pipeline import Pipeline
from medspace.learning.using.retraining import held

SOURCE = np.random.default_rng(11)
CENTRE, SCALE = np.array([50.0, 3.0]), np.array([12.0, 0.5])
LINEAR = ((np.array([[0.9], [-0.6]]), np.array([-0.2])),)
NET = tuple(
    (SOURCE.normal(size=(inner, outer)), SOURCE.normal(size=outer) * 0.3) for inner, outer in ((2, 3), (3, 1))
)


def model(layers=LINEAR, centre=CENTRE, scale=SCALE):
    return Pipeline(
        target=Target("sick", ">", 0.0),
        features=(FeatureColumn("age"), FeatureColumn("potassium")),
        outputs=("chance",),
        head="logistic",
        fill=centre,
        kept=(0, 1),
        centre=centre,
        scale=scale,
        layers=layers,
        drops=True,
        activation="tanh",
    )


def rows(count=200, seed=1, slopes=(0.9, -0.6), constant=-0.2):
    """Rows on the scale of the federation, with outcomes of a linear model of these numbers."""
    source = np.random.default_rng(seed)
    columns = source.normal(size=(count, 2))
    chances = 1.0 / (1.0 + np.exp(-(columns @ np.array(slopes) + constant)))
    return LocalRows(columns * SCALE + CENTRE, (source.random(count) < chances).astype(float), np.arange(count))


def objective(shared, own, pull):
    """Ditto's, written down anew: of all weights for columns that scikit-learn has scaled, and those of the model."""
    scaler = StandardScaler().fit(own.values)
    columns = scaler.transform(own.values)
    (first, constant), *others = shared.layers
    steep = first / shared.scale[:, None]
    start = [(steep * scaler.scale_[:, None], constant + (scaler.mean_ - shared.centre) @ steep), *others]
    shapes = [part.shape for layer in start for part in layer]
    flat = np.concatenate([part.ravel() for layer in start for part in layer])

    def odds(weights):
        cuts = np.split(weights, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1])
        parts = [cut.reshape(shape) for cut, shape in zip(cuts, shapes, strict=True)]
        now = columns
        for place in range(0, len(parts), 2):
            now = now @ parts[place] + parts[place + 1]
            now = np.tanh(now) if place < len(parts) - 2 else now
        return now[:, 0]

    def value(weights):
        signs = 2.0 * own.target - 1.0
        return np.logaddexp(0.0, -signs * odds(weights)).mean() + pull / 2.0 * np.sum((weights - flat) ** 2)

    return value, odds, flat


@pytest.mark.parametrize("layers", [LINEAR, NET], ids=["linear", "net"])
@pytest.mark.parametrize("pull", PULLS)
def test_ditto_is_where_scipy_finds_its_objective_least(layers, pull):
    shared, own = model(layers), rows(slopes=(-0.4, 1.1), constant=1.0)
    value, odds, start = objective(shared, own, pull)
    oracle = minimize(value, start, method="BFGS", options={"gtol": 1e-7})
    found = held(shared, own.values, own.target, pull)
    again, _, ours = objective(found, own, pull)
    assert again(ours) == pytest.approx(value(ours) - pull / 2.0 * np.sum((ours - start) ** 2))  # the same numbers
    assert value(ours) <= oracle.fun + 1e-9
    np.testing.assert_allclose(found.linear(own.values)[:, 0], odds(oracle.x), atol=2e-3)
    assert value(ours) < value(start)


def test_ditto_goes_from_the_shared_model_to_that_of_these_rows_alone():
    own = rows(400, slopes=(-0.4, 1.1), constant=1.0)
    alone = sm.Logit(own.target, sm.add_constant(own.values)).fit(disp=0)
    free, tight = held(model(), own.values, own.target, 1e-9), held(model(), own.values, own.target, 1e9)
    np.testing.assert_allclose(free.linear(own.values)[:, 0], alone.predict(which="linear"), atol=1e-4)
    np.testing.assert_allclose(tight.linear(own.values), model().linear(own.values), atol=1e-6)


def test_ditto_does_not_depend_on_units():
    own = rows(slopes=(-0.4, 1.1))
    units = np.array([1000.0, 0.01])
    other = model(centre=CENTRE * units, scale=SCALE * units)
    found, same = held(model(), own.values, own.target, 0.1), held(other, own.values * units, own.target, 0.1)
    np.testing.assert_allclose(same.score(own.values * units), found.score(own.values), atol=1e-7)


def test_ditto_holds_more_where_the_shared_model_is_right():
    right = [best_pull(model(), rows(60, seed)) for seed in range(8)]
    wrong = [best_pull(model(), rows(600, seed, slopes=(-2.0, 2.0))) for seed in range(8)]
    assert np.mean(np.log10(right)) > np.mean(np.log10(wrong)) + 0.5
    assert set(wrong) == {min(PULLS)}


def test_normalising_mixes_these_rows_with_the_federation():
    own = LocalRows(rows().values * 2.0 + 7.0, rows().target, np.arange(200))
    found, scaler = normalised(model(), own.values), StandardScaler().fit(own.values)
    share = 200 / (200 + COUNTED)
    np.testing.assert_allclose(found.centre, share * scaler.mean_ + (1 - share) * CENTRE)
    np.testing.assert_allclose(found.scale**2, share * scaler.var_ + (1 - share) * SCALE**2)
    assert found.layers == model().layers
    many = normalised(model(), np.tile(own.values, (500, 1)))
    np.testing.assert_allclose(many.scale, scaler.scale_, rtol=1e-3)


@pytest.mark.parametrize("layers", [LINEAR, NET], ids=["linear", "net"])
def test_normalising_mends_another_device(layers):
    """An analyser that tells half as much again, and spreads one column more: what was learned holds on ranks."""
    here, others = rows(400, 3), rows(400, 4)
    odds = [model(layers).linear(one.values)[:, 0] for one in (here, others)]
    sick = [(np.random.default_rng(5).random(400) < 1.0 / (1.0 + np.exp(-one))).astype(float) for one in odds]
    device = np.array([1.0, 4.0]), np.array([30.0, -5.0])
    here, others = (
        LocalRows(one.values * device[0] + device[1], target, one.persons)
        for one, target in zip((here, others), sick, strict=True)
    )
    before = roc_auc_score(others.target, model(layers).score(others.values)[:, 0])
    after = roc_auc_score(others.target, adapted(model(layers), here, "normalised").score(others.values)[:, 0])
    assert after > before + 0.03
    assert after > roc_auc_score(sick[1], odds[1]) - 0.02


def test_a_column_that_is_constant_here_breaks_nothing():
    own = rows()
    own.values[:, 1] = CENTRE[1]
    found = adapted(model(), own, "normalised")
    assert found.scale[1] == pytest.approx(SCALE[1] * np.sqrt(COUNTED / (200 + COUNTED)))
    assert np.isfinite(found.score(rows(seed=2).values)).all()
    still = held(model(), own.values, own.target, 0.01)
    assert still.layers[0][0][1, 0] == pytest.approx(LINEAR[0][0][1, 0])  # nothing here says anything of it


def test_a_model_for_columns_as_measured_has_nothing_to_normalise():
    plain = model(centre=np.zeros(2), scale=np.ones(2))
    assert "normalised" not in ways(plain)
    assert "normalised" in ways(model())
    with pytest.raises(NotNormalisedError):
        adapted(plain, rows(), "normalised")


def test_all_ways_are_compared_with_the_untouched_model_and_the_best_is_taken():
    own = rows(120, slopes=(-0.4, 1.1), constant=1.0)
    found = adaptation(model(), own, apart=4, seed=0)
    assert set(found.compared) == set(ways(model()))
    assert found.compared[found.how] == min(found.compared.values())
    assert found.after.loss < found.before.loss
    ditto = adaptation(model(), own, apart=4, seed=0, how="ditto")
    assert ditto.pull in PULLS
    assert ditto.compared == {}


def test_what_is_compared_follows_from_rows_and_seed():
    own = rows(60)
    assert compared(model(NET), own, 3) == compared(model(NET), own, 3)
