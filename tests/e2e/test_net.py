"""A net over four hospitals under masks, over HTTP: trained at the hospitals, averaged, repeatable bit for bit."""

import json
import random
import socket

import numpy as np
import onnxruntime
import pytest
import tomlkit
from sklearn.metrics import roc_auc_score

from medspace.app.doors.sdk import SpaceError
from medspace.app.features.audit.auditing import verify_files
from medspace.app.verbs import root
from medspace.learning.net.masked import MaskedNets
from medspace.learning.using.adapting import PULLS, WAYS
from medspace.learning.using.errors import AdaptedBeforeError, PackedModelError
from medspace.sdk import predict
from medspace.trust.errors import MembersSignatureError
from tests.e2e.space import HOSPITALS, PURPOSE, Holding, audited, staged

DICTIONARY = """
title = "Invented patients of a heart clinic"
person = "person"

[columns.person]
type = "code"
description = "Stands for the patient."

[columns.sick]
type = "flag"
description = "Whether the patient has the disease."

[columns.age]
type = "integer"
description = "Age in years."
minimum = 0
maximum = 120

[columns.pain]
type = "code"
description = "The kind of chest pain."
codes = { none = "none", typical = "typical" }

[columns.grade]
type = "code"
description = "How far the disease is."
codes = { none = "none", mild = "mild", severe = "severe" }
"""
TASK = {
    "task": "net",
    "target": "sick > 0",
    "features": [{"name": "age"}, {"name": "pain", "kind": "coded", "levels": ["none", "typical"]}],
    "purpose": PURPOSE,
    "layers": [4],
    "strategy": "fedadam",
    "server_rate": 0.1,
    "rate": 0.1,
    "max_rounds": 8,
    "min_sites": 3,
    "evaluation": {"holdout": 0.2},
    "validation": 0.2,
    "seed": 7,
}
GRADED = TASK | {"target": "grade", "classes": ["none", "mild", "severe"], "ordinal": True, "evaluation": {}}
LISTED = ["net.model", "net.progress", "net.quality", "net.update"]


