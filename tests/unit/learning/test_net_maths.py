"""Nets by themselves: gradients against finite differences, steps against the textbook, orders and bounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.learning.net.heads import BINARY, OutputHead
from medspace.learning.net.local import TrainingRows, batches, clipped, mean_gradient, passes, trained
from medspace.learning.net.network import Perceptron
from medspace.learning.net.server import AdaptiveMoments, stepped
from medspace.learning.net.task import LocalTraining, ServerStep


def rows(count, width, seed=0, *, balanced=(1.0, 1.0)):
    source = np.random.default_rng(seed)
    target = (source.random(count) < 0.4).astype(float)
    return TrainingRows(source.normal(size=(count, width)), target, np.where(target == 1.0, balanced[1], balanced[0]))


def loss(network, weights, given, l2):
    """Written out row by row, independent of the code under test."""
    total = 0.0
    for x, y, weight in zip(given.columns, given.target, given.counts, strict=True):
        value, start = [float(v) for v in x], 0
        for layer, (inner, outer) in enumerate(zip(network.widths, network.widths[1:], strict=False)):
            matrix, biases = weights[start : start + inner * outer], weights[start + inner * outer :]
            straight = [sum(value[i] * matrix[i * outer + j] for i in range(inner)) + biases[j] for j in range(outer)]
            last = layer == len(network.widths) - 2
            bend = math.tanh if network.activation == "tanh" else (lambda v: max(v, 0.0))
            value = straight if last else [bend(v) for v in straight]
            start += (inner + 1) * outer
        chance = 1.0 / (1.0 + math.exp(-value[0]))
        total -= weight * math.log(chance if y else 1.0 - chance)
    penalty = sum(w * w for w, counts in zip(weights, network.penalised, strict=True) if counts)
    return total / len(given.target) + 0.5 * l2 * penalty


@pytest.mark.parametrize("widths", [(3, 1), (3, 4, 1), (2, 5, 3, 1)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_gradient_is_that_of_finite_differences(widths, activation):
    network, made = Perceptron(widths, activation), rows(12, widths[0], balanced=(0.7, 1.9))
    weights = network.first(5) + 0.05
    found = mean_gradient(network, weights, made, 0.3)
    step = 1e-6
    for place in range(network.size):
        moved = np.zeros(network.size)
        moved[place] = step
        slope = (loss(network, weights + moved, made, 0.3) - loss(network, weights - moved, made, 0.3)) / (2 * step)
        assert found[place] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("head", [BINARY, OutputHead("classes", 4), OutputHead("ordinal", 4)])
def test_chances_losses_and_residuals_of_a_head_belong_together(head):
    source = np.random.default_rng(1)
    logits, labels = source.normal(size=(30, head.outputs)) * 2, source.integers(0, head.classes, 30).astype(float)
    chances = head.chances(logits)
    assert (chances > 0.0).all()
    assert chances.sum(axis=1) == pytest.approx(np.ones(30))
    likely = np.log(chances[np.arange(30), labels.astype(int)])
    assert head.losses(logits, labels) == pytest.approx(-likely)
    for output in range(head.outputs):
        step = np.zeros(head.outputs)
        step[output] = 1e-6
        slope = (head.losses(logits + step, labels) - head.losses(logits - step, labels)) / 2e-6
        assert head.residuals(logits, labels)[:, output] == pytest.approx(slope, abs=1e-8)


def test_chances_and_losses_are_those_of_the_logits():
    logits, target = np.array([-800.0, -2.0, 0.0, 3.0, 800.0]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    found = BINARY.chances(logits[:, None])
    assert found.sum(axis=1) == pytest.approx(np.ones(5))
    assert found[1:4, 1] == pytest.approx([1 / (1 + math.exp(2)), 0.5, 1 / (1 + math.exp(-3))], abs=1e-15)
    assert BINARY.losses(logits[:, None], target) == pytest.approx(
        [0, math.log1p(math.exp(2)), math.log(2), 3.048587, 0]
    )


def test_the_first_weights_follow_from_the_seed_and_lie_within_their_bounds():
    network = Perceptron((10, 6, 1))
    first = network.first(3)
    assert (first == network.first(3)).all()
    assert (first != network.first(4)).any()
    (matrix, biases), (last, _) = network.layers(first)
    assert np.abs(matrix).max() <= math.sqrt(6 / 16)
    assert np.abs(last).max() <= math.sqrt(6 / 7)
    assert not biases.any()
    assert repr(float(first[0])) == "-0.5074740574976796"  # the same on every machine


@given(st.integers(1, 40), st.integers(0, 50), st.integers(1, 4))
def test_an_epoch_takes_every_row_once(count, size, epochs):
    taken = np.concatenate(list(batches(count, LocalTraining(batch=size, epochs=epochs), b"seed")))
    assert sorted(taken.tolist()) == sorted([*range(count)] * epochs)


def test_updates_are_counted_whatever_the_rows():
    how = LocalTraining(batch=4, updates=7)
    assert [len(list(batches(count, how, b"s"))) for count in (1, 5, 400)] == [7, 7, 7]
    orders = [np.concatenate(list(batches(50, LocalTraining(batch=5), seed))).tolist() for seed in (b"a", b"a", b"b")]
    assert orders[0] == orders[1] != orders[2]


@given(st.integers(1, 60), st.integers(0, 50), st.integers(1, 20), st.integers(1, 30))
def test_no_batch_has_fewer_rows_than_a_sum_needs_and_every_pass_is_whole(count, size, updates, least):
    for how in (LocalTraining(batch=size, updates=updates), LocalTraining(batch=size, epochs=2)):
        taken, said = list(batches(count, how, b"seed", least)), passes(count, how, least)
        assert min(map(len, taken)) >= min(least, count)
        assert max(map(len, taken)) - min(map(len, taken)) <= 1
        assert len(set(np.bincount(np.concatenate(taken), minlength=count).tolist())) == 1
        assert len(taken) == said.steps >= (updates if how.updates else 2)


def test_tiny_steps_are_the_gradient_of_all_rows_however_they_are_cut():
    """Each row weighs the same, in a batch of three as in one of four."""
    network, made = Perceptron((4, 1)), rows(31, 4)
    start, rate = network.first(1), 1e-6
    moved = trained(network, start, made, LocalTraining(rate=rate, batch=4), b"s") - start
    whole = mean_gradient(network, start, made, 0.0)
    assert moved / rate == pytest.approx(-8 * whole, rel=1e-4, abs=1e-6)


def test_full_batches_are_gradient_descent():
    network, made = Perceptron((4, 1)), rows(30, 4)
    found = trained(network, np.zeros(5), made, LocalTraining(rate=0.5, batch=0, epochs=3), b"s")
    weights, design = np.zeros(5), np.column_stack([made.columns, np.ones(30)])
    for _ in range(3):
        weights -= 0.5 * design.T @ (1 / (1 + np.exp(-design @ weights)) - made.target) / 30
    assert found == pytest.approx(weights, abs=1e-14)


def test_the_proximal_term_holds_the_weights_back():
    network, made = Perceptron((4, 3, 1)), rows(40, 4)
    start = network.first(0)
    free, held = (
        np.linalg.norm(trained(network, start, made, LocalTraining(0.2, 20, batch=8, proximal=mu), b"s") - start)
        for mu in (0.0, 5.0)
    )
    assert held < 0.5 * free


def test_what_diverges_is_not_finite_and_does_not_raise():
    found = trained(
        Perceptron((4, 3, 1)), Perceptron((4, 3, 1)).first(0) * 1e150, rows(40, 4), LocalTraining(1e200), b"s"
    )
    assert not np.isfinite(found).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.floats(1e-3, 1e3))
def test_a_clipped_change_keeps_its_direction_and_its_bound(values, most):
    change = np.array(values)
    found = clipped(change, most)
    assert np.linalg.norm(found) <= most * (1 + 1e-12) or np.linalg.norm(change) <= most
    assert found @ change >= 0.0


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox", "scaffold", "fedadam", "fedyogi", "fedadagrad"])
def test_the_server_steps_as_published(strategy):
    """Number by number, from the algorithms of Reddi et al. 2021."""
    how = ServerStep(strategy, 0.1, 0.9, 0.99, 1e-3)
    weights, moments = np.array([1.0, -2.0]), AdaptiveMoments(np.zeros(2), np.zeros(2))
    w, m, v = [1.0, -2.0], [0.0, 0.0], [0.0, 0.0]
    for update in ([0.5, -0.1], [-0.2, 0.0], [0.3, 4.0]):
        weights, moments = stepped(how, weights, np.array(update), moments)
        for k, u in enumerate(update):
            m[k] = 0.9 * m[k] + 0.1 * u
            if strategy == "fedadam":
                v[k] = 0.99 * v[k] + 0.01 * u**2
            elif strategy == "fedyogi":
                v[k] -= 0.01 * u**2 * ((v[k] > u**2) - (v[k] < u**2))
            elif strategy == "fedadagrad":
                v[k] += u**2
            adaptive = strategy in ("fedadam", "fedyogi", "fedadagrad")
            w[k] += 0.1 * (m[k] / (math.sqrt(v[k]) + 1e-3) if adaptive else u)
        assert weights == pytest.approx(w, rel=1e-12)
