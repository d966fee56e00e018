"""What a member reads out of a hospital of the demo within one contract, with its terms and number of questions.

`attacks.rows_read` counts patients whose every column is read within half a step of it.

`attacks.cells_read` counts those that are read so because they are alone with two codes: cells of few patients are
said and not closed.

`attacks.known_patient` is how much better one column of yes and no is guessed, for a patient whose other columns are
known, because that patient is in the data: right guesses with the patient less right guesses without, of the best
attack, upper end of the 95 % interval.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import _victim
from bench._contract import Contract
from bench._patients import Matrix, View, columns, found, patients, table
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
    source = random.Random(f"{hospital} {name}")
    hidden = [column for column in columns() if column.name in YES_OR_NO]
    made: list[int] = []
    for index in source.sample(range(len(rows)), victims):
        column = source.choice([each for each in hidden if not np.isnan(each.values(rows[index][each.name])[0])])
        victim = Victim(rows[index], column)
        others = rows[:index] + rows[index + 1 :]
        right = [_guess(name, present, victim, others, brakes) == victim.answer for present in (True, False)]
        made.append(int(right[0]) - int(right[1]))
    return made


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


def measure() -> dict[str, dict[str, Any]]:
    """What is read with all brakes on."""
    read = {hospital: dict(planes(hospital)) for hospital in HOSPITALS}
    cells = {hospital: dict(planes(hospital, variants=CELLS)) for hospital in HOSPITALS}
    best = {name: interval([gain for hospital in HOSPITALS for gain in gains(name, hospital)]) for name in ATTACKS}
    worst = max(best, key=lambda name: best[name][1])
    people = sum(len(patients(hospital)) for hospital in HOSPITALS)
    return {
        "attacks.rows_read": {
            "value": float(sum(max(each.values()) for each in read.values())),
            "unit": "patients",
            "reference": f"of {people}; best variant at each of four hospitals; {', '.join(VARIANTS)}",
            "target": "0",
        },
        "attacks.cells_read": {
            "value": float(sum(max(each.values()) for each in cells.values())),
            "unit": "patients",
            "reference": f"of {people}; {', '.join(CELLS)}, 51 questions at each of four hospitals",
            "target": "-",
        },
        "attacks.known_patient": {
            "value": best[worst][1],
            "unit": "above chance",
            "reference": f"{worst}: {best[worst][0]:.3f}, upper 95 %; {VICTIMS * len(HOSPITALS)} victims each; "
            + ", ".join(f"{name} {mean:.3f}" for name, (mean, _) in best.items()),
            "target": "<= 0.10",
        },
    }
