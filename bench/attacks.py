"""What a member reads out of hospitals of the demo within one contract, with its terms and number of questions.

Under masks, as the demo's contract has it, the member chooses tasks and gets models over all four hospitals:

`attacks.rows_read` counts patients whose every column of a fit is read within half a step of it.

`attacks.known_patient` is how much better one column of yes and no is guessed, for a patient whose other columns are
known, because that patient is in the data: right guesses with the patient less right guesses without, of the best
attack, upper end of the 95 % interval.

`attacks.cells_read` counts the patients alone with five codes whose cell is found: models say something of cells of
few patients, which is said and not closed.

`attacks.unmasked.*` are the same of a member who asks one hospital freely, where a contract says that the coordinator
sees its sums; the cells are there those of patients who are alone with two codes.
"""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np

from bench import _models, _victim
from bench._contract import Contract
from bench._federation import TableFederation, everybody
from bench._patients import Column, Matrix, Vector, View, columns, found, patients, table
from bench._planes import HardPlanes, SoftPlanes, between_sets, pairs_of_codes, slices_of_codes
from bench._victim import Victim
from medspace.core.usage import Brakes

HOSPITALS = ("cleveland", "hungary", "switzerland", "long-beach")
TARGET = "num > 0"
VICTIMS = 25  # of each hospital
YES_OR_NO = ("sex", "fbs", "exang")
Rows = tuple[dict[str, str], ...]
Guess = Callable[["Attempt"], bool]
Variant = Callable[[Contract, Rows], tuple[View, Matrix]]
ALL = Brakes()
NOTHING: Matrix = np.empty((0, 0))


@dataclass(frozen=True)
class Attempt:
    """One attack on one patient, who is in the data or not; `usual` is what most of the others have."""

    contract: Contract
    victim: Victim
    others: Rows
    usual: bool
    present: bool


ATTACKS: dict[str, Guess] = {
    "rare value": lambda it: _victim.by_rare_value(it.contract.ask, it.victim, usual=it.usual),
    "two thresholds": lambda it: _victim.by_thresholds(it.contract.ask, it.victim, usual=it.usual),
    "leaning": lambda it: _victim.by_leaning(it.contract.ask, it.victim, it.others, usual=it.usual, lean=it.present),
}


def planes(
    hospital: str, brakes: Brakes = ALL, variants: dict[str, Variant] | None = None
) -> Iterator[tuple[str, int]]:
    """How many patients of a hospital each variant of the plane attack reads."""
    rows = patients(hospital)
    for name, variant in (VARIANTS if variants is None else variants).items():
        contract = Contract(table(rows), brakes)
        view, readings = variant(contract, rows)
        truth = view.design(rows)
        yield name, len(found(readings, truth, view.tolerance())) if len(readings) else 0
        contract.close()


def _hard(contract: Contract, _: Rows) -> tuple[View, Matrix]:
    attack = HardPlanes(contract.ask, "num")
    return attack.view, attack.read()


def _soft(family: str, target: str) -> Variant:
    def variant(contract: Contract, _: Rows) -> tuple[View, Matrix]:
        attack = SoftPlanes(contract.ask, family, target)
        return attack.view, attack.read()

    return variant


def _recombined(contract: Contract, rows: Rows) -> tuple[View, Matrix]:
    """The best sum of all answers for each patient, by somebody who may see how much everybody weighs in each."""
    attack = SoftPlanes(contract.ask, "poisson", "num")
    attack.read()
    if not attack.asked:
        return attack.view, NOTHING
    truth = attack.view.design(rows)
    betas = np.array([beta for beta, _ in attack.asked])
    total = np.array([answer[0, 0] for _, answer in attack.asked])
    sums = np.array([answer[0] for _, answer in attack.asked]) / total[:, None]
    weights = np.exp(betas[:, 0] + truth @ betas[:, 1:].T) / total
    chosen = np.linalg.lstsq(weights.T @ weights, weights.T, rcond=1e-12)[0]  # one column per patient
    return attack.view, (chosen.T @ sums[:, 1:]) / np.einsum("ij,ji->i", weights, chosen)[:, None]


