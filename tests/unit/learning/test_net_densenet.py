"""A small DenseNet: sizes and first weights without MONAI, and as MONAI has it; trained, and what is refused."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.learning.net.convolution import conv_net
from medspace.learning.net.densenet import DenseBlocks, built
from medspace.learning.net.errors import MonaiMissingError
from medspace.learning.net.following import network_of
from medspace.learning.net.heads import OutputHead
from medspace.learning.net.images import ImageInput
from medspace.learning.net.local import LocalTraining, TrainingRows, trained
from medspace.learning.net.task import MOST_WEIGHTS, most_weights, parse
from medspace.runs.errors import TaskInvalidError
from tests.examples import most
from tests.unit.learning.nets import DENSENET, densenet_task, image_task

ORDINAL = OutputHead("ordinal", 3)


def net(blocks=None, side=16, channels=1, **given):
    return conv_net(ImageInput(side, side, channels, (), dense=blocks or DenseBlocks(4, 3, (2, 1), 2)), **given)


@pytest.fixture
def nets():
    return pytest.importorskip(
        "monai.networks.nets", reason="the extra imaging is not installed", exc_type=ImportError
    )


BLOCKS = st.builds(
    DenseBlocks,
    st.integers(2, 12),
    st.integers(2, 9),
    st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple),
    st.integers(1, 4),
)


@settings(max_examples=most(15), deadline=None)
@given(BLOCKS, st.integers(1, 4), st.integers(2, 5))
def test_sizes_names_and_order_are_monai_s(blocks, channels, classes):
    torch = pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
    nets = pytest.importorskip(
        "monai.networks.nets", reason="the extra imaging is not installed", exc_type=ImportError
    )
    ours = net(blocks, 40, channels, layers=(), activation="relu", head=OutputHead("classes", classes))
    with torch.device("meta"):
        theirs = nets.DenseNet(
            2,
            channels,
            classes,
            init_features=blocks.init_features,
            growth_rate=blocks.growth_rate,
            block_config=blocks.blocks,
            bn_size=blocks.bn_size,
            norm=("group", {"num_groups": 1}),
        )
    state = {name: tuple(array.shape) for name, array in theirs.state_dict().items()}
    assert [(one.name, one.shape) for one in ours.images.arrays] == list(state.items())[:-2]
    assert ours.size == sum(array.numel() for array in theirs.parameters())  # so nothing else is remembered either


def test_how_many_pixels_are_left_is_what_monai_leaves(nets):
    torch = pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
    for blocks in ((1,), (1, 1), (1, 1, 1)):
        shape = DenseBlocks(2, 2, blocks, 1)
        theirs = built(shape, 1).to_empty(device="cpu")
        for side in range(1, 40):
            if shape.left(side):
                assert theirs(torch.zeros(1, 1, side, side)).shape[-1] == shape.left(side), (blocks, side)


def test_without_pytorch_and_monai_a_task_is_followed():
    program = (
        "import sys; sys.modules['torch'] = sys.modules['monai'] = None\n"
        "from medspace.learning.net.following import network_of\n"
        "from medspace.learning.net.task import parse\n"
        "from tests.unit.learning.nets import densenet_task\n"
        "net = network_of(parse(densenet_task()), 0)\n"
        "print(net.size, float(net.first(3).sum()))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    here = network_of(parse(densenet_task()), 0)
    assert told == [str(here.size), str(float(here.first(3).sum()))]


def test_first_weights_follow_from_the_seed_with_gains_of_one_and_no_bias():
    network = net(layers=(), activation="relu", head=ORDINAL)
    first, start = network.first(3), 0
    assert (first == network.first(3)).all()
    assert (first != network.first(4)).any()
    for one in network.images.arrays:
        part, start = first[start : start + one.size], start + one.size
        if one.role == "kernels":
            assert 0.0 < np.abs(part).max() <= one.limit
        else:
            assert (part == {"gains": 1.0, "biases": 0.0}[one.role]).all()
    ruled = network.penalised[: network.images.convolved].sum()
    assert ruled == sum(one.size for one in network.images.arrays if one.role == "kernels")


def test_the_gradient_is_that_of_finite_differences(nets):
    network = net(layers=(5,), activation="tanh", head=ORDINAL)
    weights, chance = network.first(3), np.random.default_rng(1)
    rows, labels = chance.normal(size=(6, 256)).astype(np.float32), np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    found = network.gradient(weights, rows, network.head.residuals(network.logits(weights, rows), labels))

    def loss(at):
        return float(network.head.losses(network.logits(at, rows), labels).sum())

    for _ in range(6):
        way = chance.normal(size=network.size)
        way /= np.linalg.norm(way)
        slope = (loss(weights + 1e-3 * way) - loss(weights - 1e-3 * way)) / 2e-3
        assert float(found @ way) == pytest.approx(slope, rel=0.03, abs=0.01)


def test_it_looks_at_each_image_by_itself(nets):
    """No statistics of a batch: the logits of an image do not depend on the images beside it."""
    network = net(layers=(), activation="relu", head=ORDINAL)
    rows = np.random.default_rng(1).normal(size=(5, 256)).astype(np.float32)
    alone = np.concatenate([network.logits(network.first(1), rows[place : place + 1]) for place in range(5)])
    assert network.logits(network.first(1), rows) == pytest.approx(alone, abs=1e-6)


def test_hospitals_in_one_process_do_not_see_each_other_s_weights(nets):
    network = net(layers=(), activation="relu", head=ORDINAL)
    rows = np.random.default_rng(1).normal(size=(40, 256)).astype(np.float32)
    alone = [network.logits(network.first(seed), rows) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(lambda seed: network.logits(network.first(seed % 4), rows), range(48)))
    assert all((found == alone[place % 4]).all() for place, found in enumerate(beside))


def test_training_learns_where_something_bright_is_and_repeats_to_the_bit(nets):
    chance = np.random.default_rng(2)
    labels = np.repeat([0.0, 1.0, 2.0], 20)
    given_images = chance.normal(scale=0.3, size=(60, 1, 16, 16)).astype(np.float32)
    for place, label in enumerate(labels):
        given_images[place, 0, 4:10, 4:10] += label
    network = net(layers=(), activation="relu", head=ORDINAL)
    rows = TrainingRows(given_images.reshape(60, -1), labels, np.ones(60))
    how = LocalTraining(rate=0.05, epochs=15, batch=10, momentum=0.9)
    once, twice = (trained(network, network.first(1), rows, how, b"seed") for _ in range(2))
    assert once.tobytes() == twice.tobytes()
    assert (network.head.chances(network.scored(once, rows.columns)).argmax(axis=1) == labels).mean() > 0.9


def test_where_monai_is_missing_the_sentence_says_which_extra(monkeypatch):
    pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
    monkeypatch.setitem(sys.modules, "monai.networks.nets.densenet", None)
    network = net(DenseBlocks(5, 2, (1,), 2), layers=(), activation="relu", head=ORDINAL)  # which no other test built
    with pytest.raises(MonaiMissingError, match=r"medspace\[imaging\]"):
        network.logits(network.first(1), np.zeros((1, 256), np.float32))


def test_the_canonical_form_is_read_again_as_the_same_task():
    task = parse(densenet_task())
    assert parse(task.document()) == task
    assert task.document()["images"]["network"] == "densenet"
    assert most_weights(task) == network_of(task, 0).size <= MOST_WEIGHTS
    assert network_of(task, 0).widths == (1, 10, 8, 2)
    assert "network" not in parse(image_task()).document()["images"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filters": [4]}, "no filters"),
        ({"blocks": []}, "blocks"),
        ({"growth_rate": 1}, "growth_rate"),
        ({"init_features": None}, "init_features"),
        ({"network": "blocks"}, "densenet"),
        ({"network": "resnet"}, "network"),
        ({"blocks": [1, 1, 1]}, "too small"),
        ({"blocks": [256] * 8, "height": 1024, "width": 1024}, "weights"),
        ({"blocks": [6, 12, 24, 16], "init_features": 64, "growth_rate": 32, "height": 224, "width": 224}, "weights"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(changes, words):
    with pytest.raises(TaskInvalidError, match=words):
        parse(densenet_task(**changes))


def test_settings_of_a_densenet_beside_filters_are_refused():
    own = {name: value for name, value in DENSENET.items() if name != "network"}
    with pytest.raises(TaskInvalidError, match="densenet"):
        parse(image_task(images={"height": 8, "width": 8, "filters": [4], **own}))
