"""A member with a valid contract that asks by hand, to read patients out of the answers; and brakes, one at a time.

An attack is made twice: with one brake and no other, and with none. The first must fail where the second, which is
its control, succeeds: then it is this brake that stops it, whatever else stops it too.
"""

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np

from medspace.core.usage import Brakes
from tests.e2e.space import PURPOSE, Stage

NONE = Brakes(**{field.name: False for field in fields(Brakes)})
STEEP = 1e9  # a coefficient that weighs everybody above a plane alike, and nobody below it
OVER = ("use.budget", "use.round", "use.closed")  # of this use, not of the next
TOP = math.exp(300.0)  # where an engine without bounds clips its predictions


def only(*names: str) -> Brakes:
    """These brakes and no other."""
    return replace(NONE, **dict.fromkeys(names, True))


def asked(family: str, target: str, features: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A task that asks for sums as they are: neither scaled nor penalised."""
    plain = {"l2": "0.0", "standardise": False, "intercept": True, "max_rounds": 100, "min_sites": 1}
    said = {"task": "glm", "family": family, "target": target, "features": features, "purpose": PURPOSE}
    return said | plain | more


def as_it_is(columns: int) -> dict[str, Any]:
    """The layout that leaves the values of numeric columns, and whether they are missing, as they are."""
    both = 2 * columns
    return {"fill": [0.0] * columns, "kept": list(range(both)), "centre": [0.0] * both, "scale": [1.0] * both}


def cause(answer: Any) -> str:
    """The rule that refused."""
    said = answer.json()
    return str(said.get("cause") or said["code"])


class Reader:
    """One member under one agreement; begins a new use whenever the last one is used up."""

    def __init__(self, stage: Stage, me: str, holder: str, agreement: str | None = None) -> None:
        self.stage, self.me, self.holder = stage, me, holder
        self.agreement = agreement or stage.agree(me, holder)
        self.answers = 0
        self.codes: list[str] = []
        self.begin()

    def begin(self) -> None:
        """A new use."""
        self.use = self.stage.space(self.me).request(self.agreement, "medspace:train")["id"]
        self.round = 1

    def sit(self, task: dict[str, Any], others: tuple[str, ...], **changes: Any) -> Any:
        """Show the holder a manifest that seats these others as well."""
        return self.stage.sit(self.me, self.holder, self.use, task, others, **changes)

    def post(self, task: dict[str, Any], name: str, number: int, **inputs: Any) -> Any:
        """One question in the use that is going on."""
        said: dict[str, Any] = {"task": task, "round": number, "name": name, "inputs": inputs}
        answer = self.stage.ask(self.me, self.holder, self.use, said)
        if answer.status_code == 200:
            self.answers += 1
        else:
            self.codes.append(cause(answer))
        return answer

    def values(self, task: dict[str, Any], name: str = "newton", **inputs: Any) -> dict[str, Any] | None:
        """The answer to one question more, in whatever use; None where there is none."""
        for _ in range(2):
            self.round += 1
            answer = self.post(task, name, self.round, **inputs)
            if answer.status_code == 200:
                return dict(answer.json()["values"])
            if cause(answer) not in OVER:
                return None
            self.begin()
        return None

    def above(self, task: dict[str, Any], direction: np.ndarray, least: float) -> np.ndarray | None:
        """The sums of all patients whose point lies above a plane: their number first, then their values."""
        beta = [300.0 - STEEP * least, *(STEEP * direction), *(0.0 for _ in direction)]
        found = self.values(task, beta=beta, layout=as_it_is(len(direction)))
        return None if found is None else np.array(found["hessian"])[0] / TOP


def read_singly(reader: Reader, task: dict[str, Any], direction: np.ndarray, wanted: int) -> list[np.ndarray]:
    """The values of single patients: differences of the sums above two planes with one patient between them."""
    low, high = -1e4, 1e4
    everybody = reader.above(task, direction, low)
    if everybody is None:
        return []
    top, above = low, everybody
    while high - top > 1e-3:  # the highest plane that enough patients lie above
        middle = (top + high) / 2
        found = reader.above(task, direction, middle)
        top, above, high = (top, above, middle) if found is None else (middle, found, high)
    singles: list[np.ndarray] = []
    slabs = [(low, everybody, top, above)]
    while slabs and len(singles) < wanted:
        least, below, most, over = slabs.pop()
        between = round((below - over)[0])
        if between == 1:
            singles.append((below - over)[1:])
        if between < 2 or most - least < 1e-4:
            continue
        found = reader.above(task, direction, (least + most) / 2)
        if found is None:
            break
        slabs += [(least, below, (least + most) / 2, found), ((least + most) / 2, found, most, over)]
    return singles
