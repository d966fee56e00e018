"""From rows to matrices, the same at every site and, for scoring, at the user's.

The columns of the design are named by `GlmTask.columns`: first the values of the features (one column per number, one
0/1 column per level but the first), then one 0/1 indicator per feature that says where it is missing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medspace.core.usage import Rows
from medspace.learning.glm.errors import ColumnUnknownError, LevelUnknownError, NothingLeftError, TargetInvalidError
from medspace.learning.glm.task import Feature, GlmTask, Target
from medspace.privacy.disclosure import coarsened

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
Persons = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the sums of the first round decide for all sites: how a design is filled, chosen, centred and scaled.

    `fill` has one mean per value column; `kept` are the indices of the columns that vary somewhere in the federation
    (a constant column has no coefficient of its own); `centre` and `scale` have one number per kept column.
    """

    fill: tuple[float, ...]
    kept: tuple[int, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """The usable rows: values (rows x value columns, NaN where missing), target, persons, and which are held out."""

    values: Matrix
    target: Vector
    persons: Persons
    held_out: Mask

    def part(self, chosen: Mask) -> "Sample":
        """The rows that a mask chooses."""
        return Sample(self.values[chosen], self.target[chosen], self.persons[chosen], self.held_out[chosen])

    @property
    def cohort(self) -> int:
        """How many persons the rows are of."""
        return len(np.unique(self.persons))

    @property
    def fitted(self) -> "Sample":
        """The rows that the fit sees."""
        return self.part(~self.held_out)

    @property
    def measured(self) -> "Sample":
        """The rows that quality is measured on: those held out, or all where none are."""
        return self.part(self.held_out) if self.held_out.any() else self


def sample(task: GlmTask, rows: Rows, *, seed: int = 0, least: int = 1) -> Sample:
    """The usable rows of a site.

    `seed` is the site's own and decides who is held out: an asker who could choose it would learn single persons from
    the difference of two splits. Nothing in a column that fewer than `least` persons (but some) have stands out.

    Raises:
        ColumnUnknownError, LevelUnknownError, TargetInvalidError: the rows do not suit the task.
        NothingLeftError: no row is left, or none is left for the fit.
    """
    given = rows.persons()
    persons: Persons = np.asarray(given if isinstance(given, np.ndarray) else list(given), dtype=np.int64)
    values = coarsened(raw(task, rows), widths(task), persons, least)
    target = outcome(task, rows)
    usable = ~np.isnan(target)
    if task.missing == "drop":
        usable &= ~np.isnan(values).any(axis=1)
    held_out = holdout(persons, task.evaluation.holdout, seed)
    found = Sample(values, target, persons, held_out).part(usable)
    if not (~found.held_out).any():
        raise NothingLeftError
    return found


def raw(task: GlmTask, rows: Rows) -> Matrix:
    """The value columns as they are: rows x columns, NaN where a value is missing."""
    return np.column_stack([_feature(feature, rows) for feature in task.features])


def outcome(task: GlmTask, rows: Rows) -> Vector:
    """The target of every row, NaN where it is missing.

    Raises:
        TargetInvalidError: binomial needs 0 and 1, poisson needs whole numbers from 0.
    """
    target = _target(task.target, rows)
    known = target[~np.isnan(target)]
    fits = {
        "binomial": np.isin(known, (0.0, 1.0)),
        "poisson": (known >= 0.0) & (known == np.floor(known)) & np.isfinite(known),
        "gaussian": np.isfinite(known),
    }[task.family]
    if not fits.all():
        raise TargetInvalidError(column=task.target.column, family=task.family)
    return target


def design(task: GlmTask, layout: Layout, values: Matrix) -> Matrix:
    """The design matrix of the fit: filled, chosen, centred, scaled, the intercept's column of ones first."""
    gaps = np.isnan(values)
    full = np.where(gaps, np.asarray(layout.fill), values)
    if task.missing != "drop":
        full = np.column_stack([full, gaps[:, first_columns(task)]])
    chosen: Matrix = (full[:, layout.kept] - np.asarray(layout.centre)) / np.asarray(layout.scale)
    if not task.intercept:
        return chosen
    return np.column_stack([np.ones(len(values)), chosen])


def first_columns(task: GlmTask) -> list[int]:
    """The index of the first value column of each feature (a feature is missing in all its columns at once)."""
    each = widths(task)
    return [sum(each[:position]) for position in range(len(each))]


def widths(task: GlmTask) -> list[int]:
    """How many value columns each feature has."""
    return [len(feature.columns) for feature in task.features]


def holdout(persons: Persons, share: float, seed: int) -> Mask:
    """Which rows are held out: a person's number and the seed alone decide, so all rows of a person share one fate.

    The finaliser of SplitMix64 (Steele, Lea, Flood 2014) on the number; it is the same in every version of numpy.
    """
    state = (persons.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed << 32)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53 < share


def _numbers(column: str, rows: Rows) -> Vector:
    try:
        given = rows.numbers(column)
    except KeyError:
        raise ColumnUnknownError(column=column, kind="numeric") from None
    values: Vector = np.asarray(given if isinstance(given, np.ndarray) else list(given), dtype=np.float64)
    if np.isinf(values).any():
        return np.where(np.isinf(values), np.nan, values)  # an infinite measurement is no measurement
    return values


def _codes(column: str, rows: Rows) -> list[str | None]:
    try:
        return list(rows.codes(column))
    except KeyError:
        raise ColumnUnknownError(column=column, kind="coded") from None


def _feature(feature: Feature, rows: Rows) -> Matrix:
    if not feature.coded:
        return _numbers(feature.name, rows).reshape(-1, 1)
    codes = _codes(feature.name, rows)
    if not set(codes) <= {None, *feature.levels}:
        raise LevelUnknownError(column=feature.name)
    return np.column_stack([_is(level, codes) for level in feature.levels[1:]])


def _is(level: str, codes: list[str | None]) -> Vector:
    """1 where a code is the level, 0 where it is another one, NaN where it is missing."""
    return np.array([np.nan if code is None else float(code == level) for code in codes], dtype=np.float64)


def _target(target: Target, rows: Rows) -> Vector:
    if target.level is not None:
        return _is(target.level, _codes(target.column, rows))
    values = _numbers(target.column, rows)
    if target.comparison is None:
        return values
    compare = {
        ">": np.greater,
        ">=": np.greater_equal,
        "<": np.less,
        "<=": np.less_equal,
        "==": np.equal,
    }[target.comparison]
    return np.where(np.isnan(values), np.nan, compare(values, target.value).astype(np.float64))
