"""Reading patients by many questions: each brake of usage control stops what goes on without it, over real HTTP."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from medspace.app.compose.connector import ConnectorParts
from medspace.core import limits
from tests.attacks.reading import NONE, Reader, as_it_is, asked, only, read_singly
from tests.e2e.space import ASSET, Holding, staged, table

ROWS = table(5)
PATIENTS = list(csv.DictReader(io.StringIO(ROWS)))
COLUMNS = ("sbp", "disease")
PLANE = asked("poisson", "age", [{"name": name} for name in COLUMNS])
DIRECTION = np.array([1.0, 0.173])


@pytest.fixture
def clinic(tmp_path):
    """One clinic with these brakes, and members of other houses."""
    with staged(tmp_path) as stage:

        def opened(brakes, rows=ROWS, others=("company",), **more):
            stage.add("authority")
            terms = more.pop("terms", {})
            stage.add("clinic", Holding(rows, terms=terms, **more), parts=ConnectorParts(brakes=brakes))
            for key in others:
                stage.add(key)
            stage.open()
            stage.admit()
            return stage

        yield opened


def of(patient):
    return np.array([float(patient[name]) for name in COLUMNS])


def exact(singles):
    """How many of the values that were read are those of a patient."""
    return sum(any(np.abs(found[:2] - of(patient)).max() < 0.05 for patient in PATIENTS) for found in singles)


def said(report, attack, value, *, on, **more):
    """Say what one run of an attack got: with its brake on, or as the control."""
    report(attack, **{"got" if on else "control": value}, **more)


# --- few questions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("brakes", "questions", "read"), [(only("questions"), None, 0), (NONE, None, 3)])
def test_planes_isolate_no_patient_with_the_questions_of_a_year(clinic, brakes, questions, read, attack_report):
    reader = Reader(clinic(brakes, questions=questions), "company", "clinic")
    singles = read_singly(reader, PLANE, DIRECTION, wanted=3)
    found, attack = exact(singles), "planes over HTTP within a year's questions: patients read of three wanted"
    said(attack_report, attack, found, on=brakes.questions, of=3, unit="patients")
    assert exact(singles) == read
    if brakes.questions:
        assert reader.answers <= len(PATIENTS) // 10
        assert reader.codes
        assert set(reader.codes) <= {"use.questions", "use.withheld"}


@pytest.mark.parametrize(("brakes", "most"), [(only("questions"), 6), (NONE, 20)])
def test_two_users_with_several_uses_at_once_share_the_questions_of_a_year(clinic, brakes, most, attack_report):
    stage = clinic(brakes, questions=None, others=("company", "other"))
    readers = [Reader(stage, me, "clinic") for me in ("company", "other") for _ in range(2)]

    def ask(number):
        reader = readers[number % 4]
        beta = [0.01 * number, 0.0, 0.0, 0.0, 0.0]
        return reader.post(PLANE, "newton", 2 + number // 4, beta=beta, layout=as_it_is(2)).status_code

    with ThreadPoolExecutor(4) as pool:
        answered = list(pool.map(ask, range(20))).count(200)
    attack = "two users at once: questions answered of twenty (six a year)"
    said(attack_report, attack, answered, on=brakes.questions, of=20, unit="questions")
    assert answered == most
    assert len(stage.entries("clinic", "use.released")) == most


@pytest.mark.parametrize(("brakes", "answered"), [(only("questions"), False), (NONE, True)])
def test_a_restart_brings_no_question_back(clinic, brakes, answered, attack_report):
    stage = clinic(brakes, questions=2)
    reader = Reader(stage, "company", "clinic")
    assert [reader.values(PLANE, "moments") is not None, mild(reader, 1) is not None] == [True, True]
    stage.close("clinic")
    stage.open("clinic")
    after = [mild(reader, 2) is not None]
    reader.begin()
    after.append(mild(reader, 3) is not None)
    attack = "restart: questions answered beyond those of the year"
    said(attack_report, attack, sum(after), on=brakes.questions, of=2, unit="questions")
    assert after == [answered, answered]


def mild(reader, number):
    """An honest question of its own."""
    return reader.values(PLANE, beta=[0.01 * number, 0.0, 0.0, 0.0, 0.0], layout=as_it_is(2))


# --- once ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("brakes", "most"), [(only("once"), 30), (NONE, 40)])
def test_one_use_answers_few_questions_and_each_round_once(clinic, brakes, most, attack_report):
    reader = Reader(clinic(brakes), "company", "clinic")

    def answered(number, offset):
        beta = [0.01 * number + offset, 0.0, 0.0, 0.0, 0.0]
        return reader.post(PLANE, "newton", number, beta=beta, layout=as_it_is(2)).status_code == 200

    assert answered(2, 0.0)
    assert answered(2, 0.5) is not brakes.once  # the same round, another question
    assert answered(3, 0.0)
    assert answered(2, 0.7) is not brakes.once  # back
    reader.begin()
    answers = sum(answered(number, 0.0) for number in range(1, 41))
    said(attack_report, "one use: rounds answered", answers, on=brakes.once, of=40, unit="rounds")
    assert answers == most
    repeated = reader.post(PLANE, "newton", 7, beta=[0.07, 0.0, 0.0, 0.0, 0.0], layout=as_it_is(2))
    assert repeated.status_code == 200  # what was answered and lost is not another question


@pytest.mark.parametrize(("brakes", "held"), [(only("questions"), True), (NONE, False)])
def test_bisecting_on_what_is_withheld_ends_early(clinic, brakes, held, attack_report):
    """Whether ten patients lie above a plane is one bit; a dozen tell the tenth highest pressure."""
    task = asked("poisson", "age", [{"name": "sbp"}])
    reader = Reader(clinic(brakes), "company", "clinic")
    low, high = 0.0, 300.0
    for _ in range(12):
        middle = (low + high) / 2
        found = reader.above(task, np.array([1.0]), middle)
        low, high = (low, middle) if found is None else (middle, high)
    tenth = sorted((float(patient["sbp"]) for patient in PATIENTS), reverse=True)[9]
    found = low - 0.1 < tenth < high + 0.1
    said(attack_report, "bisecting: tenth highest values found", found, on=brakes.questions, of=1, unit="values")
    assert found is not held
    reader.begin()  # a new use under the agreement does not help
    assert (reader.above(task, np.array([1.0]), 0.0) is None) is held
    codes = {entry["facts"]["code"] for entry in stage_entries(reader, "use.withheld")}
    assert codes == {"use.withheld"}


def stage_entries(reader, *kinds):
    return reader.stage.entries("clinic", *kinds)


# --- changed tables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("brakes", [only("changes"), NONE])
def test_one_row_that_went_is_not_the_difference_of_two_answers(clinic, brakes, attack_report):
    stage = clinic(brakes)
    reader = Reader(stage, "company", "clinic")
    before = reader.values(PLANE, "moments")
    kept = ROWS.splitlines(keepends=True)
    gone = PATIENTS[-1]
    stage.close("clinic")
    (stage.nodes["clinic"].folder / "rows.csv").write_text("".join(kept[:-1]))
    stage.open("clinic")
    reader.begin()
    after = reader.post(PLANE, "moments", 2)
    assert after.status_code == 200
    difference = before["target_sum"] - after.json()["values"]["target_sum"]
    read = abs(difference - float(gone["age"])) < 1e-3
    said(attack_report, "changed table: ages read of who left it", read, on=brakes.changes, of=1, unit="patients")
    if brakes.changes:
        assert difference == 0.0  # the answer of before, to the same question
        assert reader.post(PLANE | {"max_rounds": 99}, "moments", 2).status_code == 403
        reader.begin()
        other = reader.post(PLANE | {"max_rounds": 99}, "moments", 2)
        assert (other.status_code, other.json()["cause"]) == (403, "use.changed")
        assert any("more patients changed" in reason for reason in other.json()["reason"])
    else:
        assert difference == pytest.approx(float(gone["age"]), abs=1e-3)


def test_a_table_of_which_enough_patients_changed_answers_anew(clinic):
    stage = clinic(only("changes"))
    reader = Reader(stage, "company", "clinic")
    before = reader.values(PLANE, "moments")
    stage.close("clinic")
    # Two persons in one bucket count once, so ten that went are nine in one of twenty secrets: twice as many go.
    (stage.nodes["clinic"].folder / "rows.csv").write_text("".join(ROWS.splitlines(keepends=True)[:-20]))
    stage.open("clinic")
    reader.begin()
    after = reader.post(PLANE, "moments", 2)
    assert after.status_code == 200
    assert after.json()["values"]["n"] == before["n"] - 20


def test_the_same_table_in_another_order_is_the_same_table(clinic):
    stage = clinic(only("changes", "questions"), questions=2)
    reader = Reader(stage, "company", "clinic")
    before = reader.values(PLANE, "moments")
    head, *rows = ROWS.splitlines(keepends=True)
    stage.close("clinic")
    (stage.nodes["clinic"].folder / "rows.csv").write_text("".join([head, *reversed(rows)]))
    stage.open("clinic")
    reader.begin()
    assert reader.values(PLANE, "moments") == before
    assert mild(reader, 1) is not None


# --- other holders ---------------------------------------------------------------------------------------------


TABLES = {
    "alone": ((), {}),
    "two of three": (("north",), {}),
    "goes on with two": (("north", "south"), {"min_sites": 2}),
    "the user itself": (("north", "company"), {}),
    "two of one operator": (("north", "twin"), {}),
}


@pytest.mark.parametrize("brakes", [only("sites"), NONE])
def test_one_hospital_by_itself_is_not_trained_on_where_the_contract_wants_three(clinic, brakes, attack_report):
    stage = clinic(brakes, terms={"min_sites": 3}, others=("company", "north", "south", "twin"))
    stage.admit("twin", operator=stage.nodes["north"].did)
    stage.space("clinic").refresh()
    task = PLANE | {"min_sites": 3}
    reader = Reader(stage, "company", "clinic")
    answered = 0
    for others, changes in TABLES.values():
        reader.begin()
        reader.sit(task, others, **changes)
        answered += reader.post(task, "moments", 1).status_code == 200
    attack = "sites: answers to a run without three holders"
    said(attack_report, attack, answered, on=brakes.sites, of=len(TABLES), unit="answers")
    assert answered == (0 if brakes.sites else len(TABLES))
    reader.begin()
    assert reader.sit(task, ("north", "south")).status_code == 200
    assert reader.post(task, "moments", 1).status_code == 200
    assert stage.entries("clinic", "use.admitted")[-1]["facts"]["sites"] == 3
    again = reader.sit(task, ("south", "twin"))
    assert (again.status_code, again.json()["cause"]) == (403, "run.other_manifest")


BAD = [{}, {"manifest": 1}, {"manifest": "a.b.c"}, {"manifest": "x" * 250_000}, [], {"manifest": ""}]


def test_manifests_that_cannot_be_read_are_refused(clinic):
    reader = Reader(clinic(only("sites")), "company", "clinic")
    for body in BAD:
        assert reader.stage.post("company", "clinic", reader.use, "/manifest", body).status_code == 400
    for body in ({}, {"keys": "all"}, {"keys": [1]}, {"keys": [""] * 300}):
        assert reader.stage.post("company", "clinic", reader.use, "/seats", body).status_code == 400
    step = {"task": PLANE, "round": 1, "name": "moments", "inputs": {}}
    answer = reader.stage.post("company", "clinic", reader.use, "", step)
    assert answer.json().get("cause") == "run.no_manifest", answer.text
    for inbox in ("all", {"not a did": "m"}, {"did:web:a": 1}, {"did:web:a": "m" * (limits.MAIL + 1)}):
        answer = reader.stage.post("company", "clinic", reader.use, "", step | {"inbox": inbox})
        assert answer.status_code == 400
    assert reader.stage.entries("clinic", "use.admitted") == []


def test_the_asset_is_the_one_that_is_attacked():
    assert ASSET in Holding(ROWS).toml()
