"""A convolutional net over four hospitals under masks, over HTTP: on images, repeatable bit for bit."""

import json
import time

import numpy as np
import onnxruntime
import pytest
from sklearn.metrics import roc_auc_score

from medspace.app.doors.sdk import SpaceError
from medspace.app.features.audit.auditing import verify_files
from medspace.app.verbs import root
from medspace.sdk import predict
from tests.e2e.space import HOSPITALS, PURPOSE, Holding, audited, staged

pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
SIDE, ROWS = 12, 160
DICTIONARY = """
title = "Invented photographs of the eye"
person = "person"

[columns.person]
type = "code"
description = "Stands for the patient."

[columns.grade]
type = "code"
description = "How far the disease is."
codes = { none = "none", mild = "mild", severe = "severe" }
"""
GRADES = ("none", "mild", "severe")
TASK = {
    "task": "net",
    "target": "grade",
    "classes": list(GRADES),
    "ordinal": True,
    "images": {
        "height": SIDE,
        "width": SIDE,
        "channels": 3,
        "filters": [6, 6],
        "augmentation": {"flip": True, "turn": 20, "zoom": 0.05},
    },
    "purpose": PURPOSE,
    "rate": 0.02,
    "l2": 0.01,
    "momentum": 0.9,
    "batch": 16,
    "epochs": 1,
    "validation": 0.2,
    "patience": 6,
    "max_rounds": 12,
    "min_sites": 3,
    "seed": 7,
}
LISTED = ["net.model", "net.progress"]
PATIENCE = 300.0


def photographs(seed, rows=ROWS):
    """Images whose grade is how many bright spots they have, as the camera of this hospital sees them."""
    chance = np.random.default_rng(seed)
    place = chance.integers(0, 3, rows)
    images = np.clip(chance.normal(60 + 30 * seed, 12, (rows, SIDE, SIDE, 3)), 0, 255)
    for row, grade in enumerate(place):
        for spot in range(2 * grade):
            y, x = chance.integers(0, SIDE - 3, 2)
            images[row, y : y + 3, x : x + 3, spot % 3] += 70
    return {
        "images": np.clip(images, 0, 255).astype(np.uint8),
        "person": np.array([f"p{seed}-{number}" for number in range(rows)]),
        "grade": np.array(GRADES)[place],
    }


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("images")) as stage:
        stage.add("authority")
        terms = {"min_sites": 3, "protection": "masked-sums", "outputs": LISTED}
        for seed, key in enumerate(HOSPITALS):
            node = stage.add(key, Holding("", terms=terms, dictionary=DICTIONARY, source="images:images.npz"))
            np.savez(node.folder / "images.npz", **photographs(seed))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def agreements(stage):
    return [stage.agree("user", key) for key in HOSPITALS]


@pytest.fixture(scope="module")
def run(stage, agreements):
    return stage.space("user").train(TASK, agreements, wait=PATIENCE)


def test_the_net_grades_images_of_four_cameras(run):
    assert run["state"] == "finished", run
    quality = run["model"]["quality"]["pooled"]
    assert quality["auc"] > 0.75
    assert quality["kappa"] > 0.1
    assert run["model"]["widths"] == [3, 6, 6, 2]
    assert run["model"]["inputs"] == ["(channel 1)", "(channel 2)", "(channel 3)"]


def test_the_same_task_gives_the_same_bits(run, stage, agreements):
    again = stage.space("user").train(TASK, agreements, wait=PATIENCE)
    assert again["state"] == "finished", again
    assert again["model"]["weights"] == run["model"]["weights"]


def test_a_densenet_of_monai_is_trained_the_same_way(stage, agreements, capsys):
    pytest.importorskip("monai", reason="the extra imaging is not installed", exc_type=ImportError)
    size = {"height": SIDE, "width": SIDE, "channels": 3}
    dense = {"network": "densenet", "init_features": 6, "growth_rate": 4, "blocks": [2], "bn_size": 2}
    task = TASK | {"images": size | dense, "max_rounds": 5, "patience": 0}
    made = stage.space("user").train(task, agreements, wait=PATIENCE)
    assert made["state"] == "finished", made
    assert made["model"]["widths"] == [3, 14, 2]
    losses = [float(loss) for loss in made["model"]["losses"]]
    assert losses[-1] < losses[0]
    assert root(["model", made["model"]["id"], "--config", str(stage.nodes["user"].file)]) == 0
    assert "DenseNet (3-14-2)" in capsys.readouterr().out


