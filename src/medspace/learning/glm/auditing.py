"""The audit of a question against all that its asset has answered before (`privacy.exposure`).

The question is weighed on the rows as they are now, and so is every question before it. What was computed for those
is cached between questions, bounded, only to save time: without it the result is the same.

A sum of all rows comes with one over the rows of each code: the difference of two sums reveals somebody who is alone
with a code among those in which they differ. So each coded column is also audited separately, by who has which code.
And a code that is an outcome, and that a rare one joins in a feature, would reveal the few who have the rare one.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Lock

import numpy as np

from medspace.core.canonical import exact
from medspace.core.hashing import digest
from medspace.core.usage import Step
from medspace.learning.glm.design import DesignBlock, Marks, Mask, Matrix
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.weighing import Weighing
from medspace.privacy.errors import DisclosureError
from medspace.privacy.exposure import MOST_LEVERAGE, differs_by_few, exposes, extended, places
from medspace.privacy.rounding import BITS

MOST_TABLES = 8  # kept at a time
MOST_ASKED = 64  # vectors kept until the history names their question
MOST_DIGESTS = 4096  # of questions of the histories
SLACK = 1e-6  # of a leverage that was computed in another order


@dataclass(frozen=True, slots=True)
class SumQuery:
    """Of one question: which persons of the table it sums, and with which weights; places x vectors.

    `cells` are, for each column of the table that it sums by code: all rows, those of each code, and those without.
    `bits` are those that its sums are rounded to.
    """

    persons: Mask
    vectors: Matrix
    cells: Mapping[str, Matrix] = field(default_factory=dict)
    bits: int = BITS


@dataclass(slots=True)
class _Past:
    """What earlier questions revealed, for one version of one table."""

    questions: list[str] = field(default_factory=list)
    sets: list[Mask] = field(default_factory=list)
    basis: Matrix | None = None
    cells: dict[str, Matrix] = field(default_factory=dict)
    codes: dict[tuple[str, bytes], list[Mask]] = field(default_factory=dict)  # by column and all persons
    known: OrderedDict[str, SumQuery] = field(default_factory=OrderedDict)


def question_of(step: Step) -> str:
    """The digest that identifies a question, in whatever round it is asked."""
    return digest(exact({"task": step.task, "name": step.name, "inputs": step.inputs}))


def identity(asset: str, marks: Marks, content: Marks) -> bytes:
    """The identity of one version of one table: a digest of the keyed marks of its rows."""
    return blake2b(asset.encode() + b"\n" + marks.tobytes() + content.tobytes()).digest()


def asked(weighed: Weighing | None, rows: Mask, marks: Marks, cells: Mapping[str, Matrix] | None = None) -> SumQuery:
    """The vectors of a question: ones, or the weights and the residuals; summed for each person's place."""
    _, person = np.unique(marks, return_inverse=True)
    present = np.bincount(person, weights=rows) > 0.0
    ones = np.ones((int(rows.sum()), 1))
    vectors = ones if weighed is None else np.column_stack([weighed.weights, weighed.residuals])
    summed = {name: by_person(found, rows, marks) for name, found in (cells or {}).items()}
    return SumQuery(present, by_person(vectors, rows, marks), summed)


def by_person(vectors: Matrix, rows: Mask, marks: Marks) -> Matrix:
    """Vectors of some rows, summed for each person's place."""
    place, width = places(marks)
    return np.column_stack([np.bincount(place[rows], vector, width) for vector in vectors.T])


def cells_of(task: GlmTask, part: DesignBlock) -> dict[str, Matrix]:
    """Who is summed by which code, for each column that has codes (or numbers of two values): rows x vectors."""
    found: dict[str, Matrix] = {}
    first, everybody = 0, np.ones(len(part.target))
    for feature in task.features:
        values = part.values[:, first : first + len(feature.columns)]
        first += len(feature.columns)
        shown = values if feature.coded or _two_valued(values) else values[:, :0]
        found[feature.name] = np.column_stack([everybody, np.nan_to_num(shown), np.isnan(values[:, :1])])
    if _two_valued(part.target):
        found[task.target.column] = np.column_stack([everybody, part.target])
    return found


