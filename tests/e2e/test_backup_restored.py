"""A connector is backed up while it runs and restored on a new machine: what was agreed goes on there."""

import shutil
import stat
from pathlib import Path

import httpx
import pytest

from medspace.app.features.labels.checks import relabelled
from medspace.app.features.upkeep.backing_up import back_up
from medspace.app.features.upkeep.restoring import MovedRunningError, look, restore
from medspace.sdk import Space, SpaceError
from tests.e2e.space import ASSET, TASK, Holding, audited, confirmed, hospital, staged, table

PASSPHRASE = b"a passphrase for tests"
NOTHING = {"kinds": [], "purposes": [], "regions": [], "sensitivity": "non-public"}
CHEAP = 14  # of scrypt: tests need no strong one


@pytest.fixture
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("restored")) as stage:
        stage.add("authority")
        stage.add("user")
        stage.add("clinic", hospital(2))
        stage.open()
        stage.admit()
        yield stage


def saved(stage, key: str, folder: Path) -> dict:
    """Back a running connector up; what was said of it."""
    node = stage.nodes[key]
    file = folder / f"{key}.backup"
    made = back_up(node.file, file, PASSPHRASE, cost=CHEAP)
    assert made["running"]
    assert look(file, PASSPHRASE)["entries"] == made["entries"]
    return made | {"backup": file}


def lose(stage, key: str, made: dict, folder: Path, **more) -> dict:
    """Lose its machine, restore it on another one, bring its table there, start it; what the restore said."""
    node = stage.nodes[key]
    stage.close(key)
    rows = node.folder / "rows.csv"
    kept = rows.read_text() if rows.exists() else None
    shutil.rmtree(node.folder)
    found = restore(made["backup"], folder / key, PASSPHRASE, **more)
    node.file = folder / key / "medspace.toml"
    if kept is not None:
        (node.folder / "rows.csv").write_text(kept)
    stage.open(key)
    return found


def test_agreements_models_and_logs_go_on_where_a_backup_was_restored(stage, tmp_path):
    user = stage.space("user")
    agreement = stage.agree("user", "clinic")
    first = user.train(TASK, [agreement])
    model = user.model(first["id"])
    token = stage.space("clinic").new_token("robot", ["read"])
    link = stage.space("clinic").portal_link()["text"]
    stage.run(stage.nodes["clinic"].connector.of("accounts").enter(link, "127.0.0.1"))
    backups = {key: saved(stage, key, tmp_path) for key in ("user", "clinic")}
    assert stage.space("clinic").revoke_token(token["id"])["revoked"] == [token["id"]]
    new = tmp_path / "new"
    new.mkdir()
    for key, made in backups.items():
        found = lose(stage, key, made, new)
        assert found["frozen"]
        folder = new / key
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not (folder / "keys" / "uses").exists() or not any((folder / "keys" / "uses").iterdir())
        assert not (folder / "restored.json").exists(), "the start went by it"
    user = stage.space("user")
    assert [one["id"] for one in user.agreements()] == [agreement]
    assert user.model(first["id"]) == model
    assert refused(stage, "clinic", token["text"]) == (401, "token.revoked")
    assert [one["facts"]["code"] for one in stage.entries("clinic", "session.closed")] == ["connector.restored"]
    (entry,) = stage.entries("clinic", "token.revoked")
    assert entry["facts"].keys() == {"token", "of", "code"}, "nobody revoked it in the history that is left"
    with pytest.raises(SpaceError):
        user.train(TASK | {"l2": 2.0}, [agreement])
    (label,) = stage.space("clinic").labels()
    assert (label["label"], label["source"], label["set_by"]) == (NOTHING, "restored", None)
    assert [one.ok for one in relabelled([label])] == [False]
    again = confirmed(stage.space("clinic").reset_label, ASSET)
    assert (again["label"], list(relabelled([again]))) == (label["configured"], [])
    again = user.train(TASK | {"l2": 2.0}, [agreement])
    assert again["id"] != first["id"]
    assert stage.agree("user", "clinic") != agreement
    assert audited(stage, tmp_path)["outcome"] == "verified"


def refused(stage, key: str, token: str) -> tuple[int, str]:
    """What somebody with a token is told who looks at the datasets."""
    answer = httpx.get(f"{stage.nodes[key].private_url}/labels", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json()["code"]


def test_nothing_of_uses_parts_or_patients_is_in_a_backup(stage, tmp_path):
    user = stage.space("user")
    user.request(stage.agree("user", "clinic"), "medspace:train")
    made = saved(stage, "clinic", tmp_path)
    names = {name for name in made["files"] if not name.startswith("keys/participant.mldsa-")}
    assert names == {
        "connector.db",
        "dictionary.toml",
        "keys/jobs.secret",
        "keys/participant.mldsa.json",
        "keys/participant.pem",
        "keys/private.token",
        "keys/questions.secret",
        "medspace.toml",
    }
    assert len(made["files"]) == len(names) + 1


def test_privacy_budgets_count_as_spent_once_a_backup_was_restored(tmp_path):
    with staged(tmp_path / "stage") as stage:
        stage.add("authority")
        budget = "budget = { epsilon = 1.0, delta = 1e-5 }"
        stage.add("clinic", Holding(table(2), more=budget), more='[checkpoints]\nfile = "anchors.jsonl"')
        stage.open()
        stage.admit()
        made = saved(stage, "clinic", tmp_path)
        assert "anchors.jsonl" in made["files"]
        lose(stage, "clinic", made, tmp_path)
        (state,) = stage.space("clinic").budgets()
        assert (state["state"], state["left"]) == ("frozen", 0.0)
        (entry,) = stage.entries("clinic", "budget.frozen")
        stage.close("clinic")
        stage.open("clinic")
        assert stage.entries("clinic", "budget.frozen") == [entry], "it is frozen once for one restore"


def test_a_connector_that_was_stopped_and_moved_keeps_its_budgets(tmp_path):
    with staged(tmp_path / "stage") as stage:
        stage.add("authority")
        stage.add("clinic", Holding(table(2), more="budget = { epsilon = 1.0, delta = 1e-5 }"))
        stage.open()
        stage.admit()
        running = saved(stage, "clinic", tmp_path)
        with pytest.raises(MovedRunningError):
            restore(running["backup"], tmp_path / "never", PASSPHRASE, moved=True)
        assert not (tmp_path / "never").exists()
        token = stage.space("clinic").new_token("robot", ["read"])
        stage.close("clinic")
        file = tmp_path / "stopped.backup"
        assert not back_up(stage.nodes["clinic"].file, file, PASSPHRASE, cost=CHEAP)["running"]
        assert not lose(stage, "clinic", {"backup": file}, tmp_path, moved=True)["frozen"]
        (state,) = stage.space("clinic").budgets()
        assert state["state"] == "open"
        with Space(stage.nodes["clinic"].private_url, token["text"]) as robot:
            assert [one["source"] for one in robot.labels()] == ["configuration"]
