"""Whole connectors over HTTP: that hospitals measure in other units is told before any of them is asked."""

import json

import pytest

from medspace.app.doors.sdk import SpaceError
from medspace.app.main import main
from tests.e2e.space import DICTIONARY, TASK, Holding, staged, table

SBP = 'description = "Systolic blood pressure."'


def measuring(seed, unit):
    """A hospital that states this unit of the blood pressure."""
    stated = f'{SBP}\nunit = "{unit}"' if unit else SBP
    return Holding(table(seed), dictionary=DICTIONARY.replace(SBP, stated))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("units")) as stage:
        stage.add("authority", measuring(1, "mm[Hg]"))
        stage.add("habit", measuring(2, "mmHg"))
        stage.add("other", measuring(3, "kPa"))
        stage.add("silent", measuring(4, ""))
        stage.add("user")
        stage.open()
        stage.admit()
        stage.agreements = {key: stage.agree("user", key) for key in stage.nodes if key != "user"}
        yield stage


def asked(stage):
    return sum(len(stage.entries(key, "use.admitted", "transfer.requested")) for key in stage.agreements)


@pytest.fixture
def said(stage, capsys, tmp_path):
    """What `medspace train` of the user says of these hospitals, and how it ends."""
    task = tmp_path / "task.json"
    task.write_text(json.dumps(TASK))

    def say(*keys, more=()):
        agreements = [word for key in keys for word in ("--agreement", stage.agreements[key])]
        with pytest.raises(SystemExit) as end:
            main(["train", str(task), *agreements, *more, "--config", str(stage.nodes["user"].file)])
        printed = capsys.readouterr()
        return int(end.value.code or 0), " ".join(printed.out.split()), " ".join(printed.err.split())

    return say


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_another_unit_is_refused_with_the_column_the_sites_and_the_units(stage, said, more):
    before = asked(stage)
    code, out, err = said("authority", "other", more=more)
    authority, other = (stage.nodes[key].did for key in ("authority", "other"))
    assert code == 3
    assert "learning.units" in err
    assert f"the column sbp is in kPa, but in mm[Hg] at {authority}" in err
    assert other in err or "Other" in err
    assert "convert the column where it is exported" in out + err
    assert asked(stage) == before


def test_a_dry_run_says_what_may_differ_and_asks_nobody(stage, said):
    before = asked(stage)
    code, out, _ = said("authority", "silent", "habit", more=("--dry-run",))
    assert code == 0
    silent = stage.nodes["silent"].did
    assert f"no unit is stated at {silent}: ask for it before you train" in out
    assert "The units of the column sbp are read as one: mmHg, mm[Hg]." in out
    assert asked(stage) == before


def test_a_training_says_so_before_it_asks_and_keeps_it(stage, said):
    code, out, err = said("authority", "silent")
    silent = stage.nodes["silent"].did
    assert code == 0, err
    assert f"no unit is stated at {silent}" in err
    assert f"no unit is stated at {silent}" not in out
    (newest, *_) = stage.space("user").runs()
    assert [silent in remark for remark in newest["remarks"]] == [True]


def test_without_the_hospital_that_differs_it_goes_on(stage):
    agreements = [stage.agreements[key] for key in ("authority", "habit", "other")]
    run = stage.space("user").train(TASK, agreements, without_missing=True, wait=60)
    assert run["state"] == "finished"
    assert [fault["code"] for fault in run["faults"]] == ["learning.units"]


def test_programs_are_told_the_same(stage):
    agreements = [stage.agreements[key] for key in ("authority", "other")]
    with pytest.raises(SpaceError) as refused:
        stage.space("user").forecast(TASK, agreements)
    assert refused.value.code == "learning.units"
