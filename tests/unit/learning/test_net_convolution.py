"""Convolutional nets: gradients, mirror images, augmentation, against finite differences and by their properties."""

from types import SimpleNamespace

import numpy as np
import pytest

from medspace.core.errors import InvalidInputError
from medspace.core.material import Form
from medspace.learning.glm.design import Layout
from medspace.learning.net import convolution
from medspace.learning.net import images as images_module
from medspace.learning.net.convolution import conv_net
from medspace.learning.net.following import network_of
from medspace.learning.net.heads import OutputHead
from medspace.learning.net.images import Augmentation, ChannelRows, ImageInput
from medspace.learning.net.local import LocalTraining, TrainingRows, trained, varying
from medspace.learning.net.task import MOST_WEIGHTS, most_weights, parse
from medspace.runs.errors import TaskInvalidError
from tests.unit.learning.nets import image_task

ORDINAL = OutputHead("ordinal", 3)
EVERYTHING = Augmentation(flip=True, turn=90.0, zoom=0.1)
pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)


def net(**changes):
    given = {"height": 8, "width": 10, "channels": 2, "filters": (3, 4)} | changes
    return conv_net(ImageInput(**given), (5,), "tanh", ORDINAL)


def images(count, network, seed=0):
    return np.random.default_rng(seed).normal(size=(count, network.images.pixels)).astype(np.float32)


def test_the_gradient_is_that_of_finite_differences():
    network = net(shrink=1)
    weights, rows = network.first(3), images(6, network)
    labels = np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    residuals = network.head.residuals(network.logits(weights, rows), labels)
    found = network.gradient(weights, rows, residuals)

    def loss(at):
        return float(network.head.losses(network.logits(at, rows), labels).sum())

    chance = np.random.default_rng(1)
    for _ in range(10):  # along directions, since single weights move 32-bit numbers too little
        way = chance.normal(size=network.size)
        way /= np.linalg.norm(way)
        slope = (loss(weights + 1e-3 * way) - loss(weights - 1e-3 * way)) / 2e-3
        assert float(found @ way) == pytest.approx(slope, rel=0.03, abs=0.01)


def test_the_shapes_and_first_weights_need_no_pytorch_and_fit_it():
    network = net(shrink=2)
    assert network.first(1).shape == (network.size,) == network.penalised.shape
    assert (network.first(1) == network.first(1)).all()
    assert (network.first(1) != network.first(2)).any()
    assert network.logits(network.first(1), images(3, network)).shape == (3, 2)
    assert network.logits(network.first(1), images(0, network)).shape == (0, 2)


def test_mirror_images_have_the_same_score_where_training_mirrors():
    network = net(augmentation=Augmentation(flip=True))
    weights, rows = network.first(5), images(4, network)
    mirrored = rows.reshape(4, 2, 8, 10)[..., ::-1].reshape(4, -1)
    assert network.scored(weights, mirrored) == pytest.approx(network.scored(weights, rows), abs=1e-6)
    plain = net()
    assert (plain.scored(weights, rows) == plain.logits(weights, rows)).all()


def test_varied_images_follow_from_the_seed_and_keep_what_is_even():
    network = net(augmentation=EVERYTHING)
    rows = images(5, network)
    first, again, other = (network.varied(rows, varying(seed)) for seed in (b"1", b"1", b"2"))
    assert (first == again).all()
    assert (first != other).any()
    assert net().varied(rows, varying(b"1")) is rows
    centre = np.zeros((1, 2, 8, 10), np.float32)
    centre[..., 3:5, 4:6] = 1.0
    turned = network.varied(centre.reshape(1, -1), varying(b"3")).reshape(2, 8, 10)
    assert 2.0 < turned[0].sum() < 6.0


def test_a_flip_alone_only_mirrors():
    network = net(augmentation=Augmentation(flip=True), height=8, width=8)
    rows = images(40, network)
    seen = network.varied(rows, varying(b"f")).reshape(40, 2, 8, 8)
    given = rows.reshape(40, 2, 8, 8)
    views = {"as it is": given, "left": given[..., ::-1], "down": given[:, :, ::-1], "both": given[:, :, ::-1, ::-1]}
    found = [{name for name, view in views.items() if np.allclose(view[k], seen[k], atol=1e-5)} for k in range(40)]
    assert all(len(names) == 1 for names in found)
    assert set().union(*found) == set(views)


