"""The audit of a question against all that its asset has answered before (`privacy.exposure`).

The question is weighed on the rows as they are now, and so is every question before it. What was computed for those
is kept between two questions, bounded, to save time and nothing else: without it the result is the same.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Lock

import numpy as np

from medspace.core.canonical import exact
from medspace.core.hashing import digest
from medspace.core.usage import Step
from medspace.learning.glm.design import Marks, Mask, Matrix
from medspace.learning.glm.weighing import Weighed
from medspace.privacy.errors import DisclosureError
from medspace.privacy.exposure import differs_by_few, exposes, extended, places

MOST_TABLES = 8  # kept at a time
MOST_ASKED = 64  # vectors kept until the history names their question


@dataclass(frozen=True, slots=True)
class Asked:
    """Of one question: which persons of the table it sums, and with which weights; places x vectors."""

    persons: Mask
    vectors: Matrix


@dataclass(slots=True)
class _Past:
    """What the questions before told, of one version of one table."""

    questions: list[str] = field(default_factory=list)
    sets: list[Mask] = field(default_factory=list)
    basis: Matrix | None = None
    known: OrderedDict[str, Asked] = field(default_factory=OrderedDict)


def question_of(step: Step) -> str:
    """The digest by which a question is the same again, in whatever round it is asked."""
    return digest(exact({"task": step.task, "name": step.name, "inputs": step.inputs}))


def asked(weighed: Weighed | None, rows: Mask, marks: Marks) -> Asked:
    """The vectors of a question: ones, or the weights and the residuals; summed for each person's place."""
    place, width = places(marks)
    vectors = [np.ones(int(rows.sum()))] if weighed is None else [weighed.weights, weighed.residuals]
    _, person = np.unique(marks, return_inverse=True)
    present = np.bincount(person, weights=rows) > 0.0
    return Asked(present, np.column_stack([np.bincount(place[rows], vector, width) for vector in vectors]))


class Audit:
    """Says no to a question that, with all before it, would rest on one person; threads may share it."""

    def __init__(self) -> None:
        self._past: OrderedDict[bytes, _Past] = OrderedDict()
        self._lock = Lock()

    def check(
        self,
        asset: str,
        marks: Marks,
        content: Marks,
        step: Step,
        new: Asked,
        history: tuple[Step, ...],
        again: Callable[[Step], Asked | None],
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
            if own in past.questions:
                return
            if any(differs_by_few(new.persons, other, least) for other in past.sets):
                raise DisclosureError("release.difference")
            basis = new.vectors[:, :0] if past.basis is None else past.basis
            if exposes(basis, extended(basis, new.vectors)):
                raise DisclosureError("release.exposure")
            past.known[own] = new
            while len(past.known) > MOST_ASKED:
                past.known.popitem(last=False)

    def _of(self, asset: str, marks: Marks, content: Marks) -> _Past:
        identity = blake2b(asset.encode() + b"\n" + marks.tobytes() + content.tobytes()).digest()
        past = self._past.setdefault(identity, _Past())
        self._past.move_to_end(identity)
        while len(self._past) > MOST_TABLES:
            self._past.popitem(last=False)
        return past

    def _catch_up(self, past: _Past, history: tuple[Step, ...], again: Callable[[Step], Asked | None]) -> None:
        """Bring what is kept to the state of the history; begin anew where the history is not longer than it."""
        steps = {question_of(step): step for step in history}
        asked_before = list(steps)
        if asked_before[: len(past.questions)] != past.questions:
            past.questions, past.sets, past.basis = [], [], None
        for question in asked_before[len(past.questions) :]:
            found = past.known.pop(question, None) or again(steps[question])
            past.questions.append(question)
            if found is None:
                continue
            basis = found.vectors[:, :0] if past.basis is None else past.basis
            past.basis = extended(basis, found.vectors)
            if not any((found.persons == other).all() for other in past.sets):
                past.sets.append(found.persons)
