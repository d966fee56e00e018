"""Survival records for tests: classical sets where they are on this machine, and made ones."""

import csv
import math

import numpy as np
import pytest

from tests.shared_data import DATA


def records(name):
    """The rows of a file, as texts by column."""
    file = DATA / name
    if not file.is_file():
        pytest.skip(f"{name} is not on this machine (MEDSPACE_DATA)")
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def numbers(rows, *names):
    """Some columns as numbers, NaN where a cell is NA."""
    return {name: [math.nan if row[name] in ("NA", "") else float(row[name]) for row in rows] for name in names}


def rossi():
    rows = records("survival/lifelines_rossi.csv")
    return numbers(rows, "week", "arrest", "fin", "age", "race", "wexp", "mar", "paro", "prio")


def rotterdam():
    rows = records("survival/R_rotterdam.csv")
    return numbers(rows, "dtime", "death", "age", "meno", "grade", "nodes", "er", "hormon", "chemo", "year")


def made(count, seed, *, ties=False, entry=False, width=3):
    """Rows whose hazard grows with `x0`; `censored` says who left before the event."""
    source = np.random.default_rng(seed)
    columns = {f"x{k}": source.normal(size=count) for k in range(width)}
    life = source.exponential(np.exp(-0.7 * columns["x0"] + 0.4 * columns["x1"])) * 10.0
    until = source.exponential(12.0, count)
    start = source.uniform(0.0, 2.0, count) if entry else np.zeros(count)
    time = start + np.minimum(life, until)
    if ties:
        time = np.ceil(time) + 1.0
    table = {name: values.tolist() for name, values in columns.items()}
    table |= {"time": time.tolist(), "event": (life <= until).astype(float).tolist()}
    return table | {"start": np.floor(start).tolist() if ties else start.tolist()}


def split(columns, parts):
    """The rows dealt out to so many sites, unevenly."""
    count = len(next(iter(columns.values())))
    place = np.minimum(np.random.default_rng(5).geometric(0.4, count) - 1, parts - 1)
    return {
        f"did:web:site{k}": {
            name: [v for v, at in zip(values, place, strict=True) if at == k] for name, values in columns.items()
        }
        for k in range(parts)
    }


def task(features, *, time="time", event="event", **changes):
    """A survival task with these numeric features."""
    return {
        "task": "cox",
        "time": time,
        "event": event,
        "features": [{"name": name} for name in features],
        "purpose": "ehds:HealthcareScientificResearch",
        "protection": "masked-sums",
        "missing": "drop",
        **changes,
    }