VARIANTS: dict[str, Variant] = {
    "hard planes": _hard,
    "soft planes, poisson": _soft("poisson", "num"),
    "soft planes, binomial": _soft("binomial", TARGET),
    "soft planes, recombined": _recombined,
    "differences of sets": lambda contract, _: between_sets(contract.ask, TARGET),
    "slices of codes": lambda contract, _: slices_of_codes(contract.ask, TARGET),
}
CELLS: dict[str, Variant] = {"pairs of codes": lambda contract, _: pairs_of_codes(contract.ask, "num")}


def gains(name: str, hospital: str, brakes: Brakes = ALL, victims: int = VICTIMS) -> list[int]:
    """For each victim, whether the guess is right with its row less whether it is right without."""
    rows = patients(hospital)
    made: list[int] = []
    for index, victim in _victims(name, rows, hospital, victims):
        others = rows[:index] + rows[index + 1 :]
        right = [_guess(name, present, victim, others, brakes) == victim.answer for present in (True, False)]
        made.append(int(right[0]) - int(right[1]))
    return made


def _victims(name: str, rows: Rows, hospital: str, victims: int) -> Iterator[tuple[int, Victim]]:
    source = random.Random(f"{hospital} {name}")
    hidden = [column for column in columns() if column.name in YES_OR_NO]
    for index in source.sample(range(len(rows)), victims):
        column = source.choice([each for each in hidden if not np.isnan(each.values(rows[index][each.name])[0])])
        yield index, Victim(rows[index], column)


def _usual(others: Rows, victim: Victim) -> bool:
    known = [victim.hidden.values(row[victim.hidden.name])[0] for row in others]
    return float(np.nanmean(known)) > 0.5


def _guess(name: str, present: bool, victim: Victim, others: Rows, brakes: Brakes) -> bool:  # noqa: FBT001
    contract = Contract(table((victim.row, *others) if present else others), brakes)
    try:
        return ATTACKS[name](Attempt(contract, victim, others, usual=_usual(others, victim), present=present))
    finally:
        contract.close()


def interval(made: list[int]) -> tuple[float, float]:
    """The mean, and the upper end of its 95 % interval (never narrower than if one guess differed)."""
    values = np.array(made, dtype=float)
    spread = max(float(values.std(ddof=1)), 1.0 / math.sqrt(len(values)))
    return float(values.mean()), float(values.mean()) + 1.96 * spread / math.sqrt(len(values))


# --- under masks ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Told:
    """What the models of one contract tell of victims."""

    tables: dict[str, Rows]
    models: dict[str, dict[str, Any] | None] = field(default_factory=dict)  # by hidden column

    @cached_property
    def cells(self) -> _models.Counted:
        """How many patients have which codes."""
        with self._contract() as contract:
            return _models.counted(contract.fit, _values())

    def guess(self, name: str, victim: Victim, own: Vector, *, usual: bool) -> bool:
        """The guess of an attack."""
        if name == "cells":
            return _models.by_cells(self.cells, victim, own, usual=usual)
        return _models.by_model(self._model(victim.hidden), victim, usual=usual)

    def _model(self, hidden: Column) -> dict[str, Any] | None:
        if hidden.name not in self.models:
            with self._contract() as contract:
                self.models[hidden.name] = contract.fit(_models.asked_of(hidden))
        return self.models[hidden.name]

    @contextmanager
    def _contract(self) -> Iterator[TableFederation]:
        contract = TableFederation(self.tables, masks=False)
        try:
            yield contract
        finally:
            contract.close()


MASKED = {
    "cells": "numbers of patients in cells of codes, out of three models",
    "model": "a model of the hidden column",
}


@cache
def _values() -> Matrix:
    return _models.joined(everybody())


