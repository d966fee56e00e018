"""The vectors that sites add up for a net: what stands where, how large it can be, what cannot be right.

    moments     as a GLM (`glm.totals`)
    training    rows, loss, rows set apart, their loss, with a penalty on groups the scores of each and of all, the
                change of each weight times rows (in a cycle: the change at the hospital whose turn it is, and 0 at
                others); with SCAFFOLD, the gradient of each times rows
    evaluation  as a GLM

Every number is an integer that stands for v * 2**-96, counts too. The bounds are public; that of changes is the norm
bound of the task, so that no total can move the weights farther than that, whatever some sites send.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.core.text import msgid
from medspace.learning.exact import FRACTION, ONE, fixed
from medspace.learning.glm.totals import MOST_ROWS, SLACK, TotalCheck
from medspace.learning.net.task import NetTask
from medspace.runs.masked.ports import Shape

MOST_LOSS = 32  # of a row and an output, whose logit is clipped at 15
ROOM = 1.0 + 1e-9  # for the rounding of a norm
HEAD = 4  # numbers before those of the weights


@dataclass(frozen=True, slots=True)
class TrainingTotal:
    """Counts as they are, the other numbers with 96 bits behind the point."""

    rows: int
    loss: int
    apart: int
    apart_loss: int
    changes: tuple[int, ...]
    gradients: tuple[int, ...]
    scores: tuple[int, ...] = ()


def training_shape(task: NetTask, weights: int, rows: int, scores: int = 0) -> Shape:
    """The vector of a round of training of so many weights, on so many rows at all sites."""
    own = min(rows, MOST_ROWS)
    apart = min(2 * rows + 2**20, MOST_ROWS)
    most = MOST_LOSS * task.head.outputs
    head = [own << FRACTION, own * most << FRACTION, apart << FRACTION, apart * most << FRACTION]
    count = weights * (2 if task.server.strategy == "scaffold" else 1)
    moved = (fixed(task.clip * ROOM) * (1 if task.cycle else own),) * count
    largest = (*head, *(own * MOST_LOSS << FRACTION,) * scores, *moved)
    return Shape(len(largest), FRACTION, largest)


def training_total(weights: int, total: Sequence[int], scores: int = 0) -> TrainingTotal:
    """What stands where in the total of a round of training."""
    start = HEAD + scores
    changes, gradients = total[start : start + weights], total[start + weights :]
    return TrainingTotal(
        total[0] >> FRACTION,
        max(total[1], 0),
        total[2] >> FRACTION,
        max(total[3], 0),
        tuple(changes),
        tuple(gradients),
        tuple(total[HEAD:start]),
    )


def check_training(
    task: NetTask, check: TotalCheck, weights: int, rows: int, total: Sequence[int], scores: int = 0
) -> None:
    """Refuse a total of a round of training that cannot be right.

    Raises:
        TotalInvalidError: it cannot.
    """
    check.counts([total[0], total[2]])
    found = training_total(weights, total, scores)
    check.that(found.rows == rows, msgid("its number of rows changed during the run"))
    check.that(min(total[1], total[3]) >= -((rows << FRACTION) >> SLACK), msgid("its loss is negative"))
    most = (fixed(task.clip * ROOM) * (1 if task.cycle else rows) + (ONE >> SLACK)) ** 2
    for moved in (found.changes, found.gradients):
        size = sum(value * value for value in moved)
        check.that(size <= most, msgid("it changes the weights more than the norm bound of the task allows"))


def means(values: Sequence[int], rows: int) -> list[float]:
    """The mean of each sum over rows: the float nearest to the exact one."""
    whole = max(rows, 1) << FRACTION
    return [value / whole for value in values]
