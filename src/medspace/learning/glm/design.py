"""From rows to matrices, the same at every site and, for scoring, at the user's.

The columns of the design are named by `GlmTask.columns`: first the values of the features (one column per number; per
code one 0/1 column for each level but the first and one for the levels that too few have), then one 0/1 indicator per
feature that says where it is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medspace.core.material import Columns, Material
from medspace.learning.glm.errors import LevelUnknownError, NothingLeftError
from medspace.learning.glm.task import FeatureColumn, GlmTask, Target
from medspace.privacy.disclosure import MISSING, Labels, Persons, joined, merged, number

APART = b"\nset apart"  # beside the key of a split: another choice than who is held out, and as secret
Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
Marks = NDArray[np.uint64]


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

    def suits(self, task: GlmTask) -> bool:
        """Whether it has the shape of the columns of a task."""
        kept = list(self.kept)
        return (
            len(self.fill) == sum(len(feature.columns) for feature in task.features)
            and len(kept) == len(self.centre) == len(self.scale)
            and kept == sorted(set(kept) & set(range(len(task.columns))))
        )


@dataclass(frozen=True, slots=True)
class DesignBlock:
    """Rows that are summed together: values (rows x value columns, NaN where missing), target, persons.

    `joined` has one number per feature: how many of its levels were not counted here, because fewer than the smallest
    cohort have them (perhaps nobody: the two are not distinguished). `rows` says which rows of the table these are.
    """

    values: Matrix
    target: Vector
    persons: Persons
    joined: tuple[int, ...]
    rows: Mask

    @property
    def cohort(self) -> int:
        """How many persons the rows belong to."""
        return number(self.persons)


@dataclass(frozen=True, slots=True)
class Sample:
    """All rows of a site: a column per feature (numbers, or places of levels), target, persons; which are usable.

    Each part is coarsened separately: what is counted is what is summed. `least` is the smallest cohort; with
    `apart` false, all rows are coarsened before the selection, as if once for the whole table.
    """

    task: GlmTask
    columns: tuple[Labels | Vector, ...]
    target: Vector
    persons: Persons
    usable: Mask
    held_out: Mask
    least: int = 1
    apart: bool = True
    coarse_target: bool = True
    kept_out: Mask | None = None  # of the fit, to choose thresholds

    @property
    def fitted(self) -> DesignBlock:
        """The rows that the fit sees."""
        return self.part(self.usable & ~self.held_out & ~self._kept_out)

    @property
    def measured(self) -> DesignBlock:
        """The rows that quality is measured on: those held out, or all of the fit where none are."""
        chosen = self.held_out if self.task.evaluation.holdout else ~self._kept_out
        return self.part(self.usable & chosen)

    @property
    def validated(self) -> DesignBlock:
        """The rows that thresholds are chosen on."""
        return self.part(self.usable & ~self.held_out & self._kept_out)

    @property
    def _kept_out(self) -> Mask:
        return np.zeros_like(self.usable) if self.kept_out is None else self.kept_out

    def part(self, chosen: Mask) -> DesignBlock:
        """The rows that a mask chooses, with nothing in a column that fewer than `least` of their persons have."""
        persons = self.persons[chosen]
        target = self.target[chosen]
        if self.coarse_target and self.task.family != "binomial" and len(target):
            target = merged(target, persons, self.least, hide=False, level=True)
        if self.apart:
            values, absent = self._coarsened([column[chosen] for column in self.columns], persons)
            return DesignBlock(values, target, persons, absent, chosen)
        values, absent = self._coarsened(self.columns, self.persons)
        return DesignBlock(values[chosen], target, persons, absent, chosen)

    def _coarsened(self, columns: "list[Any] | tuple[Any, ...]", persons: Persons) -> tuple[Matrix, tuple[int, ...]]:
        hide = self.task.missing != "drop"
        blocks, absent = [], []
        for feature, column in zip(self.task.features, columns, strict=True):
            if feature.coded:
                labels = joined(column, feature.levels, persons, self.least, hide=hide)
                standing = np.unique(labels[(labels >= 0) & (labels < len(feature.levels))])
                absent.append(len(feature.levels) - len(standing))
                blocks.append(indicators(labels, len(feature.levels)))
            else:
                absent.append(0)
                blocks.append(merged(column, persons, self.least, hide=hide).reshape(-1, 1))
        return np.column_stack(blocks), tuple(absent)


def sample(
    task: GlmTask,
    rows: Material,
    *,
    key: bytes = b"",
    least: int = 1,
    apart: bool = True,
    coarse_target: bool = True,
) -> Sample:
    """The rows of a site, those without an outcome (or, where the task says so, with gaps) marked as not usable.

    `key` decides with each person's mark who is held out, so that it is the same for every task and every version of
    the table, and nobody without the key knows it.

    Raises:
        NothingLeftError: no row can be used and none had to be hidden.
    """
    given = rows.persons()
    persons: Persons = np.asarray(given if isinstance(given, np.ndarray) else list(given), dtype=np.int64)
    columns = tuple(
        _places(feature, rows) if feature.coded else _numbers(feature.name, rows) for feature in task.features
    )
    target = outcomes(task.target, rows)
    usable = ~np.isnan(target)
    if task.missing == "drop":
        for feature, column in zip(task.features, columns, strict=True):
            usable &= (column != MISSING) if feature.coded else ~np.isnan(column)
    if least <= 1 and not usable.any():
        raise NothingLeftError
    held_out = holdout(marks_of(rows, key)[0], task.evaluation.holdout)
    kept_out = holdout(marks_of(rows, key + APART)[0], task.apart) if task.apart else None
    return Sample(task, columns, target, persons, usable, held_out, least, apart, coarse_target, kept_out)


def marks_of(rows: Material, key: bytes) -> tuple[Marks, Marks]:
    """The keyed marks of the rows' persons and of their content, one each per row."""
    persons, content = (
        np.asarray(marks if isinstance(marks, np.ndarray) else list(marks), dtype=np.uint64)
        for marks in rows.marks(key)
    )
    return persons, content