def patients(seed, rows=400):
    chance = random.Random(seed)
    lines = ["person,sick,age,pain,grade"]
    for number in range(rows):
        age, typical = chance.randint(30, 85), int(chance.random() < 0.5)
        sick = int(chance.random() < 1.0 / (1.0 + 2.718 ** (-(age - 58) / 8 - 1.5 * typical + 0.7)))
        grade = ("none", "mild", "severe")[sick * (1 + (chance.random() < (age - 30) / 70))]
        lines.append(f"p{seed}-{number},{sick},{age},{('none', 'typical')[typical]},{grade}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("net")) as stage:
        stage.add("authority")
        for seed, key in enumerate(HOSPITALS):
            terms = {"min_sites": 3, "protection": "masked-sums", "outputs": LISTED}
            stage.add(key, Holding(patients(seed), terms=terms, dictionary=DICTIONARY))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def agreements(stage):
    return [stage.agree("user", key) for key in HOSPITALS]


@pytest.fixture(scope="module")
def run(stage, agreements):
    return stage.space("user").train(TASK, agreements, wait=120)


def test_the_net_ranks_patients_whom_it_has_not_seen(run):
    assert run["state"] == "finished", run
    model = run["model"]
    assert model["quality"]["pooled"]["auc"] > 0.75
    assert len(model["quality"]["sites"]) == 4
    assert (len(model["losses"]), len(model["validation_losses"])) == (6, 6)
    assert float(model["losses"][-1]) < float(model["losses"][0])
    assert all(np.isfinite([float(weight) for weight in model["weights"]]))


def test_the_same_task_gives_the_same_bits(run, stage, agreements):
    again = stage.space("user").train(TASK, agreements, wait=120)
    assert again["state"] == "finished", again
    assert again["model"]["weights"] == run["model"]["weights"]
    assert again["model"]["losses"] == run["model"]["losses"]


def test_every_step_of_the_server_is_proven_by_the_records_of_the_hospitals(run, stage, tmp_path):
    """The auditor takes each step again, from the totals that the hospitals recorded."""
    audited(stage, tmp_path)
    logs, records = sorted(tmp_path.glob("*.log.json")), [tmp_path / f"{key}.records.json" for key in HOSPITALS]
    for key, file in zip(HOSPITALS, records, strict=True):
        file.write_text(json.dumps(stage.space(key).audit_records(run["id"])))
    (tmp_path / "model.json").write_text(json.dumps(stage.space("user").audit_model(run["id"])))
    authority = stage.space("user").status()["authority_key"]
    report = verify_files(logs, authority, "en", records_files=records, model_files=[tmp_path / "model.json"])
    assert report["outcome"] == "verified", report["findings"]
    counts = {check["check"]: check["verified"] for check in report["checks"]}
    assert counts["run.followed"] == TASK["max_rounds"] * len(HOSPITALS)
    assert counts["model.signed"] == 1


def test_hospitals_train_in_turn_and_their_logs_say_whose_update_was_shown(stage, agreements, tmp_path):
    cycle = [stage.nodes[key].did for key in HOSPITALS]
    task = TASK | {"strategy": "cyclic", "cycle": cycle, "max_rounds": 5}
    del task["server_rate"]
    made = stage.space("user").train(task, agreements, wait=120)
    assert made["state"] == "finished", made
    assert made["model"]["cycle"] == cycle
    shown = {
        key: [one for one in stage.entries(key, "use.released") if one["facts"].get("shown") == "net.update"]
        for key in HOSPITALS
    }
    assert [len(rounds) for rounds in shown.values()] == [1, 1, 1, 0]
    assert audited(stage, tmp_path)["outcome"] == "verified"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_people_see_how_it_was_trained(run, stage, capsys, language):
    config = str(stage.nodes["user"].file)
    assert root(["model", run["model"]["id"], "--config", config, "--lang", language]) == 0
    shown = capsys.readouterr().out
    title = {"en": "Neural network", "zh": "神经网络"}[language]
    assert all(words in shown for words in (title, "AUC", "North")), shown


def test_the_model_leaves_as_a_file_and_scores_rows_without_a_connector(run, stage, tmp_path, capsys):
    """The file is signed; its scores are those of onnxruntime on the graph, and tell the sick from the well."""
    config, rows = str(stage.nodes["user"].file), tmp_path / "rows.csv"
    rows.write_text(patients(99))
    files = [tmp_path / f"net.{form}" for form in ("safetensors", "onnx")]
    for file in files:
        assert root(["model", run["model"]["id"], "--out", str(file), "--config", config]) == 0
    key = stage.space("user").status()["authority_key"]
    assert root(["check-model", str(files[0]), "--authority-key", key]) == 0
    assert "User" in capsys.readouterr().out
    assert root(["check-model", str(files[0])]) == 4
    with pytest.raises(MembersSignatureError):
        root(["check-model", str(files[0]), "--authority-key", "A" * 43])
    capsys.readouterr()
    assert root(["predict", str(files[0]), str(rows), "--name", "person", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    lines = [line.split(",") for line in rows.read_text().splitlines()[1:]]
    assert [one["row"] for one in found["rows"]] == [line[0] for line in lines]
    scores = np.array([one["scores"][0] for one in found["rows"]])
    assert roc_auc_score([int(line[1]) for line in lines], scores) > 0.75
    session = onnxruntime.InferenceSession(files[1].read_bytes(), providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["columns"])[:2] == ["age", "pain=typical"]
    values = np.array([[float(line[2]), float(line[3] == "typical"), 0.0] for line in lines])
    assert np.allclose(session.run(["scores"], {"values": values})[0][:, 0], scores, atol=1e-12)
    assert predict(files[0], rows, name="person") == found


def test_a_file_whose_numbers_were_changed_scores_nothing(run, stage, tmp_path):
    content = stage.space("user").model_file(run["model"]["id"])
    (tmp_path / "net.safetensors").write_bytes(content[:-8] + b"\0" * 8)
    (tmp_path / "rows.csv").write_text(patients(99))
    for words in (["predict", "net.safetensors", "rows.csv"], ["check-model", "net.safetensors"]):
        with pytest.raises(PackedModelError):
            root([words[0], *(str(tmp_path / file) for file in words[1:])])


def test_several_classes_in_order_from_a_file(stage, agreements, tmp_path, capsys):
    file = tmp_path / "task.toml"
    file.write_text(tomlkit.dumps(GRADED))
    words = [word for one in agreements for word in ("--agreement", one)]
    assert root(["train", str(file), *words, "--config", str(stage.nodes["user"].file), "--json"]) == 0
    pooled = json.loads(capsys.readouterr().out)["model"]["quality"]["pooled"]
    assert pooled["auc"] > 0.7
    assert pooled["kappa"] > 0.3


def test_a_hospital_without_the_target_is_named_before_anything_is_asked(stage, agreements):
    with pytest.raises(SpaceError, match="died"):
        stage.space("user").train(TASK | {"target": "died > 0"}, agreements, wait=60)


def test_the_first_weights_follow_from_the_seed_of_the_task():
    task = TASK | {"protection": "masked-sums"}
    first, other = (MaskedNets().summed(task | {"seed": seed}).task.seed for seed in (7, 8))
    assert first != other


def test_a_model_adapted_here_is_better_here_and_stays_here(run, stage, tmp_path, capsys, monkeypatch):
    """Adapting asks nobody: it works while no connection can be made, and leaves nothing but its file."""
    model, rows, out = (tmp_path / name for name in ("net.safetensors", "rows.csv", "own.safetensors"))
    model.write_bytes(stage.space("user").model_file(run["model"]["id"]))
    lines = patients(77, 300).splitlines()
    rows.write_text("\n".join([lines[0], *(line.replace(",0,", ",1,", 1) for line in lines[1:])]) + "\n")
    logged = _logged(stage)
    key = stage.space("user").status()["authority_key"]
    with monkeypatch.context() as cut:
        cut.setattr(socket, "socket", _no_network)
        cut.setattr(socket, "create_connection", _no_network)
        words = [
            "adapt",
            str(model),
            str(rows),
            "--out",
            str(out),
            "--name",
            "person",
            "--how",
            "intercept",
            "--json",
        ]
        assert root(words) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["after"]["ece"] < found["before"]["ece"]
        assert found["after"]["auc"] == found["before"]["auc"] is None  # everybody is sick here
        assert root(["check-model", str(out), "--authority-key", key, "--json"]) == 4
        assert json.loads(capsys.readouterr().out)["adapted"] == "intercept"
        with pytest.raises(AdaptedBeforeError):
            root(["adapt", str(out), str(rows), "--out", str(out)])
        before, after = (predict(file, rows)["rows"][0]["scores"][0] for file in (model, out))
        assert after > before
        assert root([*words[:-3], "--json"]) == 0  # the best way, of all
        found = json.loads(capsys.readouterr().out)
        assert found["compared"].keys() == set(WAYS)  # this net scales its columns
        assert found["compared"]["ditto"] < found["compared"]["untouched"]
        for lang, said in (("en", "held to the shared model"), ("zh", "拉向共享模型")):
            assert root([*words[:-3], "--lang", lang]) == 0
            assert said in capsys.readouterr().out
        assert root([*words[:-2], "ditto", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["pull"] in PULLS
    assert _logged(stage) == logged


def _logged(stage):
    """How many entries each log has, without the ends of uses: those of the run may come a little later."""
    logs = [stage.space(key).audit_bundle()["entries"] for key in ("user", *HOSPITALS)]
    return [sum(json.loads(entry)["kind"] != "transfer.completed" for entry in log) for log in logs]


def _no_network(*_, **__):
    raise AssertionError("somebody was asked")
