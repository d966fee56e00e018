"""A connector that runs: what its doctor says, and what it answers to people."""

import json
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner

from medspace.app.compose import serve
from medspace.app.compose.doctor import _connector, examine
from medspace.app.doors.sdk import SpaceError
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.features.terms.trying import Trying
from medspace.app.node.config import read_config
from medspace.app.verbs import tree
from medspace.core.errors import MedspaceError
from medspace.core.signing import Ed25519Signer
from medspace.services.membership.errors import RegionUnknownError
from medspace.trust.jws import encode
from tests.e2e.space import ASSET, PURPOSE, hospital, staged
from tests.ports import claim


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("doctor")) as stage:
        stage.add("authority", hospital(1))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def service(stage, key, feature):
    return stage.nodes[key].connector.of(feature)


def connector_check(stage, key):
    return examine(stage.nodes[key].file, "en")["checks"]


def test_the_doctor_sees_who_is_a_member_and_who_is_not_yet(stage):
    stage.add("newcomer")
    stage.open("newcomer")
    (check,) = [c for c in connector_check(stage, "newcomer") if c["name"] == "connector"]
    assert not check["ok"]
    assert "medspace admit" in check["next_step"]
    stage.admit("newcomer")
    (check,) = [c for c in connector_check(stage, "newcomer") if c["name"] == "connector"]
    assert check["ok"]
    assert "It runs version" in check["sentence"]
    (check,) = [c for c in connector_check(stage, "authority") if c["name"] == "assets"]
    assert "1 asset with 60 rows" in check["sentence"]


def test_only_the_authority_admits_and_removes(stage):
    with pytest.raises(MedspaceError) as refused:
        stage.run(service(stage, "user", "members").admit("did:web:x.example", "X", "DE", ()))
    assert stage.nodes["authority"].did in str(refused.value)
    with pytest.raises(MedspaceError):
        stage.run(service(stage, "user", "members").remove("did:web:x.example"))
    with pytest.raises(MedspaceError):
        stage.run(service(stage, "authority", "members").remove("did:web:x.example"))


def test_a_member_has_a_region_that_terms_can_name(stage):
    with pytest.raises(RegionUnknownError, match="DE or CN"):
        stage.run(service(stage, "authority", "members").admit("did:web:x.example", "X", "Europe", ()))


def test_a_transfer_is_steered_by_four_verbs(stage):
    user = stage.space("user")
    agreement = stage.agree("user", "authority")
    pid = user.request(agreement, "medspace:train")["id"]
    with pytest.raises(MedspaceError, match="fly is not an action"):
        stage.run(service(stage, "user", "uses").steer(pid, "fly", ""))
    for verb, state in (("suspend", "SUSPENDED"), ("resume", "STARTED"), ("terminate", "TERMINATED")):
        user.steer(pid, verb)
        seen = user._get(f"/transfers/{pid}")
        for _ in range(20):
            if seen["state"] == state:
                break
            seen = user._get(f"/transfers/{pid}", seen=seen["version"], wait=5)
        assert seen["state"] == state
    assert [t.id for t in stage.run(service(stage, "user", "uses").transfers())] == [pid]
    assert user.agreements()[0]["in_force"]


def test_a_policy_is_tried_on_ones_own_dataset(stage):
    wish = {"dataset": ASSET, "format": "medspace:train", "user": "", "purpose": PURPOSE, "place": "DE", "at": ""}
    work = Trying(service(stage, "authority", "terms")).try_policy
    assert stage.run(work(wish, str))["contract"]
    assert stage.run(work(wish | {"at": "2031-01-01T00:00:00Z"}, str))["code"] == "policy.time"
    for wrong, code in (({"dataset": "none"}, "catalog.unknown"), ({"at": "soon"}, "request.instant")):
        with pytest.raises(MedspaceError) as refused:
            stage.run(work(wish | wrong, str))
        assert refused.value.code == code


def test_a_policy_is_tried_on_what_others_offer_and_on_agreements(stage):
    user, holder = stage.space("user"), stage.nodes["authority"].did
    foreign = user.try_policy(ASSET, participant=holder, purpose=PURPOSE)
    assert (foreign["verdict"], foreign["questions"], foreign["user"]) == ("permit", None, stage.nodes["user"].did)
    assert "Only its holder knows the label" in foreign["standing"][0]
    assert user.try_policy(ASSET, participant=holder, purpose="dpv:Marketing")["code"] == "policy.purpose"
    agreement = stage.agree("user", "authority")
    held = user.try_policy(agreement=agreement, purpose=PURPOSE)
    assert (held["verdict"], held["dataset"], held["participant"]) == ("permit", ASSET, holder)
    given = stage.space("authority").try_policy(agreement=agreement, purpose=PURPOSE)
    assert (given["verdict"], given["user"]) == ("permit", stage.nodes["user"].did)
    assert given["questions"]["dataset"] == ASSET
    stage.space("authority").end_agreement(agreement)
    over = stage.space("authority").try_policy(agreement=agreement, purpose=PURPOSE)
    assert (over["code"], over["verdict"]) == ("agreement.ended", "deny")
    with pytest.raises(SpaceError, match="ended"):
        user.request(agreement, "medspace:train")
    told = user.try_policy(agreement=agreement, purpose=PURPOSE)
    assert (told["code"], told["remedies"]) == ("agreement.ended", ["Ask the holder for a new agreement."])


@pytest.mark.parametrize("wish", [{"agreement": "urn:none"}, {"dataset": ASSET, "offer": "urn:none"}])
def test_a_policy_that_is_not_there_is_not_tried(stage, wish):
    with pytest.raises(SpaceError, match="urn:none"):
        stage.space("authority").try_policy(**wish)