def raw(features: Sequence[FeatureColumn], rows: Columns) -> Matrix:
    """The raw value columns of some features: rows x columns, NaN where a value is missing.

    Raises:
        LevelUnknownError: a code that the task does not name.
    """
    blocks = []
    for feature in features:
        if not feature.coded:
            blocks.append(_numbers(feature.name, rows).reshape(-1, 1))
            continue
        places = _places(feature, rows)
        if (places == len(feature.levels)).any():
            raise LevelUnknownError(column=feature.name)
        blocks.append(indicators(places, len(feature.levels)))
    return np.column_stack(blocks)


def indicators(labels: Labels, levels: int) -> Matrix:
    """One 0/1 column for each level but the first and one for the label `levels`; NaN where missing."""
    made: Matrix = (labels[:, None] == np.arange(1, levels + 1)).astype(np.float64)
    made[labels == MISSING] = np.nan
    return made


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
    return starts(task.features)


def starts(features: Sequence[FeatureColumn]) -> list[int]:
    """The same for the features alone."""
    each = [len(feature.columns) for feature in features]
    return [sum(each[:position]) for position in range(len(each))]


def widths(task: GlmTask) -> list[int]:
    """How many value columns each feature has."""
    return [len(feature.columns) for feature in task.features]


def holdout(marks: Marks, share: float) -> Mask:
    """Which rows are held out: those whose person's mark is below the share of all marks.

    All rows of a person are treated alike; a person held out at one share is held out at every larger one; the choice
    for one person does not depend on the others.
    """
    return (marks >> np.uint64(11)).astype(np.float64) * 2.0**-53 < share


def _numbers(column: str, rows: Columns) -> Vector:
    given = rows.numbers(column)
    values: Vector = np.asarray(given if isinstance(given, np.ndarray) else list(given), dtype=np.float64)
    return np.where(np.isinf(values), np.nan, values)  # an infinite measurement counts as missing


def _places(feature: FeatureColumn, rows: Columns) -> Labels:
    """The places of the levels, their number for another code, MISSING for none."""
    place: dict[str | None, int] = {level: at for at, level in enumerate(feature.levels)}
    place[None] = MISSING
    found = rows.codes(feature.name)
    return np.fromiter((place.get(code, len(feature.levels)) for code in found), np.int64, len(found))


def outcomes(target: Target, rows: Columns) -> Vector:
    """The outcome of every row, NaN where it is missing."""
    if target.level is not None:
        codes = rows.codes(target.column)
        return np.array([np.nan if code is None else float(code == target.level) for code in codes], dtype=np.float64)
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
