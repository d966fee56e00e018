"""FHIR: how much of the given cases passes, and what views and NDJSON cost."""

import gzip
import json
import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import msgspec

from medspace.adapters.duckdb.reading import connect
from medspace.adapters.fhir.ndjson import Reading
from medspace.adapters.fhir.source import fill
from medspace.adapters.fhir.standard import view_of
from medspace.adapters.fhir.views import CompiledView, compiled_view
from tests.fhirpath_cases import path_cases
from tests.hearts import fitted, gap
from tests.shared_data import DATA
from tests.sof_cases import VIEW_CASES, columns, view

PATIENTS = 1000
OBSERVATIONS = 40_000
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
        "fhir.ndjson_mb_s": _ndjson(),
        "sources.fhir_gap": _gap(),
    }


def _gap() -> dict[str, Any]:
    """How far the demo's model is from the pooled one, where two of the four hospitals have FHIR."""
    with TemporaryDirectory() as folder:
        found = gap(fitted(Path(folder)))
    return _figure(found, "coefficient", "pooled fit, same run; files, a server's export, two CSV; masks", "<= 1e-8")


def _ndjson() -> dict[str, Any]:
    """Megabytes a second from the lines of Observations to columns, with what others take for less work."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "Observation.ndjson"
        file.write_bytes(b"".join(_observation(number) for number in range(OBSERVATIONS)))
        size = file.stat().st_size / 1e6
        ours = min(_timed(lambda: _filled(file)) for _ in range(ROUNDS))
        parsed = min(_timed(lambda: _parsed(file)) for _ in range(ROUNDS))
        duck = min(_timed(lambda: _by_duckdb(file)) for _ in range(ROUNDS))
    others = f"{size / parsed:.0f} to parse alone (msgspec), {size / duck:.0f} by DuckDB's reader, unchecked"
    return _figure(size / ours, "MB/s", others, ">= 30")


def _observation(number: int) -> bytes:
    """An Observation of 626 bytes or so, as laboratories send them."""
    coded = {"system": "http://loinc.org", "code": "8480-6", "display": "Systolic blood pressure"}
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    value = {"value": 100 + number % 60, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    said = {"resourceType": "Observation", "id": f"o{number}", "status": "final"}
    said |= {"category": [{"coding": [category]}], "code": {"coding": [coded], "text": coded["display"]}}
    said |= {"subject": {"reference": f"Patient/p{number // 10}"}, "encounter": {"reference": f"Encounter/e{number}"}}
    said |= {"effectiveDateTime": "2021-02-03T10:20:00+01:00", "issued": "2021-02-03T10:20:00.123+01:00"}
    return json.dumps(said | {"valueQuantity": value}).encode() + b"\n"


def _filled(file: Path) -> None:
    view = view_of("Observation", file)
    reading = Reading(view, "patient", [column.name for column in view.columns])
    with closing(connect(None)) as duck:
        fill(duck, file, reading)
        assert duck.execute("SELECT count(*) FROM raw").fetchone()[0] == OBSERVATIONS


def _parsed(file: Path) -> None:
    decoder = msgspec.json.Decoder()
    with file.open("rb") as lines:
        for line in lines:
            decoder.decode(line)


def _by_duckdb(file: Path) -> None:
    with closing(duckdb.connect(config={"threads": 1})) as duck:
        duck.execute(
            "CREATE TABLE t AS SELECT json->>'$.subject.reference', json->>'$.status', "
            "json->>'$.category[0].coding[0].code', json->>'$.code.coding[0].code', "
            "json->>'$.code.coding[0].system', "
            "json->>'$.valueQuantity.value', json->>'$.valueQuantity.code', json->>'$.effectiveDateTime' "
            "FROM read_json_objects(?, format = 'newline_delimited')",
            [str(file)],
        )


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


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
    return min(_timed(lambda: _applied(views, patients)) for _ in range(ROUNDS)) * 1000


def _applied(views: list[CompiledView], patients: list[Any]) -> None:
    for one in views:
        for patient in patients:
            one.rows(patient)