def test_what_is_not_there_is_said(stage):
    user = stage.space("user")
    with pytest.raises(SpaceError):
        user.negotiate(stage.nodes["authority"].did, "none")
    with pytest.raises(MedspaceError):
        stage.run(service(stage, "user", "training").runs.model("none", str))
    assert [d.id for d in stage.run(service(stage, "authority", "terms").datasets())] == [ASSET]
    assert stage.run(service(stage, "authority", "audit").bundle()).startswith(b"{")
    assert b"medspace" in stage.run(stage.nodes["user"].connector.inside.status.metrics())


def test_another_connector_on_the_port_is_told_as_one(stage, tmp_path):
    """A folder that was made for ports on which another connector answers meanwhile."""
    port = read_config(stage.nodes["user"].file).private.port
    other = set_up(tmp_path / "other", Wishes("Other", port - 1))
    assert other["ports_taken"] == [port - 1, port]
    (check,) = [c for c in examine(tmp_path / "other", "en")["checks"] if c["name"] == "connector"]
    assert not check["ok"]
    assert f"On port {port} a connector answers that does not know this one's token" in check["sentence"]
    assert "[private] port" in check["next_step"]
    (check,) = [c for c in connector_check(stage, "authority") if c["name"] == "connector"]
    assert check["ok"]


def test_a_space_that_was_founded_anew_at_the_same_address_is_told(stage, tmp_path):
    """A hospital that was set up for an authority of another key than the one that answers there now."""
    space = read_config(stage.nodes["user"].file).space
    former = encode(Ed25519Signer.from_seed(b"former authority".ljust(32)).public_key)

    def of_authority(name, key):
        wishes = Wishes(name, claim(2)[0], authority=space.authority, authority_key=key)
        set_up(tmp_path / name, wishes)
        (check,) = [c for c in examine(tmp_path / name, "en")["checks"] if c["name"] == "authority's key"]
        return check

    check = of_authority("left", former)
    assert check["state"] == "failed"
    assert f"shows the public key {space.authority_key}" in check["sentence"]
    assert former in check["sentence"]
    assert f"--authority-key {space.authority_key}" in check["next_step"]
    assert of_authority("right", space.authority_key)["state"] == "ok"


def test_who_is_no_member_any_more_learns_that_the_space_was_founded_anew():
    status = {"member": False, "did": "did:web:h", "founded": "2026-03-01T00:00:00Z", "founded_before": None}
    told = [_connector({**status, "founded_before": before}) for before in (None, "2026-01-01T00:00:00Z")]
    assert [one.ok for one in told] == [False, False]
    assert ["anew, on 2026-03-01" in str(one.found) for one in told] == [False, True]


def test_an_authority_that_does_not_answer_is_no_finding_of_its_key(tmp_path):
    key = encode(Ed25519Signer.from_seed(b"authority".ljust(32)).public_key)
    silent = f"did:web:localhost%3A{claim(1)[0]}"
    set_up(tmp_path / "h", Wishes("H", claim(2)[0], authority=silent, authority_key=key))
    (check,) = [c for c in examine(tmp_path / "h", "en")["checks"] if c["name"] == "authority's key"]
    assert (check["state"], silent in check["sentence"]) == ("ok", True)
    set_up(tmp_path / "own", Wishes("Own", claim(2)[0]))
    assert not [c for c in examine(tmp_path / "own", "en")["checks"] if c["name"] == "authority's key"]


def test_a_program_on_the_port_is_told_as_no_connector(tmp_path):
    (port, _) = claim(2)
    set_up(tmp_path / "h", Wishes("H", port))

    def found():
        return [c for c in examine(tmp_path / "h", "en")["checks"] if c["name"] == "connector"]

    assert [c["ok"] for c in found()] == [True]
    with HTTPServer(("127.0.0.1", port + 1), BaseHTTPRequestHandler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        (check,) = found()
        thread.join()
    assert (check["ok"], check["sentence"]) == (False, f"What listens on port {port + 1} is no connector.")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        running, taken = found()
    assert running["sentence"] == "It is not running."
    assert (taken["ok"], taken["sentence"]) == (False, f"Something else listens on port {port}.")


def test_a_folder_stands_for_the_configuration_in_it(tmp_path):
    set_up(tmp_path / "h", Wishes("H", claim(2)[0]))
    for words in ([tmp_path / "h"], [tmp_path / "h" / "medspace.toml"], ["--config", tmp_path / "h"]):
        done = CliRunner().invoke(tree(), ["doctor", *map(str, words), "--json"])
        assert done.exit_code == 0
        assert json.loads(done.output)["checks"][0]["name"] == "configuration"


@pytest.mark.parametrize("words", [["H"], ["H/medspace.toml"], ["--config", "H"]])
def test_up_takes_a_folder_as_well(tmp_path, monkeypatch, words):
    started = []
    monkeypatch.setattr(
        serve, "run_connector", lambda file, announce: started.append(read_config(file).participant.name)
    )
    set_up(tmp_path / "H", Wishes("H", claim(2)[0]))
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(tree(), ["up", *words]).exit_code == 0
    assert started == ["H"]


def test_the_columns_with_few_patients_are_named_the_worst_first(tmp_path):
    rows = "".join(f"p{n},{'ab'[n % 2]},{'xy'[n < 30]},{'uv'[n < 5]}\n" for n in range(60))
    (tmp_path / "t.csv").write_text(f"patient_id,one,other,rare\n{rows}")
    wishes = Wishes("H", claim(2)[0], offer=tmp_path / "t.csv", person="patient_id")
    set_up(tmp_path / "h", wishes)
    (check,) = [c for c in examine(tmp_path / "h", "en")["checks"] if c["name"] == "cells"]
    assert "of t have" in check["sentence"]
    assert "of these columns: rare" in check["sentence"]
