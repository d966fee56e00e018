"""A view drafted from looking at resources: the program's own for their type, as far as the resources fill it.

An Observation of several components (a panel) gets a column for each code that enough patients have a component of,
so that a row is a panel and no row has to be joined with another. A view is published with its columns' names, so
no code of few patients becomes one. A person reads the draft, and offers it or changes it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from medspace.adapters.fhir.errors import PathError, ViewError
from medspace.adapters.fhir.ndjson import resources_of
from medspace.adapters.fhir.persons import PATIENT
from medspace.adapters.fhir.standard import said_of
from medspace.adapters.fhir.views import CompiledView, compiled_view
from medspace.core.canonical import JsonObject
from medspace.core.text import msgid
from medspace.privacy.publication import LEAST

MOST_COMPONENTS = 200  # columns of a drafted view
PANEL = "Observation"
PERSON = "patient"  # what the column of the patient's id is called in the program's views
# The types of value that become a cell, by what follows `value` in JSON: the path from the value, the column's type.
VALUES = {
    "Quantity": (".value", "decimal"),
    "CodeableConcept": (".coding.first().code", "code"),
    "Integer": ("", "integer"),
    "Boolean": ("", "boolean"),
    "String": ("", "string"),
    "DateTime": ("", "date"),
}
_SAFE = re.compile(r"[A-Za-z0-9._-]{1,64}")  # codes that stand in a path as they are


def drafted_view(path: Path, kind: str, least: int = LEAST) -> JsonObject:
    """A ViewDefinition for the resources of a type in a folder; no component of fewer than `least` patients is named.

    Raises:
        ViewError: the program has no view for this type, or there are no such resources.
        ResourcesRefusedError: the files cannot be used.
    """
    said = said_of(kind)
    view = compiled_view(said, kind)
    filled, components = {PERSON}, defaultdict[tuple[str, str], set[str]](set)
    count = 0
    for resource in resources_of(path, kind):
        count += 1
        filled |= set(_filled(view, resource))
        if kind == PANEL:
            for key, patient in _components(resource):
                components[key].add(patient)
    if not count:
        raise ViewError(kind, msgid("there are no resources of this type in the folder"))
    columns = [one for one in said["select"][0]["column"] if one["name"] in filled]
    common = sorted(key for key, patients in components.items() if len(patients) >= least)
    taken = {one["name"] for one in columns}
    columns += [_column(code, value, taken) for code, value in common[:MOST_COMPONENTS]]
    return said | {"name": f"{said['name']}_drafted", "status": "draft", "select": [{"column": columns}]}


def _filled(view: CompiledView, resource: dict[str, Any]) -> Iterator[str]:
    """The columns in which a resource has something."""
    try:
        rows = view.rows(resource)
    except PathError:  # it is told when the table is drafted
        return
    for row in rows:
        yield from (column.name for column, cell in zip(view.columns, row, strict=True) if cell is not None)


def _components(resource: dict[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    """The code and the type of value of each component, with whose it is."""
    subject = resource.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str) or PATIENT not in reference:
        return
    for component in _objects(resource.get("component")):
        code = component.get("code")
        values = [kind for kind in VALUES if f"value{kind}" in component]
        codings = _objects(code.get("coding") if isinstance(code, dict) else None)
        for found in [one.get("code") for one in codings][:1]:
            if values and isinstance(found, str) and _SAFE.fullmatch(found):
                yield (found, values[0]), reference


def _objects(said: Any) -> Iterable[dict[str, Any]]:  # noqa: ANN401 - JSON
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else ()


def _column(code: str, value: str, taken: set[str]) -> JsonObject:
    name = re.sub(r"[^A-Za-z0-9]", "_", code).lower()
    name = name if name[:1].isalpha() else f"c_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    end, kind = VALUES[value]
    of_type = value[:1].lower() + value[1:] if kind != "code" and value != "Quantity" else value
    path = f"component.where(code.coding.exists(code = '{code}')).first().value.ofType({of_type}){end}"
    return {"name": name, "path": path, "type": kind, "description": f"component {code}"}
