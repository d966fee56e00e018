"""Nets for images as files and ONNX graphs: both score like the net, and a changed or hostile file is refused."""

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import onnx as official
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.core.tensors import head as tensor_head
from medspace.learning.using.errors import ImageSizeError, PackedModelError
from medspace.learning.using.image_onnx import image_onnx
from medspace.learning.using.image_pipeline import read
from medspace.learning.using.packing import PackedModel, packed, properties, unpacked
from tests.examples import most
from tests.unit.learning.image_models import made, photographs

torch = pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
NETWORKS = ["blocks", "densenet"]
CLOSE = 1e-5  # 32-bit sums in another order


@pytest.fixture(autouse=True)
def _monai(request):
    if "densenet" in request.node.name:
        pytest.importorskip("monai", reason="the extra imaging is not installed", exc_type=ImportError)


def run(model, images):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["scores"], {"images": images})[0]


def packed_of(model):
    return PackedModel(model, {"facts": {"parameters": model.digest()}, "signed": {}, "said": {}}, "list")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("head", ["logistic", "classes", "ordinal"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"flip": False, "layers": (6,), "activation": "tanh", "kept": (0, 1, 2)},
        {"height": 33, "width": 26, "shrink": 2, "channels": 1, "kept": (0,)},
    ],
)
def test_onnxruntime_scores_images_as_we_do(network, head, changes):
    model = made(network, head, **changes)
    images, said = photographs(model), image_onnx(model, {})
    official.checker.check_model(official.load_from_string(said), full_check=True)
    ours, theirs = model.score(images), run(said, images)
    assert ours.shape == theirs.shape == (9, len(model.outputs))
    assert theirs == pytest.approx(ours, abs=CLOSE)
    assert ours.std(axis=0).max() > 1e-3  # images differ in their scores, so that there is something to agree on


@pytest.mark.parametrize("network", NETWORKS)
def test_a_net_passes_through_its_file_to_the_bit(network):
    model = made(network, layers=(4,))
    again = unpacked(packed(packed_of(model))).pipeline
    assert again.digest() == model.digest()
    assert again.images == model.images
    assert (again.score(photographs(model)) == model.score(photographs(model))).all()


def test_the_densenet_of_a_file_is_monai_s_own_under_monai_s_names(tmp_path):
    """Whoever has MONAI and the file alone finds the same logits."""
    nets = pytest.importorskip("monai.networks.nets", reason="the extra imaging is not installed")
    model = made("densenet", "classes", flip=False)
    numbers = {name: torch.from_numpy(values.copy()) for name, values in model.numbers().items()}
    shape = {"init_features": 4, "growth_rate": 3, "block_config": (2, 1), "bn_size": 2}
    theirs = nets.DenseNet(2, 3, 3, norm=("group", {"num_groups": 1}), **shape)
    state = {name: numbers[name] for name in theirs.state_dict() if name.startswith("features.")}
    state |= {
        "class_layers.out.weight": numbers["layers.0.weight"].T,
        "class_layers.out.bias": numbers["layers.0.bias"],
    }
    theirs.load_state_dict(state)
    images = photographs(model)
    seen = torch.from_numpy(model.arranged(images).reshape(9, 3, 15, 18))
    assert theirs(seen).detach().numpy() == pytest.approx(model.linear(images), abs=CLOSE)
    assert sum(part.numel() for part in theirs.parameters()) == model.network.size


def test_what_the_graph_says_of_itself():
    model = made("blocks", "classes")
    graph = official.load_from_string(image_onnx(model, properties(packed_of(model))))
    said = {one.key: one.value for one in graph.metadata_props}
    assert json.loads(said["outputs"]) == ["a", "b", "c"]
    assert said["medspace_digest"] == model.digest()
    assert [one.name for one in graph.graph.input] == ["images"]


@pytest.mark.parametrize("size", [(16, 18, 3), (15, 18, 1), (15, 18, 4)])
def test_images_of_another_size_are_named_with_both_sizes(size):
    with pytest.raises(ImageSizeError, match=r"15 x 18 x 3") as told:
        made().score(np.zeros((2, *size), np.uint8))
    assert " x ".join(map(str, size)) in str(told.value)


def test_no_images_have_no_scores():
    model = made()
    assert model.score(photographs(model, 0)).shape == (0, 3)


def test_a_channel_that_is_not_kept_changes_nothing():
    model = made(kept=(0, 2))
    images = photographs(model)
    other = images.copy()
    other[..., 1] = 255 - other[..., 1]
    assert (model.score(images) == model.score(other)).all()


@settings(max_examples=most(100), deadline=None)
@given(st.data())
def test_no_damage_makes_a_file_break_otherwise(data):
    model = made()
    content = bytearray(packed(packed_of(model)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(PackedModelError):
        assert unpacked(bytes(content)).pipeline.digest() == model.digest()


def hostile(model, numbers=None, **text):
    """What a liar writes who signs nothing: such texts and numbers."""
    return {**model.text(), **text}, {**model.numbers(), **(numbers or {})}


IMAGES = made().images.document()


@pytest.mark.parametrize(
    "lies",
    [
        {"numbers": {"kept": np.array([0.0, 3.0])}},
        {"numbers": {"kept": np.array([2.0, 0.0])}},
        {"numbers": {"kept": np.array([1.0, 1.0])}},
        {"numbers": {"scale": np.zeros(2)}},
        {"numbers": {"centre": np.full(2, np.nan)}},
        {"numbers": {"blocks.0.weight": np.zeros((4, 3, 3, 4))}},
        {"numbers": {"blocks.9.weight": np.zeros(1)}},
        {"numbers": {"layers.0.bias": np.zeros(())}},
        {"numbers": {"layers.0.weight": np.zeros((25, 3))}},
        {"head": "exponential"},
        {"head": "logistic"},
        {"outputs": []},
        {"outputs": ["a", "b"]},
        {"images": {}},
        {"images": IMAGES | {"filters": [4, 10**9]}},
        {"images": IMAGES | {"height": 10**9}},
        {"images": IMAGES | {"height": "15"}},
        {"images": IMAGES | {"filters": [256] * 8}},
        {"images": IMAGES | {"shrink": 8}},
        {"images": IMAGES | {"surprise": 1}},
        {"images": IMAGES | {"augmentation": {"turn": "nan"}}},
        {"images": {**IMAGES, "network": "densenet"}},
        {"images": [1]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_lies_in_a_file_are_refused_before_anything_is_built(lies):
    text, numbers = hostile(made(), **lies)
    with pytest.raises(PackedModelError):
        read(text, numbers)


def test_a_net_of_more_weights_than_a_task_may_have_is_refused():
    model = made(layers=(1000,))
    assert model.network.size > 16_384
    with pytest.raises(PackedModelError):
        read(model.text(), model.numbers())


def test_a_file_that_claims_to_be_larger_than_it_is():
    model = made()
    metadata = {"format": "medspace-model+1", "model": "{}"}
    huge = dict.fromkeys(model.numbers(), ("F64", (1 << 40,)))
    with pytest.raises(PackedModelError):
        unpacked(tensor_head(huge, metadata))


@pytest.mark.parametrize("size", [1e300, 1e38])
def test_weights_that_overflow_are_refused_or_give_no_score(size):
    model = made("blocks", "classes")
    huge = replace(model, layers=tuple((np.full_like(matrix, size), constant) for matrix, constant in model.layers))
    if size > 1e39:
        with pytest.raises(PackedModelError):
            read(huge.text(), huge.numbers())
    else:
        assert np.isnan(read(huge.text(), huge.numbers()).score(photographs(model))).all()
