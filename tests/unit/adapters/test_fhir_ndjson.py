"""FHIR NDJSON as a table: persons counted as persons, other patients' data outside, half files refused."""

import gzip
import json
from pathlib import Path

import pytest

from medspace.adapters.fhir.errors import ResourcesRefusedError, ViewError
from medspace.adapters.fhir.persons import patients_named, walked
from medspace.adapters.fhir.source import load
from medspace.core.dictionary import DictionaryError, parse

DICTIONARY = parse("""
title = "Observations"
person = "patient"
left_out = ["status", "category", "system", "unit", "value_code"]
[columns.patient]
type = "code"
[columns.code]
type = "code"
[columns.value]
type = "number"
[columns.observed]
type = "date"
""")


def patient(name, **more):
    return {"resourceType": "Patient", "id": name, **more}


def observation(name, owner, **more):
    value = {"value": 1.5, "code": "mg"}
    coded = {"coding": [{"code": "8480-6"}]}
    subject = {"reference": f"Patient/{owner}"}
    said = {"resourceType": "Observation", "id": name, "subject": subject, "code": coded, "valueQuantity": value}
    return {**said, "effectiveDateTime": "2021-02-03T10:00:00Z", **more}


def written(folder, **files):
    for name, resources in files.items():
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(one) + "\n" for one in resources))
    return folder


def opened(path, view="Observation", dictionary=DICTIONARY):
    return load("hearts", path, view, Path, dictionary)


def test_rows_of_a_folder_are_counted_by_patients(tmp_path):
    rows = [observation("o1", "a"), observation("o2", "a"), observation("o3", "b")]
    found = opened(written(tmp_path, Patient=[patient("a"), patient("b")], Observation=rows))
    assert (found.count, found.persons, found.warnings) == (3, 2, ())


def test_a_compressed_file_alone_says_that_its_references_were_not_checked(tmp_path):
    with gzip.open(tmp_path / "o.ndjson.gz", "wt") as file:
        file.write(json.dumps(observation("o1", "a")))
    found = opened(tmp_path / "o.ndjson.gz")
    assert (found.count, len(found.warnings)) == (1, 1)
    whole = (tmp_path / "o.ndjson.gz").read_bytes()
    (tmp_path / "o.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ResourcesRefusedError):
        opened(tmp_path / "o.ndjson.gz")


OTHERS = {
    "second reference": {"performer": [{"reference": "Patient/b"}]},
    "focus": {"focus": [{"reference": "Patient/b"}]},
    "absolute": {"focus": [{"reference": "https://fhir.example/Patient/b"}]},
    "a version": {"focus": [{"reference": "Patient/b/_history/1"}]},
    "contained": {"contained": [patient("x", gender="male")]},
    "contained of another": {"contained": [observation("x", "b")]},
    "by an identifier": {"focus": [{"type": "Patient", "identifier": {"value": "17"}}]},
    "urn": {"focus": [{"reference": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}]},
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_also_another_patients_is_left_out(tmp_path, name):
    rows = [observation("o1", "a"), observation("o2", "a", **OTHERS[name])]
    found = opened(written(tmp_path, Patient=[patient("a"), patient("b")], Observation=rows))
    assert (found.count, len(found.warnings)) == (1, 1)


def test_nobodys_resources_are_left_out(tmp_path):
    rows = [observation("o1", "a"), observation("o2", "a", subject={"reference": "Group/g"})]
    found = opened(written(tmp_path, Patient=[patient("a")], Observation=rows))
    assert (found.count, len(found.warnings)) == (1, 1)


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"Patient": [patient("a")], "Observation": [observation("o1", "nobody")]}, "none of the files"),
        ({"O1": [observation("o1", "a")], "O2": [observation("o1", "a")]}, "same id"),
        ({"O": [observation("o1", "a"), patient("a")]}, "another type"),
        ({"O": [observation("", "a")]}, "no id"),
        (
            {"O": [observation(n, "a", focus=[{"reference": f"https://{n}.example/Patient/a"}]) for n in "xy"]},
            "2 servers",
        ),
        ({}, "no files"),
    ],
)
def test_files_that_cannot_be_right_are_refused_whole(tmp_path, files, word):
    with pytest.raises(ResourcesRefusedError, match=word):
        opened(written(tmp_path, **files))


def test_a_half_file_is_refused_even_where_the_view_does_not_read_it(tmp_path):
    written(tmp_path, Observation=[observation("o1", "a")], Patient=[patient("a")])
    (tmp_path / "Encounter.ndjson").write_text('{"resourceType": "Encounter", "id": "e1"}\n{"resourceType": "Enc')
    with pytest.raises(ResourcesRefusedError, match="line 2"):
        opened(tmp_path)
    (tmp_path / "Encounter.ndjson").write_text("[" * 100_000)
    with pytest.raises(ResourcesRefusedError, match="line 1"):
        opened(tmp_path)


def test_the_person_must_be_named_and_be_the_patient(tmp_path):
    folder = written(tmp_path, Observation=[observation("o1", "a")])
    left_out = '"patient", "status", "category", "system", "unit", "value_code", "value", "observed"'
    nobody = parse(f'title = "x"\nleft_out = [{left_out}]\n[columns.code]\ntype = "code"\n')
    with pytest.raises(DictionaryError):
        opened(folder, dictionary=nobody)
    columns = [{"name": "patient", "path": "id"}, {"name": "code", "path": "status"}]
    (tmp_path / "view.json").write_text(json.dumps({"resource": "Observation", "select": [{"column": columns}]}))
    said = parse('title = "x"\nperson = "patient"\n[columns.patient]\ntype = "code"\n[columns.code]\ntype = "code"\n')
    with pytest.raises(ResourcesRefusedError, match="whose resource it is"):
        opened(folder, str(tmp_path / "view.json"), said)
    with pytest.raises(ViewError):
        opened(folder, "Nothing")


@pytest.mark.parametrize("name", [*OTHERS, ""])
def test_the_quick_look_sees_what_the_walk_sees(name):
    said = observation("o1", "a", **OTHERS.get(name, {}))
    for line in (json.dumps(said), json.dumps(said).replace("Patient/", "\\u0050atient\\/")):
        assert patients_named(line.encode(), "Observation") == walked(said)
