"""Who acts, from the first verb to the last: a hospital's people and programs, each by a token of their own."""

import json
import stat

import pytest

from medspace.app.compose.sdk import Space, connect
from medspace.app.doors.sdk import SpaceError
from medspace.app.main import main
from medspace.core.errors import WaitingError
from medspace.core.paths import path
from tests.e2e.space import ASSET, TASK, Holding, audited, confirmed, staged, step, table


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("actors")) as stage:
        stage.add("authority")
        two = '[negotiations]\nanswers = "two-persons"'
        stage.add("clinic", Holding(table(2), label={"review": 2}), more=two)
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def colleagues(stage):
    """Two persons of the clinic, and one of the company."""
    clinic = stage.nodes["clinic"]
    made = [stage.space("clinic").new_token(name, ["terms", "check"], person=True) for name in ("Dr Li", "Dr Wang")]
    spaces = [Space(clinic.private_url, one["text"]) for one in made]
    mine = stage.space("user").new_token("trainer", ["read", "terms", "use", "audit"])
    user = Space(stage.nodes["user"].private_url, mine["text"])
    yield *spaces, user
    for one in (*spaces, user):
        one.close()


def by(stage, key, kind):
    return [entry["facts"].get("by") for entry in stage.entries(key, kind)]


def completed(space, transfer):
    """Wait until the other side has heard that a use is over: each look hangs until something changes."""
    where = path("transfers", transfer)
    process = space._get(where)
    while process["state"] != "COMPLETED":
        process = space._get(where, seen=process["version"], wait=10.0)


def test_each_verb_stands_in_the_log_with_who_acted_and_two_persons_let_data_be_used(stage, colleagues, tmp_path):
    li, wang, trainer = colleagues
    me, first, second = (one.own_token()["actor"] for one in (trainer, li, wang))
    with pytest.raises(Exception, match="not answered"):
        trainer.negotiate(stage.nodes["clinic"].did, ASSET, wait=0.5)
    (waiting,) = li.negotiations()
    assert li.answer(waiting["id"], approve=True)["second_person"]
    with pytest.raises(SpaceError) as again:
        li.answer(waiting["id"], approve=True)
    assert again.value.code == "approval.second_person"
    assert not wang.answer(waiting["id"], approve=True)["second_person"]
    begun = path("negotiations", trainer.negotiations()[0]["id"])
    agreement = trainer._wait(begun, 30.0, WaitingError(whom="clinic"))["agreement"]
    li._wait(path("negotiations", waiting["id"]), 30.0, WaitingError(whom="user"))
    (agreed,) = li.agreements()
    assert [one["name"] for one in agreed["approved_by"]] == ["Dr Li", "Dr Wang"]
    assert trainer.agreements()[0]["asked_by"] == {"actor": me, "name": "trainer"}
    assert by(stage, "user", "negotiation.requested") == [me]
    assert by(stage, "clinic", "negotiation.requested") == [None]  # who acts elsewhere is not told here
    assert by(stage, "clinic", "negotiation.approved") == [first]
    assert by(stage, "clinic", "negotiation.agreed") == [second]

    transfer = trainer.request(agreement, "medspace:train")["id"]
    assert by(stage, "user", "transfer.requested") == [me]
    held = stage.ask("user", "clinic", transfer, step())
    assert held.status_code == 202, held.text
    (one,) = li.steps("held")
    assert li.check(one["id"], approve=True)["approved_by"] == [{"actor": first, "name": "Dr Li"}]
    with pytest.raises(SpaceError):
        li.check(one["id"], approve=True)
    assert wang.check(one["id"], approve=True)["state"] == "released"
    assert by(stage, "clinic", "use.approved") == [first]
    assert by(stage, "clinic", "use.released") == [second]

    li.set_label(ASSET, li.label(ASSET)["label"] | {"valid_from": "2020-01-01T00:00:00Z"})
    assert by(stage, "clinic", "label.changed")[-1] == first
    assert li.label(ASSET)["set_by"] == {"actor": first, "name": "Dr Li"}
    unreviewed = li.label(ASSET)["label"] | {"review": False}
    confirmed(stage.space("clinic").set_label, ASSET, unreviewed)  # the owner's to say
    trainer.steer(transfer, "complete")
    completed(trainer, transfer)
    assert by(stage, "user", "transfer.completed") == [me]
    run = trainer.train(TASK, [agreement])
    assert by(stage, "user", "run.started") == [me]
    assert trainer.runs()[0]["asked_by"]["name"] == "trainer"
    assert run["state"] == "finished"

    report = audited(stage, tmp_path)
    failed = {one["code"] for one in report["findings"] if one["outcome"] == "failed"}
    assert failed <= {"run.release.unaccounted"}  # what was asked by hand belongs to no run
    for key in ("clinic", "user"):
        text = (tmp_path / f"{key}.log.json").read_text()
        assert not any(name in text for name in ("Dr Li", "Dr Wang", "trainer"))


