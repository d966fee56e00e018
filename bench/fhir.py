"""FHIR: how much of the given cases passes, and what views and NDJSON cost."""

import gzip
import json
import time
from decimal import Decimal
from typing import Any

import msgspec

from medspace.adapters.fhir.views import CompiledView, compiled_view
from tests.fhirpath_cases import path_cases
from tests.shared_data import DATA
from tests.sof_cases import VIEW_CASES, columns, view

PATIENTS = 1000
ROUNDS = 5
GIVEN = ("basic", "foreach", "where")
# Ten views of patients, as holders write them: keys, codes, choices, extensions, loops and unions.
VIEWS = (
    view("Patient", columns("getResourceKey()", "gender", "birthDate")),
    view("Patient", columns("id", "active", "deceased.exists()", "multipleBirth.ofType(integer)")),
    view("Patient", columns("id", "name.where(use = 'official').family.first()", "name.given.first()")),
    view("Patient", columns("id", "maritalStatus.coding.first().code", "communication.language.text.first()")),
    view("Patient", columns("id", "address.first().state", "address.first().postalCode")),
    view("Patient", columns("id"), {"forEach": "identifier", "column": [{"name": "value", "path": "value"}]}),
    view("Patient", columns("id"), {"forEachOrNull": "telecom", "column": [{"name": "system", "path": "system"}]}),
    view("Patient", {"unionAll": [columns("city", forEach="address"), columns("value", forEach="telecom")]}),
    view("Patient", columns("id", "birthDate.lowBoundary()"), where=[{"path": "gender = 'female'"}]),
    view("Patient", columns("id", "extension('urn:x').value.ofType(string)", "name.family.join(' ')")),
)


def measure() -> dict[str, dict[str, Any]]:
    """Shares of cases, and milliseconds."""
    given = [_passes(said, case) for said in map(_given, GIVEN) for case in said["tests"]]
    named = [case for case in path_cases() if case.named]
    return {
        "sof.cases": _figure(sum(given) / len(given), "", f"of {len(given)} given", "1.0"),
        "sof.own": _figure(sum(case.passes() for case in VIEW_CASES), "cases", f"of {len(VIEW_CASES)}", ">= 100"),
        "sof.ms_per_1k": _figure(_views(), "ms", "10 views of 1,000 patients, parsed before", "<= 50"),
        "fhirpath.cases": _figure(
            sum(case.passes() for case in named) / len(named), "", f"of {len(named)} given", ">= .98"
        ),
    }


def _figure(value: float, unit: str, reference: str, target: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "reference": reference, "target": target}


def _given(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((DATA / "sql-on-fhir" / "tests" / f"{name}.json").read_bytes())
    return said


def _passes(said: dict[str, Any], case: dict[str, Any]) -> bool:
    found = compiled_view(case["view"])
    names = [column.name for column in found.columns]
    rows = [dict(zip(names, row, strict=True)) for resource in said["resources"] for row in found.rows(resource)]
    return sorted(map(_told, rows)) == sorted(map(_told, case["expect"]))


def _told(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


def _views() -> float:
    """The least milliseconds of some rounds that ten views take over so many patients."""
    lines = gzip.decompress((DATA / "fhir-synthea-10" / "Patient_100.ndjson.gz").read_bytes()).splitlines()
    read = msgspec.json.Decoder(float_hook=Decimal)
    patients = [read.decode(lines[number % len(lines)]) for number in range(PATIENTS)]
    views = [compiled_view(one) for one in VIEWS]
    return min(_round(views, patients) for _ in range(ROUNDS)) * 1000


def _round(views: list[CompiledView], patients: list[Any]) -> float:
    started = time.perf_counter()
    for one in views:
        for patient in patients:
            one.rows(patient)
    return time.perf_counter() - started
