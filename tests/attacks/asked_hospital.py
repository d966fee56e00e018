"""One hospital of the demo, asked by hand: what a member with a contract can send, and what it learns from it."""

import csv
import io
from dataclasses import dataclass, field, replace

import numpy as np

from medspace.adapters.duckdb.source import TableSource, load
from medspace.app.demo.data import dictionary, records, split
from medspace.core.dictionary import parse
from medspace.core.usage import Brakes, Step
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.task import parse as parse_task
from medspace.privacy.errors import DisclosureError
from tests.admissions import admission
from tests.workplaces import workplace

LEAST = 10
ALL_ON = Brakes()
SECRET = b"only the hospital knows it"
NUMBERS = ("age", "trestbps", "chol", "thalch", "oldpeak")
STEPS = {"age": 1.0, "trestbps": 1.0, "chol": 1.0, "thalch": 1.0, "oldpeak": 0.1}
CODED = {
    "sex": ["Male", "Female"],
    "cp": ["typical angina", "atypical angina", "non-anginal", "asymptomatic"],
    "restecg": ["normal", "st-t abnormality", "lv hypertrophy"],
}


def without(*names):
    """All brakes but these."""
    return replace(ALL_ON, **dict.fromkeys(names, False))


def features(*names):
    return [{"name": n, "kind": "coded", "levels": CODED[n]} if n in CODED else {"name": n} for n in names]


def task(family, target, names=NUMBERS, **more):
    return {
        "task": "glm",
        "family": family,
        "target": target,
        "features": features(*[name for name in names if name != target]),
        "purpose": "p",
        "max_rounds": 100,
        **more,
    }


def plain(document, **changes):
    """The layout that changes nothing: no filling but the middle, no centre, scale 1, all columns kept."""
    made = parse_task(document)
    values = sum(len(feature.columns) for feature in made.features)
    count = len(made.columns)
    layout = {"fill": [0.0] * values, "kept": list(range(count)), "centre": [0.0] * count, "scale": [1.0] * count}
    return {**layout, **changes}


def admitted(brakes, history=(), asset="heart"):
    return admission(asset=asset, min_cohort=LEAST, seed=SECRET, history=tuple(history), brakes=brakes)


def patients(key="cleveland"):
    return list(csv.DictReader(io.StringIO(split(records())[key])))


def opened(folder, rows, described=None, name="heart"):
    """A source of these rows under the demo's dictionary or another one."""
    file = folder / f"{name}.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return TableSource({"heart": load(file, parse(described or dictionary()))})


@dataclass
class Asker:
    """Asks one asset, whose answers count; `answered` are the questions that it got an answer to."""

    source: TableSource
    brakes: Brakes = ALL_ON
    engine: GlmEngine = field(default_factory=GlmEngine)
    answered: list[Step] = field(default_factory=list)

    def ask(self, document, name="moments", inputs=None):
        step = Step(document, 2, name, inputs or {})
        allowed = admitted(self.brakes, self.answered)
        output = self.engine.answer(allowed, step, workplace(self.source, allowed))
        self.answered.append(step)
        return output.values

    def tried(self, *question):
        """The answer, or None where it was withheld."""
        try:
            return self.ask(*question)
        except DisclosureError:
            return None

    def newton(self, document, beta, **layout):
        inputs = {"beta": [float(value) for value in beta], "layout": plain(document, **layout)}
        return self.tried(document, "newton", inputs)


def cells(rows, names=NUMBERS):
    """The numbers of the patients, NaN where missing (0 in trestbps and chol), shape (patients, columns)."""
    gaps = {"trestbps", "chol"}
    return np.array(
        [[np.nan if r[n] == "" or (n in gaps and float(r[n]) == 0.0) else float(r[n]) for n in names] for r in rows]
    )


def reads(found, truth, names=NUMBERS):
    """Whether a patient's numbers are found to within half a step, each of them."""
    half = np.array([STEPS[name] for name in names]) / 2.0
    known = ~np.isnan(truth)
    return bool((np.abs(np.asarray(found) - truth)[known] < half[known]).all())
