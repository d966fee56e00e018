"""What the attacks read: the demo's patients as an attacker would like to have them, and how near a reading comes."""

import csv
import io
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medspace.app.demo.data import dictionary, records, split

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
HIDDEN = "id"  # stands for the patient and is no column of any task
FLAGS = {"TRUE": 1.0, "FALSE": 0.0}


@dataclass(frozen=True)
class Column:
    """One column as a task names it: a number within its range, or codes."""

    name: str
    codes: tuple[str, ...]
    least: float
    most: float
    step: float  # between two neighbouring values
    gaps: tuple[str, ...]  # texts that stand for "not measured"

    @property
    def feature(self) -> dict[str, Any]:
        """The column as a feature of a task."""
        return {"name": self.name} | ({"kind": "coded", "levels": list(self.codes)} if self.codes else {})

    @property
    def width(self) -> int:
        """How many value columns it makes in a design."""
        return len(self.codes) - 1 if self.codes else 1

    @property
    def middle(self) -> float:
        """The middle of its range; 0 for codes."""
        return 0.0 if self.codes else (self.least + self.most) / 2

    def values(self, cell: str) -> list[float]:
        """A cell as value columns, NaN where it is missing."""
        if cell == "" or cell in self.gaps:
            return [np.nan] * self.width
        if self.codes:
            return [float(cell == code) for code in self.codes[1:]]
        return [FLAGS[cell] if cell in FLAGS else float(cell)]


@cache
def columns() -> tuple[Column, ...]:
    """Every column of the demo's dictionary that a task can name."""
    found = tomllib.loads(dictionary())["columns"]
    return tuple(_column(name, said) for name, said in found.items() if name != HIDDEN)


def _column(name: str, said: dict[str, Any]) -> Column:
    codes = tuple(said.get("codes", ())) if said["type"] == "code" else ()
    return Column(
        name=name,
        codes=codes,
        least=float(said.get("minimum", 0.0)),
        most=float(said.get("maximum", 1.0)),
        step=0.1 if said["type"] == "number" else 1.0,
        gaps=tuple(str(text) for text in said.get("missing", ())),
    )


@cache
def patients(hospital: str) -> tuple[dict[str, str], ...]:
    """The rows of one hospital of the demo, cells as they stand in its file."""
    return tuple(csv.DictReader(io.StringIO(split(records())[hospital])))


def table(rows: tuple[dict[str, str], ...]) -> str:
    """Rows as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@dataclass(frozen=True)
class View:
    """The columns of one task, in the layout that an attacker chooses: each number moved and scaled to -1 .. 1."""

    shown: tuple[Column, ...]

    @property
    def features(self) -> list[dict[str, Any]]:
        """As features of a task."""
        return [column.feature for column in self.shown]

    @property
    def layout(self) -> dict[str, Any]:
        """Fills gaps with the middle of the range, moves the middle to 0 and the ends to -1 and 1.

        The columns of levels that a site joins, the last of each coded column, are left out.
        """
        middle, half = self._frame()
        fill: list[float] = []
        kept: list[int] = []
        for column in self.shown:
            start = len(fill)
            kept += range(start, start + column.width)
            fill += [column.middle] * column.width + ([0.0] if column.codes else [])
        gaps = len(self.shown)
        return {
            "fill": fill,
            "kept": [*kept, *range(len(fill), len(fill) + gaps)],
            "centre": [*middle, *([0.0] * gaps)],
            "scale": [*half, *([1.0] * gaps)],
        }

    def _frame(self) -> tuple[list[float], list[float]]:
        middle: list[float] = []
        half: list[float] = []
        for column in self.shown:
            middle += [column.middle] * column.width
            half += [1.0 if column.codes else (column.most - column.least) / 2] * column.width
        return middle, half

    def design(self, rows: tuple[dict[str, str], ...]) -> Matrix:
        """The rows in this layout: values, then the gaps; without the intercept."""
        middle, half = self._frame()
        values = np.array([[x for c in self.shown for x in c.values(row[c.name])] for row in rows])
        starts = np.cumsum([0, *(column.width for column in self.shown[:-1])])
        absent = np.isnan(values)
        filled = np.where(absent, middle, values)
        return np.column_stack([(filled - middle) / half, absent[:, starts].astype(float)])

    def tolerance(self) -> Vector:
        """Half a step of each column in this layout."""
        steps = [column.step for column in self.shown for _ in range(column.width)] + [1.0] * len(self.shown)
        _, half = self._frame()
        return np.array(steps) / np.array([*half, *([1.0] * len(self.shown))]) / 2.0


def found(readings: Matrix, truth: Matrix, tolerance: Vector) -> set[int]:
    """Whose rows stand among the readings, every column within its tolerance (never more of them than readings)."""
    read: set[int] = set()
    for reading in readings:
        near = np.flatnonzero((np.abs(truth - reading) < tolerance).all(axis=1))
        fresh = [int(index) for index in near if int(index) not in read]
        if fresh:
            read.add(fresh[0])
    return read
