"""Models as pipelines, files and ONNX graphs: all of them score like the model, and a changed file is refused."""

import json
from contextlib import suppress
from itertools import pairwise

import numpy as np
import onnx as official
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.core.tensors import read_head
from medspace.learning.glm.design import starts
from medspace.learning.glm.task import FeatureColumn, Target
from medspace.learning.using.errors import PackedModelError
from medspace.learning.using.onnx import onnx
from medspace.learning.using.packing import PackedModel, packed, properties, unpacked
from medspace.learning.using.pipeline import Pipeline
from tests.examples import most

HEADS = ["logistic", "identity", "exponential", "hazard", "classes", "ordinal"]
FEATURES = (
    FeatureColumn("age", span=(0.0, 99.5)),
    FeatureColumn("pain", ("none", "typical", "other")),
    FeatureColumn("ward", ("a", "b")),
)
NAMES = ["age", "pain=typical", "pain=other", "pain=(joined)", "ward=b", "ward=(joined)"]


def made(head="logistic", *, drops=False, uncarried=(), layers=(4,), activation="relu", seed=3):
    source = np.random.default_rng(seed)
    kept = (0, 1, 2, 3, 5) if drops else (0, 1, 3, 4, 5, 6, 8)
    width = {"classes": 4, "ordinal": 3}.get(head, 1)
    sizes = [len(kept), *layers, width]
    outputs = {"classes": 4, "ordinal": 4, "hazard": 2}.get(head, 1)
    fill = source.random(6)
    for name in uncarried:
        if name in NAMES:
            fill[NAMES.index(name)] = 0.0
    return Pipeline(
        target=Target("sick", ">", 0.0),
        features=FEATURES,
        outputs=tuple(f"o{k}" for k in range(outputs)),
        head=head,
        fill=fill,
        kept=kept,
        centre=source.normal(size=len(kept)),
        scale=source.uniform(0.5, 3.0, len(kept)),
        layers=tuple(
            (source.normal(size=(inner, outer)), source.normal(size=outer)) for inner, outer in pairwise(sizes)
        ),
        drops=drops,
        activation=activation,
        uncarried=tuple(uncarried),
    )


def rows(count=200, seed=5, gaps=0.2):
    source = np.random.default_rng(seed)
    blocks = [source.normal(size=(count, 1))]
    for feature in FEATURES[1:]:
        level = source.integers(0, len(feature.levels), count)
        block = (level[:, None] == np.arange(1, len(feature.levels) + 1)).astype(float)
        blocks.append(block)
    for block in blocks:
        block[source.random(count) < gaps] = np.nan
    return np.column_stack(blocks)


def run(model, values):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["scores"], {"values": values})[0]


def card(pipeline):
    return {"facts": {"parameters": pipeline.digest()}, "signed": {}, "said": {}}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("drops", [False, True])
def test_onnxruntime_scores_as_we_do(head, drops):
    pipeline, values = made(head, drops=drops), rows()
    said = onnx(pipeline, {})
    official.checker.check_model(official.load_from_string(said), full_check=True)
    ours, theirs = pipeline.score(values), run(said, values)
    assert ours.shape == theirs.shape == (200, len(pipeline.outputs))
    assert np.isnan(ours).any() == drops
    assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize(
    "uncarried",
    [
        ("pain=other",),
        ("pain=none", "ward=(joined)"),
        ("pain=none", "pain=(joined)", "ward=b", "ward=(joined)"),
    ],
)
def test_levels_that_nobody_was_counted_with(uncarried):
    pipeline, values = made(uncarried=uncarried), rows()
    ours, theirs = pipeline.score(values), run(onnx(pipeline, {}), values)
    unknown = ("pain=(joined)" in uncarried) & (values[:, 1:4] == 0.0).all(axis=1)
    unknown |= ("ward=(joined)" in uncarried) & ("ward=b" in uncarried) & (values[:, 4] == 1.0)
    assert (np.isnan(ours[:, 0]) == unknown).all()
    assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-12, equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(HEADS),
    st.booleans(),
    st.lists(st.integers(1, 6), max_size=3),
    st.sampled_from(["relu", "tanh"]),
    st.integers(0, 1000),
)
def test_any_pipeline_passes_through_its_file_and_through_onnx(head, drops, layers, activation, seed):
    pipeline = made(head, drops=drops, layers=tuple(layers), activation=activation, seed=seed)
    values = rows(20, seed)
    again = unpacked(packed(PackedModel(pipeline, card(pipeline), "list"))).pipeline
    assert again.digest() == pipeline.digest()
    assert np.array_equal(again.score(values), pipeline.score(values), equal_nan=True)
    assert np.allclose(run(onnx(again, {}), values), pipeline.score(values), rtol=1e-9, atol=1e-9, equal_nan=True)


def test_a_number_that_was_changed_is_not_the_card_s():
    pipeline = made()
    content = bytearray(packed(PackedModel(pipeline, card(pipeline), "")))
    assert unpacked(bytes(content)).pipeline.digest() == pipeline.digest()
    content[-1] ^= 1
    with pytest.raises(PackedModelError):
        unpacked(bytes(content))


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 100, -1])
def test_bytes_that_are_no_model(cut):
    pipeline = made()
    content = packed(PackedModel(pipeline, card(pipeline), ""))
    with pytest.raises(PackedModelError):
        unpacked(content[:cut])


@settings(max_examples=most(200), deadline=None)
@given(st.data())
def test_no_damage_makes_it_break_otherwise(data):
    pipeline = made(layers=())
    content = bytearray(packed(PackedModel(pipeline, card(pipeline), "")))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(PackedModelError):
        assert unpacked(bytes(content)).pipeline.digest() == pipeline.digest()


def test_the_file_is_in_the_safetensors_format(tmp_path):
    """As another reader sees it: numbers by name in 64 bits, and nothing but text beside them."""
    pipeline = made(layers=())
    content = packed(PackedModel(pipeline, card(pipeline), ""))
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with file.open("rb") as opened:
        tensors = read_head(opened, len(content), 1 << 24)
    assert {"fill", "kept", "centre", "scale", "layers.0.weight", "layers.0.bias"} == set(tensors)
    length = int.from_bytes(content[:8], "little")
    assert json.loads(content[8 : 8 + length])["__metadata__"]["format"] == "medspace-model+1"


def test_the_graph_says_what_its_columns_are():
    pipeline = made()
    said = {
        one.key: one.value
        for one in official.load_from_string(
            onnx(pipeline, properties(PackedModel(pipeline, card(pipeline), "")))
        ).metadata_props
    }
    assert json.loads(said["columns"]) == NAMES
    assert said["medspace_digest"] == pipeline.digest()
    assert json.loads(said["medspace_card"])["facts"] == {"parameters": pipeline.digest()}
    assert starts(FEATURES) == [0, 1, 4]
