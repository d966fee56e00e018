"""A run hands a tensor of 64 MB to three hospitals and adds up theirs; nobody ever holds more than a part of one."""

import sys
import time

import pytest

from medspace.core.paths import path
from tests.e2e.house.apart import apart
from tests.e2e.space import audited

MB = 1 << 20
SIZE = 64 * MB
CLINICS = ("north", "south", "west")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")


@pytest.fixture(scope="module")
def parties(tmp_path_factory):
    with apart(tmp_path_factory.mktemp("tensors"), *CLINICS) as parties:
        parties.run(MB, {"north": 5, "south": 7, "west": 9})  # what is loaded for the first of all is none of theirs
        yield parties


@pytest.fixture(scope="module")
def run(parties):
    return parties.run(SIZE, {"north": 1, "south": 2, "west": 4})


def test_a_large_tensor_goes_to_three_sites_and_back_in_little_memory(run):
    assert run["state"] == "finished", run
    assert run["model"]["result"]["right"]
    assert run["model"]["result"]["size"] >= SIZE
    assert max(run["memory"].values()) < 64, run["memory"]


def test_nothing_of_it_is_left(parties, run):
    """The user's parts go with the run, those of the hospitals a minute after their uses have ended."""
    folder = parties.stage.nodes["user"].folder / "parts"
    seen, now = "", run["version"]
    while any(folder.rglob("*")) and now != seen:  # the run was told to be finished, and is tidied up
        seen = now
        now = parties.stage.space("user")._get(path("runs", run["id"]), seen=seen, wait=30)["version"]
    assert list(folder.rglob("*")) == []


def test_the_log_of_the_round_names_what_left_each_site(parties, run):
    (entry,) = [e for e in parties.stage.entries("user", "run.round") if e["facts"]["run"] == run["id"]]
    answers = {answer["site"]: answer for answer in entry["facts"]["answers"]}
    for name in CLINICS:
        answer = answers[parties.stage.nodes[name].did]
        (left,) = [
            e["facts"]
            for e in parties.stage.entries(name, "use.released")
            if e["facts"]["release"] == answer["release"]
        ]
        assert answer["parts"] == left["parts"]
    assert len({tuple(answer["parts"]) for answer in answers.values()}) == len(CLINICS)
    assert len(entry["facts"]["parts"]) == 1


def test_a_user_who_was_killed_while_parts_came_goes_on_with_the_run(parties):
    task = parties.task(SIZE, {"north": 3, "south": 5, "west": 7})
    body = {"task": task, "agreements": list(parties.agreements.values())}
    run = parties.stage.space("user")._post("/runs", body)
    folder = parties.stage.nodes["user"].folder / "parts"
    until = time.monotonic() + 60
    while len(list(folder.rglob("*.partial"))) < 1:  # of an answer: what is asked is written here under another name
        assert time.monotonic() < until
    parties.kill("user")
    left = [file for file in folder.rglob("*") if file.is_file() and file.name != "used"]
    assert left
    parties.start("user")
    where = path("runs", run["id"])
    while run["state"] in ("created", "running"):
        run = parties.stage.space("user")._get(where, seen=run["version"], wait=30)
    assert run["state"] == "finished", run
    assert run["model"]["result"]["right"]


def test_the_logs_of_it_are_verified(parties, run, tmp_path):
    report = audited(parties.stage, tmp_path)
    assert report["outcome"] == "verified", report["findings"]
