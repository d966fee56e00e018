"""Opt-outs over real connectors: two hospitals ask the authority, and who opted out stays out of uses by permit."""

import json

import pytest
from typer.testing import CliRunner

from medspace.app.verbs import tree
from tests.e2e.space import ASSET, TASK, hospital, staged
from tests.e2e.test_permits import UNTIL, application, problem, seen

NORTH = {f"p1-{number}": f"1000-{number:03}" for number in range(50)}  # of 60 persons; nobody asks about ten
SOUTH = {f"p2-{number}": f"1000-{number + 40:03}" for number in range(60)}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("optouts")) as stage:
        authority = stage.add("authority").did
        for seed, key in enumerate(("clinic", "south"), 1):
            stage.add(key, hospital(seed, credentials=[f"DataPermit@{authority}"], route="permit"))
        stage.add("user")
        stage.open()
        stage.admit()
        stage.space("authority").believe("DataPermit", [authority])
        for key in ("clinic", "south", "user"):
            seen(stage.space(key).refresh_issuers, lambda found: len(found["issuers"]) == 1)
        yield stage


def permitted(stage):
    user, authority = stage.space("user"), stage.space("authority")
    case = user.apply_for_permit(stage.nodes["authority"].did, application(stage, until=UNTIL))["id"]
    seen(lambda: authority.permit(case))
    authority.decide_permit(case, "It serves science.", granted=True)
    seen(lambda: [one for one in stage.space("clinic").received_credentials() if one["state"] == "holds"])
    return stage.agree("user", "clinic")


def test_who_opted_out_at_the_authority_stays_out_and_no_hospital_has_a_list(stage):
    authority, clinic, south, user = (stage.space(key) for key in ("authority", "clinic", "south", "user"))
    persons = ["1000-003", "1000 004", "1000-045", "9999-999"]
    assert authority.opt_persons_out(persons) == {"changed": 4, "version": 4}
    assert authority.opt_persons_out(["1000003"]) == {"changed": 0, "version": 4}  # spelled otherwise
    agreement = permitted(stage)
    told = clinic.follow_opt_outs(ASSET, "person", NORTH)
    assert (told["persons"], told["out"], told["version"]) == (50, 3, 4)
    assert south.follow_opt_outs(ASSET, "person", SOUTH)["out"] == 1
    run = user.train(TASK, [agreement], wait=60)
    assert run["model"]["quality"]["sites"][0]["rows"] == 47  # who opted out, and who was not asked about, are out

    assert authority.opt_persons_in(["1000-003"])["version"] == 5
    clinic.set_opt_outs(ASSET, "person", ["p1-9"])  # by hand, beside the registry
    assert clinic.refresh_opt_outs(ASSET)["out"] == 2
    shown = clinic.opt_outs(ASSET)
    assert (shown["values"], shown["listed"]) == (1, 2)
    assert shown["expires"]
    refused = problem(lambda: user.train({**TASK, "max_rounds": 19}, [agreement], wait=60))
    assert refused["code"] == "use.changed"  # of so few changes no new answer tells
    hospitals = {one["hospital"]: one["asked"] for one in authority.opt_out_registry()["hospitals"]}
    assert hospitals == {stage.nodes["clinic"].did: 50, stage.nodes["south"].did: 60}
    assert problem(clinic.opt_out_registry)["code"] == "optouts.no_registry"
    _nothing_is_left(stage)


def _nothing_is_left(stage):
    """No identifier of a person is in a hospital's files, nor in the authority's in the clear."""
    for key in ("clinic", "south", "authority"):
        for file in stage.nodes[key].folder.rglob("*"):
            if file.is_file():
                assert b"1000-0" not in file.read_bytes(), file
                assert b"1000003" not in file.read_bytes(), file


def test_a_hospital_that_asks_about_more_persons_than_it_may_is_refused(stage):
    authority, south = stage.space("authority"), stage.space("south")
    authority.allow_opt_out_questions(stage.nodes["south"].did, 80)
    many = {f"p{number}": f"2000-{number}" for number in range(100)}
    refused = problem(lambda: south.follow_opt_outs("hearts", "person", many))
    assert refused["code"] == "optouts.answer"
    assert "optouts.too_many" in json.dumps(refused)
    few = {**SOUTH, **{f"p{number}": f"2000-{number}" for number in range(20)}}
    assert south.follow_opt_outs("hearts", "person", few)["persons"] == 80


def test_while_the_authority_is_down_the_last_answer_holds_until_it_expires(stage):
    clinic = stage.space("clinic")
    before = next(one for one in clinic.followed_opt_outs() if one["dataset"] == ASSET)
    stage.close("authority")
    try:
        assert problem(lambda: clinic.refresh_opt_outs(ASSET))["code"] == "optouts.away"
        assert before in clinic.followed_opt_outs()
    finally:
        stage.open("authority")
    assert clinic.stop_opt_outs(ASSET)["followed"] is False
    assert clinic.opt_outs(ASSET)["values"] == 1  # what was named by hand
    assert problem(lambda: clinic.refresh_opt_outs(ASSET))["code"] == "optouts.not_followed"


def test_the_story_on_the_command_line(stage, tmp_path):
    authority, south = (str(stage.nodes[key].file) for key in ("authority", "south"))
    persons, patients, bad = (tmp_path / name for name in ("persons.txt", "patients.csv", "bad.csv"))
    persons.write_text("1000-050\n\n1000-051\n")
    patients.write_text("\n".join(",".join(pair) for pair in SOUTH.items()))
    bad.write_text("p2-1,1000-041\np2-1,1000-042\n")

    def run(*words, fails=False):
        done = CliRunner().invoke(tree(), ["optouts", *words, *([] if "--json" in words else ["--json"])])
        assert (done.exit_code != 0) is fails, done.output
        return {} if fails else json.loads(done.stdout)

    before = stage.space("authority").opt_out_registry()["version"]
    assert run("out", "--file", str(persons), "--config", authority) == {"count": 2, "version": before + 2}
    assert run("back", "--person", "1000-051", "--config", authority)["count"] == 1
    did = stage.nodes["south"].did
    allowed = run("allow", did, "90", "--config", authority)["hospitals"]
    assert next(one["most"] for one in allowed if one["hospital"] == did) == 90
    told = run("follow", ASSET, "--column", "person", "--file", str(patients), "--config", south)
    assert told["datasets"][0]["out"] == 2
    run("follow", ASSET, "--column", "person", "--file", str(bad), "--config", south, fails=True)
    run("follow", ASSET, "--column", "person", "--file", str(tmp_path), "--config", south, fails=True)
    assert run("refresh", ASSET, "--config", south)["datasets"][0]["version"] == before + 3
    assert run("list", "--config", south)["datasets"][0]["persons"] == 60
    assert run("stop", ASSET, "--config", south)["followed"] is False
    assert run("registry", "--config", authority)["persons"] >= 1
