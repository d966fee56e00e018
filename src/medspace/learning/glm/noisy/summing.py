"""What a site adds to the noisy totals of a fit: each person's numbers, clipped and rounded.

No person's rows decide whether the site answers: rows that cannot be used add nothing, numbers
outside of their range count as its edge, and sites without any usable row add noise alone.
"""

import msgspec
import numpy as np

from medspace.core.material import Material
from medspace.core.usage import MOST_NOTES, Admission, HolderNote, HolderNoteKind
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.design import DesignBlock, Mask, Matrix, Vector, design, first_columns, sample
from medspace.learning.glm.errors import NothingLeftError
from medspace.learning.glm.evaluation import scores
from medspace.learning.glm.judging import split_key
from medspace.learning.glm.maths import mean, weights_of
from medspace.learning.glm.noisy.planning import (
    BINS,
    CURVE,
    SLOPE,
    Newton,
    NoisyPhase,
    Total,
    newton_of,
    noise_of,
    plan,
)
from medspace.learning.glm.noisy.stepping import kept
from medspace.learning.glm.ranges import check_columns, check_outcome
from medspace.learning.glm.task import GlmTask
from medspace.privacy.disclosure import Persons
from medspace.privacy.noise.clipping import clipped, grouped, quantised
from medspace.runs.masked.ports import TaskQuestion

Notes = tuple[HolderNote, ...]


def told_sums(
    admission: Admission, task: GlmTask, asked: TaskQuestion, rows: Material | None, step_round: int
) -> tuple[list[int], Notes]:
    """The site's integers for a question, without noise, and the notes for the holder alone.

    That is how many patients were shortened, and how many values lie outside of a range.

    Raises:
        InvalidInputError: the columns of the task are not those of the data dictionary.
    """
    if rows is None:
        raise NothingLeftError
    check_columns(task, rows.dictionary)
    if admission.brakes.outcomes:
        check_outcome(task, rows.dictionary)
    total = plan(task).totals[step_round - 1]
    try:
        chosen = sample(task, rows, key=split_key(admission), coarse_target=False)
    except NothingLeftError:
        return [0] * total.numbers, ()
    part = chosen.measured if total.phase is NoisyPhase.EVALUATION else chosen.fitted
    made, cut = _made(task, total.phase, asked, part)
    owners, averaged = _owners(task, part), total.phase is not NoisyPhase.GRADIENT
    numbers, long = _added(made, total, owners, averaged=averaged, clip=admission.brakes.clipping)
    shortened = int((long | (grouped(cut[:, None], owners)[:, 0] > 0.0)).sum())
    return numbers, (HolderNote(HolderNoteKind.SHORTENED, shortened, len(long)), *_outside(task, part))


def _made(task: GlmTask, phase: NoisyPhase, asked: TaskQuestion, part: DesignBlock) -> tuple[Matrix, Vector]:
    """What each row adds; 1 for each row that was clipped before."""
    values, target = _ranged(task, part.values), _response(task, part.target)
    whole = np.zeros(len(values))
    if phase is NoisyPhase.MOMENTS:
        return _moments(task, values, target), whole
    form = msgspec.convert(asked.inputs, BetaForm)
    matrix, beta = np.zeros((len(values), len(task.columns) + 1)), np.zeros(len(task.columns) + 1)
    places = kept(form.layout)  # a total has numbers of all columns
    matrix[:, places], beta[places] = design(task, form.layout, values), form.beta
    if phase is NoisyPhase.NEWTON:
        rows, cut = _reached(matrix, newton_of(task).reach)
        return _newton(task, rows, beta, target), cut
    eta = _predictor(matrix, beta)
    if phase is NoisyPhase.EVALUATION:
        return _measured(task, beta, eta, target), whole
    made: Matrix = matrix * (target - mean(task.family, eta))[:, None]
    return made, whole


def _owners(task: GlmTask, part: DesignBlock) -> Persons:
    """Which rows are clipped together: those of a person; each separately where single rows are protected."""
    if noise_of(task).unit == "patient":
        return part.persons
    return np.arange(len(part.target), dtype=np.int64)


def _added(made: Matrix, total: Total, owners: Persons, *, averaged: bool, clip: bool) -> tuple[list[int], Mask]:
    """The integers, and which persons' parts were longer than the norm."""
    each = grouped(made, owners)
    if averaged:
        each /= np.unique(owners, return_counts=True)[1][:, None]
    if not clip:
        return quantised(each, total.scale), np.zeros(len(each), dtype=bool)
    cut = clipped(each, total.norm)
    return quantised(cut.vectors, total.scale), cut.shortened


def _ranged(task: GlmTask, values: Matrix) -> Matrix:
    """The values, numbers held to their ranges; a code that the task does not name counts as missing."""
    made = values.copy()
    for feature, at in zip(task.features, first_columns(task), strict=True):
        if feature.span is not None:
            made[:, at] = np.clip(made[:, at], *feature.span)
        if feature.coded:
            last = at + len(feature.columns)
            made[made[:, last - 1] > 0.0, at:last] = np.nan
    return made


