"""The page of the label of a dataset: the labels of its columns and rows, looked at before they are in force."""

import re

import httpx
import pytest

from medspace.app.features.labels.pages import parts_of, typed_of
from tests.attacks.test_portal_scopes import comes_in
from tests.e2e.space import ASSET, PURPOSE, hospital, staged
from tests.passkeys import Authenticator

PAGE = f"/portal/labels/{ASSET}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("labels")) as stage:
        stage.add("clinic", hospital())
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def steward(stage):
    space = stage.space("clinic")
    account = space.new_account("Dr Li", ["steward"])["id"]
    with httpx.Client(base_url=stage.nodes["clinic"].private_url) as client:
        origin = stage.nodes["clinic"].connector.of("accounts").origin
        yield comes_in(
            stage, client, space.account_link(account)["text"], Authenticator(origin=origin, host="localhost")
        )


def parts(stage):
    label = stage.space("clinic").label(ASSET)["label"]
    return label.get("columns", []), label.get("rows", [])


def test_labels_of_parts_are_written_in_a_form_and_each_loosening_is_confirmed(stage, steward):
    whole = stage.space("clinic").label(ASSET)["label"]
    form = {
        "columns.0.names": "*",
        "columns.1.names": "age, bp",
        "columns.1.purposes": PURPOSE,
        "rows.0.column": "sex",
        "rows.0.values": "f",
        "rows.0.regions": "-",
        "rows.1.column": "sex",
        "rows.1.others": "1",
    }
    shown = steward.ask("GET", PAGE, params=form | {"look": "1"}).text
    assert "labels of columns" in shown
    assert parts(stage) == ([], [])  # looking changes nothing
    (seen,) = re.findall(r'name="seen" value="([^"]+)"', shown)
    loosens = re.findall(r'name="loosen" value="([a-z.]+)"', shown)
    if loosens:
        assert steward.send(PAGE, **form, seen=seen).status_code == 400
    assert steward.send(PAGE, **form, loosen=loosens, seen=seen).status_code == 303
    columns, rows = parts(stage)
    assert [one["names"] for one in columns] == [["*"], ["age", "bp"]]
    assert (columns[1]["purposes"], rows[0]["regions"], rows[1]["others"]) == ([PURPOSE], [], True)
    now = stage.space("clinic").label(ASSET)["label"]
    assert {name: now[name] for name in whole} == whole
    shown = steward.ask("GET", PAGE).text
    assert 'value="age, bp"' in shown
    assert "none of its kind names is closed" in shown


def test_what_is_no_label_is_refused_and_what_was_typed_stays(stage, steward):
    before = parts(stage)
    shown = steward.ask("GET", PAGE, params={"look": "1", "columns.0.names": "age", "columns.0.regions": "Atlantis"})
    assert (shown.status_code, "label." in shown.text, 'value="Atlantis"' in shown.text) == (400, True, True)
    assert parts(stage) == before


LABELS = [
    {"purposes": [PURPOSE]},
    {"columns": [{"names": ["a, b"], "sensitivity": "restricted"}, {"names": ["*"], "purposes": []}]},
    {"rows": [{"column": "x", "values": ["1, 2", "3"], "laws": ["ehds"]}, {"column": "x", "others": True}]},
    {"columns": [{"names": [f"c{at}"]} for at in range(60)]},
]


@pytest.mark.parametrize("label", LABELS, ids=range(len(LABELS)))
def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(label):
    assert parts_of(label, typed_of(label)) == label
