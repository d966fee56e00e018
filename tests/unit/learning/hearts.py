"""The UCI heart-disease records of four hospitals (Janosi, Steinbrunn, Pfisterer, Detrano; CC BY 4.0)."""

import csv

import pytest

from tests.shared_data import DATA

CELLS = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num"
FIELDS = CELLS.split(",")
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
NUMERIC = ("age", "trestbps", "chol", "thalach", "oldpeak", "ca")
CODED = {
    "sex": ["0", "1"],
    "cp": ["1", "2", "3", "4"],
    "fbs": ["0", "1"],
    "restecg": ["0", "1", "2"],
    "exang": ["0", "1"],
    "slope": ["1", "2", "3"],
    "thal": ["3", "6", "7"],
}


def folder():
    found = DATA / "heart-disease-4-hospitals"
    if not found.is_dir():
        pytest.skip("the heart-disease records are not on this machine (MEDSPACE_DATA)")
    return found


def number(cell):
    return float("nan") if cell == "?" else float(cell)


def code(cell):
    return None if cell == "?" else str(int(float(cell)))


def hospital(name):
    with (folder() / f"processed.{name}.data").open() as file:
        rows = list(csv.reader(file))
    columns = {}
    for place, field in enumerate(FIELDS):
        cells = [row[place] for row in rows]
        columns[field] = [code(cell) for cell in cells] if field in CODED else [number(cell) for cell in cells]
        columns[f"{field}.number"] = [number(cell) for cell in cells]
    return columns


def hospitals():
    return {f"did:web:{name}": hospital(name) for name in HOSPITALS}


def pooled(tables):
    return {
        field: [value for table in tables.values() for value in table[field]] for field in next(iter(tables.values()))
    }


def task(**changes):
    features = [
        {"name": name, "kind": "coded", "levels": CODED[name]} if name in CODED else {"name": name, "kind": "numeric"}
        for name in FIELDS[:-1]
    ]
    return {"family": "binomial", "target": "num > 0", "features": features, "purpose": "research", **changes}
