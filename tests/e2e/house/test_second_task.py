"""A second kind of task under `medspace:train` goes the whole road beside the first, by one place of wiring."""

import math

import pytest

from medspace.app.compose.connector import ALGORITHMS, ENGINES, ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.app.verbs import root
from tests.e2e.house.second_task import MEAN, TRAIN, MeanAlgorithm, MeanEngine
from tests.e2e.space import PURPOSE, TASK, audited, hospital, staged, step, table

WITH_MEAN = ConnectorParts(engines={**ENGINES, (TRAIN, MEAN): MeanEngine}, algorithms=(*ALGORITHMS, MeanAlgorithm))
MEAN_OF_AGES = {"task": MEAN, "column": "age", "purpose": PURPOSE, "min_sites": 2}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("second")) as stage:
        stage.add("authority", hospital(1), parts=WITH_MEAN)
        stage.add("clinic", hospital(2), parts=WITH_MEAN)
        stage.add("plain", hospital(3))
        stage.add("user", parts=WITH_MEAN)
        stage.open()
        stage.admit()
        yield stage


def ages(*seeds):
    return [int(line.split(",")[1]) for seed in seeds for line in table(seed).splitlines()[1:]]


def agreements(stage, *holders):
    return [stage.agree("user", holder) for holder in holders]


def test_the_new_task_is_run_and_its_result_is_shown_and_proven(stage, tmp_path):
    run = stage.space("user").train(MEAN_OF_AGES, agreements(stage, "authority", "clinic"), wait=60)
    assert run["state"] == "finished", run
    expected = ages(1, 2)
    assert math.isclose(run["model"]["result"]["mean"], sum(expected) / len(expected))
    assert run["model"]["rows"] == len(expected)
    assert stage.space("user").model(run["id"])["result"] == run["model"]["result"]
    report = audited(stage, tmp_path)
    assert report["outcome"] == "verified", report["findings"]


def test_people_see_it_as_its_folder_says(stage, capsys):
    user = stage.space("user")
    run = user.train(MEAN_OF_AGES, agreements(stage, "authority", "clinic"), wait=60)
    mean = f"{run['model']['result']['mean']:.2f}"
    said = user.model(run["id"])["described"]
    assert said["title"] == "A mean"
    assert said["tables"] == [{"title": None, "columns": ["column", "mean"], "rows": [["age", mean]]}]
    assert root(["model", run["id"], "--config", str(stage.nodes["user"].file)]) == 0
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("A mean", "column", mean, "of Authority, Clinic"))


def test_the_first_task_goes_on_beside_it(stage):
    run = stage.space("user").train(TASK, agreements(stage, "authority", "clinic"), wait=60)
    assert run["state"] == "finished", run
    assert run["model"]["coefficients"]


def test_a_hospital_without_its_engine_says_which_tasks_it_has(stage):
    with pytest.raises(SpaceError) as failure:
        stage.space("user").train(MEAN_OF_AGES, agreements(stage, "plain", "clinic"), wait=60)
    assert "glm" in str(failure.value)


def test_the_agreement_holds_for_it(stage):
    user = stage.space("user")
    started = user.request(stage.agree("user", "clinic"), TRAIN)
    wrong = MEAN_OF_AGES | {"purpose": "dpv:Marketing", "min_sites": 1}
    answer = stage.ask("user", "clinic", started["id"], step("sum", task=wrong))
    assert (answer.status_code, answer.json()["code"]) == (403, "use.refused")
    nothing = stage.ask("user", "clinic", started["id"], step("sum", task={"task": MEAN, "purpose": PURPOSE}))
    assert nothing.status_code == 400
