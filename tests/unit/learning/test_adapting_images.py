"""Nets for images adapted to the images of one place: Ditto against another optimiser, and that the choice helps."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from medspace.learning.net.local import LocalTraining, TrainingRows, mean_gradient, trained
from medspace.learning.using.adapting import WAYS, LocalRows, adaptation, adapted, quality, ways
from medspace.learning.using.errors import WayMissingError
from medspace.learning.using.normalising import normalised
from medspace.learning.using.retraining import AT_ONCE, held, trainable
from tests.unit.learning.image_models import made, photographs

pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
SIDE = 8


def spots(count, seed, *, classes=2, dark=0, share=None):
    """Images with a brighter square the higher their class; `dark` is how much less light this camera sees."""
    source = np.random.default_rng(seed)
    labels = source.choice(classes, count, p=share)
    images = source.normal(110 - dark, 18, (count, SIDE, SIDE, 1))
    images[:, 2:6, 2:6] += 22.0 * labels[:, None, None, None]
    return LocalRows(np.clip(images, 0, 255).astype(np.uint8), labels.astype(float), np.arange(count))


def learned(head):
    """A net of the federation, which has seen the bright camera alone."""
    start = made("blocks", head, height=SIDE, width=SIDE, channels=1, kept=(0,), flip=False)
    model = replace(start, centre=np.array([0.45]), scale=np.array([0.04]))
    rows = spots(150, 1, classes=start.network.head.classes)
    given = TrainingRows(model.arranged(rows.values), rows.target, np.ones(150))
    how = LocalTraining(rate=0.02, epochs=12, batch=15, momentum=0.9)
    return model.with_weights(trained(model.network, model.network.first(4), given, how, b"seed"))


@pytest.fixture(scope="module", params=["logistic", "ordinal"])
def model(request):
    return learned(request.param)


def here(model, count, seed):
    """The clinic that joins: a darker camera and other shares."""
    shares = {2: (0.2, 0.8), 3: (0.1, 0.3, 0.6)}[model.network.head.classes]
    return spots(count, seed, classes=model.network.head.classes, dark=12, share=shares)


def test_every_way_predicts_better_here(model):
    own, others = here(model, 120, 2), here(model, 120, 3)
    before = quality(model, others)
    given = model.weights.tobytes()
    for how in ways(model)[1:]:
        assert quality(adapted(model, own, how), others).loss < before.loss, how
    assert model.weights.tobytes() == given


def test_a_last_layer_alone_is_trained_on_for_yes_or_no(model):
    if model.head == "logistic":
        assert ways(model) == WAYS
        return
    assert "head" not in ways(model)
    with pytest.raises(WayMissingError):
        adapted(model, here(model, 30, 2), "head")


def test_ditto_comes_as_far_as_another_optimiser(model):
    own, pull = here(model, 80, 2), 0.1
    given = trainable(model, own.values, own.target)
    shared = given.weights

    def objective(weights):
        loss, slope = given.measured(weights)
        return loss + pull / 2 * np.square(weights - shared).sum(), slope + pull * (weights - shared)

    theirs = minimize(objective, shared, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    found = held(model, own.values, own.target, pull).weights
    start, ours = objective(shared)[0], objective(found)[0]
    assert start - ours > 0.9 * (start - theirs.fun) > 0.0


def test_the_stronger_ditto_holds_the_nearer_it_stays(model):
    own = here(model, 60, 2)
    far = [
        np.linalg.norm(held(model, own.values, own.target, pull).weights - model.weights) for pull in (100, 1, 0.01)
    ]
    assert 0.0 < far[0] < far[1] < far[2]


def test_a_slope_over_many_images_is_that_of_all_of_them(model):
    own = here(model, AT_ONCE + 30, 2)
    loss, slope = trainable(model, own.values, own.target).measured(model.weights)
    rows = TrainingRows(model.arranged(own.values), own.target, np.ones(len(own.target)))
    assert slope == pytest.approx(mean_gradient(model.network, model.weights, rows, 0.0), abs=1e-5)
    assert loss == pytest.approx(quality(model, own).loss, abs=1e-5)


def test_normalised_channels_are_those_of_this_camera():
    """A camera that is as much darker as the centre is, for so many images that the federation's hardly count."""
    model, own = learned("logistic"), spots(2000, 2, dark=30)
    found = normalised(model, own.values)
    means = own.values.mean(axis=(1, 2, 3)) / 255.0
    assert found.centre[0] == pytest.approx(means.mean(), rel=0.02)
    assert found.scale[0] == pytest.approx(means.std(), rel=0.05)


def test_what_is_chosen_is_reported_on_images_set_apart(model):
    found = adaptation(model, here(model, 60, 5), apart=4, seed=1)
    assert set(found.compared) == set(ways(model))
    assert found.how == min(found.compared, key=found.compared.get) != "untouched"
    assert found.after.loss < found.before.loss
    assert (found.after.rows, found.rows) == (15, 60)
    assert (found.pull is None) is (found.how != "ditto")


def test_quality_is_scikit_learn_s(model):
    own = here(model, 80, 6)
    found, chances = quality(model, own), model.score(own.values)
    if model.head == "logistic":
        assert found.auc == roc_auc_score(own.target, chances[:, 0])
        assert found.brier == pytest.approx(brier_score_loss(own.target, chances[:, 0]))
    else:
        assert found.auc == pytest.approx(roc_auc_score(own.target, chances, multi_class="ovr"))
        assert found.brier == pytest.approx(np.square(np.eye(3)[own.target.astype(int)] - chances).sum(axis=1).mean())
        assert found.cases == (own.target > 0).sum()
    assert found.loss == pytest.approx(log_loss(own.target, chances if model.head == "ordinal" else chances[:, 0]))


def test_with_mirror_images_and_hidden_layers_the_last_layer_sees_what_the_score_is_made_of():
    model = made("blocks", "logistic", layers=(6,), activation="tanh")
    images = photographs(model, 30)
    (matrix, constant), inner = model.layers[-1], model.inner(images)
    assert inner @ matrix + constant == pytest.approx(model.linear(images), abs=1e-5)