def test_the_authoritys_people_are_named_too(stage):
    member = stage.nodes["user"].did
    authority = stage.space("authority")
    made = authority.new_token("registrar", ["members"], days=1, person=True)
    with Space(stage.nodes["authority"].private_url, made["text"]) as registrar:
        registrar.admit(member, name="User", region="FR")
        assert by(stage, "authority", "member.admitted")[-1] == made["actor"]
        with pytest.raises(SpaceError):
            registrar.rotate_key()


def test_own_keys_are_changed_by_somebody(stage):
    owner = stage.space("user").own_token()
    assert owner["kind"] == "owner"
    made = stage.space("user").rotate_key()
    stage.space("user").revoke_key(made["key"])
    assert by(stage, "user", "key.made")[-1] == by(stage, "user", "key.revoked")[-1] == owner["actor"]


# --- the verbs -------------------------------------------------------------------------------------------------
def test_a_token_is_made_used_listed_and_revoked_by_verbs(stage, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MEDSPACE_TOKEN", raising=False)
    config, file = str(stage.nodes["clinic"].file), tmp_path / "secrets" / "li.token"
    ran = run_main(capsys, "token", "new", "Dr Zhao", "--person", "--scope", "read", "--out", str(file), "-c", config)
    assert "Dr Zhao" in ran.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = file.read_text().strip()
    assert secret not in ran.out
    listed = json.loads(run_main(capsys, "token", "list", "--json", "-c", config).out)["tokens"]
    (mine,) = [one for one in listed if one["name"] == "Dr Zhao"]
    assert run_main(capsys, "--token-file", str(file), "steps", "-c", config).out
    refused = run_main(capsys, "--token-file", str(file), "token", "list", "-c", config, code=3)
    assert "token.scope" in refused.err
    monkeypatch.setenv("MEDSPACE_TOKEN", secret)
    assert "token.scope" in run_main(capsys, "token", "list", "-c", config, code=3).err
    monkeypatch.delenv("MEDSPACE_TOKEN")
    told = run_main(capsys, "token", "revoke", mine["id"], "--forget", "-c", config).out
    assert "1 token revoked" in told
    assert "The name is deleted" in told
    assert "token.revoked" in run_main(capsys, "--token-file", str(file), "steps", "-c", config, code=3).err
    text = run_main(capsys, "token", "list", "-c", config).out
    assert "Dr Zhao" not in text
    assert mine["actor"] in text


def test_a_token_that_cannot_be_kept_counts_for_nothing(stage, tmp_path, capsys):
    config, file = str(stage.nodes["clinic"].file), tmp_path / "there"
    file.write_text("something")
    refused = run_main(capsys, "token", "new", "robot", "--out", str(file), "-c", config, code=3)
    assert "secret.exists" in refused.err
    listed = [one for one in stage.space("clinic").tokens() if one["name"] == "robot"]
    assert [one["state"] for one in listed] == ["revoked"]


def test_a_token_is_shown_once_where_no_file_is_named(stage, capsys):
    config = str(stage.nodes["clinic"].file)
    made = json.loads(run_main(capsys, "token", "new", "robot 2", "--json", "-c", config).out)
    assert "mst_" in run_main(capsys, "token", "new", "robot 3", "-c", config).out
    assert made["scopes"] == ["read"]
    assert made["text"] not in run_main(capsys, "token", "list", "-c", config).out
    unknown = run_main(capsys, "token", "new", "robot", "--scope", "all", "-c", config, code=2)
    assert "token.scope_unknown" in unknown.err


def test_a_token_file_that_others_can_read_is_not_used(stage, tmp_path, capsys, monkeypatch):
    config, file = stage.nodes["clinic"].file, tmp_path / "mine.token"
    file.write_text(stage.nodes["clinic"].token)
    file.chmod(0o644)
    assert "secret.exposed" in run_main(capsys, "--token-file", str(file), "steps", "-c", str(config), code=3).err
    monkeypatch.setenv("MEDSPACE_TOKEN_FILE", str(file))
    with pytest.raises(Exception, match="secret"):
        connect(config)


def run_main(capsys, *arguments, code=0):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    told = capsys.readouterr()
    assert int(ended.value.code or 0) == code, told
    return told


def test_whoever_starts_several_connectors_is_the_owner_of_each(stage, monkeypatch):
    monkeypatch.setenv("MEDSPACE_TOKEN", stage.nodes["user"].token)
    file = stage.nodes["clinic"].file
    with connect(file) as space, pytest.raises(SpaceError) as refused:
        space.status()
    assert refused.value.code == "private.token"
    with connect(file, owner=True) as space:
        assert space.own_token()["kind"] == "owner"
