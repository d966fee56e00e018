"""How well a net tells several classes apart, from counts that add up under masks.

The vector of the last question: rows, persons, squared errors of the chances (Brier), loss; the confusion matrix
(true class by row, likeliest by column); of each class, those who have it and the others per bin of its chance; per
bin of the largest chance: rows, those of that class, the chances. Counts are of all sites together, and only what
follows from them is released: no cell of the matrix is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import fsum

import numpy as np

from medspace.core.text import msgid
from medspace.core.usage import Measure
from medspace.learning.exact import FRACTION, fixed
from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.totals import MOST_ROWS, SLACK, TotalCheck
from medspace.policy import gates
from medspace.runs.masked.ports import Shape

BINS = 10  # of the largest chance
FINE = 400  # bins of the chance of each class
LOSS = 32 * 20  # of a row, whose logits are clipped at 15
KEPT = 16


@dataclass(frozen=True, slots=True)
class ClassQuality:
    """How well a net tells classes apart; None where it is not defined, as where one class only was there.

    `auc` is the mean over classes of each against all others, known to `auc_resolution`. `kappa` is Cohen's, weighted
    by the squared distance of the classes (Cohen 1968). `ece` is of the likeliest class. `brier` is the sum over
    classes.
    """

    rows: int
    persons: int
    loss: float
    accuracy: float
    kappa: float | None
    auc: float | None
    auc_resolution: float | None
    brier: float
    ece: float


@dataclass(frozen=True, slots=True)
class ClassTotal:
    """Counts as they are; sums with 96 bits behind the point."""

    rows: int
    persons: int
    squared: int
    loss: int
    confusion: tuple[int, ...]
    having: tuple[int, ...]
    others: tuple[int, ...]
    bin_rows: tuple[int, ...]
    bin_right: tuple[int, ...]
    bin_chances: tuple[int, ...]


@lru_cache(maxsize=KEPT)
def class_shape(classes: int, rows: int) -> Shape:
    """The vector of the last question; of rows held out a site has hardly more than all fitted ones."""
    own = min(2 * rows + 2**20, MOST_ROWS)
    counts = classes * classes + 2 * FINE * classes + 3 * BINS
    largest = [own, own, 2 * own, LOSS * own, *[own] * counts]
    return Shape(len(largest), FRACTION, tuple(most << FRACTION for most in largest))


def class_sums(chances: Matrix, labels: Vector, losses: Vector, cohort: int) -> list[int]:
    """The integers of one site, by the chances of its rows (rows x classes)."""
    classes, true = chances.shape[1], labels.astype(np.int64)
    likely, largest = chances.argmax(axis=1), chances.max(axis=1)
    has = true[:, None] == np.arange(classes)
    place = np.minimum((chances * FINE).astype(np.int64), FINE - 1) + FINE * np.arange(classes)
    near = np.minimum((largest * BINS).astype(np.int64), BINS - 1)
    counts = np.concatenate(
        [
            np.bincount(true * classes + likely, minlength=classes * classes),
            np.bincount(place[has], minlength=FINE * classes),
            np.bincount(place[~has], minlength=FINE * classes),
            np.bincount(near, minlength=BINS),
            np.bincount(near[likely == true], minlength=BINS),
        ]
    )
    sums = [fixed(float(np.square(chances - has).sum())), fixed(float(losses.sum()))]
    whole = [count << FRACTION for count in (len(labels), cohort)]
    certain = [fixed(value) for value in np.bincount(near, largest, BINS).tolist()]
    return [*whole, *sums, *(int(count) << FRACTION for count in counts), *certain]


def class_total(classes: int, total: Sequence[int]) -> ClassTotal:
    """What stands where in the total of the last question."""
    sizes = [classes * classes, FINE * classes, FINE * classes, BINS, BINS, BINS]
    parts = [total[start:end] for start, end in pairwise(accumulate(sizes, initial=4))]
    confusion, having, others, rows, right = (tuple(value >> FRACTION for value in part) for part in parts[:-1])
    return ClassTotal(
        rows=total[0] >> FRACTION,
        persons=total[1] >> FRACTION,
        squared=max(total[2], 0),
        loss=max(total[3], 0),
        confusion=confusion,
        having=having,
        others=others,
        bin_rows=rows,
        bin_right=right,
        bin_chances=tuple(parts[-1]),
    )


def check_classes(check: TotalCheck, classes: int, total: Sequence[int]) -> None:
    """Refuse a total of the last question that cannot be right: every row has one class and one likeliest class.

    Raises:
        TotalInvalidError: it cannot.
    """
    check.counts([*total[:2], *total[4:-BINS]])
    found = class_total(classes, total)
    check.people(found.rows, found.persons)
    slack = (found.rows << FRACTION) >> SLACK
    check.that(min(*total[2:4], *total[-BINS:]) >= -slack, msgid("its sums contradict each other"))
    true = [sum(found.confusion[k * classes : (k + 1) * classes]) for k in range(classes)]
    fits = (
        sum(true) == sum(found.bin_rows) == found.rows
        and [sum(_of(found.having, k)) for k in range(classes)] == true
        and [sum(_of(found.others, k)) for k in range(classes)] == [found.rows - count for count in true]
        and sum(found.bin_right) == sum(found.confusion[k * classes + k] for k in range(classes))
        and all(
            right <= rows and chance <= (rows << FRACTION) + slack
            for rows, right, chance in zip(found.bin_rows, found.bin_right, found.bin_chances, strict=True)
        )
    )
    check.that(fits, msgid("its counts contradict each other"))


def _of(counts: Sequence[int], place: int) -> Sequence[int]:
    return counts[place * FINE : (place + 1) * FINE]


def class_quality(total: ClassTotal, classes: int) -> ClassQuality:
    """The quality that follows from a total; by exact sums, which every site rounds alike."""
    rows, whole = total.rows, total.rows << FRACTION
    areas = [
        found for k in range(classes) if (found := _area(_of(total.having, k), _of(total.others, k))) is not None
    ]
    gaps = sum(
        abs((right << FRACTION) - chance) for right, chance in zip(total.bin_right, total.bin_chances, strict=True)
    )
    return ClassQuality(
        rows=rows,
        persons=total.persons,
        loss=total.loss / whole,
        accuracy=sum(total.confusion[k * classes + k] for k in range(classes)) / rows,
        kappa=_kappa(total.confusion, classes),
        auc=fsum(area for area, _ in areas) / len(areas) if areas else None,
        auc_resolution=fsum(error for _, error in areas) / len(areas) if areas else None,
        brier=total.squared / whole,
        ece=gaps / whole,
    )


def graded_measures(table: GlmTask, found: ClassQuality) -> tuple[Measure, ...]:
    """What terms may demand of it (`policy.gates`): the AUC at the lower end of its resolution."""
    made = [Measure(gates.HELD_OUT, table.evaluation.holdout), Measure(gates.ECE, found.ece)]
    if found.auc is not None:
        made.append(Measure(gates.AUC, found.auc - (found.auc_resolution or 0.0)))
    return tuple(made)


def _area(having: Sequence[int], others: Sequence[int]) -> tuple[float, float] | None:
    """The area under the curve and how far it may be off; None where there is one kind only."""
    before = ties = below = 0
    for case, control in zip(having, others, strict=True):
        before, ties, below = before + case * below, ties + case * control, below + control
    pairs = 2 * sum(having) * below
    return ((2 * before + ties) / pairs, ties / pairs) if pairs else None


def _kappa(confusion: Sequence[int], classes: int) -> float | None:
    """Cohen's kappa with quadratic weights; None where all rows have, and are given, one class."""
    true = [sum(confusion[k * classes : (k + 1) * classes]) for k in range(classes)]
    said = [sum(confusion[k::classes]) for k in range(classes)]
    places = [(j, k) for j in range(classes) for k in range(classes)]
    seen = sum((j - k) ** 2 * confusion[j * classes + k] for j, k in places)
    chance = sum((j - k) ** 2 * true[j] * said[k] for j, k in places)
    return 1.0 - seen * sum(true) / chance if chance else None
