"""Near repeats: fits that differ in one respect from one that was answered before.

They are warned about, not refused.

Two answers that differ by a single feature, level, threshold or held-out share together reveal something about the
persons whom that difference concerns. Whether that was intended cannot be known; the holder sees it, with the earlier
question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medspace.core.canonical import JsonObject
from medspace.core.engine import Engine, difference_of
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text

Tasks = Sequence[tuple[int, JsonObject]]  # with the entry of its first admission, oldest first


@dataclass(frozen=True, slots=True)
class NearRepeat:
    """Two tasks on an asset, by their admissions' entries in the holder's log, and the difference between them."""

    entry: int
    earlier: int
    differs: Text


def near(task: JsonObject, entry: int, before: Tasks, engine: Engine) -> NearRepeat | None:
    """The newest earlier task that differs from this one in one respect only."""
    for earlier, other in reversed(before):
        differs = _difference(engine, other, task)
        if differs is not None:
            return NearRepeat(entry, earlier, differs)
    return None


def all_near(tasks: Tasks, engines: Mapping[str, Engine]) -> list[NearRepeat]:
    """Every task that nearly repeats an earlier one; `engines` by the name of their task. Blocking."""
    found = []
    for at, (entry, task) in enumerate(tasks):
        engine = engines.get(str(task.get("task")))
        one = None if engine is None else near(task, entry, tasks[:at], engine)
        if one is not None:
            found.append(one)
    return found


def _difference(engine: Engine, one: JsonObject, other: JsonObject) -> Text | None:
    if one.get("task") != other.get("task"):
        return None
    try:
        return difference_of(engine, one, other)
    except InvalidInputError:  # a task of an earlier version that can no longer be read
        return None