def _check_span(basis: Matrix | None, vectors: Matrix, *, known: bool, bits: int = BITS) -> None:
    before = vectors[:, :0] if basis is None else basis
    after = extended(before, vectors, bits)
    if exposes(before[:, :0], after, MOST_LEVERAGE + SLACK) if known else exposes(before, after):
        raise DisclosureError("release.exposure")


def _grouped(cells: Matrix) -> tuple[bytes, list[Mask]]:
    """All persons of the cells of a column, and the persons of each code, those of the first code last."""
    everybody, shown = cells[:, 0] > 0.0, cells[:, 1:] > 0.0
    return everybody.tobytes(), [*shown.T, everybody & ~shown.any(axis=1)]


def _two_valued(values: Matrix) -> bool:
    return len(np.unique(values[~np.isnan(values)])) <= 2  # noqa: PLR2004 - yes and no


class Audit:
    """Refuses a question that, with all before it, would rest on one person; thread-safe."""

    def __init__(self) -> None:
        self._past: OrderedDict[bytes, _Past] = OrderedDict()
        self._digests: OrderedDict[int, tuple[Step, str]] = OrderedDict()
        self._lock = Lock()

    def check(
        self,
        asset: str,
        marks: Marks,
        content: Marks,
        step: Step,
        new: SumQuery,
        history: tuple[Step, ...],
        again: Callable[[Step], SumQuery | None],
        least: int,
    ) -> None:
        """Audit `new`, the question of `step`.

        `marks` and `content` are the keyed marks of the table's rows; `again` weighs a question of the history.

        Raises:
            DisclosureError: it may not be answered.
        """
        with self._lock:
            past = self._of(asset, marks, content)
            self._catch_up(past, history, again)
            own = question_of(step)
            # A repeated question adds nothing, but it may have been answered on other rows, where it was harmless.
            known = own in past.questions
            if any(differs_by_few(new.persons, other, least) for other in past.sets):
                raise DisclosureError("release.difference")
            _check_span(past.basis, new.vectors, known=known, bits=new.bits)
            for name, found in new.cells.items():
                who, masks = _grouped(found)
                others = past.codes.get((name, who), [])
                if any(differs_by_few(mask, other, least) for mask in masks for other in others):
                    raise DisclosureError("release.difference")
                _check_span(past.cells.get(name), found, known=known)
            if known:
                return
            past.known[own] = new
            while len(past.known) > MOST_ASKED:
                past.known.popitem(last=False)

    def _digest(self, step: Step) -> str:
        """The digest of a question of the history, whose steps are the same objects each time."""
        known, said = self._digests.get(id(step), (None, ""))
        if known is not step:  # kept with its digest, so that its id is not reused
            said = question_of(step)
            self._digests[id(step)] = (step, said)
        self._digests.move_to_end(id(step))
        while len(self._digests) > MOST_DIGESTS:
            self._digests.popitem(last=False)
        return said

    def _of(self, asset: str, marks: Marks, content: Marks) -> _Past:
        table = identity(asset, marks, content)
        past = self._past.setdefault(table, _Past())
        self._past.move_to_end(table)
        while len(self._past) > MOST_TABLES:
            self._past.popitem(last=False)
        return past

    def _catch_up(self, past: _Past, history: tuple[Step, ...], again: Callable[[Step], SumQuery | None]) -> None:
        """Bring the cache up to the history; start over if the history is not longer than the cache."""
        steps = {self._digest(step): step for step in history}
        asked_before = list(steps)
        if asked_before[: len(past.questions)] != past.questions:
            past.questions, past.sets, past.basis, past.cells, past.codes = [], [], None, {}, {}
        for question in asked_before[len(past.questions) :]:
            found = past.known.pop(question, None) or again(steps[question])
            past.questions.append(question)
            if found is None:
                continue
            basis = found.vectors[:, :0] if past.basis is None else past.basis
            past.basis = extended(basis, found.vectors, found.bits)
            for name, summed in found.cells.items():
                past.cells[name] = extended(past.cells.get(name, summed[:, :0]), summed)
                who, masks = _grouped(summed)
                others = past.codes.setdefault((name, who), [])
                others += [mask for mask in masks if not any((mask == other).all() for other in others)]
            if not any((found.persons == other).all() for other in past.sets):
                past.sets.append(found.persons)
