"""Images as an asset, with an engine and a condition of their own: each is one file and one line of wiring."""

import dataclasses

import numpy as np
import pytest

from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.app.doors.sdk import SpaceError
from tests.e2e.counting import Counting
from tests.e2e.house.brightness import KIND, Brightness, Consenting
from tests.e2e.space import ASSET, PURPOSE, Holding, hospital, staged, step
from tests.images import brightness, write_folder

DICTIONARY = """\
title = "Invented scans"
person = "patient"

[columns.patient]
type = "code"

[columns.grade]
type = "code"
codes = { healthy = "none", ill = "severe", rare = "of few" }
"""
GRADES = {"healthy": 80, "ill": 160, "rare": 250}
PATIENTS = 40
TASK = {"task": "brightness", "label": "grade", "purpose": PURPOSE, "min_sites": 1}


def scans():
    """Two images of each patient: label and image; three patients have what is rare."""
    for number in range(2 * PATIENTS):
        patient = number % PATIENTS
        grade = "rare" if patient < 3 else ("healthy", "ill")[patient % 2]
        yield f"p{patient}", grade, brightness(GRADES[grade], (8, 8, 3), seed=number)


def holding(source="images:scans"):
    return Holding("", "statistics-only", kinds=(KIND,), dictionary=DICTIONARY, source=source)


def with_images(*conditions):
    parts = ConnectorParts(engines={**ENGINES, (KIND, "brightness"): Brightness})
    return dataclasses.replace(parts, conditions=(*parts.conditions, *(lambda _, one=one: one for one in conditions)))


def lay_out(folder):
    patients, grades, images = zip(*scans(), strict=True)
    write_folder(folder / "scans", images, {"patient": patients, "grade": grades})


def expected(yes):
    told = {}
    for patient, grade, image in scans():
        if patient in yes:
            told.setdefault(grade, []).append(image.mean())
    return {grade: float(np.mean(means)) for grade, means in told.items() if grade != "rare"}


EVERYBODY = frozenset(f"p{number}" for number in range(PATIENTS))
YES = frozenset(f"p{number}" for number in range(PATIENTS) if number % 5)


@pytest.fixture
def answered(tmp_path):
    """What a user is answered where a hospital has these conditions, and the entries that it wrote about it."""

    def ask(*conditions):
        with staged(tmp_path) as stage:
            stage.add("authority", holding(), parts=with_images(*conditions))
            lay_out(stage.nodes["authority"].folder)
            stage.add("user")
            stage.open()
            stage.admit()
            agreement = stage.agree("user", "authority")
            used = stage.space("user").request(agreement, KIND)["id"]
            answer = stage.ask("user", "authority", used, step("means", task=TASK))
            return answer, stage.entries("authority", "use.admitted", "use.released")

    return ask


def test_images_go_the_whole_road_and_labels_of_few_are_suppressed(answered):
    answer, entries = answered()
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["values"] == pytest.approx(expected(EVERYBODY))
    assert said["cohort"] == PATIENTS - 3
    assert [entry["kind"] for entry in entries] == ["use.admitted", "use.released"]


def test_a_condition_lets_in_the_images_of_some_persons_alone(answered):
    answer, _ = answered(Consenting(YES))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["values"] == pytest.approx(expected(YES))
    assert said["values"] != pytest.approx(expected(EVERYBODY))
    assert said["cohort"] == len([patient for patient in YES if patient not in ("p0", "p1", "p2")])


def test_where_nobody_said_yes_nothing_leaves(answered):
    answer, _ = answered(Consenting(frozenset()))
    assert (answer.status_code, answer.json()["code"]) == (403, "use.withheld")


def test_two_conditions_let_in_whom_both_let_in(answered):
    answer, _ = answered(Consenting(YES), Consenting(frozenset(f"p{number}" for number in range(30))))
    both = [patient for patient in YES if int(patient[1:]) < 30]
    assert answer.json()["values"] == pytest.approx(expected(both))


def two_assets(stage, second, parts):
    """A hospital with hearts in a table, and a second asset."""
    stage.add("authority", hospital(1), parts=parts)
    node = stage.nodes["authority"]
    node.file.write_text(node.file.read_text() + second.toml().replace(f'id = "{ASSET}"', 'id = "scans"'))
    lay_out(node.folder)
    return node


def failing(space):
    (failed,) = [check for check in space.doctor()["checks"] if not check["ok"] and check["name"] == "assets"]
    return failed


def test_images_are_not_offered_for_a_use_that_takes_tables_and_keep_no_other_away(tmp_path):
    tables_only = ConnectorParts(engines={**ENGINES, (KIND, "count"): Counting})
    with staged(tmp_path) as stage:
        node = two_assets(stage, holding(), tables_only)
        (node.folder / "dictionary.toml").write_text(hospital(1).dictionary)
        stage.open()
        space = stage.space("authority")
        states = {one["dataset"]: (one["state"], one["code"]) for one in space.status()["assets"]}
        assert states == {ASSET: ("open", None), "scans": ("refused", "offer.form")}
        assert [one["id"] for one in space.catalog(node.did)] == [ASSET]
        assert (
            "scans holds images and is offered for medspace:statistics, which takes table"
            in failing(space)["sentence"]
        )
        assert "takes images" in failing(space)["next_step"]


def test_a_content_that_breaks_its_dictionary_is_never_served_and_keeps_no_other_away(tmp_path):
    with staged(tmp_path) as stage:
        node = two_assets(stage, holding(), with_images())
        (node.folder / "dictionary.toml").write_text(hospital(1).dictionary)
        stage.open()
        space = stage.space("authority")
        states = {one["dataset"]: (one["state"], one["code"]) for one in space.status()["assets"]}
        assert states == {ASSET: ("open", None), "scans": ("refused", "table.refused")}
        with pytest.raises(SpaceError) as refused:
            space.negotiate(node.did, "scans")
        assert refused.value.code == "catalog.unknown"
        assert "scans" in failing(space)["sentence"]