def test_a_hospital_that_stops_in_between_and_comes_back_changes_no_bit(run, stage, agreements):
    user = stage.space("user")
    begun = user.begin_training(TASK, agreements, patience=PATIENCE)["id"]
    seen = next(
        state for state in user.watch(begun, wait=PATIENCE) if state["rounds"] >= 3 or state["state"] != "running"
    )
    assert seen["state"] == "running", seen
    stage.close("south")
    stage.open("south")
    *_, ended = user.watch(begun, wait=PATIENCE)
    assert ended["state"] == "finished", ended
    assert user.model(begun)["weights"] == run["model"]["weights"]


def quiet(hospital):
    """Wait until no use of a hospital's data goes on."""
    ends = time.monotonic() + PATIENCE
    while any(use["state"] in ("REQUESTED", "STARTED") for use in hospital.uses()):
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_a_training_is_cancelled_while_a_hospital_trains(stage, agreements):
    user = stage.space("user")
    begun = user.begin_training(TASK | {"seed": 8}, agreements)["id"]
    next(state for state in user.watch(begun, wait=PATIENCE) if state["rounds"] >= 2)
    user.cancel(begun)
    *_, ended = user.watch(begun, wait=PATIENCE)
    assert ended["state"] == "cancelled"
    for key in HOSPITALS:  # each hears of it, so that nothing is on its way when logs are compared
        quiet(stage.space(key))


def test_every_step_is_proven_by_the_records_of_the_hospitals(run, stage, tmp_path):
    audited(stage, tmp_path)
    logs, records = sorted(tmp_path.glob("*.log.json")), [tmp_path / f"{key}.records.json" for key in HOSPITALS]
    for key, file in zip(HOSPITALS, records, strict=True):
        file.write_text(json.dumps(stage.space(key).audit_records(run["id"])))
    (tmp_path / "model.json").write_text(json.dumps(stage.space("user").audit_model(run["id"])))
    authority = stage.space("user").status()["authority_key"]
    report = verify_files(logs, authority, "en", records_files=records, model_files=[tmp_path / "model.json"])
    # What was on its way when the other test cancelled its training is said to be of a run that ended before.
    beside = [one for one in report["findings"] if one["code"] != "run.release.failed_run"]
    assert not beside
    assert report["outcome"] == ("unverifiable" if report["findings"] else "verified")


def test_the_net_leaves_as_a_file_and_scores_images_without_a_connector(run, stage, tmp_path, capsys):
    """The file is signed; its scores are those of onnxruntime on the graph, and tell the grades apart."""
    config = str(stage.nodes["user"].file)
    files = [tmp_path / f"net.{form}" for form in ("safetensors", "onnx")]
    for file in files:
        assert root(["model", run["model"]["id"], "--out", str(file), "--config", config]) == 0
    key = stage.space("user").status()["authority_key"]
    assert root(["check-model", str(files[0]), "--authority-key", key]) == 0
    own = photographs(1) | {"patient": np.arange(ROWS)}
    np.savez(tmp_path / "own.npz", **own)
    capsys.readouterr()
    assert root(["predict", str(files[0]), str(tmp_path / "own.npz"), "--name", "patient", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["outputs"] == list(GRADES)
    assert [one["row"] for one in found["rows"]] == [str(number) for number in range(ROWS)]
    scores = np.array([one["scores"] for one in found["rows"]])
    assert roc_auc_score(own["grade"] == "severe", scores[:, 2]) > 0.75
    session = onnxruntime.InferenceSession(files[1].read_bytes(), providers=["CPUExecutionProvider"])
    assert session.run(["scores"], {"images": own["images"]})[0] == pytest.approx(scores, abs=1e-5)
    assert predict(files[0], tmp_path / "own.npz", name="patient") == found
    assert stage.space("user").model_card(run["model"]["id"])["facts"]["parameters"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_people_see_that_it_is_a_net_for_images(run, stage, capsys, language):
    config = str(stage.nodes["user"].file)
    assert root(["model", run["model"]["id"], "--config", config, "--lang", language]) == 0
    assert {"en": "Convolutional network (3-6-6-2)", "zh": "卷积神经网络"}[language] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": TASK["images"] | {"height": 16}}, "12 x 12 x 3"),
        ({"classes": ["none", "mild", "blind"]}, "grade"),
    ],
)
def test_images_of_another_size_and_grades_that_nobody_has_are_named(stage, agreements, changes, words):
    with pytest.raises(SpaceError, match=words):
        stage.space("user").train(TASK | changes, agreements, wait=PATIENCE)
