"""What the data dictionary lets a question ask: public rules, decided before any row is read.

A coefficient so large that its linear predictor merely separates persons, or a fill value far outside
what anybody can have, asks about single persons. So each number of a question is limited by the ranges of the
columns, and the linear predictor is clipped. The clip is a smooth function: second differences at a hard corner are
as sharp as the plane was.
"""

from dataclasses import dataclass

import numpy as np

from medspace.core.columns import ColumnUnknownError
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.design import Vector, first_columns, widths
from medspace.learning.glm.errors import (
    LevelUnknownError,
    OutcomeUndeclaredError,
    RangeMissingError,
    TargetInvalidError,
)
from medspace.learning.glm.task import GlmTask

STEEPEST = 15.0  # of the linear predictor: odds of 3 million to one
ENDLESS = 1e6
SHARPNESS = 2.0  # of the clip: up to a predictor of 5 it changes less than 1e-9
FARTHEST = 100.0  # how far one column may move the predictor over its whole range
SMALLEST_SCALE = 1e-6  # of the range
SLACK = 1e-9  # relative; the rounding of means and deviations
FLAG_CODES = ("false", "true")


@dataclass(frozen=True, slots=True)
class Ranges:
    """Between which numbers each value column lies, and the target; `unit` is what predictors are measured in.

    The unit is 1 on the scales of logit and log; for gaussian, the predictor is a value of the target, and the unit
    its range.
    """

    low: Vector
    high: Vector
    middle: float
    unit: float

    def holds(self, task: GlmTask, asked: BetaForm) -> bool:
        """Whether a question stays within what the columns can hold."""
        low, high = self._kept(task, asked)
        layout = asked.layout
        centre, scale = np.asarray(layout.centre), np.asarray(layout.scale)
        fill, beta = np.asarray(layout.fill), np.asarray(asked.beta)
        first = int(task.intercept)
        spread = high - low
        largest = np.maximum(spread, np.maximum(np.abs(low), np.abs(high)))
        room = SLACK * np.maximum(largest, np.finfo(np.float64).tiny)
        filled = SLACK * np.maximum(np.abs(self.low), np.abs(self.high))
        moved = beta[first:] / self.unit * (spread / scale)
        start = (beta[:first] - self.middle) / self.unit
        return bool(
            ((self.low - filled <= fill) & (fill <= self.high + filled)).all()
            and (((low - room <= centre) & (centre <= high + room)) | (centre == 0.0)).all()
            and ((scale >= spread * SMALLEST_SCALE) & (scale <= largest * (1.0 + SLACK))).all()
            and (np.abs(moved) <= FARTHEST).all()
            and (np.abs(start) <= FARTHEST).all()
        )

    def _kept(self, task: GlmTask, asked: BetaForm) -> tuple[Vector, Vector]:
        """The ranges of the columns that a question keeps; an indicator's is 0 to 1."""
        gaps = 0 if task.missing == "drop" else len(first_columns(task))
        kept = list(asked.layout.kept)
        low = np.concatenate([self.low, np.zeros(gaps)])[kept]
        return low, np.concatenate([self.high, np.ones(gaps)])[kept]

    def clipped(self, eta: Vector) -> Vector:
        """The linear predictor, softly kept within `STEEPEST` units."""
        return self.middle + self.unit * soft((eta - self.middle) / self.unit)

    def width(self, eta: Vector) -> float:
        """The standard deviation of a predictor, in its unit."""
        return float(np.std(eta)) / self.unit if len(eta) else 0.0


def soft(eta: Vector) -> Vector:
    """`eta` where it is small, bending to -STEEPEST and STEEPEST; smooth everywhere."""
    eta = np.clip(eta, -ENDLESS, ENDLESS)  # where it is flat anyway
    over = np.logaddexp(0.0, SHARPNESS * (eta - STEEPEST))
    under = np.logaddexp(0.0, -SHARPNESS * (eta + STEEPEST))
    made: Vector = eta + (under - over) / SHARPNESS
    return made


def ranges(task: GlmTask, dictionary: Dictionary) -> Ranges:
    """What the dictionary says of the columns of a task that suits it.

    Raises:
        RangeMissingError: it does not say it of all.
    """
    spans = [(0.0, 1.0) if feature.coded else _span(dictionary.column(feature.name)) for feature in task.features]
    low, high = (np.repeat([span[side] for span in spans], widths(task)).astype(np.float64) for side in (0, 1))
    if task.family != "gaussian":
        return Ranges(low, high, 0.0, 1.0)
    least, most = _span(dictionary.column(task.target.column))
    return Ranges(low, high, (least + most) / 2.0, max(most - least, np.finfo(np.float64).tiny))


def _span(column: Column) -> tuple[float, float]:
    if column.span is None:
        raise RangeMissingError(column=column.name)
    return column.span


def check_columns(task: GlmTask, dictionary: Dictionary) -> None:
    """Check that the columns of a task exist and hold what it says.

    Raises:
        ColumnUnknownError, LevelUnknownError, TargetInvalidError: they do not suit it.
    """
    for feature in task.features:
        column = check_column(dictionary, feature.name, coded=feature.coded)
        if feature.coded and not codes(column) <= {*feature.levels}:
            raise LevelUnknownError(column=feature.name)
    target = check_column(dictionary, task.target.column, coded=task.target.level is not None)
    if task.target.binary:
        return
    whole = target.binary or target.type is ColumnType.INTEGER
    fits = {
        "binomial": target.binary,
        "poisson": whole and (target.span is None or target.span[0] >= 0.0),
        "gaussian": True,
    }
    if not fits[task.family]:
        raise TargetInvalidError(column=task.target.column, family=task.family)


def check_outcome(task: GlmTask, dictionary: Dictionary) -> None:
    """Check that the holder offers the outcome of a task: a yes/no column, or a declared outcome.

    Raises:
        RangeMissingError: a number without a range; LevelUnknownError: a level that the dictionary does not list.
        OutcomeUndeclaredError: a threshold of the asker's own.
    """
    column = dictionary.column(task.target.column)
    if task.target.level is not None:
        known = codes(column)
        if known and task.target.level not in known:
            raise LevelUnknownError(column=column.name)
        return
    declared = task.target.outcome
    if declared is None:
        _span(column)
    elif not column.binary and declared not in dictionary.outcomes:
        raise OutcomeUndeclaredError(outcome=str(declared))


def codes(column: Column) -> set[str]:
    """The codes that the dictionary lists for a column; none where it may hold any."""
    if column.others:
        return set()
    return set(FLAG_CODES) if column.type is ColumnType.FLAG else set(column.codes)


def check_column(dictionary: Dictionary, name: str, *, coded: bool) -> Column:
    """The column of that name, if it holds codes or numbers, as wanted, and is not that of the persons.

    Raises:
        ColumnUnknownError: there is no such column.
    """
    try:
        column = dictionary.column(name)
    except KeyError:
        raise ColumnUnknownError(name, coded=coded) from None
    if name == dictionary.person or (column.numeric if coded else column.type is ColumnType.CODE):
        raise ColumnUnknownError(name, coded=coded)
    return column
