"""The heart records of four hospitals in three forms (FHIR in files, on a server, CSV), and one task on all.

Each record of Cleveland and Hungary becomes a Patient and an Observation with a component for each finding, as a
hospital's system sends a panel. Dictionary, task and pooled reference are those of the demo.
"""

import asyncio
import csv
import io
import json
import tomllib
from pathlib import Path

from medspace.adapters.fhir.fetching.service import fetch
from medspace.adapters.fhir.viewdrafting import drafted_view
from medspace.app.demo import data
from medspace.app.demo.pooled import largest_difference
from medspace.app.demo.space import MIN_COHORT
from medspace.app.demo.story import heart_task
from medspace.core.canonical import JsonObject
from tests.e2e.space import Holding, Stage, staged
from tests.fhirserver import Served, served

FILES, SERVER, TABLES = "cleveland", "hungary", ("switzerland", "long-beach")
TERMS = {"min_sites": 3, "min_cohort": MIN_COHORT, "protection": None}  # with these, sums are masked
PERSON = "id"


def task() -> JsonObject:
    """What is fitted."""
    return heart_task() | {"min_sites": 3}


def described() -> JsonObject:
    """The columns of the records."""
    return dict(tomllib.loads(data.dictionary())["columns"])


def resources(rows: str) -> dict[str, list[JsonObject]]:
    """A hospital's rows (CSV) as FHIR resources."""
    columns, records = described(), list(csv.DictReader(io.StringIO(rows)))
    patients = [{"resourceType": "Patient", "id": f"h{one[PERSON]}"} for one in records]
    return {"Patient": patients, "Observation": [panel(one, columns) for one in records]}


def panel(row: dict[str, str], columns: JsonObject) -> JsonObject:
    """One record as an Observation with components; what was not measured has none."""
    component = [
        {"code": {"coding": [{"code": name}]}, **value_of(row[name], columns[name])}
        for name in row
        if name != PERSON and row[name]
    ]
    said = {"resourceType": "Observation", "id": f"o{row[PERSON]}", "status": "final", "code": {"text": "heart"}}
    return {**said, "subject": {"reference": f"Patient/h{row[PERSON]}"}, "component": component}


def value_of(cell: str, column: JsonObject) -> JsonObject:
    """A finding as FHIR has it."""
    if column["type"] == "flag":
        return {"valueBoolean": cell.lower() == "true"}
    if column["type"] == "code":
        return {"valueCodeableConcept": {"coding": [{"code": cell}]}}
    number = float(cell)
    unit = {"code": column["unit"]} if "unit" in column else {}
    return {"valueQuantity": {"value": int(number) if number.is_integer() else number, **unit}}


def add_hospitals(stage: Stage, server: Served, folder: Path) -> list[str]:
    """Lay out an authority, the four hospitals and a user; the keys of the hospitals."""
    rows = data.split(data.records())
    view = folder / "panel.json"
    stage.add("authority")
    _write_files(folder / FILES, resources(rows[FILES]))
    view.write_text(json.dumps(drafted_view(folder / FILES, "Observation")))
    server.control(resources=resources(rows[SERVER]), polls=0)
    settings = folder / "fhir.toml"
    settings.write_text(f'server = "{server.base}"\nviews = ["panel.json"]\nnetworks = ["127.0.0.0/8"]\n')
    settings.chmod(0o600)
    asyncio.run(fetch(settings, folder / SERVER))
    left_out = [name for name in ("status",) if name not in described()]
    dictionary = data.dictionary().replace(f'person = "{PERSON}"', f'person = "patient"\nleft_out = {left_out}')
    dictionary = dictionary.replace(f"[columns.{PERSON}]", "[columns.patient]")
    for key in (FILES, SERVER):
        more = f"table = {json.dumps(str(view))}"
        stage.add(key, Holding("", dictionary=dictionary, terms=TERMS, source=f"fhir:{folder / key}", more=more))
    for key in TABLES:
        stage.add(key, Holding(rows[key], dictionary=data.dictionary(), terms=TERMS))
    stage.add("user")
    return [FILES, SERVER, *TABLES]


def fitted(folder: Path) -> JsonObject:
    """The run of the one task over all forms, by whole connectors; `folder` is there and empty."""
    forms = folder / "fhir"
    forms.mkdir()
    with served() as server, staged(folder / "stage") as stage:
        hospitals = add_hospitals(stage, server, forms)
        stage.open()
        stage.admit()
        agreements = [stage.agree("user", key) for key in hospitals]
        return dict(stage.space("user").train(task(), agreements, wait=120))


def _write_files(folder: Path, found: dict[str, list[JsonObject]]) -> None:
    folder.mkdir()
    for name, many in found.items():
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(one) + "\n" for one in many))


def gap(run: JsonObject) -> float:
    """The largest difference between the coefficients of a run and those of the same fit on all rows together."""
    coefficients = {term["name"]: float(term["value"]) for term in run["model"]["coefficients"]}
    return largest_difference(task(), data.split(data.records()), coefficients, MIN_COHORT)