def _response(task: GlmTask, target: Vector) -> Vector:
    """The target as it is fitted, held to its range: 0 to 1, counts, or -1 to 1 (gaussian)."""
    low, high = task.target.span or (0.0, 1.0)
    held = np.clip(target, low, high)
    if task.family != "gaussian":
        return held
    sums = newton_of(task)
    return (held - sums.middle) / sums.half


def _outside(task: GlmTask, part: DesignBlock) -> Notes:
    """Columns with values outside of the range that the task states: they count as its edge."""
    spans = [
        (feature.name, feature.span, part.values[:, at])
        for feature, at in zip(task.features, first_columns(task), strict=True)
    ]
    spans.append((task.target.column, task.target.span, part.target))
    found = [_beyond(name, span, values) for name, span, values in spans if span is not None]
    return tuple(note for note in found if note.count)[: MOST_NOTES - 1]


def _beyond(name: str, span: tuple[float, float], values: Vector) -> HolderNote:
    known = values[~np.isnan(values)]
    return HolderNote(HolderNoteKind.OUTSIDE, int(((known < span[0]) | (known > span[1])).sum()), len(known), name)


def _moments(task: GlmTask, values: Matrix, target: Vector) -> Matrix:
    """Per row: a one, target from 0 to 1, each value within its range as -1 to 1 (codes 0 or 1), squares, gaps."""
    made = values.copy()
    starts = first_columns(task)
    plain = [at for feature, at in zip(task.features, starts, strict=True) if not feature.coded]
    for feature, at in zip(task.features, starts, strict=True):
        if feature.span is not None:
            low, high = feature.span
            made[:, at] = (made[:, at] - (low + high) / 2.0) / ((high - low) / 2.0)
    gaps = np.isnan(made[:, starts])
    made = np.nan_to_num(made, nan=0.0)
    blocks = [np.ones(len(made)), _share(task, target), made, np.square(made[:, plain])]
    return np.column_stack([*blocks, gaps] if task.missing != "drop" else blocks)


def _share(task: GlmTask, target: Vector) -> Vector:
    if task.family == "gaussian":
        return (target + 1.0) / 2.0
    low, high = task.target.span or (0.0, 1.0)
    return (target - low) / (high - low)


def _newton(task: GlmTask, rows: Matrix, beta: Vector, target: Vector) -> Matrix:
    """Per row: gradient and upper triangle of the sum of pairs, at most one long together."""
    sums = newton_of(task)
    eta = _predictor(rows, beta)
    mu = np.minimum(mean(task.family, eta), sums.weight) if task.family == "poisson" else mean(task.family, eta)
    residual = np.clip((target - mu) / sums.residual, -1.0, 1.0)
    weight = np.minimum(weights_of(task.family, eta, mu) / sums.weight, 1.0)
    return _joined(sums, rows / sums.reach, residual, weight)


def _joined(sums: Newton, rows: Matrix, residual: Vector, weight: Vector) -> Matrix:
    j, k = np.triu_indices(sums.width)
    pairs = rows[:, j] * rows[:, k] * np.where(j == k, 1.0, np.sqrt(2.0))
    left = np.sqrt(1.0 - sums.response**2)
    blocks = [SLOPE * left * rows * residual[:, None], CURVE * left * pairs * weight[:, None]]
    if sums.response:
        blocks.append((sums.response * np.square(residual))[:, None])
    return np.column_stack(blocks)


def _reached(matrix: Matrix, reach: float) -> tuple[Matrix, Vector]:
    """The rows, those that are longer cut to this length; 1 for each of those."""
    lengths = np.sqrt(np.square(matrix).sum(axis=1))
    made: Matrix = matrix * np.minimum(1.0, reach / lengths)[:, None]
    return made, (lengths > reach).astype(np.float64)


def _predictor(matrix: Matrix, beta: Vector) -> Vector:
    """Row by row: a product of matrices rounds each by how many others there are, so a person would change them."""
    made: Vector = (matrix * beta).sum(axis=1)
    return made


def _measured(task: GlmTask, beta: Vector, eta: Vector, target: Vector) -> Matrix:
    """Per row: its bin of the predictor, among the cases or the controls; or a one and its square off the model."""
    made = scores(task, beta, eta)
    if task.family != "binomial":
        sums = newton_of(task)
        most = 2.0 if task.family == "gaussian" else sums.residual
        missed = np.clip((target - made.mu) / most, -1.0, 1.0)
        return np.column_stack([np.ones(len(target)), np.square(missed)])
    place = made.places(BINS) + np.where(target > 0.5, 0, BINS)  # noqa: PLR2004
    bins: Matrix = (place[:, None] == np.arange(2 * BINS)).astype(np.float64)
    return bins
