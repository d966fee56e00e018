"""What a site adds to the noisy totals of a fit: each person's numbers, clipped and rounded.

Nothing that a person's rows say decides whether the site answers: rows that cannot be used add nothing, numbers
outside of their range count as its edge, and sites without any usable row add noise alone.
"""

import msgspec
import numpy as np

from medspace.core.material import Material
from medspace.core.usage import MOST_NOTES, Admission, HolderNote, Told
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.design import DesignBlock, Matrix, Vector, design, first_columns, sample
from medspace.learning.glm.errors import NothingLeftError
from medspace.learning.glm.judging import split_key
from medspace.learning.glm.maths import mean
from medspace.learning.glm.noisy.following import Phase
from medspace.learning.glm.noisy.planning import Total, noise_of, plan
from medspace.learning.glm.ranges import check_columns, check_outcome
from medspace.learning.glm.task import GlmTask
from medspace.privacy.disclosure import Persons
from medspace.privacy.noise.clipping import clipped, grouped, quantised
from medspace.runs.masked.ports import Asked

Notes = tuple[HolderNote, ...]


def sums(admission: Admission, task: GlmTask, asked: Asked, rows: Material | None) -> list[int]:
    """The site's integers for a question, without noise.

    Raises:
        InvalidInputError: the columns of the task are not those of the data dictionary.
    """
    return told_sums(admission, task, asked, rows)[0]


def told_sums(admission: Admission, task: GlmTask, asked: Asked, rows: Material | None) -> tuple[list[int], Notes]:
    """The same, and for the holder alone: how many patients were shortened, how many values lie outside a range.

    Raises:
        InvalidInputError: as `sums`.
    """
    if rows is None:
        raise NothingLeftError
    check_columns(task, rows.dictionary)
    if admission.brakes.outcomes:
        check_outcome(task, rows.dictionary)
    planned = plan(task)
    moments = asked.name == Phase.MOMENTS
    total = planned.moments if moments else planned.gradient
    try:
        part = sample(task, rows, key=split_key(admission), coarse_target=False).fitted
    except NothingLeftError:
        return [0] * total.numbers, ()
    values = _ranged(task, part.values)
    made = _moments(task, values) if moments else _scores(task, values, part.target, asked)
    clip = admission.brakes.clipping
    numbers, shortened = _added(made, total, _owners(task, part), averaged=moments, clip=clip)
    return numbers, (shortened, *_outside(task, part.values))


def _owners(task: GlmTask, part: DesignBlock) -> Persons:
    """Whose rows are clipped together: those of a person; each by itself where single rows are protected."""
    if noise_of(task).unit == "patient":
        return part.persons
    return np.arange(len(part.target), dtype=np.int64)


def _added(
    made: Matrix, total: Total, owners: Persons, *, averaged: bool, clip: bool
) -> tuple[list[int], HolderNote]:
    each = grouped(made, owners)
    if averaged:
        each /= np.unique(owners, return_counts=True)[1][:, None]
    cut = clipped(each, total.norm)
    note = HolderNote(Told.SHORTENED, cut.shortened if clip else 0, len(each))
    return quantised(cut.vectors if clip else each, total.scale), note


def _ranged(task: GlmTask, values: Matrix) -> Matrix:
    """The values, numbers held to their ranges."""
    made = values.copy()
    for feature, at in zip(task.features, first_columns(task), strict=True):
        if feature.span is not None:
            made[:, at] = np.clip(made[:, at], *feature.span)
    return made


def _outside(task: GlmTask, values: Matrix) -> Notes:
    """Columns with values outside of the range that the task states: they count as its edge."""
    found = []
    for feature, at in zip(task.features, first_columns(task), strict=True):
        if feature.span is not None:
            low, high = feature.span
            known = values[:, at][~np.isnan(values[:, at])]
            found.append(
                HolderNote(Told.OUTSIDE, int(((known < low) | (known > high)).sum()), len(known), feature.name)
            )
    return tuple(note for note in found if note.count)[: MOST_NOTES - 1]


def _moments(task: GlmTask, values: Matrix) -> Matrix:
    """Per row: a one, each value within its range as -1 to 1 (codes 0 or 1), squares of numbers, gaps."""
    made = values.copy()
    starts = first_columns(task)
    plain = [at for feature, at in zip(task.features, starts, strict=True) if not feature.coded]
    for feature, at in zip(task.features, starts, strict=True):
        if feature.span is not None:
            low, high = feature.span
            made[:, at] = (made[:, at] - (low + high) / 2.0) / ((high - low) / 2.0)
    gaps = np.isnan(made[:, starts])
    made = np.nan_to_num(made, nan=0.0)
    blocks = [np.ones((len(made), 1)), made, np.square(made[:, plain])]
    return np.column_stack([*blocks, gaps] if task.missing != "drop" else blocks)


def _scores(task: GlmTask, values: Matrix, target: Vector, asked: Asked) -> Matrix:
    """Per row: its residual times each column of the design.

    A product of matrices would round a row by how many others there are: so would a person change what others add.
    """
    form = msgspec.convert(asked.inputs, BetaForm)
    matrix = np.ascontiguousarray(design(task, form.layout, values))
    eta = (matrix * np.asarray(form.beta)).sum(axis=1)
    made: Matrix = matrix * (target - mean(task.family, eta))[:, None]
    return made
