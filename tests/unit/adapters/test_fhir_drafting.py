"""Views and dictionaries drafted from FHIR resources: read as they are loaded, and silent on single patients."""

import json
import zipfile
from contextlib import closing

import pytest

from medspace.adapters.duckdb.errors import TableUnnamedError
from medspace.adapters.duckdb.settings import DraftOptions, OptionError
from medspace.adapters.fhir.drafting import candidates, draft
from medspace.adapters.fhir.errors import ResourcesRefusedError, ViewError
from medspace.adapters.fhir.source import load
from medspace.adapters.fhir.supported import supported
from medspace.adapters.fhir.viewdrafting import drafted_view
from medspace.app.main import main
from medspace.core.dictionary import parse
from tests.shared_data import public

PATIENTS = 24


def component(code, **value):
    return {"code": {"coding": [{"code": code}]}, **value}


def panel(number):
    parts = [
        component("8480-6", valueQuantity={"value": 100 + number % 20, "code": "mm[Hg]"}),
        component("sex", valueCodeableConcept={"coding": [{"code": "fm"[number % 2]}]}),
        component("smokes", valueBoolean=number % 3 == 0),
        component("8480_6", valueInteger=number % 4),
        *([component("rare", valueInteger=7)] if number < 9 else []),
        component("it's ' or true", valueInteger=1),
    ]
    subject = {"reference": f"Patient/p{number}"}
    return {"resourceType": "Observation", "id": f"o{number}", "subject": subject, "component": parts}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "export"
    made.mkdir()
    patients = [{"resourceType": "Patient", "id": f"p{number}"} for number in range(PATIENTS)]
    for name, many in (("Patient", patients), ("Observation", map(panel, range(PATIENTS)))):
        (made / f"{name}.ndjson").write_text("".join(json.dumps(one) + "\n" for one in many))
    return made


def test_a_panel_becomes_a_row_with_a_column_for_each_common_component(folder, tmp_path):
    view = drafted_view(folder, "Observation")
    names = [one["name"] for one in view["select"][0]["column"]]
    assert names == ["patient", "c_8480_6", "c_8480_6_", "sex", "smokes"]
    file = tmp_path / "view.json"
    file.write_text(json.dumps(view))
    drafted = draft(folder, DraftOptions("patient", table=str(file)))
    assert (drafted.rows, drafted.persons, drafted.form) == (PATIENTS, PATIENTS, "fhir")
    found = load("panels", folder, str(file), lambda name: tmp_path / name, parse(drafted.toml))
    assert (found.count, found.persons) == (PATIENTS, PATIENTS)


def test_a_component_of_few_patients_is_named_once_the_holder_has_fewer_than_that_many_to_protect(folder):
    assert "rare" not in json.dumps(drafted_view(folder, "Observation"))
    assert "rare" in json.dumps(drafted_view(folder, "Observation", 9))


def test_nothing_of_a_code_can_become_part_of_an_expression(folder):
    assert "or true" not in json.dumps(drafted_view(folder, "Observation", 1))


def test_what_is_not_said_is_asked_for(folder):
    with pytest.raises(TableUnnamedError, match="Patient"):
        draft(folder, DraftOptions("patient"))
    assert candidates(folder, DraftOptions(table="Observation")).likely[0] == "patient"
    for options in (DraftOptions(rows_are_persons=True, table="Patient"), DraftOptions("patient", encoding="utf-8")):
        with pytest.raises(OptionError):
            draft(folder, options)
    for kind in ("Observatory", "Condition"):
        with pytest.raises(ViewError):
            drafted_view(folder, kind)
    (folder / "Observation.ndjson").write_text('{"resourceType": "Observation", "id": "o"}\n{')
    with pytest.raises(ResourcesRefusedError, match="line 2"):
        drafted_view(folder, "Observation")


@pytest.fixture(scope="module")
def synthea(tmp_path_factory):
    """A synthetic bulk export, taken out of its archive."""
    made = tmp_path_factory.mktemp("synthea")
    with closing(zipfile.ZipFile(public("fhir-synthea-10/synthea_10_patients_ndjson.zip"))) as archive:
        for name in archive.namelist():
            if name.endswith(".ndjson"):
                (made / name.rpartition("/")[2]).write_bytes(archive.read(name))
    return made


@pytest.mark.parametrize("kind", ["Condition", "Encounter", "MedicationRequest", "Patient", "Procedure"])
def test_a_public_export_is_drafted_and_loaded_by_the_views_of_the_program(synthea, kind):
    drafted = draft(synthea, DraftOptions("patient", table=kind))
    found = load("synthea", synthea, kind, lambda name: synthea / name, parse(drafted.toml))
    assert (found.count, found.persons) == (drafted.rows, drafted.persons)
    assert drafted.persons <= 13


def typed(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    told = capsys.readouterr()
    return end.value.code, told.out + told.err


def test_the_path_from_resources_to_an_offer_on_the_command_line(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, told = typed(capsys, "source", "features", "--json")
    assert (code, json.loads(told)) == (0, supported())
    code, told = typed(capsys, "source", "view", "export", "Observation", "--save", "view.json")
    assert (code, "draft fhir:export --table view.json" in told) == (0, True)
    assert typed(capsys, "source", "view", "export", "Observation", "--save", "view.json")[0] != 0
    said = ("fhir:export", "--table", "view.json", "--person", "patient")
    code, told = typed(capsys, "draft", *said, "--save", "panels.toml")
    assert (code, f"{PATIENTS} rows of {PATIENTS} persons" in told) == (0, True)
    code, told = typed(capsys, "init", "clinic", "--name", "Clinic", "--offer", *said, "--yes")
    assert code == 0, told
    config = (tmp_path / "clinic" / "medspace.toml").read_text()
    assert f'source = "fhir:{folder}"' in config
    assert f'table = "{tmp_path / "view.json"}"' in config