def masked_gains(name: str, hospital: str, victims: int = VICTIMS) -> list[int]:
    """As `gains`, of what is told by models over all hospitals."""
    tables = everybody()
    whole, rows = Told(tables), tables[hospital]
    first = sum(len(tables[each]) for each in HOSPITALS[: HOSPITALS.index(hospital)])
    made: list[int] = []
    for index, victim in _victims(name, rows, hospital, victims):
        others = rows[:index] + rows[index + 1 :]
        told = (whole, Told(tables | {hospital: others}))
        own, usual = _values()[first + index], _usual(others, victim)
        right = [each.guess(name, victim, own, usual=usual) == victim.answer for each in told]
        made.append(int(right[0]) - int(right[1]))
    return made


def masked_rows() -> int:
    """How many patients are read wholly."""
    contract = TableFederation(everybody(), masks=False)
    view, readings = _models.slices(contract.fit)
    contract.close()
    truth = view.design(tuple(row for rows in everybody().values() for row in rows))
    return len(found(readings, truth, view.tolerance())) if len(readings) else 0


def masked_cells() -> tuple[int, int]:
    """Of how many patients who are alone with five codes the cell is found, and how many there are."""
    real = _models.alike(_values())
    alone = [cell for cell, number in real.items() if number == 1]
    seen = Told(everybody()).cells.cells
    return sum(abs(seen.get(cell, 0.0) - 1.0) < _models.HALF for cell in alone), len(alone)


def _best(gained: dict[str, list[int]]) -> dict[str, Any]:
    """The worst for the patients, as a measure."""
    best = {name: interval(each) for name, each in gained.items()}
    worst = max(best, key=lambda name: best[name][1])
    said = ", ".join(f"{name} {average:.3f}" for name, (average, _) in best.items())
    count = f"{VICTIMS * len(HOSPITALS)} victims each"
    return {
        "value": best[worst][1],
        "unit": "above chance",
        "reference": f"{worst}: {best[worst][0]:.3f}, upper 95 %; {count}; {said}",
    }


def measure() -> dict[str, dict[str, Any]]:
    """What is read with all brakes on."""
    gained = {
        said: [gain for each in HOSPITALS for gain in masked_gains(name, each)] for name, said in MASKED.items()
    }
    people, (cells, alone) = sum(len(patients(hospital)) for hospital in HOSPITALS), masked_cells()
    return {
        "attacks.rows_read": {
            "value": float(masked_rows()),
            "unit": "patients",
            "reference": f"of {people}; rows alone with a code, by models over other shares held out",
            "target": "0",
        },
        "attacks.known_patient": _best(gained) | {"target": "<= 0.05"},
        "attacks.cells_read": {
            "value": float(cells),
            "unit": "patients",
            "reference": f"of {alone} who are alone with five codes, of {people}",
            "target": "-",
        },
    } | _unmasked(people)


def _unmasked(people: int) -> dict[str, dict[str, Any]]:
    read = {hospital: dict(planes(hospital)) for hospital in HOSPITALS}
    cells = {hospital: dict(planes(hospital, variants=CELLS)) for hospital in HOSPITALS}
    gained = {name: [gain for hospital in HOSPITALS for gain in gains(name, hospital)] for name in ATTACKS}
    return {
        "attacks.unmasked.rows_read": {
            "value": float(sum(max(each.values()) for each in read.values())),
            "unit": "patients",
            "reference": f"of {people}; best variant at each of four hospitals; {', '.join(VARIANTS)}",
            "target": "0",
        },
        "attacks.unmasked.cells_read": {
            "value": float(sum(max(each.values()) for each in cells.values())),
            "unit": "patients",
            "reference": f"of {people}; {', '.join(CELLS)}, 51 questions at each of four hospitals",
            "target": "-",
        },
        "attacks.unmasked.known_patient": _best(gained) | {"target": "<= 0.10"},
    }