def test_training_learns_where_something_bright_is_and_repeats_to_the_bit():
    chance = np.random.default_rng(2)
    labels = np.repeat([0.0, 1.0, 2.0], 20)
    given = chance.normal(scale=0.3, size=(60, 1, 8, 8)).astype(np.float32)
    for place, label in enumerate(labels):
        given[place, 0, 2:6, 2:6] += label
    network = conv_net(ImageInput(8, 8, 1, (4,)), (), "relu", ORDINAL)
    rows = TrainingRows(given.reshape(60, -1), labels, np.ones(60))
    how = LocalTraining(rate=0.05, epochs=15, batch=10, momentum=0.9)
    once, twice = (trained(network, network.first(1), rows, how, b"seed") for _ in range(2))
    assert once.tobytes() == twice.tobytes()
    assert (network.head.chances(network.scored(once, rows.columns)).argmax(axis=1) == labels).mean() > 0.9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": [{"name": "age"}]}, "no other features"),
        ({"images": {"height": 8, "width": 8, "filters": [4, 4, 4, 4]}}, "too small"),
        ({"images": {"height": 8, "width": 8, "filters": [256, 256]}}, "weights"),
        ({"images": {"height": 8, "width": 8, "filters": []}}, "filters"),
        ({"images": {"height": 8, "width": 8, "filters": [4], "augmentation": {"turn": "nan"}}}, "turn"),
        ({"momentum": 1.0}, "momentum"),
    ],
)
def test_a_task_on_images_that_cannot_be_is_refused(changes, words):
    with pytest.raises(TaskInvalidError, match=words):
        parse(image_task(**changes))


def held(shape=(8, 8, 1), count=10, form=Form.IMAGES):
    return SimpleNamespace(form=form, shape=shape, count=count)


@pytest.mark.parametrize(
    ("rows", "most", "words"),
    [
        (held((9, 8, 1)), 640, "9 x 8 x 1"),
        (held((8, 8, 3)), 640, "8 x 8 x 3"),
        (held(count=11), 640, "11 x 8 x 8 x 1"),
        (held(form=Form.TABLE), 640, "this dataset has none"),
    ],
)
def test_images_of_another_size_too_many_or_none_are_refused_before_any_is_looked_at(monkeypatch, rows, most, words):
    monkeypatch.setattr(images_module, "MOST_NUMBERS", most)
    given = ImageInput(8, 8, 1, (4,))
    assert ChannelRows.of(held(), given).count == 10
    with pytest.raises(InvalidInputError, match=words):
        ChannelRows.of(rows, given)


def test_the_canonical_form_is_read_again_as_the_same_task():
    task = parse(image_task(momentum=0.9))
    assert parse(task.document()) == task
    assert most_weights(task) == network_of(task, 0).size <= MOST_WEIGHTS


def test_a_table_task_has_the_digest_it_always_had():
    task = parse({"task": "net", "target": "sick > 0", "features": [{"name": "x"}], "purpose": "p"})
    assert not {"images", "momentum"} & set(task.document())


def test_an_even_channel_is_nothing_to_look_at():
    layout = Layout(fill=(0.5, 0.5), kept=(1,), centre=(0.5,), scale=(0.1,))
    assert layout.suits(parse(image_task(images={"height": 8, "width": 8, "channels": 2, "filters": [4]})).table)


def test_by_the_schedule_the_rate_falls_and_else_stays():
    how = LocalTraining(rate=1.0, schedule="steps")
    assert [how.of_round(number, 20).rate for number in (1, 12, 13, 17, 18, 20)] == [1.0, 1.0, 0.3, 0.3, 0.1, 0.1]
    assert LocalTraining(rate=1.0).of_round(20, 20).rate == 1.0
    assert parse(image_task(schedule="steps")).document()["schedule"] == "steps"


@pytest.mark.parametrize(("present", "where"), [(True, "cuda"), (False, "cpu")])
def test_numbers_lie_on_a_graphics_card_where_there_is_one(monkeypatch, present, where):
    library, asked = convolution.torch(), []
    monkeypatch.setattr(library.cuda, "is_available", lambda: present)
    monkeypatch.setattr(library, "from_numpy", lambda _: SimpleNamespace(to=asked.append))
    convolution.placed(np.zeros(2))
    assert asked == [where]
